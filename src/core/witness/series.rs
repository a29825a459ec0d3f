//! One series of a metric: where it mostly is, how far it strays, and how far off it is now.

use serde::{Deserialize, Serialize};

use crate::core::record::{Reading, Timestamp};

/// Values that are kept of a series' past.
const KEPT: usize = 128;
/// In the long run every so-manieth value is kept, so that the kept ones tell of many hours.
const STRIDE_MAX: u32 = 8;
/// A series is judged after so many values.
const LEARNED_MIN: usize = 20;
/// A series that has risen so often and never fallen is a counter: its increase is looked at.
const RISES_MIN: u32 = 8;
/// A series strays by at least this share of where it mostly is.
const SPREAD_SHARE_MIN: f64 = 0.05;
/// What is farther off is told to be so far off.
const OFF_MAX: f64 = 1e9;
/// What is so many spreads away is abnormal, so it is not learned …
const ABNORMAL: f64 = 6.0;
/// … unless it has been so for this many values.
const ACCEPTED_AFTER: u32 = 60;

/// The past and the present of a series.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Series {
    past: Vec<f32>,
    next: usize,
    stride: u32,
    skipped: u32,
    /// What came last, as it was sent.
    last: Option<(f64, f64)>,
    rises: u32,
    falls: u32,
    /// The latest value that was learned, of what goes on.
    learned: Option<f64>,
    /// How many values in a row are abnormal, and since when.
    run: u32,
    run_from: Timestamp,
    /// The latest value; `None` after it was judged.
    fresh: Option<Fresh>,
}

/// A value that was not judged yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fresh {
    pub(super) value: f64,
    pub(super) at: Timestamp,
    /// The median of its past.
    pub(super) level: f64,
    /// How much the series strays; `None` before enough was learned.
    pub(super) spread: Option<f64>,
    /// How far it is above where it should be; below where it is negative.
    distance: f64,
}

impl Fresh {
    /// How many spreads it is off, where a spread is at least `floor`. `None` before enough was learned.
    pub(super) fn off(&self, floor: f64) -> Option<f64> {
        let spread = self.spread?.max(floor).max(f64::MIN_POSITIVE);
        Some((self.distance / spread).clamp(-OFF_MAX, OFF_MAX))
    }
}

/// What a value is judged beside: what all of its kind have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Common {
    /// How many spreads they are off.
    pub(super) off: f64,
    /// What a spread is at least.
    pub(super) floor: f64,
}

impl Series {
    /// Takes a point.
    pub(super) fn take(&mut self, reading: Reading, at: Timestamp) {
        let Some(value) = self.measured(reading).filter(|value| value.is_finite()) else {
            return;
        };
        let placed = self.place(value);
        self.fresh = Some(Fresh {
            value,
            at,
            level: placed.map_or(value, |(level, ..)| level),
            spread: placed.map(|(_, spread, _)| spread),
            distance: placed.map_or(0.0, |(.., distance)| distance),
        });
    }

    /// Whether enough was learned to judge it.
    pub(super) const fn is_known(&self) -> bool {
        self.past.len() >= LEARNED_MIN
    }

    /// The latest value, where it was not judged yet.
    pub(super) const fn fresh(&self) -> Option<Fresh> {
        self.fresh
    }

    /// Judges the latest value beside what is `common`: for how many values in a row it has been abnormal,
    /// since when, and by how many spreads.
    pub(super) fn settle(&mut self, common: Common) -> Option<(u32, Timestamp, f64)> {
        let fresh = self.fresh.take()?;
        let off = fresh.off(common.floor).unwrap_or(0.0);
        let own = off - common.off.clamp(off.min(0.0), off.max(0.0));
        if own.abs() < ABNORMAL || self.run >= ACCEPTED_AFTER {
            self.run = 0;
            self.learn(fresh.value);
            return None;
        }
        if self.run == 0 {
            self.run_from = fresh.at;
        }
        self.run += 1;
        Some((self.run, self.run_from, own))
    }

    /// Forgets what goes on.
    pub(super) fn rest(&mut self) {
        self.fresh = None;
        self.last = None;
        self.learned = None;
        self.run = 0;
    }

    /// What a reading says about now: of counters what was added.
    fn measured(&mut self, reading: Reading) -> Option<f64> {
        let (sum, count) = match reading {
            Reading::Number(value) => (value, 0.0),
            Reading::Many { count, sum } => (sum, count as f64),
        };
        let before = self.last.replace((sum, count));
        if let Reading::Many { .. } = reading {
            // Sums that only grow are counted from the start of the process.
            let (sum, count) = match before {
                Some((sum0, count0)) if count >= count0 && sum >= sum0 => {
                    (sum - sum0, count - count0)
                }
                _ => (sum, count),
            };
            return (count > 0.0).then_some(sum / count);
        }
        let is_counter =
            |series: &Self| series.rises >= RISES_MIN && series.falls <= series.rises / 64;
        let Some((before, _)) = before else {
            return (!is_counter(self)).then_some(sum);
        };
        self.rises = self.rises.saturating_add(u32::from(sum > before));
        self.falls = self.falls.saturating_add(u32::from(sum < before));
        if self.rises == RISES_MIN && self.falls == 0 && sum > before {
            // What was taken for values were states of a counter.
            self.past.clear();
            self.next = 0;
        }
        if is_counter(self) {
            (sum >= before).then_some(sum - before)
        } else {
            Some(sum)
        }
    }

    /// Where the series mostly is, how much it strays and how far `value` is off. Of the distance from there and from
    /// where it was last, the smaller counts: what drifts slowly is not abnormal.
    fn place(&self, value: f64) -> Option<(f64, f64, f64)> {
        if self.past.len() < LEARNED_MIN {
            return None;
        }
        let mut sorted: Vec<f64> = self.past.iter().map(|value| f64::from(*value)).collect();
        let level = median(&mut sorted);
        let farthest = sorted
            .iter()
            .fold(0.0, |far: f64, value| far.max((value - level).abs()));
        let mut strays: Vec<f64> = sorted.iter().map(|value| (value - level).abs()).collect();
        // Where most values are alike, those that are not tell how far it may stray.
        let spread = (1.4826 * median(&mut strays)).max(farthest / ABNORMAL);
        let spread = spread.max(SPREAD_SHARE_MIN * level.abs());
        let (from_level, from_last) = (value - level, value - self.learned.unwrap_or(level));
        let distance = if from_level.signum() != from_last.signum() {
            0.0
        } else if from_level.abs() < from_last.abs() {
            from_level
        } else {
            from_last
        };
        Some((level, spread, distance))
    }

    fn learn(&mut self, value: f64) {
        self.learned = Some(value);
        // No sum or difference of what is kept may become infinite.
        let value = value.clamp(f64::from(f32::MIN) / 2.0, f64::from(f32::MAX) / 2.0);
        self.skipped += 1;
        if self.skipped < self.stride.max(1) {
            return;
        }
        self.skipped = 0;
        if self.past.len() < KEPT {
            self.past.push(value as f32);
            return;
        }
        if self.stride < STRIDE_MAX {
            // Every second one goes, and from now on every second one comes.
            let mut keep = false;
            self.past.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride = self.stride.max(1) * 2;
            self.past.push(value as f32);
            return;
        }
        if let Some(oldest) = self.past.get_mut(self.next) {
            *oldest = value as f32;
        }
        self.next = (self.next + 1) % KEPT;
    }
}

/// The middle one of `values`; 0 of none.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    *median
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(series: &mut Series, values: impl IntoIterator<Item = f64>) -> Vec<u32> {
        let values = values.into_iter();
        let runs = values.enumerate().map(|(minute, value)| {
            let at = Timestamp::from_millis(60_000 * (minute as u64 + 1));
            series.take(Reading::Number(value), at);
            series.settle(Common::default()).map_or(0, |(run, ..)| run)
        });
        runs.collect()
    }

    fn wobble(n: usize) -> impl Iterator<Item = f64> {
        (0..n).map(|i| 100.0 + ((i * 37) % 11) as f64)
    }

    #[test]
    fn a_jump_is_abnormal_until_it_has_lasted_and_a_wobble_is_not() {
        let mut series = Series::default();
        assert!(feed(&mut series, wobble(300)).iter().all(|run| *run == 0));
        assert_eq!(feed(&mut series, [400.0, 420.0, 105.0]), [1, 2, 0]);
        let lasting = feed(&mut series, std::iter::repeat_n(400.0, 400));
        assert_eq!(lasting[..3], [1, 2, 3]);
        assert_eq!(lasting.last(), Some(&0));
    }

    #[test]
    fn a_slow_drift_is_not_abnormal() {
        let mut series = Series::default();
        let drift = wobble(600)
            .enumerate()
            .map(|(i, value)| value + i as f64 * 0.5);
        assert!(feed(&mut series, drift).iter().all(|run| *run == 0));
    }

    #[test]
    fn a_counter_is_judged_by_what_it_gains() {
        let mut series = Series::default();
        let mut sum = 0.0;
        let mut counter: Vec<f64> = wobble(100)
            .map(|gain| {
                sum += gain;
                sum
            })
            .collect();
        assert!(
            feed(&mut series, counter.drain(..))
                .iter()
                .all(|run| *run == 0)
        );
        assert_eq!(feed(&mut series, [sum + 900.0, sum + 1_800.0]), [1, 2]);
    }

    #[test]
    fn what_all_of_a_kind_have_in_common_is_not_one_series_trouble() {
        let mut series = Series::default();
        feed(&mut series, wobble(100));
        series.take(Reading::Number(400.0), Timestamp::from_millis(1));
        let off = series.fresh().unwrap().off(0.0).unwrap();
        let common = Common { off, floor: 0.0 };
        assert_eq!(series.settle(common), None);
        series.take(Reading::Number(400.0), Timestamp::from_millis(2));
        let floor = 1_000.0;
        assert_eq!(series.settle(Common { off: 0.0, floor }), None);
    }

    #[test]
    fn no_reading_upsets_a_series() {
        let mut series = Series::default();
        for value in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN, 0.0, -0.0] {
            feed(&mut series, std::iter::repeat_n(value, 50));
        }
        series.take(
            Reading::Many {
                count: u64::MAX,
                sum: f64::MAX,
            },
            Timestamp::ZERO,
        );
        assert!(
            series
                .settle(Common {
                    off: f64::MAX,
                    floor: f64::MAX
                })
                .is_none_or(|(_, _, off)| off.is_finite())
        );
        assert!(series.past.len() <= KEPT);
    }

    #[test]
    fn what_is_off_is_a_number_however_large_the_values_are() {
        for usual in [f64::MAX, f64::MIN, 1e39, -1e39, 0.0, 1e-300] {
            for odd in [f64::MAX, f64::MIN, 1e39, -1e39, 0.0, 1e-300] {
                let mut series = Series::default();
                feed(&mut series, std::iter::repeat_n(usual, 100));
                series.take(Reading::Number(odd), Timestamp::from_millis(1));
                let off = series.fresh().and_then(|fresh| fresh.off(0.0)).unwrap();
                assert!(off.is_finite(), "{usual} then {odd}: {off}");
                let settled = series.settle(Common::default());
                assert!(settled.is_none_or(|(_, _, off)| off.is_finite()));
            }
        }
    }
}
