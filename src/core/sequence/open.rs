//! The sequences that may still go on.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::events::{Events, NONE, SequenceEvent};
use super::key::SequenceKey;
use super::names::{Name, Names};
use super::resources::Resources;
use super::slab::Slab;
use crate::core::record::{Resource, Timestamp};

/// Most records kept of one sequence; what comes after is judged but not kept for training.
pub const EVENTS_MAX: usize = 512;

/// The place of an open sequence, good until it is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(u32);

/// The open sequences of one stream, each until it has been quiet for the time-out, with whatever
/// state `S` their judge keeps with them.
///
/// Those heard of lately stand last in a list that goes through all of them, so that the next to
/// end is always its first.
#[derive(Debug)]
pub struct Sequences<S> {
    idle_timeout: Duration,
    open_max: usize,
    slots: Slab<Slot<S>>,
    index: HashTable<u32>,
    names: Names,
    events: Events,
    /// How many records of a long sequence are kept no more.
    beyond: FxHashMap<u32, u32>,
    resources: Resources,
    first: u32,
    last: u32,
    evicted: u64,
}

/// What one open sequence costs, its place in the index and its records aside.
#[derive(Debug)]
struct Slot<S> {
    heard: Timestamp,
    before: u32,
    after: u32,
    events: u32,
    state: S,
    resource: u16,
    name: Name,
}

/// A sequence taken out, or to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence<S> {
    /// Its name.
    pub key: SequenceKey,
    /// Stream time when the latest record came; a record that comes late keeps its sequence open
    /// as long as any other.
    pub heard: Timestamp,
    /// Records so far.
    pub len: u32,
    /// The records kept, oldest first, at most [`EVENTS_MAX`].
    pub events: Vec<SequenceEvent>,
    /// The resource of the latest record.
    pub resource: Arc<Resource>,
    /// The judge's own.
    pub state: S,
}

impl<S: Default> Sequences<S> {
    /// Keeps at most `open_max` sequences, each until nothing came for `idle_timeout`.
    pub fn new(idle_timeout: Duration, open_max: usize) -> Self {
        Self {
            idle_timeout,
            open_max: open_max.max(1),
            slots: Slab::new(),
            index: HashTable::new(),
            names: Names::new(),
            events: Events::new(),
            beyond: FxHashMap::default(),
            resources: Resources::default(),
            first: NONE,
            last: NONE,
            evicted: 0,
        }
    }

    /// The sequence `key`, begun if it is not open. `None` when there is no room whatever.
    pub fn open(&mut self, key: &SequenceKey) -> Option<SequenceId> {
        if let Some(id) = self.find(key) {
            return Some(id);
        }
        let id = self.insert(Sequence {
            key: key.clone(),
            heard: Timestamp::ZERO,
            len: 0,
            events: Vec::new(),
            resource: Arc::default(),
            state: S::default(),
        })?;
        Some(id)
    }

    /// Adds a record that came when the newest time of the stream was `heard`, which never goes
    /// back. Beyond [`EVENTS_MAX`] records are counted but not kept.
    pub fn add(
        &mut self,
        id: SequenceId,
        event: &SequenceEvent,
        resource: &Arc<Resource>,
        heard: Timestamp,
    ) {
        let Some(slot) = self.slots.get_mut(id.0) else {
            return;
        };
        slot.heard = slot.heard.max(heard);
        slot.resource = self.resources.exchange(slot.resource, resource);
        if self.events.len(slot.events) < EVENTS_MAX {
            slot.events = self.events.push(slot.events, event);
        } else {
            self.forget(id, 1);
        }
        self.unlink(id.0);
        self.link(id.0);
        let slots = &self.slots;
        let chains = std::iter::successors(slots.get(self.first), |slot| slots.get(slot.after));
        self.events.tidy(chains.map(|slot| slot.events));
    }

    /// Takes the records kept of a sequence but leaves it open, with the latest `left` records.
    pub fn cut(&mut self, id: SequenceId, left: usize) -> Vec<SequenceEvent> {
        let events = self.events(id);
        if let Some(slot) = self.slots.get_mut(id.0) {
            self.events.free(slot.events);
            let kept = events.iter().skip(events.len().saturating_sub(left));
            slot.events = kept.fold(NONE, |last, event| self.events.push(last, event));
            self.forget(id, events.len() - left.min(events.len()));
        }
        events
    }

    /// Takes out the sequence that has been quiet longest when there are more than the bound.
    pub fn pop_evicted(&mut self) -> Option<Sequence<S>> {
        self.first_beyond()?;
        let evicted = self.pop()?;
        self.evicted += 1;
        Some(evicted)
    }

    /// Takes out the sequence that has been quiet longest.
    pub fn pop(&mut self) -> Option<Sequence<S>> {
        let number = self.first;
        let events = self.events(SequenceId(number));
        self.unlink(number);
        let len = self.len_of(SequenceId(number));
        let slot = self.slots.get_mut(number)?;
        let key = self.names.take(&slot.name);
        let hash = FxBuildHasher.hash_one(&key);
        let found = self.index.find_entry(hash, |other| *other == number);
        if let Ok(entry) = found {
            entry.remove();
        }
        self.events.free(slot.events);
        let sequence = Sequence {
            key,
            heard: slot.heard,
            len,
            events,
            resource: self.resources.release(slot.resource),
            state: std::mem::take(&mut slot.state),
        };
        self.slots.free(number);
        self.beyond.remove(&number);
        if self.slots.len() == 0 {
            self.index = HashTable::new();
            self.names = Names::new();
            self.beyond = FxHashMap::default();
        }
        Some(sequence)
    }

    /// Puts back a sequence, such as one from a snapshot; in order of when they were heard of.
    pub fn insert(&mut self, sequence: Sequence<S>) -> Option<SequenceId> {
        let hash = FxBuildHasher.hash_one(&sequence.key);
        let events = &mut self.events;
        let kept = sequence.events.iter().take(EVENTS_MAX);
        let slot = Slot {
            name: self.names.put(&sequence.key)?,
            heard: sequence.heard,
            before: NONE,
            after: NONE,
            events: kept.fold(NONE, |last, event| events.push(last, event)),
            state: sequence.state,
            resource: self.resources.exchange(0, &sequence.resource),
        };
        let kept = self.events.len(slot.events);
        let number = self.slots.insert(slot)?;
        self.forget(
            SequenceId(number),
            (sequence.len as usize).saturating_sub(kept),
        );
        self.link(number);
        let (slots, names) = (&self.slots, &self.names);
        let rehash = |number: &u32| {
            let key = slots.get(*number).map(|slot| names.key(&slot.name));
            key.map_or(0, |key| FxBuildHasher.hash_one(&key))
        };
        self.index.insert_unique(hash, number, rehash);
        Some(SequenceId(number))
    }
}

impl<S> Sequences<S> {
    /// The open sequence `key`.
    pub fn find(&self, key: &SequenceKey) -> Option<SequenceId> {
        let is_it = |number: &u32| {
            let slot = self.slots.get(*number);
            slot.is_some_and(|slot| self.names.is(&slot.name, key))
        };
        let found = self.index.find(FxBuildHasher.hash_one(key), is_it)?;
        Some(SequenceId(*found))
    }

    /// What the judge keeps with a sequence.
    pub fn state_mut(&mut self, id: SequenceId) -> Option<&mut S> {
        self.slots.get_mut(id.0).map(|slot| &mut slot.state)
    }

    /// What the judge keeps with a sequence.
    pub fn state(&self, id: SequenceId) -> Option<&S> {
        self.slots.get(id.0).map(|slot| &slot.state)
    }

    /// Records so far, those not kept included.
    pub fn len_of(&self, id: SequenceId) -> u32 {
        let kept = u32::try_from(self.kept_of(id)).unwrap_or(u32::MAX);
        kept.saturating_add(self.beyond.get(&id.0).copied().unwrap_or_default())
    }

    /// Records kept.
    pub fn kept_of(&self, id: SequenceId) -> usize {
        let slot = self.slots.get(id.0);
        slot.map_or(0, |slot| self.events.len(slot.events))
    }

    /// The records kept, oldest first.
    pub fn events(&self, id: SequenceId) -> Vec<SequenceEvent> {
        let mut events: Vec<SequenceEvent> = self.latest(id).collect();
        events.reverse();
        events
    }

    /// Whether all its records are kept.
    pub fn is_whole(&self, id: SequenceId) -> bool {
        !self.beyond.contains_key(&id.0)
    }

    /// How long a sequence is quiet before it is taken out.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// The name of an open sequence.
    pub fn key_of(&self, id: SequenceId) -> Option<SequenceKey> {
        self.slots.get(id.0).map(|slot| self.names.key(&slot.name))
    }

    /// The resource of its latest record.
    pub fn resource_of(&self, id: SequenceId) -> Arc<Resource> {
        let slot = self.slots.get(id.0);
        slot.map(|slot| self.resources.get(slot.resource))
            .unwrap_or_default()
    }

    /// The records kept, latest first.
    pub fn latest(&self, id: SequenceId) -> impl Iterator<Item = SequenceEvent> + '_ {
        let last = self.slots.get(id.0).map_or(NONE, |slot| slot.events);
        self.events.latest_first(last)
    }

    /// The next sequence to be taken out as quiet.
    pub fn first_quiet(&self, stream_time: Timestamp) -> Option<SequenceId> {
        let is_quiet = self.next_deadline()? <= stream_time;
        is_quiet.then_some(SequenceId(self.first))
    }

    /// The next sequence to be taken out for lack of room.
    pub fn first_beyond(&self) -> Option<SequenceId> {
        (self.len() > self.open_max).then_some(SequenceId(self.first))
    }

    /// When the next sequence has been quiet for long enough.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let first = self.slots.get(self.first)?;
        Some(first.heard.plus(self.idle_timeout))
    }

    /// What the open sequences take in memory: their records, and all else.
    pub fn bytes(&self) -> (usize, usize) {
        /// A byte of each slot says what is in it.
        const INDEX_LEN: usize = size_of::<u32>() + 1;
        let index = self.index.capacity() * 8 / 7 * INDEX_LEN;
        let beyond = self.beyond.capacity() * 8 / 7 * (2 * size_of::<u32>() + 1);
        let own = self.slots.bytes() + self.names.bytes() + index + beyond;
        (self.events.bytes(), own)
    }

    /// Open sequences.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sequences let go for lack of room, never judged as ended.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The open sequences, in order of when they were last heard of.
    pub fn ids(&self) -> impl Iterator<Item = SequenceId> + '_ {
        let number = |number: u32| (number != NONE).then_some(number);
        let next = move |at: &u32| number(self.slots.get(*at)?.after);
        std::iter::successors(number(self.first), next).map(SequenceId)
    }

    /// A copy of an open sequence, with what `state` makes of its state.
    pub fn copy<T>(&self, id: SequenceId, state: impl FnOnce(&S) -> T) -> Option<Sequence<T>> {
        let slot = self.slots.get(id.0)?;
        Some(Sequence {
            key: self.names.key(&slot.name),
            heard: slot.heard,
            len: self.len_of(id),
            events: self.events(id),
            resource: self.resources.get(slot.resource),
            state: state(&slot.state),
        })
    }

    /// Counts records of a sequence that are not kept, or no more.
    fn forget(&mut self, id: SequenceId, count: usize) {
        if count > 0 {
            let beyond = self.beyond.entry(id.0).or_default();
            *beyond = beyond.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Puts `number` at the end of the list.
    fn link(&mut self, number: u32) {
        let last = self.last;
        match self.slots.get_mut(last) {
            Some(last) => last.after = number,
            None => self.first = number,
        }
        if let Some(slot) = self.slots.get_mut(number) {
            (slot.before, slot.after) = (last, NONE);
            self.last = number;
        }
    }

    /// Takes `number` out of the list.
    fn unlink(&mut self, number: u32) {
        let Some(slot) = self.slots.get(number) else {
            return;
        };
        let (before, after) = (slot.before, slot.after);
        match self.slots.get_mut(before) {
            Some(slot) => slot.after = after,
            None => self.first = after,
        }
        match self.slots.get_mut(after) {
            Some(slot) => slot.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyKind;
    use super::*;
    use crate::core::record::TemplateId;

    fn key(value: &str) -> SequenceKey {
        SequenceKey::new(KeyKind::Body, value)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn sequences(open_max: usize) -> Sequences<()> {
        Sequences::new(Duration::from_secs(60), open_max)
    }

    fn touch(open: &mut Sequences<()>, name: &str, time: Timestamp, stream_time: Timestamp) {
        let id = open.open(&key(name)).unwrap();
        let event = SequenceEvent {
            template: TemplateId(time.as_nanos()),
            time,
            number: 0,
        };
        open.add(id, &event, &Arc::default(), stream_time);
    }

    fn pop_quiet(open: &mut Sequences<()>, stream_time: Timestamp) -> Option<Sequence<()>> {
        open.first_quiet(stream_time)?;
        open.pop()
    }

    fn name(sequence: Option<Sequence<()>>) -> Option<String> {
        sequence.map(|sequence| sequence.key.to_string())
    }

    #[test]
    fn a_sequence_ends_when_it_has_been_quiet_for_the_time_out() {
        let mut open = sequences(10);
        for (name, second) in [("a", 0), ("b", 10), ("a", 30)] {
            touch(&mut open, name, at(second), at(second));
        }
        assert!(pop_quiet(&mut open, at(69)).is_none());
        assert_eq!(name(pop_quiet(&mut open, at(95))).as_deref(), Some("b"));
        let a = pop_quiet(&mut open, at(95)).unwrap();
        assert_eq!((a.key, a.len), (key("a"), 2));
        assert_eq!(
            a.events.iter().map(|event| event.time).collect::<Vec<_>>(),
            [at(0), at(30)]
        );
        assert!(open.is_empty() && open.next_deadline().is_none());
    }

    #[test]
    fn a_record_that_comes_late_does_not_end_its_sequence() {
        let mut open = sequences(10);
        touch(&mut open, "late", at(0), at(1000));
        assert!(pop_quiet(&mut open, at(1059)).is_none());
        assert!(pop_quiet(&mut open, at(1060)).is_some());
    }

    #[test]
    fn beyond_the_bound_the_quietest_is_let_go() {
        let mut open = sequences(2);
        for (name, second) in [("a", 0), ("b", 1), ("c", 2), ("a", 3)] {
            touch(&mut open, name, at(second), at(second));
        }
        assert_eq!(name(open.pop_evicted()).as_deref(), Some("b"));
        assert!(open.pop_evicted().is_none());
        assert_eq!((open.len(), open.evicted()), (2, 1));
    }

    #[test]
    fn what_is_found_is_what_was_added_however_many_came_and_went() {
        let mut open = sequences(100_000);
        for n in 0..20_000u64 {
            touch(
                &mut open,
                &format!("id_{}", n % 7_000),
                at(n / 100),
                at(n / 100),
            );
            if n % 3 == 0 {
                pop_quiet(&mut open, at(n / 100));
            }
        }
        let mut found = 0;
        for n in 0..7_000 {
            if let Some(id) = open.find(&key(&format!("id_{n}"))) {
                let copy = open.copy(id, |()| ()).unwrap();
                assert_eq!(copy.key, key(&format!("id_{n}")));
                assert_eq!(copy.len as usize, copy.events.len());
                found += 1;
            }
        }
        assert_eq!((found, open.ids().count()), (open.len(), open.len()));
        let heard: Vec<_> = open
            .ids()
            .map(|id| open.copy(id, |()| ()).unwrap().heard)
            .collect();
        assert!(heard.is_sorted());
    }

    #[test]
    fn a_long_sequence_is_cut_and_goes_on_with_its_latest_records() {
        let mut open = sequences(10);
        for second in 0..700 {
            touch(&mut open, "long", at(second), at(second));
        }
        let id = open.find(&key("long")).unwrap();
        assert_eq!((open.len_of(id), open.kept_of(id)), (700, EVENTS_MAX));
        assert_eq!(open.cut(id, 10).len(), EVENTS_MAX);
        let left: Vec<_> = open.events(id).iter().map(|event| event.time).collect();
        assert_eq!(left, (502..512).map(at).collect::<Vec<_>>());
        assert_eq!((open.len_of(id), open.is_whole(id)), (700, false));
        assert_eq!(open.copy(id, |()| ()).unwrap().len, 700);
        assert_eq!(open.pop().unwrap().len, 700);
    }

    #[test]
    fn what_was_long_lends_nothing_to_what_comes_in_its_place() {
        let mut open = sequences(10);
        touch(&mut open, "stays", at(0), at(0));
        touch(&mut open, "long", at(1), at(1));
        let id = open.find(&key("long")).unwrap();
        open.cut(id, 0);
        touch(&mut open, "stays", at(2), at(2));
        assert_eq!(
            open.pop().map(|long| (long.key, long.len)),
            Some((key("long"), 1))
        );
        touch(&mut open, "new", at(3), at(3));
        let new = open.find(&key("new")).unwrap();
        assert_eq!(new, id, "it has the place of the long one");
        assert_eq!((open.len_of(new), open.is_whole(new)), (1, true));
    }

    #[test]
    fn an_open_sequence_is_small() {
        assert_eq!(size_of::<Slot<[u32; 2]>>(), 48);
    }
}
