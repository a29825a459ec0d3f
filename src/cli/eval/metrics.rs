//! Precision, recall, F1 with an interval, AUROC.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

use super::dataset::{Dataset, Weights};

/// What one detector said about every sample, in the order of the samples.
pub(super) struct Scored {
    pub(super) detector: &'static str,
    pub(super) threshold: Threshold,
    /// Higher is more abnormal.
    pub(super) scores: Vec<f64>,
    pub(super) alarms: Vec<bool>,
}

/// What a threshold was chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Threshold {
    /// Training data alone.
    LabelFree,
    /// The test's labels.
    Best,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) detector: &'static str,
    pub(super) threshold: Threshold,
    pub(super) precision: f64,
    pub(super) recall: f64,
    pub(super) f1: f64,
    /// 95 % of bootstrap samples have an F1 between these two.
    pub(super) f1_interval: [f64; 2],
    pub(super) auroc: f64,
    pub(super) false_alarms: usize,
    pub(super) missed: usize,
}

/// How many samples of each class were alarmed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    normal: usize,
    alarmed_normal: usize,
    abnormal: usize,
    alarmed_abnormal: usize,
}

const BOOTSTRAP_ROUNDS: usize = 1_000;

impl Threshold {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LabelFree => "label_free",
            Self::Best => "best",
        }
    }
}

impl Row {
    pub(super) fn new(scored: &Scored, dataset: &Dataset, seed: u64) -> Self {
        let counts = Counts::of(&scored.alarms, dataset);
        let (precision, recall, f1) = counts.rates(dataset.weights);
        Self {
            detector: scored.detector,
            threshold: scored.threshold,
            precision,
            recall,
            f1,
            f1_interval: counts.f1_interval(dataset.weights, seed),
            auroc: auroc(&scored.scores, dataset),
            false_alarms: counts.alarmed_normal,
            missed: counts.abnormal - counts.alarmed_abnormal,
        }
    }
}

/// The weighted F1 of alarming on `alarms`.
pub(super) fn f1(alarms: &[bool], dataset: &Dataset) -> f64 {
    Counts::of(alarms, dataset).rates(dataset.weights).2
}

impl Counts {
    fn of(alarms: &[bool], dataset: &Dataset) -> Self {
        let mut counts = Self::default();
        for (sample, alarm) in dataset.samples.iter().zip(alarms) {
            if sample.abnormal {
                counts.abnormal += 1;
                counts.alarmed_abnormal += usize::from(*alarm);
            } else {
                counts.normal += 1;
                counts.alarmed_normal += usize::from(*alarm);
            }
        }
        counts
    }

    /// Precision, recall and F1. Without an alarm, precision is 0.
    fn rates(self, weights: Weights) -> (f64, f64, f64) {
        let hits = self.alarmed_abnormal as f64 * weights.abnormal;
        let false_alarms = self.alarmed_normal as f64 * weights.normal;
        let missed = (self.abnormal - self.alarmed_abnormal) as f64 * weights.abnormal;
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let f1 = ratio(2.0 * hits, 2.0 * hits + false_alarms + missed);
        (
            ratio(hits, hits + false_alarms),
            ratio(hits, hits + missed),
            f1,
        )
    }

    /// Draws as many sequences of each class as there are, with replacement, again and again.
    fn f1_interval(self, weights: Weights, seed: u64) -> [f64; 2] {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut rounds: Vec<f64> = (0..BOOTSTRAP_ROUNDS)
            .map(|_| {
                let alarmed_normal = redrawn(self.alarmed_normal, self.normal, &mut rng);
                let alarmed_abnormal = redrawn(self.alarmed_abnormal, self.abnormal, &mut rng);
                Self {
                    alarmed_normal,
                    alarmed_abnormal,
                    ..self
                }
                .rates(weights)
                .2
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        let at = |share: f64| rounds[((BOOTSTRAP_ROUNDS - 1) as f64 * share).round() as usize];
        [at(0.025), at(0.975)]
    }
}

/// How many of `all` draws fall among the first `part` of `all`.
fn redrawn(part: usize, all: usize, rng: &mut ChaCha12Rng) -> usize {
    if part == 0 || part == all {
        return part;
    }
    let limit = (part as f64 / all as f64 * 2f64.powi(32)) as u64;
    (0..all)
        .filter(|_| u64::from(rng.next_u32()) < limit)
        .count()
}

/// The chance that an abnormal sample scores above a normal one, ties counting half.
fn auroc(scores: &[f64], dataset: &Dataset) -> f64 {
    let labels = dataset.samples.iter().map(|sample| sample.abnormal);
    let mut ordered: Vec<(f64, bool)> = scores.iter().copied().zip(labels).collect();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut won) = (0usize, 0.0);
    for tied in ordered.chunk_by(|a, b| a.0 == b.0) {
        let abnormal = tied.iter().filter(|(_, abnormal)| *abnormal).count();
        let normal = tied.len() - abnormal;
        won += abnormal as f64 * (below as f64 + normal as f64 / 2.0);
        below += normal;
    }
    won / (below as f64 * (ordered.len() - below) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::Sample;
    use crate::core::detect::EventSequence;
    use crate::core::train::Corpus;

    fn dataset(labels: &[bool], weights: Weights) -> Dataset {
        let sample = |abnormal: &bool| Sample {
            sequence: EventSequence::default(),
            abnormal: *abnormal,
            kind: None,
        };
        Dataset {
            corpus: Corpus::default(),
            samples: labels.iter().map(sample).collect(),
            weights,
        }
    }

    const EVEN: Weights = Weights {
        normal: 1.0,
        abnormal: 1.0,
    };

    #[test]
    fn weights_make_a_small_sample_speak_for_the_full_set() {
        let labels = [false, false, true, true];
        let alarms = [true, false, true, false];
        let scored = |weights| {
            let dataset = dataset(&labels, weights);
            let scored = Scored {
                detector: "test",
                threshold: Threshold::LabelFree,
                scores: vec![0.0; 4],
                alarms: alarms.to_vec(),
            };
            let row = Row::new(&scored, &dataset, 1);
            (row.precision, row.recall, row.f1)
        };
        assert_eq!(scored(EVEN), (0.5, 0.5, 0.5));
        assert_eq!(
            scored(Weights {
                normal: 3.0,
                abnormal: 1.0
            }),
            (0.25, 0.5, 1.0 / 3.0)
        );
    }

    #[test]
    fn auroc_counts_ties_half() {
        let dataset = dataset(&[false, false, true, true], EVEN);
        assert_eq!(auroc(&[0.0, 1.0, 2.0, f64::INFINITY], &dataset), 1.0);
        assert_eq!(auroc(&[2.0, 3.0, 1.0, 0.0], &dataset), 0.0);
        assert_eq!(auroc(&[1.0, 0.0, 1.0, 1.0], &dataset), 0.75);
    }

    #[test]
    fn the_interval_holds_the_figure_and_is_the_same_for_one_seed() {
        let counts = Counts {
            normal: 900,
            alarmed_normal: 9,
            abnormal: 100,
            alarmed_abnormal: 80,
        };
        let [low, high] = counts.f1_interval(EVEN, 1);
        let f1 = counts.rates(EVEN).2;
        assert!(
            low < f1 && f1 < high && high - low < 0.15,
            "{low} {f1} {high}"
        );
        assert_eq!(counts.f1_interval(EVEN, 1), [low, high]);
    }
}
