//! What became of actions: rows for the disk, and a word to the incidents they belong to.

use crate::core::desk::{Deed, Desk};
use crate::core::event::{Action, ActionState, Mark};
use crate::core::record::Timestamp;
use crate::core::remedy::ledger::Changed;
use crate::daemon::audit::Audit;
use crate::edge::store::{Document, Filing, Kind};

/// The action as it is, and an entry of the audit for each of its steps.
pub(super) fn rows(changed: &Changed) -> Vec<Filing> {
    let action = &changed.action;
    let mut rows: Vec<Filing> = Vec::with_capacity(1 + changed.steps.len());
    // It is written by its own type, which has no key that is not a string.
    let body = serde_json::to_vec(&**action).unwrap_or_default();
    rows.push(Filing::Put(Document {
        kind: Kind::Action,
        id: action.id.clone(),
        at: action.asked_at,
        body,
    }));
    let steps = changed.steps.iter();
    rows.extend(steps.map(|step| Audit::of_step(action, step).filing()));
    rows
}

/// The incident hears what was done and whether it helped, and is over where nothing came since.
pub(super) fn verified(desk: &mut Desk, action: &Action, now: Timestamp) {
    let Some(id) = action.incident.as_deref() else {
        return;
    };
    let helped = match action.state {
        ActionState::Effective => true,
        ActionState::Ineffective | ActionState::Harmful => false,
        _ => return,
    };
    let done = Deed::Done {
        action: action.remedy.kind().name().into(),
        helped,
    };
    // One that is over by now, or was forgotten, has nothing to hear.
    if desk.deed(id, done).is_err() || !helped {
        return;
    }
    let last_seen = desk.incident(id).map(|incident| incident.last_seen);
    let acted = action.acted_at.unwrap_or(action.asked_at);
    // What was in the air when it was done does not keep the incident open.
    let calm = acted.plus(now.since(acted) / 3);
    if last_seen.is_some_and(|seen| seen <= calm) {
        let why = action.steps.last().map_or("", |step| &*step.why);
        let mark = Mark {
            at: now,
            by: "knothole".into(),
            note: Some(format!("{} helped: {why}", action.remedy.kind()).into()),
        };
        let _ = desk.deed(id, Deed::Resolve(mark));
    }
}
