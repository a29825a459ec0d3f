//! An incident while it can still grow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::{Moment, When};
use super::company::Company;
use super::correlator::Correlator;
use super::gravity;
use crate::core::event::{
    Cause, Class, Gravity, Incident, IncidentState, Mark, Part, Relation, Route, Sign, Source,
};
use crate::core::record::{Resource, StreamKey, Timestamp, TraceId};

/// What is known of one trouble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    /// When its first sign was heard of.
    pub(super) opened: Moment,
    /// When its latest sign was heard of.
    pub(super) heard: Moment,
    /// When its first sign was first seen.
    pub(super) began: When,
    /// When the latest of its signs was last seen.
    pub(super) last: When,
    pub(super) state: IncidentState,
    pub(super) acknowledged: Option<Mark>,
    pub(super) ended: Option<(Moment, Mark)>,
    /// How often it came back after its end.
    pub(super) returns: u32,
    pub(super) parts: BTreeMap<StreamKey, Side>,
    /// The first and the gravest.
    signs: Vec<Kept>,
    pub(super) sign_count: u64,
    gravest: Gravity,
    class: Class,
    /// The fingerprints of its signs, and how many signs have each.
    pub(super) keys: BTreeMap<Box<str>, u64>,
    pub(super) traces: VecDeque<TraceId>,
    /// The foreign alerts in it: their names, each with a service that it came from.
    pub(super) alerts: BTreeSet<(Box<str>, StreamKey)>,
    /// What came along.
    pub(super) company: Company,
    /// Whether it gathers a day's alerts that are unusual and no incident each. It draws nothing, and
    /// is over when the day is.
    pub(super) is_rest: bool,
    /// Whether we ourselves saw some of it, not only others.
    pub(super) is_ours: bool,
    /// What was done about it, when, and whether it helped, where that was told.
    pub(super) done: Vec<(Box<str>, Moment, Option<bool>)>,
    /// What was told of it; `None` until it is told.
    pub(super) told: Option<Told>,
}

/// One service's side of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Side {
    resource: Arc<Resource>,
    relation: Relation,
    first: When,
    first_id: Box<str>,
    /// When the latest of its signs was last seen.
    pub(super) last: Moment,
    signs: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    at: Moment,
    sign: Arc<Sign>,
}

impl Side {
    /// Whether it was broken within `time` of `at`.
    pub(super) fn was_broken(&self, at: Moment, time: Duration) -> bool {
        at.plus(time) >= self.first.moment && at <= self.last.plus(time)
    }
}

/// What the world knows of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) id: Box<str>,
    pub(super) fingerprint: Box<str>,
    pub(super) revision: u64,
    pub(super) detected: Timestamp,
    /// When it was last told, or looked at to see whether there is something to tell.
    pub(super) looked: Moment,
    /// As it was last told.
    pub(super) gravity: Gravity,
    pub(super) services: usize,
    pub(super) pages: bool,
    pub(super) signs: u64,
    /// What the shell last found.
    pub(super) title: Box<str>,
    pub(super) cause: Cause,
    pub(super) route: Route,
}

impl Case {
    /// Most services that are told apart.
    const PARTS_MAX: usize = 1_024;
    /// Most kinds of sign that are known again.
    const KEYS_MAX: usize = 256;
    /// Most traces that draw signs in; the latest count.
    pub(super) const TRACES_MAX: usize = 256;
    /// Most foreign alerts that are told apart.
    const ALERTS_MAX: usize = 256;
    /// Most notes and actions.
    pub(super) const DONE_MAX: usize = 32;
    /// Of a note or an action so many characters are remembered.
    pub(super) const DONE_LEN_MAX: usize = 200;
    /// Of the signs that are kept, so many are the first ones.
    const FIRST_MAX: usize = Incident::SIGNS_MAX / 2;

    /// A case of nothing yet, whose first sign was at `began` and is heard of at `now`.
    pub(super) fn new(began: When, now: Moment) -> Self {
        Self {
            opened: now,
            heard: now,
            began,
            last: began,
            state: IncidentState::Open,
            acknowledged: None,
            ended: None,
            returns: 0,
            parts: BTreeMap::new(),
            signs: Vec::new(),
            sign_count: 0,
            gravest: Gravity::Info,
            class: Class::Info,
            keys: BTreeMap::new(),
            traces: VecDeque::new(),
            alerts: BTreeSet::new(),
            company: Company::default(),
            is_rest: false,
            is_ours: false,
            done: Vec::new(),
            told: None,
        }
    }

    /// Takes a sign in, that was first and last seen `at` such times.
    pub(super) fn push(
        &mut self,
        sign: &Arc<Sign>,
        at: (When, When),
        now: Moment,
        relation: Relation,
    ) {
        let (first, last) = at;
        self.heard = now;
        self.sign_count += 1;
        self.note_first(first);
        self.note_last(last);
        self.note_part(sign, at, relation);
        self.note_key(&sign.fingerprint, 1);
        if let Some(trace) = sign.trace.filter(|trace| !self.traces.contains(trace)) {
            self.traces.push_back(trace);
        }
        if sign.source != Source::Alert {
            self.is_ours = true;
        } else if self.alerts.len() < Self::ALERTS_MAX && !self.is_rest {
            self.alerts.insert((sign.kind.clone(), sign.stream.clone()));
        }
        let sign = Arc::clone(sign);
        self.keep(vec![Kept {
            at: first.moment,
            sign,
        }]);
    }

    /// One of its signs is heard of again, at `now`; it was `last` seen then, where that is believed.
    pub(super) fn again(&mut self, sign: &Arc<Sign>, last: Option<When>, now: Moment) {
        self.heard = now;
        let Some(last) = last else { return };
        self.note_last(last);
        if let Some(side) = self.parts.get_mut(&sign.stream) {
            side.last = side.last.max(last.moment);
        }
        let kept = self.signs.iter_mut().find(|kept| kept.sign.id == sign.id);
        if let Some(kept) = kept.filter(|kept| kept.sign.last_seen < sign.last_seen) {
            kept.sign = Arc::clone(sign);
        }
    }

    /// Counts a sign of its own that comes too late to show anything new.
    pub(super) fn count_late(&mut self, sign: &Sign, last: When) {
        self.sign_count += 1;
        self.note_last(last);
        if let Some(side) = self.parts.get_mut(&sign.stream) {
            side.signs += 1;
        }
    }

    /// Counts a sign that comes anyway at a service that takes part. It keeps nothing going and is no
    /// evidence.
    pub(super) fn accompany(&mut self, sign: &Arc<Sign>, at: When) {
        self.sign_count += 1;
        self.note_last(at);
        if let Some(side) = self.parts.get_mut(&sign.stream) {
            side.signs += 1;
        }
        self.company.add(sign, 1);
    }

    /// Counts a sign that comes anyway near the services that take part. Whether there is room.
    pub(super) fn keep_company(&mut self, sign: &Arc<Sign>) -> bool {
        let has_room = self.company.add(sign, 1);
        self.sign_count += u64::from(has_room);
        has_room
    }

    /// Adds what came along to an incident that is shown.
    pub(super) fn show_company(&self, incident: &mut Incident) {
        incident
            .signs
            .truncate(Incident::SIGNS_MAX.saturating_sub(self.company.len()));
        incident.signs.extend(self.company.signs());
    }

    /// Takes in all of a case that began later.
    pub(super) fn merge(&mut self, other: &Self, relation: Relation) {
        self.opened = self.opened.min(other.opened);
        self.heard = self.heard.max(other.heard);
        self.sign_count += other.sign_count;
        self.note_first(other.began);
        self.note_last(other.last);
        for (stream, side) in &other.parts {
            let relation = match side.relation {
                Relation::First => relation,
                other => other,
            };
            self.merge_part(stream, side, relation);
        }
        for (key, count) in &other.keys {
            self.note_key(key, *count);
        }
        for trace in &other.traces {
            if !self.traces.contains(trace) {
                self.traces.push_back(*trace);
            }
        }
        for alert in &other.alerts {
            if self.alerts.len() < Self::ALERTS_MAX {
                self.alerts.insert(alert.clone());
            }
        }
        self.company.merge(&other.company);
        self.is_ours |= other.is_ours;
        self.done.extend(other.done.iter().cloned());
        self.done.truncate(Self::DONE_MAX);
        self.keep(other.signs.clone());
    }

    /// What is told first is older, then what began first.
    pub(super) const fn seniority(&self) -> (bool, Moment) {
        (self.told.is_none(), self.began.moment)
    }

    /// What is left of a case that became part of another: nothing comes back to it.
    pub(super) fn emptied(mut self) -> Self {
        self.keys.clear();
        self.traces.clear();
        self.alerts.clear();
        self
    }

    /// What was done, and whether it helped: as it was told, or else whether no sign came after it.
    pub(super) fn what_helped(&self) -> Vec<(Box<str>, bool)> {
        let done = self.done.iter();
        done.map(|(what, at, helped)| (what.clone(), helped.unwrap_or(self.heard <= *at)))
            .collect()
    }

    /// Whether it goes on.
    pub(super) const fn is_live(&self) -> bool {
        matches!(
            self.state,
            IncidentState::Open | IncidentState::Acknowledged
        )
    }

    /// How grave it is.
    pub(super) fn gravity(&self) -> Gravity {
        let together = if self.is_rest { 1 } else { self.parts.len() };
        gravity::of_spread(self.gravest, together)
    }

    /// What it is about: the class of its gravest sign.
    pub(super) const fn class(&self) -> Class {
        self.class
    }

    /// How long its signs went on until now. That nothing was heard since its latest sign is no part
    /// of it.
    pub(super) fn lasted(&self) -> Duration {
        self.heard.since(self.began.moment)
    }

    /// How many in an hour so many signs are over its whole time; one in an hour at the least.
    pub(super) fn hourly(&self, signs: u64, now: Moment) -> f64 {
        let end = self.ended.as_ref().map_or(now, |(end, _)| *end);
        let hours = end.since(self.began.moment).as_secs_f64() / 3600.0;
        signs as f64 / hours.max(1.0)
    }

    /// Whether somebody, and not silence, ended it.
    pub(super) fn was_ended_by_somebody(&self) -> bool {
        let ended = self.ended.as_ref();
        ended.is_some_and(|(_, mark)| *mark.by != *Correlator::OURSELVES)
    }

    /// Its signs that are kept, by time.
    pub(super) fn signs(&self) -> impl Iterator<Item = &Arc<Sign>> {
        self.signs.iter().map(|kept| &kept.sign)
    }

    /// As the world sees it, if it was told.
    pub(super) fn incident(&self) -> Option<Incident> {
        let told = self.told.as_ref()?;
        Some(Incident {
            id: told.id.clone(),
            fingerprint: told.fingerprint.clone(),
            revision: told.revision,
            state: self.state,
            severity: self.gravity(),
            class: self.class,
            title: told.title.clone(),
            began: self.began.time,
            detected: told.detected,
            last_seen: self.last.time.max(self.began.time),
            acknowledged: self.acknowledged.clone(),
            ended: self.ended.as_ref().map(|(_, mark)| mark.clone()),
            parts: self.told_parts(),
            signs: self.signs().cloned().collect(),
            sign_count: self.sign_count,
            cause: told.cause.clone(),
            before: None,
            route: told.route.clone(),
        })
    }

    fn told_parts(&self) -> Vec<Part> {
        let mut sides: Vec<(&StreamKey, &Side)> = self.parts.iter().collect();
        sides.sort_by_key(|(stream, side)| (side.first.moment, &side.first_id, *stream));
        sides.truncate(Incident::PARTS_MAX);
        // Who turns out to have been first is related to who was taken for it as that one is to it.
        let first = sides.first().map(|(_, side)| side.relation);
        let first = first.filter(|relation| *relation != Relation::First);
        let part = |(place, (stream, side)): (usize, (&StreamKey, &Side))| Part {
            stream: stream.clone(),
            resource: Arc::clone(&side.resource),
            relation: match (place, side.relation) {
                (0, _) => Relation::First,
                (_, Relation::First) => first.unwrap_or(Relation::Time),
                (_, relation) => relation,
            },
            first_seen: side.first.time,
            signs: side.signs,
        };
        sides.into_iter().enumerate().map(part).collect()
    }

    /// What came first is asked of our own clock, since others may be wrong.
    fn note_first(&mut self, at: When) {
        if at.moment < self.began.moment {
            self.began = at;
        }
    }

    fn note_last(&mut self, at: When) {
        if at.moment >= self.last.moment {
            self.last = at;
        }
    }

    fn note_key(&mut self, key: &str, signs: u64) {
        if let Some(count) = self.keys.get_mut(key) {
            *count += signs;
        } else if self.keys.len() < Self::KEYS_MAX {
            self.keys.insert(key.into(), signs);
        }
    }

    fn note_part(&mut self, sign: &Arc<Sign>, at: (When, When), relation: Relation) {
        let side = Side {
            resource: Arc::clone(&sign.resource),
            relation: if self.parts.is_empty() {
                Relation::First
            } else {
                relation
            },
            first: at.0,
            first_id: sign.id.clone(),
            last: at.1.moment.max(at.0.moment),
            signs: 1,
        };
        self.merge_part(&sign.stream, &side, side.relation);
    }

    fn merge_part(&mut self, stream: &StreamKey, side: &Side, relation: Relation) {
        if let Some(known) = self.parts.get_mut(stream) {
            known.signs += side.signs;
            known.last = known.last.max(side.last);
            if (side.first.moment, &side.first_id) < (known.first.moment, &known.first_id) {
                known.first = side.first;
                known.first_id.clone_from(&side.first_id);
                known.resource = Arc::clone(&side.resource);
            }
        } else if self.parts.len() < Self::PARTS_MAX {
            let side = Side {
                relation,
                ..side.clone()
            };
            self.parts.insert(stream.clone(), side);
        }
    }

    fn keep(&mut self, more: Vec<Kept>) {
        self.signs.extend(more);
        self.signs
            .sort_by(|a, b| (a.at, &a.sign.id).cmp(&(b.at, &b.sign.id)));
        while self.signs.len() > Incident::SIGNS_MAX {
            let later = self.signs.iter().enumerate().skip(Self::FIRST_MAX);
            let least = later
                .min_by_key(|(place, kept)| (gravity::of_sign(&kept.sign), usize::MAX - place));
            if let Some(place) = least.map(|(place, _)| place) {
                self.signs.remove(place);
            }
        }
        let graver =
            |a: &&Kept, b: &&Kept| gravity::of_sign(&a.sign).cmp(&gravity::of_sign(&b.sign));
        // Of equally grave ones the first.
        if let Some(gravest) = self.signs.iter().rev().max_by(graver) {
            self.gravest = gravity::of_sign(&gravest.sign);
            self.class = gravest.sign.class;
        }
    }
}
