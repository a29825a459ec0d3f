//! Argo CD as its API documents it, as far as it is asked: 401 without a session; of an application that is not
//! there, 404 where the project is named and 403 where it is not; a closed sync window is 403, an operation
//! under way and a rollback under auto-sync are 400 with code 9. Each time an application is read, its
//! controller has got one step further.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Json;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use reqwest::Url;
use serde_json::{Value, json};

use crate::edge::outgoing::{Ask, Stub};

pub(super) const TOKEN: &str = "a-project-token";
pub(super) const USERNAME: &str = "proj:shop:knothole";

/// What is there, and how it goes on.
pub(super) struct State {
    pub(super) application: Value,
    pub(super) can_sync: bool,
    pub(super) may_sync: bool,
    pub(super) manifest: Value,
    /// The phases that an operation goes through, one each time it is read, with what is said then.
    pub(super) phases: Vec<(&'static str, &'static str)>,
    /// When operations begin.
    pub(super) began: &'static str,
    /// Whether nothing more can be read after the first request that changes something.
    pub(super) goes_blind: bool,
}

/// The server.
#[derive(Clone)]
pub(super) struct Server(Arc<Mutex<State>>);

impl Server {
    /// An application `cart` of project `shop`, which was deployed three times.
    pub(super) fn new() -> Self {
        let deployed = |id: i64, revision: &str| {
            json!({
                "id": id, "revision": revision, "source": {"repoURL": "https://git.example.net/shop"},
                "deployStartedAt": "2025-11-20T00:00:00Z", "deployedAt": "2025-11-20T00:00:09Z",
                "initiatedBy": {"automated": true},
            })
        };
        Self(Arc::new(Mutex::new(State {
            application: json!({
                "metadata": {"name": "cart", "namespace": "argocd", "uid": "u1"},
                "spec": {"project": "shop", "source": {}, "destination": {}},
                "status": {
                    "history": [deployed(6, "aaa"), deployed(7, "bbb"), deployed(8, "ccc")],
                    "operationState": {
                        "phase": "Succeeded", "startedAt": "2025-11-20T00:00:00Z",
                        "message": "successfully synced", "operation": {"sync": {"revision": "ccc"},
                        "initiatedBy": {"automated": true}},
                    },
                },
            }),
            can_sync: true,
            may_sync: true,
            manifest: json!({}),
            phases: vec![
                ("Running", ""),
                ("Succeeded", "successfully synced (all tasks run)"),
            ],
            began: "2025-11-21T04:40:01Z",
            goes_blind: false,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) async fn start(&self) -> Stub {
        let server = self.clone();
        Stub::start(move |ask| server.answer(ask)).await
    }

    fn answer(&self, ask: &Ask) -> Response {
        if ask.header("authorization") != format!("Bearer {TOKEN}") {
            return error(StatusCode::UNAUTHORIZED, 16, "no session information");
        }
        let mut state = self.state();
        let url: Url = format!("http://stub{}", ask.uri).parse().unwrap();
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let path: Vec<&str> = url.path().split('/').skip(1).collect();
        match (&ask.method, path.as_slice()) {
            (&Method::GET, ["api", "v1", "session", "userinfo"]) if query.is_empty() => {
                Json(json!({"loggedIn": true, "username": USERNAME, "iss": "argocd"}))
                    .into_response()
            }
            (
                &Method::GET,
                [
                    "api",
                    "v1",
                    "account",
                    "can-i",
                    "applications",
                    "sync",
                    "shop",
                    "cart",
                ],
            ) if query.is_empty() => {
                let value = if state.may_sync { "yes" } else { "no" };
                Json(json!({"value": value})).into_response()
            }
            (&Method::GET, ["api", "v1", "applications", name, rest @ ..]) => {
                get(&mut state, name, rest, &query)
            }
            (&Method::POST, ["api", "v1", "applications", name, rest @ ..]) => {
                if ask.header("content-type") != "application/json" || !query.is_empty() {
                    return error(
                        StatusCode::UNSUPPORTED_MEDIA_TYPE,
                        3,
                        "invalid content type",
                    );
                }
                let Ok(body) = serde_json::from_slice::<Value>(&ask.body) else {
                    return error(StatusCode::BAD_REQUEST, 3, "invalid character");
                };
                let refused = missing(name, &body["project"]);
                refused.unwrap_or_else(|| post(&mut state, rest, &body))
            }
            // Whatever else is asked for is answered by the user interface.
            _ => "<!doctype html><title>Argo CD</title>".into_response(),
        }
    }
}

fn error(status: StatusCode, code: u32, message: &str) -> Response {
    let body = json!({"error": message, "code": code, "message": message});
    (status, Json(body)).into_response()
}

/// The answer about an application that is not there.
fn missing(name: &str, project: &Value) -> Option<Response> {
    match (name, project) {
        ("cart", Value::Null) => None,
        ("cart", project) if project == "shop" => None,
        (_, Value::Null) => Some(error(StatusCode::FORBIDDEN, 7, "permission denied")),
        _ => {
            let message = format!("applications.argoproj.io {name:?} not found");
            Some(error(StatusCode::NOT_FOUND, 5, &message))
        }
    }
}

fn get(state: &mut State, name: &str, rest: &[&str], query: &[(String, String)]) -> Response {
    if state.goes_blind && !state.application["operation"].is_null() {
        return error(StatusCode::SERVICE_UNAVAILABLE, 14, "connection refused");
    }
    let value = |name: &str| {
        let found = query.iter().find(|(key, _)| key == name);
        found.map_or(Value::Null, |(_, value)| json!(value))
    };
    let known: &[&str] = match rest {
        ["resource"] => &[
            "project",
            "appNamespace",
            "namespace",
            "resourceName",
            "version",
            "group",
            "kind",
        ],
        _ => &["project", "appNamespace"],
    };
    if query.iter().any(|(key, _)| !known.contains(&&**key)) {
        return error(StatusCode::BAD_REQUEST, 3, "unknown parameter");
    }
    if let Some(refused) = missing(name, &value("project")) {
        return refused;
    }
    match rest {
        [] => {
            advance(state);
            Json(&state.application).into_response()
        }
        ["syncwindows"] => {
            let windows =
                json!({"activeWindows": [], "assignedWindows": [], "canSync": state.can_sync});
            Json(windows).into_response()
        }
        ["resource"] if value("kind") == "Deployment" && value("resourceName") == "cart" => {
            Json(json!({"manifest": state.manifest.to_string()})).into_response()
        }
        _ => error(StatusCode::NOT_FOUND, 5, "resource not found"),
    }
}

/// The controller goes one step on.
fn advance(state: &mut State) {
    let application = &mut state.application;
    if application["operation"].is_null() || state.phases.is_empty() {
        return;
    }
    let (phase, message) = state.phases.remove(0);
    let operation = application["operation"].clone();
    if phase == "Succeeded" && operation["sync"]["dryRun"] != true {
        let history = application["status"]["history"].as_array_mut().unwrap();
        let id = history.last().unwrap()["id"].as_i64().unwrap() + 1;
        history.push(json!({
            "id": id, "revision": operation["sync"]["revision"], "source": {},
            "deployStartedAt": state.began, "deployedAt": state.began,
            "initiatedBy": operation["initiatedBy"],
        }));
    }
    application["status"]["operationState"] = json!({
        "phase": phase, "message": message, "startedAt": state.began, "operation": operation,
    });
    if phase != "Running" {
        application["operation"] = Value::Null;
    }
}

fn post(state: &mut State, rest: &[&str], body: &Value) -> Response {
    let automated = &state.application["spec"]["syncPolicy"]["automated"];
    let is_automated = !automated.is_null() && automated["enabled"] != false;
    let fields = |known: &[&str]| {
        let mut fields = body.as_object().unwrap().keys();
        fields.all(|it| known.contains(&&**it))
    };
    let set = |state: &mut State, sync: Value, info: Value| {
        if !state.application["operation"].is_null() {
            let message = "error setting app operation: rpc error: code = FailedPrecondition desc = \
                           another operation is already in progress";
            return error(StatusCode::BAD_REQUEST, 9, message);
        }
        state.application["operation"] =
            json!({"sync": sync, "info": info, "initiatedBy": {"username": USERNAME}});
        Json(&state.application).into_response()
    };
    match rest {
        ["sync"] if fields(&["infos", "prune", "dryRun", "project", "appNamespace"]) => {
            if !state.can_sync {
                let message = "Cannot sync: Blocked by sync window";
                return error(StatusCode::FORBIDDEN, 7, message);
            }
            let sync = json!({"revision": "ddd", "prune": body["prune"], "dryRun": body["dryRun"]});
            set(state, sync, body["infos"].clone())
        }
        ["rollback"] if fields(&["id", "prune", "dryRun", "project", "appNamespace"]) => {
            if is_automated {
                let message = "rollback cannot be initiated when auto-sync is enabled";
                return error(StatusCode::BAD_REQUEST, 9, message);
            }
            let history = state.application["status"]["history"].as_array().unwrap();
            let Some(to) = history.iter().find(|it| it["id"] == body["id"]) else {
                let message = "application argocd/cart does not have deployment with that id";
                return error(StatusCode::BAD_REQUEST, 3, message);
            };
            let sync = json!({"revision": to["revision"], "dryRun": body["dryRun"]});
            set(state, sync, Value::Null)
        }
        ["resource", "actions", "v2"] if body["kind"] == "Deployment" => {
            let at = state.began;
            state.manifest["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
                json!(at);
            Json(json!({})).into_response()
        }
        _ => error(StatusCode::BAD_REQUEST, 3, "unknown field or path"),
    }
}
