//! What is read.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Problem, answer};
use super::feed::Heard;
use super::routes::Shown;
use super::time::{self, rfc3339, span};
use super::{ActionQuery, IncidentQuery, IncidentView, Lookup, Recent, explain, objects, words};
use crate::core::event::{Action, ActionState, IncidentState};
use crate::core::record::Timestamp;

/// What Prometheus asks for first.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How many of anything come where nothing is said.
pub(super) const LIMIT: usize = 100;
/// Most entries of the audit in one answer.
const AUDIT_LIMIT_MAX: usize = 1_000;
/// Most templates in one answer.
const TEMPLATES_LIMIT_MAX: usize = 10_000;
/// How far back `/v1/dora` looks where nothing is said, and at most.
const WINDOW: Duration = Duration::from_secs(90 * 86_400);
const WINDOW_MAX: Duration = Duration::from_secs(3_660 * 86_400);
/// How often a listener hears that the connection stands.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// The shortest beginning of an id that is taken, and the length of a whole one.
const ID_LEN_MIN: usize = 6;
const ID_LEN: usize = 32;

pub(super) type Answer = Result<Response, Problem>;

pub(super) async fn readyz(State(served): Shown) -> Response {
    match served.api.view.ready() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

pub(super) async fn metrics(State(served): Shown) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], served.api.view.metrics()).into_response()
}

pub(super) async fn services(State(served): Shown) -> Response {
    let services = served.api.view.services();
    answer(StatusCode::OK, &json!({ "services": services }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incidents {
    state: Option<String>,
    service: Option<Box<str>>,
    team: Option<Box<str>>,
    since: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(super) async fn incidents(State(served): Shown, asked: Asked<Incidents>) -> Answer {
    let hint = "state (open, acknowledged, resolved, accepted, several with commas), service, team, \
                since (2026-11-22T02:00:00Z or 24h), limit and cursor are taken";
    let asked = known(asked, hint)?;
    let limit = asked.limit.unwrap_or(LIMIT).min(IncidentQuery::LIMIT_MAX);
    let now = (served.api.clock)();
    let query = IncidentQuery {
        states: states(asked.state.as_deref())?,
        service: asked.service,
        team: asked.team,
        since: asked.since.map(|text| moment(&text, now)).transpose()?,
        after: asked.cursor.map(|cursor| place(&cursor)).transpose()?,
        limit,
    };
    let found = served.call(move |api| api.view.incidents(&query)).await?;
    let last = found.last().filter(|_| limit > 0 && found.len() == limit);
    let next = last.map(|last| format!("{}-{}", last.detected.as_nanos(), last.id));
    let rows: Vec<Value> = found.iter().map(|it| objects::summary(it)).collect();
    let body = json!({ "incidents": rows, "next": next });
    Ok(answer(StatusCode::OK, &body))
}

pub(super) async fn incident(served: Shown, id: Path<String>) -> Answer {
    let found = one_incident(served, id).await?;
    Ok(answer(StatusCode::OK, &found.object))
}

pub(super) async fn explanation(served: Shown, id: Path<String>) -> Answer {
    let (found, actions) = with_actions(served, id).await?;
    let text = explain::explanation(&found.incident, &actions);
    let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((kind, text).into_response())
}

pub(super) async fn markdown(served: Shown, id: Path<String>) -> Answer {
    let (found, actions) = with_actions(served, id).await?;
    let text = super::markdown(&found.incident, &actions);
    let kind = [(CONTENT_TYPE, "text/markdown; charset=utf-8")];
    Ok((kind, text).into_response())
}

/// The incident that is meant, and the actions for it that are not over: a few, and one more where there are more.
async fn with_actions(
    State(served): Shown,
    id: Path<String>,
) -> Result<(IncidentView, Vec<Arc<Action>>), Problem> {
    let found = one_incident(State(Arc::clone(&served)), id).await?;
    let states = ActionState::ALL.into_iter();
    let query = ActionQuery {
        states: states.filter(|state| !state.is_over()).collect(),
        incident: Some(found.incident.id.clone()),
        limit: words::ACTIONS_SHOWN + 1,
        ..ActionQuery::default()
    };
    let actions = served.call(move |api| api.view.actions(&query)).await?;
    Ok((found, actions))
}

/// The incident that is meant by the beginning of its id.
pub(super) async fn one_incident(
    State(served): Shown,
    Path(id): Path<String>,
) -> Result<IncidentView, Problem> {
    let prefix = prefix(&id)?;
    let found = served.call(move |api| api.view.incident(&prefix)).await?;
    one(found, "incident", "GET /v1/incidents lists them")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(super) async fn anomalies(State(served): Shown, asked: Asked<Page>) -> Answer {
    let most = Recent::CAPACITY;
    let hint = format!(
        "limit, a number from 0 to {most} as in /v1/anomalies?limit=100, and cursor are taken"
    );
    let asked = known(asked, &hint)?;
    let limit = asked.limit.unwrap_or(LIMIT).min(most);
    let mut all = served.call(move |api| api.view.anomalies(most)).await?;
    if let Some(cursor) = asked.cursor {
        let is_last = |anomaly: &Value| anomaly["id"].as_str() == Some(&cursor);
        // What was there may have been forgotten since, and all that is older with it.
        let from = all.iter().position(is_last).map_or(all.len(), |at| at + 1);
        all.drain(..from);
    }
    let next = (limit > 0 && all.len() > limit)
        .then(|| all.get(limit - 1).map(|last| last["id"].clone()))
        .flatten();
    all.truncate(limit);
    let body = json!({ "anomalies": all, "next": next });
    Ok(answer(StatusCode::OK, &body))
}

pub(super) async fn anomaly(State(served): Shown, Path(id): Path<String>) -> Answer {
    let prefix = prefix(&id)?;
    let found = served.call(move |api| api.view.anomaly(&prefix)).await?;
    let found = one(found, "anomaly", "GET /v1/anomalies lists the latest")?;
    Ok(answer(StatusCode::OK, &found))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfService {
    service: String,
    limit: Option<usize>,
}

pub(super) async fn templates(State(served): Shown, asked: Asked<OfService>) -> Answer {
    let asked = known(asked, "service, as in ?service=cart, and limit are taken")?;
    let limit = asked.limit.unwrap_or(TEMPLATES_LIMIT_MAX);
    let service = asked.service;
    let found = served.call(move |api| api.view.templates(&service)).await?;
    let mut templates = match found {
        Lookup::Several => {
            let hint = "name it whole, as in ?service=prod/shop/cart";
            let error = "more than one service is called so";
            return Err(Problem::new(StatusCode::CONFLICT, error, hint));
        }
        found => one(found, "service", "GET /v1/services lists them")?,
    };
    let total = templates.len();
    templates.truncate(limit.min(TEMPLATES_LIMIT_MAX));
    let body = json!({ "templates": templates, "total": total });
    Ok(answer(StatusCode::OK, &body))
}

pub(super) async fn silences(State(served): Shown) -> Answer {
    let silences = served.call(|api| api.view.silences()).await?;
    Ok(answer(StatusCode::OK, &json!({ "silences": silences })))
}

pub(super) async fn audit(State(served): Shown, asked: Asked<Page>) -> Answer {
    let hint = "limit and cursor, both numbers, are taken";
    let asked = known(asked, hint)?;
    let limit = asked.limit.unwrap_or(LIMIT).min(AUDIT_LIMIT_MAX);
    let before = asked.cursor.map(|cursor| cursor.parse::<u64>()).transpose();
    let before = before.map_err(|_| Problem::bad("this cursor cannot be read", hint))?;
    let entries = served.call(move |api| api.view.audit(before, limit));
    let entries = entries.await?;
    let last = entries.last().filter(|_| entries.len() == limit);
    let next = last.map(|last| last.number.to_string());
    let rows: Vec<Value> = entries.iter().map(objects::audited).collect();
    Ok(answer(
        StatusCode::OK,
        &json!({ "audit": rows, "next": next }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    window: Option<String>,
}

pub(super) async fn dora(State(served): Shown, asked: Asked<Window>) -> Answer {
    let hint = "window is a span such as 90d, 24h or 2w, of at most ten years";
    let asked = known(asked, hint)?;
    let window = match asked.window {
        None => WINDOW,
        Some(text) => span(&text)
            .filter(|window| !window.is_zero() && *window <= WINDOW_MAX)
            .ok_or_else(|| Problem::bad("this window cannot be read", hint))?,
    };
    let dora = served.call(move |api| api.view.dora(window)).await?;
    Ok(answer(StatusCode::OK, &objects::dora(&dora)))
}

pub(super) async fn events(State(served): Shown, headers: HeaderMap) -> Answer {
    let last = headers.get("last-event-id");
    let last = last.map(|id| id.to_str().unwrap_or_default());
    let heard = served.api.feed.listen(last);
    let heard = heard.ok_or_else(|| Problem::busy("too many listen already"))?;
    let events = heard.map(|heard| Ok::<_, Infallible>(server_sent(&heard)));
    let until = served.stop.clone().cancelled_owned();
    let beat = KeepAlive::new()
        .interval(HEARTBEAT_EVERY)
        .text("still here");
    Ok(Sse::new(events.take_until(until))
        .keep_alive(beat)
        .into_response())
}

/// A listener that hears `reset` should read `/v1/incidents` anew.
fn server_sent(heard: &Heard) -> Event {
    match heard {
        Heard::Gap => Event::default().event("reset").data("{}"),
        Heard::Told(told) => Event::default()
            .id(&*told.id)
            .event(&*told.kind)
            .data(&*told.data),
    }
}

/// A query as it came.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

/// What is asked for, or what can be asked for.
pub(super) fn known<T>(asked: Asked<T>, hint: &str) -> Result<T, Problem> {
    match asked {
        Ok(Query(asked)) => Ok(asked),
        Err(rejection) => Err(Problem::bad(rejection.body_text(), hint)),
    }
}

/// An id or the beginning of one, with or without `inc_`, as the view looks it up.
pub(super) fn prefix(id: &str) -> Result<String, Problem> {
    let bare = id.strip_prefix("inc_").unwrap_or(id).to_ascii_lowercase();
    let is_id = (ID_LEN_MIN..=ID_LEN).contains(&bare.len())
        && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(bare).ok_or_else(|| {
        let hint = "an id has 32 hex digits, of which the first 6 or more will do";
        Problem::bad("this is no id", hint)
    })
}

pub(super) fn one<T>(found: Lookup<T>, what: &str, hint: &str) -> Result<T, Problem> {
    match found {
        Lookup::Found(found) => Ok(found),
        Lookup::Several => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("more than one {what} has an id that begins so"),
            "give more digits",
        )),
        Lookup::Nothing => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no such {what}"),
            hint,
        )),
        Lookup::Busy => Err(Problem::busy(format!("the {what} is too busy to answer"))),
    }
}

fn states(text: Option<&str>) -> Result<Vec<IncidentState>, Problem> {
    const ALL: [IncidentState; 4] = [
        IncidentState::Open,
        IncidentState::Acknowledged,
        IncidentState::Resolved,
        IncidentState::Accepted,
    ];
    let words = text.into_iter().flat_map(|text| text.split(','));
    let named = words.map(|word| ALL.into_iter().find(|state| state.name() == word));
    named.collect::<Option<_>>().ok_or_else(|| {
        let hint = "open, acknowledged, resolved and accepted are, several with commas";
        Problem::bad("this is no state of an incident", hint)
    })
}

/// A time, or how long ago.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    time::moment(text, now).ok_or_else(|| {
        let hint = format!("write since={} or since=24h", rfc3339(now));
        Problem::bad("this is no time", hint)
    })
}

/// Where the answer before ended.
pub(super) fn place(cursor: &str) -> Result<(Timestamp, Box<str>), Problem> {
    let read = cursor.split_once('-').and_then(|(nanos, id)| {
        let nanos: u64 = nanos.parse().ok()?;
        Some((Timestamp::from_nanos(nanos), id.into()))
    });
    read.ok_or_else(|| {
        let hint = "give back what next said in the answer before";
        Problem::bad("this cursor cannot be read", hint)
    })
}
