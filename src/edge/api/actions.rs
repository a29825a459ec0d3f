//! Actions and the kill switch: what was asked for, who allows it, and who stops it all.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Problem, answer};
use super::changing::{Sent, apply, short};
use super::gate::Denied;
use super::reading::{Answer, Asked, LIMIT, known, moment, one, place, prefix};
use super::routes::{By, Served, Shown, refusal};
use super::{ActionQuery, Applied, Lookup, Order, Role, objects};
use crate::core::event::{ActionState, withheld};
use crate::core::remedy::ledger::HookStatus;

/// Longest reason for throwing the switch, in bytes: as much as its file is read.
const WHY_LEN_MAX: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Actions {
    state: Option<String>,
    incident: Option<String>,
    service: Option<Box<str>>,
    since: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approval {
    plan: Option<String>,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Denial {
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reported {
    action: Option<String>,
    status: HookStatus,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thrown {
    stopped: bool,
    why: Option<String>,
}

pub(super) async fn actions(State(served): Shown, asked: Asked<Actions>) -> Answer {
    let hint = "state (open, all, or states such as proposed, several with commas), incident, service, \
                since (2026-11-22T02:00:00Z or 24h), limit and cursor are taken";
    let asked = known(asked, hint)?;
    let limit = asked.limit.unwrap_or(LIMIT).min(ActionQuery::LIMIT_MAX);
    let now = (served.api.clock)();
    let query = ActionQuery {
        states: states(asked.state.as_deref().unwrap_or("all"))?,
        incident: asked
            .incident
            .map(|id| prefix(&id).map(Into::into))
            .transpose()?,
        service: asked.service,
        since: asked.since.map(|text| moment(&text, now)).transpose()?,
        after: asked.cursor.map(|cursor| place(&cursor)).transpose()?,
        limit,
    };
    let found = served.call(move |api| api.view.actions(&query)).await?;
    let last = found.last().filter(|_| limit > 0 && found.len() == limit);
    let next = last.map(|last| format!("{}-{}", last.asked_at.as_nanos(), last.id));
    let rows: Vec<Value> = found.iter().map(|it| objects::action(it)).collect();
    let body = json!({ "actions": rows, "next": next });
    Ok(answer(StatusCode::OK, &body))
}

/// Bodies of requests may hold secrets, such as the values of environment variables: those who may only look see
/// what they change.
pub(super) async fn action(State(served): Shown, id: Path<String>, Extension(by): By) -> Answer {
    let mut found = one_action(&served, id).await?;
    if by.role < Role::Operator {
        for list in ["requests", "undo"] {
            let requests = found["plan"][list].as_array_mut();
            for request in requests.into_iter().flatten() {
                request["body"] = withheld(request["body"].as_str().unwrap_or_default()).into();
            }
        }
    }
    Ok(answer(StatusCode::OK, &found))
}

pub(super) async fn approve(
    State(served): Shown,
    id: Path<String>,
    Extension(by): By,
    request: Request,
) -> Answer {
    let sent = Sent::of(request).await?;
    let hint = r#"send {"plan": "the hash of the plan", "note": "…"}"#;
    let Approval { plan, note } = sent.json(hint)?;
    let note = short("note", note)?;
    let plan = short("plan", plan)?.unwrap_or_default();
    let action = whole_id(&served, id).await?;
    apply(&served, Order::Approve { action, plan, note }, by).await
}

pub(super) async fn deny(
    State(served): Shown,
    id: Path<String>,
    Extension(by): By,
    request: Request,
) -> Answer {
    let sent = Sent::of(request).await?;
    let hint = r#"send {"note": "why it is not to be done"}"#;
    let Denial { note } = sent.json(hint)?;
    let note = short("note", note)?.filter(|note| !note.trim().is_empty());
    if note.is_none() {
        let error = "a denial needs a reason: it stays with the action, and with its incident";
        return Err(Problem::bad(error, hint));
    }
    let action = whole_id(&served, id).await?;
    apply(&served, Order::Deny { action, note }, by).await
}

/// A hook, known by its signature, or an operator tells how far something is.
pub(super) async fn report(
    State(served): Shown,
    id: Path<String>,
    Extension(by): By,
    request: Request,
) -> Answer {
    let sent = Sent::of(request).await?;
    let hint = r#"send {"status": "succeeded", "note": "…"}; status is accepted, running, succeeded or failed"#;
    let reported: Reported = sent.json(hint)?;
    let (status, note) = (reported.status, short("note", reported.note)?);
    let action = whole_id(&served, id).await?;
    if reported.action.is_some_and(|named| named != *action) {
        let error = "the body is about another action than the address";
        return Err(Problem::bad(error, "send it to the address of its action"));
    }
    let order = Order::Report {
        action,
        status,
        note,
    };
    // A hook has the action: it wants to know that it was heard.
    let body = match served.order(order, by).await? {
        Applied::Action(object) => json!({ "id": object["id"], "state": object["state"] }),
        Applied::Incident(_) | Applied::Silence(_) | Applied::Switch(_) | Applied::Taken { .. } => {
            Value::Null
        }
    };
    Ok(answer(StatusCode::OK, &body))
}

pub(super) async fn switch(State(served): Shown) -> Answer {
    let switch = served.call(|api| api.view.switch()).await?;
    Ok(answer(StatusCode::OK, &switch))
}

/// An operator may stop all actions; to allow them again takes an approver.
pub(super) async fn throw(State(served): Shown, Extension(by): By, request: Request) -> Answer {
    let path = request.uri().clone();
    let sent = Sent::of(request).await?;
    let hint = r#"send {"stopped": true, "why": "…"}, or false to allow actions again"#;
    let Thrown { stopped, why } = sent.json(hint)?;
    let why = why.filter(|why| !why.trim().is_empty());
    let why = why.ok_or_else(|| Problem::bad("the switch takes a reason", hint))?;
    if why.len() > WHY_LEN_MAX {
        let hint = format!("at most {WHY_LEN_MAX} bytes are kept");
        return Err(Problem::bad("the reason is too long", hint));
    }
    let why = why.into();
    let order = match stopped {
        true => Order::Stop { why },
        false if by.role < Role::Approver => {
            let asks = served.api.gate.asks();
            let denied = Denied::role(by.role, asks);
            return Err(refusal(denied, Role::Approver, &path));
        }
        false => Order::Release { why },
    };
    apply(&served, order, by).await
}

/// The action that is meant by the beginning of its id, as every sink sends it.
async fn one_action(served: &Arc<Served>, Path(id): Path<String>) -> Result<Value, Problem> {
    let prefix = prefix(&id)?;
    let asked = prefix.clone();
    let looked_up = move |api: &super::Api| {
        let found = api.view.action(&asked);
        let is_incident = matches!(found, Lookup::Nothing)
            && !matches!(api.view.incident(&asked), Lookup::Nothing);
        (found, is_incident)
    };
    let (found, is_incident) = served.call(looked_up).await?;
    if is_incident {
        let error = "this is the id of an incident and of no action";
        let hint = format!(
            "knothole actions --state all --incident {prefix}, or GET /v1/actions?incident={prefix}, lists its actions"
        );
        return Err(Problem::new(StatusCode::NOT_FOUND, error, hint));
    }
    one(found, "action", "GET /v1/actions lists them")
}

async fn whole_id(served: &Arc<Served>, id: Path<String>) -> Result<Box<str>, Problem> {
    let found = one_action(served, id).await?;
    Ok(found["id"].as_str().unwrap_or_default().into())
}

fn states(text: &str) -> Result<Vec<ActionState>, Problem> {
    let all = ActionState::ALL;
    match text {
        "all" => return Ok(Vec::new()),
        "open" => return Ok(all.into_iter().filter(|state| !state.is_over()).collect()),
        _ => {}
    }
    let words = text.split(',');
    let named = words.map(|word| all.into_iter().find(|state| state.name() == word));
    named.collect::<Option<_>>().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|state| state.name()).collect();
        let hint = format!("open and all are, and several of {}", names.join(", "));
        Problem::bad("this is no state of an action", hint)
    })
}
