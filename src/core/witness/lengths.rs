//! How long things take: a histogram of lengths, and whether two of them are alike.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Lengths of time, counted in buckets each 1.32 times as long as the one before: from 10 µs to
/// eight minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lengths {
    counts: Vec<u32>,
    total: u32,
}

/// How the lengths of now compare with those of before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shift {
    /// The chance that one of now is longer than one of before; a half where they are alike.
    pub(super) longer: f64,
    /// How many standard deviations that is from a half (Mann and Whitney).
    pub(super) z: f64,
    /// The medians, before and now, in seconds.
    pub(super) medians: (f64, f64),
}

impl Shift {
    /// How much longer it takes now, at the median; zero where it is not longer.
    pub(super) fn excess(&self) -> Duration {
        let (before, now) = self.medians;
        Duration::try_from_secs_f64(now - before).unwrap_or_default()
    }

    /// How many times as long it takes now, at the median.
    pub(super) fn ratio(&self) -> f64 {
        let (before, now) = self.medians;
        now / before.max(FLOOR_S)
    }
}

const BUCKETS: usize = 64;
/// The upper end of the first bucket, in seconds.
const FLOOR_S: f64 = 10e-6;
/// Each bucket is 2^0.4 times as long as the one before.
const STEP_LOG2: f64 = 0.4;
/// When so many are counted, all counts are halved: what was long ago counts less.
const TOTAL_MAX: u32 = 50_000;

impl Default for Lengths {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
        }
    }
}

impl Lengths {
    pub(super) fn add(&mut self, length: Duration) {
        if let Some(count) = self.counts.get_mut(bucket(length)) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }

    pub(super) fn len(&self) -> u64 {
        u64::from(self.total)
    }

    /// Takes the counts of `other`, which is empty then.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        other.clear();
        self.recount();
        while self.total > TOTAL_MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.recount();
        }
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The length that a share of them does not pass, in seconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let wanted = share * f64::from(self.total);
        let mut seen = 0.0;
        for (place, &count) in self.counts.iter().enumerate() {
            let count = f64::from(count);
            if count > 0.0 && seen + count >= wanted {
                // Within a bucket they are taken to be spread evenly.
                let within = ((wanted - seen) / count).clamp(0.0, 1.0);
                return FLOOR_S * (STEP_LOG2 * (place as f64 - 1.0 + within)).exp2();
            }
            seen += count;
        }
        0.0
    }

    /// How `self`, the lengths of now, compare with those of `before`.
    pub(super) fn against(&self, before: &Self) -> Shift {
        let (n, m) = (f64::from(self.total), f64::from(before.total));
        let (mut below, mut wins, mut ties) = (0.0, 0.0, 0.0);
        for (&now, &then) in self.counts.iter().zip(&before.counts) {
            let (now, then) = (f64::from(now), f64::from(then));
            wins += now * (below + then / 2.0);
            below += then;
            ties += (now + then).powi(3) - (now + then);
        }
        let all = n + m;
        let longer = wins / (n * m).max(1.0);
        let spread = (all + 1.0 - ties / (all * (all - 1.0)).max(1.0)) / (12.0 * (n * m).max(1.0));
        Shift {
            longer,
            z: (longer - 0.5) / spread.max(f64::MIN_POSITIVE).sqrt(),
            medians: (before.quantile(0.5), self.quantile(0.5)),
        }
    }

    fn recount(&mut self) {
        self.total = self
            .counts
            .iter()
            .fold(0, |sum: u32, &count| sum.saturating_add(count));
    }
}

fn bucket(length: Duration) -> usize {
    let steps = (length.as_secs_f64() / FLOOR_S).log2() / STEP_LOG2;
    // Of nothing and of less than the floor the logarithm is at most zero, and the cast saturates.
    (steps.ceil().max(0.0) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(millis: impl IntoIterator<Item = u64>) -> Lengths {
        let mut lengths = Lengths::default();
        for millis in millis {
            lengths.add(Duration::from_millis(millis));
        }
        lengths
    }

    #[test]
    fn alike_lengths_do_not_differ_and_longer_ones_do() {
        let before = lengths((0..500).map(|i| 10 + i % 10));
        let alike = lengths((0..50).map(|i| 10 + i % 10)).against(&before);
        assert!(
            (alike.longer - 0.5).abs() < 0.01 && alike.z.abs() < 0.5,
            "{alike:?}"
        );
        let longer = lengths((0..50).map(|i| 60 + i % 10)).against(&before);
        assert!(longer.longer > 0.99 && longer.z > 8.0, "{longer:?}");
        assert!(
            (40..60).contains(&longer.excess().as_millis()),
            "{longer:?}"
        );
        assert!((3.5..5.5).contains(&longer.ratio()));
    }

    #[test]
    fn any_length_has_its_bucket() {
        for length in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            let mut one = Lengths::default();
            one.add(length);
            assert_eq!(one.len(), 1);
            assert!(one.quantile(0.5).is_finite());
        }
        assert_eq!(Lengths::default().quantile(0.5), 0.0);
        assert!(
            Lengths::default()
                .against(&Lengths::default())
                .z
                .is_finite()
        );
    }

    #[test]
    fn a_long_past_keeps_its_shape_and_forgets_its_size() {
        let mut past = Lengths::default();
        for _ in 0..200 {
            past.absorb(&mut lengths((0..1_000).map(|i| 1 + i % 100)));
        }
        assert!(past.len() <= u64::from(TOTAL_MAX));
        assert!(
            (0.04..0.06).contains(&past.quantile(0.5)),
            "{}",
            past.quantile(0.5)
        );
    }
}
