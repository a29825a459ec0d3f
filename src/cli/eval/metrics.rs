//! One row of the table: everything that is measured of one detector.

use std::collections::BTreeMap;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;

use super::dataset::{Class, Dataset, Weights};
use super::delay::{Delay, Followers};
use super::quiet::{Quiet, Reliability};
use super::ranking::{self, Ranked, ratio};
use super::rounds::RoundFigures;
use super::scored::{Scored, Threshold};
use super::seeds::OverSeeds;

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
    /// The F1 of the threshold that is best on the test's labels: what papers report.
    pub(super) f1_best: f64,
    pub(super) auroc: f64,
    pub(super) average_precision: f64,
    pub(super) missed: usize,
    #[serde(flatten)]
    pub(super) quiet: Quiet,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) reliability: Option<Reliability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delay: Option<Delay>,
    /// The share of each kind of fault that was found.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) recall_by_kind: BTreeMap<Box<str>, f64>,
    /// How well each kind of fault is told from all normal sequences.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) auroc_by_kind: BTreeMap<Box<str>, f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) rounds: Option<RoundFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seeds: Option<OverSeeds>,
}

/// How many samples of each class were alarmed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) normal: usize,
    pub(super) alarmed_normal: usize,
    pub(super) abnormal: usize,
    pub(super) alarmed_abnormal: usize,
}

/// Found and all, of one kind of fault.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Found {
    pub(super) found: usize,
    pub(super) of: usize,
}

const BOOTSTRAP_ROUNDS: usize = 1_000;

impl Row {
    pub(super) fn new(
        scored: &Scored,
        dataset: &Dataset,
        followers: &Followers,
        seed: u64,
    ) -> Self {
        let counts = Counts::of(&scored.alarms, dataset);
        let (precision, recall, f1) = counts.rates(dataset.weights);
        let ranked = ranked(scored, dataset);
        let points = ranking::sweep(&ranked, dataset.weights);
        let recall_by_kind = found_by_kind(scored, dataset)
            .into_iter()
            .map(|(kind, Found { found, of })| (kind, ratio(found as f64, of as f64)));
        Self {
            detector: scored.detector,
            threshold: scored.threshold,
            precision,
            recall,
            f1,
            f1_interval: counts.f1_interval(dataset.weights, seed),
            f1_best: ranking::best(&points).map_or(0.0, ranking::Point::f1),
            auroc: ranking::auroc(&ranked).unwrap_or(0.5),
            average_precision: ranking::average_precision(&points),
            missed: counts.abnormal - counts.alarmed_abnormal,
            quiet: Quiet::new(scored, dataset),
            reliability: Reliability::new(scored, dataset),
            delay: Delay::new(scored, dataset, followers),
            recall_by_kind: recall_by_kind.collect(),
            auroc_by_kind: auroc_by_kind(scored, dataset),
            rounds: RoundFigures::new(scored, dataset),
            seeds: None,
        }
    }
}

/// The scores of all samples that are normal or abnormal.
pub(super) fn ranked(scored: &Scored, dataset: &Dataset) -> Vec<Ranked> {
    dataset
        .samples()
        .zip(&scored.scores)
        .filter(|(sample, _)| sample.class != Class::Ambiguous)
        .map(|(sample, score)| (*score, sample.is_abnormal()))
        .collect()
}

/// How many of each kind of fault were alarmed on; empty where the set names no kinds.
pub(super) fn found_by_kind(scored: &Scored, dataset: &Dataset) -> BTreeMap<Box<str>, Found> {
    let mut kinds: BTreeMap<Box<str>, Found> = BTreeMap::new();
    for (sample, alarm) in dataset.samples().zip(&scored.alarms) {
        if let (true, Some(kind)) = (sample.is_abnormal(), &sample.kind) {
            let found = kinds.entry(kind.clone()).or_default();
            found.of += 1;
            found.found += usize::from(*alarm);
        }
    }
    kinds
}

fn auroc_by_kind(scored: &Scored, dataset: &Dataset) -> BTreeMap<Box<str>, f64> {
    let mut normal: Vec<Ranked> = Vec::new();
    let mut kinds: BTreeMap<Box<str>, Vec<Ranked>> = BTreeMap::new();
    for (sample, score) in dataset.samples().zip(&scored.scores) {
        match (sample.class, &sample.kind) {
            (Class::Normal, _) => normal.push((*score, false)),
            (Class::Abnormal, Some(kind)) => {
                kinds.entry(kind.clone()).or_default().push((*score, true));
            }
            (Class::Abnormal | Class::Ambiguous, _) => {}
        }
    }
    kinds
        .into_iter()
        .filter_map(|(kind, mut ranked)| {
            ranked.extend_from_slice(&normal);
            Some((kind, ranking::auroc(&ranked)?))
        })
        .collect()
}

impl Counts {
    pub(super) fn of(alarms: &[bool], dataset: &Dataset) -> Self {
        let mut counts = Self::default();
        for (sample, alarm) in dataset.samples().zip(alarms) {
            match sample.class {
                Class::Abnormal => {
                    counts.abnormal += 1;
                    counts.alarmed_abnormal += usize::from(*alarm);
                }
                Class::Normal => {
                    counts.normal += 1;
                    counts.alarmed_normal += usize::from(*alarm);
                }
                Class::Ambiguous => {}
            }
        }
        counts
    }

    /// Precision, recall and F1. Without an alarm, precision is 0.
    pub(super) fn rates(self, weights: Weights) -> (f64, f64, f64) {
        let hits = self.alarmed_abnormal as f64 * weights.abnormal;
        let false_alarms = self.alarmed_normal as f64 * weights.normal;
        let missed = (self.abnormal - self.alarmed_abnormal) as f64 * weights.abnormal;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::{Part, Sample};
    use crate::core::train::Corpus;

    const N: Class = Class::Normal;
    const A: Class = Class::Abnormal;

    fn dataset(classes: &[Class], weights: Weights) -> Dataset {
        let sample = |class: &Class| Sample {
            class: *class,
            kind: Some("lost".into()),
            ..Sample::default()
        };
        let samples = classes.iter().map(sample).collect();
        Dataset {
            weights,
            ..Dataset::of(Part::new(Corpus::default(), samples))
        }
    }

    fn row(scored: &Scored, dataset: &Dataset) -> Row {
        Row::new(scored, dataset, &Followers::new(dataset), 1)
    }

    #[test]
    fn weights_make_a_small_sample_speak_for_the_full_set() {
        let scored = Scored::above("test", vec![1.0, 0.0, 1.0, 0.0], 0.5);
        let rates = |weights| {
            let row = row(&scored, &dataset(&[N, N, A, A], weights));
            (row.precision, row.recall, row.f1)
        };
        assert_eq!(rates(Weights::EVEN), (0.5, 0.5, 0.5));
        let weights = Weights {
            normal: 3.0,
            abnormal: 1.0,
        };
        assert_eq!(rates(weights), (0.25, 0.5, 1.0 / 3.0));
    }

    #[test]
    fn ambiguous_samples_count_for_nothing() {
        let scored = Scored::above("test", vec![0.0, 1.0, 9.0], 0.5);
        let row = row(&scored, &dataset(&[N, A, Class::Ambiguous], Weights::EVEN));
        assert_eq!((row.f1, row.auroc, row.quiet.false_alarms), (1.0, 1.0, 0));
        assert_eq!(row.recall_by_kind["lost"], 1.0);
    }

    #[test]
    fn the_best_threshold_stands_beside_the_one_that_saw_no_label() {
        let scored = Scored::above("test", vec![0.1, 0.2, 0.3, 0.4], 0.9);
        let row = row(&scored, &dataset(&[N, N, A, A], Weights::EVEN));
        assert_eq!((row.f1, row.f1_best), (0.0, 1.0));
        assert_eq!(row.auroc_by_kind["lost"], 1.0);
    }

    #[test]
    fn the_interval_holds_the_figure_and_is_the_same_for_one_seed() {
        let counts = Counts {
            normal: 900,
            alarmed_normal: 9,
            abnormal: 100,
            alarmed_abnormal: 80,
        };
        let [low, high] = counts.f1_interval(Weights::EVEN, 1);
        let f1 = counts.rates(Weights::EVEN).2;
        assert!(
            low < f1 && f1 < high && high - low < 0.15,
            "{low} {f1} {high}"
        );
        assert_eq!(counts.f1_interval(Weights::EVEN, 1), [low, high]);
    }
}
