//! Where open sequences stand, each place once.
//!
//! Sequences of a service begin alike, so of a million open ones most stand where another stands:
//! on the same known prefix, with the same scores so far. Each is the number of such a place.
//!
//! Those that left the known prefixes each have a state of the network, a kilobyte. Only so many are
//! remembered; what was quiet for longest is forgotten, and has to be heard again.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::num::NonZeroU32;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::mind::IN_FLIGHT;
use super::order::{Order, OrderState};
use crate::core::model::State;

/// Where an open sequence stands, in four bytes. It belongs to the [`Detector`](super::Detector)
/// that made it, which is to get it back by [`Detector::release`](super::Detector::release).
#[derive(Debug)]
#[must_use = "its place is kept for it until it is released"]
pub struct Listening(NonZeroU32);

/// What is known of a sequence so far.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) order: OrderState,
    pub(super) begins: bool,
    /// The largest score so far of each voice in flight, in the order of [`IN_FLIGHT`].
    pub(super) peaks: [f32; IN_FLIGHT.len()],
}

/// All places where sequences stand.
#[derive(Debug, Default)]
pub(super) struct Standings {
    entries: Vec<Entry>,
    free: Vec<NonZeroU32>,
    /// Those on known prefixes.
    index: HashTable<NonZeroU32>,
    /// Those that left them, by when they were last put.
    strays: BTreeMap<u64, NonZeroU32>,
    /// Sequences put so far.
    now: u64,
}

#[derive(Debug)]
struct Entry {
    /// `None` where nobody stands, and for one that was forgotten.
    standing: Option<Standing>,
    sequences: u32,
    /// When it was put.
    put: u64,
}

/// What makes two places the same.
type Same = ((u32, u8, u8), bool, [u32; IN_FLIGHT.len()]);

impl Standing {
    /// A sequence of which nothing has come yet.
    pub(super) fn new(order: OrderState, begins: bool) -> Self {
        Self {
            order,
            begins,
            peaks: [0.0; IN_FLIGHT.len()],
        }
    }

    /// `None` for one that has left the known prefixes: it stands where no other does.
    fn same(&self) -> Option<Same> {
        let peaks = self.peaks.map(f32::to_bits);
        Some((self.order.known()?, self.begins, peaks))
    }
}

impl Standings {
    /// Most sequences that left the known prefixes and are remembered, 1.1 kB each: more than are
    /// judged in one go.
    pub(super) const STRAYS_MAX: usize = 12_288;

    /// Puts a sequence in its place.
    pub(super) fn put(&mut self, standing: Standing, order: &mut Order) -> Listening {
        let same = standing.same();
        let hash = same.map(|same| FxBuildHasher.hash_one(same));
        if let Some(hash) = hash {
            let entries = &mut self.entries;
            let is_it = |number: &NonZeroU32| standing_of(entries, *number) == same;
            if let Some(number) = self.index.find(hash, is_it).copied() {
                if let Some(entry) = entries.get_mut(index(number)) {
                    entry.sequences += 1;
                }
                order.release(standing.order);
                return Listening(number);
            }
        }
        let number = self.insert(standing);
        if let Some(hash) = hash {
            let entries = &self.entries;
            let rehash = |number: &NonZeroU32| {
                FxBuildHasher.hash_one(standing_of(entries, *number).unwrap_or_default())
            };
            self.index.insert_unique(hash, number, rehash);
        } else {
            self.strays.insert(self.now, number);
            if self.strays.len() > Self::STRAYS_MAX
                && let Some((_, quiet)) = self.strays.pop_first()
                && let Some(entry) = self.entries.get_mut(index(quiet))
            {
                entry.standing = None;
            }
        }
        Listening(number)
    }

    /// Takes a sequence out of its place. One that was forgotten starts midway.
    pub(super) fn take(&mut self, listening: &Listening, order: &mut Order) -> Standing {
        let number = listening.0;
        let taken = match self.entries.get_mut(index(number)) {
            Some(entry) if entry.sequences > 1 => {
                entry.sequences -= 1;
                entry.standing.as_ref().and_then(|standing| {
                    let order = order.share(&standing.order)?;
                    Some(Standing { order, ..*standing })
                })
            }
            Some(entry) if entry.sequences == 1 => self.remove(number),
            _ => None,
        };
        taken.unwrap_or_else(|| Standing::new(order.begin(false), false))
    }

    /// Makes a sequence the last that is forgotten.
    pub(super) fn freshen(&mut self, listening: &Listening) {
        if let Some(entry) = self.entries.get_mut(index(listening.0))
            && self.strays.remove(&entry.put).is_some()
        {
            self.now += 1;
            entry.put = self.now;
            self.strays.insert(self.now, listening.0);
        }
    }

    /// Where a sequence stands; `None` for one that was forgotten.
    pub(super) fn get(&self, listening: &Listening) -> Option<&Standing> {
        self.entries.get(index(listening.0))?.standing.as_ref()
    }

    /// What the places take in memory, the states of those that left the known prefixes included.
    pub(super) fn bytes(&self) -> usize {
        /// A byte of each slot says what is in it.
        const INDEX_LEN: usize = size_of::<NonZeroU32>() + 1;
        self.entries.capacity() * size_of::<Entry>()
            + self.free.capacity() * size_of::<NonZeroU32>()
            + self.index.capacity() * 8 / 7 * INDEX_LEN
            + self.strays.len() * (size_of::<State>() + 2 * size_of::<u64>())
    }

    /// Places in use.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    fn insert(&mut self, standing: Standing) -> NonZeroU32 {
        self.now += 1;
        let entry = Entry {
            standing: Some(standing),
            sequences: 1,
            put: self.now,
        };
        if let Some(number) = self.free.pop()
            && let Some(free) = self.entries.get_mut(index(number))
        {
            *free = entry;
            return number;
        }
        self.entries.push(entry);
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX)
    }

    fn remove(&mut self, number: NonZeroU32) -> Option<Standing> {
        let same = standing_of(&self.entries, number);
        let hash = same.map(|same| FxBuildHasher.hash_one(same));
        let found = hash.map(|hash| self.index.find_entry(hash, |other| *other == number));
        if let Some(Ok(entry)) = found {
            entry.remove();
        }
        let entry = self.entries.get_mut(index(number))?;
        entry.sequences = 0;
        self.strays.remove(&entry.put);
        self.free.push(number);
        entry.standing.take()
    }
}

fn standing_of(entries: &[Entry], number: NonZeroU32) -> Option<Same> {
    entries.get(index(number))?.standing.as_ref()?.same()
}

/// Numbers are counted from 1 on.
const fn index(number: NonZeroU32) -> usize {
    number.get() as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::network_tests::{noise, weights};
    use crate::core::model::{Key, Stepper};

    const KEY_COUNT: usize = 12;

    fn order(nodes_max: usize) -> Order {
        Order::with_nodes_max(Stepper::new(&weights(KEY_COUNT)), 7, nodes_max)
    }

    /// Keys, of which most sequences have the same first ones.
    fn keys(seed: u64) -> Vec<Key> {
        let kinds = if seed.is_multiple_of(4) { 9.0 } else { 1.5 };
        let numbers = noise(8, seed % 16).into_iter();
        numbers
            .map(|x| Key(2 + ((x + 1.0) / 2.0 * kinds) as u16))
            .collect()
    }

    /// A sequence takes in a key, and its peaks rise with it.
    fn hear(standing: &mut Standing, key: Key, order: &mut Order) {
        let ranked = order.hear(&mut standing.order, key);
        let score = ranked.map_or(0.0, |ranked| -ranked.log_probability);
        standing.peaks[0] = standing.peaks[0].max(score);
        standing.peaks[3] += f32::from(key.0.is_multiple_of(3));
    }

    #[test]
    fn sequences_that_share_places_stand_where_each_would_stand_alone() {
        for nodes_max in [4, 40, 10_000] {
            let (mut alone, mut order) = (order(nodes_max), order(nodes_max));
            let mut standings = Standings::default();
            let mut sequences: Vec<(Listening, Standing)> = (0..200)
                .map(|n| {
                    let begins = n % 3 > 0;
                    let standing = Standing::new(order.begin(begins), begins);
                    let own = Standing::new(alone.begin(begins), begins);
                    (standings.put(standing, &mut order), own)
                })
                .collect();
            assert_eq!(standings.len(), 2, "none has heard anything");
            for step in 0..8 {
                for ((listening, own), seed) in sequences.iter_mut().zip(0..) {
                    let key = keys(seed)[step];
                    let mut standing = standings.take(listening, &mut order);
                    hear(&mut standing, key, &mut order);
                    hear(own, key, &mut alone);
                    *listening = standings.put(standing, &mut order);
                }
            }
            for (listening, own) in &sequences {
                let standing = standings.get(listening).unwrap();
                assert_eq!(standing.begins, own.begins);
                assert_eq!(standing.peaks, own.peaks);
                let expect = order.expect(&standing.order, KEY_COUNT);
                assert_eq!(expect, alone.expect(&own.order, KEY_COUNT));
            }
            // The first to go a way stands apart from those that follow.
            assert!(nodes_max < 10_000 || standings.len() <= 2 * 32);
            for (listening, _) in sequences {
                let standing = standings.take(&listening, &mut order);
                order.release(standing.order);
            }
            assert_eq!((standings.len(), standings.index.len()), (0, 0));
            assert_eq!(order.held_by_sequences(), 0, "no prefix is held for nobody");
        }
    }

    #[test]
    fn of_many_that_left_the_known_prefixes_those_quiet_for_longest_are_forgotten() {
        let (mut order, mut standings) = (order(2), Standings::default());
        let mut put = |standings: &mut Standings| {
            let mut standing = Standing::new(order.begin(true), true);
            hear(&mut standing, Key(3), &mut order);
            standings.put(standing, &mut order)
        };
        let first: Vec<Listening> = (0..Standings::STRAYS_MAX)
            .map(|_| put(&mut standings))
            .collect();
        assert!(first.iter().all(|one| standings.get(one).is_some()));
        standings.freshen(&first[0]);
        let later: Vec<Listening> = (0..10).map(|_| put(&mut standings)).collect();
        let forgotten = |one: &Listening| standings.get(one).is_none();
        assert!(!forgotten(&first[0]), "it was asked for");
        assert!(first[1..11].iter().all(forgotten));
        assert!(!first[11..].iter().chain(&later).any(forgotten));
        for listening in first.into_iter().chain(later) {
            let standing = standings.take(&listening, &mut order);
            order.release(standing.order);
        }
        assert_eq!((standings.len(), standings.strays.len()), (0, 0));
    }

    #[test]
    fn a_place_is_four_bytes_of_a_sequence() {
        assert_eq!(size_of::<Option<Listening>>(), 4);
        assert!(size_of::<Entry>() <= 56);
    }
}
