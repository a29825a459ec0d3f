//! How long a template, or the stream, is silent between two records.

use serde::{Deserialize, Serialize};

use crate::core::record::Timestamp;

/// Records closer than this many seconds are one pulse.
const PULSE: f32 = 0.5;
/// Gaps that must have been seen before a steady pulse is judged.
const STEADY_FROM: u32 = 10;
/// Gaps that must have been seen before any other pulse is judged.
const LOOSE_FROM: u32 = 30;
/// A pulse is steady if its gaps vary by less than this share of their mean.
const STEADY_SPREAD: f32 = 0.25;
/// Steady pulses are at least this many seconds apart; quicker ones are judged by their counts.
const STEADY_PERIOD_MIN: f32 = 5.0;
/// A steady pulse is not missed before this many periods.
const PATIENCE: f32 = 1.5;
/// Pulses that are not steady are judged up to this spread: what comes in bursts has no rhythm.
const LOOSE_SPREAD: f32 = 2.0;
/// Gaps after which an old one counts for little.
const MEMORY: u32 = 64;
/// Seconds of silence after which an old silence counts for little.
const SILENCE_MEMORY: f32 = 14.0 * 86_400.0;
/// The same for the mean silence.
const BIASED_MEMORY: f32 = 86_400.0;

/// The gaps between records, as far as they were heard without a break.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Gaps {
    last: Option<Timestamp>,
    count: u32,
    mean: f32,
    variance: f32,
    longest: f32,
    /// The mean gap as seen from a moment chosen at random: a long gap counts by its length, so a
    /// burst of records does not make the gaps between bursts forgotten.
    biased: f32,
}

impl Gaps {
    /// A record came at `time`; the stream was heard since `since`. `is_lesson` is false when the
    /// gap was alarmed about.
    pub(super) fn hear(&mut self, time: Timestamp, since: Timestamp, is_lesson: bool) {
        let Some(last) = self
            .last
            .replace(self.last.map_or(time, |last| last.max(time)))
        else {
            return;
        };
        let gap = time.since(last).as_secs_f32();
        if gap < PULSE || last < since || !is_lesson {
            return;
        }
        self.count = self.count.saturating_add(1);
        let weight = 1.0 / self.count.min(MEMORY) as f32;
        let off = gap - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
        let share = (1.0 - (-gap / BIASED_MEMORY).exp()).max(1.0 / self.count as f32);
        self.biased += share * (gap - self.biased);
        let faded = (self.longest - self.mean) * (gap / SILENCE_MEMORY).min(1.0);
        self.longest = (self.longest - faded).max(gap);
    }

    /// −ln of the chance of a silence until `until`.
    pub(super) fn surprise(&self, until: Timestamp, since: Timestamp) -> f64 {
        let gap = self.silent(until, since);
        let steady = self.is_steady();
        let from = if steady { STEADY_FROM } else { LOOSE_FROM };
        if self.count < from || gap <= self.longest || (steady && gap < PATIENCE * self.mean) {
            return 0.0;
        }
        let deviation = self.variance.sqrt();
        if deviation > LOOSE_SPREAD * self.mean || self.biased > 4.0 * LOOSE_SPREAD * self.mean {
            return 0.0;
        }
        let scale = if steady {
            deviation.max(self.mean / 40.0).max(0.25)
        } else {
            deviation.max(self.mean).max(self.biased)
        };
        let seen = f64::from(self.count.min(4 * MEMORY));
        (seen + 1.0).ln() + f64::from((gap - self.longest) / scale)
    }

    /// Whether it comes like a heartbeat.
    pub(super) fn is_steady(&self) -> bool {
        self.mean >= STEADY_PERIOD_MIN && self.variance.sqrt() < STEADY_SPREAD * self.mean
    }

    /// The usual seconds between two records, from and to.
    pub(super) fn usual(&self) -> (f64, f64) {
        let spread = 1.645 * self.variance.sqrt();
        let low = (self.mean - spread).max(0.0);
        (
            f64::from(low),
            f64::from(self.longest.min(self.mean + spread)),
        )
    }

    /// Seconds of the longest gap that is usual; 0 while too few were seen.
    pub(super) fn longest(&self) -> f32 {
        if self.count < STEADY_FROM {
            0.0
        } else {
            self.longest
        }
    }

    /// When a steady pulse would be missed.
    pub(super) fn missed_at(&self) -> Option<Timestamp> {
        let wait = std::time::Duration::from_secs_f32(self.mean * (0.5 + PATIENCE) * 0.95);
        let steady = self.count >= STEADY_FROM && self.is_steady();
        self.last.filter(|_| steady).map(|last| last.plus(wait))
    }

    /// The time of the latest record.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The clock began anew at `time`.
    pub(super) fn rewind(&mut self, time: Timestamp) {
        self.last = self.last.map(|last| last.min(time));
    }

    /// What is known is no longer true.
    pub(super) fn forget(&mut self) {
        *self = Self {
            last: self.last,
            ..Self::default()
        };
    }

    fn silent(&self, until: Timestamp, since: Timestamp) -> f32 {
        let from = self.last.map(|last| last.max(since));
        from.map_or(0.0, |from| until.since(from).as_secs_f32())
    }
}
