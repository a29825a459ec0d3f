//! The sequences that may still go on.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::key::SequenceKey;
use crate::core::event::{ContextLine, Explanation};
use crate::core::record::{Resource, SpanId, TemplateId, Timestamp, TraceId};

/// Most template ids kept of one sequence; what comes after is judged but not kept for training.
pub const EVENTS_MAX: usize = 512;

/// One sequence, and whatever state `S` its judge keeps with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenSequence<S> {
    /// Time of the latest record.
    pub last: Timestamp,
    /// Stream time when the latest record came; a record that comes late keeps its sequence open
    /// as long as any other.
    pub heard: Timestamp,
    /// The templates so far, oldest first, at most [`EVENTS_MAX`].
    pub events: Vec<TemplateId>,
    /// The latest lines, oldest first.
    pub context: VecDeque<ContextLine>,
    /// The resource of the latest record.
    pub resource: Arc<Resource>,
    /// Trace and span of the latest record.
    pub trace: (Option<TraceId>, Option<SpanId>),
    /// The judge's own.
    pub state: S,
}

impl<S> OpenSequence<S> {
    /// Adds a line to the context and lets the oldest go.
    pub fn remember(&mut self, line: ContextLine) {
        // The abnormal line itself is quoted after these.
        while self.context.len() + 1 >= Explanation::CONTEXT_MAX {
            self.context.pop_front();
        }
        self.context.push_back(line);
    }
}

/// The open sequences of one stream, each until it has been quiet for the time-out.
#[derive(Debug)]
pub struct Sequences<S> {
    idle_timeout: Duration,
    open_max: usize,
    open: FxHashMap<SequenceKey, OpenSequence<S>>,
    /// One entry per open sequence; its time may lie before the true one and is put right when
    /// it comes up.
    deadlines: BinaryHeap<Reverse<(Timestamp, SequenceKey)>>,
    evicted: u64,
}

impl<S: Default> Sequences<S> {
    /// Keeps at most `open_max` sequences, each until nothing came for `idle_timeout`.
    pub fn new(idle_timeout: Duration, open_max: usize) -> Self {
        Self {
            idle_timeout,
            open_max: open_max.max(1),
            open: FxHashMap::default(),
            deadlines: BinaryHeap::new(),
            evicted: 0,
        }
    }

    /// The sequence `key` with a record of `time` added to its life; begun if it is not open.
    /// `stream_time` is the newest time of the stream.
    pub fn touch(
        &mut self,
        key: &SequenceKey,
        time: Timestamp,
        stream_time: Timestamp,
        resource: &Arc<Resource>,
    ) -> &mut OpenSequence<S> {
        let heard = stream_time.max(time);
        if !self.open.contains_key(key) {
            let deadline = heard.plus(self.idle_timeout);
            self.deadlines.push(Reverse((deadline, key.clone())));
        }
        let sequence = self
            .open
            .entry(key.clone())
            .or_insert_with(|| OpenSequence {
                last: time,
                heard,
                events: Vec::new(),
                context: VecDeque::new(),
                resource: Arc::clone(resource),
                trace: (None, None),
                state: S::default(),
            });
        sequence.last = sequence.last.max(time);
        sequence.heard = sequence.heard.max(heard);
        if !Arc::ptr_eq(&sequence.resource, resource) {
            sequence.resource = Arc::clone(resource);
        }
        sequence
    }

    /// The open sequence `key`.
    pub fn get(&self, key: &SequenceKey) -> Option<&OpenSequence<S>> {
        self.open.get(key)
    }

    /// The open sequence `key`, without adding to its life.
    pub fn get_mut(&mut self, key: &SequenceKey) -> Option<&mut OpenSequence<S>> {
        self.open.get_mut(key)
    }

    /// Takes out the next sequence that has been quiet since `stream_time` less the time-out, in
    /// order of its last record.
    pub fn pop_quiet(&mut self, stream_time: Timestamp) -> Option<(SequenceKey, OpenSequence<S>)> {
        self.pop_if(|deadline, _| deadline <= stream_time)
    }

    /// Takes out the sequence that has been quiet longest when there are more than the bound.
    pub fn pop_evicted(&mut self) -> Option<(SequenceKey, OpenSequence<S>)> {
        let open_max = self.open_max;
        let evicted = self.pop_if(|_, open| open > open_max)?;
        self.evicted += 1;
        Some(evicted)
    }

    /// Takes out the sequence that has been quiet longest.
    pub fn pop(&mut self) -> Option<(SequenceKey, OpenSequence<S>)> {
        self.pop_if(|_, _| true)
    }

    /// When the next sequence may have been quiet for long enough.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines
            .peek()
            .map(|Reverse((deadline, _))| *deadline)
    }

    /// Open sequences.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Sequences let go for lack of room, never judged as ended.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The open sequences in the order of their keys.
    pub fn iter_sorted(&self) -> Vec<(&SequenceKey, &OpenSequence<S>)> {
        let mut all: Vec<_> = self.open.iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    /// Puts back a sequence from a snapshot.
    pub fn insert(&mut self, key: SequenceKey, sequence: OpenSequence<S>) {
        self.deadlines.push(Reverse((
            sequence.heard.plus(self.idle_timeout),
            key.clone(),
        )));
        self.open.insert(key, sequence);
    }

    fn pop_if(
        &mut self,
        wanted: impl Fn(Timestamp, usize) -> bool,
    ) -> Option<(SequenceKey, OpenSequence<S>)> {
        loop {
            let Reverse((noted, _)) = self.deadlines.peek()?;
            if !wanted(*noted, self.open.len()) {
                return None;
            }
            let Reverse((noted, key)) = self.deadlines.pop()?;
            let Some(sequence) = self.open.get(&key) else {
                continue;
            };
            let deadline = sequence.heard.plus(self.idle_timeout);
            if deadline > noted {
                self.deadlines.push(Reverse((deadline, key)));
                continue;
            }
            return self.open.remove_entry(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyKind;
    use super::*;

    fn key(value: &str) -> SequenceKey {
        SequenceKey {
            kind: KeyKind::Body,
            value: value.into(),
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn sequences(open_max: usize) -> Sequences<()> {
        Sequences::new(Duration::from_secs(60), open_max)
    }

    #[test]
    fn a_sequence_ends_when_it_has_been_quiet_for_the_time_out() {
        let mut open = sequences(10);
        let resource = Arc::default();
        open.touch(&key("a"), at(0), at(0), &resource);
        open.touch(&key("b"), at(10), at(10), &resource);
        open.touch(&key("a"), at(30), at(30), &resource);
        assert!(open.pop_quiet(at(69)).is_none());
        assert_eq!(open.pop_quiet(at(95)).map(|(key, _)| key), Some(key("b")));
        assert_eq!(open.pop_quiet(at(95)).map(|(key, _)| key), Some(key("a")));
        assert!(open.is_empty());
    }

    #[test]
    fn a_record_that_comes_late_does_not_end_its_sequence() {
        let mut open = sequences(10);
        open.touch(&key("late"), at(0), at(1000), &Arc::default());
        assert!(open.pop_quiet(at(1059)).is_none());
        assert!(open.pop_quiet(at(1060)).is_some());
    }

    #[test]
    fn beyond_the_bound_the_quietest_is_let_go() {
        let mut open = sequences(2);
        let resource = Arc::default();
        for (name, second) in [("a", 0), ("b", 1), ("c", 2), ("a", 3)] {
            open.touch(&key(name), at(second), at(second), &resource);
        }
        assert_eq!(open.pop_evicted().map(|(key, _)| key), Some(key("b")));
        assert!(open.pop_evicted().is_none());
        assert_eq!((open.len(), open.evicted()), (2, 1));
    }
}
