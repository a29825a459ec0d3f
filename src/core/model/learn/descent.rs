//! AdamW without decay of the weights and with the gradient's length bounded, in one pass over all parameters.
//!
//! candle_nn's own makes a dozen tensors for each parameter and step and hands the large ones to a
//! pool of threads.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, InplaceOp2, Layout, Result};
use pulp::{Simd, WithSimd};

use super::contiguous;
use super::product::widest;

/// Longest gradient (Euclid's length over all parameters) that is followed as it is; a longer one
/// is made as short as this.
pub(super) const GRADIENT_LEN_MAX: f64 = 0.3;
/// How slowly the mean of the gradient and that of its square forget.
const MEAN_DECAY: f64 = 0.9;
pub(super) const SQUARE_DECAY: f64 = 0.99;
/// Keeps the step finite where a gradient is zero.
const EPSILON: f32 = 1e-8;

/// Where AdamW stands between steps.
#[derive(Debug, Default)]
pub(super) struct Moments {
    steps: i32,
    mean: Vec<f32>,
    square: Vec<f32>,
}

/// One step: takes the parameters in place, by their gradient.
pub(super) struct Descend<'a> {
    pub(super) moments: &'a Mutex<Moments>,
    pub(super) rate: f64,
}

impl InplaceOp2 for Descend<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        parameters: &mut CpuStorage,
        parameters_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<()> {
        let gradient = contiguous(gradient, gradient_layout)?;
        let parameters = match (parameters, parameters_layout.contiguous_offsets()) {
            (CpuStorage::F32(values), Some((start, end))) => values.get_mut(start..end),
            _ => None,
        };
        let parameters = parameters.unwrap_or_default();
        if parameters.len() != gradient.len() {
            return Err(candle_core::Error::Msg(
                "a gradient has another length than its parameters".to_owned(),
            ));
        }
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        moments.mean.resize(parameters.len(), 0.0);
        moments.square.resize(parameters.len(), 0.0);
        moments.steps = moments.steps.saturating_add(1);
        let (mean_left, square_left) = (
            1.0 - MEAN_DECAY.powi(moments.steps),
            1.0 - SQUARE_DECAY.powi(moments.steps),
        );
        widest(Step {
            moments: &mut moments,
            parameters,
            gradient,
            gradient_scale: scale(gradient),
            rate: (self.rate / mean_left) as f32,
            square_scale: (1.0 / square_left) as f32,
        });
        Ok(())
    }
}

/// What the gradient is multiplied with so that it is not too long.
fn scale(gradient: &[f32]) -> f32 {
    /// Sums of so many are added up by themselves.
    const LANES: usize = 16;
    let mut sums = [0.0f32; LANES];
    let mut total = 0.0;
    for part in gradient.chunks(LANES * 1024) {
        for values in part.chunks(LANES) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value * value;
            }
        }
        total += sums.iter().map(|sum| f64::from(*sum)).sum::<f64>();
        sums.fill(0.0);
    }
    (GRADIENT_LEN_MAX / total.sqrt().max(GRADIENT_LEN_MAX)) as f32
}

struct Step<'a> {
    moments: &'a mut Moments,
    parameters: &'a mut [f32],
    gradient: &'a [f32],
    gradient_scale: f32,
    rate: f32,
    square_scale: f32,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (mean_decay, square_decay) = (MEAN_DECAY as f32, SQUARE_DECAY as f32);
        let moments = self.moments.mean.iter_mut().zip(&mut self.moments.square);
        let parameters = self.parameters.iter_mut().zip(self.gradient);
        for ((parameter, gradient), (mean, square)) in parameters.zip(moments) {
            let gradient = gradient * self.gradient_scale;
            *mean = *mean * mean_decay + gradient * (1.0 - mean_decay);
            *square = *square * square_decay + gradient * gradient * (1.0 - square_decay);
            let size = (*square * self.square_scale).sqrt() + EPSILON;
            *parameter -= self.rate * *mean / size;
        }
    }
}
