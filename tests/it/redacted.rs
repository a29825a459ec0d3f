//! Planted secrets: they come in with records, lie in the journal, and are seen nowhere else, also not
//! after a kill.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use rustix::process::Signal;
use serde_json::Value;

use crate::knothole::{Knothole, Place, metric};
use crate::otlp::{Client, record, request};
use crate::parts::alone;
use crate::process::{SOON, until};
use crate::shop::{LEARN_QUICKLY, STEPS, WELL, of_shop, steps_of};

const ENV: &[(&str, &str)] = &[(
    "HOOK_SECRET",
    "whsec_a25vdGhvbGUncyB0ZXN0cyBzaGFyZSB0aGlzIGtleQ==",
)];
const NOW: Duration = Duration::ZERO;

/// What must never be seen again, and where it is planted.
const BODY: &str = "hunter2canary";
const BODY_MAIL: &str = "canary.ann@example.org";
const BODY_URL: &str = "urlcanary77";
const BODY_CARD: &str = "4111111111111111";
const MAP: &str = "mapcanary4711";
const MAP_HIDDEN: &str = "hiddencanary4712";
const EVENT: &str = "canary.eve@example.org";
const TEMPLATE: &str = "canary.tom@example.org";
const SEQUENCE: &str = "canary.seq@example.org";
const RESOURCE: &str = "rescanary99";
const STREAM: &str = "canary.svc@example.org";
const NORMAL: &str = "canary.norm@example.org";
const ALL: [&str; 12] = [
    BODY, BODY_MAIL, BODY_URL, BODY_CARD, MAP, MAP_HIDDEN, EVENT, TEMPLATE, SEQUENCE, RESOURCE,
    STREAM, NORMAL,
];

#[test]
fn planted_secrets_are_in_the_journal_and_nowhere_else() {
    let _alone = alone();
    let place = Place::new();
    let hook = Hook::start();
    let settings = format!(
        "{LEARN_QUICKLY}sequence: {{ idle_timeout: 1s, reorder_delay: 100ms, attribute: user.id }}\n\
         sinks:\n  - {{ type: stdout, name: out, limit: {{ per_minute: 0, fold: false }} }}\n  \
         - type: webhook\n    name: ops\n    url: http://{}/hook\n    secret: {{ env: HOOK_SECRET }}\n    \
         limit: {{ per_minute: 0, fold: false }}\n",
        hook.address
    );
    let mut first = place.serve_with(&settings, ENV);
    let mut client = Client::connect(first.grpc);
    let learned = (0..200).flat_map(normal);
    client.export(of_shop(learned.collect())).unwrap();
    first.wait_for_state("shop", "active");
    client.export(planted(1_000)).unwrap();
    let told = until(SOON, "anomalies with marks", || {
        let events = first.events();
        shows(&events, "<redacted:secret>").then_some(events)
    });
    assert!(shows(&told, "<redacted:email>"), "{told:#?}");
    until(SOON, "the webhook", || {
        (!hook.bodies().is_empty()).then_some(())
    });
    let metrics = first.get("/metrics").1;
    assert!(metric(&metrics, "knothole_redacted_total") > 0, "{metrics}");
    assert!(
        metrics.contains(r#"knothole_redacted_total{kind="email"}"#),
        "{metrics}"
    );
    nothing_shows(&first, &hook);
    // These are judged after the kill, out of the journal.
    client.export(planted(2_000)).unwrap();
    first.process.signal(Signal::KILL);
    first.process.wait_at_most(SOON);
    let journal = files(&place.path("state").join("journal"));
    for secret in ALL {
        assert!(
            holds(&journal, secret),
            "the search finds nothing: {secret}"
        );
    }
    nothing_is_stored(&place);

    let second = place.serve_with(&settings, ENV);
    let anomalies = until(SOON, "what the journal held to be judged", || {
        let events = second.events();
        shows(&events, "<redacted:secret>").then_some(events)
    });
    assert!(!anomalies.is_empty());
    nothing_shows(&second, &hook);
    let mut client = Client::connect(second.grpc);
    client.export(planted(3_000)).unwrap();
    until(SOON, "the records to be read", || {
        (second.ledger().pending == 0).then_some(())
    });
    nothing_shows(&second, &hook);
    let (status, _) = second.stop();
    assert!(status.success());
    nothing_is_stored(&place);
    nothing_in("webhooks", &hook.bodies());
}

/// The steps of a request that goes well; one of them names a customer.
fn normal(number: u64) -> Vec<LogRecord> {
    let mut steps = steps_of(number, &WELL, NOW);
    steps[4].body = text(&format!("{} {NORMAL}", STEPS[4]));
    steps
}

/// A request of which everything holds a secret.
fn planted(
    number: u64,
) -> opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest {
    let mut odd = steps_of(number, &[0, 1, 2, 3, 4, 5], NOW);
    odd[1].body = text(&format!("payment of {BODY_MAIL} refused password={BODY}"));
    odd[2].body = text(&format!(
        "charge {BODY_CARD} at amqp://shop:{BODY_URL}@mq:5672/v failed"
    ));
    odd[3].body = map(&[("message", "wallet closed in anger"), ("apiKey", MAP)]);
    odd[4].body = map(&[("code", "7"), ("clientSecret", MAP_HIDDEN)]);
    let event = LogRecord {
        event_name: format!("login of {EVENT}"),
        ..odd[5].clone()
    };
    let named = LogRecord {
        attributes: vec![
            attribute("log.record.template", &format!("user {TEMPLATE} left")),
            attribute("user.id", SEQUENCE),
        ],
        trace_id: Vec::new(),
        ..record("somebody left without a word")
    };
    odd.extend([event, named]);
    let resource = [
        ("service.name", "shop"),
        ("process.command_line", "shop --password rescanary99"),
    ];
    assert!(resource[1].1.ends_with(RESOURCE));
    let mut all = request(&resource, odd);
    let other = request(&[("service.name", STREAM)], vec![record("alive")]);
    all.resource_logs.extend(other.resource_logs);
    all
}

fn nothing_shows(knothole: &Knothole, hook: &Hook) {
    for path in ["/metrics", "/v1/services", "/v1/anomalies", "/readyz"] {
        nothing_in(path, &[knothole.get(path).1.into_bytes()]);
    }
    let lines = |lines: Vec<String>| -> Vec<Vec<u8>> {
        lines.into_iter().map(String::into_bytes).collect()
    };
    nothing_in("standard output", &lines(knothole.process.stdout()));
    nothing_in("standard error", &lines(knothole.process.stderr()));
    nothing_in("webhooks", &hook.bodies());
}

/// Of all files but those of the journal.
fn nothing_is_stored(place: &Place) {
    let state = place.path("state");
    let journal = state.join("journal");
    let stored: Vec<(PathBuf, Vec<u8>)> = files(&state)
        .into_iter()
        .filter(|(path, _)| !path.starts_with(&journal))
        .collect();
    assert!(stored.len() > 2, "{}", stored.len());
    for (path, bytes) in stored {
        nothing_in(&path.display().to_string(), &[bytes]);
    }
}

fn nothing_in(place: &str, texts: &[Vec<u8>]) {
    for (text, secret) in texts
        .iter()
        .flat_map(|text| ALL.map(|secret| (text, secret)))
    {
        let shown = String::from_utf8_lossy(text);
        assert!(!contains(text, secret), "{secret} in {place}: {shown}");
    }
}

fn holds(files: &[(PathBuf, Vec<u8>)], secret: &str) -> bool {
    files.iter().any(|(_, bytes)| contains(bytes, secret))
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes
        .windows(secret.len())
        .any(|part| part == secret.as_bytes())
}

fn shows(events: &[Value], mark: &str) -> bool {
    events.iter().any(|event| event.to_string().contains(mark))
}

/// All files of a folder with what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => {
                let bytes = trimmed(std::fs::read(&path).unwrap());
                all.push((path, bytes));
            }
        }
    }
    all
}

/// Without the zeros that a file was allocated with.
fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0);
    bytes.truncate(end.map_or(0, |end| end + 1));
    bytes
}

fn text(value: &str) -> Option<AnyValue> {
    record(value).body
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: text(value),
        ..KeyValue::default()
    }
}

fn map(entries: &[(&str, &str)]) -> Option<AnyValue> {
    let values = entries.iter().map(|(key, value)| attribute(key, value));
    Some(AnyValue {
        value: Some(any_value::Value::KvlistValue(KeyValueList {
            values: values.collect(),
        })),
    })
}

/// A webhook that takes everything and keeps it.
struct Hook {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let kept = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                stream.set_read_timeout(Some(SOON)).unwrap();
                let mut read = Vec::new();
                let mut piece = [0; 64 << 10];
                while !is_whole(&read) {
                    match stream.read(&mut piece) {
                        Ok(len) if len > 0 => read.extend_from_slice(&piece[..len]),
                        _ => break,
                    }
                }
                kept.lock().unwrap().push(read);
                // Whoever hung up asks again.
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                );
            }
        });
        Self { address, bodies }
    }

    fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().unwrap().clone()
    }
}

/// Whether all of a request has come.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let len = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    len.and_then(|len| len.trim().parse::<usize>().ok())
        .is_none_or(|len| body.len() >= len)
}
