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
}

/// A sequence has ended when it was quiet for so many times the longest pause seen.
const TIMES: u32 = 2;

impl Patience {
    /// Learns from normal sequences, whose keys are below `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        let mut longest = vec![Duration::ZERO; key_count];
        for heard in corpus {
            for (key, times) in heard.keys.iter().zip(heard.times.windows(2)) {
                if let (Some(longest), [before, after]) = (longest.get_mut(key.index()), times) {
                    *longest = (*longest).max(after.since(*before));
                }
            }
        }
        Self { longest }
    }

    /// Whether a sequence that was quiet for `quiet` after `key` has ended.
    pub fn has_ended(&self, key: Key, quiet: Duration) -> bool {
        let longest = self.longest.get(key.index()).copied().unwrap_or_default();
        quiet >= longest.saturating_mul(TIMES)
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
            ..Heard::default()
        };
        let patience = Patience::learn(&[heard], 4);
        let ended = |key, secs| patience.has_ended(Key(key), Duration::from_secs(secs));
        assert!(!ended(2, 100) && ended(2, 120));
        assert!(!ended(3, 1) && ended(3, 2));
        assert!(ended(9, 0), "nothing is known of a key never seen");
    }
}
