//! Which groups of places are links, and which are other names for the things of a link.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::groups::{Group, groups};
use super::{KNOWN_MAX, LEVELS_MAX, LINKS_MAX, Links, Place, Places, Role, only};
use crate::core::detect::Heard;

/// Most sequences that links are learned from, spread over all.
const SEQUENCES_MAX: usize = 20_000;
/// A name is an alias where so large a share of its values stand for one thing.
const ALIAS_MIN: f64 = 0.99;
/// A record with more names than these lists requests and gives none of them another name.
const RENAMED_MAX: usize = 6;
/// Least values of a name to tell.
const SUPPORT_MIN: u64 = 10;

/// Finds the links in normal sequences.
pub(super) fn learn(corpus: &[Heard]) -> Links {
    let with_values = corpus.iter().filter(|heard| !heard.values.is_empty());
    let corpus: Vec<&Heard> = with_values.collect();
    let step = corpus.len().div_ceil(SEQUENCES_MAX).max(1);
    let corpus: Vec<&Heard> = corpus.into_iter().step_by(step).collect();
    let places = Places::of(&corpus);
    let mut left = groups(&corpus, &places);
    let mut links = Links {
        places,
        ..Links::default()
    };
    let has_joined = corpus.iter().filter(|heard| !heard.begins).count();
    if has_joined * 2 > corpus.len()
        && let Some(at) = left.iter().position(Group::is_passing)
    {
        links.requests = Some(links.links);
        links.found(&corpus, &mut left, at);
        links.find_renames(&corpus);
    }
    while links.len() < LINKS_MAX
        && let Some(at) = left.iter().position(|group| group.is_shared(corpus.len()))
    {
        links.found(&corpus, &mut left, at);
    }
    links
}

impl Links {
    /// Makes a link of the group `at` and of its aliases.
    fn found(&mut self, corpus: &[&Heard], left: &mut Vec<Group>, at: usize) {
        let link = self.links;
        self.links += 1;
        self.take(left.remove(at), Role { link, level: 0 });
        for level in 1..=LEVELS_MAX {
            for group in self.aliases(corpus, left, link).into_iter().rev() {
                self.take(left.remove(group), Role { link, level });
            }
        }
        self.remember(corpus, link);
    }

    fn take(&mut self, group: Group, role: Role) {
        let roles = group.places.into_iter().map(|place| (place, role));
        self.roles.extend(roles);
    }

    /// Which of the groups `left` name the things of `link` by other names, and do so in records
    /// that have no better name.
    fn aliases(&self, corpus: &[&Heard], left: &[Group], link: u16) -> Vec<usize> {
        let group_of: FxHashMap<Place, usize> = left
            .iter()
            .enumerate()
            .flat_map(|(group, of)| of.places.iter().map(move |place| (*place, group)))
            .collect();
        let mut tallies = vec![Tally::default(); left.len()];
        for heard in corpus {
            let named = self.named(heard, link);
            let mut found: BTreeMap<(usize, u32), BTreeSet<u32>> = BTreeMap::new();
            for (index, things) in named.iter().enumerate() {
                for (_, place, hash) in self.places.names(heard, index) {
                    let Some(group) = group_of.get(&place) else {
                        continue;
                    };
                    match only(things) {
                        Some(thing) => {
                            found.entry((*group, hash)).or_default().insert(thing);
                        }
                        None if things.is_empty() => tallies[*group].bare += 1,
                        None => {}
                    }
                }
            }
            tally(&found, &mut tallies);
        }
        (0..left.len())
            .filter(|group| tallies[*group].is_alias())
            .collect()
    }

    /// Finds places where a request gets another name: in all records with both, each old name has
    /// one new one and each new name one old one.
    fn find_renames(&mut self, corpus: &[&Heard]) {
        let role = self.requests.map(|link| Role { link, level: 0 });
        let mut lists: BTreeSet<u16> = BTreeSet::new();
        let mut pairs: BTreeMap<(u16, u8, u8), BTreeSet<(u32, u32)>> = BTreeMap::new();
        for heard in corpus {
            for index in 0..heard.keys.len() {
                let mut names: Vec<_> = self.places.names(heard, index).collect();
                names.retain(|(_, place, _)| self.roles.get(place).copied() == role);
                if names.len() > RENAMED_MAX {
                    lists.extend(heard.keys.get(index).map(|key| key.0));
                }
                for (skip, (_, (key, old), from)) in names.iter().enumerate() {
                    for (_, (_, new), to) in names.iter().skip(skip + 1) {
                        if from != to {
                            let pair = pairs.entry((*key, *old, *new)).or_default();
                            pair.insert((*from, *to));
                        }
                    }
                }
            }
        }
        pairs.retain(|(key, ..), pairs| {
            let old: BTreeSet<u32> = pairs.iter().map(|(old, _)| *old).collect();
            let new: BTreeSet<u32> = pairs.iter().map(|(_, new)| *new).collect();
            let distinct = old.len().min(new.len());
            !lists.contains(key)
                && distinct as u64 >= SUPPORT_MIN
                && distinct as f64 >= ALIAS_MIN * pairs.len() as f64
        });
        self.renames = pairs.into_keys().collect();
    }

    /// Keeps what aliases that come in many sequences stand for.
    fn remember(&mut self, corpus: &[&Heard], link: u16) {
        let mut stand_for: BTreeMap<u32, BTreeMap<u32, u32>> = BTreeMap::new();
        for heard in corpus {
            let named = self.named(heard, link);
            let mut pairs = BTreeSet::new();
            for (index, things) in named.iter().enumerate() {
                let Some(thing) = only(things) else {
                    continue;
                };
                let names = self.places.names(heard, index);
                pairs.extend(
                    names
                        .filter(|(_, place, _)| {
                            let role = self.roles.get(place);
                            role.is_some_and(|role| role.link == link && role.level > 0)
                        })
                        .map(|(.., hash)| (hash, thing)),
                );
            }
            for (hash, thing) in pairs {
                *stand_for.entry(hash).or_default().entry(thing).or_default() += 1;
            }
        }
        let mut known: Vec<(u32, u32, u32)> = stand_for
            .into_iter()
            .filter_map(|(hash, things)| {
                let all: u32 = things.values().sum();
                let (thing, most) = things.into_iter().max_by_key(|(_, sequences)| *sequences)?;
                let is_sure = f64::from(most) >= ALIAS_MIN * f64::from(all);
                (most > 1 && is_sure).then_some((most, hash, thing))
            })
            .collect();
        known.sort_by_key(|(sequences, hash, _)| (std::cmp::Reverse(*sequences), *hash));
        known.truncate(KNOWN_MAX / LINKS_MAX);
        self.known.extend(
            known
                .into_iter()
                .map(|(_, hash, thing)| ((link, hash), thing)),
        );
    }
}

/// How sure a group names the things of a link.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Values of sequences that had several things and several values.
    values: u64,
    /// Of these, those that stand for one thing.
    pure: u64,
    /// Records with such a value and no thing.
    bare: u64,
}

impl Tally {
    fn is_alias(&self) -> bool {
        self.bare > 0
            && self.values >= SUPPORT_MIN
            && self.pure as f64 >= ALIAS_MIN * self.values as f64
    }
}

fn tally(found: &BTreeMap<(usize, u32), BTreeSet<u32>>, tallies: &mut [Tally]) {
    let mut groups: BTreeMap<usize, (u64, u64, BTreeSet<u32>)> = BTreeMap::new();
    for ((group, _), things) in found {
        let (values, pure, all) = groups.entry(*group).or_default();
        *values += 1;
        *pure += u64::from(things.len() == 1);
        all.extend(things);
    }
    for (group, (values, pure, things)) in groups {
        // One value for one thing may be chance: all could have the same value.
        if things.len() > 1 {
            tallies[group].values += values;
            tallies[group].pure += if values > 1 { pure } else { 0 };
        }
    }
}
