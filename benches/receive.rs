//! Requests over loopback into a server that throws the records away: ours, tonic with prost, and one that
//! does not even look at the bytes, below which nobody on hyper gets. What counts is the CPU time of the
//! server's process; the senders are another process.
//!
//! `cargo bench --bench receive`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a bench that cannot go on should stop"
)]

use std::convert::Infallible;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use knothole::edge::receive::{
    Accepted, Access, Intake, Metrics, Receiver, Refusal, Settings, Taken, serve_grpc, serve_http,
};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

#[path = "hdfs/log.rs"]
#[allow(dead_code, reason = "its lines are all that is needed")]
mod log;

const RECORDS: usize = 1_000;
const PER_RESOURCE: usize = 128;
const REQUESTS: usize = 400;
const ROUNDS: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Grpc,
    GrpcGzip,
    Http,
}

const WAYS: [(&str, Way); 3] = [
    ("grpc", Way::Grpc),
    ("grpc-gzip", Way::GrpcGzip),
    ("http", Way::Http),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours,
    Rival,
    Floor,
}

const SERVERS: [Kind; 3] = [Kind::Ours, Kind::Rival, Kind::Floor];

/// Takes everything and keeps nothing.
struct Nowhere;

impl Intake for Nowhere {
    async fn accept(&self, request: Accepted) -> Result<Taken, Refusal> {
        black_box(&request.decoded);
        Ok(Taken::New)
    }
}

#[tonic::async_trait]
impl LogsService for Nowhere {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        black_box(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--send") {
        return send(&words[at + 1], words[at + 2].parse().unwrap());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    println!("| way | knothole, records/s of CPU | tonic + prost | ratio | nothing but hyper |");
    println!("|---|---:|---:|---:|---:|");
    let mut plain = 0.0;
    for (name, way) in WAYS {
        let mut rates = SERVERS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (server, rates) in SERVERS.into_iter().zip(&mut rates) {
                // tonic has no server for plain HTTP.
                if (server, way) != (Kind::Rival, Way::Http) {
                    rates.push(runtime.block_on(run(name, server, way)));
                }
            }
        }
        let [ours, theirs, floor] = rates.map(median);
        // Over HTTP the measure is the rival's gRPC.
        let theirs = theirs.unwrap_or(plain);
        if way == Way::Grpc {
            plain = theirs;
        }
        let (ours, floor) = (ours.unwrap_or_default(), floor.unwrap_or_default());
        let ratio = ours / theirs;
        println!("| {name} | {ours:.0} | {theirs:.0} | {ratio:.2} | {floor:.0} |");
    }
}

/// Records per second of CPU time of one server.
async fn run(name: &str, kind: Kind, way: Way) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let server = match (kind, way) {
        (Kind::Ours, Way::Grpc | Way::GrpcGzip) => {
            tokio::spawn(async move { drop(serve_grpc(listener, receiver(), stopped).await) })
        }
        (Kind::Ours, Way::Http) => {
            tokio::spawn(async move { drop(serve_http(listener, receiver(), stopped).await) })
        }
        (Kind::Rival, _) => tokio::spawn(rival(listener, stopped)),
        (Kind::Floor, _) => tokio::spawn(floor(listener, stopped)),
    };
    let (name, before) = (name.to_owned(), cpu());
    let sent = tokio::task::spawn_blocking(move || {
        let mut sender = Command::new(std::env::current_exe().unwrap());
        sender
            .args(["--send", &name, &address.to_string()])
            .status()
    });
    assert!(sent.await.unwrap().unwrap().success());
    let spent = cpu() - before;
    stop.cancel();
    server.await.unwrap();
    (REQUESTS * RECORDS) as f64 / spent.as_secs_f64()
}

async fn rival(listener: TcpListener, stop: CancellationToken) {
    let service = LogsServiceServer::new(Nowhere)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(64 << 20);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serve = Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned());
    drop(serve.await);
}

/// Reads requests as ours does, and answers.
async fn floor(listener: TcpListener, stop: CancellationToken) {
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            () = stop.cancelled() => return,
        };
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().max_buf_size(64 << 10);
            builder
                .http2()
                .initial_stream_window_size(256 << 10)
                .initial_connection_window_size(512 << 10)
                .max_frame_size(256 << 10);
            let connection = builder.serve_connection(TokioIo::new(stream), service_fn(drain));
            drop(connection.await);
        });
    }
}

async fn drain(
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let is_grpc = request.version() == http::Version::HTTP_2;
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        black_box(frame);
    }
    let message = if is_grpc { &[0; 5][..] } else { &[] };
    let mut response = http::Response::new(Full::new(Bytes::from_static(message)));
    if is_grpc {
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("0"));
    }
    Ok(response)
}

fn receiver() -> Receiver<Nowhere> {
    let access = Access::new(&[]).unwrap();
    let settings = Settings::of_instance("bench");
    Receiver::new(
        Arc::new(Nowhere),
        settings,
        Metrics::default(),
        (access, None),
    )
}

/// CPU time of this process, its children not included.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap(),
        time.tv_nsec.try_into().unwrap(),
    )
}

/// `None` without rates.
fn median(mut rates: Vec<f64>) -> Option<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

/// The other process: sends [`REQUESTS`] requests, each after the answer to the one before.
fn send(way: &str, to: SocketAddr) {
    let (_, way) = *WAYS.iter().find(|(name, _)| *name == way).unwrap();
    let request = request();
    if way == Way::Http {
        return post(&request.encode_to_vec(), to);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = LogsServiceClient::connect(format!("http://{to}"))
            .await
            .unwrap();
        let mut client = match way {
            Way::GrpcGzip => client.send_compressed(CompressionEncoding::Gzip),
            _ => client,
        };
        for _ in 0..REQUESTS {
            client.export(request.clone()).await.unwrap();
        }
    });
}

fn post(body: &[u8], to: SocketAddr) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/x-protobuf\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = [0; 4096];
    for _ in 0..REQUESTS {
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let read = stream.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    }
}

/// 1,000 HDFS lines with 13 attributes of a pod for each 128 and 6 of their own, half of them in a trace.
fn request() -> ExportLogsServiceRequest {
    let mut lines = log::stream().unwrap().map(Result::unwrap);
    let mut logs = Vec::new();
    for first in (0..RECORDS).step_by(PER_RESOURCE) {
        let count = PER_RESOURCE.min(RECORDS - first);
        let records = (first..first + count).map(|number| record(number, &lines.next().unwrap()));
        let names = [
            "service.name",
            "service.namespace",
            "service.version",
            "deployment.environment.name",
            "k8s.cluster.name",
            "k8s.namespace.name",
            "k8s.deployment.name",
            "k8s.pod.name",
            "k8s.pod.uid",
            "k8s.container.name",
            "k8s.node.name",
            "container.id",
            "host.name",
        ];
        let attributes = names.map(|name| attribute(name, format!("value-{first}-of-{name}")));
        logs.push(ResourceLogs {
            resource: Some(Resource {
                attributes: attributes.to_vec(),
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: records.collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        });
    }
    ExportLogsServiceRequest {
        resource_logs: logs,
    }
}

fn record(number: usize, line: &str) -> LogRecord {
    let trace = number.is_multiple_of(2);
    let names = [
        "thread.name",
        "code.function",
        "log.file.name",
        "logger",
        "user.id",
        "region",
    ];
    let attributes = names.map(|name| attribute(name, format!("{name}-{}", number % 50)));
    let time = 1_795_000_000_000_000_000 + number as u64 * 1_000_003;
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + 1_000,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: text(line),
        attributes: attributes.to_vec(),
        trace_id: if trace { vec![7; 16] } else { Vec::new() },
        span_id: if trace { vec![5; 8] } else { Vec::new() },
        ..LogRecord::default()
    }
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: text(&value),
        ..KeyValue::default()
    }
}

fn text(value: &str) -> Option<AnyValue> {
    Some(AnyValue {
        value: Some(Value::StringValue(value.to_owned())),
    })
}
