//! Sequences → a trained, calibrated model bundle.
//!
//! The sequences are cut into chronological folds. For each fold the order model and all voices are
//! learned from the other folds and say how odd they find the sequences of this one. So every
//! normal sequence is scored by voices that did not learn from it, and these scores tell where
//! normal ends (cross-conformal prediction: Vovk, 2015; Barber, Candès, Ramdas and Tibshirani, 2021).
//! What goes into the bundle is learned from all sequences once more. Sequences longer than
//! [`SEGMENT_LEN_MAX`] events are cut into segments.

mod calibrate;
mod corpus;
mod cross;
mod fit;
mod pieces;
mod random;
mod rows;
mod sequences;
#[cfg(test)]
mod tests;
mod windows;

use std::ops::ControlFlow;

use thiserror::Error;

pub use self::corpus::{Corpus, SEGMENT_LEN_MAX};
use self::random::{initial, shuffled};
pub use self::sequences::{FitSettings, Fitted, fit, fit_epochs};
pub use self::windows::train_windows;
use crate::core::detect::LearnedError;
use crate::core::model::{
    Bundle, BundleError, Calibration, Manifest, ModelError, Network, TrainedOn, Vocabulary, device,
};

/// How to train. The defaults suit logs; the network's shape is fixed by the model. [`train`] goes by
/// `seed`, `epochs_max` and `alarm_rate`; the rest is for [`train_windows`] alone.
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
    /// The share of normal sequences that may be alarmed on, between 0 and 1; `None` leaves it to
    /// [`alarm_rate_of`](Self::alarm_rate_of).
    pub alarm_rate: Option<f64>,
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
    /// The voices could not be written.
    #[error(transparent)]
    Learned(#[from] LearnedError),
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
            alarm_rate: None,
            rows_max: 100_000,
        }
    }
}

impl TrainSettings {
    /// The share of normal sequences that may be alarmed on where nobody asks for another.
    pub const ALARM_RATE: f64 = 0.002;
    /// By few sequences so small a share cannot be told: it is at least this much of one of them.
    const TOLD_BY: f64 = 0.5;

    /// The share of normal sequences that may be alarmed on, of a model that is calibrated on so
    /// many: the share asked for, or else [`ALARM_RATE`](Self::ALARM_RATE), or more if they are few.
    pub fn alarm_rate_of(&self, sequences: usize) -> f64 {
        let told = Self::TOLD_BY / (sequences as f64 + 1.0);
        self.alarm_rate.unwrap_or(Self::ALARM_RATE.max(told))
    }
}

/// Trains a model on the normal sequences of `corpus` and learns all voices from them. The calling
/// thread does all the work; one corpus and one seed give one bundle, byte for byte on one machine.
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
    let vocabulary = corpus.vocabulary()?;
    let segments = corpus.segments(&vocabulary);
    if segments.len() < Corpus::SEGMENTS_MIN {
        return Err(TrainError::TooLittle {
            segments: segments.len(),
        });
    }
    // A stretch of what a process says is as long as many sequences: half of one is too much.
    let begun = segments.iter().filter(|heard| heard.begins).count();
    let alarm_rate = match begun * 2 > segments.len() {
        true => settings.alarm_rate_of(begun),
        false => settings.alarm_rate_of(usize::MAX),
    };
    let settings = &TrainSettings {
        alarm_rate: Some(alarm_rate),
        ..*settings
    };
    let crossed = cross::cross_fit(&segments, vocabulary.key_count(), settings, progress)?;
    let network = Network::new(crossed.weights, &device())?;
    let calibration = Calibration {
        alarm_rate: alarm_rate as f32,
        sequences: segments.len() as u64,
        ..Calibration::default()
    };
    let manifest = Manifest {
        calibration,
        scores: crossed.scores,
        ..manifest(corpus, settings)
    };
    let voices = crossed.learned.to_bytes()?;
    Ok(Bundle::new(manifest, &network, &voices)?)
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
            idle_timeout_ms: corpus
                .idle_timeout
                .map(|quiet| u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX)),
        },
        masks_version: corpus.masks_version,
        ..Manifest::of_templates(&corpus.templates)
    }
}
