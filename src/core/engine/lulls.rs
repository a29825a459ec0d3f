//! When the whole stream was silent for longer than it ever is: then records may have been lost on
//! the way here, and what sequences seem to lack says nothing about them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stream::Stream;
use crate::core::record::{TemplateId, Timestamp};
use crate::core::sequence::SequenceId;

/// A silence this many times the second-longest before is unusual.
const TIMES: u32 = 2;
/// Silences shorter than this are never unusual, nor than one of so many parts of the time-out where
/// that is less.
const SILENCE_MIN: Duration = Duration::from_secs(10);
const TIMEOUT_PARTS: u32 = 10;

/// The silences of a stream, in stream time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Lulls {
    /// The longest two, the longer first.
    longest: [Duration; 2],
    /// What began before this may have begun earlier than it seems.
    after: Timestamp,
}

impl Lulls {
    /// Whether a silence of this length has no like, in a stream with that time-out. It is none of
    /// the second-longest's making, so that the first time a service is quiet at night is unusual,
    /// and the third is not.
    pub(super) fn is_unusual(&self, silence: Duration, idle_timeout: Duration) -> bool {
        let least = SILENCE_MIN.min(idle_timeout / TIMEOUT_PARTS);
        silence > self.longest[1].saturating_mul(TIMES).max(least)
    }

    /// What begins before `time` may have begun earlier than it seems.
    pub(super) fn doubt_until(&mut self, time: Timestamp) {
        self.after = self.after.max(time);
    }

    fn note(&mut self, silence: Duration) {
        if silence > self.longest[0] {
            self.longest = [silence, self.longest[0]];
        } else if silence > self.longest[1] {
            self.longest[1] = silence;
        }
    }
}

impl Stream {
    /// Whether a record of `time`, the next of the stream, ends an unusual silence that was long
    /// enough for sequences to end in it.
    pub(super) fn ends_lull(&self, time: Timestamp) -> bool {
        let (silence, idle_timeout) = (time.since(self.newest), self.open.idle_timeout());
        self.newest > Timestamp::ZERO
            && silence >= idle_timeout
            && self.lulls.is_unusual(silence, idle_timeout)
    }

    /// Takes note of the silence before a record of `time`, the next of the stream.
    pub(super) fn note_silence(&mut self, time: Timestamp) {
        if self.newest > Timestamp::ZERO {
            self.lulls.note(time.since(self.newest));
        }
    }

    /// What is open lacks, for all that is known, what came in the lull that a record of `time`
    /// ends; and what begins soon may have begun in it.
    pub(super) fn tear_all(&mut self, time: Timestamp) {
        self.lulls.doubt_until(time.plus(self.open.idle_timeout()));
        let ids: Vec<SequenceId> = self.open.ids().collect();
        ids.into_iter().for_each(|id| self.tear(id));
    }

    /// Whether a sequence whose first record is of this template may have begun in an unusual
    /// silence, or been let go for lack of room, so that its beginning is not known.
    pub(super) fn has_begun_before(&self, template: TemplateId) -> bool {
        if self.newest >= self.lulls.after {
            return false;
        }
        let Some(judge) = self.judge.as_ref() else {
            return false;
        };
        let Some(key) = judge.key_of(template, &self.miner) else {
            return false;
        };
        !judge.is_usual_first(key)
    }

    /// Records of a sequence may be missing. What has a beginning and an end is judged no more; what
    /// a process says is taken up as if knothole had joined it now.
    pub(super) fn tear(&mut self, id: SequenceId) {
        let is_bounded = self.open.key_of(id).is_some_and(|key| key.is_bounded());
        if !is_bounded {
            self.open.cut(id, 0);
        }
        let Some(state) = self.open.state_mut(id) else {
            return;
        };
        state.is_torn = is_bounded;
        if let (Some(judge), false) = (self.judge.as_mut(), is_bounded) {
            judge.release(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_unusual_until_it_has_come_twice() {
        let mut lulls = Lulls::default();
        let secs = Duration::from_secs;
        let is_unusual = |lulls: &Lulls, s: u64| lulls.is_unusual(secs(s), secs(300));
        (0..1_000).for_each(|n| lulls.note(secs(n % 7)));
        assert!(!is_unusual(&lulls, 12));
        for _ in 0..2 {
            assert!(is_unusual(&lulls, 600));
            lulls.note(secs(600));
        }
        assert!(!is_unusual(&lulls, 1_200) && is_unusual(&lulls, 1_201));
    }
}
