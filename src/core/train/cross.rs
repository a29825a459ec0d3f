//! Every sequence scored by voices that did not learn from it.

use std::ops::ControlFlow;

use super::sequences::{FitSettings, Fitted, fit, fit_epochs};
use super::{Progress, TrainError, TrainSettings};
use crate::core::detect::{Ensemble, FAMILIES, Heard, Learned, Mind, Order, VOICES, scores_of_all};
use crate::core::model::{Key, Scores, Stepper, Weights};

/// What all sequences taught.
pub(in crate::core) struct Crossed {
    pub(in crate::core) weights: Weights,
    pub(in crate::core) learned: Learned,
    pub(in crate::core) scores: Scores,
    /// The scores of each sequence by voices that did not learn from it.
    pub(in crate::core) held_out: Vec<[f32; VOICES.len()]>,
}

/// Each sequence is held out with one in so many others.
const FOLDS: usize = 10;
/// The network is fitted so many times to all but some folds: it is slower to learn than the voices
/// are, and what single sequences teach matters less to it.
const NETWORKS: usize = 5;
/// The share of the first network's training sequences, the latest, by which it is told when to
/// stop.
const VALIDATION_SHARE: usize = 10;

/// Learns from all of `segments`, calibrated on each by what was learned from others.
pub(in crate::core) fn cross_fit(
    segments: &[Heard],
    key_count: usize,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Crossed, TrainError> {
    let sequences: Vec<Vec<Key>> = segments.iter().map(sequence).collect();
    let folds = Folds::of(segments);
    let mut fitting = Fitting {
        key_count,
        settings: FitSettings {
            seed: settings.seed,
            epochs_max: settings.epochs_max,
            ..FitSettings::default()
        },
        done: 0,
        progress,
    };
    let mut held_out = vec![[0.0; VOICES.len()]; segments.len()];
    let mut validation_loss = 0.0;
    for network in 0..NETWORKS {
        let is_other = |fold: usize| fold * NETWORKS / FOLDS != network;
        let fitted = fitting.fit(&folds.pick(&sequences, is_other), network == 0)?;
        if network == 0 {
            validation_loss = fitted.validation_loss;
        }
        for fold in (0..FOLDS).filter(|fold| !is_other(*fold)) {
            let mind = Mind::learn(&folds.pick(segments, |other| other != fold), key_count);
            let mut order = order_of(&fitted.weights);
            let scored = folds.pick(segments, |other| other == fold);
            let rows = scores_of_all(&mind, &mut order, &scored);
            let places = (0..segments.len()).filter(|index| folds.fold_of(*index) == fold);
            places
                .zip(rows)
                .for_each(|(place, row)| held_out[place] = row);
        }
    }
    let ensemble = Ensemble::learn(&held_out, &FAMILIES);
    let fitted = fitting.fit(&sequences, false)?;
    let threshold = ensemble.threshold(settings.alarm_rate);
    let alarms = held_out
        .iter()
        .filter(|row| ensemble.combine(*row) >= threshold);
    Ok(Crossed {
        weights: fitted.weights,
        scores: Scores {
            validation_loss,
            alarm_rate: alarms.count() as f32 / segments.len().max(1) as f32,
        },
        learned: Learned {
            mind: Mind::learn(segments, key_count),
            ensemble,
        },
        held_out,
    })
}

/// Which sequences are held out together.
struct Folds {
    len: usize,
    /// Where times are known, sequences of one time are held out together, so that what is learned
    /// is tried on another time. Without times nothing tells that their order means anything.
    chronological: bool,
}

impl Folds {
    fn of(segments: &[Heard]) -> Self {
        Self {
            len: segments.len(),
            chronological: segments.iter().any(|heard| !heard.times.is_empty()),
        }
    }

    fn fold_of(&self, index: usize) -> usize {
        match self.chronological {
            true => index * FOLDS / self.len.max(1),
            false => index % FOLDS,
        }
    }

    fn pick<T: Clone>(&self, all: &[T], is_picked: impl Fn(usize) -> bool) -> Vec<T> {
        let picked = all.iter().enumerate();
        let picked = picked.filter(|(index, _)| is_picked(self.fold_of(*index)));
        picked.map(|(_, one)| one.clone()).collect()
    }
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
                epochs_max: epochs * (NETWORKS + 1),
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
