//! Several senders that push far more than can be taken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::footprint::Footprint;
use crate::knothole::Place;
use crate::otlp::{record, request};
use crate::parts::alone;
use crate::raw::{Payload, Pipe, Road};

const MIB: u64 = 1 << 20;
const MEMORY_LIMIT: u64 = 512 * MIB;
/// How long; `KNOTHOLE_OVERLOAD_SECONDS=300` for the long run.
const SECONDS: u64 = 20;
const RECORDS: u64 = 10_000;
const SERVICES: u64 = 8;
/// Requests at once of those who ask for no more than can be done, and of those who do.
const FEW: u64 = 2;
const MANY: u64 = 64;
const STREAMS_PER_CONNECTION: u64 = 8;
/// Where each request has its number.
const MARK: &[u8] = b"number-000000000000";
const SETTINGS: &str = "receive: { request_bytes_max: 2MiB, queue_bytes_max: 4MiB }\n\
     memory_limit: 512MiB\nlearn: { records_min: 1000000000 }\nsinks: []";
/// How long what was taken may take to be judged.
const LATER: Duration = Duration::from_secs(300);

/// What came of some time of sending.
#[derive(Debug, Default)]
struct Outcome {
    acknowledged: AtomicU64,
    refused: AtomicU64,
}

/// Requests that differ in their first record's number alone.
struct Template {
    bytes: Vec<u8>,
    mark_at: usize,
}

impl Template {
    fn of_service(number: u64) -> Self {
        let line = |place: u64| match place {
            0 => record(std::str::from_utf8(MARK).unwrap()),
            _ => LogRecord {
                severity_number: 9,
                ..record(&format!(
                    "order {place} of customer {} was accepted in {} ms and goes to the warehouse",
                    place % 977,
                    place % 89
                ))
            },
        };
        let service = format!("service-{number}");
        let records = (0..RECORDS).map(line).collect();
        let bytes = request(&[("service.name", &service)], records).encode_to_vec();
        let mark_at = bytes.windows(MARK.len()).position(|part| part == MARK);
        Self {
            mark_at: mark_at.unwrap(),
            bytes,
        }
    }

    fn numbered(&self, number: u64) -> Payload {
        let mut bytes = self.bytes.clone();
        let mark = format!("number-{number:012}");
        bytes[self.mark_at..self.mark_at + MARK.len()].copy_from_slice(mark.as_bytes());
        Payload::new("application/x-protobuf", "identity", &bytes)
    }
}

/// `senders` send as fast as they get answers, and after a refusal at once again.
fn push(
    runtime: &Runtime,
    to: SocketAddr,
    (senders, lasts): (u64, Duration),
    numbers: &Arc<AtomicU64>,
) -> Arc<Outcome> {
    let outcome = Arc::new(Outcome::default());
    let until = Instant::now() + lasts;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for group in 0..senders.div_ceil(STREAMS_PER_CONNECTION) {
            let pipe = Pipe::connect(Road::Grpc, to).await;
            let of_group = (senders - group * STREAMS_PER_CONNECTION).min(STREAMS_PER_CONNECTION);
            for sender in 0..of_group {
                let template = Template::of_service((group + sender) % SERVICES);
                let (pipe, outcome, numbers) =
                    (pipe.clone(), Arc::clone(&outcome), Arc::clone(numbers));
                running.spawn(async move {
                    while Instant::now() < until {
                        let number = numbers.fetch_add(1, Ordering::Relaxed);
                        send(&pipe, &template.numbered(number), &outcome).await;
                    }
                });
            }
        }
        running.join_all().await;
    });
    outcome
}

async fn send(pipe: &Pipe, payload: &Payload, outcome: &Outcome) {
    let answer = pipe.send(payload).await.expect("an answer");
    let status = answer.grpc.expect("a status");
    if status.code() == Code::Ok {
        let message = &answer.body[5..];
        assert!(message.is_empty(), "all of it is taken or nothing");
        outcome.acknowledged.fetch_add(1, Ordering::Relaxed);
        return;
    }
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let delay = status
        .get_details_retry_info()
        .and_then(|retry| retry.retry_delay);
    assert!(
        delay.is_some_and(|delay| delay > Duration::ZERO),
        "{status:?}"
    );
    // Where senders look that do not read the details.
    assert!(
        status.metadata().contains_key("google.rpc.retryinfo-bin"),
        "{status:?}"
    );
    outcome.refused.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn overload_is_told_and_costs_no_acknowledged_record() {
    let _alone = alone();
    let seconds = std::env::var("KNOTHOLE_OVERLOAD_SECONDS");
    let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let place = Place::new();
    let knothole = place.serve(SETTINGS);
    let footprint = Footprint::of(knothole.process.id());
    let runtime = Runtime::new().unwrap();
    let numbers = Arc::new(AtomicU64::new(1));
    let run = |senders, lasts: Duration| {
        let (started, cpu) = (Instant::now(), footprint.cpu());
        let outcome = push(&runtime, knothole.grpc, (senders, lasts), &numbers);
        let acknowledged = outcome.acknowledged.load(Ordering::Acquire);
        let refused = outcome.refused.load(Ordering::Acquire);
        let cpu = footprint.cpu() - cpu;
        let rate = (acknowledged * RECORDS) as f64 / started.elapsed().as_secs_f64();
        eprintln!(
            "{senders} senders: {acknowledged} requests taken, {refused} refused, \
             {:.0} thousand records/s, {:.0} in a second of its processor time, peak {} MiB",
            rate / 1e3,
            (acknowledged * RECORDS) as f64 / cpu.as_secs_f64() / 1e3,
            footprint.peak() / MIB
        );
        (acknowledged, refused, rate)
    };
    let (first, _, alone) = run(FEW, Duration::from_secs(seconds.div_ceil(4)));
    let (second, refused, under) = run(MANY, Duration::from_secs(seconds));
    let (third, _, after) = run(FEW, Duration::from_secs(seconds.div_ceil(4)));
    eprintln!(
        "goodput under overload: {:.0} % of that of {FEW} senders; {:.0} % after it",
        100.0 * under / alone,
        100.0 * after / alone
    );
    assert!(refused > 0, "there was no overload");
    let sent = (first + second + third) * RECORDS;
    let ledger = knothole.ledger_when_settled(sent, LATER);
    eprintln!("{} MiB when all is judged", footprint.resident() / MIB);
    assert_eq!(ledger.received, sent, "{ledger:?}");
    assert_eq!(ledger.accounted_for(), ledger.received, "{ledger:?}");
    assert_eq!(ledger.suppressed + ledger.rejected, 0, "{ledger:?}");
    let peak = footprint.peak();
    assert!(peak <= MEMORY_LIMIT, "{} MiB", peak / MIB);
    let (status, _) = knothole.stop();
    assert!(status.success());
}
