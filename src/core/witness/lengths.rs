//! How long things take: a histogram of lengths, and whether two of them are alike.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::share::Share;
use super::words::lasting;

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
    /// How many there are now.
    count: u64,
    /// Those that are longer than nearly all of before. They tell of what slows down a part of the calls,
    /// as one that began in mid-stretch does, and by how much, which the order of lengths alone does not.
    pub(super) far: [Far; 2],
    /// The chance that one of now is longer than one of before; a half where they are alike.
    pub(super) longer: f64,
    /// How many standard deviations that is from a half (Mann and Whitney).
    pub(super) z: f64,
    /// The medians, before and now, in seconds.
    pub(super) medians: (f64, f64),
}

/// The lengths beyond one that nearly all of before do not pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Far {
    pub(super) now: Share,
    pub(super) before: Share,
    /// The median of those of now, in seconds.
    median: f64,
}

impl Far {
    /// Whether there are many more of them now.
    pub(super) fn rises(&self) -> bool {
        self.now.ratio() - self.before.ratio() >= FAR_MORE_MIN
    }
}

impl Shift {
    /// How much longer one of those that tell takes now, at the median; zero where it is not longer.
    pub(super) fn excess(&self) -> Duration {
        let (before, _) = self.medians;
        Duration::try_from_secs_f64(self.now() - before).unwrap_or_default()
    }

    /// How much longer all took together.
    pub(super) fn lost(&self) -> Duration {
        self.excess().saturating_mul(count_of(self.telling()))
    }

    /// How many times as long one of those that tell takes now, at the median.
    pub(super) fn ratio(&self) -> f64 {
        let (before, _) = self.medians;
        self.now() / before.max(FLOOR_S)
    }

    /// How long it takes now, in seconds: the median of those that tell.
    pub(super) fn now(&self) -> f64 {
        self.part().map_or(self.medians.1, |part| part.median)
    }

    /// How long it takes now and which calls say so.
    pub(super) fn words(&self) -> (String, String) {
        let of = match self.part() {
            Some(part) => format!("{} slow ones of {} calls", part.now.times, self.count),
            None => format!("{} calls", self.count),
        };
        (lasting(self.now()), of)
    }

    /// Those that are far longer, where most are not longer.
    fn part(&self) -> Option<Far> {
        let (before, now) = self.medians;
        let is_in_part = now < RATIO_MIN * before;
        let far = self.far.into_iter().rev().find(Far::rises);
        far.filter(|_| is_in_part)
    }

    fn telling(&self) -> u64 {
        self.part().map_or(self.count, |part| part.now.times)
    }
}

/// How many, where at most four thousand million are told.
fn count_of(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Nearly all of before are no longer than these shares of them are: one in ten may be slow when all is
/// well, and where fewer are, fewer calls are enough to be sure.
const NEARLY_ALL: [f64; 2] = [0.9, 0.98];
/// Those beyond are many more if their share rose by this.
const FAR_MORE_MIN: f64 = 0.25;
/// What is not so many times as long at the median is not longer.
pub(super) const RATIO_MIN: f64 = 1.3;
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
        quantile(&self.counts, 0, share)
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
            count: self.len(),
            far: NEARLY_ALL.map(|share| self.beyond(before, before.first_beyond(share))),
            longer,
            z: (longer - 0.5) / spread.max(f64::MIN_POSITIVE).sqrt(),
            medians: (before.quantile(0.5), self.quantile(0.5)),
        }
    }

    /// The first bucket that a share of them does not reach.
    fn first_beyond(&self, share: f64) -> usize {
        let wanted = share * f64::from(self.total);
        let mut seen = 0.0;
        let place = self.counts.iter().position(|&count| {
            seen += f64::from(count);
            seen >= wanted
        });
        place.map_or(BUCKETS, |place| place + 1)
    }

    /// Those in the buckets from `first` on, now and before.
    fn beyond(&self, before: &Self, first: usize) -> Far {
        let share = |lengths: &Self| {
            let beyond = lengths.counts.get(first..).unwrap_or_default();
            Share::new(sum(beyond).into(), lengths.len())
        };
        Far {
            now: share(self),
            before: share(before),
            median: quantile(&self.counts, first, 0.5),
        }
    }

    fn recount(&mut self) {
        self.total = sum(&self.counts);
    }
}

/// The length that a `share` of those in the buckets from `first` on does not pass, in seconds.
fn quantile(counts: &[u32], first: usize, share: f64) -> f64 {
    let wanted = share * f64::from(sum(counts.get(first..).unwrap_or_default()));
    let mut seen = 0.0;
    for (place, &count) in counts.iter().enumerate().skip(first) {
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

fn sum(counts: &[u32]) -> u32 {
    counts
        .iter()
        .fold(0, |sum: u32, &count| sum.saturating_add(count))
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
    fn a_part_that_is_far_slower_tells_how_slow_it_is() {
        let before = lengths((0..500).map(|i| 10 + i % 10));
        let well = (0..60).map(|i| 10 + i % 10);
        let part = lengths(well.clone().chain([400; 40])).against(&before);
        assert!(part.longer < 0.72, "{part:?}");
        assert!((300..500).contains(&part.excess().as_millis()), "{part:?}");
        assert!((12..20).contains(&part.lost().as_secs()), "{part:?}");
        assert_eq!(part.words().1, "40 slow ones of 100 calls");
        let few = lengths(well.chain([400; 6])).against(&before);
        assert!(!few.far[0].rises() && few.ratio() < 1.1, "{few:?}");
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
