//! The example hook restarts a Deployment that knothole only proposes to restart, and says so; knothole sees
//! whether it helped. What is not the hook's to do it leaves alone.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::cluster::Cluster;
use crate::elsewhere::Strict;
use crate::knothole::{Knothole, Place};
use crate::otlp::Client;
use crate::parts::part;
use crate::process::{Process, until};
use crate::remedies::{BROKEN, Scene};
use crate::shop::WELL;
use crate::web::Web;

const SECRET: &str = "whsec_a25vdGhvbGUncyB0ZXN0cyBzaGFyZSB0aGlzIGtleQ==";
/// What the hook does to the cluster.
const PATCHED: &str = "PATCH /apis/apps/v1/namespaces/shop/deployments/cart";
/// Until the trouble is told, the hook has acted and half a minute has passed.
const A_WHILE: Duration = Duration::from_secs(150);

/// The example with these settings beside its own, once it listens; and where.
fn started(python: &OsString, settings: &[(&str, &str)]) -> (Process, String) {
    let mut command = Command::new(python);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/restart_hook.py");
    command.arg(example).envs(settings.iter().copied());
    command.env("KNOTHOLE_WEBHOOK_SECRET", SECRET);
    command.env("HOOK_PORT", "0");
    let hook = Process::start("hook", &mut command);
    let port = hook.stdout_until(|line| line.strip_prefix("listening on ").map(str::to_owned));
    (hook, format!("http://127.0.0.1:{port}/"))
}

/// The example as it acts on `scene` for `knothole`, by the token in `token_file`.
fn started_for(
    (scene, knothole): (&Scene, &Knothole),
    python: &OsString,
    token_file: &Path,
) -> (Process, String) {
    let cluster = scene.cluster;
    let (api, ca) = (format!("http://{}", knothole.api), cluster.ca());
    let settings = [
        ("KNOTHOLE_API", &*api),
        ("HOOK_NAMESPACES", &scene.namespace),
        ("KUBE_SERVER", cluster.server()),
        ("KUBE_CA_FILE", ca.to_str().unwrap()),
        ("KUBE_TOKEN_FILE", token_file.to_str().unwrap()),
    ];
    started(python, &settings)
}

#[test]
fn a_hook_restarts_what_is_proposed_and_knothole_sees_that_it_helped() {
    let (Some(cluster), Some(python)) = (Cluster::shared(), part("KNOTHOLE_PYTHON")) else {
        return;
    };
    let scene = Scene::new(cluster);
    let rule = "  - { name: restart, action: restart_workload, mode: suggest, stabilise: 15s }";
    let plain = scene.settings(rule, "");
    // The hook has an account of its own, so that the cluster tells whose doing a change was.
    let token = cluster.service_account(&scene.namespace, "hook");
    let token_file = scene.place.path("hook.token");
    std::fs::write(&token_file, token).unwrap();
    let account = format!("system:serviceaccount:{}:hook", scene.namespace);
    let patch = serde_json::json!([{ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"] }]);
    cluster.allow(&scene.namespace, &account, &patch);
    let env = [("HOOK_SECRET", SECRET)];
    let knothole = scene.place.serve_with(&plain, &env);
    let (_hook, url) = started_for((&scene, &knothole), &python, &token_file);
    let sink = format!(
        "sinks:\n  - {{ type: stdout, name: out }}\n  - {{ type: webhook, name: hook, url: '{url}', \
         secret: {{ env: HOOK_SECRET }}, events: [action] }}\n"
    );
    let settings = plain.replace("sinks: [{ type: stdout, name: out }]\n", &sink);
    scene.place.configure(&settings);
    knothole.process.signal(Signal::HUP);
    knothole.process.says("settings read again");
    scene.learn(&knothole);
    let pods = scene.pods();
    let name = pods[0]["metadata"]["name"].as_str().unwrap();
    cluster.set_ready(&scene.namespace, name, false);
    let mut client = Client::connect(knothole.grpc);
    let mut number = 10_000;
    let verified: Value = until(A_WHILE, "that it helped", || {
        let (_, body) = knothole.get("/v1/actions?state=all");
        let body: Value = serde_json::from_str(&body).ok()?;
        // The latest may be another one that has to wait for it.
        let all = body["actions"].as_array()?;
        let done = all.iter().find(|it| !it["acted_at"].is_null());
        let is_done = done.is_some();
        for (steps, nth) in BROKEN.iter().zip(number..).filter(|_| !is_done) {
            scene.send(&mut client, &pods[0], nth..nth + 1, steps);
        }
        for (pod, nth) in scene.pods().iter().zip(number..).filter(|_| is_done) {
            scene.send(&mut client, pod, nth..nth + 1, &WELL);
        }
        number += 4;
        let id = done.filter(|it| it["state"] == "effective")?["id"].as_str()?;
        let (_, whole) = knothole.get(&format!("/v1/actions/{id}"));
        serde_json::from_str(&whole).ok()
    });
    let by: Vec<&str> = verified["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["by"].as_str())
        .collect();
    assert!(by.contains(&"hook hook"), "{by:?}");
    let deployment = cluster.rolled_out(&scene.namespace, "cart");
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["knothole.dev/action-id"], verified["id"]);
    // What changed was the hook's doing alone.
    assert!(
        !scene.changes().iter().any(|it| it.contains("patch")),
        "{:?}",
        scene.changes()
    );
}

/// A server that is knothole to the hook, and the cluster: it answers reports with the status that is set.
fn both(status: &Arc<AtomicU16>) -> Strict {
    let status = Arc::clone(status);
    Strict::start(move |ask| {
        let is_report = ask.path.ends_with("/report");
        let status = StatusCode::from_u16(status.load(Ordering::SeqCst)).unwrap();
        Some(if is_report { status } else { StatusCode::OK }.into_response())
    })
}

/// An event as knothole would send it, `minutes` before its action expires.
fn event(id: &str, kind: &str, (action, mode): (&str, &str), minutes: i64) -> Value {
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
    json!({ "type": kind, "data": {
        "id": id, "action": action, "mode": mode, "expires_at": format!("{expires:.9}"),
        "target": { "namespace": "shop", "workload": { "kind": "Deployment", "name": "cart" } },
    } })
}

/// Tells the hook, which answers before it acts.
fn tell(web: &Web, url: &str, event: &Value) {
    let body = event.to_string();
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let key = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("msg.{seconds}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let request = web
        .request("POST", url)
        .header("webhook-id", "msg")
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signature)
        .body(body);
    assert_eq!(web.send(request).unwrap().0, 204);
}

#[test]
fn a_hook_acts_on_what_is_left_to_it_in_time_and_only_when_knothole_takes_its_word() {
    let Some(python) = part("KNOTHOLE_PYTHON") else {
        return;
    };
    let status = Arc::new(AtomicU16::new(409));
    let server = both(&status);
    let place = Place::new();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(place.path("ca.crt"), own.cert.pem()).unwrap();
    std::fs::write(place.path("token"), "a token").unwrap();
    let (at, ca, token) = (
        format!("http://{}", server.address),
        place.path("ca.crt"),
        place.path("token"),
    );
    let settings = [
        ("KNOTHOLE_API", &*at),
        ("KUBE_SERVER", &*at),
        ("HOOK_NAMESPACES", "shop"),
        ("KUBE_CA_FILE", ca.to_str().unwrap()),
        ("KUBE_TOKEN_FILE", token.to_str().unwrap()),
    ];
    let (hook, url) = started(&python, &settings);
    let web = Web::plain();
    let (proposed, approved) = ("knothole.action.proposed", "knothole.action.approved");
    let said = |line: &str| hook.stdout_until(|it| it.starts_with(line).then_some(()));
    tell(
        &web,
        &url,
        &event("a1", proposed, ("restart_workload", "suggest"), 5),
    );
    said("a1: accepted: not taken: HTTP Error 409");
    // 202 is no yes either.
    status.store(202, Ordering::SeqCst);
    tell(
        &web,
        &url,
        &event("a2", proposed, ("restart_workload", "suggest"), 5),
    );
    said("a2: accepted: not taken: 202");
    status.store(200, Ordering::SeqCst);
    for (id, kind, what, minutes) in [
        ("b1", proposed, ("webhook", "approve"), 5),
        ("b2", approved, ("restart_workload", "auto"), 5),
        ("b3", "knothole.action.executed", ("webhook", "auto"), 5),
        ("b4", proposed, ("restart_workload", "suggest"), -1),
        ("b5", approved, ("webhook", "auto"), -1),
    ] {
        tell(&web, &url, &event(id, kind, what, minutes));
    }
    tell(
        &web,
        &url,
        &event("c1", approved, ("webhook", "approve"), 5),
    );
    said("c1: succeeded");
    tell(
        &web,
        &url,
        &event("c2", proposed, ("restart_workload", "suggest"), 5),
    );
    said("c2: succeeded");
    let changes = server.changes();
    let patched = changes.iter().filter(|it| it.line() == PATCHED).count();
    assert_eq!(patched, 2, "{changes:?}");
    let reports = changes.iter().filter(|it| it.line() != PATCHED);
    for report in reports {
        let body: Value = serde_json::from_str(&report.body).unwrap();
        let action = body["action"].as_str().unwrap();
        assert_eq!(report.path, format!("/v1/actions/{action}/report"));
        assert!(["a1", "a2", "c1", "c2"].contains(&action), "{body}");
    }
}
