//! Every sequence scored by voices that did not learn from it.

use std::ops::{ControlFlow, Range};

use super::sequences::{FitSettings, Fitted, fit, fit_epochs};
use super::{Progress, TrainError, TrainSettings};
use crate::core::detect::{Ensemble, Heard, Learned, Mind, Order, VOICES, scores_of_all};
use crate::core::model::{Key, Scores, Stepper, Weights};

/// What all sequences taught.
pub(super) struct Crossed {
    pub(super) weights: Weights,
    pub(super) learned: Learned,
    pub(super) scores: Scores,
}

/// Chronological folds. More leave more to learn from, and take as many trainings.
const FOLDS: usize = 4;
/// The share of the first fold's training sequences, the latest, by which it is told when to stop.
const VALIDATION_SHARE: usize = 10;

/// Learns from all of `segments`, calibrated on each by what was learned from others.
pub(super) fn cross_fit(
    segments: &[Heard],
    key_count: usize,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Crossed, TrainError> {
    let sequences: Vec<Vec<Key>> = segments.iter().map(sequence).collect();
    let mut fitting = Fitting {
        key_count,
        settings: FitSettings {
            seed: settings.seed,
            epochs_max: settings.epochs_max,
            patience: settings.patience,
            learning_rate: settings.learning_rate,
            ..FitSettings::default()
        },
        done: 0,
        progress,
    };
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(segments.len());
    let mut validation_loss = 0.0;
    for fold in 0..FOLDS {
        let held_out = range(fold, segments.len());
        let fitted = fitting.fit(&without(&sequences, &held_out), fold == 0)?;
        if fold == 0 {
            validation_loss = fitted.validation_loss;
        }
        let mind = Mind::learn(&without(segments, &held_out), key_count);
        let mut order = order_of(&fitted.weights);
        let scores = scores_of_all(&mind, &mut order, &segments[held_out]);
        rows.extend(scores.iter().map(|row| row.to_vec()));
    }
    let ensemble = Ensemble::learn(&rows);
    let fitted = fitting.fit(&sequences, false)?;
    let threshold = ensemble.threshold(settings.alarm_rate);
    let alarms = rows.iter().filter(|row| ensemble.combine(row) >= threshold);
    debug_assert!(rows.iter().all(|row| row.len() == VOICES.len()));
    Ok(Crossed {
        weights: fitted.weights,
        scores: Scores {
            validation_loss,
            alarm_rate: alarms.count() as f32 / rows.len().max(1) as f32,
        },
        learned: Learned {
            mind: Mind::learn(segments, key_count),
            ensemble,
        },
    })
}

/// Fits the network several times with one bar of progress.
struct Fitting<'a> {
    key_count: usize,
    settings: FitSettings,
    done: usize,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl Fitting<'_> {
    /// The first time finds out how many passes are good; later ones take as many.
    fn fit(&mut self, sequences: &[Vec<Key>], finds_out: bool) -> Result<Fitted, TrainError> {
        let (before, epochs) = (self.done, self.settings.epochs_max);
        let progress = &mut *self.progress;
        let mut report = |now: Progress| {
            progress(Progress {
                epoch: before + now.epoch,
                epochs_max: epochs * (FOLDS + 1),
                ..now
            })
        };
        let fitted = if finds_out {
            let validation = sequences.len().div_ceil(VALIDATION_SHARE);
            let (training, validation) = sequences.split_at(sequences.len() - validation);
            fit(
                training,
                validation,
                self.key_count,
                &self.settings,
                &mut report,
            )?
        } else {
            fit_epochs(sequences, self.key_count, &self.settings, &mut report)?
        };
        if finds_out {
            self.settings.epochs_max = fitted.epochs;
        }
        self.done += epochs;
        Ok(fitted)
    }
}

/// As the network takes it in: the markers where beginning and end are known.
fn sequence(heard: &Heard) -> Vec<Key> {
    let begin = heard.begins.then_some(Key::BEGIN);
    let end = heard.ends.then_some(Key::END);
    let keys = heard.keys.iter().copied();
    begin.into_iter().chain(keys).chain(end).collect()
}

fn order_of(weights: &Weights) -> Order {
    Order::with_nodes_max(Stepper::new(weights), 0, Order::NODES_MAX)
}

fn range(fold: usize, len: usize) -> Range<usize> {
    fold * len / FOLDS..(fold + 1) * len / FOLDS
}

fn without<T: Clone>(all: &[T], held_out: &Range<usize>) -> Vec<T> {
    [&all[..held_out.start], &all[held_out.end..]].concat()
}
