//! A cluster that is a script: what it was asked is looked at byte for byte, and it answers as the real one was
//! measured to, or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

mod stub;
mod claiming;
mod cluster;
mod leaving;
mod looking;
mod noting;
mod reaching;
mod rehearsing;
mod sending;
mod settling;
mod workloads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stub::{Asked, Say, Stub};

use super::{ClaimOf, Kube, KubeSettings, Source};
use crate::core::event::{Object, Plan, Request, System};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::Answer;

/// The action of all tests.
const ID: &str = "0123456789abcdef0123456789abcdef";
/// When tests begin.
const START: Timestamp = Timestamp::from_millis(1_795_000_000_000);
/// Where the claim lies.
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/shop/leases";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/shop/leases/knothole-cart";
const POD: &str = "/api/v1/namespaces/shop/pods/cart-1";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/cart";

/// A cluster, its client and a clock.
struct Lab {
    stub: Stub,
    kube: Kube,
    time: Arc<AtomicU64>,
}

impl Lab {
    async fn new(script: impl Fn(&Asked) -> Option<Say> + Send + Sync + 'static) -> Self {
        Self::with(script, |_| ()).await
    }

    async fn with(
        script: impl Fn(&Asked) -> Option<Say> + Send + Sync + 'static,
        change: impl FnOnce(&mut KubeSettings),
    ) -> Self {
        let stub = Stub::start(script).await;
        let mut settings = settings(&stub.url());
        change(&mut settings);
        let time = Arc::new(AtomicU64::new(START.as_nanos()));
        let kube = client(&settings, &time).await;
        Self { stub, kube, time }
    }

    /// Time goes on.
    fn pass(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap();
        self.time.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Another program, with its own client, on the same cluster.
    async fn other(&self) -> Kube {
        client(&settings(&self.stub.url()), &self.time).await
    }

    async fn send(&self, plan: &Plan) -> Answer {
        self.kube.send(ID, plan, &claim(), &|| None).await
    }
}

async fn client(settings: &KubeSettings, time: &Arc<AtomicU64>) -> Kube {
    let time = Arc::clone(time);
    let clock = Arc::new(move || Timestamp::from_nanos(time.load(Ordering::SeqCst)));
    Kube::connect(settings, clock).await.unwrap()
}

fn settings(url: &str) -> KubeSettings {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut settings = KubeSettings::of(Source::Server {
        url: url.to_owned(),
        ca_file: None,
        token_file: None,
    });
    settings.timeout = Duration::from_secs(20);
    settings
}

fn claim() -> ClaimOf {
    ClaimOf {
        namespace: "shop".into(),
        name: "knothole-cart".into(),
        lasts: Duration::from_secs(600),
        owner: Some(object("Deployment", "cart", 3)),
    }
}

fn object(kind: &str, name: &str, generation: i64) -> Object {
    Object {
        kind: kind.into(),
        namespace: "shop".into(),
        name: name.into(),
        uid: format!("uid-{name}").into(),
        generation,
    }
}

fn request(method: &str, path: &str, content_type: &str, body: &Value) -> Request {
    Request {
        system: System::Kubernetes,
        method: method.into(),
        path: path.into(),
        content_type: content_type.into(),
        body: body.to_string().into(),
    }
}

fn plan(subject: Object, requests: Vec<Request>) -> Plan {
    Plan {
        claims: None,
        hash: "00".into(),
        subject: Some(subject),
        requests,
        undo: vec![],
        checks: vec![],
        at: START,
    }
}

/// The eviction of pod `cart-1`.
fn eviction() -> Plan {
    let body = json!({
        "apiVersion": "policy/v1",
        "deleteOptions": {"preconditions": {"uid": "uid-cart-1"}},
        "kind": "Eviction",
        "metadata": {"name": "cart-1", "namespace": "shop"},
    });
    let path = format!("{POD}/eviction");
    let request = request("POST", &path, "application/json", &body);
    plan(object("Pod", "cart-1", 0), vec![request])
}

/// A restart of Deployment `cart`, of generation 3.
fn restart() -> Plan {
    let body = json!([
        {"op": "test", "path": "/metadata/uid", "value": "uid-cart"},
        {"op": "add", "path": "/spec/template/metadata/annotations/knothole.dev~1action-id", "value": ID},
    ]);
    let request = request("PATCH", DEPLOYMENT, "application/json-patch+json", &body);
    plan(object("Deployment", "cart", 3), vec![request])
}

/// The same Deployment to four replicas.
fn scale() -> Plan {
    let body = json!([
        {"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "replace", "path": "/spec/replicas", "value": 4},
    ]);
    let path = format!("{DEPLOYMENT}/scale");
    let request = request("PATCH", &path, "application/json-patch+json", &body);
    plan(object("Deployment", "cart", 3), vec![request])
}

/// Pod `cart-1` as the cluster has it.
fn pod() -> Value {
    json!({"metadata": {"name": "cart-1", "namespace": "shop", "uid": "uid-cart-1", "generation": 7}})
}

/// Deployment `cart` as the cluster has it.
fn deployment() -> Value {
    json!({
        "metadata": {"name": "cart", "namespace": "shop", "uid": "uid-cart", "generation": 3},
        "spec": {"replicas": 3, "template": {"metadata": {"labels": {"app": "cart"}}}},
    })
}

/// What a server says of an object that is not there.
fn not_found() -> Say {
    let reason = json!({"reason": "NotFound"});
    Say::Json(404, status(404, "not found", reason))
}

/// What a server says of an error.
fn status(code: u16, message: &str, more: Value) -> Value {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "code": code,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        status[key] = value.clone();
    }
    status
}
