//! Services that broke lately: many at once have one cause.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::clock::Moment;

/// The services that had no part in any incident and then had a sign: when, and in which case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Newcomers {
    recent: VecDeque<(Moment, u64)>,
    usual: Usual,
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
    const RECENT_MAX: usize = 512;
    /// So many at once are never usual.
    const NEVER_USUAL: f64 = 256.0;
    /// How long one is remembered: detectors differ in how soon they see the same trouble.
    const REMEMBERED: Duration = Duration::from_mins(10);

    /// A service that broke at `at` and is in `case`.
    pub(super) fn push(&mut self, at: Moment, case: u64) {
        if self.recent.len() >= Self::RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((at, case));
        self.usual.came += 1.0;
    }

    /// Forgets what is old.
    pub(super) fn advance(&mut self, now: Moment) {
        self.usual.advance(now);
        self.recent
            .retain(|(at, _)| now.since(*at) <= Self::REMEMBERED);
    }

    /// The cases of the services that broke together with one that broke at `at`, if these are many:
    /// at least [`Settings::storm_services`], and far more than break in such a time on most days.
    pub(super) fn storm(&self, at: Moment, settings: &Settings) -> BTreeSet<u64> {
        let together: Vec<u64> = self
            .recent
            .iter()
            .filter(|(other, _)| other.apart(at) <= settings.storm_within)
            .map(|(_, case)| *case)
            .collect();
        let usual = self
            .usual
            .in_time(2 * settings.storm_within, together.len());
        // Four standard deviations above what comes by itself, if they come independently.
        let many = (usual + 4.0 * usual.sqrt()).min(Self::NEVER_USUAL);
        if together.len() >= settings.storm_services && together.len() as f64 > many {
            together.into_iter().collect()
        } else {
            BTreeSet::new()
        }
    }

    /// The case `younger` is now part of `older`.
    pub(super) fn merge(&mut self, older: u64, younger: u64) {
        for (_, case) in &mut self.recent {
            if *case == younger {
                *case = older;
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

    /// How many come in such a time, the `present` ones aside.
    fn in_time(&self, time: Duration, present: usize) -> f64 {
        let hours = self.hours.max(Self::HOURS_MIN);
        let before = (self.came - present as f64).max(0.0);
        before / hours * time.as_secs_f64() / 3600.0
    }
}
