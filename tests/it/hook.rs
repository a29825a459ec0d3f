//! The example hook restarts a Deployment that knothole only proposes to restart, and says so; knothole sees
//! whether it helped.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::knothole::Knothole;
use crate::otlp::Client;
use crate::parts::part;
use crate::process::{Process, until};
use crate::remedies::{BROKEN, Scene};
use crate::shop::WELL;

const SECRET: &str = "whsec_a25vdGhvbGUncyB0ZXN0cyBzaGFyZSB0aGlzIGtleQ==";
/// Until the trouble is told, the hook has acted and half a minute has passed.
const A_WHILE: Duration = Duration::from_secs(150);

/// The example, once it listens.
fn started(
    scene: &Scene,
    (python, port): (&OsString, u16),
    (knothole, token_file): (&Knothole, &Path),
) -> Process {
    let cluster = scene.cluster;
    let mut command = Command::new(python);
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/examples/restart_hook.py"
        ))
        .env("KNOTHOLE_WEBHOOK_SECRET", SECRET)
        .env("KNOTHOLE_API", format!("http://{}", knothole.api))
        .env("HOOK_NAMESPACES", &scene.namespace)
        .env("HOOK_PORT", port.to_string())
        .env("KUBE_SERVER", cluster.server())
        .env("KUBE_CA_FILE", cluster.ca())
        .env("KUBE_TOKEN_FILE", token_file);
    let hook = Process::start("hook", &mut command);
    hook.stdout_until(|line| line.starts_with("listening").then_some(()));
    hook
}

#[test]
fn a_hook_restarts_what_is_proposed_and_knothole_sees_that_it_helped() {
    let (Some(cluster), Some(python)) = (Cluster::shared(), part("KNOTHOLE_PYTHON")) else {
        return;
    };
    let scene = Scene::new(cluster);
    let rule = "  - { name: restart, action: restart_workload, mode: suggest, stabilise: 15s }";
    let plain = scene.settings(rule, "");
    // A cluster to look at, and no right to change anything: that is the hook's.
    let token = cluster.service_account(&scene.namespace, "hook");
    let token_file = scene.place.path("hook.token");
    std::fs::write(&token_file, token).unwrap();
    let account = format!("system:serviceaccount:{}:hook", scene.namespace);
    let patch = serde_json::json!([{ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"] }]);
    cluster.allow(&scene.namespace, &account, &patch);
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let sink = format!(
        "sinks:\n  - {{ type: stdout, name: out }}\n  - {{ type: webhook, name: hook, url: 'http://127.0.0.1:{port}/', \
         secret: {{ env: HOOK_SECRET }}, events: [action] }}\n"
    );
    let settings = plain.replace("sinks: [{ type: stdout, name: out }]\n", &sink);
    let knothole = scene
        .place
        .serve_with(&settings, &[("HOOK_SECRET", SECRET)]);
    let _hook = started(&scene, (&python, port), (&knothole, &token_file));
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
        for pod in scene.pods().iter().filter(|_| is_done) {
            scene.send(&mut client, pod, number..number + 1, &WELL);
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
