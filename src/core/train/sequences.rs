//! The passes over whole sequences.

use std::ops::ControlFlow;

use super::{Progress, TrainError};
use crate::core::model::{Key, Weights};

/// How to fit the network to sequences. The defaults suit logs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FitSettings {
    /// Of the initial weights and the order of batches.
    pub(crate) seed: u64,
    /// Most passes over the sequences.
    pub(crate) epochs_max: usize,
    /// Passes without a better validation loss after which fitting stops.
    pub(crate) patience: usize,
    /// About how many steps an optimiser step learns from, shared prefixes counted once each time.
    pub(crate) batch_steps: usize,
    /// AdamW's step at the start; it falls along a cosine.
    pub(crate) learning_rate: f64,
    /// Most distinct steps in a pass; of more, sequences are drawn by the seed.
    pub(crate) steps_max: usize,
}

/// What fitting found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fitted {
    /// Of the pass with the best validation loss; of the last without validation.
    pub(crate) weights: Weights,
    /// Mean −ln probability of each key of the validation sequences; of the training sequences
    /// during the last pass without validation.
    pub(crate) validation_loss: f32,
    /// Passes after which the weights were these.
    pub(crate) epochs: usize,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs_max: 30,
            patience: 6,
            batch_steps: 512,
            learning_rate: 4e-3,
            steps_max: 500_000,
        }
    }
}

/// Fits a network to `training` until the loss on `validation` no longer falls.
///
/// # Errors
/// When `progress` cancels, when the loss is no number any more, or when a key is beyond
/// `key_count`.
pub(crate) fn fit(
    training: &[Vec<Key>],
    validation: &[Vec<Key>],
    key_count: usize,
    settings: &FitSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    let _ = (training, validation, key_count, settings, progress);
    Err(TrainError::Cancelled)
}

/// Fits a network to `training` by `settings.epochs_max` passes, without looking at others.
///
/// # Errors
/// As [`fit`].
pub(crate) fn fit_epochs(
    training: &[Vec<Key>],
    key_count: usize,
    settings: &FitSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Fitted, TrainError> {
    let _ = (training, key_count, settings, progress);
    Err(TrainError::Cancelled)
}
