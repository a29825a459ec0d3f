//! A service that explodes: one whose lines are nearly all of templates never seen before.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::Timestamp;

/// How long births are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// How long no template is born once a stream has exploded. Then it may try again.
const QUARANTINE: Duration = Duration::from_secs(600);
/// One record in so many is of a new template where a stream explodes.
const EXPLODING_SHARE: u64 = 4;
/// Where it is fewer than that, so many times as many may be born.
const FEW_FACTOR: u64 = 10;

/// Counts births and says when there are too many.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Quarantine {
    window_start: Timestamp,
    newest: Timestamp,
    records_before: u64,
    births: u64,
    until: Option<Timestamp>,
}

impl Quarantine {
    /// The stream has come to `time`.
    pub(super) fn see(&mut self, time: Timestamp) {
        self.newest = self.newest.max(time);
    }

    /// Whether a template may be born at `time`, the stream's `records`-th record being the one
    /// that asks for it. Templates that were merged since do not count: a new parameter is no
    /// explosion.
    pub(super) fn admits(&mut self, time: Timestamp, records: u64, births_max: u64) -> bool {
        self.see(time);
        if let Some(until) = self.until {
            if self.newest < until {
                return false;
            }
            self.until = None;
            self.begin(records);
        }
        if self.newest.since(self.window_start) >= WINDOW {
            self.begin(records);
        }
        let taken = records.saturating_sub(self.records_before);
        let few = self.births.saturating_mul(EXPLODING_SHARE) < taken;
        let allowed = match few {
            true => births_max.saturating_mul(FEW_FACTOR),
            false => births_max,
        };
        if self.births < allowed {
            return true;
        }
        self.until = Some(self.newest.plus(QUARANTINE));
        false
    }

    pub(super) fn born(&mut self) {
        self.births += 1;
    }

    pub(super) fn merged(&mut self) {
        self.births = self.births.saturating_sub(1);
    }

    /// The end of the quarantine the stream is in, if it is in one.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until.filter(|until| self.newest < *until)
    }

    fn begin(&mut self, records: u64) {
        self.window_start = self.newest;
        self.records_before = records;
        self.births = 0;
    }
}
