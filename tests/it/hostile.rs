//! Peers that mean harm: what they send costs little memory, and good clients do not notice.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tonic::Code;

use crate::footprint::Footprint;
use crate::knothole::{Knothole, Place, metric};
use crate::otlp::{Client, record, request};
use crate::parts::alone;
use crate::process::{SOON, until};
use crate::raw::{Answer, Payload, Pipe, Road};
use crate::shapes;

const MIB: u64 = 1 << 20;
const INFLIGHT: u64 = 64 * MIB;
/// What memory may grow by beside the requests that are held, where nothing is taken.
const SLACK: u64 = 32 * MIB;
const MEMORY_LIMIT: u64 = 512 * MIB;
const CONNECTIONS: usize = 16;
/// Requests of one shape at once; `KNOTHOLE_HOSTILE_STREAMS=200` for the long run.
const STREAMS: usize = 32;
/// Connections that never speak; `KNOTHOLE_IDLE_CONNECTIONS=15000` for the long run.
const IDLE: usize = 2_000;
/// Frames of a flood.
const FLOOD_FRAMES: usize = 200_000;
/// Nothing is trained, so that what grows is the receiver alone.
const BOUNDED: &str = "receive: { inflight_bytes_max: 64MiB }\n\
     memory_limit: 512MiB\nlearn: { records_min: 1000000000 }\nsinks: []";
const PROTOBUF: &str = "application/x-protobuf";

/// A daemon under attack.
struct Siege {
    runtime: Runtime,
    pipes: Vec<Pipe>,
    footprint: Footprint,
    idle: u64,
    /// Bytes of memory that it may hold.
    most: u64,
    streams: usize,
    /// What should not have been.
    faults: Vec<String>,
    /// What took more memory than that.
    heavy: Vec<String>,
}

impl Siege {
    fn of(knothole: &Knothole) -> Self {
        let runtime = Runtime::new().unwrap();
        let pipes = (0..CONNECTIONS).map(|number| match number % 2 {
            0 => runtime.block_on(Pipe::connect(Road::Grpc, knothole.grpc)),
            _ => runtime.block_on(Pipe::connect(Road::Http, knothole.http)),
        });
        let footprint = Footprint::of(knothole.process.id());
        Self {
            pipes: pipes.collect(),
            idle: footprint.resident(),
            most: MEMORY_LIMIT,
            footprint,
            runtime,
            streams: from_environment("KNOTHOLE_HOSTILE_STREAMS", STREAMS),
            faults: Vec::new(),
            heavy: Vec::new(),
        }
    }

    /// Sends `payload` on all streams at once; by how much memory grew at most, over idle.
    fn storm(&mut self, name: &str, payload: &Payload) -> u64 {
        self.footprint.forget_peak();
        let before = self.footprint.resident();
        let cpu = self.footprint.cpu();
        let answers = self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for stream in 0..self.streams {
                let (pipe, payload) = (self.pipes[stream % CONNECTIONS].clone(), payload.clone());
                running.spawn(async move { judged(pipe.send(&payload).await, &payload) });
            }
            running.join_all().await
        });
        let cpu = (self.footprint.cpu() - cpu) / self.streams as u32;
        let peak = self.footprint.peak();
        let grown = peak.saturating_sub(self.idle);
        let mut seen: Vec<&str> = answers.iter().flatten().copied().collect();
        seen.sort_unstable();
        seen.dedup();
        eprintln!(
            "{:>4} MiB over idle, {:>4} of them now, {cpu:>9.2?} CPU each, {:>7} bytes {:>8}, {seen:?}: {name}",
            grown / MIB,
            peak.saturating_sub(before) / MIB,
            payload.len(),
            payload.packing,
        );
        let faults = answers.into_iter().filter_map(Result::err);
        let mut faults: Vec<String> = faults
            .map(|fault| format!("{name}, {}: {fault}", payload.packing))
            .collect();
        faults.sort_unstable();
        faults.dedup();
        self.faults.extend(faults);
        if peak > self.most {
            let fault = format!("{name}, {}: {} MiB", payload.packing, peak / MIB);
            self.heavy.push(fault);
        }
        grown
    }
}

/// What kind of answer it is, if it is one that OTLP knows.
fn judged(answer: Result<Answer, String>, payload: &Payload) -> Result<&'static str, String> {
    let answer = answer.map_err(|error| format!("no answer: {error}"))?;
    if let Some(status) = &answer.grpc {
        return match status.code() {
            Code::Ok => Ok("taken"),
            Code::InvalidArgument => Ok("garbage"),
            Code::ResourceExhausted => Ok("too large"),
            Code::Unavailable => Ok("no room"),
            _ => Err(format!("{status:?}")),
        };
    }
    let kind = match answer.http {
        200 => return Ok("taken"),
        400 => "garbage",
        413 => "too large",
        503 => "no room",
        other => return Err(format!("HTTP {other}")),
    };
    if answer.headers["content-type"] != payload.content_type {
        return Err(format!("another content type: {:?}", answer.headers));
    }
    let message = match payload.content_type {
        PROTOBUF => tonic_types::Status::decode(answer.body)
            .map(|status| status.message)
            .ok(),
        _ => serde_json::from_slice::<serde_json::Value>(&answer.body)
            .ok()
            .and_then(|status| status["message"].as_str().map(str::to_owned)),
    };
    match message.is_some_and(|message| !message.is_empty()) {
        true => Ok(kind),
        false => Err(format!("HTTP {} without a status", answer.http)),
    }
}

fn from_environment(variable: &str, usual: usize) -> usize {
    let value = std::env::var(variable);
    value.map_or(usual, |value| value.parse().unwrap())
}

/// A request that no other is equal to.
fn order(number: u64) -> opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest {
    request(
        &[("service.name", "shop")],
        vec![record(&format!("order {number} accepted"))],
    )
}

#[test]
fn the_bomb_of_365_bytes_costs_next_to_nothing() {
    let _alone = alone();
    let place = Place::new();
    let knothole = place.serve(BOUNDED);
    let mut client = Client::connect(knothole.grpc);
    client.export(order(0)).unwrap();
    let plain = shapes::empty_records();
    let (zstd, gzip) = (shapes::zstd(&plain), shapes::gzip(&plain));
    assert!(
        zstd.len() < 400 && gzip.len() < 4_200,
        "{} {}",
        zstd.len(),
        gzip.len()
    );
    let mut siege = Siege::of(&knothole);
    siege.streams = 200;
    siege.most = siege.idle + INFLIGHT + SLACK;
    for round in 1..=3 {
        for (packing, bytes) in [("zstd", &zstd), ("gzip", &gzip)] {
            let payload = Payload::new(PROTOBUF, packing, bytes);
            siege.storm(&format!("200 bombs at once, time {round}"), &payload);
        }
        client.export(order(round)).unwrap();
    }
    assert_eq!(siege.faults, [""; 0]);
    assert_eq!(siege.heavy, [""; 0]);
}

#[test]
fn no_hostile_shape_takes_an_answer_from_its_sender_or_from_others() {
    let _alone = alone();
    let place = Place::new();
    let knothole = place.serve(BOUNDED);
    let mut client = Client::connect(knothole.grpc);
    client.export(order(0)).unwrap();
    let mut siege = Siege::of(&knothole);
    let mut most = 0;
    let mut count = 0;
    for shape in shapes::all() {
        assert!(
            shape.bytes.len() <= 4_000_100,
            "{}: {}",
            shape.name,
            shape.bytes.len()
        );
        count += 1;
        for (packing, bytes) in [
            ("identity", shape.bytes.clone()),
            ("gzip", shapes::gzip(&shape.bytes)),
            ("zstd", shapes::zstd(&shape.bytes)),
        ] {
            let payload = Payload::new(shape.content_type, packing, &bytes);
            most = most.max(siege.storm(shape.name, &payload));
        }
        sent_in_the_end(&mut client, count);
    }
    for (name, packing, bytes) in shapes::packed() {
        let payload = Payload::new(PROTOBUF, packing, &bytes);
        most = most.max(siege.storm(name, &payload));
        count += 1;
        sent_in_the_end(&mut client, count);
    }
    eprintln!(
        "{count} shapes: at most {} MiB over idle ({} MiB)",
        most / MIB,
        siege.idle / MIB
    );
    assert!(count >= 40);
    assert_eq!(siege.heavy, [""; 0]);
    assert_eq!(siege.faults, [""; 0]);
}

/// A good client may have to wait for what was taken just before, but is not turned away for good.
fn sent_in_the_end(client: &mut Client, number: u64) {
    until(SOON, "a good client to get through", || {
        match client.export(order(number)) {
            Ok(()) => Some(()),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                None
            }
        }
    });
}

#[test]
fn connections_that_never_speak_keep_no_good_client_out() {
    let _alone = alone();
    let place = Place::new();
    let knothole = place
        .serve("receive: { connections_max: 512, connections_per_address_max: 512 }\nsinks: []");
    let count = from_environment("KNOTHOLE_IDLE_CONNECTIONS", IDLE);
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let count = count.min(files.map_or(count, |files| files.saturating_sub(200) as usize));
    let exported = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let sender = std::thread::spawn({
        let mut client = Client::connect(knothole.grpc);
        client.export(order(0)).unwrap();
        let (exported, is_over) = (Arc::clone(&exported), Arc::clone(&is_over));
        move || {
            for number in 1.. {
                client.export(order(number)).unwrap();
                exported.store(number, Ordering::Release);
                if is_over.load(Ordering::Acquire) {
                    break;
                }
            }
        }
    });
    let rate = |least: u64| {
        let (before, started) = (exported.load(Ordering::Acquire), Instant::now());
        let sent = until(SOON, "exports", || {
            let sent = exported.load(Ordering::Acquire) - before;
            (sent >= least && started.elapsed() > Duration::from_secs(1)).then_some(sent)
        });
        sent as f64 / started.elapsed().as_secs_f64()
    };
    let alone = rate(20);
    let runtime = Runtime::new().unwrap();
    let started = Instant::now();
    let silent = runtime.block_on(silent(count, [knothole.grpc, knothole.http]));
    let took = started.elapsed();
    assert!(silent.len() == count, "{} of {count}", silent.len());
    let during = rate(20);
    // Somebody new gets in, too, and stays.
    let mut newcomer = Client::connect(knothole.grpc);
    for number in 0..20 {
        newcomer.export(order(1_000_000_000 + number)).unwrap();
    }
    is_over.store(true, Ordering::Release);
    sender
        .join()
        .expect("the client that was there first is served throughout");
    eprintln!(
        "{count} silent connections in {took:.1?}: {alone:.0} exports a second without, {during:.0} with them ({:.0} %)",
        100.0 * during / alone
    );
    until(SOON, "the silent ones to be seen off", || {
        let metrics = knothole.get("/metrics").1;
        let gone = of_reason(&metrics, "evicted") + of_reason(&metrics, "slow_connection");
        (gone >= (count as u64).saturating_sub(2 * 512)).then_some(())
    });
    drop(silent);
}

/// Connections from several addresses that say nothing.
async fn silent(count: usize, to: [SocketAddr; 2]) -> Vec<tokio::net::TcpStream> {
    let mut open = Vec::new();
    for number in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::from(([127, 0, 0, 1 + (number % 5) as u8], 0)))
            .unwrap();
        open.push(socket.connect(to[number % 2]).await.unwrap());
    }
    open
}

/// Refusals for `reason` on both ports.
fn of_reason(exposition: &str, reason: &str) -> u64 {
    let wanted = format!("reason=\"{reason}\"");
    let lines = exposition.lines().filter(|line| line.contains(&wanted));
    metric(
        &lines.collect::<Vec<_>>().join("\n"),
        "knothole_otlp_refused_total",
    )
}

#[test]
fn floods_of_frames_that_carry_nothing_end_their_connection() {
    let _alone = alone();
    let place = Place::new();
    let knothole = place.serve("sinks: []");
    let mut client = Client::connect(knothole.grpc);
    client.export(order(0)).unwrap();
    let floods: [(&str, Vec<u8>); 6] = [
        ("PING", frame(6, 0, 0, &[7; 8])),
        ("SETTINGS", frame(4, 0, 0, b"")),
        ("SETTINGS with a value", frame(4, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("WINDOW_UPDATE", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 3, 1])),
        ("unknown", frame(0x77, 0, 0, b"")),
    ];
    let mut number = 0;
    for (name, frame) in &floods {
        for to in [knothole.grpc, knothole.http] {
            let before = of_reason(&knothole.get("/metrics").1, "flood");
            assert!(is_closed(to, frame), "{name} was never closed");
            until(SOON, &format!("{name} to be counted"), || {
                (of_reason(&knothole.get("/metrics").1, "flood") > before).then_some(())
            });
            number += 1;
            client.export(order(number)).unwrap();
        }
    }
}

/// Whether a connection that sends `frame` again and again is closed by the other side.
fn is_closed(to: SocketAddr, frame: &[u8]) -> bool {
    const AT_ONCE: usize = 100;
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    let mut answers = stream.try_clone().unwrap();
    answers.set_read_timeout(Some(SOON)).unwrap();
    // Who does not read what comes back would stop himself.
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match answers.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    });
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    stream.write_all(preface).unwrap();
    stream.write_all(&self::frame(4, 0, 0, b"")).unwrap();
    let several = frame.repeat(AT_ONCE);
    for _ in 0..FLOOD_FRAMES / AT_ONCE {
        // More fits into the buffers of the system than is read.
        if stream.write_all(&several).is_err() {
            break;
        }
    }
    reader.join().unwrap()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, len @ ..] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
