//! Sequences → a trained, calibrated model bundle.
//!
//! Every position of every sequence is a row: a window and the key that came. Rows repeat, so
//! distinct rows are kept with their counts, and the loss is weighted by these. A share of the
//! sequences, drawn by the seed, is held out: training stops when the loss on them no longer
//! falls, and they tell where normal ends ([`Calibration`](crate::core::model::Calibration)).
//! Sequences longer than [`SEGMENT_LEN_MAX`] events are held out and calibrated in segments of
//! that length.

mod calibrate;
mod corpus;
mod fit;
mod pieces;
mod random;
mod rows;
pub(crate) mod sequences;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use thiserror::Error;

pub use self::corpus::{Corpus, SEGMENT_LEN_MAX};
use self::random::{initial, shuffled};
use crate::core::model::{Bundle, BundleError, Manifest, ModelError, TrainedOn, Vocabulary};

/// How to train. The defaults suit logs; the network's shape is fixed by the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainSettings {
    /// Of the initial weights, the order of rows and the sequences held out.
    pub seed: u64,
    /// Most passes over the rows.
    pub epochs_max: usize,
    /// Passes without a better held-out loss after which training stops.
    pub patience: usize,
    /// Rows per optimiser step, fewer in a small corpus.
    pub batch_len: usize,
    /// AdamW's step at the start; it falls to a hundredth along a cosine.
    pub learning_rate: f64,
    /// The share of sequences held out, between 0 and 1.
    pub holdout_share: f64,
    /// The share of normal sequences that may be alarmed on, between 0 and 1.
    pub alarm_rate: f64,
    /// Most distinct rows trained on; the rarest beyond it are left out.
    pub rows_max: usize,
}

/// How far training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Passes done.
    pub epoch: usize,
    /// Most passes there will be.
    pub epochs_max: usize,
    /// Distinct rows in each pass.
    pub rows: usize,
    /// Mean −ln probability of the rows trained on during this pass.
    pub loss: f32,
    /// The same of the held-out rows after it.
    pub validation_loss: f32,
}

/// Why there is no bundle.
#[derive(Debug, Error)]
pub enum TrainError {
    /// Too little to train and to calibrate on.
    #[error("cannot train on {segments} sequences, at least {min} are needed", min = Corpus::SEGMENTS_MIN)]
    TooLittle {
        /// What there was, long sequences counted by segments.
        segments: usize,
    },
    /// More templates than a vocabulary holds.
    #[error("cannot train on {templates} templates, at most {max} are possible", max = Vocabulary::TEMPLATES_MAX)]
    TooManyTemplates {
        /// What there was.
        templates: usize,
    },
    /// The caller asked to stop.
    #[error("training was cancelled")]
    Cancelled,
    /// The loss is no number any more.
    #[error("training diverged in pass {epoch}")]
    Diverged {
        /// The pass it happened in.
        epoch: usize,
    },
    /// The network could not compute.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The bundle could not be put together.
    #[error("cannot make a bundle of the trained model: {0}")]
    Bundle(#[from] BundleError),
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs_max: 30,
            patience: 6,
            batch_len: 128,
            learning_rate: 4e-3,
            holdout_share: 0.2,
            alarm_rate: 0.005,
            rows_max: 100_000,
        }
    }
}

/// Trains a model on the normal sequences of `corpus`. The calling thread does all the work; one
/// corpus and one seed give one bundle, byte for byte on one machine.
///
/// `progress` is called after every pass; when it returns `Break`, training is cancelled.
///
/// # Errors
/// When the corpus is too small or has too many templates, when `progress` cancels, or when the
/// loss is no number any more.
pub fn train(
    corpus: &Corpus,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Bundle, TrainError> {
    let templates = corpus.templates.len();
    if templates > Vocabulary::TEMPLATES_MAX {
        return Err(TrainError::TooManyTemplates { templates });
    }
    let vocabulary = Vocabulary::new(corpus.templates.iter().cloned());
    let split = corpus.split(&vocabulary, settings)?;
    let fitted = fit::fit(&split, vocabulary.key_count(), settings, progress)?;
    let manifest = manifest(corpus, settings);
    let (calibration, scores) = calibrate::calibrate(&fitted, &split.held_out, settings)?;
    let manifest = Manifest {
        calibration,
        scores,
        ..manifest
    };
    Ok(Bundle::new(manifest, &fitted.network, &[])?)
}

fn manifest(corpus: &Corpus, settings: &TrainSettings) -> Manifest {
    let records = corpus
        .sequences
        .iter()
        .map(|sequence| sequence.events.len() as u64)
        .sum();
    Manifest {
        seed: settings.seed,
        data_sha256: corpus.sha256(),
        trained_on: TrainedOn {
            sequences: corpus.sequences.len() as u64,
            records,
            ended: corpus
                .sequences
                .iter()
                .filter(|sequence| sequence.ends)
                .count() as u64,
        },
        masks_version: corpus.masks_version,
        ..Manifest::of_templates(&corpus.templates)
    }
}
