//! Puts records in time order within a bounded delay.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::core::record::Timestamp;

/// Free places that are not given back.
const KEPT_FREE: usize = 4_096;

/// Holds each record for `delay` after it arrives and then lets it go together with everything
/// older, so that records of one sequence that come from several pods, files or batches meet in
/// time order. Arrival order across senders means nothing; within one sender it decides ties.
///
/// Of two records of one instant the one of the lower rank goes first. Where the instant is a
/// whole second the clock may be that coarse, and the order of arrival is the better evidence.
#[derive(Debug)]
pub struct Hold<T> {
    delay: Duration,
    bytes_max: usize,
    bytes: usize,
    waiting: BinaryHeap<Reverse<Entry<T>>>,
    arrivals: VecDeque<(Timestamp, Place)>,
    gate: Option<Place>,
    arrived: u64,
    early: u64,
}

/// Time, rank among equals, order of arrival.
type Place = (Timestamp, u32, u64);

#[derive(Debug)]
struct Entry<T> {
    place: Place,
    bytes: u32,
    item: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl<T> Hold<T> {
    /// What a record takes beside what it says of itself, in bytes.
    pub const PLACE_BYTES: usize = size_of::<Entry<T>>() + size_of::<(Timestamp, Place)>();

    /// Holds records for `delay`, at most `bytes_max` of them: beyond that the ones that wait
    /// longest go early.
    pub fn new(delay: Duration, bytes_max: usize) -> Self {
        Self {
            delay,
            bytes_max,
            bytes: 0,
            waiting: BinaryHeap::new(),
            arrivals: VecDeque::new(),
            gate: None,
            arrived: 0,
            early: 0,
        }
    }

    /// From now on records of at most `bytes_max` are held.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// What the records that are held take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there are more records than may be held.
    pub fn is_over(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// Takes in a record of `time` that arrived at `now`; `bytes` is what it takes beyond its place.
    pub fn push(&mut self, (time, rank): (Timestamp, u32), now: Timestamp, item: T, bytes: usize) {
        let bytes = u32::try_from(Self::PLACE_BYTES + bytes).unwrap_or(u32::MAX);
        self.bytes += bytes as usize;
        let rank = if time.is_whole_second() { 0 } else { rank };
        let place = (time, rank, self.arrived);
        self.arrived += 1;
        self.waiting.push(Reverse(Entry { place, bytes, item }));
        self.arrivals.push_back((now, place));
    }

    /// The next record whose wait is over at `now`, or that is older than one whose wait is over.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, T)> {
        loop {
            self.open_gate(|arrived, delay| arrived.plus(delay) <= now);
            // Without room one gate after the other opens, and whoever takes all that is due
            // must get it in one go.
            self.gate?;
            if let Some(next) = self.pop_gate() {
                return Some(next);
            }
        }
    }

    /// The next record in time order, whether its wait is over or not.
    pub fn pop(&mut self) -> Option<(Timestamp, T)> {
        self.open_gate(|_, _| true);
        self.pop_gate()
    }

    /// When the first wait will be over; the epoch while records are due that were not asked for.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.gate.is_some() {
            return Some(Timestamp::ZERO);
        }
        self.arrivals
            .front()
            .map(|(arrived, _)| arrived.plus(self.delay))
    }

    /// Records waiting.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Records that went before their wait was over, for lack of room.
    pub fn early(&self) -> u64 {
        self.early
    }

    /// The records waiting, in time order: time, rank and record.
    pub fn iter_sorted(&self) -> Vec<(Timestamp, u32, &T)> {
        let mut entries: Vec<&Entry<T>> = self.waiting.iter().map(|entry| &entry.0).collect();
        entries.sort_unstable_by_key(|entry| entry.place);
        entries
            .into_iter()
            .map(|entry| (entry.place.0, entry.place.1, &entry.item))
            .collect()
    }

    fn open_gate(&mut self, is_due: impl Fn(Timestamp, Duration) -> bool) {
        while let Some(&(arrived, place)) = self.arrivals.front() {
            let due = is_due(arrived, self.delay);
            // A record that already went with a younger one needs no room.
            let crowded = self.is_over() && self.gate.is_none();
            if !due && !crowded {
                break;
            }
            if !due {
                self.early += 1;
            }
            self.arrivals.pop_front();
            self.gate = self.gate.max(Some(place));
        }
    }

    fn pop_gate(&mut self) -> Option<(Timestamp, T)> {
        let next = self.waiting.peek().map(|next| next.0.place);
        if next.is_none() || next > self.gate {
            self.gate = None;
            return None;
        }
        let Reverse(entry) = self.waiting.pop()?;
        self.bytes -= entry.bytes as usize;
        self.give_back();
        Some((entry.place.0, entry.item))
    }

    /// After a rush its room is given back.
    fn give_back(&mut self) {
        let len = self.waiting.len();
        if self.waiting.capacity() > (4 * len).max(KEPT_FREE) {
            self.waiting.shrink_to(2 * len);
        }
        if self.arrivals.capacity() > (4 * self.arrivals.len()).max(KEPT_FREE) {
            self.arrivals.shrink_to(2 * self.arrivals.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(3);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn due(hold: &mut Hold<&'static str>, now: Timestamp) -> Vec<&'static str> {
        std::iter::from_fn(|| hold.pop_due(now))
            .map(|(_, item)| item)
            .collect()
    }

    #[test]
    fn a_record_waits_for_the_delay_and_goes_with_everything_older() {
        let mut hold = Hold::new(DELAY, usize::MAX);
        hold.push((at(10), 0), at(100), "young, first", 0);
        assert!(due(&mut hold, at(102)).is_empty());
        hold.push((at(5), 0), at(102), "old, late", 0);
        hold.push((at(20), 0), at(102), "younger", 0);
        assert_eq!(due(&mut hold, at(103)), ["old, late", "young, first"]);
        assert_eq!(hold.next_due(), Some(at(105)));
        assert_eq!(due(&mut hold, at(105)), ["younger"]);
        assert!(hold.is_empty());
    }

    #[test]
    fn when_the_last_record_has_gone_nothing_is_due() {
        let mut hold = Hold::new(DELAY, usize::MAX);
        hold.push((at(10), 0), at(100), "only", 0);
        assert_eq!(due(&mut hold, at(103)), ["only"]);
        assert_eq!(hold.next_due(), None, "who waits for it would never sleep");
    }

    #[test]
    fn ties_go_by_rank_unless_the_clock_is_coarse() {
        let mut hold = Hold::new(DELAY, usize::MAX);
        let fine = Timestamp::from_millis(10_001);
        hold.push((fine, 7), at(100), "rank 7", 0);
        hold.push((fine, 2), at(100), "rank 2", 0);
        hold.push((at(11), 7), at(100), "came first", 0);
        hold.push((at(11), 2), at(100), "came second", 0);
        let order = due(&mut hold, at(103));
        assert_eq!(order, ["rank 2", "rank 7", "came first", "came second"]);
    }

    #[test]
    fn a_sender_that_lags_for_ever_does_not_stop_the_others() {
        let mut hold = Hold::new(DELAY, usize::MAX);
        let mut released = 0;
        for step in 0..50 {
            hold.push((at(1000 + step), 0), at(100 + step), "live", 0);
            hold.push((at(step), 0), at(100 + step), "an hour behind", 0);
            let out = due(&mut hold, at(100 + step));
            released += out.iter().filter(|item| **item == "live").count();
        }
        assert_eq!(released, 47);
    }

    #[test]
    fn beyond_its_bound_the_longest_waiting_go_early_and_none_is_lost() {
        let mut hold = Hold::new(DELAY, 10 * Hold::<&str>::PLACE_BYTES);
        let mut out = 0;
        for step in 0..100 {
            hold.push((at(step), 0), at(100), "x", 0);
            out += due(&mut hold, at(100)).len();
            assert!(hold.len() <= 10);
        }
        (0..50).for_each(|step| hold.push((at(200 + step), 0), at(100), "y", 0));
        assert_eq!(due(&mut hold, at(100)).len(), 50, "in one go");
        out += 50;
        assert_eq!(hold.early(), 140);
        assert_eq!(out + std::iter::from_fn(|| hold.pop()).count(), 150);
    }
}
