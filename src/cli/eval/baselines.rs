//! Detectors so simple that a model must beat them to be worth its cost.

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::Dataset;
use super::metrics::{Scored, Threshold};
use super::order::above;
use crate::core::record::TemplateId;

/// The share of training sequences, each compared with all others, that the count detector's
/// threshold lets pass.
const QUIET_SHARE: f64 = 0.9995;

/// How often each template occurs, by template.
type Counts = BTreeMap<TemplateId, u32>;

/// Abnormal is what has a template that no training sequence has.
pub(super) fn unseen_template(dataset: &Dataset) -> Scored {
    let seen: BTreeSet<TemplateId> = dataset
        .corpus
        .templates
        .iter()
        .map(|template| template.id)
        .collect();
    let unseen =
        |events: &[TemplateId]| events.iter().filter(|event| !seen.contains(event)).count();
    let scores = dataset
        .samples
        .iter()
        .map(|sample| (unseen(&sample.sequence.events).min(1)) as f64);
    above(
        "unseen_template",
        Threshold::LabelFree,
        scores.collect(),
        0.5,
    )
}

/// Abnormal is what is far from every training sequence in how often each template occurs, as in
/// Landauer et al., A Critical Review of Common Log Data Sets (FSE 2024): the distance is the
/// summed difference of counts, weighted by how rare a template is, as a share of the larger
/// counts.
pub(super) fn count_vector(dataset: &Dataset) -> Scored {
    let counted = dataset
        .corpus
        .sequences
        .iter()
        .map(|sequence| counts(&sequence.events));
    let mut known: BTreeMap<Counts, usize> = BTreeMap::new();
    counted.for_each(|counts| *known.entry(counts).or_default() += 1);
    let nearest = Nearest::new(&known);
    let limit = nearest.leave_one_out_quantile(QUIET_SHARE);
    let mut memo: BTreeMap<Counts, f64> = BTreeMap::new();
    let mut scores = Vec::with_capacity(dataset.samples.len());
    for sample in &dataset.samples {
        let counts = counts(&sample.sequence.events);
        let score = match memo.get(&counts) {
            Some(score) => *score,
            None => nearest.distance(&counts, None),
        };
        memo.insert(counts, score);
        scores.push(score);
    }
    above("count_vector", Threshold::LabelFree, scores, limit)
}

fn counts(events: &[TemplateId]) -> Counts {
    let mut counts = Counts::new();
    events
        .iter()
        .for_each(|event| *counts.entry(*event).or_default() += 1);
    counts
}

/// The distinct count vectors of training, with how often each occurs.
struct Nearest<'a> {
    known: &'a BTreeMap<Counts, usize>,
    /// 1 for a template that all training sequences have, more by the ln of how rare it is.
    rarity: BTreeMap<TemplateId, f64>,
    rarity_unseen: f64,
}

impl<'a> Nearest<'a> {
    fn new(known: &'a BTreeMap<Counts, usize>) -> Self {
        let mut having: BTreeMap<TemplateId, usize> = BTreeMap::new();
        for (counts, times) in known {
            counts
                .keys()
                .for_each(|id| *having.entry(*id).or_default() += times);
        }
        let all = 1.0 + known.values().sum::<usize>() as f64;
        let rarity = having
            .into_iter()
            .map(|(id, times)| (id, 1.0 + (all / (1.0 + times as f64)).ln()));
        Self {
            known,
            rarity: rarity.collect(),
            rarity_unseen: 1.0 + all.ln(),
        }
    }

    /// How far `counts` is from the nearest known vector other than `but`; 0 is the same, 1 has
    /// nothing in common.
    fn distance(&self, counts: &Counts, but: Option<&Counts>) -> f64 {
        if but.is_none() && self.known.contains_key(counts) {
            return 0.0;
        }
        let others = self.known.keys().filter(|other| Some(*other) != but);
        others
            .map(|other| self.between(counts, other))
            .fold(1.0, f64::min)
    }

    fn between(&self, a: &Counts, b: &Counts) -> f64 {
        let (mut apart, mut larger) = (0.0, 0.0);
        let mut add = |id: &TemplateId, x: u32, y: u32| {
            let rarity = self.rarity.get(id).copied().unwrap_or(self.rarity_unseen);
            apart += rarity * f64::from(x.abs_diff(y));
            larger += rarity * f64::from(x.max(y));
        };
        for (id, x) in a {
            add(id, *x, b.get(id).copied().unwrap_or(0));
        }
        for (id, y) in b.iter().filter(|(id, _)| !a.contains_key(id)) {
            add(id, 0, *y);
        }
        if larger > 0.0 { apart / larger } else { 0.0 }
    }

    fn leave_one_out_quantile(&self, share: f64) -> f64 {
        let mut distances: Vec<(f64, usize)> = Vec::with_capacity(self.known.len());
        for (counts, times) in self.known {
            let distance = if *times > 1 {
                0.0
            } else {
                self.distance(counts, Some(counts))
            };
            distances.push((distance, *times));
        }
        distances.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: usize = distances.iter().map(|(_, times)| times).sum();
        let wanted = (all as f64 * share).ceil() as usize;
        let mut passed = 0;
        for (distance, times) in distances {
            passed += times;
            if passed >= wanted {
                return distance;
            }
        }
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::{Sample, Weights, by_frequency};
    use crate::core::detect::EventSequence;
    use crate::core::train::Corpus;

    fn sequence(events: &[u64]) -> EventSequence {
        EventSequence::whole(events.iter().copied().map(TemplateId).collect())
    }

    /// A thousand sequences of two shapes, and those to score.
    fn dataset(scored: &[&[u64]]) -> Dataset {
        let shapes = [sequence(&[1, 2, 3]), sequence(&[1, 2, 2, 3])];
        let sequences: Vec<_> = shapes.iter().cycle().take(1_000).cloned().collect();
        let templates = by_frequency(&sequences, |_| "".into());
        let sample = |events: &&[u64]| Sample {
            sequence: sequence(events),
            abnormal: false,
            kind: None,
        };
        Dataset {
            corpus: Corpus {
                masks_version: 0,
                templates,
                sequences,
            },
            samples: scored.iter().map(sample).collect(),
            weights: Weights {
                normal: 1.0,
                abnormal: 1.0,
            },
        }
    }

    #[test]
    fn counts_are_compared_whatever_their_order() {
        let dataset = dataset(&[&[3, 2, 1], &[1, 2, 2, 2, 3], &[1, 2, 3, 9]]);
        let scored = count_vector(&dataset);
        assert_eq!(scored.alarms, [false, true, true]);
        assert!(
            scored.scores[2] > scored.scores[1],
            "a template never seen weighs most"
        );
    }

    #[test]
    fn a_template_that_training_lacks_is_unseen() {
        let dataset = dataset(&[&[3, 1], &[1, 9]]);
        assert_eq!(unseen_template(&dataset).alarms, [false, true]);
    }
}
