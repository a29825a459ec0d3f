//! Which bucket it is, and which buckets were heard.

use super::BUCKET;
use crate::core::record::Timestamp;

/// Buckets after a start, a gap or a jump that are neither judged nor learned from.
const GRACE: u32 = 2;
/// A step over more than this many buckets at once is a jump, unless the stream is often that
/// quiet.
const JUMP_BUCKETS: u64 = 10;
/// A time this many buckets in the past is a clock that was set back.
const BACK_BUCKETS: u64 = 5;
/// After so many late records in a row the clock is believed to have been set back.
const LATE_MAX: u32 = 200;

/// The time of a stream in buckets. It is not part of a snapshot: a stream that was taken up again
/// begins like a new one.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    bucket: Option<u64>,
    grace: u32,
    /// From here on the stream said something without an unusual silence.
    pub(super) since: Timestamp,
    /// From here on the stream could be heard.
    pub(super) audible: Timestamp,
    late: u32,
}

/// What a time means to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is in the open bucket.
    Same,
    /// Buckets from the first to before the second are over.
    Over(u64, u64),
    /// The clock began anew: open counts are worth nothing.
    Anew,
    /// It is too old to be counted.
    Late,
}

pub(super) fn bucket_of(time: Timestamp) -> u64 {
    time.as_nanos() / bucket_nanos()
}

pub(super) fn start_of(bucket: u64) -> Timestamp {
    Timestamp::from_nanos(bucket.saturating_mul(bucket_nanos()))
}

fn bucket_nanos() -> u64 {
    BUCKET.as_secs().saturating_mul(1_000_000_000)
}

impl Clock {
    /// Moves on to `time`; `quiet` is for how many buckets the stream is often silent.
    pub(super) fn step(&mut self, time: Timestamp, quiet: u64) -> Step {
        let to = bucket_of(time);
        let Some(from) = self.bucket else {
            self.begin(time);
            return Step::Anew;
        };
        if to < from {
            self.late += 1;
            if to + BACK_BUCKETS < from && self.late > LATE_MAX {
                self.begin(time);
                return Step::Anew;
            }
            return Step::Late;
        }
        self.late = 0;
        if to == from {
            return Step::Same;
        }
        if to - from > JUMP_BUCKETS.max(quiet.saturating_mul(2)) {
            self.begin(time);
            return Step::Anew;
        }
        self.bucket = Some(to);
        Step::Over(from, to)
    }

    /// Begins anew at `time`, with a grace.
    pub(super) fn begin(&mut self, time: Timestamp) {
        self.bucket = Some(bucket_of(time));
        self.grace = GRACE;
        self.since = time;
        self.audible = time;
        self.late = 0;
    }

    /// The stream speaks again after an unusual silence.
    pub(super) fn wake(&mut self, time: Timestamp) {
        self.bucket = Some(bucket_of(time));
        self.grace = GRACE;
        self.since = time;
    }

    /// Whether the bucket that is over was heard in full. Asked once for each.
    pub(super) fn is_heard(&mut self) -> bool {
        let heard = self.grace == 0;
        self.grace = self.grace.saturating_sub(1);
        heard
    }

    /// Whether the clock stands in the grace after a beginning.
    pub(super) fn in_grace(&self) -> bool {
        self.grace > 0
    }

    /// The open bucket.
    pub(super) fn bucket(&self) -> Option<u64> {
        self.bucket
    }
}
