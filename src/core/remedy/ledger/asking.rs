//! Rules ask: a new action, or more evidence for one that is there.

use std::time::Duration;

use super::entry::{Entry, is_person};
use super::{Ledger, WorldOf};
use crate::core::event::{Action, ActionState, Grounds, Mode};
use crate::core::record::Timestamp;
use crate::core::remedy::ask::id_of;
use crate::core::remedy::book::is_same_workload;
use crate::core::remedy::case::Reach;
use crate::core::remedy::rule::Rule;

/// The incident that an anomaly belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Incidence<'a> {
    /// Its id.
    pub id: &'a str,
    /// What stays the same when the trouble comes back.
    pub fingerprint: &'a str,
}

/// So many kinds and detectors are named.
const NAMES_MAX: usize = 16;

impl Ledger {
    /// A rule asks for `action` on account of an anomaly.
    pub fn asked(&mut self, mut action: Action, incident: Option<Incidence<'_>>, now: Timestamp) {
        self.is_touched = true;
        if let Some(incident) = incident {
            action.incident = Some(incident.id.into());
            action.fingerprint = incident.fingerprint.into();
        }
        if self.supported(&action) {
            return;
        }
        let same = self.past.iter().filter(|it| is_same(it, &action));
        let attempt = u32::try_from(same.clone().count()).unwrap_or(u32::MAX);
        let mut concern = same.filter(|it| is_concerned(it, &action));
        let incident = action.incident.as_deref();
        if concern.any(|it| now < ended_at(it).plus(self.rest_after(it, incident))) {
            return;
        }
        let Some(mut action) = self.put_aside(action) else {
            return;
        };
        let open = self.open.values().map(|entry| &entry.action.stream);
        let own = open.filter(|stream| **stream == action.stream).count();
        if self.open.len() >= Self::OPEN_MAX || own >= Self::OPEN_OF_SERVICE_MAX {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        let cause = action.incident.as_deref().unwrap_or(&action.fingerprint);
        let nth = |attempt| id_of(cause, &action.remedy, &action.target, attempt);
        // Earlier attempts may be forgotten; what was sent is not.
        let mut attempts = (attempt..).map(nth).filter(|id| !self.is_taken(id));
        let Some(id) = attempts.next() else {
            return;
        };
        action.id = id.clone();
        let why = action.reason.clone();
        self.open.insert(id.clone(), Entry::new(action, now));
        self.step(&id, ActionState::Asked, ("knothole", &why), now);
    }

    /// Keeps what is asked for on account of another incident with the action that waits for the same; gives it
    /// back where none does. Two that wait would be two answers to one question, and a person could say yes to
    /// both.
    fn put_aside(&mut self, asked: Action) -> Option<Action> {
        let same =
            |entry: &&mut Entry| waits(&entry.action) && is_same_remedy(&entry.action, &asked);
        let Some(entry) = self.open.values_mut().find(same) else {
            return Some(asked);
        };
        if !speaks_for(&self.rules, &asked, &entry.action) {
            return None;
        }
        match &mut entry.anew {
            Some(known) if known.incident == asked.incident => {
                add(&mut known.evidence, &asked.evidence);
            }
            anew => *anew = Some(Box::new(asked)),
        }
        None
    }

    /// Where the incident of an action that waits is over, or became part of another one, the action answers
    /// the incident that goes on, as if it were asked for now: every check, person and policy is asked anew.
    /// Where it goes on, another one of the same workload is more of the same.
    pub(super) fn take_over(&mut self, world: WorldOf<'_>, now: Timestamp) {
        let anew = self.open.iter_mut();
        let anew = anew.filter_map(|(id, entry)| Some((id.clone(), entry.anew.take()?)));
        let anew: Vec<(Box<str>, Box<Action>)> = anew.collect();
        for (id, asked) in anew {
            let Some(entry) = self.open.get_mut(&id).filter(|it| waits(&it.action)) else {
                continue;
            };
            if world(&entry.action).goes_on {
                add(&mut entry.action.evidence, &asked.evidence);
                continue;
            }
            let why = format!("the incident that it was for is over: {}", asked.reason);
            entry.ask_anew(*asked, now);
            self.step(&id, ActionState::Asked, ("knothole", &why), now);
        }
    }

    /// Adds to the evidence of an action that is there; whether there is one. What its own rule would not have
    /// asked on does not speak for it, and opens no second one.
    fn supported(&mut self, asked: &Action) -> bool {
        let same = |entry: &&mut Entry| is_same(&entry.action, asked);
        let Some(entry) = self.open.values_mut().find(same) else {
            return false;
        };
        let action = &mut entry.action;
        if !speaks_for(&self.rules, asked, action) {
            return true;
        }
        add(&mut action.evidence, &asked.evidence);
        if action.incident.is_none() && asked.incident.is_some() {
            action.incident.clone_from(&asked.incident);
            action.fingerprint.clone_from(&asked.fingerprint);
        }
        if action.anomaly.is_none() {
            action.anomaly.clone_from(&asked.anomaly);
        }
        true
    }

    /// Whether an action has this id already.
    fn is_taken(&self, id: &str) -> bool {
        self.get(id).is_some() || self.book.iter().any(|it| *it.id == *id)
    }

    /// How long nothing is asked for again after `past`, for `incident`.
    fn rest_after(&self, past: &Action, incident: Option<&str>) -> Duration {
        let is_of_it = incident.is_some() && past.incident.as_deref() == incident;
        match past.state {
            // Somebody said no: not again while this goes on. Where it is not known whether this is the same,
            // not soon.
            ActionState::Denied if is_of_it && is_denied_by_person(past) => Duration::MAX,
            // What the checks went by changes seldom.
            ActionState::Denied => self.limits.cool_down_max,
            // It was told, or shown, once.
            ActionState::Expired | ActionState::Observed => match past.mode {
                Mode::Observe | Mode::Suggest => Duration::from_secs(3_600),
                Mode::Approve | Mode::Auto => self.limits.cool_down,
            },
            _ => self.limits.cool_down,
        }
    }
}

/// Whether a person said no to it.
pub(super) fn is_denied_by_person(action: &Action) -> bool {
    action.state == ActionState::Denied && action.steps.last().is_some_and(is_person)
}

/// Whether what became of `past` tells for `asked`: what one rule only showed or told, or may not do, keeps no
/// other from asking; what was done or what a person said does.
fn is_concerned(past: &Action, asked: &Action) -> bool {
    past.rule == asked.rule || past.was_sent() || is_denied_by_person(past)
}

/// Whether the rule of `action` would have asked on account of what `asked` is for.
fn speaks_for(rules: &[Rule], asked: &Action, action: &Action) -> bool {
    let rule = rules.iter().find(|rule| rule.name == action.rule);
    let anomaly = asked.anomaly.as_ref();
    let is_accepted = |rule: &Rule| anomaly.is_some_and(|it| rule.asks_on(it));
    asked.rule == action.rule || rule.is_some_and(is_accepted)
}

fn ended_at(past: &Action) -> Timestamp {
    past.steps.last().map_or(past.asked_at, |step| step.at)
}

/// Whether it is not decided yet, or not begun.
fn waits(action: &Action) -> bool {
    let waits = matches!(
        action.state,
        ActionState::Asked | ActionState::Blocked | ActionState::Proposed | ActionState::Approved
    );
    waits && !action.was_sent()
}

fn is_same(a: &Action, b: &Action) -> bool {
    is_same_remedy(a, b)
        && (a.incident == b.incident || a.incident.is_none() || b.incident.is_none())
}

fn is_same_remedy(a: &Action, b: &Action) -> bool {
    // What is done to a workload is one thing, whichever of its pods showed the trouble.
    let is_one_target = match Reach::of(a.remedy.kind()) {
        Reach::Pod => a.target == b.target,
        _ => is_same_workload(&a.target, &b.target),
    };
    a.remedy == b.remedy && is_one_target
}

fn add(all: &mut Grounds, more: &Grounds) {
    for (names, new) in [
        (&mut all.kinds, &more.kinds),
        (&mut all.detectors, &more.detectors),
    ] {
        for name in new {
            if !names.contains(name) && names.len() < NAMES_MAX {
                names.push(name.clone());
            }
        }
    }
    all.score = all.score.max(more.score);
    all.first_seen = all.first_seen.min(more.first_seen);
    all.last_seen = all.last_seen.max(more.last_seen);
    all.heard_at = all.heard_at.max(more.heard_at);
    all.anomalies = all.anomalies.saturating_add(more.anomalies);
    all.model.clone_from(&more.model);
}
