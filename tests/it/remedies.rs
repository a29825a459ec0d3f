//! What is done about trouble, against a real API server with its controllers. Its audit log is the witness
//! of what was sent, and that nothing else was.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, Deployment};
use crate::knothole::{Knothole, Place, knothole};
use crate::otlp::{Client, request};
use crate::process::{SOON, until};
use crate::shop::{LEARN_QUICKLY, WELL, steps_of};

/// The user of the tests that the generated Role is bound to.
const USER: &str = "knothole";
const LABEL: (&str, &str) = ("knothole.dev/remediate", "true");

/// Ways in which a request may go wrong: out of order, too short, again and again, and all at once.
const BROKEN: [&[usize]; 4] = [
    &[0, 1, 4, 2],
    &[0, 1],
    &[2, 2, 2, 2, 2, 0],
    &[3, 0, 5, 5, 1],
];

/// A Deployment of three whose pods log what `shop` logs, and a daemon that may act on it.
struct Scene {
    cluster: &'static Cluster,
    namespace: String,
    place: Place,
}

impl Scene {
    fn new(cluster: &'static Cluster) -> Self {
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
    fn settings(&self, rules: &str, remediation: &str) -> String {
        let (server, ca) = (self.cluster.server(), self.cluster.ca());
        let token = self.cluster.token_file(USER);
        let text = format!(
            "{LEARN_QUICKLY}incidents: {{ settle: 200ms }}\nsequence: {{ idle_timeout: 1s, reorder_delay: 200ms }}\n\
             sinks: [{{ type: stdout, name: out }}]\nactions:\n{rules}\nremediation:\n  kubernetes: {{ server: '{server}', \
             ca_file: {}, token_file: {} }}\n{remediation}",
            ca.display(),
            token.display()
        );
        self.bind(&text);
        text
    }

    /// Gives the user the Role that `knothole rbac` prints for these settings.
    fn bind(&self, settings: &str) {
        let file = self.place.path("rules.yaml");
        std::fs::write(&file, settings).unwrap();
        let namespace = self.namespace.as_str();
        let file = file.to_str().unwrap();
        let printed = knothole(&["rbac", "-c", file, "-n", namespace, "--json"]).output();
        let printed = printed.unwrap();
        assert!(printed.status.success(), "{printed:?}");
        let list: Value = serde_json::from_slice(&printed.stdout).unwrap();
        let role = &list["items"][0];
        self.cluster.allow(namespace, USER, &role["rules"]);
    }

    fn pods(&self) -> Vec<Value> {
        self.cluster.pods(&self.namespace, "cart")
    }

    /// What `pod` sends as.
    fn sender(&self, pod: &Value) -> Vec<(String, String)> {
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

    fn send(
        &self,
        client: &mut Client,
        pod: &Value,
        numbers: std::ops::Range<u64>,
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
    fn learn(&self, knothole: &Knothole) {
        let mut client = Client::connect(knothole.grpc);
        for (pod, nth) in self.pods().iter().zip(0..) {
            self.send(&mut client, pod, nth * 100..nth * 100 + 60, &WELL);
        }
        knothole.wait_for_state("cart", "active");
    }
}

fn stages(knothole: &Knothole) -> Vec<String> {
    let events = knothole.all_events();
    let names = events.iter().filter_map(|event| event["type"].as_str());
    let actions = names.filter(|name| name.starts_with("knothole.action."));
    actions.map(ToOwned::to_owned).collect()
}

#[test]
fn auto_evicts_the_pod_that_broke_and_sees_that_it_helped() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let scene = Scene::new(cluster);
    let settings = scene.settings(
        "  - { name: evict, action: restart_pod, mode: auto, persist: 10s, pod_age_min: 0s, stabilise: 15s }",
        "",
    );
    let knothole = scene.place.serve(&settings);
    scene.learn(&knothole);
    let pods = scene.pods();
    let (broken, others) = pods.split_first().unwrap();
    let name = broken["metadata"]["name"].as_str().unwrap();
    cluster.set_ready(&scene.namespace, name, false);
    let mut client = Client::connect(knothole.grpc);
    let mut number = 1_000;
    until(Duration::from_secs(60), "the eviction", || {
        // It goes on failing until it is gone; the others go on well.
        for (steps, nth) in BROKEN.iter().zip(number..) {
            scene.send(&mut client, broken, nth..nth + 1, steps);
        }
        scene.send(&mut client, &others[0], number + 4..number + 6, &WELL);
        number += 6;
        let sent = cluster.audit_of(&scene.namespace);
        let evicted = sent.iter().find(|it| {
            it["path"]
                .as_str()
                .is_some_and(|path| path.ends_with("/eviction"))
                && it["query"].as_str().unwrap_or_default().is_empty()
        })?;
        assert_eq!(evicted["code"], 201, "{evicted}");
        assert!(
            evicted["path"].as_str().unwrap().contains(name),
            "{evicted}"
        );
        Some(())
    });
    until(SOON, "that it helped", || {
        for pod in scene
            .pods()
            .iter()
            .filter(|pod| pod["metadata"]["name"] != name)
        {
            scene.send(&mut client, pod, number..number + 1, &WELL);
            number += 1;
        }
        let events = knothole.all_events();
        let told = events
            .iter()
            .find(|it| it["type"] == "knothole.action.verified")?;
        assert_eq!(told["state"], "effective", "{told}");
        Some(())
    });
    assert_eq!(
        stages(&knothole),
        [
            "knothole.action.approved",
            "knothole.action.executed",
            "knothole.action.verified"
        ]
    );
    let writes: Vec<String> = cluster
        .audit_of(&scene.namespace)
        .iter()
        .filter(|it| it["user"] == USER)
        .map(|it| format!("{} {}", it["verb"], it["path"]))
        .collect();
    eprintln!("{writes:#?}");
}
