//! Whether the machine was odd, or one sequence.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::Timestamp;

/// What was odd lately in all sequences of a stream. Where several are odd in the same way at the
/// same time, it is the machine, not the sequence. It does not matter in what order they are heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alike {
    /// How odd (in a measure of the caller's), by time, sequence and way of being odd.
    odd: BTreeMap<(Timestamp, u64, u32), f32>,
    /// How much was heard in each second.
    heard: BTreeMap<u64, u32>,
}

/// So many others explain one.
const COMPANY_MIN: usize = 3;
/// And one in so many of all that was heard at that time: in a large fleet something is always odd
/// somewhere.
const HEARD_PER_COMPANY: u64 = 400;
/// Nothing explains what is further away in time.
const AROUND_MAX: Duration = Duration::from_secs(60);
/// Most oddities looked at to explain one.
const LOOKED_AT_MAX: usize = 512;

impl Alike {
    /// Most oddities remembered, and most seconds; the oldest go first. About 40 bytes each.
    pub const ODD_MAX: usize = 65_536;

    /// Hears something that is odd by `size`, or usual (`None`), in `sequence`.
    pub fn hear(&mut self, time: Timestamp, sequence: u64, way: u32, size: Option<f32>) {
        *self.heard.entry(second(time)).or_default() += 1;
        if self.heard.len() > Self::ODD_MAX {
            self.heard.pop_first();
        }
        if let Some(size) = size {
            self.odd.insert((time, sequence, way), size);
        }
        if self.odd.len() > Self::ODD_MAX {
            self.odd.pop_first();
        }
    }

    /// What of it can explain something at `time` or later.
    pub(super) fn since(&self, time: Timestamp) -> Self {
        let from = time.minus(AROUND_MAX);
        let odd = self.odd.range((from, 0, 0)..);
        let heard = self.heard.range(second(from)..);
        Self {
            odd: odd.map(|(key, size)| (*key, *size)).collect(),
            heard: heard.map(|(second, count)| (*second, *count)).collect(),
        }
    }

    /// How much is remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.odd.len() + self.heard.len()
    }

    /// Whether enough other sequences were odd in the same way by at least half of `size` within
    /// `around` before or after `time`, as far as is known by now.
    pub fn explains(&self, time: Timestamp, around: Duration, odd: (u64, u32, f32)) -> bool {
        let (sequence, way, size) = odd;
        let around = around.min(AROUND_MAX);
        let (from, to) = (time.minus(around), time.plus(around));
        let mut others: Vec<u64> = self
            .odd
            .range((from, 0, 0)..=(to, u64::MAX, u32::MAX))
            .take(LOOKED_AT_MAX)
            .filter(|((_, other, also), _)| *other != sequence && *also == way)
            .filter(|(_, other)| **other * 2.0 >= size)
            .map(|((_, other, _), _)| *other)
            .collect();
        others.sort_unstable();
        others.dedup();
        let heard: u64 = self
            .heard
            .range(second(from)..=second(to))
            .map(|(_, count)| u64::from(*count))
            .sum();
        others.len() >= COMPANY_MIN.max((heard / HEARD_PER_COMPANY) as usize)
    }
}

fn second(time: Timestamp) -> u64 {
    time.as_nanos() / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn one_odd_sequence_is_odd_and_four_at_once_are_a_slow_machine() {
        let mut alike = Alike::default();
        let explained =
            |alike: &Alike| alike.explains(at(10_000), Duration::from_secs(1), (1, 0, 2.0));
        alike.hear(at(10_000), 1, 0, Some(2.0));
        assert!(!explained(&alike));
        for (sequence, time) in [(2, 9_100), (3, 10_900), (4, 11_100)] {
            alike.hear(at(time), sequence, 0, Some(1.5));
        }
        assert!(!explained(&alike), "only two are near");
        alike.hear(at(10_200), 5, 7, Some(2.0));
        alike.hear(at(10_200), 6, 0, Some(0.9));
        assert!(!explained(&alike), "another way, and not as odd");
        alike.hear(at(10_200), 7, 0, Some(1.0));
        assert!(explained(&alike));
    }

    #[test]
    fn among_very_many_a_few_odd_ones_explain_nothing() {
        let mut alike = Alike::default();
        for sequence in 0..4 {
            alike.hear(at(10_000), sequence, 0, Some(2.0));
        }
        let explained =
            |alike: &Alike| alike.explains(at(10_000), Duration::from_secs(1), (1, 0, 2.0));
        assert!(explained(&alike));
        (0..2_000).for_each(|nth| alike.hear(at(10_000), 100 + nth, 0, None));
        assert!(!explained(&alike));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut alike = Alike::default();
        for nth in 0..3 * Alike::ODD_MAX as u64 {
            alike.hear(at(nth * 1_000), nth, 0, Some(1.0));
        }
        assert!(alike.odd.len() <= Alike::ODD_MAX && alike.heard.len() <= Alike::ODD_MAX);
    }
}
