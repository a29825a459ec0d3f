//! A cluster, Argo CD, Jenkins and Flux behind one address, so that it shows in which order they are asked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::*;
use crate::core::event::{ActionState, Grounds, Mode, Object, Remedy, Target};
use crate::core::record::StreamKey;
use crate::core::remedy::plan::claim_name;
use crate::daemon::clock;
use crate::edge::argo::{Argo, ArgoSettings};
use crate::edge::ci::{Flux, FluxSettings, Jenkins, JenkinsSettings};
use crate::edge::kube::{Kube, KubeSettings, Source};
use crate::edge::outgoing::{Ask, Egress, SecretRef, Stub};

pub(super) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/cart";
pub(super) const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";
pub(super) const ID: &str = "00112233445566778899aabbccddeeff";

/// What the servers have, and what happens when they are asked.
#[derive(Default)]
pub(super) struct World {
    pub(super) lease: Mutex<Option<Value>>,
    /// Throws the switch once the workload is claimed.
    pub(super) throws: Mutex<Option<Arc<Switch>>>,
    /// How often somebody else has changed the workload since it was planned for.
    pub(super) changes: AtomicU64,
    /// How many Events are not taken.
    pub(super) untaken: AtomicU64,
}

impl World {
    fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn answer(&self, ask: &Ask) -> Response {
        let path = ask.uri.path();
        let mut lease = self.lease.lock().unwrap();
        match (ask.method.as_str(), path) {
            ("GET", _) if path.contains("/leases/") => match &*lease {
                Some(lease) => Json(lease).into_response(),
                None => gone(),
            },
            ("POST" | "PUT", _) if path.contains("/leases") => {
                let mut written = ask.json();
                written["metadata"]["resourceVersion"] = json!("7");
                *lease = Some(written.clone());
                if let Some(switch) = self.throws.lock().unwrap().as_ref() {
                    switch.stop("enough").unwrap();
                }
                (StatusCode::CREATED, Json(written)).into_response()
            }
            ("GET", DEPLOYMENT) => {
                let meta = json!({ "namespace": "shop", "name": "cart", "uid": "u1", "generation": 3 + self.changes() });
                Json(json!({ "metadata": meta })).into_response()
            }
            ("POST", EVENTS) => match self.untaken.load(Ordering::SeqCst) {
                0 => StatusCode::CREATED.into_response(),
                left => {
                    self.untaken.store(left - 1, Ordering::SeqCst);
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            },
            ("POST", "/job/restart/buildWithParameters") => {
                let mut headers = HeaderMap::new();
                headers.insert(header::LOCATION, "/queue/item/7/".parse().unwrap());
                (StatusCode::CREATED, headers).into_response()
            }
            ("GET", "/queue/item/7/api/json") => {
                Json(json!({ "executable": { "number": 3 } })).into_response()
            }
            ("GET", "/job/restart/3/api/json") => {
                let build = json!({ "number": 3, "building": false, "result": "SUCCESS" });
                Json(build).into_response()
            }
            ("GET", "/api/v1/applications/cart") | ("POST", "/api/v1/applications/cart/sync") => {
                Json(tried_application()).into_response()
            }
            ("GET", "/api/v1/account/can-i/applications/sync/shop/cart") => {
                Json(json!({ "value": "yes" })).into_response()
            }
            ("GET", "/api/v1/applications/cart/syncwindows") => {
                Json(json!({ "canSync": false })).into_response()
            }
            ("POST", "/hook/0a1b") => StatusCode::OK.into_response(),
            _ => gone(),
        }
    }
}

/// An application whose latest operation is the dry run of our action.
pub(super) fn tried_application() -> Value {
    json!({
        "metadata": { "name": "cart", "namespace": "argocd" },
        "spec": { "project": "shop" },
        "status": { "operationState": {
            "phase": "Succeeded",
            "operation": { "sync": { "dryRun": true }, "info": [{ "name": "i", "value": ID }] },
        }},
    })
}

pub(super) fn gone() -> Response {
    let status = json!({ "kind": "Status", "reason": "NotFound", "code": 404 });
    (StatusCode::NOT_FOUND, Json(status)).into_response()
}

/// Hands with all systems, and what they were asked.
pub(super) struct Bench {
    pub(super) hands: Hands,
    pub(super) stub: Stub,
    pub(super) world: Arc<World>,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let world = Arc::new(World::default());
        let shared = Arc::clone(&world);
        let stub = Stub::start(move |ask| shared.answer(ask)).await;
        let url = format!("http://{}", stub.address);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "s3cret").unwrap();
        let secret = || SecretRef::File(file.clone());
        let egress = Egress::default();
        let jenkins = JenkinsSettings {
            poll: Duration::from_millis(1),
            ..JenkinsSettings::of(&url, "knothole", secret())
        };
        let argo = ArgoSettings {
            dry_run: true,
            poll: Duration::from_millis(1),
            ..ArgoSettings::of(&url, secret())
        };
        let cluster = KubeSettings::of(Source::Server {
            url: url.clone(),
            ca_file: None,
            token_file: None,
        });
        let systems = Systems {
            kube: Some(Kube::connect(&cluster, Arc::new(clock::now)).await.unwrap()),
            policy: None,
            argo: Some(Argo::new(&argo, &egress).unwrap()),
            jenkins: Some(Jenkins::new(&jenkins, &egress).unwrap()),
            flux: Some(Flux::new(&FluxSettings::of(&url, secret()), &egress).unwrap()),
        };
        let switch = Arc::new(Switch::new(folder.path().join("stopped")));
        Self {
            hands: Hands::new(systems, switch),
            stub,
            world,
            _folder: folder,
        }
    }

    /// What was asked since the last call.
    pub(super) fn asked(&mut self) -> Vec<String> {
        let all = std::iter::from_fn(|| self.stub.asked());
        let line = |ask: Ask| format!("{} {}", ask.method, ask.uri.path());
        all.map(line).collect()
    }

    /// How often Argo CD is asked for an operation by a rehearsal of `action`, and what that shows.
    pub(super) async fn trials(
        &mut self,
        action: &Action,
    ) -> (usize, Option<Result<(), Box<str>>>) {
        let rehearsal = self.hands.rehearse(action, &[], &json!({})).await;
        let asked = self.asked();
        let trials = asked
            .iter()
            .filter(|it| it.starts_with("POST") && it.ends_with("/sync"));
        (trials.count(), rehearsal.dry_run)
    }

    pub(super) fn is_given_back(&self) -> bool {
        let lease = self.world.lease.lock().unwrap();
        let holder = lease
            .as_ref()
            .map(|it| it["spec"]["holderIdentity"].clone());
        holder == Some(Value::Null)
    }
}

pub(super) fn object() -> Object {
    Object {
        kind: "Deployment".into(),
        namespace: "shop".into(),
        name: "cart".into(),
        uid: "u1".into(),
        generation: 3,
    }
}

pub(super) fn lease() -> String {
    let name = claim_name(&object());
    format!("/apis/coordination.k8s.io/v1/namespaces/shop/leases/{name}")
}

pub(super) fn request(system: System, path: &str, body: &str) -> Request {
    let form = "application/x-www-form-urlencoded";
    Request {
        system,
        method: "POST".into(),
        path: path.into(),
        content_type: form.into(),
        body: body.into(),
    }
}

pub(super) fn job() -> Request {
    let body = format!("KNOTHOLE_ACTION_ID={ID}");
    request(System::Jenkins, "/job/restart/buildWithParameters", &body)
}

pub(super) fn sync() -> Request {
    let body = json!({ "infos": [{ "name": "i", "value": ID }], "dryRun": false });
    let path = "/api/v1/applications/cart/sync";
    request(System::ArgoCd, path, &body.to_string())
}

pub(super) fn hook() -> Request {
    request(System::Flux, "/hook/0a1b", "{}")
}

pub(super) fn target() -> Target {
    Target {
        namespace: "shop".into(),
        workload: Some(("Deployment".into(), "cart".into())),
        pod: None,
        pod_uid: None,
    }
}

/// An action that was just written down to be sent.
pub(super) fn action(requests: Vec<Request>) -> Action {
    let now = clock::now();
    Action {
        id: ID.into(),
        rule: "r".into(),
        mode: Mode::Approve,
        remedy: Remedy::JenkinsJob {
            job: "restart".into(),
        },
        target: target(),
        incident: None,
        fingerprint: "0011223344556677".into(),
        stream: StreamKey::named("cart"),
        reason: "".into(),
        asked_at: now,
        expires_at: now.plus(Duration::from_secs(900)),
        evidence: Grounds::default(),
        plan: Some(Plan {
            hash: "".into(),
            subject: Some(object()),
            claims: Some((object(), Duration::from_secs(60))),
            requests,
            undo: vec![],
            checks: vec![],
            at: now,
        }),
        approved: None,
        state: ActionState::Sending,
        acted_at: Some(now),
        before: None,
        unrest: None,
        steps: vec![],
        anomaly: None,
    }
}
