//! OpenTelemetry's own SDKs send records.

use std::process::Command;

use crate::knothole::{Knothole, Place};
use crate::parts::{part, recipe};
use crate::process::{Process, SOON};

const COUNT: u64 = 3_000;

#[test]
fn the_python_sdk_sends_over_grpc_and_http_and_every_record_is_counted() {
    let Some(python) = part("KNOTHOLE_PYTHON") else {
        return;
    };
    let client = || {
        let mut command = Command::new(&python);
        command.arg("-B").arg(recipe("python/send.py"));
        command
    };
    every_record_is_counted(&["grpc", "http"], client);
}

#[test]
fn the_node_sdk_sends_over_grpc_json_and_protobuf_and_every_record_is_counted() {
    let Some(node) = part("KNOTHOLE_NODE_DIR") else {
        return;
    };
    let client = || {
        let mut command = Command::new("node");
        command
            .env("KNOTHOLE_NODE_DIR", &node)
            .arg(recipe("node/send.mjs"));
        command
    };
    every_record_is_counted(&["grpc", "http", "proto"], client);
}

fn every_record_is_counted(ways: &[&str], client: impl Fn() -> Command) {
    let place = Place::new();
    let knothole = place.serve("sequence: { reorder_delay: 100ms }");
    for (way, runs) in ways.iter().zip(1..) {
        let service = format!("shop-{way}");
        let mut sender = sender(&knothole, way, &service, client());
        assert!(
            sender.wait_at_most(SOON).success(),
            "{way}: {:?}",
            sender.stderr()
        );
        sender.stdout_until(|line| (line == format!("sent {COUNT}")).then_some(()));
        let ledger = knothole.ledger_when_settled(runs * COUNT, SOON);
        assert_eq!(
            (ledger.received, ledger.learned),
            (runs * COUNT, runs * COUNT),
            "{way}: {ledger:?}"
        );
        let service = knothole.wait_for_records(&service, COUNT);
        assert_eq!(service["state"], "learning", "{way}");
        // `order 1 accepted for customer 7919 in 31 ms`, whatever the numbers.
        assert_eq!(service["templates"], 1, "{way}: {service}");
    }
    assert!(knothole.stop().0.success());
}

fn sender(knothole: &Knothole, way: &str, service: &str, mut command: Command) -> Process {
    let to = match way {
        "grpc" => knothole.grpc,
        _ => knothole.http,
    };
    command.args([way, &format!("http://{to}"), &COUNT.to_string(), service]);
    Process::start(way, &mut command)
}
