//! Records that came before: a Collector that was killed reads its files again from where it last
//! wrote down how far it was, and sends tens of thousands of records twice.
//!
//! A record is known again by its text, its time and where it comes from. A time in whole seconds
//! is not enough: a service may well say the same twice in a second. Nor is the same record twice in
//! one request: that is how it was meant.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;

use crate::core::record::{Record, Resource, StreamKey, Timestamp};

/// Records of a shard that are remembered, about; 4 bytes each.
const REMEMBERED: usize = 1 << 20;
/// Records that share a place; the oldest of them goes first.
const WAYS: usize = 4;

/// The latest records of a shard.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Marks of records, [`WAYS`] for each place, the latest first; 0 is none. Empty until the first
    /// record.
    marks: Vec<[u32; WAYS]>,
    /// Records of the request that is being read.
    fresh: Vec<u64>,
}

impl Repeats {
    /// Whether the record came before, with another request.
    pub(super) fn is_repeat(
        &mut self,
        record: &Record<'_>,
        time: Option<Timestamp>,
        origin: u64,
    ) -> bool {
        let Some(time) = time.filter(|time| !time.is_whole_second()) else {
            return false;
        };
        let hash = hash(record, time, origin);
        let (place, mark) = split(hash);
        let marks = self.marks.get(place);
        if marks.is_some_and(|marks| marks.contains(&mark)) {
            return true;
        }
        self.fresh.push(hash);
        false
    }

    /// Remembers the records of the request that was read.
    pub(super) fn settle(&mut self) {
        if self.marks.is_empty() && !self.fresh.is_empty() {
            self.marks = vec![[0; WAYS]; REMEMBERED / WAYS];
        }
        for hash in self.fresh.drain(..) {
            let (place, mark) = split(hash);
            if let Some(marks) = self.marks.get_mut(place) {
                marks.rotate_right(1);
                marks[0] = mark;
            }
        }
    }
}

/// The service and the resource of records as one number.
pub(super) fn origin(stream: &StreamKey, resource: &Resource) -> u64 {
    let mut hasher = FxHasher::default();
    stream.hash(&mut hasher);
    resource.hash(&mut hasher);
    hasher.finish()
}

fn hash(record: &Record<'_>, time: Timestamp, origin: u64) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(time.as_nanos());
    hasher.write(record.body.as_bytes());
    hasher.write(record.event_name.unwrap_or_default().as_bytes());
    hasher.write_u64(origin);
    for id in [
        record.trace_id.as_ref().map(|id| id.as_bytes().as_slice()),
        record.span_id.as_ref().map(|id| id.as_bytes().as_slice()),
    ] {
        hasher.write(id.unwrap_or_default());
    }
    hasher.finish()
}

/// Where a record is remembered, and by what.
fn split(hash: u64) -> (usize, u32) {
    let place = hash as usize % (REMEMBERED / WAYS);
    // The upper half; never 0, which is none.
    (place, (hash >> 32) as u32 | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_PAST: Timestamp = Timestamp::from_millis(1_500);

    /// How many of these lines are known again, all of one request.
    fn known(repeats: &mut Repeats, lines: &[String], time: Timestamp) -> usize {
        let known = lines.iter().filter(|line| {
            let record = Record {
                body: line,
                ..Record::default()
            };
            repeats.is_repeat(&record, Some(time), 7)
        });
        let known = known.count();
        repeats.settle();
        known
    }

    fn lines(numbers: std::ops::Range<usize>) -> Vec<String> {
        numbers.map(|number| format!("order {number}")).collect()
    }

    #[test]
    fn what_a_restarted_collector_sends_again_is_known() {
        let mut repeats = Repeats::default();
        let before = lines(0..30_000);
        assert_eq!(known(&mut repeats, &before, HALF_PAST), 0);
        assert_eq!(known(&mut repeats, &lines(30_000..200_000), HALF_PAST), 0);
        let again = known(&mut repeats, &before, HALF_PAST);
        assert!(again > 29_000, "{again}");
    }

    #[test]
    fn what_only_looks_alike_is_not() {
        let mut repeats = Repeats::default();
        let twice = [lines(0..100), lines(0..100)].concat();
        assert_eq!(known(&mut repeats, &twice, HALF_PAST), 0, "in one request");
        let later = Timestamp::from_millis(1_501);
        assert_eq!(known(&mut repeats, &lines(0..100), later), 0);
        let second = Timestamp::from_millis(2_000);
        assert_eq!(known(&mut repeats, &lines(0..100), second), 0);
        assert_eq!(
            known(&mut repeats, &lines(0..100), second),
            0,
            "whole seconds"
        );
    }
}
