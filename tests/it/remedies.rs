//! What is done about trouble, against a real API server with its controllers. Its audit log is the witness
//! of what was sent, and that nothing else was.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, Deployment};
use crate::incidents::incidents;
use crate::knothole::{Knothole, Place, knothole};
use crate::otlp::{Client, request};
use crate::parts::part;
use crate::pod_logs::PodLogs;
use crate::process::{SOON, until};
use crate::shop::{WELL, steps_of};

/// The user of the tests that the generated Role is bound to.
pub(crate) const USER: &str = "knothole";
/// So much that more than one detector has something to go by.
const LEARN: &str =
    "learn: { sequences_min: 400, records_min: 2400, new_template_chance_max: 0.05 }\n";
const LABEL: (&str, &str) = ("knothole.dev/remediate", "true");

/// From the first bad record on.
const EVICTED_WITHIN: Duration = Duration::from_secs(60);

/// Who approves.
const APPROVERS: &str = "api: { tokens: [{ name: ana, role: approver, token_env: ANA }] }\n";
const ANA: &str = "a token of the approver ana";

/// Ways in which a request may go wrong: out of order, too short, again and again, and all at once.
pub(crate) const BROKEN: [&[usize]; 4] = [
    &[0, 1, 4, 2],
    &[0, 1],
    &[2, 2, 2, 2, 2, 0],
    &[3, 0, 5, 5, 1],
];

/// A Deployment of three whose pods log what `shop` logs, and a daemon that may act on it.
pub(crate) struct Scene {
    pub(crate) cluster: &'static Cluster,
    pub(crate) namespace: String,
    pub(crate) place: Place,
}

impl Scene {
    pub(crate) fn new(cluster: &'static Cluster) -> Self {
        let namespace = cluster.namespace();
        let deployment = Deployment {
            replicas: 3,
            labels: &[LABEL],
            ..Deployment::default()
        };
        cluster.deploy(&namespace, "cart", &deployment);
        Self {
            cluster,
            namespace,
            place: Place::new(),
        }
    }

    /// The daemon's settings with these rules; the rights that they take are bound.
    pub(crate) fn settings(&self, rules: &str, remediation: &str) -> String {
        let (server, ca) = (self.cluster.server(), self.cluster.ca());
        let token = self.cluster.token_file(USER);
        let text = format!(
            "{LEARN}incidents: {{ settle: 200ms }}\nsequence: {{ idle_timeout: 1s, reorder_delay: 200ms }}\n\
             sinks: [{{ type: stdout, name: out }}]\nactions:\n{rules}\nremediation:\n  kubernetes: {{ server: '{server}', \
             ca_file: {}, token_file: {} }}\n{remediation}",
            ca.display(),
            token.display()
        );
        self.bind(&text);
        text
    }

    /// Gives the user the Roles that `knothole rbac` prints for these settings.
    pub(crate) fn bind(&self, settings: &str) {
        let file = self.place.path("rules.yaml");
        std::fs::write(&file, settings).unwrap();
        let namespace = self.namespace.as_str();
        let file = file.to_str().unwrap();
        let mut command = knothole(&["rbac", "-c", file, "-n", namespace, "--json"]);
        let printed = command.env("ANA", ANA).output();
        let printed = printed.unwrap();
        assert!(printed.status.success(), "{printed:?}");
        let list: Value = serde_json::from_slice(&printed.stdout).unwrap();
        let items = list["items"].as_array().unwrap().iter();
        for role in items.filter(|it| it["kind"] == "Role") {
            let of = role["metadata"]["namespace"].as_str().unwrap();
            self.cluster.allow(of, USER, &role["rules"]);
        }
    }

    /// What was sent in the daemon's name that changes something or tries to, with its query.
    pub(crate) fn sent(&self) -> Vec<String> {
        let all = self.cluster.audit_of(&self.namespace);
        let own = all.iter().filter(|it| it["user"] == USER);
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        own.map(|it| {
            let path = text(&it["path"]);
            let query = text(&it["query"]).replace("fieldManager=knothole", "");
            let mut parts = path.split('/').skip_while(|it| *it != "namespaces").skip(2);
            let kind = parts.next().unwrap_or_default();
            let sub = parts.nth(1).map_or(String::new(), |sub| format!("/{sub}"));
            format!("{} {kind}{sub}{query}", text(&it["verb"]))
        })
        .collect()
    }

    /// The same without what was only tried.
    pub(crate) fn changes(&self) -> Vec<String> {
        let sent = self.sent().into_iter();
        sent.filter(|it| !it.contains("dryRun")).collect()
    }

    pub(crate) fn pods(&self) -> Vec<Value> {
        self.cluster.pods(&self.namespace, "cart")
    }

    /// What `pod` sends as.
    pub(crate) fn sender(&self, pod: &Value) -> Vec<(String, String)> {
        let name = |at: &str| pod.pointer(at).unwrap().as_str().unwrap().to_owned();
        [
            ("service.name", "cart".to_owned()),
            ("k8s.namespace.name", self.namespace.clone()),
            ("k8s.deployment.name", "cart".to_owned()),
            ("k8s.pod.name", name("/metadata/name")),
            ("k8s.pod.uid", name("/metadata/uid")),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
    }

    pub(crate) fn send(
        &self,
        client: &mut Client,
        pod: &Value,
        numbers: Range<u64>,
        steps: &[usize],
    ) {
        let sender = self.sender(pod);
        let sender: Vec<(&str, &str)> = sender.iter().map(|(k, v)| (&**k, &**v)).collect();
        for number in numbers {
            let records = steps_of(number, steps, Duration::from_secs(1));
            client.export(request(&sender, records)).unwrap();
        }
    }

    /// Has the service learned from all pods.
    pub(crate) fn learn(&self, knothole: &Knothole) {
        let mut client = Client::connect(knothole.grpc);
        self.learn_by(knothole, |pod, numbers| {
            self.send(&mut client, pod, numbers, &WELL);
        });
    }

    /// The same, where `log` logs requests that go well.
    fn learn_by(&self, knothole: &Knothole, mut log: impl FnMut(&Value, Range<u64>)) {
        for (pod, nth) in self.pods().iter().zip(0..) {
            log(pod, nth * 200..nth * 200 + 150);
        }
        knothole.wait_for_state("cart", "active");
    }
}

/// A command on the state of this scene's daemon.
pub(crate) fn knothole_at(scene: &Scene, args: &[&str]) -> std::process::Output {
    let state = scene.place.path("state");
    let mut command = knothole(args);
    command.arg("--state-dir").arg(state).output().unwrap()
}

pub(crate) fn stages(knothole: &Knothole) -> Vec<String> {
    let events = knothole.all_events();
    let names = events.iter().filter_map(|event| event["type"].as_str());
    let actions = names.filter(|name| name.starts_with("knothole.action."));
    actions.map(ToOwned::to_owned).collect()
}

/// Has `broken` log what it should not, and another pod what it should, until the first is evicted. The number
/// of the next request.
fn evicted(scene: &Scene, logs: &PodLogs, (broken, other): (&Value, &Value)) -> u64 {
    let (cluster, name) = (scene.cluster, broken["metadata"]["name"].as_str().unwrap());
    let mut number = 1_000;
    until(EVICTED_WITHIN, "the eviction", || {
        // It goes on failing until it is gone; the others go on well.
        for (steps, nth) in BROKEN.iter().zip(number..) {
            logs.write(broken, nth..nth + 1, steps);
        }
        logs.write(other, number + 4..number + 6, &WELL);
        number += 6;
        let sent = cluster.audit_of(&scene.namespace);
        let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
        let mut sent = sent.iter();
        let evicted = sent
            .find(|it| text(it, "path").ends_with("/eviction") && text(it, "query").is_empty())?;
        assert_eq!(evicted["code"], 201, "{evicted}");
        assert!(text(evicted, "path").contains(name), "{evicted}");
        Some(())
    });
    number
}

/// Has the pods that are left go on well until it is seen that the eviction helped.
fn helped(scene: &Scene, knothole: &Knothole, logs: &PodLogs, (gone, mut number): (&str, u64)) {
    until(SOON, "that it helped", || {
        let pods = scene.pods();
        for pod in pods.iter().filter(|it| it["metadata"]["name"] != gone) {
            logs.write(pod, number..number + 1, &WELL);
            number += 1;
        }
        let events = knothole.all_events();
        let mut events = events.iter();
        let told = events.find(|it| it["type"] == "knothole.action.verified")?;
        assert_eq!(told["state"], "effective", "{told}");
        Some(())
    });
}

#[test]
fn auto_evicts_the_pod_that_broke_and_sees_that_it_helped() {
    let (Some(cluster), Some(otelcol)) = (Cluster::shared(), part("KNOTHOLE_OTELCOL")) else {
        return;
    };
    let scene = Scene::new(cluster);
    let settings = scene.settings(
        "  - { name: evict, action: restart_pod, mode: auto, persist: 10s, pod_age_min: 0s, stabilise: 15s }",
        "",
    );
    let knothole = scene.place.serve(&settings);
    let logs = PodLogs::start(&otelcol, scene.place.folder(), knothole.grpc);
    scene.learn_by(&knothole, |pod, numbers| logs.write(pod, numbers, &WELL));
    let pods = scene.pods();
    let (broken, others) = pods.split_first().unwrap();
    let name = broken["metadata"]["name"].as_str().unwrap();
    cluster.set_ready(&scene.namespace, name, false);
    let number = evicted(&scene, &logs, (broken, &others[0]));
    helped(&scene, &knothole, &logs, (name, number));
    assert_eq!(
        stages(&knothole),
        [
            "knothole.action.approved",
            "knothole.action.executed",
            "knothole.action.verified"
        ]
    );
    let dry = scene.sent().into_iter().filter(|it| it.contains("dryRun"));
    assert!(dry.count() > 0);
    // The claim, the eviction, and the Events that tell of it.
    assert_eq!(
        scene.changes(),
        [
            "create leases",
            "create pods/eviction",
            "create events",
            "create events"
        ]
    );
    is_resolved_by_itself(&knothole);
    let verified = knothole_at(&scene, &["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

fn is_resolved_by_itself(knothole: &Knothole) {
    let incident = until(SOON, "the incident to be over", || {
        incidents(knothole, "?state=resolved").into_iter().next()
    });
    let id = incident["id"].as_str().unwrap();
    let (_, whole) = knothole.get(&format!("/v1/incidents/{id}"));
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["ended"]["by"], "knothole", "{whole}");
}

/// A daemon with this rule, one pod that is not Ready and logs what it should not, and the action that is
/// proposed on account of it.
pub(crate) fn proposed(scene: &Scene, rule: &str) -> (Knothole, Value) {
    asked(scene, (rule, ""), "proposed")
}

/// The same with more of `remediation` set, and the action once it stands there.
pub(crate) fn asked(
    scene: &Scene,
    (rule, remediation): (&str, &str),
    state: &str,
) -> (Knothole, Value) {
    asked_with(scene, (rule, remediation), (state, &[]))
}

/// The same with more in the daemon's environment.
fn asked_with(
    scene: &Scene,
    (rule, remediation): (&str, &str),
    (state, environment): (&str, &[(&str, &str)]),
) -> (Knothole, Value) {
    let settings = scene.settings(rule, &format!("{remediation}{APPROVERS}"));
    let environment = [environment, &[("ANA", ANA)]].concat();
    let knothole = scene.place.serve_with(&settings, &environment);
    let knothole = knothole.with_token(ANA);
    scene.learn(&knothole);
    let pods = scene.pods();
    let name = pods[0]["metadata"]["name"].as_str().unwrap();
    scene.cluster.set_ready(&scene.namespace, name, false);
    let mut client = Client::connect(knothole.grpc);
    let mut number = 2_000;
    let list = format!("/v1/actions?state={state}");
    let action = until(SOON, &format!("an action to be {state}"), || {
        for (steps, nth) in BROKEN.iter().zip(number..) {
            scene.send(&mut client, &pods[0], nth..nth + 1, steps);
        }
        number += 4;
        let (_, body) = knothole.get(&list);
        let body: Value = serde_json::from_str(&body).ok()?;
        let id = body["actions"].get(0)?["id"].as_str()?;
        let (_, whole) = knothole.get(&format!("/v1/actions/{id}"));
        serde_json::from_str(&whole).ok()
    });
    (knothole, action)
}

/// Approves the plan and waits until it took place.
pub(crate) fn approve(knothole: &Knothole, action: &Value) -> Value {
    let id = action["id"].as_str().unwrap();
    let path = format!("/v1/actions/{id}");
    let other = json!({ "plan": "0".repeat(32) });
    let (status, answer) = knothole.post(&format!("{path}/approve"), &other);
    assert_eq!(status, 409, "{answer}");
    let plan = json!({ "plan": action["plan"]["hash"], "note": "go on" });
    let (status, answer) = knothole.post(&format!("{path}/approve"), &plan);
    assert_eq!(status, 200, "{answer}");
    until(SOON, "what was approved", || {
        let (_, body) = knothole.get(&path);
        let action: Value = serde_json::from_str(&body).ok()?;
        assert_ne!(action["state"], "failed", "{action}");
        (!action["acted_at"].is_null() && action["state"] == "done").then_some(action)
    })
}

#[test]
fn a_person_approves_a_rolling_restart_and_nothing_was_sent_before() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let rule = "  - { name: restart, action: restart_workload, mode: approve }";
    let (knothole, action) = proposed(&scene, rule);
    assert_eq!(scene.changes(), [""; 0]);
    let before: Vec<Value> = scene
        .pods()
        .iter()
        .map(|it| it["metadata"]["uid"].clone())
        .collect();
    let done = approve(&knothole, &action);
    assert_eq!(scene.changes()[..2], ["create leases", "patch deployments"]);
    let deployment = cluster.rolled_out(&scene.namespace, "cart");
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["knothole.dev/action-id"], done["id"]);
    let after = scene.pods();
    let is_old = |pod: &Value| before.contains(&pod["metadata"]["uid"]);
    until(SOON, "new pods", || {
        (!scene.pods().iter().any(is_old)).then_some(())
    });
    drop(after);
}

#[test]
fn a_daemon_that_is_started_as_stopped_says_so_and_sends_nothing_that_is_approved() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let rule = "  - { name: restart, action: restart_workload, mode: approve, ttl: 40s }";
    let environment = [("KNOTHOLE_STOP_ACTIONS", "1")];
    // It is blocked by the switch, once it was looked at.
    let (knothole, action) = asked_with(&scene, (rule, ""), ("blocked", &environment));
    knothole
        .process
        .says("stopped    nothing is done to any cluster: KNOTHOLE_STOP_ACTIONS is set");
    let (_, switch) = knothole.get("/v1/switch");
    let switch: Value = serde_json::from_str(&switch).unwrap();
    assert_eq!(switch["stopped"], true, "{switch}");
    assert_eq!(switch["why"], "KNOTHOLE_STOP_ACTIONS is set");
    let (_, metrics) = knothole.get("/metrics");
    assert!(
        metrics.contains("\nknothole_actions_stopped 1\n"),
        "{metrics}"
    );
    let path = format!("/v1/actions/{}", action["id"].as_str().unwrap());
    let plan = until(SOON, "a plan", || {
        let (_, body) = knothole.get(&path);
        let action: Value = serde_json::from_str(&body).ok()?;
        let hash = action["plan"]["hash"].as_str()?.to_owned();
        (!hash.is_empty()).then_some(hash)
    });
    let approval = json!({ "plan": plan });
    let (status, answer) = knothole.post(&format!("{path}/approve"), &approval);
    assert_eq!(status, 200, "{answer}");
    // The file is not what stops them.
    let release = json!({ "stopped": false, "why": "go on" });
    let (_, switch) = knothole.post("/v1/switch", &release);
    assert_eq!(switch["stopped"], true, "{switch}");
    let over = until(SOON, "its time to be up", || {
        let (_, body) = knothole.get(&path);
        let action: Value = serde_json::from_str(&body).ok()?;
        (action["state"] != "approved").then_some(action)
    });
    assert_eq!(
        (&over["state"], &over["acted_at"]),
        (&json!("expired"), &Value::Null)
    );
    assert_eq!(scene.changes(), [""; 0]);
}

#[test]
fn scaling_adds_what_the_rule_says_and_never_more_than_it_allows() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let rule = "  - { name: more, action: scale, by: 4, max: 5, mode: approve }";
    let (knothole, action) = proposed(&scene, rule);
    approve(&knothole, &action);
    assert_eq!(
        scene.changes()[..2],
        ["create leases", "patch deployments/scale"]
    );
    // One of them stays away, so it is never rolled out.
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments/cart",
        scene.namespace
    );
    assert_eq!(cluster.get(&path)["spec"]["replicas"], 5);
}

#[test]
fn a_rollback_brings_the_template_of_before_back() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments/cart",
        scene.namespace
    );
    let image = |image: &str| json!({ "spec": { "template": { "metadata": { "labels": { "build": image } } } } });
    let template = |it: &Value| it["spec"]["template"]["metadata"]["labels"]["build"].clone();
    cluster.patch(&path, &image("one"));
    cluster.rolled_out(&scene.namespace, "cart");
    cluster.patch(&path, &image("two"));
    cluster.rolled_out(&scene.namespace, "cart");
    let rule = "  - { name: back, action: roll_back, mode: approve }";
    let (knothole, action) = proposed(&scene, rule);
    approve(&knothole, &action);
    assert_eq!(scene.changes()[..2], ["create leases", "patch deployments"]);
    let deployment = cluster.rolled_out(&scene.namespace, "cart");
    assert_eq!(template(&deployment), "one", "{deployment}");
}
