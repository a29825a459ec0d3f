//! How far a sequence is from the nearest normal one in how often each template comes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// The distinct count vectors of training.
///
/// The distance is that of Landauer et al., A Critical Review of Common Log Data Sets (FSE 2024):
/// the summed difference of counts, weighted by how rare a template is, as a share of the larger
/// counts. Each twentieth counts as one nat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// Ascending, each by ascending keys.
    known: Vec<Counts>,
    /// The sum of the weighted counts of each.
    weights: Vec<f32>,
    /// By key: 1 for a template that all sequences have, more by the ln of how rare it is.
    rarity: Vec<f32>,
}

/// How often each key comes, by ascending keys.
type Counts = Vec<(Key, u32)>;

/// Nats for a sequence that has nothing in common with any known one.
const NATS: f32 = 20.0;

impl Nearest {
    /// Most distinct vectors kept, the most frequent.
    pub const KNOWN_MAX: usize = 8_192;

    /// Learns from the sequences that are known from beginning to end, with keys below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut times: BTreeMap<Counts, u32> = BTreeMap::new();
        let mut having = vec![0u32; key_count];
        let mut of = 0u32;
        for heard in corpus.iter().filter(|heard| heard.begins && heard.ends) {
            let counts = counts(heard);
            for (key, _) in &counts {
                if let Some(having) = having.get_mut(key.index()) {
                    *having += 1;
                }
            }
            of += 1;
            *times.entry(counts).or_default() += 1;
        }
        let mut known: Vec<(Counts, u32)> = times.into_iter().collect();
        known.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        known.truncate(Self::KNOWN_MAX);
        let mut known: Vec<Counts> = known.into_iter().map(|(counts, _)| counts).collect();
        known.sort_unstable();
        let rarity = |having: u32| 1.0 + ((1.0 + of as f32) / (1.0 + having as f32)).ln();
        let mut voice = Self {
            known,
            rarity: having.into_iter().map(rarity).collect(),
            ..Self::default()
        };
        voice.weights = voice
            .known
            .iter()
            .map(|known| voice.weight(known))
            .collect();
        voice
    }

    fn weight(&self, counts: &Counts) -> f32 {
        let weighted = counts
            .iter()
            .map(|(key, count)| self.rarity_of(*key) * *count as f32);
        weighted.sum()
    }

    fn rarity_of(&self, key: Key) -> f32 {
        self.rarity.get(key.index()).copied().unwrap_or(1.0)
    }

    /// The distance from `a` to `b`, and the key that they differ in most.
    fn between(&self, a: &Counts, b: &Counts) -> (f32, Option<(Key, u32, u32)>) {
        let (mut apart, mut larger) = (0.0f32, 0.0f32);
        let mut most = (0.0, None);
        let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
        loop {
            let key = match (left.peek(), right.peek()) {
                (Some((a, _)), Some((b, _))) => *a.min(b),
                (Some((key, _)), None) | (None, Some((key, _))) => *key,
                (None, None) => break,
            };
            let x = left.next_if(|(at, _)| *at == key).map_or(0, |(_, x)| *x);
            let y = right.next_if(|(at, _)| *at == key).map_or(0, |(_, y)| *y);
            let rarity = self.rarity_of(key);
            let difference = rarity * x.abs_diff(y) as f32;
            if difference > most.0 {
                most = (difference, Some((key, x, y)));
            }
            apart += difference;
            larger += rarity * x.max(y) as f32;
        }
        (if larger > 0.0 { apart / larger } else { 0.0 }, most.1)
    }
}

impl Voice for Nearest {
    fn name(&self) -> &'static str {
        "nearest"
    }

    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        if !heard.begins || !heard.ends || self.known.is_empty() {
            return None;
        }
        let counts = counts(heard);
        if self.known.binary_search(&counts).is_ok() {
            return None;
        }
        let weight = self.weight(&counts);
        let mut nearest = (f32::INFINITY, None);
        for (known, known_weight) in self.known.iter().zip(&self.weights) {
            // Vectors of so different weights cannot be nearer.
            let least = (weight - known_weight).abs() / weight.max(*known_weight);
            if least >= nearest.0 {
                continue;
            }
            let (distance, differs) = self.between(&counts, known);
            if distance < nearest.0 {
                nearest = (distance, differs);
            }
        }
        let (key, came, usual) = nearest.1?;
        Some(Surprise {
            score: NATS * nearest.0,
            position: heard.len,
            why: Why::Count {
                key,
                came,
                usual: (usual, usual),
            },
        })
    }
}

fn counts(heard: &Heard) -> Counts {
    let mut counts: BTreeMap<Key, u32> = BTreeMap::new();
    for key in &heard.keys {
        *counts.entry(*key).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(keys: &[u16]) -> Heard {
        Heard {
            keys: keys.iter().copied().map(Key).collect(),
            len: keys.len(),
            begins: true,
            ends: true,
            ..Heard::default()
        }
    }

    #[test]
    fn a_sequence_is_as_odd_as_it_is_far_from_the_nearest_normal_one_in_any_order() {
        let corpus: Vec<Heard> = (0..50)
            .map(|index| {
                heard(if index % 2 == 0 {
                    &[2, 3, 3]
                } else {
                    &[2, 3, 3, 3, 4]
                })
            })
            .collect();
        let voice = Nearest::learn(&corpus, 6);
        let score = |keys: &[u16]| voice.whole(&heard(keys)).map_or(0.0, |found| found.score);
        assert_eq!(score(&[3, 2, 3]), 0.0);
        assert!(score(&[2, 3]) > 0.0 && score(&[2]) > score(&[2, 3]));
        let Why::Count { key, came, usual } = voice.whole(&heard(&[2, 3])).unwrap().why else {
            panic!("a count is blamed")
        };
        assert_eq!((key, came, usual), (Key(3), 1, (2, 2)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let corpus: Vec<Heard> = (0..12_000u32)
            .map(|index| heard(&vec![2 + (index % 4) as u16; 1 + index as usize / 4]))
            .take(9_000)
            .collect();
        assert!(Nearest::learn(&corpus, 6).known.len() <= Nearest::KNOWN_MAX);
    }
}
