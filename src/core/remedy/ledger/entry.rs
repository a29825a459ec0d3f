//! An action that is not over, and what is only known as long as this process lives.

use std::collections::VecDeque;

use crate::core::event::{Action, ActionState, Checked, Plan, Step};
use crate::core::record::{StreamKey, Timestamp};
use crate::core::remedy::facts::{Facts, Rehearsal};

/// So many plans of before are remembered, to say what changed.
const FORMER_MAX: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) action: Action,
    /// What was read last.
    pub(super) facts: Option<Facts>,
    pub(super) rehearsal: Option<Rehearsal>,
    /// The task that is under way. What else comes back is late or came before.
    pub(super) under_way: Option<UnderWay>,
    /// The number of the last task that sent it, in this process.
    pub(super) sent_by: Option<u64>,
    /// When this process took it up.
    pub(super) taken_at: Timestamp,
    /// Whether the cluster was read for whether it took place, in this process.
    pub(super) is_read: bool,
    /// When there is something to do next.
    pub(super) due: Timestamp,
    /// What was against it when that was last written down.
    pub(super) about: Box<str>,
    /// The services that took part in the incident when the checks were asked last.
    pub(super) involved: Option<Vec<StreamKey>>,
    /// What would have been done when it was looked at before, oldest first.
    pub(super) former: VecDeque<Plan>,
    /// What is asked for to the same end by another incident, until it is known whether that of the action
    /// goes on.
    pub(super) anew: Option<Box<Action>>,
}

/// A task that was handed out.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    pub(super) number: u64,
    pub(super) since: Timestamp,
}

impl Entry {
    /// One that is to be looked at now.
    pub(super) fn new(action: Action, now: Timestamp) -> Self {
        Self {
            action,
            facts: None,
            rehearsal: None,
            under_way: None,
            sent_by: None,
            taken_at: now,
            is_read: false,
            about: "".into(),
            due: now,
            involved: None,
            former: VecDeque::new(),
            anew: None,
        }
    }

    /// The same action is asked for by `asked` from now on. What somebody approved was for something else, and
    /// what comes back of a task that is under way belongs to it.
    pub(super) fn ask_anew(&mut self, asked: Action, now: Timestamp) {
        let was = &mut self.action;
        let (steps, plan) = (std::mem::take(&mut was.steps), was.plan.take());
        *was = Action {
            id: was.id.clone(),
            asked_at: was.asked_at,
            steps,
            plan,
            ..asked
        };
        self.under_way = None;
        self.rehearsal = None;
        self.due = now;
    }

    /// These checks forbid it for good, so that it is not even looked at.
    pub(super) fn is_never(&mut self, checks: Vec<Checked>, now: Timestamp) {
        match &mut self.action.plan {
            Some(plan) => {
                plan.checks = checks;
                plan.at = now;
            }
            None => self.action.plan = Some(unplanned(checks, now)),
        }
    }

    /// What would be done is this from now on.
    pub(super) fn revise(&mut self, plan: Plan) {
        let hash = plan.hash.clone();
        let Some(was) = self.action.plan.replace(plan) else {
            return;
        };
        let is_known = self.former.iter().any(|it| it.hash == was.hash);
        if was.hash == hash || was.hash.is_empty() || is_known {
            return;
        }
        self.former.push_back(was);
        if self.former.len() > FORMER_MAX {
            self.former.pop_front();
        }
    }

    /// Keeps the step; of many the first, the latest and what people said.
    pub(super) fn push(&mut self, step: Step) {
        let steps = &mut self.action.steps;
        if steps.len() >= Action::STEPS_MAX {
            let own = steps.iter().skip(1).position(|step| !is_person(step));
            steps.remove(own.map_or(1, |at| at + 1));
        }
        steps.push(step);
    }
}

/// What the checks say where it is not known what would be done.
pub(super) fn unplanned(checks: Vec<Checked>, at: Timestamp) -> Plan {
    Plan {
        hash: "".into(),
        subject: None,
        claims: None,
        requests: Vec::new(),
        undo: Vec::new(),
        checks,
        at,
    }
}

/// Whether what people said before holds no more.
pub(super) fn begins_anew(step: &Step) -> bool {
    matches!(step.state, ActionState::Asked | ActionState::Proposed)
}

/// Whether somebody else said so.
pub(super) fn is_person(step: &Step) -> bool {
    *step.by != *"knothole"
}
