//! What other systems carry out: Argo CD through its Application objects on a real API server, and its API, Jenkins
//! and Flux as servers that know what is to be asked and nothing else. The audit log of the cluster says that
//! nothing but the claim and an Event was written there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::cluster::Cluster;
use crate::knothole::Knothole;
use crate::process::{SOON, until};
use crate::remedies::{Scene, USER, approve, asked};

const SECRET: &str = "a-secret-of-the-other-system";

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Ask {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|it| it.to_str().ok());
        value.unwrap_or_default()
    }
}

/// A server that shows what it was asked to change, and what it does not know.
pub(crate) struct Strict {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Ask>>>,
    strange: Arc<Mutex<Vec<Ask>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Strict {
    /// One that answers with what `script` says; where that is nothing, nobody should have asked.
    pub(crate) fn start(
        script: impl Fn(&Ask) -> Option<Response> + Clone + Send + Sync + 'static,
    ) -> Self {
        let asked: Arc<Mutex<Vec<Ask>>> = Arc::default();
        let strange: Arc<Mutex<Vec<Ask>>> = Arc::default();
        let (all, unknown) = (Arc::clone(&asked), Arc::clone(&strange));
        let handler = move |method, uri: Uri, headers, body: Bytes| async move {
            let ask = Ask {
                method,
                path: uri.path().to_owned(),
                headers,
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let answer = script(&ask);
            all.lock().unwrap().push(ask.clone());
            answer.unwrap_or_else(|| {
                unknown.lock().unwrap().push(ask);
                StatusCode::NOT_IMPLEMENTED.into_response()
            })
        };
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let address = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let app = axum::Router::new().fallback(handler);
            tokio::spawn(async move { axum::serve(listener, app).await });
            address
        });
        Self {
            address,
            asked,
            strange,
            _runtime: runtime,
        }
    }

    /// What it was asked to change. Nothing else but what it knows was asked.
    #[track_caller]
    pub(crate) fn changes(&self) -> Vec<Ask> {
        let strange = self.strange.lock().unwrap();
        assert!(strange.is_empty(), "{strange:?}");
        let mut all = self.asked.lock().unwrap().clone();
        all.retain(|it| it.method != Method::GET);
        all
    }
}

/// Where the secret of the other system lies.
fn secret(scene: &Scene) -> String {
    let file = scene.place.path("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    file.display().to_string()
}

/// Has the proposed action approved, and gives it back with the one request that was sent to `server` for it, which
/// is that of the plan.
fn carried_out(
    (scene, server): (&Scene, &Strict),
    (knothole, action): (&Knothole, &Value),
) -> (Value, Ask) {
    let none: [Ask; 0] = [];
    assert_eq!(format!("{:?}", server.changes()), format!("{none:?}"));
    assert_eq!(scene.changes(), [""; 0], "before it was approved");
    let done = approve(knothole, action);
    let sent = server.changes();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let planned = &action["plan"]["requests"][0];
    assert_eq!(
        sent[0].line(),
        format!("POST {}", planned["path"].as_str().unwrap())
    );
    assert_eq!(sent[0].body, planned["body"]);
    assert_eq!(sent[0].header("content-type"), planned["content_type"]);
    until(SOON, "the Event that tells of it", || {
        let told = scene.changes().contains(&"create events".to_owned());
        told.then_some(())
    });
    assert_eq!(scene.changes(), ["create leases", "create events"]);
    (done, sent[0].clone())
}

/// What the action's latest step says.
fn said(action: &Value) -> &str {
    let steps = action["steps"].as_array().unwrap();
    steps.last().unwrap()["why"].as_str().unwrap()
}

#[test]
fn argo_cd_is_asked_through_its_object_exactly_as_approved() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    cluster.argo();
    let (namespace, argo) = (scene.namespace.as_str(), cluster.namespace());
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": { "name": "cart", "namespace": argo },
        "spec": { "project": "shop", "syncPolicy": {} },
    });
    cluster.apply(&application);
    let path = cluster.path_of(&application);
    let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/cart");
    let tracked = format!("cart:apps/Deployment:{namespace}/cart");
    let tracked = json!({ "argocd.argoproj.io/tracking-id": tracked });
    cluster.patch(
        &deployment,
        &json!({ "metadata": { "annotations": tracked } }),
    );
    let rule = "  - { name: sync, action: argo_sync, application: cart, mode: approve }";
    let remediation = format!("  argo_namespace: {argo}\n");
    let (knothole, action) = asked(&scene, (rule, &remediation), "proposed");
    assert_eq!(cluster.get(&path)["operation"], Value::Null);
    let done = approve(&knothole, &action);
    let operation = json!({
        "info": [{ "name": "knothole.dev/action-id", "value": done["id"] }],
        "initiatedBy": { "username": "knothole" },
        "sync": { "prune": false },
    });
    assert_eq!(cluster.get(&path)["operation"], operation);
    let written = |of: &str| {
        let mut all = cluster.audit_of(of);
        all.retain(|it| it["user"] == USER && it["query"] != "dryRun=All");
        all
    };
    let events = until(SOON, "the Event on the application", || {
        Some(written(&argo)).filter(|it| it.len() > 1)
    });
    assert_eq!(events.len(), 2, "{events:?}");
    let (patch, event) = (&events[0], &events[1]);
    assert_eq!(
        (&patch["verb"], &patch["path"], &patch["code"]),
        (&"patch".into(), &path.into(), &200.into())
    );
    let planned = action["plan"]["requests"][0]["body"].as_str().unwrap();
    let planned: Value = serde_json::from_str(planned).unwrap();
    assert_eq!(patch["body"], planned);
    assert_eq!(event["verb"], "create");
    assert_eq!(scene.changes(), ["create leases"]);
}

#[test]
fn a_job_of_jenkins_is_started_once_and_followed_to_its_end() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let jenkins = Strict::start(|ask| {
        let basic = STANDARD.encode(format!("knothole:{SECRET}"));
        if ask.header("authorization") != format!("Basic {basic}") {
            return None;
        }
        let job = "/job/ops/job/restart";
        let path = ask.path.strip_suffix("/api/json").unwrap_or(&ask.path);
        Some(match (ask.method.as_str(), path.strip_prefix(job), path) {
            ("GET", Some(""), _) => Json(json!({
                "buildable": true,
                "property": [{ "parameterDefinitions": [{ "name": "KNOTHOLE_ACTION_ID" }] }],
                "builds": [],
            }))
            .into_response(),
            ("POST", Some("/buildWithParameters"), _) => {
                let place = [("location", "https://ci.example.net/queue/item/7/")];
                (StatusCode::CREATED, place).into_response()
            }
            ("GET", None, "/queue/item/7") => {
                Json(json!({ "executable": { "number": 3 } })).into_response()
            }
            ("GET", Some("/3"), _) => {
                let build = json!({ "number": 3, "building": false, "result": "SUCCESS" });
                Json(build).into_response()
            }
            _ => return None,
        })
    });
    let rule = "  - { name: job, action: jenkins_job, job: ops/restart, mode: approve }";
    let remediation = format!(
        "  jenkins: {{ url: 'http://{}', user: knothole, token_file: {} }}\n",
        jenkins.address,
        secret(&scene)
    );
    let (knothole, action) = asked(&scene, (rule, &remediation), "proposed");
    let (done, sent) = carried_out((&scene, &jenkins), (&knothole, &action));
    let id = done["id"].as_str().unwrap();
    assert!(sent.body.starts_with(&format!("KNOTHOLE_ACTION_ID={id}&")));
    assert_eq!(said(&done), "build 3 of the job ended with SUCCESS");
}

#[test]
fn a_receiver_of_flux_is_told_once_with_a_signature() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let flux = Strict::start(|ask| {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(ask.body.as_bytes());
        let bytes = mac.finalize().into_bytes();
        let hex: String = bytes.iter().map(|it| format!("{it:02x}")).collect();
        let is_signed = ask.header("x-signature") == format!("sha256={hex}");
        (is_signed && ask.line() == "POST /hook/0a1b2c").then(|| StatusCode::OK.into_response())
    });
    let rule = "  - { name: flux, action: flux_receiver, path: /hook/0a1b2c, mode: approve }";
    let remediation = format!(
        "  flux: {{ url: 'http://{}', secret_file: {} }}\n",
        flux.address,
        secret(&scene)
    );
    let (knothole, action) = asked(&scene, (rule, &remediation), "proposed");
    let (done, sent) = carried_out((&scene, &flux), (&knothole, &action));
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body["action"], done["id"]);
    assert_eq!(body["namespace"], scene.namespace);
}

#[test]
fn the_api_of_argo_cd_is_asked_in_place_of_the_object_where_it_is_set() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    // What it was asked for last.
    let operation = Arc::new(Mutex::new(Value::Null));
    let argo = Strict::start(move |ask| {
        if ask.header("authorization") != format!("Bearer {SECRET}") {
            return None;
        }
        let mut operation = operation.lock().unwrap();
        let mut application = json!({
            "metadata": { "name": "cart", "namespace": "argocd" },
            "spec": { "project": "shop" },
            "status": {},
        });
        let path = ask.path.strip_prefix("/api/v1/")?;
        Some(Json(match (ask.method.as_str(), path) {
            ("GET", "applications/cart/syncwindows") => json!({ "canSync": true }),
            ("GET", "account/can-i/applications/sync/shop/cart") => json!({ "value": "yes" }),
            ("GET", "applications/cart") => {
                if !operation.is_null() {
                    application["status"]["operationState"] = json!({
                        "phase": "Succeeded", "message": "all is well",
                        "startedAt": "2026-11-22T10:00:00Z", "operation": *operation,
                    });
                }
                application
            }
            ("POST", "applications/cart/sync") => {
                let body: Value = serde_json::from_str(&ask.body).unwrap();
                *operation = json!({ "sync": {}, "info": body["infos"], "initiatedBy": { "username": "knothole" } });
                application["operation"] = operation.clone();
                application
            }
            _ => return None,
        }))
        .map(|it| it.into_response())
    });
    let rule = "  - { name: sync, action: argo_sync, application: cart, mode: approve }";
    let remediation = format!(
        "  argo_cd: {{ url: 'http://{}', token_file: {}, project: shop }}\n",
        argo.address,
        secret(&scene)
    );
    let (knothole, action) = asked(&scene, (rule, &remediation), "proposed");
    let (done, sent) = carried_out((&scene, &argo), (&knothole, &action));
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body["infos"][0]["value"], done["id"]);
    assert_eq!(
        said(&done),
        "Argo CD has carried it out: Succeeded: all is well"
    );
}
