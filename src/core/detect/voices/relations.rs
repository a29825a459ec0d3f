//! What comes as often as what: relations between counts.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::tally::{Tally, distinct, surprise_of_breach};
use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// Relations a = k·b and a = b + c between how often templates come, which held in (nearly) all
/// sequences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Relations {
    /// The surest first.
    relations: Vec<Relation>,
}

/// `left` comes as often as all of `right` together, each key of it `factor` times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Relation {
    left: Key,
    right: Vec<Key>,
    factor: u32,
    broken: u32,
    tried: u32,
}

impl Relation {
    fn score(&self) -> f32 {
        surprise_of_breach(self.broken, self.tried)
    }
}

/// How often each of some keys comes in each distinct tally.
struct Columns {
    keys: Vec<Key>,
    columns: Vec<Vec<u32>>,
    weights: Vec<u32>,
}

impl Relations {
    /// Most keys that relations are about, those that most sequences have.
    pub const KEYS_MAX: usize = 64;
    /// Most distinct tallies they are drawn from, the most frequent.
    pub const ROWS_MAX: usize = 4_096;
    /// Most relations kept, the surest.
    pub const RELATIONS_MAX: usize = 1_024;
    /// Fewest sequences that a relation is drawn from.
    const TRIED_MIN: u32 = 5;
    /// A relation may be broken in one of so many sequences.
    const BROKEN_ONE_IN: u32 = 100;
    /// Largest factor.
    const FACTOR_MAX: u32 = 8;

    /// Learns from those of the sequences that are known from beginning to end, with keys below
    /// `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let columns = Columns::new(corpus, key_count);
        let mut relations = Vec::new();
        let count = columns.keys.len();
        let mut twins = vec![false; count];
        for left in 0..count {
            for right in 0..count {
                if left == right {
                    continue;
                }
                if let Some(relation) = columns.multiple(left, right) {
                    // Equal is equal both ways: told once.
                    let told = relation.factor == 1 && right < left;
                    if relation.factor == 1 && right > left && relation.broken == 0 {
                        twins[right] = true;
                    }
                    relations.extend((!told).then_some(relation));
                }
            }
        }
        // Of keys that always come equally often the first stands for all.
        let alone: Vec<usize> = (0..count).filter(|key| !twins[*key]).collect();
        for left in &alone {
            for (index, one) in alone.iter().enumerate() {
                for other in alone.iter().skip(index + 1) {
                    if left != one && left != other {
                        relations.extend(columns.sum(*left, [*one, *other]));
                    }
                }
            }
        }
        relations.sort_by(|a, b| b.score().total_cmp(&a.score()).then(a.cmp(b)));
        relations.truncate(Self::RELATIONS_MAX);
        Self { relations }
    }

    /// How many relations there are.
    pub fn len(&self) -> usize {
        self.relations.len()
    }

    /// Whether there is no relation.
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }
}

impl Voice for Relations {
    fn name(&self) -> &'static str {
        "relations"
    }

    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        if !(heard.begins && heard.ends) {
            return None;
        }
        let tally = Tally::of(heard);
        let sides = |relation: &Relation| {
            let right: u32 = relation.right.iter().map(|key| tally.get(*key)).sum();
            (
                tally.get(relation.left),
                right.saturating_mul(relation.factor),
            )
        };
        let broken = self.relations.iter().find(|relation| {
            let (left, right) = sides(relation);
            left != right
        })?;
        Some(Surprise {
            score: broken.score(),
            position: heard.len,
            why: Why::Relation {
                left: vec![broken.left],
                right: broken.right.clone(),
                came: sides(broken),
                held: broken.tried - broken.broken,
            },
        })
    }
}

impl Columns {
    fn new(corpus: &[Heard], key_count: usize) -> Self {
        let mut rows = distinct(corpus);
        rows.truncate(Relations::ROWS_MAX);
        let mut having = vec![0u32; key_count];
        for (tally, times) in &rows {
            for (key, _) in tally.iter() {
                if let Some(count) = having.get_mut(key.index()) {
                    *count += times;
                }
            }
        }
        let mut keys: Vec<Key> = (0u16..)
            .zip(&having)
            .filter(|(_, count)| **count >= Relations::TRIED_MIN)
            .map(|(key, _)| Key(key))
            .collect();
        keys.sort_by_key(|key| Reverse(having.get(key.index()).copied()));
        keys.truncate(Relations::KEYS_MAX);
        let columns = keys
            .iter()
            .map(|key| rows.iter().map(|(tally, _)| tally.get(*key)).collect())
            .collect();
        Self {
            keys,
            columns,
            weights: rows.iter().map(|(_, times)| *times).collect(),
        }
    }

    /// The relation left = k · right, where it holds.
    fn multiple(&self, left: usize, right: usize) -> Option<Relation> {
        let (left_column, right_column) = (self.columns.get(left)?, self.columns.get(right)?);
        let (most, base) = left_column
            .iter()
            .zip(right_column)
            .find(|(_, base)| **base > 0)?;
        let factor = most / base;
        if factor == 0 || factor > Relations::FACTOR_MAX || factor * base != *most {
            return None;
        }
        self.relation(left, &[right], factor)
    }

    /// The relation left = one + other, where it holds and needs both.
    fn sum(&self, left: usize, right: [usize; 2]) -> Option<Relation> {
        let relation = self.relation(left, &right, 1)?;
        // Both must come often enough to matter.
        let needed = |side: usize| {
            let column = self.columns.get(side)?;
            let with: u32 = column
                .iter()
                .zip(&self.weights)
                .filter(|(count, _)| **count > 0)
                .map(|(_, weight)| weight)
                .sum();
            Some(with >= Relations::TRIED_MIN)
        };
        right
            .iter()
            .all(|side| needed(*side) == Some(true))
            .then_some(relation)
    }

    fn relation(&self, left: usize, right: &[usize], factor: u32) -> Option<Relation> {
        let total: u32 = self.weights.iter().sum();
        let (mut broken, mut tried) = (0, 0);
        let (mut least, mut most) = (u32::MAX, 0);
        let column = self.columns.get(left)?;
        for (row, weight) in self.weights.iter().enumerate() {
            let one = *column.get(row)?;
            let sum: u32 = right
                .iter()
                .filter_map(|side| self.columns.get(*side)?.get(row))
                .sum();
            let other = sum * factor;
            (least, most) = (least.min(one), most.max(one));
            if one != other {
                broken += weight;
                if broken > total / Relations::BROKEN_ONE_IN {
                    return None;
                }
            }
            if one > 0 || other > 0 {
                tried += weight;
            }
        }
        let holds = tried >= Relations::TRIED_MIN
            && broken <= tried / Relations::BROKEN_ONE_IN
            // What always comes so often needs no relation.
            && least < most;
        holds.then(|| Relation {
            left: self.keys.get(left).copied().unwrap_or(Key::BEGIN),
            right: right
                .iter()
                .filter_map(|side| self.keys.get(*side).copied())
                .collect(),
            factor,
            broken,
            tried,
        })
    }
}
