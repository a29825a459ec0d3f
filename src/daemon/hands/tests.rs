//! A cluster, Argo CD, Jenkins and Flux behind one address, so that it shows in which order they are asked.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::*;
use crate::core::event::{
    ActionEvent, ActionStage, ActionState, Grounds, Mode, Object, Remedy, Target,
};
use crate::core::record::StreamKey;
use crate::core::remedy::plan::claim_name;
use crate::daemon::clock;
use crate::edge::argo::{Argo, ArgoSettings};
use crate::edge::ci::{Flux, FluxSettings, Jenkins, JenkinsSettings};
use crate::edge::kube::{Kube, KubeSettings, Source};
use crate::edge::outgoing::{Ask, Egress, SecretRef, Stub};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/cart";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";
const ID: &str = "00112233445566778899aabbccddeeff";

/// What the servers have, and what happens when they are asked.
#[derive(Default)]
struct World {
    lease: Mutex<Option<Value>>,
    /// Throws the switch once the workload is claimed.
    throws: Mutex<Option<Arc<Switch>>>,
    /// How often somebody else has changed the workload since it was planned for.
    changes: AtomicU64,
    /// How many Events are not taken.
    untaken: AtomicU64,
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
                let meta = json!({ "name": "cart", "uid": "u1", "generation": 3 + self.changes() });
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
fn tried_application() -> Value {
    json!({
        "metadata": { "name": "cart", "namespace": "argocd" },
        "spec": { "project": "shop" },
        "status": { "operationState": {
            "phase": "Succeeded",
            "operation": { "sync": { "dryRun": true }, "info": [{ "name": "i", "value": ID }] },
        }},
    })
}

fn gone() -> Response {
    let status = json!({ "kind": "Status", "reason": "NotFound", "code": 404 });
    (StatusCode::NOT_FOUND, Json(status)).into_response()
}

/// Hands with all systems, and what they were asked.
struct Bench {
    hands: Hands,
    stub: Stub,
    world: Arc<World>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
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
    fn asked(&mut self) -> Vec<String> {
        let all = std::iter::from_fn(|| self.stub.asked());
        let line = |ask: Ask| format!("{} {}", ask.method, ask.uri.path());
        all.map(line).collect()
    }

    /// How often Argo CD is asked for an operation by a rehearsal of `action`, and what that shows.
    async fn trials(&mut self, action: &Action) -> (usize, Option<Result<(), Box<str>>>) {
        let rehearsal = self.hands.rehearse(action, &[], &json!({})).await;
        let asked = self.asked();
        let trials = asked
            .iter()
            .filter(|it| it.starts_with("POST") && it.ends_with("/sync"));
        (trials.count(), rehearsal.dry_run)
    }

    fn is_given_back(&self) -> bool {
        let lease = self.world.lease.lock().unwrap();
        let holder = lease
            .as_ref()
            .map(|it| it["spec"]["holderIdentity"].clone());
        holder == Some(Value::Null)
    }
}

fn object() -> Object {
    Object {
        kind: "Deployment".into(),
        namespace: "shop".into(),
        name: "cart".into(),
        uid: "u1".into(),
        generation: 3,
    }
}

fn lease() -> String {
    let name = claim_name(&object());
    format!("/apis/coordination.k8s.io/v1/namespaces/shop/leases/{name}")
}

fn request(system: System, path: &str, body: &str) -> Request {
    let form = "application/x-www-form-urlencoded";
    Request {
        system,
        method: "POST".into(),
        path: path.into(),
        content_type: form.into(),
        body: body.into(),
    }
}

fn job() -> Request {
    let body = format!("KNOTHOLE_ACTION_ID={ID}");
    request(System::Jenkins, "/job/restart/buildWithParameters", &body)
}

fn sync() -> Request {
    let body = json!({ "infos": [{ "name": "i", "value": ID }], "dryRun": false });
    let path = "/api/v1/applications/cart/sync";
    request(System::ArgoCd, path, &body.to_string())
}

fn hook() -> Request {
    request(System::Flux, "/hook/0a1b", "{}")
}

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        workload: Some(("Deployment".into(), "cart".into())),
        pod: None,
        pod_uid: None,
    }
}

/// An action that was just written down to be sent.
fn action(requests: Vec<Request>) -> Action {
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

#[tokio::test]
async fn a_job_is_started_once_while_the_workload_is_claimed() {
    let mut bench = Bench::new().await;
    let answer = bench.hands.send(&action(vec![job()])).await;
    let said = "build 3 of the job ended with SUCCESS";
    assert_eq!(answer, Answer::Done(said.into()));
    let asked = bench.asked();
    let list = lease().rsplit_once('/').unwrap().0.to_owned();
    assert_eq!(
        asked[..4],
        [
            format!("GET {}", lease()),
            format!("POST {list}"),
            format!("GET {DEPLOYMENT}"),
            "POST /job/restart/buildWithParameters".to_owned(),
        ]
    );
    let jobs = asked.iter().filter(|it| it.contains("buildWith"));
    assert_eq!(jobs.count(), 1);
    // Another instance has the same action: it does not start the job again.
    let answer = bench.hands.send(&action(vec![job()])).await;
    assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
    assert_eq!(bench.asked(), [format!("GET {}", lease())]);
}

#[tokio::test]
async fn what_somebody_else_has_claimed_is_asked_of_nobody() {
    let mut bench = Bench::new().await;
    for other in [job(), hook()] {
        let mut first = action(vec![hook()]);
        first.id = "f".repeat(32).into();
        bench.hands.send(&first).await;
        bench.asked();
        let answer = bench.hands.send(&action(vec![other])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Claimed, _)),
            "{answer:?}"
        );
        assert_eq!(bench.asked(), [format!("GET {}", lease())]);
    }
}

#[tokio::test]
async fn the_switch_is_heeded_before_anything_is_asked_and_again_after_the_claim() {
    let mut bench = Bench::new().await;
    bench.hands.switch.stop("enough").unwrap();
    for request in [job(), hook()] {
        let answer = bench.hands.send(&action(vec![request])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Switched, _)),
            "{answer:?}"
        );
    }
    assert_eq!(bench.asked(), [""; 0]);
    bench.hands.switch.release().unwrap();
    *bench.world.throws.lock().unwrap() = Some(Arc::clone(&bench.hands.switch));
    for request in [job(), hook()] {
        let answer = bench.hands.send(&action(vec![request])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Switched, _)),
            "{answer:?}"
        );
        assert!(bench.is_given_back());
        let asked = bench.asked();
        let changes = asked.iter().filter(|it| !it.starts_with("GET"));
        let mut changes = changes.filter(|it| !it.contains("/leases"));
        assert_eq!(changes.next(), None);
        bench.hands.switch.release().unwrap();
    }
}

#[tokio::test]
async fn what_somebody_changed_since_it_was_planned_for_is_left_alone_whoever_acts() {
    let mut bench = Bench::new().await;
    bench.world.changes.store(1, Ordering::SeqCst);
    for request in [job(), hook(), sync()] {
        let answer = bench.hands.send(&action(vec![request])).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Changed, _)),
            "{answer:?}"
        );
        assert!(bench.is_given_back());
        let asked = bench.asked();
        let mut acts = asked.iter().filter(|it| !it.starts_with("GET"));
        assert!(acts.all(|it| it.contains("/leases")), "{asked:?}");
    }
}

#[tokio::test]
async fn what_was_held_up_or_is_too_late_is_not_begun() {
    let mut bench = Bench::new().await;
    let mut held_up = action(vec![job()]);
    let before = Ledger::SEND_WITHIN + Duration::from_secs(1);
    held_up.acted_at = Some(clock::now().minus(before));
    let answer = bench.hands.send(&held_up).await;
    let again = Refused::NotNow(None);
    assert!(
        matches!(&answer, Answer::Refused(why, _) if *why == again),
        "{answer:?}"
    );
    let mut late = action(vec![job()]);
    late.expires_at = clock::now();
    let answer = bench.hands.send(&late).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Late, _)),
        "{answer:?}"
    );
    assert_eq!(bench.asked(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_one_request_to_one_system_is_never_sent() {
    let mut bench = Bench::new().await;
    let mut strange = job();
    strange.system = System::Hook;
    for requests in [
        vec![],
        vec![job(), job()],
        vec![job(), hook()],
        vec![strange],
    ] {
        let answer = bench.hands.send(&action(requests)).await;
        assert!(
            matches!(answer, Answer::Refused(Refused::Never, _)),
            "{answer:?}"
        );
    }
    let mut unclaimed = action(vec![job()]);
    unclaimed.plan.as_mut().unwrap().claims = None;
    let answer = bench.hands.send(&unclaimed).await;
    assert!(
        matches!(answer, Answer::Refused(Refused::Never, _)),
        "{answer:?}"
    );
    assert_eq!(bench.asked(), [""; 0]);
}

#[tokio::test]
async fn a_system_that_is_not_set_forbids_what_acts_and_not_what_suggests() {
    let mut bench = Bench::new().await;
    bench.hands.systems.jenkins = None;
    bench.hands.systems.flux = None;
    for request in [job(), hook()] {
        let mut action = action(vec![request]);
        for (mode, forbids) in [
            (Mode::Observe, false),
            (Mode::Suggest, false),
            (Mode::Approve, true),
            (Mode::Auto, true),
        ] {
            action.mode = mode;
            let rehearsal = bench.hands.rehearse(&action, &[], &json!({})).await;
            let is_forbidden = matches!(rehearsal.dry_run, Some(Err(_)));
            assert_eq!(is_forbidden, forbids, "{mode:?}");
        }
        let answer = bench.hands.send(&action).await;
        let Answer::Refused(Refused::Never, why) = answer else {
            panic!("{answer:?}")
        };
        assert!(why.contains("set remediation."), "{why}");
    }
}

#[tokio::test]
async fn argo_cd_tries_a_plan_once_where_it_may_be_carried_out_and_nobody_has_stopped_it() {
    let mut bench = Bench::new().await;
    let mut action = action(vec![sync()]);
    for mode in [Mode::Observe, Mode::Suggest] {
        action.mode = mode;
        assert_eq!(bench.trials(&action).await, (0, None), "{mode:?}");
    }
    for (mode, times) in [(Mode::Approve, 1), (Mode::Auto, 0), (Mode::Auto, 0)] {
        action.mode = mode;
        assert_eq!(
            bench.trials(&action).await,
            (times, Some(Ok(()))),
            "{mode:?}"
        );
    }
    action.plan.as_mut().unwrap().hash = "another".into();
    assert_eq!(bench.trials(&action).await.0, 1);
    bench.hands.switch.stop("enough").unwrap();
    action.plan.as_mut().unwrap().hash = "a third".into();
    let (times, would) = bench.trials(&action).await;
    assert_eq!(times, 0);
    assert!(would.unwrap().unwrap_err().contains("enough"));
}

#[tokio::test]
async fn an_event_that_the_cluster_does_not_take_is_told_once_more() {
    let mut bench = Bench::new().await;
    for (untaken, told) in [(0, 1), (1, 2), (9, 2)] {
        bench.world.untaken.store(untaken, Ordering::SeqCst);
        let event = ActionEvent {
            id: "e".into(),
            stage: ActionStage::Executed,
            at: clock::now(),
            action: Arc::new(action(vec![job()])),
        };
        bench.hands.note(&event).await;
        let asked = bench.asked();
        assert_eq!(asked, vec![format!("POST {EVENTS}"); told], "{untaken}");
    }
}

#[tokio::test]
async fn an_application_is_looked_at_through_the_api_of_argo_cd_where_that_is_set() {
    let mut bench = Bench::new().await;
    let remedy = Remedy::ArgoSync {
        application: "cart".into(),
    };
    let facts = bench.hands.look(&target(), &remedy).await.unwrap();
    let argo = facts.argo.unwrap();
    assert!(argo.is_closed == Some(true) && argo.object.is_none());
    let asked = bench.asked();
    assert!(
        !asked.iter().any(|it| it.contains("argoproj.io")),
        "{asked:?}"
    );
    // What Argo CD has nothing to do with it is not asked about.
    bench
        .hands
        .look(&target(), &Remedy::RestartWorkload)
        .await
        .unwrap();
    let asked = bench.asked();
    assert!(
        !asked.iter().any(|it| it.contains("/api/v1/app")),
        "{asked:?}"
    );
    // Nobody acts on what could not be read.
    let remedy = Remedy::ArgoSync {
        application: "Cart!".into(),
    };
    assert!(bench.hands.look(&target(), &remedy).await.is_err());
}

#[test]
fn the_longest_sending_is_over_before_the_ledger_gives_it_up() {
    let secret = || SecretRef::Env("S".into());
    let argo = ArgoSettings::of("https://a", secret());
    let jenkins = JenkinsSettings::of("https://j", "u", secret());
    let flux = FluxSettings::of("https://f", secret());
    let longest: BTreeMap<&str, Duration> = BTreeMap::from([
        ("argo", argo.timeout + argo.follow),
        ("jenkins", jenkins.timeout + jenkins.wait),
        ("flux", flux.timeout),
    ]);
    for (system, takes) in longest {
        assert!(Ledger::SEND_WITHIN + takes < Ledger::TASK_MAX, "{system}");
    }
    assert!(READ_WITHIN < Ledger::TASK_MAX);
}
