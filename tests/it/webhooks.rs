//! Webhooks that fail, hang or are not there: each event arrives, and detection never waits.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::hdfs;
use crate::knothole::Place;
use crate::otlp::Client;
use crate::parts::{alone, part, recipe};
use crate::process::{Process, SOON, until};

/// The base64 of 32 bytes.
const SECRET: &str = "whsec_a25vdGhvbGUncyB0ZXN0cyBzaGFyZSB0aGlzIGtleQ==";
const ENV: &[(&str, &str)] = &[("HOOK_SECRET", SECRET)];
/// Lines of the log that are sent; some fifty anomalies are in there.
const LINES: usize = 40_000;
/// Who logs them. The names are what a proposal is aimed at.
const POD: &[(&str, &str)] = &[
    ("service.name", "hdfs"),
    ("k8s.namespace.name", "storage"),
    ("k8s.deployment.name", "hdfs"),
    ("k8s.pod.name", "hdfs-7d9f-x2l"),
];
const PROPOSE: &str = "actions: [{ name: restart-hdfs, action: restart_pod }]\n";

#[test]
fn a_webhook_that_fails_half_the_time_gets_every_event_signed() {
    let Some(python) = part("KNOTHOLE_PYTHON") else {
        return;
    };
    let place = Place::new();
    let hook = Hook::start(&python, place.folder(), "half");
    let sinks = format!("{}{}", hdfs::STDOUT, webhook("ops", hook.address, "10s"));
    let settings = format!("{}{PROPOSE}", hdfs::settings("200ms", &sinks));
    let knothole = place.serve_with(&settings, ENV);
    let sent = send(knothole.grpc);
    knothole.ledger_when_settled(sent, SOON);
    let events = until(SOON, "the anomalies", || {
        let events = knothole.events();
        (events.len() > 25).then_some(events)
    });
    until(SOON, "the webhook to get all events", || {
        // Sequences go on to end while the clock runs.
        let told: BTreeSet<String> = knothole.events().iter().map(name).collect();
        let accepted = hook.requests(true);
        let accepted: BTreeSet<String> = accepted.iter().map(envelope_name).collect();
        (accepted == told).then_some(())
    });
    let all = hook.requests(false);
    assert!(all.iter().all(|request| request["signature_ok"] == true));
    let failed = all
        .iter()
        .filter(|request| request["status"] == 500)
        .count();
    assert!(
        failed >= events.len() / 2,
        "{failed} of {} failed",
        all.len()
    );
    let types: BTreeSet<&str> = all
        .iter()
        .filter_map(|request| request["type"].as_str())
        .collect();
    // These records are of another day, and nobody acts on what is long over: nothing is proposed.
    assert_eq!(types, BTreeSet::from(["knothole.anomaly.detected"]));
    assert!(knothole.stop().0.success());
}

#[test]
fn webhooks_that_hang_or_are_not_there_delay_nothing_and_what_they_missed_comes_later() {
    let Some(python) = part("KNOTHOLE_PYTHON") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    // It takes connections and never answers. One answer would be waited for longer than the test.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let silent_at = silent.local_addr().unwrap();
    let sinks = |ops| {
        [
            hdfs::STDOUT,
            &webhook("ops", ops, "10m"),
            &webhook("gone", gone, "10m"),
        ]
        .concat()
    };
    let knothole = place.serve_with(&hdfs::settings("200ms", &sinks(silent_at)), ENV);
    let sent = send(knothole.grpc);
    let ledger = knothole.ledger_when_settled(sent, SOON);
    assert_eq!(ledger.scored, sent, "{ledger:?}");
    let (_connection, _) = silent.accept().unwrap();
    let mut knothole = knothole;
    knothole.process.signal(rustix::process::Signal::TERM);
    assert!(
        knothole
            .process
            .wait_at_most(Duration::from_secs(10))
            .success()
    );
    let told: BTreeSet<String> = knothole.events().iter().map(name).collect();
    assert!(told.len() > 25, "{}", told.len());
    drop(knothole);

    let hook = Hook::start(&python, place.folder(), "none");
    let knothole = place.serve_with(&hdfs::settings("200ms", &sinks(hook.address)), ENV);
    until(SOON, "the webhook to get what it missed", || {
        let accepted = hook.requests(true);
        let accepted: BTreeSet<String> = accepted.iter().map(envelope_name).collect();
        (accepted == told).then_some(())
    });
    assert!(knothole.stop().0.success());
}

/// The receiver of `tests/parts/python`, which checks signatures with a library of its own.
struct Hook {
    address: SocketAddr,
    out: PathBuf,
    _process: Process,
}

impl Hook {
    fn start(python: &OsString, folder: &Path, fail: &str) -> Self {
        let out = folder.join("hooks.jsonl");
        let process = Process::start(
            "the webhook receiver",
            Command::new(python)
                .args(["-B", "-u"])
                .arg(recipe("python/webhook_receiver.py"))
                .env("WEBHOOK_SECRET", SECRET)
                .env("WEBHOOK_OUT", &out)
                .env("FAIL", fail),
        );
        let port: u16 = process.stdout_until(|line| line.parse().ok());
        Self {
            address: ([127, 0, 0, 1], port).into(),
            out,
            _process: process,
        }
    }

    fn requests(&self, accepted_only: bool) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.out).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|request| !accepted_only || request["accepted"] == true)
            .collect()
    }
}

fn webhook(name: &str, to: SocketAddr, timeout: &str) -> String {
    format!(
        "  - type: webhook\n    name: {name}\n    url: http://{to}/hook\n    \
         secret: {{ env: HOOK_SECRET }}\n    timeout: {timeout}\n    \
         limit: {{ per_minute: 0, fold: false }}\n    \
         retry: {{ initial: 50ms, max: 500ms }}\n"
    )
}

fn send(to: SocketAddr) -> u64 {
    let text = hdfs::text();
    Client::connect(to).send_lines(POD, text.lines().take(LINES))
}

/// Type and id of an event: what it is known by, however often it comes.
fn name(event: &Value) -> String {
    format!("{} {}", event["type"], event["id"])
}

fn envelope_name(request: &Value) -> String {
    format!("{} {}", request["type"], request["body"]["data"]["id"])
}
