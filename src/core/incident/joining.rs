//! Signs find their cases, and cases that are one trouble become one.

use std::sync::Arc;

use super::case::Case;
use super::clock::{Moment, When};
use super::correlator::Correlator;
use super::gravity;
use crate::core::event::{IncidentState, Relation, Sign, Source};
use crate::core::topology::Topology;

impl Correlator {
    /// Puts a sign into the case that it belongs to, or into a new one. Gives the case.
    pub(super) fn join(&mut self, sign: &Arc<Sign>, topology: &Topology, at: When) -> u64 {
        if let Some(home) = self.returned(sign, at.moment) {
            self.open_again(home);
            self.put(sign, at, (home, Relation::Time));
            return home;
        }
        if let Some(home) = self.was_of(sign, at.moment) {
            let last = self.clock.when(sign.last_seen);
            self.counts.joined += 1;
            if let Some(case) = self.cases.get_mut(&home) {
                case.count_late(sign, last);
            }
            return home;
        }
        let (home, relation) = self.home(sign, topology, at);
        self.put(sign, at, (home, relation));
        home
    }

    /// A sign that came before: it keeps its case going. What somebody ended while it goes on is opened
    /// again; what is only sent again opens nothing.
    pub(super) fn again(&mut self, sign: &Arc<Sign>) -> Option<u64> {
        let now = self.clock.now().moment;
        let last = self.clock.believed(sign.last_seen);
        let home = match self.places.home(sign, &self.cases) {
            Some(home) => home,
            None => {
                let home = self.returned(sign, last?.moment)?;
                self.open_again(home);
                home
            }
        };
        self.cases.get_mut(&home)?.again(sign, last, now);
        Some(home)
    }

    pub(super) fn put(&mut self, sign: &Arc<Sign>, at: When, (home, relation): (u64, Relation)) {
        let now = self.clock.now().moment;
        let last = self.clock.when(sign.last_seen);
        self.counts.joined += 1;
        if let Some(case) = self.cases.get_mut(&home) {
            case.push(sign, (at, last), now, relation);
            if !case.is_rest {
                self.places.enter(home, case, sign);
            }
        }
    }

    /// The case that has this very sign and is over, but not for long, and that the sign, which was
    /// there `at` this moment, shows to go on: after somebody ended it, or after all that was seen of it
    /// when it went quiet.
    pub(super) fn returned(&self, sign: &Sign, at: Moment) -> Option<u64> {
        self.over(sign, |case| match &case.ended {
            Some((ended, _)) if case.was_ended_by_somebody() => at > *ended,
            Some(_) => at > case.last.moment,
            None => false,
        })
    }

    /// The case that has this very sign, as grave as that, and is over, but not for long: the sign comes
    /// too late to show anything new.
    fn was_of(&self, sign: &Sign, at: Moment) -> Option<u64> {
        let gravity = gravity::of_sign(sign);
        self.over(sign, |case| {
            let ended = case.ended.as_ref();
            ended.is_some_and(|(ended, _)| at <= *ended) && gravity <= case.gravity()
        })
    }

    /// The latest case that has this very sign, is over and `is_it`; none where the sign has a home.
    fn over(&self, sign: &Sign, is_it: impl Fn(&Case) -> bool) -> Option<u64> {
        if self.places.home(sign, &self.cases).is_some() {
            return None;
        }
        let found = self.cases.iter().rev().find(|(_, case)| {
            case.state == IncidentState::Resolved
                && !case.is_rest
                && case.keys.contains_key(&sign.fingerprint)
                && is_it(case)
        });
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
                // All are over: the one that began first makes room.
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
