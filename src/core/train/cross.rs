//! Every sequence scored by voices that did not learn from it.

use std::hash::Hasher as _;
use std::ops::ControlFlow;

use rustc_hash::{FxHashSet, FxHasher};

use super::sequences::{FitSettings, Fitted, fit, fit_epochs};
use super::{Progress, TrainError, TrainSettings};
use crate::core::detect::{
    Ensemble, FAMILIES, Heard, Learned, Mind, Order, Population, VOICES, scores_of_all,
};
use crate::core::model::{Key, Scores, Stepper, Weights};

/// What all sequences taught.
pub(super) struct Crossed {
    pub(super) weights: Weights,
    pub(super) learned: Learned,
    pub(super) scores: Scores,
}

/// Each sequence is held out with one in so many others.
const FOLDS: usize = 10;
/// The network is fitted so many times to all but some folds: it is slower to learn than the voices
/// are, and what single sequences teach matters less to it.
const NETWORKS: usize = 5;
/// Most distinct steps the network learns from in all passes of one fitting: a large corpus gets
/// fewer passes, so that training takes minutes.
const STEPS_MAX: usize = 1_500_000;
/// Fewest passes, however large the corpus.
const PASSES_MIN: usize = 4;
/// One in so many of the first network's training sequences tells it when to stop.
const VALIDATION_SHARE: usize = 10;

/// Learns from all of `segments`, calibrated on each by what was learned from others.
pub(super) fn cross_fit(
    segments: &[Heard],
    key_count: usize,
    settings: &TrainSettings,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Crossed, TrainError> {
    let mut sorts = [true, false].map(|begins| Sort::of(segments, begins));
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
    let steps = distinct_steps(segments);
    let affordable = (STEPS_MAX / steps.max(1)).max(PASSES_MIN);
    fitting.settings.epochs_max = fitting.settings.epochs_max.min(affordable);
    let mut validation_loss = 0.0;
    for network in 0..NETWORKS {
        let is_other = |fold: usize| fold * NETWORKS / FOLDS != network;
        let training = sorts.iter().flat_map(|sort| {
            let others = sort.folds.pick(&sort.segments, is_other);
            others.iter().map(sequence).collect::<Vec<_>>()
        });
        let fitted = fitting.fit(&training.collect::<Vec<_>>(), network == 0)?;
        if network == 0 {
            validation_loss = fitted.validation_loss;
        }
        for sort in &mut sorts {
            for fold in (0..FOLDS).filter(|fold| !is_other(*fold)) {
                sort.hold_out(fold, &fitted.weights, key_count);
            }
        }
    }
    let all: Vec<Vec<Key>> = sorts
        .iter()
        .flat_map(|sort| sort.segments.iter().map(sequence))
        .collect();
    let weights = fitting.fit(&all, false)?.weights;
    let alarms: usize = sorts
        .iter()
        .map(|sort| sort.alarms(settings.alarm_rate_of(segments.len())))
        .sum();
    let [begun, endless] = sorts.map(|sort| sort.learn(key_count));
    Ok(Crossed {
        weights,
        scores: Scores {
            validation_loss,
            alarm_rate: alarms as f32 / segments.len().max(1) as f32,
        },
        learned: Learned { begun, endless },
    })
}

/// The sequences that are known from their beginning, or those that are not. The two are learned
/// and calibrated apart.
struct Sort {
    segments: Vec<Heard>,
    folds: Folds,
    /// The scores of each sequence by voices that did not learn from it.
    held_out: Vec<[f32; VOICES.len()]>,
}

impl Sort {
    fn of(segments: &[Heard], begins: bool) -> Self {
        let of_sort = segments.iter().filter(|heard| heard.begins == begins);
        let segments: Vec<Heard> = of_sort.cloned().collect();
        Self {
            folds: Folds::of(&segments),
            held_out: vec![[0.0; VOICES.len()]; segments.len()],
            segments,
        }
    }

    /// Scores the sequences of a fold by what the others teach.
    fn hold_out(&mut self, fold: usize, weights: &Weights, key_count: usize) {
        let others = self.folds.pick(&self.segments, |other| other != fold);
        let mind = Mind::learn(&others, key_count);
        let scored = self.folds.pick(&self.segments, |other| other == fold);
        let mut rows = scores_of_all(&mind, &mut order_of(weights), &scored).into_iter();
        for (index, held_out) in self.held_out.iter_mut().enumerate() {
            if self.folds.fold_of(index) == fold {
                *held_out = rows.next().unwrap_or(*held_out);
            }
        }
    }

    /// How many of the sequences held out raise an alarm.
    fn alarms(&self, alarm_rate: f64) -> usize {
        let ensemble = Ensemble::learn(&self.held_out, &FAMILIES);
        let rows = self.held_out.iter();
        let p_values = rows.map(|row| ensemble.p_value(ensemble.combine(row)));
        p_values.filter(|p_value| *p_value <= alarm_rate).count()
    }

    fn learn(self, key_count: usize) -> Population {
        Population {
            mind: Mind::learn(&self.segments, key_count),
            ensemble: Ensemble::learn(&self.held_out, &FAMILIES),
        }
    }
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
            let share = VALIDATION_SHARE.min(sequences.len().max(2));
            let (validation, training): (Vec<_>, Vec<_>) = (0..)
                .zip(sequences.iter().cloned())
                .partition(|(index, _)| index % share == share - 1);
            let only = |numbered: Vec<(usize, Vec<Key>)>| -> Vec<Vec<Key>> {
                numbered.into_iter().map(|(_, sequence)| sequence).collect()
            };
            fit(
                &only(training),
                &only(validation),
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
        self.done += fitted.epochs;
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

/// How many steps there are if those that share all that came before are counted once.
fn distinct_steps(segments: &[Heard]) -> usize {
    let mut prefixes = FxHashSet::default();
    for heard in segments {
        let mut prefix = FxHasher::default();
        for key in &heard.keys {
            prefix.write_u16(key.0);
            prefixes.insert(prefix.finish());
        }
    }
    prefixes.len()
}

fn order_of(weights: &Weights) -> Order {
    Order::with_nodes_max(Stepper::new(weights), 0, Order::NODES_MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::record::Timestamp;

    const A: Key = Key(2);
    const B: Key = Key(3);
    const C: Key = Key(4);
    const KEY_COUNT: usize = 8;

    fn heard(keys: &[Key], begins: bool) -> Heard {
        Heard {
            positions: (0..keys.len() as u32).collect(),
            len: keys.len(),
            keys: keys.to_vec(),
            begins,
            ends: begins,
            ..Heard::default()
        }
    }

    /// Jobs that go a b, and stretches of c.
    fn segments() -> Vec<Heard> {
        let jobs = (0..20).map(|rounds| heard(&[A, B].repeat(1 + rounds % 3), true));
        let stretches = (0..15).map(|more| heard(&vec![C; 20 + more % 4], false));
        jobs.chain(stretches).collect()
    }

    fn crossed(segments: &[Heard], alarm_rate: f64) -> (Crossed, Vec<Progress>) {
        let settings = TrainSettings {
            epochs_max: 2,
            alarm_rate: Some(alarm_rate),
            ..TrainSettings::default()
        };
        let mut told = Vec::new();
        let crossed = cross_fit(segments, KEY_COUNT, &settings, &mut |now| {
            told.push(now);
            ControlFlow::Continue(())
        });
        (crossed.unwrap(), told)
    }

    #[test]
    fn what_begins_and_what_never_does_are_learned_apart() {
        let segments = segments();
        let (jobs, stretches) = segments.split_at(20);
        let (crossed, _) = crossed(&segments, 0.002);
        let Learned { begun, endless } = crossed.learned;
        assert_eq!(begun.mind, Mind::learn(jobs, KEY_COUNT));
        assert_eq!(endless.mind, Mind::learn(stretches, KEY_COUNT));
        assert_ne!(begun.ensemble, endless.ensemble);
    }

    #[test]
    fn no_sequence_is_scored_by_voices_that_learned_from_it() {
        // Each has a template of its own, which is odd to whoever did not hear it.
        let own: Vec<Heard> = (0..20u16)
            .map(|number| heard(&[A, Key(4 + number), B], true))
            .collect();
        let mut sort = Sort::of(&own, true);
        let weights = crate::core::model::network_tests::weights(24);
        for fold in 0..FOLDS {
            sort.hold_out(fold, &weights, 24);
        }
        let unseen = VOICES.iter().position(|name| *name == "unseen").unwrap();
        assert!(sort.held_out.iter().all(|row| row[unseen] > 0.0));
        // Once all were heard, none is odd.
        let mind = Mind::learn(&own, 24);
        let rows = scores_of_all(&mind, &mut order_of(&weights), &own);
        assert!(rows.iter().all(|row| row[unseen] == 0.0));
    }

    #[test]
    fn sequences_of_one_time_are_held_out_together_and_each_exactly_once() {
        let timed: Vec<Heard> = (0..95u64)
            .map(|second| Heard {
                times: vec![Timestamp::ZERO.plus(Duration::from_secs(second)); 2],
                ..heard(&[A, B], true)
            })
            .collect();
        let folds = Folds::of(&timed);
        let of: Vec<usize> = (0..95).map(|index| folds.fold_of(index)).collect();
        assert!(of.is_sorted() && of[0] == 0 && of[94] == FOLDS - 1);
        let untimed = Folds::of(&segments());
        assert_eq!(
            [0, 1, 10, 11].map(|index| untimed.fold_of(index)),
            [0, 1, 0, 1]
        );
        for folds in [folds, untimed] {
            let all: Vec<usize> = (0..folds.len).collect();
            let picked = (0..FOLDS).flat_map(|fold| folds.pick(&all, |other| other == fold));
            let mut picked: Vec<usize> = picked.collect();
            picked.sort_unstable();
            assert_eq!(picked, all);
        }
    }

    #[test]
    fn no_more_held_out_sequences_raise_an_alarm_than_may() {
        let segments = segments();
        for rate in [0.002, 0.5] {
            let (crossed, _) = crossed(&segments, rate);
            // Each sort may take its share of one more than it has.
            let allowed = (21.0 * rate + 16.0 * rate) / 35.0;
            let told = f64::from(crossed.scores.alarm_rate);
            assert!(told <= allowed + 1e-6, "{told} at {rate}");
        }
    }

    #[test]
    fn progress_never_goes_back_and_ends_where_it_said() {
        let (_, told) = crossed(&segments(), 0.002);
        assert!(told.is_sorted_by_key(|now| now.epoch));
        let last = told.last().unwrap();
        assert!(told.iter().all(|now| now.epoch <= now.epochs_max));
        assert_eq!(last.epoch, last.epochs_max);
    }

    #[test]
    fn a_shared_beginning_is_counted_once() {
        let all = [[A, B, C], [A, B, B], [A, B, C]].map(|keys| heard(&keys, true));
        assert_eq!(distinct_steps(&all), 4);
    }
}
