//! OpenTelemetry's own SDKs send on while the daemon is killed: what they were told is taken is there.
//!
//! They keep what they wait with in memory and give up: Python's gRPC after six tries, Node's after
//! the first. So what was not taken may be lost; the SDKs say which that is.

use std::process::Command;

use crate::knothole::{Knothole, Place};
use crate::parts::{alone, part, recipe};
use crate::process::{Process, SOON, until};

const KILLS: usize = 10;
/// Records of a batch, which is of a service of its own.
const RECORDS: u64 = 50;
/// Batches of each way that are taken between two kills, at least.
const BETWEEN: usize = 2;

#[test]
fn what_the_python_sdk_was_told_is_taken_is_there_once_after_ten_kills() {
    let Some(python) = part("KNOTHOLE_PYTHON") else {
        return;
    };
    what_was_taken_is_there(["grpc", "http"], || {
        let mut command = Command::new(&python);
        command.arg("-B").arg(recipe("python/stream.py"));
        command
    });
}

#[test]
fn what_the_node_sdk_was_told_is_taken_is_there_once_after_ten_kills() {
    let Some(node) = part("KNOTHOLE_NODE_DIR") else {
        return;
    };
    what_was_taken_is_there(["grpc", "http", "proto"], || {
        let mut command = Command::new("node");
        command
            .env("KNOTHOLE_NODE_DIR", &node)
            .arg(recipe("node/stream.mjs"));
        command
    });
}

fn what_was_taken_is_there<const N: usize>(ways: [&str; N], client: impl Fn() -> Command) {
    let _alone = alone();
    let place = Place::new();
    let settings = "sequence: { reorder_delay: 100ms }\nstreams_max: 2000\nsinks: []";
    let mut knothole = place.serve(settings);
    let fixed = place.at_ports_of(&knothole);
    let mut clients = ways.map(|way| start(&knothole, way, client()));
    for _ in 0..KILLS {
        let before = clients.each_ref().map(|client| taken(client).len());
        until(SOON, "some batches of each way", || {
            let more = |(client, before)| taken(client).len() >= before + BETWEEN;
            clients.iter().zip(before).all(more).then_some(())
        });
        knothole.process.signal(rustix::process::Signal::KILL);
        knothole.process.wait_at_most(SOON);
        knothole = place.serve_at(&fixed, settings);
    }
    for client in &mut clients {
        assert!(client.stop().success());
    }
    let taken: Vec<String> = clients.iter().flat_map(taken).collect();
    until(SOON, "all that was taken to be there", || {
        let shown = knothole.records_by_service();
        let is_there = |service: &String| shown.get(service) == Some(&RECORDS);
        taken.iter().all(is_there).then_some(())
    });
    // What was not acknowledged is there once, or not at all.
    let shown = knothole.records_by_service();
    let altered = shown.iter().find(|(_, count)| **count != RECORDS);
    assert_eq!(altered, None);
    eprintln!("{} batches taken, {} services", taken.len(), shown.len());
}

fn start(knothole: &Knothole, way: &str, mut command: Command) -> Process {
    let to = match way {
        "grpc" => knothole.grpc,
        _ => knothole.http,
    };
    let records = RECORDS.to_string();
    command.args([
        way,
        &format!("http://{to}"),
        &records,
        &format!("shop-{way}"),
    ]);
    Process::start(way, &mut command)
}

/// The services whose batch was acknowledged.
fn taken(client: &Process) -> Vec<String> {
    let said = client.stdout();
    said.iter()
        .filter_map(|line| line.strip_prefix("taken "))
        .map(str::to_owned)
        .collect()
}
