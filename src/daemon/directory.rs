//! Who there is, whose a service is and on what it depends: what teams, tokens and a catalog say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::record::StreamKey;
use crate::core::silence::Teams;
use crate::edge::api::Gate;
use crate::edge::catalog::{Dependency, Listing};

/// Most services that are remembered to be looked up; with one more, all are forgotten and met anew.
const SERVICES_MAX: usize = 16_384;

/// Looks up people and services.
pub(super) struct Directory {
    gate: Gate,
    /// Whether there is a catalog, also before it first answers.
    catalog_is_asked: Arc<AtomicBool>,
    listing: Arc<Listing>,
    /// Services that came up, whatever they sent.
    services: BTreeSet<StreamKey>,
    is_due: bool,
}

/// What the catalog says of the services that came up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) dependencies: Vec<Dependency>,
    pub(super) owners: BTreeMap<StreamKey, Box<str>>,
}

impl Directory {
    pub(super) fn new(gate: Gate, catalog_is_asked: Arc<AtomicBool>) -> Self {
        Self {
            gate,
            catalog_is_asked,
            listing: Arc::default(),
            services: BTreeSet::new(),
            is_due: false,
        }
    }

    /// The catalog says this. It is told again and again, and mostly it is the same.
    pub(super) fn listed(&mut self, listing: Arc<Listing>) {
        if Arc::ptr_eq(&self.listing, &listing) {
            return;
        }
        let entities = listing.entities().len();
        tracing::info!(entities, "The catalog was read.");
        self.listing = listing;
        self.is_due = true;
    }

    /// A service came up.
    pub(super) fn meet(&mut self, service: &StreamKey) {
        if self.services.contains(service) {
            return;
        }
        if self.services.len() >= SERVICES_MAX {
            self.services.clear();
        }
        self.services.insert(service.clone());
        self.is_due |= !self.listing.is_empty();
    }

    /// What the catalog says, where there is a new service or it says something new.
    pub(super) fn look_up(&mut self) -> Option<Known> {
        std::mem::take(&mut self.is_due).then(|| self.known())
    }

    /// What the catalog says of all services that came up.
    pub(super) fn known(&self) -> Known {
        let services: Vec<&StreamKey> = self.services.iter().collect();
        let owners = services.iter().filter_map(|service| {
            let owner = self.listing.owner_of(service)?;
            Some(((*service).clone(), owner.into()))
        });
        Known {
            owners: owners.collect(),
            dependencies: self.listing.dependencies(services),
        }
    }

    /// Whether there is somebody of this name: one of `teams`, a holder of a token, or somebody of the
    /// catalog. Where nobody tells who there is, or may tell it still, everybody is known.
    pub(super) fn is_known(&self, name: &str, teams: &Teams) -> bool {
        let has_teams = teams.iter().next().is_some();
        let is_asked = self.catalog_is_asked.load(Ordering::Relaxed);
        if self.listing.is_empty() && (is_asked || !has_teams) {
            return true;
        }
        let name = name.trim();
        let is_team = teams
            .iter()
            .any(|team| team.name.eq_ignore_ascii_case(name));
        is_team || self.gate.knows(name) || self.listing.has_person(name)
    }
}
