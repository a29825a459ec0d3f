//! Real clients against real listeners on loopback.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prometheus_client::registry::Registry;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::*;

/// Keeps what it takes, or refuses it all.
#[derive(Default)]
struct Kept {
    requests: Mutex<Vec<Decoded>>,
    refusal: Option<Refusal>,
    /// Where set, each request waits in the intake for a permission to go on.
    gate: Option<Gate>,
}

#[derive(Default)]
struct Gate {
    entered: Notify,
    go_on: Notify,
}

impl Intake for Kept {
    async fn accept(&self, request: Accepted) -> Result<Taken, Refusal> {
        if let Some(gate) = &self.gate {
            gate.entered.notify_one();
            gate.go_on.notified().await;
        }
        match self.refusal {
            Some(refusal) => Err(refusal),
            None => {
                self.requests.lock().unwrap().push(request.decoded);
                Ok(Taken::New)
            }
        }
    }
}

struct Running {
    grpc: String,
    http: String,
    kept: Arc<Kept>,
    metrics: Metrics,
    shutdown: CancellationToken,
    servers: [JoinHandle<Result<(), ServeError>>; 2],
}

impl Running {
    async fn start(kept: Kept, settings: Settings) -> Self {
        let kept = Arc::new(kept);
        let metrics = Metrics::default();
        let shutdown = CancellationToken::new();
        let open = (Access::new(&[]).unwrap(), None);
        let receiver = Receiver::new(Arc::clone(&kept), settings, metrics.clone(), open);
        let [grpc, http] = [listener().await, listener().await];
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        Self {
            grpc: url(&grpc),
            http: url(&http),
            servers: [
                tokio::spawn(serve_grpc(grpc, receiver.clone(), shutdown.clone())),
                tokio::spawn(serve_http(http, receiver, shutdown.clone())),
            ],
            kept,
            metrics,
            shutdown,
        }
    }

    async fn usual() -> Self {
        Self::start(Kept::default(), usual()).await
    }

    async fn refusing(refusal: Refusal) -> Self {
        Self::start(
            Kept {
                refusal: Some(refusal),
                ..Kept::default()
            },
            usual(),
        )
        .await
    }

    async fn client(&self) -> LogsServiceClient<Channel> {
        LogsServiceClient::connect(self.grpc.clone())
            .await
            .unwrap()
            .max_encoding_message_size(usize::MAX)
    }

    /// Sends `body` to `/v1/logs` with these headers.
    async fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> reqwest::Response {
        let url = format!("{}/v1/logs", self.http);
        let request = web().build().unwrap().post(url).body(body);
        let request = headers
            .iter()
            .fold(request, |it, (name, value)| it.header(*name, *value));
        request.send().await.unwrap()
    }

    fn exposition(&self) -> String {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[track_caller]
    fn assert_counted(&self, line: &str) {
        let text = self.exposition();
        assert!(
            text.lines().any(|it| it == line),
            "no line {line} in\n{text}"
        );
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A client like any other; reqwest wants a TLS provider even where no TLS is spoken.
fn web() -> reqwest::ClientBuilder {
    // A second call only finds the first one's provider in place.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

fn usual() -> Settings {
    Settings::of_instance("instance-1")
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

fn string(text: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(text.to_owned())),
    }
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn request_of(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let attributes = vec![attribute("service.name", string("cart"))];
    let resource = Some(Resource {
        attributes,
        ..Resource::default()
    });
    let scope_logs = vec![ScopeLogs {
        log_records,
        ..ScopeLogs::default()
    }];
    let resource_logs = vec![ResourceLogs {
        resource,
        scope_logs,
        ..ResourceLogs::default()
    }];
    ExportLogsServiceRequest { resource_logs }
}

fn line(body: &str) -> LogRecord {
    LogRecord {
        body: Some(string(body)),
        ..LogRecord::default()
    }
}

/// Records of several shapes: all that a sender may set, a map as body, bytes, nearly nothing.
fn sample() -> ExportLogsServiceRequest {
    let number = AnyValue {
        value: Some(Value::IntValue(i64::MAX)),
    };
    let bytes = AnyValue {
        value: Some(Value::BytesValue(vec![0, 255])),
    };
    let map = vec![attribute("n", number), attribute("b", bytes)];
    let full = LogRecord {
        time_unix_nano: u64::MAX,
        observed_time_unix_nano: 1,
        severity_number: 17,
        severity_text: "ERROR".to_owned(),
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        event_name: "order.failed".to_owned(),
        ..line("order 7 failed\n\tat \u{1F980}")
    };
    let body = Some(AnyValue {
        value: Some(Value::KvlistValue(KeyValueList { values: map })),
    });
    request_of(vec![
        full,
        LogRecord {
            body,
            ..LogRecord::default()
        },
        line(""),
    ])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn all_ways_to_send_the_same_records_give_the_same_batches() {
    let running = Running::usual().await;
    let sent = sample();
    for encoding in [
        None,
        Some(CompressionEncoding::Gzip),
        Some(CompressionEncoding::Zstd),
    ] {
        let mut client = running.client().await;
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        let answer = client.export(sent.clone()).await.unwrap().into_inner();
        assert_eq!(answer.partial_success, None);
    }
    for (kind, bytes) in [
        (PROTOBUF, sent.encode_to_vec()),
        (JSON, serde_json::to_vec(&sent).unwrap()),
    ] {
        let zstd = zstd::encode_all(bytes.as_slice(), 3).unwrap();
        let packed = [
            ("identity", bytes.clone()),
            ("gzip", gzip(&bytes)),
            ("zstd", zstd),
        ];
        for (packing, body) in packed {
            let answer = running
                .post(&[kind, ("content-encoding", packing)], body)
                .await;
            assert_eq!(answer.status(), 200, "{kind:?} {packing}");
            assert_eq!(answer.headers()["content-type"], kind.1);
            let empty = if kind == JSON { "{}" } else { "" };
            assert_eq!(answer.text().await.unwrap(), empty);
        }
    }
    let requests = running.kept.requests.lock().unwrap();
    assert_eq!(requests.len(), 9);
    let first = format!("{:?}", requests[0]);
    assert!(
        first.contains("order.failed") && first.contains("9223372036854775807"),
        "{first}"
    );
    for other in requests.iter() {
        assert_eq!(format!("{other:?}"), first);
    }
    drop(requests);
    running.assert_counted("knothole_log_records_received_total 27");
    running.assert_counted(r#"knothole_otlp_requests_total{transport="grpc",code="0"} 3"#);
    running.assert_counted(r#"knothole_otlp_requests_total{transport="http",code="200"} 6"#);
}

#[tokio::test]
async fn json_in_the_words_of_the_specification_is_taken() {
    let running = Running::usual().await;
    let body = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name",
        "value":{"stringValue":"cart"}}]},"scopeLogs":[{"scope":{"name":"x","unknown":{"a":[1]}},
        "logRecords":[{"timeUnixNano":"1544712660300000000","severityNumber":10,
        "body":{"stringValue":"hello"},"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":""}]
        }]}]}"#;
    let content_type = ("content-type", "application/json; charset=utf-8");
    let answer = running.post(&[content_type], body.into()).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    let requests = running.kept.requests.lock().unwrap();
    let record = requests[0].batches[0].records().next().unwrap();
    assert_eq!(record.body, "hello");
    assert_eq!(
        record.trace_id.unwrap().to_string(),
        "5b8efff798038103d269b633813fc60c"
    );
    assert_eq!(record.time.unwrap().as_nanos(), 1_544_712_660_300_000_000);
}

#[tokio::test]
async fn records_that_cannot_be_judged_are_told_to_the_sender_and_counted() {
    let running = Running::usual().await;
    let sent = request_of(vec![line("x"), LogRecord::default()]);
    let answer = running
        .client()
        .await
        .export(sent.clone())
        .await
        .unwrap()
        .into_inner();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_log_records, 1);
    assert!(
        partial.error_message.contains("set a body"),
        "{}",
        partial.error_message
    );
    let answer = running
        .post(&[JSON], serde_json::to_vec(&sent).unwrap())
        .await;
    assert_eq!(answer.status(), 200);
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer["partialSuccess"]["rejectedLogRecords"], "1");
    running.assert_counted("knothole_log_records_received_total 4");
    running.assert_counted(r#"knothole_log_records_rejected_total{reason="empty"} 2"#);
}

#[tokio::test]
async fn an_overloaded_intake_makes_senders_come_again_and_nothing_is_counted() {
    let retry_after = Duration::from_millis(1500);
    let running = Running::refusing(Refusal::Overloaded { retry_after }).await;
    let status = running.client().await.export(sample()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let retry = status.get_details_retry_info().unwrap();
    assert_eq!(retry.retry_delay, Some(retry_after));
    // Where Python's exporter looks.
    let bare = status
        .metadata()
        .get_bin("google.rpc.retryinfo-bin")
        .unwrap();
    let bare = tonic_types::pb::RetryInfo::decode(bare.to_bytes().unwrap()).unwrap();
    assert_eq!(bare.retry_delay.unwrap().nanos, 500_000_000);
    let answer = running.post(&[PROTOBUF], sample().encode_to_vec()).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
    let status = tonic_types::Status::decode(answer.bytes().await.unwrap()).unwrap();
    assert_eq!(status.code, i32::from(Code::Unavailable));
    running.assert_counted("knothole_log_records_received_total 0");
    running.assert_counted(r#"knothole_otlp_requests_total{transport="grpc",code="14"} 1"#);
}

#[tokio::test]
async fn a_stopping_intake_sends_senders_elsewhere() {
    let running = Running::refusing(Refusal::Stopping).await;
    let status = running.client().await.export(sample()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some());
    assert_eq!(
        running
            .post(&[JSON], serde_json::to_vec(&sample()).unwrap())
            .await
            .status(),
        503
    );
}

#[tokio::test]
async fn a_request_above_the_limit_is_refused_for_good_packed_or_not() {
    let settings = Settings {
        request_bytes_max: 1000,
        ..usual()
    };
    let running = Running::start(Kept::default(), settings).await;
    let large = request_of(vec![line(&"x".repeat(2000))]);
    for encoding in [
        None,
        Some(CompressionEncoding::Gzip),
        Some(CompressionEncoding::Zstd),
    ] {
        let client = running.client().await;
        let mut client = match encoding {
            Some(encoding) => client.send_compressed(encoding),
            None => client,
        };
        let status = client.export(large.clone()).await.unwrap_err();
        assert_eq!(
            status.code(),
            Code::ResourceExhausted,
            "{encoding:?} {status:?}"
        );
        assert!(status.get_details_retry_info().is_none());
    }
    let bytes = large.encode_to_vec();
    let zstd = zstd::encode_all(bytes.as_slice(), 3).unwrap();
    for (packing, body) in [
        ("identity", bytes.clone()),
        ("gzip", gzip(&bytes)),
        ("zstd", zstd),
    ] {
        let answer = running
            .post(&[PROTOBUF, ("content-encoding", packing)], body)
            .await;
        assert_eq!(answer.status(), 413, "{packing}");
        let status = tonic_types::Status::decode(answer.bytes().await.unwrap()).unwrap();
        assert!(status.message.contains("1000 bytes"), "{}", status.message);
    }
    assert!(running.kept.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn requests_up_to_64_mib_are_taken() {
    let running = Running::usual().await;
    let large = request_of(vec![line(&"x".repeat(60 << 10)); 700]);
    assert!(large.encoded_len() > 40 << 20);
    running.client().await.export(large.clone()).await.unwrap();
    assert_eq!(
        running
            .post(&[PROTOBUF], large.encode_to_vec())
            .await
            .status(),
        200
    );
    running.assert_counted("knothole_log_records_received_total 1400");
}

/// Headers and a body.
type Fault<'a> = (&'a [(&'a str, &'a str)], &'a [u8]);

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_for_good() {
    let running = Running::usual().await;
    let mut cut = sample().encode_to_vec();
    cut.pop();
    let faults: [Fault<'_>; 5] = [
        (&[PROTOBUF], &cut),
        (&[JSON], b"{\"resourceLogs\":[{"),
        (&[JSON], b"\xff\xfe"),
        (&[PROTOBUF, ("content-encoding", "gzip")], b"not gzip"),
        (&[JSON, ("content-encoding", "zstd")], b"not zstd"),
    ];
    for (headers, body) in faults {
        let answer = running.post(headers, body.to_vec()).await;
        assert_eq!(answer.status(), 400, "{headers:?}");
        assert_eq!(answer.headers()["content-type"], headers[0].1);
        let body = answer.bytes().await.unwrap();
        let code = if headers[0] == JSON {
            let status: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(
                status["message"].as_str().unwrap().starts_with("the body"),
                "{status}"
            );
            status["code"].as_i64().unwrap()
        } else {
            i64::from(tonic_types::Status::decode(body).unwrap().code)
        };
        assert_eq!(code, i64::from(i32::from(Code::InvalidArgument)));
    }
}

#[tokio::test]
async fn deeply_nested_json_is_refused_and_not_followed_to_the_bottom() {
    let running = Running::usual().await;
    let deep = format!("{{\"resourceLogs\":{}", "[".repeat(100_000));
    assert_eq!(running.post(&[JSON], deep.into()).await.status(), 400);
}

#[tokio::test]
async fn grpc_bytes_that_cannot_be_decoded_are_an_invalid_argument() {
    let running = Running::usual().await;
    // One gRPC frame: not compressed, two bytes, a field that is longer than the frame.
    let frame = vec![0, 0, 0, 0, 2, 0x0a, 0x7f];
    let answer = web()
        .http2_prior_knowledge()
        .build()
        .unwrap()
        .post(format!(
            "{}/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            running.grpc
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(frame)
        .send()
        .await
        .unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    running.assert_counted(r#"knothole_otlp_requests_total{transport="grpc",code="3"} 1"#);
}

#[tokio::test]
async fn what_is_not_served_says_so_in_a_status() {
    let running = Running::usual().await;
    let client = web().build().unwrap();
    let text = async |answer: reqwest::Response| {
        let status = answer.status().as_u16();
        let body: serde_json::Value =
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        (status, body["message"].as_str().unwrap().to_owned())
    };
    let nowhere = client
        .get(format!("{}/nowhere", running.http))
        .send()
        .await
        .unwrap();
    assert_eq!(text(nowhere).await.0, 404);
    let get = client
        .get(format!("{}/v1/logs", running.http))
        .send()
        .await
        .unwrap();
    assert_eq!(get.headers()["allow"], "POST");
    assert_eq!(text(get).await.0, 405);
    let csv = running
        .post(&[("content-type", "text/csv")], Vec::new())
        .await;
    let (status, message) = text(csv).await;
    assert_eq!(
        (status, message.contains("application/x-protobuf")),
        (415, true),
        "{message}"
    );
    let lz4 = running
        .post(&[JSON, ("content-encoding", "lz4")], Vec::new())
        .await;
    assert_eq!(text(lz4).await.0, 415);
    let mut profiles = tonic::client::Grpc::new(
        Channel::from_shared(running.grpc.clone())
            .unwrap()
            .connect()
            .await
            .unwrap(),
    );
    profiles.ready().await.unwrap();
    let codec =
        tonic_prost::ProstCodec::<ExportLogsServiceRequest, ExportLogsServiceResponse>::default();
    let path = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
    let path = ::http::uri::PathAndQuery::from_static(path);
    let sent = tonic::Request::new(ExportLogsServiceRequest::default());
    let status = profiles.unary(sent, path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_request_without_records_is_a_success_even_when_there_is_no_room() {
    let running = Running::refusing(Refusal::Stopping).await;
    running
        .client()
        .await
        .export(ExportLogsServiceRequest::default())
        .await
        .unwrap();
    assert_eq!(running.post(&[JSON], b"{}".to_vec()).await.status(), 200);
}

#[tokio::test]
async fn a_running_request_is_finished_at_shutdown_and_no_new_one_begun() {
    for over_http in [false, true] {
        let gate = Some(Gate::default());
        let running = Running::start(
            Kept {
                gate,
                ..Kept::default()
            },
            usual(),
        )
        .await;
        let (grpc, http) = (running.client().await, running.http.clone());
        let request = tokio::spawn(async move {
            if over_http {
                let post = web().build().unwrap().post(format!("{http}/v1/logs"));
                let post = post
                    .header(PROTOBUF.0, PROTOBUF.1)
                    .body(sample().encode_to_vec());
                assert_eq!(post.send().await.unwrap().status(), 200);
            } else {
                { grpc }.export(sample()).await.unwrap();
            }
        });
        let gate = running.kept.gate.as_ref().unwrap();
        gate.entered.notified().await;
        running.shutdown.cancel();
        gate.go_on.notify_one();
        request.await.unwrap();
        for server in running.servers {
            server.await.unwrap().unwrap();
        }
        assert_eq!(running.kept.requests.lock().unwrap().len(), 1);
        let (grpc, http) = (running.grpc.clone(), running.http.clone());
        assert!(LogsServiceClient::connect(grpc).await.is_err());
        assert!(web().build().unwrap().post(http).send().await.is_err());
    }
}

#[tokio::test]
async fn a_request_is_taken_as_a_whole_even_when_its_sender_hangs_up() {
    for over_http in [false, true] {
        let gate = Some(Gate::default());
        let running = Running::start(
            Kept {
                gate,
                ..Kept::default()
            },
            usual(),
        )
        .await;
        let (grpc, http) = (running.client().await, running.http.clone());
        let sender = tokio::spawn(async move {
            if over_http {
                let post = web().build().unwrap().post(format!("{http}/v1/logs"));
                let post = post
                    .header(PROTOBUF.0, PROTOBUF.1)
                    .body(sample().encode_to_vec());
                post.send().await.map(drop).unwrap();
            } else {
                { grpc }.export(sample()).await.map(drop).unwrap();
            }
        });
        let gate = running.kept.gate.as_ref().unwrap();
        gate.entered.notified().await;
        sender.abort();
        assert!(sender.await.unwrap_err().is_cancelled());
        running.shutdown.cancel();
        // The servers are only held by the request that nobody waits for any more.
        let servers = async {
            for server in running.servers {
                server.await.unwrap().unwrap();
            }
        };
        tokio::pin!(servers);
        let early = tokio::time::timeout(Duration::from_millis(50), &mut servers).await;
        assert!(early.is_err(), "the servers stopped without the request");
        gate.go_on.notify_one();
        servers.await;
        assert_eq!(running.kept.requests.lock().unwrap().len(), 1);
        assert_eq!(running.metrics.received(), 3);
    }
}

#[tokio::test]
async fn what_finds_no_room_is_told_to_come_again_and_is_taken_then() {
    let settings = Settings {
        inflight_bytes_max: 1 << 10,
        ..usual()
    };
    let kept = Kept {
        gate: Some(Gate::default()),
        ..Kept::default()
    };
    let running = Running::start(kept, settings).await;
    let mut first = running.client().await;
    let first = tokio::spawn(async move { first.export(sample()).await.unwrap() });
    let gate = running.kept.gate.as_ref().unwrap();
    gate.entered.notified().await;
    let status = running.client().await.export(sample()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some());
    running.assert_counted(r#"knothole_otlp_refused_total{transport="grpc",reason="memory"} 1"#);
    gate.go_on.notify_one();
    first.await.unwrap();
    gate.go_on.notify_one();
    running.client().await.export(sample()).await.unwrap();
    assert_eq!(running.metrics.received(), 6);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_gives_its_place_to_others() {
    let request_timeout = Duration::from_millis(50);
    let settings = Settings {
        inflight_bytes_max: 1 << 10,
        request_timeout,
        ..usual()
    };
    let running = Running::start(Kept::default(), settings).await;
    let address = running.http.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = b"POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        content-length: 2\r\n\r\n{";
    slow.write_all(head).await.unwrap();
    let mut answer = [0; 12];
    let read = slow.read_exact(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read)
        .await
        .expect("an answer in time")
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    running.client().await.export(sample()).await.unwrap();
}

#[tokio::test]
async fn our_own_records_are_taken_counted_and_never_judged() {
    let running = Running::usual().await;
    let mut own = sample();
    let id = attribute("service.instance.id", string("instance-1"));
    own.resource_logs[0]
        .resource
        .as_mut()
        .unwrap()
        .attributes
        .push(id);
    running.client().await.export(own).await.unwrap();
    assert!(running.kept.requests.lock().unwrap().is_empty());
    running.assert_counted("knothole_log_records_received_total 3");
    running.assert_counted(r#"knothole_log_records_suppressed_total{reason="own"} 3"#);
}
