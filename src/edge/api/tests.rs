//! The api over HTTP, before a made-up daemon.

mod actions;
mod basics;
mod changing;
mod openapi;
mod reading;
mod roles;
mod schema;
mod signed;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::routes::{Served, router};
use super::*;
use crate::core::event::{self as core_event, Action, Incident, Plan};
use crate::core::record::Timestamp;

/// 2026-08-01 04:00:00 UTC.
const NOW: Timestamp = Timestamp::from_millis(1_785_556_800_000);

/// A daemon with some incidents, which writes down what it is told to do.
struct World {
    ready: Result<(), String>,
    recent: Recent,
    incidents: Vec<Arc<Incident>>,
    actions: Vec<Arc<Action>>,
    orders: Mutex<Vec<(Order, Caller)>>,
    refuses: Option<Refusal>,
    /// How often all was stopped before an order was given.
    stops: AtomicUsize,
}

use std::sync::Arc;

impl World {
    fn new() -> Self {
        let recent = Recent::new(3);
        for id in 1..=5 {
            recent.push(json!({ "id": format!("{id}").repeat(32) }));
        }
        Self {
            ready: Ok(()),
            recent,
            incidents: vec![sample::incident().into(), sample::quiet().into()],
            actions: vec![sample::action().into(), sample::quiet_action().into()],
            orders: Mutex::default(),
            refuses: None,
            stops: AtomicUsize::new(0),
        }
    }

    /// What it was told to do, and by whom.
    fn orders(&self) -> Vec<(Order, Caller)> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.clone()
    }

    fn shown(incident: &Arc<Incident>) -> IncidentView {
        IncidentView {
            incident: Arc::clone(incident),
            object: object(incident),
        }
    }
}

impl View for World {
    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn services(&self) -> Vec<ServiceView> {
        vec![ServiceView {
            environment: "prod".into(),
            namespace: "shop".into(),
            name: "cart".into(),
            state: ServiceState::Learning,
            records: 12_410,
            templates: 61,
            new_template_chance: 0.021,
            overflow: 3,
            template_signs: vec!["mostly_rare"],
            quarantined_until: Some("2026-11-21T08:00:00Z".into()),
            sequences: 7,
            model: None,
        }]
    }

    fn metrics(&self) -> String {
        open_metrics(&prometheus_client::registry::Registry::default())
    }

    fn anomalies(&self, limit: usize) -> Vec<Value> {
        self.recent.newest(limit)
    }

    fn anomaly(&self, prefix: &str) -> Lookup<Value> {
        let all = self.recent.newest(Recent::CAPACITY);
        let named = |it: &Value| it["id"].as_str().is_some_and(|id| id.starts_with(prefix));
        Lookup::of(all.into_iter().filter(named))
    }

    fn incidents(&self, query: &IncidentQuery) -> Vec<Arc<Incident>> {
        query.select(&self.incidents)
    }

    fn incident(&self, prefix: &str) -> Lookup<IncidentView> {
        let named = self.incidents.iter();
        let named = named.filter(|incident| incident.id.starts_with(prefix));
        Lookup::of(named.map(Self::shown))
    }

    fn templates(&self, service: &str) -> Lookup<Vec<TemplateView>> {
        let template = TemplateView {
            id: "00000000000000a1".into(),
            text: "order <num> taken".into(),
            records: 7,
        };
        match service {
            "cart" => Lookup::Found(vec![template.clone(), template]),
            "twice" => Lookup::Several,
            "busy" => Lookup::Busy,
            _ => Lookup::Nothing,
        }
    }

    fn silences(&self) -> Vec<Value> {
        vec![silence()]
    }

    fn audit(&self, before: Option<u64>, limit: usize) -> Vec<AuditEntry> {
        let numbers = (1..before.unwrap_or(4)).rev().take(limit);
        let entry = |number| AuditEntry {
            number,
            at: NOW,
            by: "anna".into(),
            role: "operator".into(),
            from: "127.0.0.1".into(),
            action: "acknowledge".into(),
            target: "9f3c".repeat(8).into(),
            note: None,
            outcome: "done".into(),
            details: (number == 2).then(|| json!({ "rule": "restart-cart", "checks": [] })),
            hash: format!("{number:064x}").into(),
        };
        numbers.map(entry).collect()
    }

    fn actions(&self, query: &ActionQuery) -> Vec<Arc<Action>> {
        query.select(&self.actions)
    }

    fn action(&self, prefix: &str) -> Lookup<Value> {
        let named = self.actions.iter();
        let named = named.filter(|action| action.id.starts_with(prefix));
        Lookup::of(named.map(|action| action_object(action)))
    }

    fn switch(&self) -> Value {
        switch(false)
    }

    fn dora(&self, window: std::time::Duration) -> Dora {
        let took = |p50, p90| {
            Some(Quantiles {
                p50: std::time::Duration::from_millis(p50),
                p90: std::time::Duration::from_millis(p90),
            })
        };
        Dora {
            window,
            incidents: 4,
            time_to_detect: took(11_250, 40_000),
            time_to_acknowledge: took(60_000, 90_000),
            time_to_restore: took(600_000, 3_600_000),
            failed_deployment_recovery: None,
            change_failure_rate: Some(0.25),
            deployments: 8,
        }
    }
}

impl Desk for World {
    fn apply(&self, order: Order, by: &Caller) -> Result<Applied, Refusal> {
        if let Some(refusal) = self.refuses.clone() {
            return Err(refusal);
        }
        let applied = match &order {
            Order::Acknowledge { .. }
            | Order::Resolve { .. }
            | Order::Accept { .. }
            | Order::Done { .. } => Applied::Incident(Box::new(Self::shown(&self.incidents[0]))),
            Order::Silence(_) => Applied::Silence(silence()),
            Order::Approve { .. } | Order::Deny { .. } | Order::Report { .. } => {
                Applied::Action(action_object(&self.actions[0]))
            }
            Order::Stop { .. } => Applied::Switch(switch(true)),
            Order::Release { .. } => Applied::Switch(switch(false)),
            Order::Feedback(_) | Order::Change(_) | Order::Alerts(_) | Order::EndSilence { .. } => {
                Applied::Taken { is_new: true }
            }
        };
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.push((order, by.clone()));
        Ok(applied)
    }

    fn stop_at_once(&self) {
        self.stops.fetch_add(1, Ordering::SeqCst);
    }
}

fn silence() -> Value {
    json!({
        "id": "s1", "matchers": ["service=\"cart\""], "owner": "anna", "reason": "load test",
        "created": "2026-08-01T02:00:00Z", "expires": "2026-08-02T00:00:00Z", "made_in": "api",
    })
}

fn switch(stopped: bool) -> Value {
    let why = stopped.then_some("anna: enough");
    json!({ "stopped": stopped, "why": why, "file": "/var/lib/knothole/actions.stopped" })
}

/// An action as sinks send it, without what is in its lists.
fn action_object(action: &Action) -> Value {
    json!({
        "id": action.id, "action": action.remedy.kind().name(), "parameters": {},
        "target": {
            "namespace": "shop", "workload": { "kind": "Deployment", "name": "checkout" },
            "pod": null, "pod_uid": null,
        },
        "mode": action.mode.name(), "state": action.state.name(), "reason": action.reason,
        "rule": action.rule, "service": "prod/shop/checkout", "incident": action.incident,
        "fingerprint": action.fingerprint, "asked_at": "2026-08-01T02:51:18Z",
        "expires_at": "2026-08-01T03:06:18Z", "acted_at": null,
        "evidence": {
            "kinds": ["sequence"], "detectors": ["order"], "score": 0.997,
            "first_seen": "2026-08-01T02:51:07Z", "last_seen": "2026-08-01T02:52:11Z",
            "anomalies": 4,
        },
        "plan": action.plan.as_ref().map(plan_object), "steps": [], "anomaly": null,
    })
}

/// Its bodies are as they are sent: who may read them the api decides.
fn plan_object(plan: &Plan) -> Value {
    let request = |it: &core_event::Request| {
        json!({
            "system": it.system, "method": it.method, "path": it.path,
            "content_type": it.content_type, "body": it.body,
        })
    };
    let requests: Vec<Value> = plan.requests.iter().map(request).collect();
    json!({
        "hash": plan.hash, "at": "2026-08-01T02:52:17Z", "requests": requests,
        "can_be_undone": false, "undo": [], "checks": [],
    })
}

/// An incident as sinks send it, without what is in its lists.
fn object(incident: &Incident) -> Value {
    json!({
        "id": incident.id, "fingerprint": incident.fingerprint, "revision": incident.revision,
        "state": incident.state, "severity": incident.severity, "class": incident.class,
        "title": incident.title, "service": null, "began": "2026-08-01T02:51:07.412Z",
        "detected": "2026-08-01T02:51:18.412Z", "last_seen": "2026-08-01T03:29:07.412Z",
        "acknowledged": { "at": "2026-08-01T02:55:10Z", "by": "anna", "note": null },
        "ended": null, "sign_count": incident.sign_count, "parts": [], "signs": [],
        "route": { "team": null, "pages": true, "why": "it is critical", "muted_by": null },
        "cause": {
            "verdict": "likely", "suspects": [], "changes": [], "unknown": [],
            "lifts": [{
                "attribute": "service.version", "value": "2.9.7", "abnormal": [41, 41],
                "normal": [0, 1930], "lift": 900.0, "p_value": 1e-12,
            }],
        },
        "before": null,
    })
}

/// A request to be made.
struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Call {
    fn new(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: vec![("host", "127.0.0.1:8080".to_owned())],
            body: Vec::new(),
        }
    }

    fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    fn post(path: &str, body: &Value) -> Self {
        let mut call = Self::new("POST", path).with("content-type", "application/json");
        call.body = body.to_string().into();
        call
    }

    /// The header `name` in place of one it has.
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(given, _)| *given != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| *given != name);
        self
    }
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).unwrap()
    }

    fn hint(&self) -> String {
        self.json()["hint"].as_str().unwrap().to_owned()
    }

    fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

fn api(world: &Arc<World>) -> Api {
    Api {
        view: Arc::clone(world) as Arc<dyn View>,
        desk: Arc::clone(world) as Arc<dyn Desk>,
        gate: Gate::default(),
        hooks: Hooks::default(),
        feed: Feed::new(),
        clock: || NOW,
    }
}

/// Makes the call to `world`, on loopback and without tokens.
async fn call(world: &Arc<World>, call: Call) -> Reply {
    call_to(api(world), true, call).await
}

async fn call_to(api: Api, is_local: bool, call: Call) -> Reply {
    let mut request = Request::builder().method(call.method).uri(&call.path);
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Body::from(call.body)).unwrap();
    let served = Served::new(api, is_local, CancellationToken::new());
    let answer = router(served).oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(head.headers[name], value, "{}", call.path);
    }
    assert!(!head.headers.contains_key("set-cookie"), "{}", call.path);
    // Events go on for ever; who may hear them is told by the head.
    let body = match call.path.starts_with("/v1/events") && head.status == 200 {
        true => Vec::new(),
        false => axum::body::to_bytes(body, 1 << 20).await.unwrap().into(),
    };
    Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body).unwrap(),
    }
}

async fn get(path: &str) -> Reply {
    call(&Arc::new(World::new()), Call::get(path)).await
}
