//! What is told of a case, and when.

use std::sync::Arc;

use super::case::{Case, Told};
use super::correlator::{Correlator, Pending};
use super::gravity::{self, Question};
use super::identity::{self, ID_LEN};
use super::past::Past;
use crate::core::event::{Cause, Incident, IncidentEvent, Route, Stage, Verdict};

impl Correlator {
    /// The first word about a case that has settled.
    pub(super) fn tell_first(&mut self, key: u64) {
        let now = self.clock.now();
        let Some(case) = self.cases.get_mut(&key) else {
            return;
        };
        let Some(first) = case.signs().next() else {
            return;
        };
        let fingerprint = recurrent_fingerprint(case, &self.past);
        case.told = Some(Told {
            id: identity::id(&fingerprint, &first.id),
            fingerprint,
            revision: 0,
            detected: now.time,
            looked: now.moment,
            gravity: case.gravity(),
            services: case.parts.len(),
            pages: false,
            signs: 0,
            title: "".into(),
            cause: Cause::default(),
            route: Route::default(),
        });
        self.tell(key, Stage::Opened);
    }

    /// Queues what is to be told of a case as it is now.
    pub(super) fn tell(&mut self, key: u64, stage: Stage) {
        let at = self.clock.now();
        if let Some(told) = self.cases.get_mut(&key).and_then(|case| case.told.as_mut()) {
            told.revision += 1;
        }
        let incident = self.cases.get(&key).and_then(|case| self.incident(case));
        if let Some(incident) = incident {
            self.noted(key, &incident);
            let at = at.time;
            self.pending.push_back(Pending {
                case: key,
                stage,
                at,
                incident,
            });
        }
    }

    /// Notes what is told of a case, so that only what is new is told later.
    pub(super) fn noted(&mut self, key: u64, incident: &Incident) {
        let now = self.clock.now().moment;
        if let Some(case) = self.cases.get_mut(&key) {
            let (services, signs) = (case.parts.len(), case.sign_count);
            if let Some(told) = case.told.as_mut() {
                told.looked = now;
                told.gravity = incident.severity;
                told.services = services;
                told.signs = signs;
                told.pages = incident.route.pages;
            }
        }
    }

    /// Asks for the route of what is about to be told, and keeps what the shell found.
    pub(super) fn finish(
        &mut self,
        pending: Pending,
        route: &mut impl FnMut(&mut Incident, Stage),
    ) -> IncidentEvent {
        let Pending {
            case: key,
            stage,
            at,
            mut incident,
        } = pending;
        route(&mut incident, stage);
        // It is no evidence: neither cause nor route are to see it.
        if let Some(case) = self.cases.get(&key) {
            case.show_company(&mut incident);
        }
        if let Some(told) = self.cases.get_mut(&key).and_then(|case| case.told.as_mut()) {
            told.title.clone_from(&incident.title);
            told.cause.clone_from(&incident.cause);
            told.route.clone_from(&incident.route);
        }
        let revision = incident.revision.to_string();
        IncidentEvent {
            id: identity::digest(&["event", &incident.id, &revision], ID_LEN),
            stage,
            at,
            incident: Arc::new(incident),
        }
    }

    /// The cases of which there may be something new to tell.
    pub(super) fn to_look_at(&self) -> Vec<u64> {
        let now = self.clock.now().moment;
        let due = |case: &Case| {
            let Some(told) = case.told.as_ref().filter(|_| case.is_live()) else {
                return false;
            };
            let rested = now.since(told.looked) >= self.settings.update_every;
            case.gravity() > told.gravity
                || rested && (case.sign_count > told.signs || !told.pages && self.pages(case).0)
        };
        let cases = self.cases.iter().filter(|(_, case)| due(case));
        cases.map(|(key, _)| *key).collect()
    }

    /// Tells of a case if there is something of weight: it is graver or pages now, its services more
    /// than doubled, or the verdict or the suspect that it names is another.
    pub(super) fn update(
        &mut self,
        key: u64,
        cause: &mut impl FnMut(&mut Incident),
        route: &mut impl FnMut(&mut Incident, Stage),
    ) -> Option<IncidentEvent> {
        let case = self.cases.get(&key)?;
        let told = case.told.as_ref()?;
        let mut incident = self.incident(case)?;
        let suspect = |incident: &Incident| {
            let cause = &incident.cause;
            let named = cause.suspects.first();
            let named = named.filter(|_| cause.verdict != Verdict::NotEnoughEvidence);
            (cause.verdict, named.map(|suspect| suspect.stream.clone()))
        };
        let before = suspect(&incident);
        cause(&mut incident);
        let is_news = incident.severity > told.gravity
            || incident.route.pages && !told.pages
            || case.parts.len() > 2 * told.services
            || suspect(&incident) != before;
        if is_news {
            let at = self.clock.now().time;
            incident.revision += 1;
            self.noted(key, &incident);
            if let Some(told) = self.cases.get_mut(&key).and_then(|case| case.told.as_mut()) {
                told.revision = incident.revision;
            }
            let pending = Pending {
                case: key,
                stage: Stage::Updated,
                at,
                incident,
            };
            return Some(self.finish(pending, route));
        }
        let now = self.clock.now().moment;
        let told = self.cases.get_mut(&key)?.told.as_mut()?;
        told.looked = now;
        None
    }

    /// A case as it is to be told, with what is known of the times before.
    pub(super) fn incident(&self, case: &Case) -> Option<Incident> {
        let mut incident = self.with_past(case)?;
        let (pages, why) = self.pages(case);
        incident.route.pages = pages;
        incident.route.why = why;
        Some(incident)
    }

    /// A case as the world knows it, with the route that it was last told by.
    pub(super) fn known(&self, case: &Case) -> Option<Incident> {
        let mut incident = self.with_past(case)?;
        case.show_company(&mut incident);
        Some(incident)
    }

    fn with_past(&self, case: &Case) -> Option<Incident> {
        let mut incident = case.incident()?;
        incident.before = self.past.before(&incident.fingerprint);
        Some(incident)
    }

    pub(super) fn pages(&self, case: &Case) -> (bool, Box<str>) {
        if case.is_rest {
            return (false, Self::REST_WHY.into());
        }
        let now = self.clock.now().moment;
        let fingerprint = case.told.as_ref().map_or("", |told| &told.fingerprint);
        let of_late = self.past.of_late(fingerprint, now);
        gravity::pages(&Question {
            gravity: case.gravity(),
            class: case.class(),
            frequent: Some(of_late).filter(|times| *times >= self.settings.frequent),
            lasted_now: case.lasted(),
            lasted_before: self.past.mostly_lasted(fingerprint),
        })
    }
}

/// What recurs of a case: of what the service that broke first says, what was the lead before, or else
/// the gravest and first.
fn recurrent_fingerprint(case: &Case, past: &Past) -> Box<str> {
    let lead = case.signs().next().map(|first| first.stream.clone());
    let own = case
        .signs()
        .filter(|sign| Some(&sign.stream) == lead.as_ref());
    let mut candidates: Vec<_> = own.map(|sign| (gravity::of_sign(sign), sign)).collect();
    candidates.sort_by_key(|(gravity, _)| std::cmp::Reverse(*gravity));
    let names: Vec<Box<str>> = candidates
        .iter()
        .map(|(_, sign)| identity::fingerprint(sign))
        .collect();
    let known = names.iter().find(|name| past.knows(name));
    known.or(names.first()).cloned().unwrap_or_default()
}
