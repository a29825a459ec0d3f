//! What happens next to an action: time passes, checks are asked, and where all allow it, it goes.

use std::sync::Arc;

use super::entry::{Entry, UnderWay, is_person};
use super::reasons::{against, not_done, reasons, reasons_of};
use super::way::{Way, way_of};
use super::{Errand, LOOK_AGAIN, Ledger, SAID_AGAIN, SETTLE_MAX, Task, WorldOf};
use crate::core::event::{Action, ActionState, Checked, Mode, Plan, Remedy, Target};
use crate::core::record::Timestamp;
use crate::core::remedy::case::{Case, Reach, World};
use crate::core::remedy::check;
use crate::core::remedy::facts::Facts;
use crate::core::remedy::plan::{self, Draft};
use crate::core::remedy::policy;

impl Ledger {
    /// Lets time pass until `now`.
    pub fn advance(&mut self, world: WorldOf<'_>, now: Timestamp) {
        self.signs.forget(now);
        self.adopt(world);
        self.take_over(world, now);
        let due = self.open.iter().filter(|(_, entry)| entry.due <= now);
        let due: Vec<Box<str>> = due.map(|(id, _)| id.clone()).collect();
        self.is_touched |= !due.is_empty();
        for id in due {
            self.turn(&id, world, now);
        }
    }

    /// What was asked for before its incident was told belongs to it since.
    fn adopt(&mut self, world: WorldOf<'_>) {
        let actions = self.open.values_mut().map(|entry| &mut entry.action);
        for action in actions.filter(|it| it.incident.is_none()) {
            if let Some((id, fingerprint)) = world(action).incident {
                action.incident = Some(id);
                action.fingerprint = fingerprint;
                self.is_touched = true;
            }
        }
    }

    fn turn(&mut self, id: &str, world: WorldOf<'_>, now: Timestamp) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        if let Some(task) = entry.under_way {
            if now.since(task.since) < Self::TASK_MAX {
                entry.due = task.since.plus(Self::TASK_MAX);
                return;
            }
            entry.under_way = None;
        }
        let is_late = now >= entry.action.expires_at;
        match entry.action.state {
            ActionState::Asked
            | ActionState::Blocked
            | ActionState::Proposed
            | ActionState::Approved
                if is_late =>
            {
                let why = match reasons(&entry.action) {
                    nothing if nothing.is_empty() => "its time was up".to_owned(),
                    against => format!("its time was up: {against}"),
                };
                self.step(id, ActionState::Expired, ("knothole", &why), now);
            }
            ActionState::Asked | ActionState::Blocked => self.look(id, world, now),
            ActionState::Approved if is_with_hook(&entry.action) => {
                // The hook has been told; it answers or its time is up.
                entry.due = entry.action.expires_at;
            }
            ActionState::Approved => self.look(id, world, now),
            // More may speak for it by now, so that no person is needed any more.
            ActionState::Proposed if entry.action.mode == Mode::Auto => self.look(id, world, now),
            ActionState::Proposed | ActionState::Accepted => self.wait_for_others(id, now),
            ActionState::Sending => {
                let why = "no answer came back";
                self.step(id, ActionState::Unsettled, ("knothole", why), now);
                self.settle(id, now);
            }
            ActionState::Unsettled => self.settle(id, now),
            ActionState::Done => self.review(id, world, now),
            ActionState::Effective
            | ActionState::Ineffective
            | ActionState::Harmful
            | ActionState::Inconclusive
            | ActionState::Failed
            | ActionState::Denied
            | ActionState::Expired
            | ActionState::Observed => {}
        }
    }

    fn look(&mut self, id: &str, world: WorldOf<'_>, now: Timestamp) {
        if !self.can_act {
            self.looked(id, None, world, now);
            return;
        }
        if let Some(never) = self.hopeless(id, world, now) {
            let Some(entry) = self.open.get_mut(id) else {
                return;
            };
            let (state, why) = match (entry.action.mode, reasons_of(&never)) {
                (Mode::Observe, why) => (ActionState::Observed, not_done(&why)),
                (Mode::Suggest | Mode::Approve | Mode::Auto, why) => (ActionState::Denied, why),
            };
            entry.is_never(never, now);
            self.finish(id, state, &why, now);
            return;
        }
        let Some(entry) = self.open.get(id) else {
            return;
        };
        let errand = Errand::Look {
            remedy: entry.action.remedy.clone(),
            target: entry.action.target.clone(),
        };
        self.hand_out(id, errand, now);
    }

    /// The checks by which it will never be done, whatever the cluster shows: then that is not even read.
    fn hopeless(&self, id: &str, world: WorldOf<'_>, now: Timestamp) -> Option<Vec<Checked>> {
        let entry = self.open.get(id)?;
        if entry.action.was_sent() {
            return None;
        }
        let standing = world(&entry.action);
        let case = Case {
            action: &entry.action,
            rule: self.rule_of(&entry.action),
            facts: None,
            rehearsal: None,
            book: &self.book,
            world: &standing,
            limits: &self.limits,
            now,
        };
        let mut checks = check::ask_before(&case);
        checks.retain(check::is_never);
        (!checks.is_empty()).then_some(checks)
    }

    fn wait_for_others(&mut self, id: &str, now: Timestamp) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        if entry.action.state == ActionState::Accepted && now >= entry.action.expires_at {
            let why = "the hook took it on and never said what became of it";
            self.step(id, ActionState::Inconclusive, ("knothole", why), now);
        } else {
            entry.due = entry.action.expires_at;
        }
    }

    fn settle(&mut self, id: &str, now: Timestamp) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        let sent = entry.action.acted_at.unwrap_or(entry.action.asked_at);
        let unsettled = entry.action.steps.iter().rev();
        let unsettled = unsettled.take_while(|step| step.state == ActionState::Unsettled);
        let since = unsettled.last().map_or(sent, |step| step.at);
        // Before this process the clock may have been ahead.
        let since = if since > now { entry.taken_at } else { since };
        if entry.is_read && now.since(since) >= SETTLE_MAX {
            let why = "nobody can say whether it took place";
            self.finish(id, ActionState::Inconclusive, why, now);
            return;
        }
        entry.is_read = true;
        let action = Arc::new(entry.action.clone());
        self.hand_out(id, Errand::Settle { action }, now);
    }

    fn review(&mut self, id: &str, world: WorldOf<'_>, now: Timestamp) {
        if !self.can_act {
            self.reviewed(id, None, world, now);
            return;
        }
        if let Some(entry) = self.open.get(id) {
            let errand = Errand::Look {
                remedy: entry.action.remedy.clone(),
                target: to_review(&entry.action),
            };
            self.hand_out(id, errand, now);
        }
    }

    /// Gives a task out once what changed is on disk.
    pub(super) fn hand_out(&mut self, id: &str, errand: Errand, now: Timestamp) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        self.handed_out += 1;
        let number = self.handed_out;
        entry.under_way = Some(UnderWay { number, since: now });
        entry.due = now.plus(Self::TASK_MAX);
        if matches!(errand, Errand::Send { .. }) {
            entry.sent_by = Some(number);
        }
        self.tasks.push(Task {
            id: task_id(id, number),
            errand,
        });
    }

    /// What was read is there, or nothing can be read.
    pub(super) fn looked(
        &mut self,
        id: &str,
        facts: Option<Facts>,
        world: WorldOf<'_>,
        now: Timestamp,
    ) {
        let lasts = self.claim_lasts();
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        entry.facts = facts;
        entry.rehearsal = None;
        let drafted = match &entry.facts {
            Some(facts) => plan::draft(&entry.action, facts),
            None => Ok(Draft::default()),
        };
        let draft = match drafted {
            Ok(draft) => draft,
            Err(why) => {
                self.put_off(id, (&why, &why), None, now);
                return;
            }
        };
        let hash = plan::hash(&draft);
        let approved = entry.action.approved.as_ref();
        let is_another = approved.is_some_and(|it| it.plan != hash);
        let target = &entry.action.target;
        let claims = entry.facts.as_ref().map(|facts| facts.claimed(target));
        entry.revise(Plan {
            hash,
            subject: draft.subject,
            claims: claims.map(|object| (object, lasts)),
            requests: draft.requests,
            undo: draft.undo,
            checks: Vec::new(),
            at: now,
        });
        if is_another {
            entry.action.approved = None;
            let why = "what would be done is not what was approved any more; approve it again";
            self.check(id, world, now);
            self.step(id, ActionState::Proposed, ("knothole", why), now);
            return;
        }
        match self.check(id, world, now) {
            // A rehearsal asks the policy too, which a person is to see before they decide.
            Way::On | Way::Person if self.is_rehearsed(id) => self.rehearse(id, now),
            way => self.go(id, way, now),
        }
    }

    /// Whether anybody is asked before it goes on: the cluster, the policy, or without both whoever does what is
    /// done elsewhere.
    fn is_rehearsed(&self, id: &str) -> bool {
        let elsewhere = |entry: &Entry| {
            let action = &entry.action;
            Reach::of(action.remedy.kind()) == Reach::Elsewhere && action.mode >= Mode::Approve
        };
        self.can_act || self.limits.has_policy || self.open.get(id).is_some_and(elsewhere)
    }

    fn rehearse(&mut self, id: &str, now: Timestamp) {
        if let Some(entry) = self.open.get(id) {
            let action = Arc::new(entry.action.clone());
            let permissions = entry
                .facts
                .as_ref()
                .map_or_else(Vec::new, |facts| plan::permissions_of(&entry.action, facts));
            let input = policy::input(&action, entry.facts.as_ref(), &self.book, now);
            let errand = Errand::Rehearse {
                action,
                permissions,
                input: Box::new(input),
            };
            self.hand_out(id, errand, now);
        }
    }

    /// What a rehearsal showed is there.
    pub(super) fn rehearsed(&mut self, id: &str, world: WorldOf<'_>, now: Timestamp) {
        let way = self.check(id, world, now);
        self.go(id, way, now);
    }

    /// Asks every check and writes into the plan what they say.
    fn check(&mut self, id: &str, world: WorldOf<'_>, now: Timestamp) -> Way {
        let Some(entry) = self.open.get(id) else {
            return Way::Later;
        };
        let standing: World = world(&entry.action);
        let case = Case {
            action: &entry.action,
            rule: self.rule_of(&entry.action),
            facts: entry.facts.as_ref(),
            rehearsal: entry.rehearsal.as_ref(),
            book: &self.book,
            world: &standing,
            limits: &self.limits,
            now,
        };
        let checks = match entry.rehearsal {
            None if self.is_rehearsed(id) => check::ask_before(&case),
            _ => check::ask_all(&case),
        };
        let way = way_of(entry, &checks, self.can_act);
        if let Some(entry) = self.open.get_mut(id) {
            entry.involved = Some(standing.involved);
            if let Some(plan) = &mut entry.action.plan {
                plan.checks = checks;
            }
        }
        way
    }

    fn go(&mut self, id: &str, way: Way, now: Timestamp) {
        let Some(entry) = self.open.get(id) else {
            return;
        };
        let action = &entry.action;
        let reasons = reasons(action);
        if action.mode == Mode::Observe {
            let why = match way {
                Way::On => "it would have been done".to_owned(),
                Way::Person => format!("a person would have been asked: {reasons}"),
                Way::Later | Way::Nowhere => not_done(&reasons),
            };
            self.step(id, ActionState::Observed, ("knothole", &why), now);
            return;
        }
        let is_told = action.state == ActionState::Proposed;
        match way {
            // It was told that a person may decide, and that stays so.
            Way::Later | Way::Person if is_told => self.wait_on(id, now),
            Way::Later => {
                let about = against(action);
                self.put_off(id, (&reasons, &about), None, now);
            }
            Way::Nowhere => self.finish(id, ActionState::Denied, &reasons, now),
            Way::Person => {
                let withdrawn = self.withdrawn(id);
                let why = match (withdrawn, reasons.is_empty()) {
                    (true, _) => {
                        format!("it asks for more than was approved; approve it again: {reasons}")
                    }
                    (false, true) => "a person or a hook decides".to_owned(),
                    (false, false) => reasons,
                };
                self.step(id, ActionState::Proposed, ("knothole", &why), now);
                self.wait_on(id, now);
            }
            Way::On => self.set_off(id, now),
        }
    }

    /// A check asks that did not when it was approved: the approval does not hold any more. Whether there was
    /// one.
    fn withdrawn(&mut self, id: &str) -> bool {
        let entry = self.open.get_mut(id);
        entry.is_some_and(|entry| entry.action.approved.take().is_some())
    }

    /// It waits for a person or a hook; where its rule is automatic it is looked at again meanwhile.
    fn wait_on(&mut self, id: &str, now: Timestamp) {
        if let Some(entry) = self.open.get_mut(id) {
            let again = now.plus(LOOK_AGAIN).min(entry.action.expires_at);
            entry.due = match entry.action.mode {
                Mode::Auto => again,
                Mode::Observe | Mode::Suggest | Mode::Approve => entry.action.expires_at,
            };
        }
    }

    /// Something is against it now: it is looked at again. That it still is, for as long, is no news: only that
    /// something else is, `about` which it is.
    pub(super) fn put_off(
        &mut self,
        id: &str,
        (why, about): (&str, &str),
        until: Option<Timestamp>,
        now: Timestamp,
    ) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        if entry.action.state == ActionState::Proposed {
            return self.wait_on(id, now);
        }
        entry.due = until
            .unwrap_or(now.plus(LOOK_AGAIN))
            .min(entry.action.expires_at);
        entry.due = entry.due.max(now.plus(std::time::Duration::from_secs(1)));
        // It stays approved: the person need not come back.
        let state = match entry.action.approved {
            Some(_) => ActionState::Approved,
            None => ActionState::Blocked,
        };
        let last = entry.action.steps.last();
        let is_due = last.is_none_or(|it| is_person(it) || now.since(it.at) >= SAID_AGAIN);
        let is_news = match entry.action.state {
            ActionState::Approved if entry.action.approved.is_none() => true,
            ActionState::Approved | ActionState::Blocked => *entry.about != *about && is_due,
            _ => true,
        };
        if is_news {
            entry.about = about.into();
            let held = format!("it is held back: {why}");
            let why = match state {
                ActionState::Approved => &held,
                _ => why,
            };
            self.step(id, state, ("knothole", why), now);
        }
    }

    /// Writes down that it is being sent, and has it sent when that is on disk.
    fn set_off(&mut self, id: &str, now: Timestamp) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        let by = entry.action.approved.as_ref().map(|it| it.by.clone());
        let is_hook = entry.action.remedy == Remedy::Webhook;
        let why = by.as_ref().map_or_else(
            || "every check passed".to_owned(),
            |by| format!("{by} approved it, and every check passed"),
        );
        if by.is_none() && !is_hook {
            self.step(id, ActionState::Approved, ("knothole", &why), now);
        }
        let unrest = self.unrest(id, now);
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        entry.action.acted_at = Some(now);
        entry.action.unrest = unrest;
        entry.action.before = entry.facts.as_ref().and_then(Facts::health);
        if is_hook {
            // The hook is told by this very step.
            entry.due = entry.action.expires_at;
            self.step(id, ActionState::Approved, ("knothole", &why), now);
            return;
        }
        self.step(id, ActionState::Sending, ("knothole", &why), now);
        let Some(entry) = self.open.get(id) else {
            return;
        };
        let action = Arc::new(entry.action.clone());
        self.hand_out(id, Errand::Send { action }, now);
    }

    /// It is over.
    pub(super) fn finish(&mut self, id: &str, state: ActionState, why: &str, now: Timestamp) {
        self.step(id, state, ("knothole", why), now);
    }
}

/// What is read for whether it helped: the workload that was claimed, since the pod may be gone.
fn to_review(action: &Action) -> Target {
    let mut target = action.target.clone();
    let claimed = action.plan.as_ref().and_then(|plan| plan.claims.as_ref());
    if let Some((object, _)) = claimed.filter(|(it, _)| is_workload(&it.kind)) {
        target.workload = Some((object.kind.clone(), object.name.clone()));
    }
    target
}

fn is_workload(kind: &str) -> bool {
    matches!(
        kind,
        "Deployment" | "StatefulSet" | "ReplicaSet" | "Rollout"
    )
}

/// What a task of the action is known by.
fn task_id(action: &str, number: u64) -> Box<str> {
    format!("{action}#{number}").into()
}

/// The action and the number that a task is known by.
pub(super) fn task_of(id: &str) -> Option<(&str, u64)> {
    let (action, number) = id.split_once('#')?;
    Some((action, number.parse().ok()?))
}

/// Whether a hook was told to do it.
pub(super) fn is_with_hook(action: &Action) -> bool {
    action.remedy == Remedy::Webhook && action.was_sent()
}
