//! What is never touched, and what is waited for: a real API server's audit log says that nothing was sent.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, Deployment, OwnCluster};
use crate::knothole::Knothole;
use crate::otlp::{Client, request};
use crate::process::{SOON, until};
use crate::remedies::{BROKEN, Scene};
use crate::shop::{WELL, steps_of};

const AUTO: &str = "  - { name: evict, action: restart_pod, mode: auto, persist: 1s, pod_age_min: 0s, stabilise: 10s }";
/// So that many victims at once are no storm.
const NO_STORM: &str = "  limits: { storm_share: 1.0, storm_services_max: 1000, ready_min: 1 }\n";

/// Somebody whose records come from a pod.
struct Victim {
    service: &'static str,
    namespace: String,
    kind: &'static str,
    workload: String,
    pod: String,
    uid: String,
}

impl Victim {
    fn resource(&self) -> Vec<(&str, &str)> {
        let mut resource = vec![
            ("service.name", self.service),
            ("k8s.namespace.name", &self.namespace),
            ("k8s.pod.name", &self.pod),
            ("k8s.pod.uid", &self.uid),
        ];
        if !self.kind.is_empty() {
            resource.push((self.kind, &self.workload));
        }
        resource
    }

    fn send(&self, client: &mut Client, numbers: std::ops::Range<u64>, steps: &[usize]) {
        for number in numbers {
            let records = steps_of(number, steps, Duration::from_secs(1));
            client.export(request(&self.resource(), records)).unwrap();
        }
    }
}

fn text(object: &Value, at: &str) -> String {
    object.pointer(at).unwrap().as_str().unwrap().to_owned()
}

fn of_pod(service: &'static str, kind: &'static str, workload: &str, pod: &Value) -> Victim {
    Victim {
        service,
        kind,
        namespace: text(pod, "/metadata/namespace"),
        workload: workload.to_owned(),
        pod: text(pod, "/metadata/name"),
        uid: text(pod, "/metadata/uid"),
    }
}

fn reasons(knothole: &Knothole, service: &str) -> Option<String> {
    let (_, body) = knothole.get(&format!("/v1/actions?state=all&service={service}"));
    let body: Value = serde_json::from_str(&body).ok()?;
    let id = body["actions"].get(0)?["id"].as_str()?;
    let (_, body) = knothole.get(&format!("/v1/actions/{id}"));
    let body: Value = serde_json::from_str(&body).ok()?;
    let steps = body["steps"].as_array()?.clone();
    let texts = steps.iter().filter_map(|it| it["why"].as_str());
    Some(texts.collect::<Vec<_>>().join(" | "))
}

fn pod_of_a_daemon_set(cluster: &Cluster, ns: &str) -> Value {
    let set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": "agent", "namespace": ns, "labels": { "knothole.dev/remediate": "true" } },
        "spec": {
            "selector": { "matchLabels": { "app": "agent" } },
            "template": {
                "metadata": { "labels": { "app": "agent" } },
                "spec": { "containers": [{ "name": "c", "image": "none" }] },
            },
        },
    });
    cluster.apply(&set);
    until(SOON, "the DaemonSet's pod", || {
        let ready = |it: &Value| it["status"]["phase"] == "Running";
        cluster.pods(ns, "agent").into_iter().find(ready)
    })
}

#[test]
fn what_is_not_opted_in_or_not_what_it_was_is_never_touched() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let ns = scene.namespace.as_str();
    let bare = Deployment {
        replicas: 3,
        ..Deployment::default()
    };
    cluster.deploy(ns, "plain", &bare);
    let daemon = pod_of_a_daemon_set(cluster, ns);
    cluster.deploy("kube-system", &format!("dns-{ns}"), &bare);
    let system = cluster.pods("kube-system", &format!("dns-{ns}"))[0].clone();
    let mut replaced = of_pod("replaced", "k8s.deployment.name", "cart", &scene.pods()[0]);
    replaced.uid = "00000000-0000-4000-8000-000000000000".to_owned();
    let victims = [
        of_pod(
            "plain",
            "k8s.deployment.name",
            "plain",
            &cluster.pods(ns, "plain")[0],
        ),
        of_pod("agent", "k8s.daemonset.name", "agent", &daemon),
        of_pod("dns", "k8s.deployment.name", &format!("dns-{ns}"), &system),
        replaced,
    ];
    for victim in &victims {
        cluster.set_ready(&victim.namespace, &victim.pod, false);
    }
    let knothole = scene.place.serve(&scene.settings(AUTO, NO_STORM));
    let mut client = Client::connect(knothole.grpc);
    for victim in &victims {
        victim.send(&mut client, 0..450, &WELL);
        knothole.wait_for_state(victim.service, "active");
    }
    let said = [
        ("plain", "label"),
        ("agent", "DaemonSet"),
        ("dns", "kube-system"),
        ("replaced", "uid"),
    ];
    let mut number = 10_000;
    until(SOON, "each to be refused for its own reason", || {
        for victim in &victims {
            for (steps, nth) in BROKEN.iter().zip(number..) {
                victim.send(&mut client, nth..nth + 1, steps);
            }
        }
        number += 4;
        let is_said = |(service, why): &(&str, &str)| {
            reasons(&knothole, service).is_some_and(|it| it.contains(why))
        };
        said.iter().all(is_said).then_some(())
    });
    assert_eq!(scene.changes(), [""; 0]);
    assert_eq!(scene.sent(), [""; 0]);
    let elsewhere = cluster.audit_of("kube-system");
    assert!(
        elsewhere.iter().all(|it| it["user"] != "knothole"),
        "{elsewhere:?}"
    );
}

/// Has a pod of three be out of order while a budget forbids its eviction, until this reason is given. Then
/// `give_way` makes room, and it is evicted once.
fn waited_out(
    cluster: &'static Cluster,
    forbid: impl Fn(&str),
    why: &str,
    give_way: impl Fn(&str),
) {
    let scene = Scene::new(cluster);
    let ns = scene.namespace.clone();
    let knothole = scene.place.serve(&scene.settings(AUTO, ""));
    scene.learn(&knothole);
    forbid(&ns);
    let pods = scene.pods();
    cluster.set_ready(&ns, &text(&pods[0], "/metadata/name"), false);
    let mut client = Client::connect(knothole.grpc);
    let mut number = 10_000;
    let mut go_on = |what: &str, is_over: &dyn Fn() -> bool| {
        until(SOON, what, || {
            for (steps, nth) in BROKEN.iter().zip(number..) {
                scene.send(&mut client, &pods[0], nth..nth + 1, steps);
            }
            number += 4;
            is_over().then_some(())
        });
    };
    go_on("the budget to be waited for", &|| {
        reasons(&knothole, "cart").is_some_and(|it| it.contains(why))
    });
    let eviction = "create pods/eviction".to_owned();
    assert!(!scene.changes().contains(&eviction));
    give_way(&ns);
    go_on("the eviction", &|| scene.changes().contains(&eviction));
    let evictions = scene.changes().into_iter().filter(|it| *it == eviction);
    assert_eq!(evictions.count(), 1);
}

fn path_of_budget(ns: &str) -> String {
    format!("/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets/cart")
}

#[test]
fn a_budget_that_is_used_up_is_waited_out() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    // Two of three will be Ready, and three have to be.
    let forbid = |ns: &str| drop(cluster.budget(ns, "cart", 3));
    waited_out(cluster, forbid, "budget", |ns| {
        let one = json!({ "spec": { "minAvailable": 1 } });
        cluster.patch(&path_of_budget(ns), &one);
    });
}

#[test]
fn a_budget_that_was_changed_and_not_worked_out_yet_is_waited_out() {
    let Some(cluster) = Cluster::own() else {
        return;
    };
    // Until the tests end, as the shared one.
    let cluster: &'static OwnCluster = Box::leak(Box::new(cluster));
    let forbid = |ns: &str| {
        cluster.budget(ns, "cart", 1);
        cluster.hold_controllers();
        let none = json!({ "spec": { "minAvailable": 0 } });
        cluster.patch(&path_of_budget(ns), &none);
    };
    waited_out(cluster, forbid, "is not worked out yet", |_| {
        cluster.release_controllers();
    });
}
