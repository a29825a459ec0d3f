//! How often each key comes in a sequence, whatever the order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::detect::Heard;
use crate::core::model::Key;

/// The keys of a sequence with how often each comes, by key; keys that do not come are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Tally(Vec<(Key, u32)>);

impl Tally {
    /// Counts the known events of `heard`.
    pub(super) fn of(heard: &Heard) -> Self {
        let mut keys = heard.keys.clone();
        keys.sort_unstable();
        let mut counts: Vec<(Key, u32)> = Vec::new();
        for key in keys {
            match counts.last_mut() {
                Some((last, count)) if *last == key => *count += 1,
                _ => counts.push((key, 1)),
            }
        }
        Self(counts)
    }

    /// How often `key` comes.
    pub(super) fn get(&self, key: Key) -> u32 {
        self.0
            .binary_search_by_key(&key, |(key, _)| *key)
            .ok()
            .and_then(|index| self.0.get(index))
            .map_or(0, |(_, count)| *count)
    }

    /// The keys that come, with how often, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, u32)> {
        self.0.iter().copied()
    }
}

/// The distinct tallies of the sequences known from beginning to end, each with how many
/// sequences have it; the most frequent first.
pub(super) fn distinct(corpus: &[Heard]) -> Vec<(Tally, u32)> {
    let mut counts: BTreeMap<Tally, u32> = BTreeMap::new();
    for heard in corpus.iter().filter(|heard| heard.begins && heard.ends) {
        *counts.entry(Tally::of(heard)).or_default() += 1;
    }
    let mut tallies: Vec<(Tally, u32)> = counts.into_iter().collect();
    tallies.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    tallies
}

/// −ln of how probable it is that a rule which was broken `broken` times in `tried` breaks, with
/// one breach and one more trial made up.
pub(super) fn surprise_of_breach(broken: u32, tried: u32) -> f32 {
    ((f64::from(tried) + 2.0) / (f64::from(broken) + 1.0)).ln() as f32
}
