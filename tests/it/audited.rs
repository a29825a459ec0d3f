//! The copy of the audit that leaves over OTLP: with it, what is missing is found from outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::json;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::knothole::{Place, knothole};
use crate::parts::alone;

/// Stands for a log store that the daemon's host cannot change: the hash of each entry, by number.
#[derive(Clone, Default)]
struct LogStore {
    entries: Arc<Mutex<BTreeMap<i64, String>>>,
}

#[tonic::async_trait]
impl LogsService for LogStore {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let scopes = request.into_inner().resource_logs.into_iter();
        let scopes = scopes.flat_map(|it| it.scope_logs);
        for record in scopes.flat_map(|it| it.log_records) {
            let attribute = |name: &str| {
                let found = record.attributes.iter().find(|it| it.key == name)?;
                found.value.clone()?.value
            };
            if let (Some(Value::IntValue(number)), Some(Value::StringValue(hash))) =
                (attribute("number"), attribute("hash"))
            {
                self.entries.lock().unwrap().insert(number, hash);
            }
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

#[test]
fn every_entry_of_the_audit_leaves_over_otlp_with_its_hash_also_where_little_is_logged() {
    let _alone = alone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = LogStore::default();
    let endpoint = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = LogsServiceServer::new(store.clone());
        let service = service.accept_compressed(CompressionEncoding::Gzip);
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        endpoint
    });
    let place = Place::new();
    let settings = format!("telemetry: {{ endpoint: \"{endpoint}\", log_level: error }}");
    let daemon = place.serve(&settings);
    for why in ["a drill", "another drill", "no drill"] {
        let thrown = json!({ "stopped": true, "why": why });
        let (status, told) = daemon.post("/v1/switch", &thrown);
        assert!(status < 300, "{status}: {told}");
    }
    assert!(daemon.stop().0.success());
    let copied = store.entries.lock().unwrap().clone();

    let state = place.path("state");
    let shown = [
        "audit",
        "show",
        "--json",
        "--state-dir",
        state.to_str().unwrap(),
    ];
    let shown = knothole(&shown).output().unwrap();
    let kept = String::from_utf8(shown.stdout).unwrap();
    let kept = kept.lines().map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let hash = entry["hash"].as_str().unwrap().to_owned();
        (entry["number"].as_i64().unwrap(), hash)
    });
    let kept: BTreeMap<i64, String> = kept.collect();
    assert!(kept.len() >= 3, "{kept:?}");
    assert_eq!(copied, kept);
}
