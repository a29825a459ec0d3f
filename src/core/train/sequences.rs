//! The passes over whole sequences.

use std::f64::consts::PI;
use std::ops::ControlFlow;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use super::pieces::{Piece, Pieces, batches};
use super::{Progress, TrainError, initial, shuffled};
use crate::core::model::{Key, Learner, ModelError, Weights};

/// The learning rate falls to this share of its first value.
const RATE_FLOOR: f64 = 0.01;
/// Fewest optimiser steps in a pass: a small corpus gets smaller batches, a tiny one goes by several
/// times.
const BATCHES_PER_PASS_MIN: usize = 64;
/// Fewest distinct steps in a batch.
const BATCH_STEPS_MIN: usize = 32;
/// Pieces that begin alike go into a batch together, so many at a time. More share more of their
/// beginnings and make a pass cheaper, but batches less alike.
const GROUP_LEN: usize = 2;
/// Passes during which the learning rate rises to its first value.
const WARM_UP_PASSES: f64 = 1.0;
/// Distinct steps that are validated together.
const VALIDATION_STEPS: usize = 2_048;

/// How to fit the network to sequences. The defaults suit logs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitSettings {
    /// Of the initial weights and the order of batches.
    pub seed: u64,
    /// Most passes over the sequences.
    pub epochs_max: usize,
    /// Passes without a better validation loss after which fitting stops.
    pub patience: usize,
    /// About how many steps an optimiser step learns from, shared prefixes counted once each time.
    pub batch_steps: usize,
    /// AdamW's step after the first pass; from there it falls along a cosine.
    pub learning_rate: f64,
    /// Most distinct steps in a pass; of more, sequences are drawn by the seed.
    pub steps_max: usize,
}

/// What fitting found.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Of the pass with the best validation loss; of the last without validation.
    pub weights: Weights,
    /// Mean −ln probability of each key of the validation sequences; of the training sequences
    /// during the last pass without validation.
    pub validation_loss: f32,
    /// Passes after which the weights were these.
    pub epochs: usize,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs_max: 30,
            patience: 10,
            batch_steps: 256,
            learning_rate: 8e-3,
            steps_max: 500_000,
        }
    }
}

/// Fits a network to `training` until the loss on `validation` no longer falls.
///
/// A sequence is judged from its first key on, with its state carried along to its end. Sequences
/// of fewer than two keys say nothing. One input and one seed give one answer, to the byte on one
/// machine; the calling thread does all the work.
///
/// # Errors
/// When `progress` cancels, when the loss is no number any more, or when a key is beyond
/// `key_count`.
pub fn fit(
    training: &[Vec<Key>],
    validation: &[Vec<Key>],
    key_count: usize,
    settings: &FitSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    let mut fitting = Fitting::new(training, key_count, settings)?;
    let mut rng = ChaCha12Rng::seed_from_u64(settings.seed);
    let held_out = Pieces::new(validation, settings.steps_max, &mut rng);
    let mut best: Option<Fitted> = None;
    for epoch in 1..=settings.epochs_max {
        let loss = fitting.pass(epoch)?;
        let weights = fitting.learner.weights().map_err(ModelError::from)?;
        let validation_loss = mean_loss(&weights, &held_out)?;
        fitting.report(epoch, loss, validation_loss, progress)?;
        if best
            .as_ref()
            .is_none_or(|best| validation_loss < best.validation_loss)
        {
            best = Some(Fitted {
                weights,
                validation_loss,
                epochs: epoch,
            });
        }
        if best
            .as_ref()
            .is_some_and(|best| epoch >= best.epochs + settings.patience)
        {
            break;
        }
    }
    best.map_or_else(|| fitting.unfitted(&held_out), Ok)
}

/// Fits a network to `training` by `settings.epochs_max` passes, without looking at others.
///
/// # Errors
/// As [`fit`].
pub fn fit_epochs(
    training: &[Vec<Key>],
    key_count: usize,
    settings: &FitSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    let mut fitting = Fitting::new(training, key_count, settings)?;
    let mut last = 0.0;
    for epoch in 1..=settings.epochs_max {
        last = fitting.pass(epoch)?;
        fitting.report(epoch, last, last, progress)?;
    }
    Ok(Fitted {
        weights: fitting.learner.weights().map_err(ModelError::from)?,
        validation_loss: last,
        epochs: settings.epochs_max,
    })
}

/// The mean −ln probability of each key but the first of `held_out`.
fn mean_loss(weights: &Weights, held_out: &Pieces<'_>) -> Result<f32, ModelError> {
    let mut learner = Learner::new(weights, held_out.places)?;
    let mut sum = 0.0;
    for batch in held_out.in_order(VALIDATION_STEPS) {
        sum += learner.loss(&batch)?;
    }
    Ok((sum / held_out.labels.max(1.0)) as f32)
}

/// A learner and what it passes over.
struct Fitting<'a> {
    settings: &'a FitSettings,
    rng: ChaCha12Rng,
    learner: Learner,
    /// Frequent ones several times, all of them several times where there are few.
    pieces: Vec<Piece<'a>>,
    labels: f64,
    batch_steps: usize,
    /// Distinct steps of the last pass.
    steps: usize,
}

impl<'a> Fitting<'a> {
    fn new(
        training: &'a [Vec<Key>],
        key_count: usize,
        settings: &'a FitSettings,
    ) -> Result<Self, ModelError> {
        let mut rng = ChaCha12Rng::seed_from_u64(settings.seed ^ 0x6b6e_6f74_686f_6c65);
        let initial = initial(key_count, &mut rng);
        let all = Pieces::new(training, settings.steps_max, &mut rng);
        let evened = all.evened();
        let mut before = None;
        let steps: usize = evened
            .iter()
            .map(|piece| piece.steps_after(before.replace(piece)))
            .sum();
        let batch_steps = steps / BATCHES_PER_PASS_MIN;
        let batch_steps =
            batch_steps.clamp(BATCH_STEPS_MIN, settings.batch_steps.max(BATCH_STEPS_MIN));
        let times = (BATCHES_PER_PASS_MIN * BATCH_STEPS_MIN).div_ceil(steps.max(1));
        Ok(Self {
            settings,
            rng,
            learner: Learner::new(&initial, all.places)?,
            labels: all.labels * times as f64,
            pieces: evened.repeat(times),
            batch_steps,
            steps,
        })
    }

    /// One optimiser step per batch. Each batch's loss is scaled so that a sequence weighs its count
    /// whatever sequences it happens to share a batch with. Gives the mean loss.
    fn pass(&mut self, epoch: usize) -> Result<f32, TrainError> {
        let groups: Vec<&[Piece<'a>]> = self.pieces.chunks(GROUP_LEN).collect();
        let order = shuffled(groups.len(), &mut self.rng);
        let shuffled = order.iter().flat_map(|group| groups[*group]);
        let batches = batches(shuffled, self.batch_steps, 1.0 / self.labels);
        let scale = batches.len() as f32;
        let (mut sum, mut steps) = (0.0, 0);
        for (index, mut batch) in batches.into_iter().enumerate() {
            batch.iter_mut().for_each(|row| row.weight *= scale);
            let done = (epoch - 1) as f64 + f64::from(index as u32) / f64::from(scale);
            let (loss, size) = self
                .learner
                .learn(&batch, rate(self.settings, done))
                .map_err(ModelError::from)?;
            sum += f64::from(loss / scale);
            steps += size;
        }
        self.steps = steps;
        Ok(sum as f32)
    }

    fn report(
        &self,
        epoch: usize,
        loss: f32,
        validation_loss: f32,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        if !loss.is_finite() || !validation_loss.is_finite() {
            return Err(TrainError::Diverged { epoch });
        }
        let done = Progress {
            epoch,
            epochs_max: self.settings.epochs_max,
            rows: self.steps,
            loss,
            validation_loss,
        };
        match progress(done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(TrainError::Cancelled),
        }
    }

    /// What no pass gives.
    fn unfitted(&self, held_out: &Pieces<'_>) -> Result<Fitted, TrainError> {
        let weights = self.learner.weights().map_err(ModelError::from)?;
        Ok(Fitted {
            validation_loss: mean_loss(&weights, held_out)?,
            weights,
            epochs: 0,
        })
    }
}

/// The learning rate when `done` passes of all have been done.
fn rate(settings: &FitSettings, done: f64) -> f64 {
    let warm = (done / WARM_UP_PASSES).min(1.0);
    let done = done / settings.epochs_max as f64;
    let share = RATE_FLOOR + (1.0 - RATE_FLOOR) * 0.5 * (1.0 + (PI * done).cos());
    settings.learning_rate * warm * share
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 8;

    /// Jobs: start, rounds of work and answer, stop. What comes third in a round tells how the job
    /// ends, however many rounds come between.
    fn jobs(count: usize) -> Vec<Vec<Key>> {
        let job = |index: usize| {
            let kind = 3 + (index % 2) as u16;
            let rounds = 1 + index % 5;
            let mut keys = vec![Key::BEGIN, Key(2), Key(kind)];
            (0..rounds).for_each(|_| keys.extend([Key(5), Key(6)]));
            keys.extend([Key(kind), Key::END]);
            keys
        };
        (0..count).map(job).collect()
    }

    fn settings() -> FitSettings {
        FitSettings {
            epochs_max: 15,
            ..FitSettings::default()
        }
    }

    fn go_on(_: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn what_came_long_before_is_remembered() {
        let settings = FitSettings::default();
        let fitted = fit(&jobs(50), &jobs(10), KEYS, &settings, &mut go_on).unwrap();
        // Of a job's ten keys on average, two things are open: which of two kinds, and how many of
        // five rounds, ln 10 / 10 = 0.23 for each key. Who forgets the kind pays ln 2 / 10 more.
        assert!(fitted.validation_loss < 0.26, "{}", fitted.validation_loss);
        let loss = |keys: &[u16]| {
            let keys = [keys.iter().copied().map(Key).collect::<Vec<Key>>()];
            let mut rng = ChaCha12Rng::seed_from_u64(1);
            let pieces = Pieces::new(&keys, usize::MAX, &mut rng);
            mean_loss(&fitted.weights, &pieces).unwrap() * (keys[0].len() - 1) as f32
        };
        let (right, wrong) = (
            loss(&[0, 2, 3, 5, 6, 5, 6, 3, 1]),
            loss(&[0, 2, 3, 5, 6, 5, 6, 4, 1]),
        );
        assert!(wrong > right + 2.0, "{wrong}, {right}");
    }

    #[test]
    fn one_seed_gives_one_network_to_the_bit() {
        let fitted = |seed| {
            let settings = FitSettings { seed, ..settings() };
            fit(&jobs(30), &jobs(5), KEYS, &settings, &mut go_on).unwrap()
        };
        assert_eq!(fitted(1), fitted(1));
        assert_ne!(fitted(1).weights, fitted(2).weights);
    }

    #[test]
    fn fixed_passes_look_at_nothing_else() {
        let mut passes = Vec::new();
        let fitted = fit_epochs(&jobs(30), KEYS, &settings(), &mut |progress| {
            passes.push(progress.loss);
            ControlFlow::Continue(())
        });
        assert_eq!(fitted.unwrap().epochs, 15);
        assert_eq!(passes.len(), 15);
        assert!(passes[14] < passes[0] / 2.0, "{passes:?}");
    }

    #[test]
    fn fitting_stops_when_the_validation_loss_no_longer_falls() {
        // What is validated on goes against what is learned.
        let against: Vec<Vec<Key>> = vec![[0, 2, 6, 6, 6, 1].map(Key).to_vec()];
        let settings = FitSettings {
            epochs_max: 50,
            patience: 3,
            ..FitSettings::default()
        };
        let mut passes = 0;
        let fitted = fit(&jobs(30), &against, KEYS, &settings, &mut |_| {
            passes += 1;
            ControlFlow::Continue(())
        });
        let fitted = fitted.unwrap();
        assert_eq!(passes, fitted.epochs + 3);
        assert!(passes < 50);
    }

    #[test]
    fn fitting_stops_when_told() {
        let stop = &mut |progress: Progress| match progress.epoch {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let stopped = fit(&jobs(30), &jobs(5), KEYS, &settings(), stop);
        assert!(matches!(stopped, Err(TrainError::Cancelled)));
    }

    #[test]
    fn a_loss_that_is_no_number_stops_fitting() {
        let settings = FitSettings {
            learning_rate: f64::NAN,
            ..settings()
        };
        let diverged = fit(&jobs(30), &jobs(5), KEYS, &settings, &mut go_on);
        assert!(matches!(diverged, Err(TrainError::Diverged { epoch: 1 })));
    }

    #[test]
    fn long_sequences_without_beginning_are_learned_in_pieces() {
        let stream: Vec<Key> = (0..2_000).map(|at| Key(2 + at % 6)).collect();
        let fitted = fit(
            std::slice::from_ref(&stream),
            &[stream[3..900].to_vec()],
            KEYS,
            &settings(),
            &mut go_on,
        );
        assert!(fitted.unwrap().validation_loss < 0.05);
    }

    #[test]
    fn nothing_to_learn_from_is_no_error() {
        let fitted = fit(&[], &[], KEYS, &settings(), &mut go_on).unwrap();
        assert_eq!(fitted.weights.key_count(), KEYS);
        assert!(fit(&jobs(3), &jobs(3), 4, &settings(), &mut go_on).is_err());
    }
}
