//! How far a sequence is from the nearest normal one in how often each template occurs.

use std::collections::BTreeMap;

use crate::core::detect::EventSequence;
use crate::core::record::TemplateId;

/// How often each template occurs, by template.
pub(super) type Counts = BTreeMap<TemplateId, u32>;

/// The distinct count vectors of training, with how often each occurs.
///
/// The distance is that of Landauer et al., A Critical Review of Common Log Data Sets (FSE 2024):
/// the summed difference of counts, weighted by how rare a template is, as a share of the larger
/// counts.
pub(super) struct Nearest {
    known: BTreeMap<Counts, usize>,
    /// 1 for a template that all training sequences have, more by the ln of how rare it is.
    rarity: BTreeMap<TemplateId, f64>,
    rarity_unseen: f64,
}

impl Nearest {
    pub(super) fn new(sequences: &[EventSequence]) -> Self {
        let mut known: BTreeMap<Counts, usize> = BTreeMap::new();
        for sequence in sequences {
            *known.entry(counts(&sequence.events)).or_default() += 1;
        }
        let mut having: BTreeMap<TemplateId, usize> = BTreeMap::new();
        for (counts, times) in &known {
            counts
                .keys()
                .for_each(|id| *having.entry(*id).or_default() += times);
        }
        let all = 1.0 + sequences.len() as f64;
        let rarity = having
            .into_iter()
            .map(|(id, times)| (id, 1.0 + (all / (1.0 + times as f64)).ln()));
        Self {
            known,
            rarity: rarity.collect(),
            rarity_unseen: 1.0 + all.ln(),
        }
    }

    /// How far each of `sequences` is from the nearest known vector; 0 is the same, 1 has nothing
    /// in common.
    pub(super) fn distances<'a>(
        &self,
        sequences: impl Iterator<Item = &'a EventSequence>,
    ) -> Vec<f64> {
        let mut memo: BTreeMap<Counts, f64> = BTreeMap::new();
        sequences
            .map(|sequence| {
                let counts = counts(&sequence.events);
                if let Some(distance) = memo.get(&counts) {
                    return *distance;
                }
                let distance = self.distance(&counts, None);
                memo.insert(counts, distance);
                distance
            })
            .collect()
    }

    /// The distance that `share` of the training sequences do not pass, each compared with all
    /// others.
    pub(super) fn leave_one_out_quantile(&self, share: f64) -> f64 {
        let mut distances: Vec<(f64, usize)> = Vec::with_capacity(self.known.len());
        for (counts, times) in &self.known {
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
}

fn counts(events: &[TemplateId]) -> Counts {
    let mut counts = Counts::new();
    events
        .iter()
        .for_each(|event| *counts.entry(*event).or_default() += 1);
    counts
}
