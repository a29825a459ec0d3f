//! What records have in common: which values name one thing (a node, a request), found and not
//! configured, and the parts of a sequence that concern each thing.
//!
//! A *place* is one value of one template. Places that hold the same values within sequences name
//! one kind of thing, and are a *link*: **shared** where its values come in many sequences (nodes,
//! workers), **local** where each comes in one (requests within a session). Some records name their
//! thing by another name, such as a volume of a node. Such an alias is learned where both names
//! stand in one record, and is resolved within the sequence, so that it holds for things that were
//! never seen in training too.

mod groups;
mod learn;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Heard;
use crate::core::model::Key;

/// Most parts of one sequence.
pub const PARTS_MAX: usize = 64;
/// Most requests that one stretch of records is separated into.
pub(super) const REQUESTS_MAX: usize = 65_536;
/// Most kinds of things.
pub(super) const LINKS_MAX: usize = 4;
/// Most aliases of known things that are kept.
const KNOWN_MAX: usize = 4_096;

/// Which places of which templates name the same kind of thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    places: Places,
    roles: BTreeMap<Place, Role>,
    links: u16,
    /// The link that separates the requests of what a process says.
    requests: Option<u16>,
    /// Template and two places in it where a request gets another name.
    renames: BTreeSet<(u16, u8, u8)>,
    /// By link and alias: the thing, of aliases that came in many sequences.
    known: BTreeMap<(u16, u32), u32>,
}

/// A value of a template: its key and where in the row.
type Place = (u16, u8);

/// What a place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Role {
    link: u16,
    /// 0 where it names the thing, else by how many steps of aliases.
    level: u8,
}

/// Most steps from an alias to a thing.
const LEVELS_MAX: u8 = 3;

/// The records of a sequence that concern one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which kind of thing: the index of the link.
    pub link: u16,
    /// The thing: the hash of the value that names it.
    pub value: u32,
    /// Where it is named first: index of the known record, place of the value in it.
    pub named_at: (u32, u32),
    /// The records that concern it, ascending indices of known records.
    pub indices: Vec<usize>,
}

/// How many values each template has at least. Rows are longer where a list is; what is beyond is
/// one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Places {
    row_lens: BTreeMap<u16, u8>,
}

impl Places {
    fn of(corpus: &[&Heard]) -> Self {
        let mut row_lens = BTreeMap::new();
        for heard in corpus {
            for (index, key) in heard.keys.iter().enumerate() {
                let len = u8::try_from(heard.values.row(index).len()).unwrap_or(u8::MAX);
                let least = row_lens.entry(key.0).or_insert(len);
                *least = len.min(*least);
            }
        }
        Self { row_lens }
    }

    /// The names in a record: where in the row, the place, the hash.
    fn names<'a>(
        &self,
        heard: &'a Heard,
        index: usize,
    ) -> impl Iterator<Item = (u32, Place, u32)> + use<'a> {
        let key = heard.keys.get(index).copied().unwrap_or(Key::BEGIN).0;
        let rest = self.row_lens.get(&key).copied().unwrap_or(0);
        let row = heard.values.row(index).iter().zip(0..);
        row.filter(|(value, _)| value.number.is_nan())
            .map(move |(value, at)| (u32::from(at), (key, rest.min(at)), value.hash))
    }
}

impl Links {
    /// Finds the links in normal sequences. Sequences without values link nothing.
    pub fn learn(corpus: &[Heard]) -> Self {
        learn::learn(corpus)
    }

    /// Whether nothing links records.
    pub fn is_empty(&self) -> bool {
        self.links == 0
    }

    /// How many kinds of things there are.
    pub fn len(&self) -> usize {
        usize::from(self.links)
    }

    /// The parts of a sequence, by link and then in the order in which things are named first; at
    /// most [`PARTS_MAX`], and the requests beside them where a process says the sequence.
    pub fn parts(&self, heard: &Heard) -> Vec<Part> {
        let links = (0..self.links).filter(|link| Some(*link) != self.requests);
        let mut parts = self.parts_by(heard, links, PARTS_MAX);
        if self.separates() {
            parts.extend(self.separate(heard));
        }
        parts
    }

    /// Whether what a process says can be separated into requests.
    pub fn separates(&self) -> bool {
        self.requests.is_some()
    }

    /// The requests in what a process says, in the order in which they are named first; at most
    /// [`REQUESTS_MAX`]. A record that names several belongs to each.
    pub fn separate(&self, heard: &Heard) -> Vec<Part> {
        let parts = self.parts_by(heard, self.requests, REQUESTS_MAX);
        self.joined(heard, parts)
    }

    /// Puts requests together that are one under several names.
    fn joined(&self, heard: &Heard, parts: Vec<Part>) -> Vec<Part> {
        let of: FxHashMap<u32, usize> = parts.iter().map(|part| part.value).zip(0..).collect();
        let mut roots: Vec<usize> = (0..parts.len()).collect();
        for index in 0..heard.keys.len() {
            let names: Vec<_> = self.places.names(heard, index).collect();
            for (_, (key, old), from) in &names {
                for (_, (_, new), to) in &names {
                    let one = of.get(from).zip(of.get(to));
                    let is_one = self.renames.contains(&(*key, *old, *new));
                    if let Some((from, to)) = one.filter(|_| is_one) {
                        let (from, to) = (root(&roots, *from), root(&roots, *to));
                        roots[from.max(to)] = from.min(to);
                    }
                }
            }
        }
        let mut joined: BTreeMap<usize, Part> = BTreeMap::new();
        for (at, part) in parts.into_iter().enumerate() {
            match joined.entry(root(&roots, at)) {
                Entry::Vacant(free) => {
                    free.insert(part);
                }
                Entry::Occupied(mut known) => known.get_mut().indices.extend(part.indices),
            }
        }
        let joined = joined.into_values().map(|mut part| {
            part.indices.sort_unstable();
            part.indices.dedup();
            part
        });
        joined.collect()
    }

    fn parts_by(
        &self,
        heard: &Heard,
        links: impl IntoIterator<Item = u16>,
        parts_max: usize,
    ) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut of: FxHashMap<(u16, u32), usize> = FxHashMap::default();
        for link in links {
            for (index, things) in self.named(heard, link).into_iter().enumerate() {
                for (at, value) in things {
                    let known = of.get(&(link, value));
                    if let Some(part) = known.and_then(|known| parts.get_mut(*known)) {
                        if part.indices.last() != Some(&index) {
                            part.indices.push(index);
                        }
                    } else if parts.len() < parts_max {
                        of.insert((link, value), parts.len());
                        parts.push(Part {
                            link,
                            value,
                            named_at: (u32::try_from(index).unwrap_or(u32::MAX), at),
                            indices: vec![index],
                        });
                    }
                }
            }
        }
        parts
    }

    /// The things that each record concerns, and where in its row they are named.
    fn named(&self, heard: &Heard, link: u16) -> Vec<Vec<(u32, u32)>> {
        let mut named = vec![Vec::new(); heard.keys.len()];
        let [things, other_names @ ..] = self.names(heard, link);
        for (index, at, hash) in things {
            named[index].push((at, hash));
        }
        for names in other_names {
            let mut aliases: FxHashMap<u32, u32> = FxHashMap::default();
            for (index, _, hash) in &names {
                if let Some(thing) = only(&named[*index]) {
                    aliases.entry(*hash).or_insert(thing);
                }
            }
            let mut found = Vec::new();
            for (index, at, hash) in names {
                let known = || self.known.get(&(link, hash)).copied();
                if named[index].is_empty()
                    && let Some(thing) = aliases.get(&hash).copied().or_else(known)
                {
                    found.push((index, (at, thing)));
                }
            }
            for (index, thing) in found {
                named[index].push(thing);
            }
        }
        named
    }

    /// The names of things of `link` by level: record, where in its row, hash.
    fn names(&self, heard: &Heard, link: u16) -> [Vec<(usize, u32, u32)>; LEVELS_MAX as usize + 1] {
        let mut names = <[Vec<_>; LEVELS_MAX as usize + 1]>::default();
        for index in 0..heard.keys.len() {
            for (at, place, hash) in self.places.names(heard, index) {
                if let Some(role) = self.roles.get(&place).filter(|role| role.link == link) {
                    names[usize::from(role.level)].push((index, at, hash));
                }
            }
        }
        names
    }
}

/// The first of those that are one with `at`.
fn root(roots: &[usize], mut at: usize) -> usize {
    while roots[at] != at {
        at = roots[at];
    }
    at
}

/// The thing that all names of a record stand for, if it is one.
fn only(named: &[(u32, u32)]) -> Option<u32> {
    let (_, first) = named.first()?;
    named
        .iter()
        .all(|(_, thing)| thing == first)
        .then_some(*first)
}
