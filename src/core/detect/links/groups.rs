//! Which places hold the same values, and what is known of such a group.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::{Place, Places, root};
use crate::core::detect::Heard;

/// Most places looked at; the most frequent ones stay.
const PLACES_MAX: usize = 2_048;
/// Most places that one value of a sequence joins; a value in more is everywhere.
const JOINED_MAX: usize = 64;
/// So large a share of the values that two places could have in common, they have.
const OVERLAP_MIN: f64 = 0.5;
/// Least values of one sequence that come and go.
const PASSING_MIN: u64 = 8;
/// Largest mean share of all records from the first to the last one with such a value.
const PASSING_LIFE_MAX: f64 = 0.25;

/// Places that name one kind of thing.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) places: Vec<Place>,
    /// Sequences that have any of them.
    pub(super) sequences: u32,
    /// Sequences in which they hold two values or more.
    pub(super) varied: u32,
    /// Records that have any of them.
    pub(super) records: u64,
    /// Values of sequences: each counts once for each sequence.
    pub(super) named: u64,
    /// Records for each of these.
    pub(super) mentions: u64,
    /// Templates for each of these.
    pub(super) keys: u64,
    /// For these, from the first to the last record as shares of their sequences, summed up.
    pub(super) spans: f64,
    /// In how many sequences each value is.
    pub(super) values: FxHashMap<u32, u32>,
}

impl Group {
    /// Values that come in many sequences and in several records of each.
    pub(super) fn is_shared(&self, corpus_len: usize) -> bool {
        self.is_telling(corpus_len) && self.values.len() as u64 * 4 <= self.named
    }

    /// Values that come for a while and go, many in each sequence: requests in what a process
    /// says.
    pub(super) fn is_passing(&self) -> bool {
        let life = self.spans / self.values.len().max(1) as f64;
        self.named >= PASSING_MIN * u64::from(self.sequences.max(1))
            && self.mentions >= 3 * self.named
            && self.keys >= 2 * self.named
            && life <= PASSING_LIFE_MAX * f64::from(self.sequences)
    }

    fn is_telling(&self, corpus_len: usize) -> bool {
        let varied = u64::from(self.varied);
        varied >= 3
            && varied * 10 >= corpus_len as u64
            && varied * 2 >= u64::from(self.sequences)
            && self.values.len() >= 3
            && self.mentions >= 2 * self.named
            && self.keys * 2 >= 3 * self.named
    }
}

/// Finds the groups of places in sequences, those in most records first.
pub(super) fn groups(corpus: &[&Heard], places: &Places) -> Vec<Group> {
    let varying = varying(corpus, places);
    let joined = join(corpus, places, &varying);
    let mut groups: Vec<Group> = Vec::new();
    let mut at: BTreeMap<usize, usize> = BTreeMap::new();
    let mut group_of: FxHashMap<Place, usize> = FxHashMap::default();
    for (place, root) in varying.into_iter().zip(joined) {
        let group = *at.entry(root).or_insert_with(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        groups[group].places.push(place);
        group_of.insert(place, group);
    }
    for heard in corpus {
        count(heard, places, &group_of, &mut groups);
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.records));
    groups
}

fn count(heard: &Heard, places: &Places, group_of: &FxHashMap<Place, usize>, groups: &mut [Group]) {
    let mut found: BTreeMap<(usize, u32), Mentions> = BTreeMap::new();
    for (index, key) in heard.keys.iter().enumerate() {
        let names: BTreeSet<(usize, u32)> = places
            .names(heard, index)
            .filter_map(|(_, place, hash)| Some((*group_of.get(&place)?, hash)))
            .collect();
        let mut last = None;
        for name in names {
            if last.replace(name.0) != Some(name.0) {
                groups[name.0].records += 1;
            }
            let mentions = found.entry(name).or_insert_with(|| Mentions {
                records: 0,
                keys: BTreeSet::new(),
                first: index,
                last: index,
            });
            mentions.records += 1;
            mentions.keys.insert(key.0);
            mentions.last = index;
        }
    }
    let mut distinct: BTreeMap<usize, u32> = BTreeMap::new();
    for ((group, hash), mentions) in found {
        *distinct.entry(group).or_default() += 1;
        let group = &mut groups[group];
        group.named += 1;
        group.mentions += mentions.records;
        group.keys += mentions.keys.len() as u64;
        group.spans += (mentions.last - mentions.first) as f64 / heard.keys.len() as f64;
        *group.values.entry(hash).or_default() += 1;
    }
    for (group, distinct) in distinct {
        groups[group].sequences += 1;
        groups[group].varied += u32::from(distinct > 1);
    }
}

/// The records of one sequence that have one value.
struct Mentions {
    records: u64,
    keys: BTreeSet<u16>,
    first: usize,
    last: usize,
}

/// The places whose value is not always the same, the most frequent ones, in order.
fn varying(corpus: &[&Heard], places: &Places) -> Vec<Place> {
    let mut first: BTreeMap<Place, (u32, bool, u64)> = BTreeMap::new();
    for heard in corpus {
        for index in 0..heard.keys.len() {
            for (_, place, hash) in places.names(heard, index) {
                let (value, varies, records) = first.entry(place).or_insert((hash, false, 0));
                *varies |= *value != hash;
                *records += 1;
            }
        }
    }
    let mut varying: Vec<(u64, Place)> = first
        .into_iter()
        .filter(|(_, (_, varies, _))| *varies)
        .map(|(place, (.., records))| (records, place))
        .collect();
    varying.sort_by_key(|(records, place)| (std::cmp::Reverse(*records), *place));
    varying.truncate(PLACES_MAX);
    let mut places: Vec<Place> = varying.into_iter().map(|(_, place)| place).collect();
    places.sort_unstable();
    places
}

/// For each of `varying` the index of one place of its group.
fn join(corpus: &[&Heard], places: &Places, varying: &[Place]) -> Vec<usize> {
    let at: FxHashMap<Place, u32> = varying.iter().copied().zip(0..).collect();
    // By place: how many values it has in each sequence that has it.
    let mut counts: Vec<Vec<(usize, u32)>> = vec![Vec::new(); varying.len()];
    let mut shared: FxHashMap<(u32, u32), u64> = FxHashMap::default();
    for (sequence, heard) in corpus.iter().enumerate() {
        let mut values: FxHashMap<u32, BTreeSet<u32>> = FxHashMap::default();
        for index in 0..heard.keys.len() {
            for (_, place, hash) in places.names(heard, index) {
                if let Some(place) = at.get(&place) {
                    values.entry(hash).or_default().insert(*place);
                }
            }
        }
        for joined in values.into_values() {
            for place in &joined {
                match counts[*place as usize].last_mut() {
                    Some((last, values)) if *last == sequence => *values += 1,
                    _ => counts[*place as usize].push((sequence, 1)),
                }
            }
            if joined.len() <= JOINED_MAX {
                for (skip, one) in joined.iter().enumerate() {
                    for other in joined.iter().skip(skip + 1) {
                        *shared.entry((*one, *other)).or_default() += 1;
                    }
                }
            }
        }
    }
    let mut roots: Vec<usize> = (0..varying.len()).collect();
    let mut shared: Vec<((u32, u32), u64)> = shared.into_iter().collect();
    shared.sort_unstable();
    for ((one, other), values) in shared {
        let (one, other) = (one as usize, other as usize);
        if values as f64 >= OVERLAP_MIN * in_both(&counts[one], &counts[other]) as f64 {
            let (one, other) = (root(&roots, one), root(&roots, other));
            roots[one.max(other)] = one.min(other);
        }
    }
    (0..varying.len())
        .map(|place| root(&roots, place))
        .collect()
}

/// How many values two places could share in the sequences that have both.
fn in_both(one: &[(usize, u32)], other: &[(usize, u32)]) -> u64 {
    let mut others = other.iter().peekable();
    let mut all = 0;
    for (sequence, values) in one {
        while others.next_if(|(other, _)| other < sequence).is_some() {}
        if let Some((_, others)) = others.next_if(|(other, _)| other == sequence) {
            all += u64::from(*values.min(others));
        }
    }
    all
}
