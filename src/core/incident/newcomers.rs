//! Services that broke lately: many at once have one cause.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::clock::Moment;
use crate::core::record::StreamKey;

/// The services that had no part in any incident and then had a sign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Newcomers {
    recent: VecDeque<Newcomer>,
    usual: Usual,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newcomer {
    at: Moment,
    stream: StreamKey,
    case: u64,
}

/// How many come in an hour, of late.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Usual {
    came: f64,
    hours: f64,
    until: Moment,
}

impl Newcomers {
    /// Most that are remembered.
    const RECENT_MAX: usize = 4_096;
    /// How long one is remembered: detectors differ in how soon they see the same trouble.
    const REMEMBERED: Duration = Duration::from_mins(10);

    /// A service that broke at `at` and has its own case so far.
    pub(super) fn push(&mut self, at: Moment, stream: StreamKey, case: u64) {
        if self.recent.len() >= Self::RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Newcomer { at, stream, case });
        self.usual.came += 1.0;
    }

    /// Forgets what is old.
    pub(super) fn advance(&mut self, now: Moment) {
        self.usual.advance(now);
        self.recent
            .retain(|newcomer| now.since(newcomer.at) <= Self::REMEMBERED);
    }

    /// The cases of the services that broke together with one that broke at `at`, if these are many:
    /// at least [`Settings::storm_services`], and far more than break in such a time on most days.
    pub(super) fn storm(&self, at: Moment, settings: &Settings) -> BTreeSet<u64> {
        let together = self
            .recent
            .iter()
            .filter(|newcomer| newcomer.at.apart(at) <= settings.storm_within);
        let (services, cases): (BTreeSet<_>, BTreeSet<_>) = together
            .map(|newcomer| (&newcomer.stream, newcomer.case))
            .unzip();
        let usual = self.usual.in_time(2 * settings.storm_within);
        // Four standard deviations above what comes by itself, as these come independently.
        let many = usual + 4.0 * usual.sqrt();
        if services.len() >= settings.storm_services && services.len() as f64 > many {
            cases
        } else {
            BTreeSet::new()
        }
    }

    /// The case `younger` is now part of `older`.
    pub(super) fn merge(&mut self, older: u64, younger: u64) {
        for newcomer in &mut self.recent {
            if newcomer.case == younger {
                newcomer.case = older;
            }
        }
    }
}

impl Usual {
    /// What was longer ago than this counts less than half.
    const MEMORY_HOURS: f64 = 24.0;
    /// So long is taken to have been quiet at the beginning.
    const HOURS_MIN: f64 = 1.0;

    fn advance(&mut self, now: Moment) {
        let hours = now.since(self.until).as_secs_f64() / 3600.0;
        let kept = (-hours / Self::MEMORY_HOURS).exp();
        self.came *= kept;
        self.hours = self.hours * kept + hours;
        self.until = self.until.max(now);
    }

    fn in_time(&self, time: Duration) -> f64 {
        let hours = self.hours.max(Self::HOURS_MIN);
        self.came / hours * time.as_secs_f64() / 3600.0
    }
}
