//! `knothole otlp-check` against our own receiver and against those of others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use http_body_util::BodyExt as _;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use serde_json::Value;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::knothole::{Place, knothole};
use crate::parts::{Sink, part};

/// What a row came to, and why.
type Row = (Option<bool>, String);

/// Every row of the checklist.
fn ids() -> Vec<String> {
    let groups = [("T", 12), ("G", 8), ("H", 13), ("J", 9), ("D", 15)];
    let ids = groups
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")));
    ids.collect()
}

/// Rows of which only a part can be seen from outside, or that are optional and off.
const UNSEEN: [&str; 6] = ["D1", "D10", "D2", "H13", "T11", "T12"];

fn otlp_check(args: &[&str]) -> Output {
    // Two busy cores are slow, and nothing here waits for long when all is well.
    let mut command = knothole(&["otlp-check", "--json", "--timeout", "30s"]);
    command.args(args).output().unwrap()
}

fn rows(output: &Output) -> BTreeMap<String, Row> {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).expect(&told);
    let rows = report["rows"].as_array().unwrap();
    let row = |row: &Value| {
        let why = row["why"].as_str().unwrap().to_owned();
        (
            row["id"].as_str().unwrap().to_owned(),
            (row["pass"].as_bool(), why),
        )
    };
    rows.iter().map(row).collect()
}

fn failed(rows: &BTreeMap<String, Row>) -> Vec<String> {
    let failed = rows.iter().filter(|(_, (pass, _))| *pass == Some(false));
    failed.map(|(id, (_, why))| format!("{id} {why}")).collect()
}

#[test]
fn our_own_receiver_passes_every_row_that_can_be_seen() {
    let output = otlp_check(&["--self"]);
    let rows = rows(&output);
    let mut found: Vec<&String> = rows.keys().collect();
    let mut expected = ids();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected.iter().collect::<Vec<_>>());
    assert_eq!(failed(&rows), Vec::<String>::new());
    assert_eq!(output.status.code(), Some(0));
    let unseen = rows.iter().filter(|(_, (pass, _))| pass.is_none());
    let unseen: Vec<&str> = unseen.map(|(id, _)| id.as_str()).collect();
    assert_eq!(unseen, UNSEEN);
    let why = |id: &str| rows[id].1.as_str();
    assert!(
        why("H1").ends_with("over HTTP/1.1 and HTTP/2"),
        "{}",
        why("H1")
    );
    assert!(why("G5").ends_with("with BadRequest"), "{}", why("G5"));
    assert!(
        why("T4").ends_with("without partial_success"),
        "{}",
        why("T4")
    );
}

#[test]
fn a_daemon_that_runs_is_found_by_one_of_its_ports() {
    let place = Place::new();
    let knothole = place.serve("sinks: []");
    let (grpc, http) = (knothole.grpc.to_string(), knothole.http.to_string());
    let rows = rows(&otlp_check(&["--grpc", &grpc, "--http", &http]));
    assert_eq!(failed(&rows), Vec::<String>::new());
    // Nobody drives a receiver of somebody else's to its limits, and this one wants no token.
    for id in ["G4", "G8", "H8"] {
        assert_eq!(rows[id].0, None, "{id}: {}", rows[id].1);
    }
    // Its records can be told from all others.
    knothole.wait_for_state("otlp-check", "learning");
    assert!(knothole.stop().0.success());
}

#[test]
fn over_tls_and_with_a_token_all_is_the_same() {
    let place = Place::new();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let write = |name: &str, text: &str| {
        let path = place.path(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let cert = write("cert.pem", &certified.cert.pem());
    let key = write("key.pem", &certified.signing_key.serialize_pem());
    let token = write("token", "a-token-of-the-test\n");
    let knothole = place.serve(&format!(
        "sinks: []\nreceive:\n  tls: {{ cert: {cert}, key: {key} }}\n  \
         tenants: [{{ name: test, token_file: {token} }}]"
    ));
    let grpc = format!("https://localhost:{}", knothole.grpc.port());
    let http = format!("https://localhost:{}", knothole.http.port());
    let places = ["--grpc", &grpc, "--http", &http, "--ca", &cert];
    let refused = otlp_check(&places);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("wants credentials"), "{told}");
    let token = ["--header", "authorization: Bearer a-token-of-the-test"];
    let rows = rows(&otlp_check(&[&places[..], &token[..]].concat()));
    assert_eq!(failed(&rows), Vec::<String>::new());
    assert_eq!(rows["G8"].0, Some(true), "{}", rows["G8"].1);
    assert!(knothole.stop().0.success());
}

#[test]
fn tests_that_show_what_cannot_be_seen_from_outside_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts: Vec<String> = [root.join("src"), root.join("tests")]
        .iter()
        .flat_map(|folder| sources(folder))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let rows = rows(&otlp_check(&["--self"]));
    let mut named = 0;
    for (id, (_, why)) in &rows {
        let Some((_, rest)) = why.split_once("for knothole the test ") else {
            continue;
        };
        let name = rest.split(' ').next().unwrap();
        let test = format!("fn {name}(");
        assert!(
            texts.iter().any(|text| text.contains(&test)),
            "{id}: there is no test {name}"
        );
        named += 1;
    }
    assert_eq!(named, UNSEEN.len() - 1, "all but CORS");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn where_nothing_speaks_otlp_the_exit_code_is_2() {
    // A port that was free a moment ago; nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let output = otlp_check(&["--grpc", &address]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("nothing speaks OTLP at"), "{told}");
    assert!(told.contains(&address), "{told}");
}

/// Serves what `answer` says to every request, over HTTP/1.1 and HTTP/2, gRPC or not.
fn start(
    runtime: &tokio::runtime::Runtime,
    answer: fn(bool) -> axum::response::Response,
) -> String {
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = move |request: axum::extract::Request| async move {
            let kind = request.headers().get("content-type").cloned();
            // Read to its end, so that the answer is not lost to a reset.
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let _ = frame.unwrap();
            }
            let mut response = answer(kind.as_ref().is_some_and(|kind| kind == "application/grpc"));
            if let (Some(kind), 200) = (kind, response.status().as_u16()) {
                response.headers_mut().insert("content-type", kind);
            }
            response
        };
        let router = axum::Router::new().fallback(handler);
        tokio::spawn(axum::serve(listener, router).into_future());
        address.to_string()
    })
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

fn check_both(address: &str) -> BTreeMap<String, Row> {
    rows(&otlp_check(&[
        "--grpc",
        address,
        "--http",
        address,
        "--large-bytes",
        "4MiB",
    ]))
}

#[test]
fn a_receiver_that_refuses_everything_wrongly_passes_no_row_but_those_on_size() {
    let runtime = runtime();
    let address = start(&runtime, |is_grpc| {
        let mut response = axum::response::Response::default();
        if is_grpc {
            response.headers_mut().insert("grpc-status", 15.into());
        } else {
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        }
        response
    });
    let rows = check_both(&address);
    let of = |pass| {
        let found = rows.iter().filter(|(_, row)| row.0 == pass);
        found.map(|(id, _)| id.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of(Some(true)), ["T10", "T9"]);
    assert_eq!(of(None), ["G4", "H13", "H8", "T11", "T6"]);
}

#[test]
fn a_receiver_that_takes_everything_fails_the_rows_about_what_to_refuse() {
    let runtime = runtime();
    let address = start(&runtime, |is_grpc| {
        if !is_grpc {
            return axum::response::Response::default();
        }
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", 0.into());
        let message = http_body_util::Full::new(bytes::Bytes::from_static(&[0; 5]));
        let body = message.with_trailers(async move { Some(Ok(trailers)) });
        axum::response::Response::new(axum::body::Body::new(body))
    });
    let rows = check_both(&address);
    let failed = rows.iter().filter(|(_, row)| row.0 == Some(false));
    let failed: Vec<&str> = failed.map(|(id, _)| id.as_str()).collect();
    // Its answers to JSON are no JSON, which is all that H4 and the rows on JSON can see.
    for id in ["T10", "G2", "G5", "G7", "H4", "H6", "H10", "D15"] {
        assert!(failed.contains(&id), "{id}: {:?}", rows[id]);
    }
    for id in ["G3", "G6", "H5", "H7", "H9"] {
        assert_eq!(rows[id].0, None, "{id}: {}", rows[id].1);
    }
}

/// A receiver as one writes it in an afternoon.
struct Plain;

#[tonic::async_trait]
impl LogsService for Plain {
    async fn export(
        &self,
        _: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[test]
fn a_plain_tonic_server_shows_its_known_faults() {
    let runtime = runtime();
    let address = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let service = LogsServiceServer::new(Plain)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd);
        let serve = Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serve);
        address
    });
    let output = otlp_check(&["--grpc", &address.to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let rows = rows(&output);
    let why = |id: &str| {
        let (pass, why) = &rows[id];
        assert_eq!(*pass, Some(false), "{id}: {why}");
        why.as_str()
    };
    // What is too large gets a code that makes clients send it again.
    assert!(
        why("G3").contains("plain and too large, gRPC: OUT_OF_RANGE"),
        "{}",
        why("G3")
    );
    assert!(
        why("G6").contains("OUT_OF_RANGE, which clients send again"),
        "{}",
        why("G6")
    );
    assert!(why("G5").ends_with("gRPC: INTERNAL"), "{}", why("G5"));
    assert!(
        why("D13").contains("body, gRPC: INTERNAL"),
        "{}",
        why("D13")
    );
    for id in ["T1", "T2", "T4", "T8", "G2", "G7", "D3", "D15"] {
        assert_eq!(rows[id].0, Some(true), "{id}: {}", rows[id].1);
    }
    // It takes logs alone and speaks no HTTP; neither is a fault.
    for id in ["G1", "H1", "H7", "J1"] {
        assert_eq!(rows[id].0, None, "{id}: {}", rows[id].1);
    }
}

#[test]
fn a_collector_shows_its_known_faults() {
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let place = Place::new();
    let sink = Sink::start(&otelcol, place.folder());
    let (grpc, http) = (sink.grpc.to_string(), sink.http.to_string());
    let output = otlp_check(&["--grpc", &grpc, "--http", &http]);
    let rows = rows(&output);
    let why = |id: &str| {
        let (pass, why) = &rows[id];
        assert_eq!(*pass, Some(false), "{id}: {why}");
        why.as_str()
    };
    assert!(why("H7").contains("HTTP 400"), "{}", why("H7"));
    assert!(
        why("H10").contains("HTTP 400 instead of 415"),
        "{}",
        why("H10")
    );
    assert!(
        why("H5").contains("without a Status (text/plain)"),
        "{}",
        why("H5")
    );
    assert!(why("G5").ends_with("gRPC: INTERNAL"), "{}", why("G5"));
    // What otlp.md says it does well.
    for id in [
        "T1", "T3", "G3", "G6", "H3", "H4", "H9", "J1", "J3", "J4", "D13",
    ] {
        assert_eq!(rows[id].0, Some(true), "{id}: {}", rows[id].1);
    }
    // It wrote the texts that are not UTF-8 as they came, so this is no text.
    let written = std::fs::read(place.path("sink.jsonl")).unwrap();
    let requests = written.iter().filter(|byte| **byte == b'\n').count();
    assert!(requests > 50, "{requests} requests arrived");
}
