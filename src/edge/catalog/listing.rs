//! All entities of a catalogue, asked about services.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::{Entity, person};
use crate::core::record::StreamKey;

/// What a catalogue says about services and people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    entities: Vec<Entity>,
    /// By each name that a service of theirs has, in lower case, the entities in their order.
    by_name: BTreeMap<Box<str>, Vec<usize>>,
    people: BTreeSet<Box<str>>,
}

/// One service that depends on another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The one that depends on the other.
    pub caller: StreamKey,
    /// The other.
    pub callee: StreamKey,
}

impl Listing {
    /// Most dependencies that are given.
    pub const DEPENDENCIES_MAX: usize = 16_384;

    /// A listing of `entities`, put in the order of their references.
    pub fn new(mut entities: Vec<Entity>) -> Self {
        entities.sort_by(|one, other| one.reference.cmp(&other.reference));
        entities.dedup_by(|later, kept| later.reference == kept.reference);
        let people = entities.iter().flat_map(|entity| entity.people.clone());
        let people = people.collect();
        entities.retain(|entity| !entity.services.is_empty());
        let mut by_name: BTreeMap<Box<str>, Vec<usize>> = BTreeMap::new();
        for (index, entity) in entities.iter().enumerate() {
            for service in &entity.services {
                let named = by_name.entry(lower(&service.name)).or_default();
                if named.last() != Some(&index) {
                    named.push(index);
                }
            }
        }
        Self {
            entities,
            by_name,
            people,
        }
    }

    /// The components and resources, by reference.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// Whether it says nothing of anything.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty() && self.people.is_empty()
    }

    /// The team that owns `stream`, where the catalogue knows both.
    pub fn owner_of(&self, stream: &StreamKey) -> Option<&str> {
        let mut known = self.of(stream);
        known.find_map(|entity| entity.owner.as_deref())
    }

    /// Whether there is a group or somebody of this name: `payments`, `user:default/ana`.
    pub fn has_person(&self, name: &str) -> bool {
        let name = name.trim().to_lowercase();
        self.people.contains(&person(&name))
    }

    /// Which of the services `known` depend on which others: those of one environment, and where there
    /// are several of a name, of one namespace. In order, at most [`Listing::DEPENDENCIES_MAX`].
    pub fn dependencies<'a>(
        &self,
        known: impl IntoIterator<Item = &'a StreamKey>,
    ) -> Vec<Dependency> {
        let mut streams: BTreeMap<&str, (&Entity, Vec<&StreamKey>)> = BTreeMap::new();
        for stream in known {
            for entity in self.of(stream) {
                let (_, of_it) = streams
                    .entry(&entity.reference)
                    .or_insert_with(|| (entity, Vec::new()));
                of_it.push(stream);
            }
        }
        let of = |reference: &str| {
            let found = streams.get(reference);
            found.map_or([].as_slice(), |(_, of_it)| of_it.as_slice())
        };
        let mut found = BTreeSet::new();
        // A relation counts only where both of its ends came up, so these say all there is to say.
        let related = streams.values().flat_map(|(entity, _)| related(entity));
        for (caller, callee) in related.filter(|(caller, callee)| caller != callee) {
            for caller in of(caller) {
                for callee in nearest(caller, of(callee)) {
                    if found.len() == Self::DEPENDENCIES_MAX {
                        return found.into_iter().collect();
                    }
                    let (caller, callee) = ((*caller).clone(), callee.clone());
                    found.insert(Dependency { caller, callee });
                }
            }
        }
        found.into_iter().collect()
    }

    /// The entities that `stream` may be, by reference.
    fn of<'a, 's>(
        &'a self,
        stream: &'s StreamKey,
    ) -> impl Iterator<Item = &'a Entity> + use<'a, 's> {
        let named = self.by_name.get(&lower(&stream.name));
        let entities = named.into_iter().flatten();
        let entities = entities.filter_map(|index| self.entities.get(*index));
        entities.filter(|entity| is_of(entity, stream))
    }
}

fn lower(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}

fn is_of(entity: &Entity, stream: &StreamKey) -> bool {
    entity.services.iter().any(|service| service.is(stream))
}

/// Who depends on whom, as references.
fn related(entity: &Entity) -> impl Iterator<Item = (&str, &str)> {
    let of_it = &*entity.reference;
    let forth = entity.depends_on.iter().map(move |other| (of_it, &**other));
    let back = entity
        .dependency_of
        .iter()
        .map(move |other| (&**other, of_it));
    forth.chain(back)
}

/// Those of `callees` in the environment of `caller`; of these, those in its namespace if there are any.
fn nearest<'a>(caller: &StreamKey, callees: &[&'a StreamKey]) -> Vec<&'a StreamKey> {
    let others = callees.iter().copied();
    let beside: Vec<&StreamKey> = others
        .filter(|callee| callee.environment == caller.environment && *callee != caller)
        .collect();
    let near = |callee: &&StreamKey| callee.namespace == caller.namespace;
    match beside.iter().any(near) {
        true => beside.into_iter().filter(near).collect(),
        false => beside,
    }
}
