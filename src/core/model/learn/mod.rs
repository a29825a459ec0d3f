//! Learning from whole sequences on the CPU, as one operation of candle.
//!
//! Written with candle's tensors, a step of time is some fifteen small operations, each with its
//! own allocation, and the larger ones wake other threads. Here one operation takes all parameters
//! to the loss of a whole batch of sequences, with a way back of its own. The batch is a
//! [`Forest`]: prefixes that sequences share are computed once.

mod descent;
mod forest;
mod layer;
mod output;
mod passage;
mod product;
mod states;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape};
use candle_core::{Storage, Tensor, Var};

use self::descent::{Descend, Moments};
use self::forest::Forest;
pub(in crate::core) use self::forest::Row;
use self::passage::{Passage, parts};
use self::states::States;
use super::network::Weights;

/// A network that learns.
#[derive(Debug)]
pub(in crate::core) struct Learner {
    key_count: usize,
    /// All parameters in one row, in the order of [`Weights::shapes`].
    parameters: Var,
    moments: Mutex<Moments>,
    passage: Arc<Mutex<Passage>>,
}

impl Learner {
    /// A learner that begins with `weights` and keeps as many states between pieces of sequences
    /// as `places`.
    pub(in crate::core) fn new(weights: &Weights, places: usize) -> Result<Self> {
        let parameters = weights.values().concat();
        let count = parameters.len();
        let passage = Passage::new(States::zero(places));
        Ok(Self {
            key_count: weights.key_count(),
            parameters: Var::from_vec(parameters, count, &Device::Cpu)?,
            moments: Mutex::default(),
            passage: Arc::new(Mutex::new(passage)),
        })
    }

    /// A copy of the weights as they are now.
    pub(in crate::core) fn weights(&self) -> Result<Weights> {
        let parameters = self.parameters.to_vec1::<f32>()?;
        let values = parts(&parameters).map(<[f32]>::to_vec);
        Ok(Weights::new(self.key_count, values))
    }

    /// One optimiser step along the gradient of the weighted −ln probability of what came in
    /// `rows`. Gives that loss, before the step, and the number of distinct steps.
    pub(in crate::core) fn learn(&mut self, rows: &[Row<'_>], rate: f64) -> Result<(f32, usize)> {
        let steps = self.take_in(rows)?;
        if steps == 0 {
            return Ok((0.0, 0));
        }
        let loss = self.parameters.apply_op1(SequenceLoss {
            passage: Arc::clone(&self.passage),
        })?;
        let gradients = loss.backward()?;
        lock(&self.passage).keep_states();
        let gradient = gradients
            .get(&self.parameters)
            .ok_or_else(|| Error::Msg("the loss has no gradient".to_owned()))?;
        let descend = Descend {
            moments: &self.moments,
            rate,
        };
        self.parameters.inplace_op2(gradient, &descend)?;
        Ok((loss.to_scalar()?, steps))
    }

    /// The weighted −ln probability of what came in `rows`; nothing is learned, but states for
    /// later pieces are kept.
    pub(in crate::core) fn loss(&mut self, rows: &[Row<'_>]) -> Result<f64> {
        self.take_in(rows)?;
        let mut passage = lock(&self.passage);
        let (storage, layout) = self.parameters.storage_and_layout();
        let loss = passage.loss(of_cpu(&storage, layout)?);
        passage.keep_states();
        Ok(loss)
    }

    /// Makes the forest of `rows` and tells its size.
    fn take_in(&mut self, rows: &[Row<'_>]) -> Result<usize> {
        let keys = rows.iter().flat_map(|row| row.keys);
        if keys.into_iter().any(|key| key.index() >= self.key_count) {
            return Err(Error::Msg(
                "a sequence holds a key that the network does not know".to_owned(),
            ));
        }
        let mut passage = lock(&self.passage);
        passage.forest = Forest::new(rows);
        Ok(passage.forest.steps.len())
    }
}

/// From all parameters to the loss of the forest in the passage.
///
/// The way back is handed nothing but tensors; what it needs of the way forth waits in the
/// passage, which belongs to one learner and sees one way forth and one back at a time.
struct SequenceLoss {
    passage: Arc<Mutex<Passage>>,
}

impl CustomOp1 for SequenceLoss {
    fn name(&self) -> &'static str {
        "lstm-sequence-loss"
    }

    fn cpu_fwd(&self, parameters: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let loss = lock(&self.passage).loss_to_go_back(contiguous(parameters, layout)?);
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, parameters: &Tensor, _: &Tensor, pull: &Tensor) -> Result<Option<Tensor>> {
        let (storage, layout) = parameters.storage_and_layout();
        let mut gradient = lock(&self.passage).back(of_cpu(&storage, layout)?);
        let pull = pull.to_scalar::<f32>()?;
        if pull != 1.0 {
            gradient.iter_mut().for_each(|part| *part *= pull);
        }
        let gradient = Tensor::from_vec(gradient, parameters.shape(), parameters.device())?;
        Ok(Some(gradient))
    }
}

/// A panic while the passage was filled leaves nothing that the next way forth would read.
fn lock(passage: &Mutex<Passage>) -> MutexGuard<'_, Passage> {
    passage.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of_cpu<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match storage {
        Storage::Cpu(storage) => contiguous(storage, layout),
        _ => Err(Error::Msg("learning works on the CPU alone".to_owned())),
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let missing = || Error::Msg("learning needs its parameters side by side".to_owned());
    let (start, end) = layout.contiguous_offsets().ok_or_else(missing)?;
    match storage {
        CpuStorage::F32(values) => values.get(start..end).ok_or_else(missing),
        _ => Err(Error::Msg(
            "learning needs parameters of 32 bits".to_owned(),
        )),
    }
}
