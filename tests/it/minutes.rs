//! The ten minutes of the README, from `suggest` to `auto` on one Deployment, command by command as they are
//! written there, against a real API server and with the real kubectl.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, Deployment};
use crate::otlp::{Client, request};
use crate::parts::part;
use crate::process::{Process, SOON, until};
use crate::remedies::BROKEN;
use crate::shop::{WELL, steps_of};

/// What makes minutes of it seconds: the README's settings stay as they are.
const FASTER: &str = "  limits: { per_workload: 9, cool_down: 1s }\n\
    learn: { sequences_min: 400, records_min: 2400, new_template_chance_max: 0.05 }\n\
    sequence: { idle_timeout: 1s, reorder_delay: 200ms }\nincidents: { settle: 200ms }\n";
/// How long the first action has claimed the workload, at least.
const CLAIMED_FOR: Duration = Duration::from_secs(200);
const SOONER: &str = "    persist: 5s\n    pod_age_min: 0s\n    stabilise: 10s\n";

/// The blocks of the README's section, by their language.
fn section() -> Vec<(String, String)> {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("### Letting it act\n").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let parts = section.split("```").skip(1).step_by(2);
    let block = |part: &str| {
        let (language, text) = part.split_once('\n').unwrap();
        (language.to_owned(), text.to_owned())
    };
    parts.map(block).collect()
}

/// Where somebody follows the README.
struct Desk<'a> {
    cluster: &'a Cluster,
    folder: tempfile::TempDir,
    api: String,
    token: String,
}

impl Desk<'_> {
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Programs under the names that the README calls them by.
    fn program(&self, name: &str, script: &str) {
        self.write(name, &format!("#!/bin/sh\n{script}\n"));
        let path = self.folder.path().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        let path = std::env::var("PATH").unwrap();
        let here = self.folder.path().display();
        command.args(["-c", line]).current_dir(self.folder.path());
        command.env("PATH", format!("{here}:{path}"));
        command.env("KNOTHOLE_TOKEN", &self.token);
        command.env("KNOTHOLE_URL", &self.api);
        for listen in ["OTLP_GRPC", "OTLP_HTTP", "API"] {
            command.env(format!("KNOTHOLE_LISTEN_{listen}"), "127.0.0.1:0");
        }
        command
    }

    #[track_caller]
    fn run(&self, line: &str) -> String {
        let output = self.shell(line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The name of a pod that is there, whom a request goes wrong at from now on.
    fn break_one(&self) -> Value {
        let pod = self.cluster.pods("shop", "cart").remove(0);
        let name = pod["metadata"]["name"].as_str().unwrap();
        self.cluster.set_ready("shop", name, false);
        pod
    }

    fn actions(&self) -> Vec<Value> {
        let told = self.run("knothole actions --state all --json");
        let told: Value = serde_json::from_str(&told).unwrap();
        told["actions"].as_array().unwrap().clone()
    }
}

fn send(client: &mut Client, pod: &Value, number: u64, steps: &[usize]) {
    let of = |at: &str| pod.pointer(at).unwrap().as_str().unwrap();
    let resource = [
        ("service.namespace", "shop"),
        ("service.name", "cart"),
        ("k8s.namespace.name", "shop"),
        ("k8s.deployment.name", "cart"),
        ("k8s.pod.name", of("/metadata/name")),
        ("k8s.pod.uid", of("/metadata/uid")),
    ];
    let records = steps_of(number, steps, Duration::from_secs(1));
    client.export(request(&resource, records)).unwrap();
}

fn kubeconfig(cluster: &Cluster, token: &str, path: &Path) {
    let (server, ca) = (cluster.server(), cluster.ca());
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{ name: c, cluster: {{ server: '{server}', \
         certificate-authority: {} }} }}]\nusers: [{{ name: u, user: {{ token: '{token}' }} }}]\ncontexts: [{{ name: c, \
         context: {{ cluster: c, user: u }} }}]\n",
        ca.display()
    );
    std::fs::write(path, text).unwrap();
}

/// A cluster as the README finds it, and a shell in a folder of its own.
fn desk<'a>(cluster: &'a Cluster, kube: &str) -> Desk<'a> {
    for namespace in ["shop", "knothole"] {
        let object = serde_json::json!({ "metadata": { "name": namespace } });
        cluster.create("/api/v1/namespaces", &object);
    }
    let three = Deployment {
        replicas: 3,
        ..Deployment::default()
    };
    cluster.deploy("shop", "cart", &three);
    let desk = Desk {
        cluster,
        folder: tempfile::tempdir().unwrap(),
        api: String::new(),
        token: String::new(),
    };
    let here = desk.folder.path();
    let admin = here.join("admin.config");
    kubeconfig(cluster, cluster.admin_token(), &admin);
    let own = cluster.service_account("knothole", "knothole");
    kubeconfig(cluster, &own, &here.join("own.config"));
    let admin = admin.display();
    desk.program(
        "kubectl",
        &format!("exec {kube} kubectl --kubeconfig {admin} \"$@\""),
    );
    let binary = env!("CARGO_BIN_EXE_knothole");
    desk.program("knothole", &format!("exec {binary} \"$@\""));
    desk
}

/// The README's settings, on this cluster and with less patience.
fn settings(desk: &Desk<'_>, blocks: &[(String, String)]) -> String {
    let (_, yaml) = blocks
        .iter()
        .find(|(language, _)| language == "yaml")
        .unwrap();
    let own = desk.folder.path().join("own.config");
    let own = format!("kubernetes: {{ kubeconfig: {} }} #", own.display());
    let settings = yaml.replace("kubernetes: {}", &own) + FASTER;
    settings.replace("    mode: suggest", &format!("{SOONER}    mode: suggest"))
}

/// A daemon that has learned, and somebody who sends to it.
struct Running {
    serve: Process,
    client: Client,
    number: u64,
}

impl Running {
    fn start(desk: &mut Desk<'_>, line: &str) -> Self {
        let serve = Process::start("serve", &mut desk.shell(&format!("exec {line}")));
        let ready = serve.says("ready ");
        let after = |mark: &str| {
            let (_, rest) = ready.split_once(mark).unwrap();
            rest.split(',').next().unwrap().to_owned()
        };
        desk.api = after("API ");
        let mut client = Client::connect(after("gRPC ").parse().unwrap());
        for (pod, nth) in desk.cluster.pods("shop", "cart").iter().zip(0..) {
            for number in nth * 200..nth * 200 + 150 {
                send(&mut client, pod, number, &WELL);
            }
        }
        serve.says("active");
        Self {
            serve,
            client,
            number: 10_000,
        }
    }

    /// Has `pod` go wrong until one of the actions is as it should be.
    fn until(
        &mut self,
        what: &str,
        (desk, pod): (&Desk<'_>, &Value),
        is_there: impl Fn(&Value) -> bool,
    ) -> Value {
        until(CLAIMED_FOR + SOON, what, || {
            for (steps, nth) in BROKEN.iter().zip(self.number..) {
                send(&mut self.client, pod, nth, steps);
            }
            self.number += 4;
            desk.actions().into_iter().find(|it| is_there(it))
        })
    }

    fn read_again(&self, times: usize) {
        self.serve.signal(Signal::HUP);
        until(SOON, "the settings to be read again", || {
            let said = self.serve.stderr();
            let read = said.iter().filter(|it| it.contains("settings read again"));
            (read.count() == times).then_some(())
        });
    }
}

#[test]
fn the_ten_minutes_of_the_readme_go_from_suggest_to_auto() {
    let (Some(cluster), Some(kube)) = (Cluster::shared(), part("KNOTHOLE_KUBE")) else {
        return;
    };
    let mut desk = desk(cluster, kube.to_str().unwrap());
    let blocks = section();
    let settings = settings(&desk, &blocks);
    desk.write("remediation.yaml", &settings);
    let shells = blocks.iter().filter(|(language, _)| language == "sh");
    let lines: Vec<&str> = shells.flat_map(|(_, text)| text.lines()).collect();
    let line = |begins: &str| *lines.iter().find(|it| it.starts_with(begins)).unwrap();
    // What is exported holds for the commands after it.
    let export = format!("{}; printenv KNOTHOLE_TOKEN", line("export"));
    desk.token = desk.run(&export).trim().to_owned();
    for begins in ["kubectl label", "knothole rbac"] {
        desk.run(line(begins));
    }
    let mut running = Running::start(&mut desk, line("knothole serve"));

    // suggest
    let broken = desk.break_one();
    let is_proposed = |it: &Value| it["state"] == "proposed";
    let action = running.until("the suggestion", (&desk, &broken), is_proposed);
    assert!(desk.run(line("knothole actions")).contains("cart"));
    let id = action["id"].as_str().unwrap().to_owned();
    let shown = desk.run(&line("knothole actions show").replace("7c417c", &id));
    assert!(shown.contains("/eviction"), "{shown}");

    // approve
    desk.write(
        "remediation.yaml",
        &settings.replace("mode: suggest", "mode: approve"),
    );
    running.read_again(1);
    let waits = |it: &Value| it["state"] == "proposed" && it["mode"] == "approve";
    running.until("the wait for a person", (&desk, &broken), waits);
    let approve = line("knothole actions approve").replace("7c417c", &id);
    let approve = approve.split('#').next().unwrap().trim();
    desk.run(&format!("echo y | script -qec '{approve}' /dev/null"));
    let uid = |pod: &Value| pod["metadata"]["uid"].clone();
    until(SOON, "the pod to be replaced", || {
        let pods = cluster.pods("shop", "cart");
        (!pods.iter().any(|it| uid(it) == uid(&broken))).then_some(())
    });

    // auto
    desk.write(
        "remediation.yaml",
        &settings.replace("mode: suggest", "mode: auto"),
    );
    running.read_again(2);
    let broken = desk.break_one();
    let acted = |it: &Value| it["mode"] == "auto" && !it["acted_at"].is_null();
    running.until("it to act by itself", (&desk, &broken), acted);

    desk.run(line("knothole switch stop"));
    let switch: Value = serde_json::from_str(&desk.run("knothole switch --json")).unwrap();
    assert_eq!(switch["stopped"], true);
    desk.run("knothole audit verify");
}
