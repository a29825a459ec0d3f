//! What decoding and redaction cost, counted in instructions, which a busy machine does not change. Skipped by name
//! where there is no valgrind.
#![cfg(feature = "daemon")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "outside #[test] functions a failed test may panic too"
)]

use std::process::Command;
use std::sync::Arc;

use knothole::core::record::{Batch, Record, StreamKey};
use knothole::core::redact::{RedactSpec, Redaction, Redactor};
use knothole::edge::receive::{ConvertSettings, Encoding, Signal, decode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

/// Records of the request, and of each pod in it.
const RECORDS: usize = 1_000;
const RECORDS_PER_POD: usize = 128;

/// Most instructions for a record in protobuf, from the bytes to a batch that owns its texts; it was
/// 1,850 when this was written.
const PROTOBUF_MAX: u64 = 2_000;
/// The same in JSON; it was 12,430.
const JSON_MAX: u64 = 13_200;

/// Most instructions to see that there is nothing to redact in a record of 143 bytes; it was about 1,540 with
/// AVX2 when this was written.
const REDACT_MAX: u64 = 1_600;
/// Most times as many instructions for a text twice as long, whatever it holds.
const GROWTH_MAX: f64 = 2.3;
/// Most instructions for a byte of it; it was 500 for "password" without a blank.
const HOSTILE_MAX: u64 = 800;
/// Bytes of the shorter one.
const HOSTILE_LEN: usize = 32 << 10;

/// Says to the child under valgrind how often it is to decode, and in which encoding.
const ROUNDS: &str = "KNOTHOLE_DECODE_ROUNDS";

#[test]
fn a_record_takes_few_instructions_to_decode() {
    if let Ok(wanted) = std::env::var(ROUNDS) {
        return decode_in_rounds(&wanted);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: there is no valgrind");
        return;
    }
    let gates = [
        ("protobuf", PROTOBUF_MAX),
        ("json", JSON_MAX),
        ("redact", REDACT_MAX),
    ];
    for (encoding, max) in gates {
        let [few, many] = [4, 12].map(|rounds| instructions(encoding, rounds));
        let each = (many - few) / (8 * RECORDS as u64);
        println!("{encoding}: {each} instructions a record");
        assert!(each <= max, "{encoding}: {each} instructions a record");
    }
}

#[test]
fn redaction_of_a_text_twice_as_long_takes_twice_the_instructions_whatever_it_holds() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: there is no valgrind");
        return;
    }
    let idle = instructions("hostile 0", 1);
    // All of them, and once more without some kinds.
    for shape in (1..2 * HOSTILE.len()).filter(|shape| !shape.is_multiple_of(HOSTILE.len())) {
        let piece = HOSTILE[shape % HOSTILE.len()];
        let [short, long] = [1, 2].map(|times| instructions(&format!("hostile {shape}"), times));
        // A run without a text does as much besides.
        let [short, long] = [short, long].map(|all| all.saturating_sub(idle).max(1));
        let growth = long as f64 / short as f64;
        let each = short / HOSTILE_LEN as u64;
        println!("{:?}: {each} instructions a byte, {growth:.2} times", piece);
        assert!(each <= HOSTILE_MAX, "{:?}: {each} a byte", piece);
        assert!(growth <= GROWTH_MAX, "{:?}: {growth:.2} times", piece);
    }
}

/// What leads to a secret again and again and never gets there.
const HOSTILE: [&str; 23] = [
    "",
    "@",
    "a@a",
    "a@b.c",
    "password",
    "password=",
    "token: ",
    "\"",
    "eyJhbGciOiJIUzI1NiJ9",
    "://a:",
    "4111 1111 ",
    "DE89 ",
    "-----BEGIN RSA PRIVATE KE",
    "Cookie: a=b; ",
    "T3BlbkFJ",
    "-eyJh",
    ".eyJh",
    "eyJhbGciOiJI.",
    "token={",
    "token=a,",
    "Cookie: a; ",
    "authorization: hawk {",
    "<token>token=\"${",
];

fn redact_hostile(shape: usize, times: u32) {
    let piece = HOSTILE[shape % HOSTILE.len()];
    let len = HOSTILE_LEN * times as usize;
    let text = piece.repeat(len.checked_div(piece.len()).unwrap_or(0));
    // What is found and not wanted must not be read again and again either.
    let except: &[&str] = match shape < HOSTILE.len() {
        true => &[],
        false => &["secret", "authorization", "cookie", "sendgrid-key", "jwt"],
    };
    let redactor = Redactor::new(&RedactSpec {
        except: except.iter().map(|kind| (*kind).to_owned()).collect(),
        ..RedactSpec::default()
    });
    let clean = redactor.unwrap().text(&text).len();
    assert!(clean <= 2 * text.len() + 64);
}

/// Of a whole run of this very test in a child that decodes so often.
fn instructions(encoding: &str, rounds: u32) -> u64 {
    let child = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--test-threads=1",
            "a_record_takes_few_instructions_to_decode",
        ])
        .env(ROUNDS, format!("{encoding} {rounds}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    let line = said
        .lines()
        .find(|line| line.contains("I ") && line.contains("refs:"));
    let count = line.and_then(|line| line.rsplit("refs:").next());
    let count = count.unwrap_or_else(|| panic!("{said}")).trim();
    count.replace(',', "").parse().unwrap()
}

fn decode_in_rounds(wanted: &str) {
    let (encoding, rounds) = wanted.rsplit_once(' ').unwrap();
    if let Some(shape) = encoding.strip_prefix("hostile ") {
        return redact_hostile(shape.parse().unwrap(), rounds.parse().unwrap());
    }
    if encoding == "redact" {
        return redact_in_rounds(rounds.parse().unwrap());
    }
    let (encoding, body) = match encoding {
        "json" => (Encoding::Json, serde_json::to_vec(&request()).unwrap()),
        _ => (Encoding::Protobuf, request().encode_to_vec()),
    };
    let settings = ConvertSettings::of_instance("gate");
    for _ in 0..rounds.parse().unwrap() {
        let decoded = decode(Signal::Logs, encoding, &body, &settings).unwrap();
        assert_eq!(decoded.records, RECORDS as u64);
    }
}

fn redact_in_rounds(rounds: u32) {
    let mut batch = Batch::new(StreamKey::named("cart"), Arc::default());
    for number in 0..RECORDS {
        batch.push(Record {
            body: &body(number),
            ..Record::default()
        });
    }
    let redactor = Redactor::default();
    let mut redaction = Redaction::default();
    for _ in 0..rounds {
        let suspects = redaction.batch(&redactor, &mut batch);
        assert!((0..RECORDS).all(|index| suspects.of(index).is_empty()));
    }
}

/// As a Collector sends what it read from the files of pods: about 500 bytes a record.
fn request() -> ExportLogsServiceRequest {
    let numbers: Vec<usize> = (0..RECORDS).collect();
    let pods = numbers.chunks(RECORDS_PER_POD).enumerate();
    let resource_logs = pods.map(|(pod, numbers)| ResourceLogs {
        resource: Some(resource(pod)),
        scope_logs: vec![ScopeLogs {
            scope: Some(Default::default()),
            log_records: numbers.iter().map(|number| record(pod, *number)).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    });
    ExportLogsServiceRequest {
        resource_logs: resource_logs.collect(),
    }
}

fn resource(pod: usize) -> Resource {
    let attributes = [
        ("service.name", "cart".to_owned()),
        ("service.namespace", "shop".to_owned()),
        ("service.version", "2.14.1".to_owned()),
        ("service.instance.id", format!("cart-5c9f7d6b8-{pod:05}")),
        ("deployment.environment.name", "production".to_owned()),
        ("k8s.cluster.name", "eu-west-1-blue".to_owned()),
        ("k8s.namespace.name", "shop".to_owned()),
        ("k8s.deployment.name", "cart".to_owned()),
        ("k8s.pod.name", format!("cart-5c9f7d6b8-{pod:05}")),
        ("k8s.pod.uid", format!("0b5c1c52-3f1a-4f57-9d3e-{pod:012}")),
        ("k8s.container.name", "cart".to_owned()),
        ("k8s.node.name", format!("node-{pod}.internal")),
        ("host.name", format!("node-{pod}.internal")),
    ];
    Resource {
        attributes: attributes.map(|(key, value)| attribute(key, value)).into(),
        ..Resource::default()
    }
}

fn record(pod: usize, number: usize) -> LogRecord {
    let body = body(number);
    let path = format!("/var/log/pods/shop_cart-5c9f7d6b8-{pod:05}_0b5c1c52/cart/0.log");
    let with_ids = number.is_multiple_of(2);
    LogRecord {
        time_unix_nano: 1_795_247_160_000_000_000 + number as u64,
        observed_time_unix_nano: 1_795_247_160_100_000_000 + number as u64,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(string(body)),
        attributes: vec![
            attribute("log.file.path", path),
            attribute("log.iostream", "stdout".to_owned()),
            attribute("thread.name", format!("worker-{}", number % 16)),
            attribute(
                "code.function.name",
                "shop.cart.Checkout.reserve".to_owned(),
            ),
            attribute("customer.tier", "gold".to_owned()),
            attribute("logtag", "F".to_owned()),
        ],
        flags: 1,
        trace_id: [7; 16].repeat(usize::from(with_ids)),
        span_id: [9; 8].repeat(usize::from(with_ids)),
        ..LogRecord::default()
    }
}

fn body(number: usize) -> String {
    format!(
        "2026-11-21 07:46:{:02}.{:03} INFO [worker-{}] shop.cart.Checkout: order ord_{:07} of customer c-{} \
         reserved {} items in {} ms on 10.2.{}.{}:8080",
        number % 60,
        number % 1_000,
        number % 16,
        1_000_000 + number * 7,
        number * 31,
        number % 9,
        number % 5_000,
        number % 256,
        number % 97,
    )
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(string(value)),
        ..KeyValue::default()
    }
}

fn string(text: String) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(text)),
    }
}
