//! What comes as often as what: relations between counts.

use std::cmp::Reverse;
use std::iter;

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
    /// How many sequences have each.
    having: Vec<u32>,
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
        let mut relations: Vec<Relation> = Vec::new();
        // Of keys that always come equally often the first stands for all in what follows.
        let mut alone: Vec<usize> = (0..columns.keys.len()).collect();
        for left in 0..columns.keys.len() {
            if alone.contains(&left) {
                let equal = |right: &usize| Some((*right, columns.relation(left, &[*right], 1)?));
                let equals: Vec<_> = (left + 1..columns.keys.len())
                    .filter_map(|right| equal(&right))
                    .collect();
                alone.retain(|key| {
                    !equals
                        .iter()
                        .any(|(right, e)| right == key && e.broken == 0)
                });
                relations.extend(equals.into_iter().map(|(_, relation)| relation));
            }
        }
        for left in &alone {
            let others = || alone.iter().filter(|other| *other != left);
            relations.extend(others().filter_map(|right| columns.multiple(*left, *right)));
            for (index, one) in others().enumerate() {
                let pairs = others().skip(index + 1).map(|other| [*one, *other]);
                relations.extend(pairs.filter_map(|pair| columns.relation(*left, &pair, 1)));
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
        let right = broken.right.iter();
        Some(Surprise {
            score: broken.score(),
            position: heard.len,
            why: Why::Relation {
                left: vec![broken.left],
                right: right
                    .flat_map(|key| iter::repeat_n(*key, broken.factor as usize))
                    .collect(),
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
        Self {
            having: keys
                .iter()
                .filter_map(|key| having.get(key.index()).copied())
                .collect(),
            columns: keys
                .iter()
                .map(|key| rows.iter().map(|(tally, _)| tally.get(*key)).collect())
                .collect(),
            weights: rows.iter().map(|(_, times)| *times).collect(),
            keys,
        }
    }

    /// The relation left = k · right, where it holds with a k of at least 2.
    fn multiple(&self, left: usize, right: usize) -> Option<Relation> {
        let (left_column, right_column) = (self.columns.get(left)?, self.columns.get(right)?);
        let (most, base) = left_column
            .iter()
            .zip(right_column)
            .find(|(_, base)| **base > 0)?;
        let factor = most / base;
        if !(2..=Relations::FACTOR_MAX).contains(&factor) || factor * base != *most {
            return None;
        }
        self.relation(left, &[right], factor)
    }

    /// The relation left = factor · (sum of right), where it holds.
    fn relation(&self, left: usize, right: &[usize], factor: u32) -> Option<Relation> {
        let having = |key: &usize| self.having.get(*key).copied().unwrap_or_default();
        let all: u32 = right
            .iter()
            .map(having)
            .fold(having(&left), u32::saturating_add);
        let broken_max = all / Relations::BROKEN_ONE_IN;
        // Where a key on the right comes, the one on the left must come too.
        let alone = |key: &usize| having(key).saturating_sub(having(&left));
        if right.iter().any(|key| alone(key) > broken_max) {
            return None;
        }
        let column = self.columns.get(left)?;
        let others: Vec<&[u32]> = right
            .iter()
            .filter_map(|key| self.columns.get(*key).map(Vec::as_slice))
            .collect();
        let (mut broken, mut tried) = (0, 0);
        let (mut least, mut most) = (u32::MAX, 0);
        for (row, (count, weight)) in column.iter().zip(&self.weights).enumerate() {
            let sum: u32 = others.iter().filter_map(|column| column.get(row)).sum();
            (least, most) = ((*count).min(least), (*count).max(most));
            if *count > 0 || sum > 0 {
                tried += weight;
            }
            if *count != sum.saturating_mul(factor) {
                broken += weight;
                if broken > broken_max {
                    return None;
                }
            }
        }
        let key = |key: &usize| self.keys.get(*key).copied();
        let holds = tried >= Relations::TRIED_MIN && broken <= tried / Relations::BROKEN_ONE_IN;
        // What always comes so often needs no relation.
        (holds && least < most).then_some(Relation {
            left: key(&left)?,
            right: right.iter().filter_map(key).collect(),
            factor,
            broken,
            tried,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    /// Left, right, and how often each came.
    type Sides = (Vec<Key>, Vec<Key>, (u32, u32));

    fn why(voice: &Relations, letters: &str) -> Option<Sides> {
        match voice.whole(&heard(letters))?.why {
            Why::Relation {
                left, right, came, ..
            } => Some((left, right, came)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn as_many_answers_as_requests() {
        let voice = Relations::learn(&corpus(&["bc", "bcbc", "bbcbcc"], 40), KEY_COUNT);
        assert_eq!(voice.whole(&heard("bbbbcccc")), None);
        let odd = voice.whole(&heard("bbbbccc")).unwrap();
        assert!(
            (odd.score - 122f32.ln()).abs() < 1e-4,
            "held 120 times of 120"
        );
        assert_eq!(
            why(&voice, "bbbbccc"),
            Some((vec![key('b')], vec![key('c')], (4, 3)))
        );
    }

    #[test]
    fn three_copies_for_each_block() {
        let voice = Relations::learn(&corpus(&["accc", "acccaccc"], 40), KEY_COUNT);
        assert_eq!(voice.whole(&heard("aaaccccccccc")), None);
        assert_eq!(
            why(&voice, "aacccccccc"),
            Some((vec![key('c')], vec![key('a'); 3], (8, 6)))
        );
    }

    #[test]
    fn each_request_is_answered_or_refused() {
        let all = corpus(&["bc", "bd", "bcbd", "bcbc", "bdbdbc"], 40);
        let voice = Relations::learn(&all, KEY_COUNT);
        assert_eq!(voice.whole(&heard("bbbdcd")), None);
        assert_eq!(
            why(&voice, "bbbdc"),
            Some((vec![key('b')], vec![key('c'), key('d')], (3, 2)))
        );
    }

    #[test]
    fn a_relation_that_was_sometimes_broken_says_less() {
        let mut all = corpus(&["bc", "bcbc"], 500);
        let sure = Relations::learn(&all, KEY_COUNT);
        all.extend(corpus(&["bbc"], 4));
        let unsure = Relations::learn(&all, KEY_COUNT);
        let score = |voice: &Relations| voice.whole(&heard("bcc")).unwrap().score;
        assert!((score(&sure) - 1002f32.ln()).abs() < 1e-4);
        assert!((score(&unsure) - (1006f32 / 5.0).ln()).abs() < 1e-4);
        // 15 of 1,015 are more than one in a hundred.
        all.extend(corpus(&["bbc"], 11));
        assert!(Relations::learn(&all, KEY_COUNT).is_empty());
    }

    #[test]
    fn what_follows_from_equal_pairs_is_not_told_again() {
        // b = c = d; nothing with a sum says more.
        let voice = Relations::learn(&corpus(&["bcd", "bcdbcd", "a"], 40), KEY_COUNT);
        assert_eq!(voice.len(), 2, "{voice:?}");
    }
}
