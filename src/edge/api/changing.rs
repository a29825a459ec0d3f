//! What changes something: a body becomes an [`Order`], and the desk carries it out.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::alerts::{self, Webhook};
use super::answer::{Problem, answer};
use super::changes::{self, Inbound};
use super::reading::{Answer, one, one_incident, prefix};
use super::routes::{By, Served, Shown};
use super::{Applied, Caller, Feedback, FeedbackVerdict, Order, Refusal, Subject};

/// Largest body, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;
/// Largest body of alerts, in bytes: 8 KiB for each of the [`Order::ALERTS_MAX`]. Alertmanager does not
/// send again what is refused.
pub(super) const ALERTS_BYTES_MAX: usize = 4 << 20;
/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest note, in bytes.
const NOTE_LEN_MAX: usize = 4_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WasDone {
    action: String,
    helped: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judged {
    anomaly: Option<String>,
    incident: Option<String>,
    verdict: FeedbackVerdict,
    note: Option<String>,
}

pub(super) async fn acknowledge(
    served: Shown,
    id: Path<String>,
    by: By,
    request: Request,
) -> Answer {
    let order = |incident, note| Order::Acknowledge { incident, note };
    mark(served, id, by, request, order).await
}

pub(super) async fn resolve(served: Shown, id: Path<String>, by: By, request: Request) -> Answer {
    let order = |incident, note| Order::Resolve { incident, note };
    mark(served, id, by, request, order).await
}

pub(super) async fn accept(served: Shown, id: Path<String>, by: By, request: Request) -> Answer {
    let order = |incident, note| Order::Accept { incident, note };
    mark(served, id, by, request, order).await
}

/// Does to an incident what takes a note at most.
async fn mark(
    served: Shown,
    id: Path<String>,
    Extension(by): By,
    request: Request,
    order: impl FnOnce(Box<str>, Option<Box<str>>) -> Order,
) -> Answer {
    let sent = Sent::of(request).await?;
    let hint = r#"send {"note": "…"} or {}"#;
    let Noted { note } = sent.json(hint)?;
    let note = short("note", note)?;
    let incident = one_incident(State(Arc::clone(&served)), id).await?.incident;
    let order = order(incident.id.clone(), note);
    apply(&served, order, by).await
}

pub(super) async fn done(
    served: Shown,
    id: Path<String>,
    Extension(by): By,
    request: Request,
) -> Answer {
    let sent = Sent::of(request).await?;
    let hint = r#"send {"action": "rolled back to 2.9.6", "helped": true}"#;
    let WasDone { action, helped } = sent.json(hint)?;
    let action = short("action", Some(action))?.filter(|action| !action.trim().is_empty());
    let action = action.ok_or_else(|| Problem::bad("the action is empty", hint))?;
    let incident = one_incident(State(Arc::clone(&served)), id).await?.incident;
    let incident = incident.id.clone();
    let order = Order::Done {
        incident,
        action,
        helped,
    };
    apply(&served, order, by).await
}

pub(super) async fn feedback(State(served): Shown, Extension(by): By, request: Request) -> Answer {
    let sent = Sent::of(request).await?;
    let hint = r#"send {"incident": ID, "verdict": "true_positive", "note": "…"}; or anomaly in place of incident; verdict is true_positive, false_positive or expected"#;
    let judged: Judged = sent.json(hint)?;
    let subject = match (judged.anomaly, judged.incident) {
        (Some(id), None) => {
            let prefix = prefix(&id)?;
            let found = served.call(move |api| api.view.anomaly(&prefix)).await?;
            let found = one(found, "anomaly", "GET /v1/anomalies lists the latest")?;
            Subject::Anomaly(found["id"].as_str().unwrap_or_default().into())
        }
        (None, Some(id)) => {
            let found = one_incident(State(Arc::clone(&served)), Path(id)).await?;
            Subject::Incident(found.incident.id.clone())
        }
        _ => {
            let error = "feedback is about one thing, an anomaly or an incident";
            return Err(Problem::bad(error, hint));
        }
    };
    let feedback = Feedback {
        subject,
        verdict: judged.verdict,
        note: short("note", judged.note)?,
    };
    apply(&served, Order::Feedback(feedback), by).await
}

pub(super) async fn silence(State(served): Shown, Extension(by): By, request: Request) -> Answer {
    let sent = Sent::of(request).await?;
    let hint = r#"send {"matchers": ["service=\"cart\""], "owner": "…", "reason": "…", "expires": "2026-11-23T08:00:00Z"}"#;
    let silence: Value = sent.json(hint)?;
    if !silence.is_object() {
        return Err(Problem::bad("a silence is a JSON object", hint));
    }
    apply(&served, Order::Silence(silence), by).await
}

pub(super) async fn end_silence(
    State(served): Shown,
    Path(id): Path<Box<str>>,
    Extension(by): By,
) -> Answer {
    apply(&served, Order::EndSilence { id }, by).await
}

pub(super) async fn change(State(served): Shown, Extension(by): By, request: Request) -> Answer {
    let sent = Sent::of(request).await?;
    let now = (served.api.clock)();
    match changes::read(&sent.head.headers, &sent.body, now)? {
        Inbound::Change(change) => apply(&served, Order::Change(*change), by).await,
        Inbound::Other(kind) => {
            let body =
                json!({ "new": false, "ignored": format!("{kind} is no change of a service") });
            Ok(answer(StatusCode::ACCEPTED, &body))
        }
    }
}

pub(super) async fn alerts(State(served): Shown, Extension(by): By, request: Request) -> Answer {
    let sent = Sent::up_to(ALERTS_BYTES_MAX, request).await?;
    // Megabytes of JSON take longer than an async thread may be held.
    let read = served.call(move |_| {
        let webhook: Webhook = sent.json("send what Alertmanager's webhook sends, version 4")?;
        alerts::read(webhook)
    });
    let alerts = read.await??;
    let count = alerts.len();
    if !alerts.is_empty() {
        let order = Order::Alerts(alerts);
        served.order(order, by).await?;
    }
    Ok(answer(StatusCode::OK, &json!({ "taken": count })))
}

/// A request with its body.
pub(super) struct Sent {
    head: Parts,
    body: Bytes,
}

impl Sent {
    /// Takes JSON only: what a form of a web page can send is none.
    pub(super) async fn of(request: Request) -> Result<Self, Problem> {
        Self::up_to(BODY_BYTES_MAX, request).await
    }

    /// The same with a body of at most `most` bytes.
    async fn up_to(most: usize, request: Request) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        if !is_json(&head.headers) {
            let hint = "send JSON, with the header Content-Type: application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "this type of body is not taken", hint));
        }
        let body = whole(body, most).await?;
        Ok(Self { head, body })
    }

    pub(super) fn json<T: DeserializeOwned>(&self, hint: &str) -> Result<T, Problem> {
        read_json(&self.body, hint)
    }
}

/// Reads `body`; an empty one is an empty object.
pub(super) fn read_json<T: DeserializeOwned>(body: &[u8], hint: &str) -> Result<T, Problem> {
    let body = match body {
        [] => b"{}",
        body => body,
    };
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad(format!("this body cannot be read: {error}"), hint))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let bare = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    bare.is_some_and(|bare| {
        bare.eq_ignore_ascii_case("application/json")
            || bare.eq_ignore_ascii_case(changes::STRUCTURED)
    })
}

/// All of a body of at most `most` bytes.
pub(super) async fn whole(body: Body, most: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, most)).await;
    match read {
        Ok(Ok(body)) => Ok(body),
        // What is too long and what breaks off look alike here; only the first gets the answer.
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too long",
            format!("at most {} KiB are taken", most >> 10),
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not come in time",
            "send it within 10 seconds",
        )),
    }
}

/// A text that is no longer than a note may be.
pub(super) fn short(what: &str, text: Option<String>) -> Result<Option<Box<str>>, Problem> {
    match text {
        Some(text) if text.len() > NOTE_LEN_MAX => {
            let hint = format!("at most {NOTE_LEN_MAX} bytes are kept");
            Err(Problem::bad(format!("the {what} is too long"), hint))
        }
        text => Ok(text.map(Into::into)),
    }
}

/// Has `order` carried out, and answers with what became of it.
pub(super) async fn apply(served: &Served, order: Order, by: Caller) -> Answer {
    let applied = served.order(order, by).await?;
    let (status, body) = match applied {
        Applied::Incident(view) => (StatusCode::OK, view.object),
        Applied::Silence(object) | Applied::Action(object) | Applied::Switch(object) => {
            (StatusCode::OK, object)
        }
        Applied::Taken { is_new } => (StatusCode::OK, json!({ "new": is_new })),
    };
    Ok(answer(status, &body))
}

impl Served {
    /// Has `order` carried out.
    pub(super) async fn order(&self, order: Order, by: Caller) -> Result<Applied, Problem> {
        if let Order::Stop { .. } = order {
            // Before it waits behind others.
            self.api.desk.stop_at_once();
        }
        let applied = self.call(move |api| api.desk.apply(order, &by)).await?;
        applied.map_err(|refusal| {
            let error = refusal.to_string();
            match refusal {
                Refusal::Unknown(_) => {
                    Problem::new(StatusCode::NOT_FOUND, error, "GET / lists what is here")
                }
                Refusal::Conflict(_) => {
                    Problem::new(StatusCode::CONFLICT, error, "read it again, it has changed")
                }
                Refusal::Standing { hint, plan, .. } => {
                    Problem::new(StatusCode::CONFLICT, error, hint).with_plan(plan)
                }
                Refusal::Invalid(_) => {
                    Problem::bad(error, "GET /v1/openapi.yaml describes what is taken")
                }
                Refusal::Busy(_) => Problem::busy(error),
            }
        })
    }
}
