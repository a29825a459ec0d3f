//! An action that is not over, and what is only known as long as this process lives.

use std::collections::VecDeque;

use crate::core::event::{Action, Plan, Step};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{Facts, Rehearsal};

/// So many plans of before are remembered, to say what changed.
const FORMER_MAX: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) action: Action,
    /// What was read last.
    pub(super) facts: Option<Facts>,
    pub(super) rehearsal: Option<Rehearsal>,
    /// Since when a task is under way.
    pub(super) under_way: Option<Timestamp>,
    /// When there is something to do next.
    pub(super) due: Timestamp,
    /// Whose approval holds for the plan.
    pub(super) approved_by: Option<Box<str>>,
    /// What would have been done when it was looked at before, oldest first.
    pub(super) former: VecDeque<Plan>,
}

impl Entry {
    pub(super) fn new(action: Action, due: Timestamp) -> Self {
        let approved = action.steps.iter().rev().find(|step| {
            step.state == crate::core::event::ActionState::Approved && *step.by != *"knothole"
        });
        Self {
            approved_by: approved.map(|step| step.by.clone()),
            action,
            facts: None,
            rehearsal: None,
            under_way: None,
            due,
            former: VecDeque::new(),
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

    /// Keeps the step; of many the first and the latest.
    pub(super) fn push(&mut self, step: Step) {
        let steps = &mut self.action.steps;
        if steps.len() >= Action::STEPS_MAX {
            steps.remove(1);
        }
        steps.push(step);
    }
}
