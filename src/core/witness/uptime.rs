//! A clock that only goes forward, whatever the one it is read from does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::Timestamp;

/// A step of the clock counts for at most this: what is longer is a jump, or nothing came meanwhile.
const STEP_MAX: Duration = Duration::from_secs(60);

/// How long there was something to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uptime {
    now: Duration,
    latest: Option<Timestamp>,
}

impl Uptime {
    /// The uptime when the clock shows `now`.
    pub(super) fn at(&mut self, now: Timestamp) -> Duration {
        let step = self
            .latest
            .map_or(Duration::ZERO, |latest| now.since(latest));
        self.latest = Some(now);
        self.pass(step.min(STEP_MAX))
    }

    /// Lets `step` pass.
    pub(super) fn pass(&mut self, step: Duration) -> Duration {
        self.now = self.now.saturating_add(step);
        self.now
    }

    pub(super) const fn now(self) -> Duration {
        self.now
    }
}
