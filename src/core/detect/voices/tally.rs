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

    /// The keys that do not come equally often here and in `other`, with both counts, by key.
    pub(super) fn differences<'a>(&'a self, other: &'a Self) -> Differences<'a> {
        Differences {
            here: &self.0,
            there: &other.0,
        }
    }
}

/// See [`Tally::differences`].
pub(super) struct Differences<'a> {
    here: &'a [(Key, u32)],
    there: &'a [(Key, u32)],
}

impl Iterator for Differences<'_> {
    type Item = (Key, u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = match (self.here.first(), self.there.first()) {
                (Some((here, _)), Some((there, _))) => *here.min(there),
                (Some((key, _)), None) | (None, Some((key, _))) => *key,
                (None, None) => return None,
            };
            let (here, there) = (take(&mut self.here, key), take(&mut self.there, key));
            if here != there {
                return Some((key, here, there));
            }
        }
    }
}

/// Takes the count of `key` off the front of `counts`, if it stands there.
fn take(counts: &mut &[(Key, u32)], key: Key) -> u32 {
    match counts.split_first() {
        Some(((first, count), rest)) if *first == key => {
            *counts = rest;
            *count
        }
        _ => 0,
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

/// The place to point at when `key` came too often or too seldom: its last record, or the end
/// where it is missed.
pub(super) fn blamed(heard: &Heard, key: Key, too_often: bool) -> usize {
    let last = heard.keys.iter().rposition(|other| *other == key);
    match last {
        Some(index) if too_often => heard.position(index),
        _ => heard.len,
    }
}

/// −ln of how probable it is that a rule which was broken `broken` times in `tried` breaks, with
/// one breach and one more trial made up.
pub(super) fn surprise_of_breach(broken: u32, tried: u32) -> f32 {
    ((f64::from(tried) + 2.0) / (f64::from(broken) + 1.0)).ln() as f32
}
