//! An OTLP/gRPC client that can be told exactly what to send.

use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// A client with a connection of its own.
pub(crate) struct Client {
    runtime: Runtime,
    service: LogsServiceClient<Channel>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).unwrap()
    }

    /// `None` where nobody listens.
    pub(crate) fn try_connect(to: SocketAddr) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let connected = runtime.block_on(LogsServiceClient::connect(format!("http://{to}")));
        Some(Self {
            service: connected.ok()?,
            runtime,
        })
    }

    /// Sends one request; the answer of the receiver.
    pub(crate) fn export(
        &mut self,
        request: ExportLogsServiceRequest,
    ) -> Result<(), tonic::Status> {
        let answer = self.runtime.block_on(self.service.export(request))?;
        let refused = answer.into_inner().partial_success.unwrap_or_default();
        assert_eq!(refused.rejected_log_records, 0, "{}", refused.error_message);
        Ok(())
    }

    /// Sends bodies in requests of at most 8,192 records; all must be taken.
    pub(crate) fn send_lines<'a>(
        &mut self,
        resource: &[(&str, &str)],
        lines: impl IntoIterator<Item = &'a str>,
    ) -> u64 {
        let records: Vec<LogRecord> = lines.into_iter().map(record).collect();
        for batch in records.chunks(8_192) {
            self.export(request(resource, batch.to_vec())).unwrap();
        }
        records.len() as u64
    }
}

/// A request from one resource.
pub(crate) fn request(
    resource: &[(&str, &str)],
    log_records: Vec<LogRecord>,
) -> ExportLogsServiceRequest {
    let attributes = resource.iter().map(|(key, value)| KeyValue {
        key: (*key).to_owned(),
        value: text(value),
        ..KeyValue::default()
    });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: attributes.collect(),
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

/// A record with nothing but its body.
pub(crate) fn record(body: &str) -> LogRecord {
    LogRecord {
        body: text(body),
        ..LogRecord::default()
    }
}

fn text(value: &str) -> Option<AnyValue> {
    let value = Some(any_value::Value::StringValue(value.to_owned()));
    Some(AnyValue { value })
}
