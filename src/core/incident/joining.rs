//! Signs find their cases, and cases that are one trouble become one.

use std::sync::Arc;

use super::case::Case;
use super::clock::{Moment, When};
use super::correlator::Correlator;
use crate::core::event::{IncidentState, Relation, Sign, Source};
use crate::core::topology::Topology;

impl Correlator {
    /// Puts a sign into the case that it belongs to, or into a new one. Gives the case.
    pub(super) fn join(&mut self, sign: &Arc<Sign>, topology: &Topology, at: When) -> u64 {
        let (home, relation) = match self.returned(sign, at.moment) {
            Some(home) => {
                self.open_again(home);
                (home, Relation::Time)
            }
            None => self.home(sign, topology, at),
        };
        self.put(sign, at, (home, relation));
        home
    }

    pub(super) fn put(&mut self, sign: &Arc<Sign>, at: When, (home, relation): (u64, Relation)) {
        let now = self.clock.now().moment;
        self.counts.joined += 1;
        if let Some(case) = self.cases.get_mut(&home) {
            case.push(sign, at, now, relation);
            if !case.is_rest {
                self.places.enter(home, case, sign);
            }
        }
    }

    /// The case that has this very sign and is over, but not for long.
    pub(super) fn returned(&self, sign: &Sign, at: Moment) -> Option<u64> {
        let back = |case: &Case| {
            let ended = case.ended.as_ref().map(|(ended, _)| *ended);
            case.state == IncidentState::Resolved
                && !case.is_rest
                && ended.is_some_and(|ended| at > ended)
                && case.keys.contains(&sign.fingerprint)
        };
        if self.places.home(sign, &self.cases).is_some() {
            return None;
        }
        let found = self.cases.iter().rev().find(|(_, case)| back(case));
        found.map(|(key, _)| *key)
    }

    /// The case that a sign belongs to, and why: an open one, or a new one.
    pub(super) fn home(
        &mut self,
        sign: &Arc<Sign>,
        topology: &Topology,
        at: When,
    ) -> (u64, Relation) {
        let found = self
            .places
            .find(sign, at, (topology, &self.settings), &self.cases);
        let is_new_here = self.places.home(sign, &self.cases).is_none();
        let (home, relation) = match found.best {
            Some(best) => best,
            None if self.cases.len() >= Self::INCIDENTS_LIVE_MAX => self.crowd(at),
            None => (self.begin(at), Relation::First),
        };
        let is_alert = sign.source == Source::Alert;
        if is_new_here && !is_alert {
            self.places.newcomer(at.moment, home);
        }
        let home = self.join_storm(home, at.moment);
        let home = found
            .same
            .into_iter()
            .fold(home, |home, (other, why)| self.merge(home, other, why));
        (home, relation)
    }

    pub(super) fn begin(&mut self, at: When) -> u64 {
        let key = self.next_case;
        self.next_case += 1;
        let now = self.clock.now().moment;
        self.cases.insert(key, Case::new(at, now));
        key
    }

    /// Where signs go when there are too many incidents.
    pub(super) fn crowd(&mut self, at: When) -> (u64, Relation) {
        let live = self.cases.iter().rev().find(|(_, case)| case.is_live());
        match live.map(|(key, _)| *key) {
            Some(key) => (key, Relation::Time),
            None => {
                // All are over: the one that ended first makes room.
                if let Some(key) = self.cases.keys().next().copied() {
                    self.bury(key);
                }
                (self.begin(at), Relation::First)
            }
        }
    }

    /// Merges what broke at once with what broke at `at` in the case `home`. Gives where that is now.
    pub(super) fn join_storm(&mut self, home: u64, at: Moment) -> u64 {
        let storm = self.places.storm(at, &self.settings, &self.cases);
        let storm = if storm.contains(&home) {
            storm
        } else {
            Vec::new()
        };
        storm
            .into_iter()
            .fold(home, |home, other| self.merge(home, other, Relation::Time))
    }

    /// Makes one of two cases that are one trouble, the one that began first. Gives its key. If the
    /// other was told, it is resolved, with a note that names the one it is part of.
    pub(super) fn merge(&mut self, one: u64, other: u64, why: Relation) -> u64 {
        let live = |key| self.cases.get(&key).filter(|case| case.is_live());
        let began = |key| live(key).map(Case::seniority);
        let (Some(a), Some(b)) = (began(one), began(other)) else {
            return one;
        };
        if one == other {
            return one;
        }
        let (older, younger) = if (a, one) <= (b, other) {
            (one, other)
        } else {
            (other, one)
        };
        let Some(gone) = self.cases.remove(&younger) else {
            return older;
        };
        if let Some(case) = self.cases.get_mut(&older) {
            case.merge(&gone, why);
            self.places.merge((younger, &gone), (older, case));
        }
        if gone.told.is_some() && gone.is_live() {
            let into = self.cases.get(&older).and_then(|case| case.told.as_ref());
            let note = match into {
                Some(told) => format!("{}{}", Self::PART_OF, told.id),
                None => "it is part of another incident".to_owned(),
            };
            self.cases.insert(younger, gone.emptied());
            self.end(younger, IncidentState::Resolved, self.ourselves(Some(note)));
        }
        older
    }
}
