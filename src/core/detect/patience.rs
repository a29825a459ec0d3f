//! How long a sequence may be quiet before it has ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Heard;
use crate::core::model::Key;

/// The longest that normal sequences were quiet after each key and yet went on.
///
/// A file that is written and read again an hour later is quiet for an hour. Whoever judges its end
/// after a minute raises a false alarm for each that lives on; whoever waits an hour for all learns
/// late of a writer that hangs. So each key has its own patience.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Patience {
    /// By key; zero where a sequence never went on after it.
    longest: Vec<Duration>,
    /// By key: whether sequences end with it.
    ends: Vec<bool>,
}

/// After a key that sequences end with, one has ended when it was quiet for so many times the
/// longest pause seen.
const TIMES: u32 = 2;
/// After any other key. The sequences that are learned from are those that came to an end in time,
/// so their pauses are short beside those of the ones that live on.
const TIMES_ELSEWHERE: u32 = 12;
/// No shorter quiet ends a sequence.
const QUIET_MIN: Duration = Duration::from_secs(1);
/// A key that more than one sequence in so many ends with is one that sequences end with.
const ENDS_SHARE: usize = 100;

impl Patience {
    /// Learns from normal sequences, whose keys are below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut longest = vec![Duration::ZERO; key_count];
        let mut last = vec![0usize; key_count];
        let whole = corpus.iter().filter(|heard| heard.ends);
        for key in whole.clone().filter_map(|heard| heard.keys.last()) {
            last[key.index()] += 1;
        }
        let of = whole.count();
        for heard in corpus {
            for (key, times) in heard.keys.iter().zip(heard.times.windows(2)) {
                if let (Some(longest), [before, after]) = (longest.get_mut(key.index()), times) {
                    *longest = (*longest).max(after.since(*before));
                }
            }
        }
        let ends = last.into_iter().map(|count| count * ENDS_SHARE > of);
        Self {
            longest,
            ends: ends.collect(),
        }
    }

    /// Whether a sequence that was quiet for `quiet` after `key` has ended.
    pub fn has_ended(&self, key: Key, quiet: Duration) -> bool {
        let longest = self.longest.get(key.index()).copied().unwrap_or_default();
        let is_last = self.ends.get(key.index()).is_some_and(|ends| *ends);
        quiet >= QUIET_MIN
            && quiet >= longest.saturating_mul(if is_last { TIMES } else { TIMES_ELSEWHERE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Timestamp;

    #[test]
    fn a_sequence_has_ended_once_it_is_quiet_for_longer_than_any_went_on_after() {
        let heard = Heard {
            keys: vec![Key(2), Key(3), Key(2)],
            times: [0, 60, 61]
                .map(|s| Timestamp::from_millis(s * 1_000))
                .into(),
            ends: true,
            ..Heard::default()
        };
        let patience = Patience::learn(&[heard], 4);
        let ended = |key, secs| patience.has_ended(Key(key), Duration::from_secs(secs));
        assert!(!ended(2, 119) && ended(2, 120));
        assert!(!ended(3, 11) && ended(3, 12));
        assert!(
            !ended(9, 0) && ended(9, 1),
            "nothing is known of a key never seen"
        );
    }
}
