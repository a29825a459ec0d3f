//! What a step is measured from.

use std::collections::BTreeMap;

use super::gaps::quantile;
use crate::core::detect::Heard;
use crate::core::model::Key;
use crate::core::record::Timestamp;

/// Most records of one template that are measured, spread over all.
const STEPS_MAX: usize = 16_384;
/// Most gaps measured of all templates.
const GAPS_MAX: usize = 1 << 22;
/// Most templates before a record that it is measured from, the latest first.
const BEFORE_MAX: usize = 24;
/// Least records to learn from.
const SUPPORT_MIN: usize = 50;
/// So large a share of the steps takes no longer than the longest that a machine takes.
const MOSTLY: f64 = 0.9;
/// Most other triggers of one step.
const OTHERS_MAX: usize = 3;
/// Another trigger explains at least so large a share of the late steps.
const EXPLAINS_MIN: f64 = 0.3;
/// It is there before late steps so many times as often as before others.
const TELLS_MIN: f64 = 3.0;

/// For each record of one template the time since the latest record of each other template.
#[derive(Debug, Default)]
pub(super) struct Measured {
    steps: Vec<Gaps>,
}

/// The templates before one record and how long before.
type Gaps = Box<[(Key, f32)]>;

impl Measured {
    /// Measures sequences that have times, by the template that steps end with.
    pub(super) fn of<'a>(
        corpus: impl Iterator<Item = &'a Heard> + Clone,
    ) -> impl Iterator<Item = (Key, Self)> {
        let mut left: BTreeMap<Key, (usize, usize)> = BTreeMap::new();
        for key in corpus.clone().flat_map(|heard| &heard.keys) {
            left.entry(*key).or_default().0 += 1;
        }
        let mut measured: BTreeMap<Key, Self> = BTreeMap::new();
        let mut gaps = 0;
        for heard in corpus {
            // The templates that came so far, the latest last.
            let mut latest: Vec<(Key, Timestamp)> = Vec::new();
            for (to, time) in heard.keys.iter().zip(&heard.times) {
                let (of, came) = left.entry(*to).or_default();
                let is_measured = came.is_multiple_of(of.div_ceil(STEPS_MAX).max(1));
                *came += 1;
                if is_measured && gaps < GAPS_MAX {
                    let before = latest.iter().rev().filter(|(from, _)| from != to);
                    let before = before.take(BEFORE_MAX);
                    let step: Gaps = before
                        .map(|(from, since)| (*from, time.since(*since).as_secs_f32()))
                        .collect();
                    gaps += step.len();
                    measured.entry(*to).or_default().steps.push(step);
                }
                latest.retain(|(key, _)| key != to);
                latest.push((*to, *time));
            }
        }
        measured.into_iter()
    }

    /// Sets of templates that the step may be measured from: one that comes before most of them,
    /// mostly no longer than `longest` seconds before, and those that explain the late ones.
    pub(super) fn triggers(&self, longest: f32) -> Vec<Vec<Key>> {
        if self.steps.len() < SUPPORT_MIN {
            return Vec::new();
        }
        let mut gaps: BTreeMap<Key, Vec<f32>> = BTreeMap::new();
        for (key, gap) in self.steps.iter().flatten() {
            gaps.entry(*key).or_default().push(*gap);
        }
        let sets = gaps.into_iter().filter_map(|(key, mut gaps)| {
            if gaps.len() < SUPPORT_MIN || gaps.len() * 2 < self.steps.len() {
                return None;
            }
            gaps.sort_unstable_by(f32::total_cmp);
            (quantile(&gaps, MOSTLY) <= longest).then(|| self.with_others(key, longest))
        });
        sets.collect()
    }

    /// The shortest of the gaps from any of `from`, for the steps that have one.
    pub(super) fn gaps(&self, from: &[Key]) -> Vec<f32> {
        let gaps = self.steps.iter().filter_map(|step| shortest(step, from));
        gaps.collect()
    }

    /// `first` and the templates that come before the steps that are late after it.
    fn with_others(&self, first: Key, late: f32) -> Vec<Key> {
        let mut from = vec![first];
        let is_late =
            |step: &Gaps, from: &[Key]| shortest(step, from).is_some_and(|gap| gap > late);
        let on_time = self.steps.iter().filter(|step| !is_late(step, &from));
        let on_time = Nearby::of(on_time, late);
        while from.len() <= OTHERS_MAX {
            let lates = self.steps.iter().filter(|step| is_late(step, &from));
            let lates = Nearby::of(lates, late);
            if lates.steps < 3 {
                break;
            }
            let others = lates.before.keys().filter(|key| !from.contains(key));
            let best = others
                .map(|key| (lates.share(*key), *key))
                .filter(|(explains, key)| {
                    *explains >= EXPLAINS_MIN && *explains >= TELLS_MIN * on_time.share(*key)
                })
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let Some((_, other)) = best else {
                break;
            };
            from.push(other);
        }
        from
    }
}

/// How many of some steps each template comes before, and not long before.
struct Nearby {
    before: BTreeMap<Key, usize>,
    steps: usize,
}

impl Nearby {
    fn of<'a>(steps: impl Iterator<Item = &'a Gaps>, late: f32) -> Self {
        let (mut before, mut count) = (BTreeMap::new(), 0);
        for step in steps {
            count += 1;
            for (key, _) in step.iter().filter(|(_, gap)| *gap <= late) {
                *before.entry(*key).or_default() += 1;
            }
        }
        Self {
            before,
            steps: count,
        }
    }

    fn share(&self, key: Key) -> f64 {
        let near = self.before.get(&key).copied().unwrap_or(0);
        near as f64 / self.steps.max(1) as f64
    }
}

fn shortest(step: &[(Key, f32)], from: &[Key]) -> Option<f32> {
    let gaps = step.iter().filter(|(key, _)| from.contains(key));
    gaps.map(|(_, gap)| *gap).min_by(f32::total_cmp)
}
