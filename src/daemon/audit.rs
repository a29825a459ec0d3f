//! The audit: what an entry says of who did what, as it is kept, and as it is read again.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::core::event::{Action, ActionState, CheckVerdict, Checked, Step};
use crate::core::record::{Inert, Timestamp};
use crate::edge::api::{AuditEntry, Caller, Order, Role};
use crate::edge::store::{AuditMark, AuditRow, Filing};
use crate::edge::telemetry::AUDIT;

/// The role of who holds no token: knothole itself, a hook, a signal.
const SYSTEM: &str = "system";
/// The action of an entry that cannot be read.
const UNREADABLE: &str = "unreadable";
/// Longest text of an entry about an action, in bytes.
const TEXT_LEN_MAX: usize = 2_000;
/// Most checks that an entry tells of.
const CHECKS_MAX: usize = 64;
/// The check that asks the owner's policy.
const POLICY: &str = "policy";

/// An entry of the audit as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Audit {
    /// The store keeps it beside what is written.
    #[serde(skip)]
    at: Timestamp,
    by: Box<str>,
    role: Box<str>,
    from: Box<str>,
    action: Box<str>,
    target: Box<str>,
    note: Option<Box<str>>,
    outcome: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

impl Audit {
    /// Somebody orders something; what became of it is told by [`ended`](Self::ended).
    pub(super) fn of(order: &Order, by: &Caller, now: Timestamp) -> Self {
        let from = by
            .address
            .map_or(String::new(), |address| address.to_string());
        Self {
            at: now,
            by: by.name.as_ref().into(),
            role: match Caller::is_system(&by.name) {
                true => SYSTEM.into(),
                false => by.role.name().into(),
            },
            from: from.into(),
            action: order.name().into(),
            target: order.target().into(),
            note: order.note().map(Into::into),
            outcome: "".into(),
            details: None,
        }
    }

    /// Something became of an action.
    pub(super) fn of_step(action: &Action, step: &Step) -> Self {
        let (kind, state) = (action.remedy.kind(), step.state.name());
        Self {
            at: step.at,
            by: bounded(&step.by),
            role: role_of(step).into(),
            from: "".into(),
            action: format!("action.{state}").into(),
            target: bounded(&format!("{kind} {}", action.target)),
            note: Some(bounded(&step.why)),
            outcome: state.into(),
            details: Some(evidence(action)),
        }
    }

    /// As it is, with what became of it.
    pub(super) fn ended(self, outcome: String) -> Self {
        Self {
            outcome: outcome.into(),
            ..self
        }
    }

    /// As it is written.
    pub(super) fn filing(&self) -> Filing {
        Filing::Audit {
            at: self.at,
            body: serde_json::to_vec(self).unwrap_or_default(),
        }
    }

    /// The entry that a row holds. One that cannot be read is shown as such: nothing is left out.
    pub(crate) fn read(row: &AuditRow) -> AuditEntry {
        let unreadable = || Self {
            at: row.at,
            by: "".into(),
            role: SYSTEM.into(),
            from: "".into(),
            action: UNREADABLE.into(),
            target: "".into(),
            note: None,
            outcome: "this entry was damaged or changed; see knothole audit verify".into(),
            details: None,
        };
        let entry = serde_json::from_slice(&row.body).unwrap_or_else(|_| unreadable());
        AuditEntry {
            number: row.number,
            at: row.at,
            by: entry.by,
            role: entry.role,
            from: entry.from,
            action: entry.action,
            target: entry.target,
            note: entry.note,
            outcome: entry.outcome,
            details: entry.details,
            hash: row.hash.to_string().into(),
        }
    }
}

/// Logs the entries among `filings`, which came to be at `marks`. What is logged is sent on as OTLP logs,
/// and there somebody who can write the database cannot change it.
pub(super) fn log(filings: &[Filing], marks: &[AuditMark]) {
    let bodies = filings.iter().filter_map(|filing| match filing {
        Filing::Audit { body, .. } => Some(body),
        Filing::Put(_) | Filing::Remove { .. } => None,
    });
    for (body, mark) in bodies.zip(marks) {
        let Ok(entry) = serde_json::from_slice::<Audit>(body) else {
            continue;
        };
        tracing::info!(
            target: AUDIT,
            number = mark.number,
            hash = %mark.hash,
            by = %Inert(&entry.by),
            role = %Inert(&entry.role),
            action = %Inert(&entry.action),
            target = %Inert(&entry.target),
            note = %Inert(entry.note.as_deref().unwrap_or_default()),
            outcome = %Inert(&entry.outcome),
            "The audit has a new entry."
        );
    }
}

/// The role of who made a step; of a person the one that it takes. What they hold is in the entry of their order.
fn role_of(step: &Step) -> &'static str {
    match step.state {
        _ if Caller::is_system(&step.by) => SYSTEM,
        ActionState::Approved | ActionState::Denied => Role::Approver.name(),
        ActionState::Asked
        | ActionState::Blocked
        | ActionState::Proposed
        | ActionState::Sending
        | ActionState::Unsettled
        | ActionState::Accepted
        | ActionState::Done
        | ActionState::Effective
        | ActionState::Ineffective
        | ActionState::Harmful
        | ActionState::Inconclusive
        | ActionState::Failed
        | ActionState::Expired
        | ActionState::Observed => Role::Operator.name(),
    }
}

/// What an action went by when something became of it.
fn evidence(action: &Action) -> Value {
    let plan = action.plan.as_ref();
    let checks = plan.map_or(&[][..], |plan| &plan.checks);
    let against = checks.iter().filter(|it| it.verdict != CheckVerdict::Pass);
    let against: Vec<Value> = against.take(CHECKS_MAX).map(check).collect();
    let policy = checks.iter().find(|it| *it.check == *POLICY);
    json!({
        "id": action.id,
        "rule": bounded(&action.rule),
        "mode": action.mode.name(),
        "incident": action.incident,
        "plan": plan.map(|plan| &plan.hash),
        "checks": against,
        "policy": policy.map(check),
    })
}

fn check(said: &Checked) -> Value {
    let (verdict, why) = (said.verdict.name(), bounded(&said.why));
    json!({ "check": said.check, "verdict": verdict, "why": why })
}

/// As much of a text as an entry takes.
fn bounded(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(TEXT_LEN_MAX)].into()
}

#[cfg(test)]
mod tests;
