//! A time that only goes forward, made of one that may jump.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::Timestamp;

/// A moment on the correlator's own clock, which never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Moment(Duration);

impl Moment {
    /// The moment `by` later.
    pub(super) fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment at which the time of this length began that this is in.
    pub(super) fn whole(self, time: Duration) -> Self {
        let length = time.as_nanos().max(1);
        let past = Duration::from_nanos((self.0.as_nanos() % length) as u64);
        Self(self.0.saturating_sub(past))
    }

    /// How far apart two moments are.
    pub(super) fn apart(self, other: Self) -> Duration {
        self.since(other).max(other.since(self))
    }
}

/// When something was, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct When {
    /// For all that is decided.
    pub(super) moment: Moment,
    /// For all that is shown.
    pub(super) time: Timestamp,
}

/// The correlator's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clock {
    wall: Option<Timestamp>,
    moment: Moment,
}

impl Clock {
    /// The most that one call moves the clock on: what is more is a jump, and counts as this much.
    pub(super) const STEP_MAX: Duration = Duration::from_mins(1);
    /// How far behind or ahead of now a record's time is believed.
    pub(super) const BELIEVED: Duration = Duration::from_hours(1);

    /// A clock at its beginning.
    pub(super) const fn new() -> Self {
        // Signs of the first moment may be about a time before it.
        Self {
            wall: None,
            moment: Moment(Self::BELIEVED),
        }
    }

    /// Moves the clock on to `now`: by as much as passed, but never back and never far at once.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let step = self.wall.map_or(Duration::ZERO, |wall| now.since(wall));
        self.moment = self.moment.plus(step.min(Self::STEP_MAX));
        self.wall = Some(now);
    }

    /// The present.
    pub(super) fn now(&self) -> When {
        When {
            moment: self.moment,
            time: self.wall.unwrap_or_default(),
        }
    }

    /// When something was that happened at `time` by the clock of who logged it. A time that cannot be
    /// is taken for the present.
    pub(super) fn when(&self, time: Timestamp) -> When {
        self.believed(time).unwrap_or_else(|| self.now())
    }

    /// The same; `None` where the time cannot be.
    pub(super) fn believed(&self, time: Timestamp) -> Option<When> {
        let now = self.now().time;
        let behind = now.since(time);
        let ahead = time.since(now);
        let is_believed = behind <= Self::BELIEVED && ahead <= Self::BELIEVED;
        is_believed.then(|| {
            let moment = Moment(self.moment.0.saturating_sub(behind));
            When { moment, time }
        })
    }

    /// The time at which `due` comes, if the clock goes on as it should; at most a step ahead.
    pub(super) fn deadline(&self, due: Option<Moment>) -> Option<Timestamp> {
        let wait = due.map_or(Self::STEP_MAX, |due| due.since(self.moment));
        Some(self.wall?.plus(wait.min(Self::STEP_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_jump_in_either_direction_moves_the_clock_by_a_step_at_most() {
        let mut clock = Clock::new();
        let start = Timestamp::from_millis(1_700_000_000_000);
        clock.advance(start);
        let began = clock.now().moment;
        clock.advance(start.plus(400 * DAY));
        assert_eq!(clock.now().moment.since(began), Clock::STEP_MAX);
        let jumped = clock.now().moment;
        clock.advance(start);
        clock.advance(start.minus(400 * DAY));
        assert_eq!(clock.now().moment, jumped);
        clock.advance(start.minus(400 * DAY).plus(Duration::from_secs(3)));
        assert_eq!(clock.now().moment.since(jumped), Duration::from_secs(3));
    }

    #[test]
    fn a_time_that_cannot_be_is_taken_for_the_present() {
        let mut clock = Clock::new();
        let now = Timestamp::from_millis(1_700_000_000_000);
        clock.advance(now);
        for lie in [now.plus(400 * DAY), now.minus(400 * DAY), Timestamp::ZERO] {
            assert_eq!(clock.when(lie), clock.now());
        }
        let late = now.minus(Duration::from_mins(2));
        assert_eq!(clock.when(late).time, late);
        let behind = clock.now().moment.since(clock.when(late).moment);
        assert_eq!(behind, Duration::from_mins(2));
    }
}
