//! How long sequences are, and whether one stopped too early.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::detect::{Heard, Surprise, Voice, Why};
use crate::core::model::Key;

/// How many records sequences have and on which records they end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Length {
    /// The lengths that came with how many sequences have each, ascending.
    lengths: Vec<(u32, u32)>,
    of: u32,
    /// For one key: how often it was the last, and how often it came.
    last: Vec<(u32, u32)>,
    /// The same for two keys in a row, by keys.
    last_two: Vec<((Key, Key), (u32, u32))>,
}

impl Length {
    /// Most pairs of keys whose ends are kept, the most frequent.
    pub const PAIRS_MAX: usize = 16_384;

    /// Learns from those of the sequences that are known from beginning to end, with keys below
    /// `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut lengths: BTreeMap<u32, u32> = BTreeMap::new();
        let mut pairs: BTreeMap<(Key, Key), (u32, u32)> = BTreeMap::new();
        let mut voice = Self {
            last: vec![(0, 0); key_count],
            ..Self::default()
        };
        for heard in corpus.iter().filter(|heard| heard.begins && heard.ends) {
            voice.of += 1;
            *lengths.entry(heard.len as u32).or_default() += 1;
            let mut before = Key::BEGIN;
            for (index, key) in heard.keys.iter().enumerate() {
                let is_last = u32::from(index + 1 == heard.keys.len());
                if let Some((ended, came)) = voice.last.get_mut(key.index()) {
                    *ended += is_last;
                    *came += 1;
                }
                let (ended, came) = pairs.entry((before, *key)).or_default();
                *ended += is_last;
                *came += 1;
                before = *key;
            }
        }
        voice.lengths = lengths.into_iter().collect();
        voice.last_two = pairs.into_iter().collect();
        if voice.last_two.len() > Self::PAIRS_MAX {
            voice
                .last_two
                .sort_by_key(|(_, (_, came))| std::cmp::Reverse(*came));
            voice.last_two.truncate(Self::PAIRS_MAX);
            voice.last_two.sort_by_key(|(keys, _)| *keys);
        }
        voice
    }

    /// −ln of the share of sequences at least as short, or as long, whichever is rarer.
    fn odd_length(&self, len: u32) -> f32 {
        let share = |fits: &dyn Fn(u32) -> bool| {
            let count: u32 = self
                .lengths
                .iter()
                .filter(|(other, _)| fits(*other))
                .map(|(_, count)| *count)
                .sum();
            (f64::from(count) + 1.0) / (f64::from(self.of) + 2.0)
        };
        let shorter = share(&|other| other <= len);
        let longer = share(&|other| other >= len);
        // Two ways to be odd, hence twice the probability.
        -(2.0 * shorter.min(longer)).min(1.0).ln() as f32
    }

    /// −ln of the probability that a sequence ends on its last records.
    fn odd_end(&self, heard: &Heard) -> f32 {
        let Some((last, before)) = heard.keys.split_last() else {
            return 0.0;
        };
        let before = before.last().copied().unwrap_or(Key::BEGIN);
        let all = ends_share(f64::from(self.of), self.records(), 0.5, 1.0);
        let (ended, came) = self.last.get(last.index()).copied().unwrap_or_default();
        let one = ends_share(f64::from(ended), f64::from(came), all, Self::PRIOR);
        let (ended, came) = self
            .last_two
            .binary_search_by_key(&(before, *last), |(keys, _)| *keys)
            .ok()
            .and_then(|index| self.last_two.get(index))
            .map(|(_, counts)| *counts)
            .unwrap_or_default();
        let two = ends_share(f64::from(ended), f64::from(came), one, Self::PRIOR);
        -two.ln() as f32
    }

    /// How many records the shorter context weighs against those seen.
    const PRIOR: f64 = 2.0;

    fn records(&self) -> f64 {
        self.last.iter().map(|(_, came)| f64::from(*came)).sum()
    }

    /// The range that holds all but the rarest hundredth on either side.
    fn usual(&self) -> (u32, u32) {
        let rank = |share: f64| {
            let mut left = share * f64::from(self.of);
            let found = self.lengths.iter().find(|(_, count)| {
                left -= f64::from(*count);
                left < 0.0
            });
            found.or(self.lengths.last()).map_or(0, |(len, _)| *len)
        };
        (rank(0.01), rank(0.99))
    }
}

fn ends_share(ended: f64, came: f64, prior: f64, weight: f64) -> f64 {
    // So many records say no more than this.
    let least = 1.0 / (came + 2.0);
    ((ended + weight * prior) / (came + weight)).max(least)
}

impl Voice for Length {
    fn name(&self) -> &'static str {
        "length"
    }

    fn whole(&self, heard: &Heard) -> Option<Surprise> {
        if !(heard.begins && heard.ends) || self.of == 0 {
            return None;
        }
        let score = self.odd_length(heard.len as u32).max(self.odd_end(heard));
        Some(Surprise {
            score,
            position: heard.len,
            why: Why::Length {
                came: heard.len as u32,
                usual: self.usual(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    fn score(voice: &Length, letters: &str) -> f32 {
        voice.whole(&heard(letters)).unwrap().score
    }

    #[test]
    fn a_sequence_longer_or_shorter_than_any_is_odd() {
        let voice = Length::learn(&corpus(&["abz", "abbz", "abbbz"], 100), KEY_COUNT);
        assert!(score(&voice, "abbz") < 0.5);
        assert!(score(&voice, "abbbbbbbbz") > 4.0);
        assert!(score(&voice, "z") > 4.0);
    }

    #[test]
    fn a_usual_length_with_an_unusual_last_record_stopped_too_early() {
        let voice = Length::learn(&corpus(&["abz", "abbz", "abbbz"], 100), KEY_COUNT);
        let stopped = voice.whole(&heard("abbb")).unwrap();
        // After "bb" it went on 300 times of 300.
        assert!((stopped.score - 302f32.ln()).abs() < 0.2, "{stopped:?}");
        assert_eq!(stopped.position, 4);
        assert_eq!(
            stopped.why,
            Why::Length {
                came: 4,
                usual: (3, 5)
            }
        );
    }

    #[test]
    fn an_open_sequence_is_not_judged() {
        let voice = Length::learn(&corpus(&["abz"], 100), KEY_COUNT);
        let open = Heard {
            ends: false,
            ..heard("a")
        };
        assert_eq!(voice.whole(&open), None);
    }
}
