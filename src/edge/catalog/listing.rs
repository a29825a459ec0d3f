//! All entities of a catalogue, asked about services.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::Entity;
use crate::core::record::StreamKey;

/// What a catalogue says about services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    entities: Vec<Entity>,
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
        Self { entities }
    }

    /// The entities, by reference.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// The team that owns `stream`, where the catalogue knows both.
    pub fn owner_of(&self, stream: &StreamKey) -> Option<&str> {
        let mut known = self.entities.iter();
        known
            .find(|entity| entity.owner.is_some() && is_of(entity, stream))
            .and_then(|entity| entity.owner.as_deref())
    }

    /// Which of the services `known` depend on which others: those of one environment, and where there
    /// are several of a name, of one namespace. In order, at most [`Listing::DEPENDENCIES_MAX`].
    pub fn dependencies(&self, known: &[StreamKey]) -> Vec<Dependency> {
        let mut streams: BTreeMap<&str, Vec<&StreamKey>> = BTreeMap::new();
        for entity in &self.entities {
            let of_it = known.iter().filter(|stream| is_of(entity, stream));
            streams.insert(&entity.reference, of_it.collect());
        }
        let of = |reference: &str| {
            streams
                .get(reference)
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let mut found = BTreeSet::new();
        let related = self.entities.iter().flat_map(related);
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
