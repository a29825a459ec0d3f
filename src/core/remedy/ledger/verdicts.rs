//! What people and hooks say of an action.

use super::Ledger;
use super::deciding::is_with_hook;
use super::entry::Entry;
use super::revised::changed;
use crate::core::event::{ActionState, Approval, CheckVerdict, Mode, Remedy};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::Facts;

/// Why a word on an action was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// There is none, or it was over long ago.
    #[error("there is no such action")]
    Unknown,
    /// It is over, or past the point.
    #[error("the action is {0} already")]
    Past(&'static str),
    /// Its rule only suggests.
    #[error(
        "the rule of this action is in the mode {0}, so knothole does not carry it out; a hook or a person may"
    )]
    Mode(&'static str),
    /// The plan is another by now.
    #[error("this is not the plan, which is {present}: {changed}")]
    Plan {
        /// Its hash.
        present: Box<str>,
        /// In what it is another.
        changed: String,
    },
    /// It is not known yet what would be done.
    #[error("there is no plan yet that could be approved: {0}")]
    NoPlan(Box<str>),
    /// There is nothing to carry it out with.
    #[error("there is no cluster to carry it out on: set remediation.kubernetes")]
    NoCluster,
    /// Nobody waits for the word of a hook.
    #[error("the action is {0}; a hook has nothing to say of it")]
    NotOpen(&'static str),
}

/// What a hook says of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookStatus {
    /// It took the action on.
    Accepted,
    /// It is at it.
    Running,
    /// It is done; whether it helped knothole sees for itself.
    Succeeded,
    /// It could not be done.
    Failed,
}

impl HookStatus {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl Ledger {
    /// A person approves the plan with this hash. Approving again what is approved changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing changed.
    pub fn approve(
        &mut self,
        id: &str,
        plan: &str,
        (by, why): (&str, &str),
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let can_act = self.can_act;
        let Some(entry) = self.open.get_mut(id) else {
            return Err(self.over(id));
        };
        let (mode, state) = (entry.action.mode, entry.action.state);
        match (mode, state) {
            (Mode::Observe | Mode::Suggest, _) => return Err(LedgerError::Mode(mode.name())),
            (_, ActionState::Approved) if is_approved_by(entry, by) => return check(entry, plan),
            (_, ActionState::Proposed | ActionState::Blocked) => {}
            (_, ActionState::Asked) => {
                return Err(LedgerError::NoPlan("it was not looked at yet".into()));
            }
            (_, state) => return Err(LedgerError::Past(state.name())),
        }
        check(entry, plan)?;
        if !can_act && entry.action.remedy != Remedy::Webhook {
            return Err(LedgerError::NoCluster);
        }
        let checks = entry.action.plan.iter().flat_map(|it| &it.checks);
        let asked = checks.filter(|it| it.verdict == CheckVerdict::Ask);
        entry.action.approved = Some(Approval {
            by: by.into(),
            plan: plan.into(),
            asked: asked.map(|it| it.check.clone()).collect(),
        });
        entry.due = now;
        self.step(id, ActionState::Approved, (by, why), now);
        Ok(())
    }

    /// A person says no: it is not asked for again while this incident goes on.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing changed.
    pub fn deny(
        &mut self,
        id: &str,
        (by, why): (&str, &str),
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let Some(entry) = self.open.get(id) else {
            return Err(self.over(id));
        };
        match entry.action.state {
            ActionState::Asked
            | ActionState::Blocked
            | ActionState::Proposed
            | ActionState::Approved => {
                self.step(id, ActionState::Denied, (by, why), now);
                Ok(())
            }
            state => Err(LedgerError::Past(state.name())),
        }
    }

    /// A hook says how far it is. What it said before changes nothing.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing changed.
    pub fn hooked(
        &mut self,
        id: &str,
        status: HookStatus,
        (by, why): (&str, &str),
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let unrest = self.unrest(id, now);
        let Some(entry) = self.open.get_mut(id) else {
            return Err(self.over(id));
        };
        let action = &mut entry.action;
        let may = match (action.state, &action.remedy, action.mode) {
            (ActionState::Accepted, _, _) => true,
            (ActionState::Approved, _, _) => is_with_hook(action),
            // What is only suggested is anybody's to do.
            (ActionState::Proposed, _, Mode::Suggest) => true,
            (ActionState::Done, _, _) => return Ok(()),
            _ => false,
        };
        if !may {
            return Err(LedgerError::NotOpen(action.state.name()));
        }
        if action.state != ActionState::Accepted {
            // This is how it was before anybody did anything.
            let health = entry.facts.as_ref().and_then(Facts::health);
            action.before = action.before.or(health);
            action.unrest = action.unrest.or(unrest);
        }
        match status {
            HookStatus::Accepted | HookStatus::Running => {
                if action.state != ActionState::Accepted {
                    let given_up = now.plus(Self::HOOK_MAX);
                    action.expires_at = action.expires_at.max(given_up);
                }
                let expires_at = action.expires_at;
                action.acted_at.get_or_insert(now);
                entry.due = expires_at;
                let why = format!("{}: {why}", status.name());
                self.step(id, ActionState::Accepted, (by, &why), now);
            }
            HookStatus::Succeeded => {
                // From here on is measured whether it helped.
                action.acted_at = Some(now);
                self.step(id, ActionState::Done, (by, why), now);
                let due = self.open.get(id).map(|entry| self.review_at(&entry.action));
                if let (Some(entry), Some(due)) = (self.open.get_mut(id), due) {
                    entry.due = due;
                }
            }
            HookStatus::Failed => self.step(id, ActionState::Failed, (by, why), now),
        }
        Ok(())
    }

    fn over(&self, id: &str) -> LedgerError {
        self.get(id).map_or(LedgerError::Unknown, |action| {
            LedgerError::Past(action.state.name())
        })
    }
}

fn is_approved_by(entry: &Entry, by: &str) -> bool {
    let approved = entry.action.approved.as_ref();
    approved.is_some_and(|it| *it.by == *by)
}

/// Whether `hash` is that of the plan as it is now.
fn check(entry: &Entry, hash: &str) -> Result<(), LedgerError> {
    let action = &entry.action;
    let present = action.plan.as_ref().filter(|plan| !plan.hash.is_empty());
    match present {
        None => {
            let last = action.steps.last();
            let why = last.map_or("it was not looked at yet", |step| &*step.why);
            Err(LedgerError::NoPlan(why.into()))
        }
        Some(plan) if *plan.hash == *hash => Ok(()),
        Some(plan) => Err(LedgerError::Plan {
            present: plan.hash.clone(),
            changed: changed(&entry.former, plan, hash),
        }),
    }
}
