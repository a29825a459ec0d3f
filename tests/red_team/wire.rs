//! What senders send: OTLP requests, byte for byte, as the receiver's decoder gets them.

use knothole::core::record::Timestamp;
use knothole::edge::receive::{Encoding, Packing, Sent, Signal};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// Resource attributes, as a sender claims them.
pub(crate) type Claims = Vec<(String, String)>;

/// One line of a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) body: String,
    pub(crate) severity: i32,
    /// None is no time at all.
    pub(crate) time: Option<u64>,
    pub(crate) trace: Vec<u8>,
    pub(crate) span: Vec<u8>,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Line {
    pub(crate) fn info(body: impl Into<String>, at: Timestamp) -> Self {
        Self {
            body: body.into(),
            severity: 9,
            time: Some(at.as_nanos()),
            ..Self::default()
        }
    }
}

/// A request with these lines of one resource.
pub(crate) fn logs(claims: &Claims, lines: Vec<Line>) -> Sent {
    let records = lines.into_iter().map(|line| LogRecord {
        time_unix_nano: line.time.unwrap_or_default(),
        severity_number: line.severity,
        body: Some(text(&line.body)),
        trace_id: line.trace,
        span_id: line.span,
        attributes: attributes(&line.attributes),
        ..LogRecord::default()
    });
    let scope = ScopeLogs {
        log_records: records.collect(),
        ..ScopeLogs::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource(claims)),
            scope_logs: vec![scope],
            ..ResourceLogs::default()
        }],
    };
    sent(Signal::Logs, &request)
}

/// A request with one span that went well.
pub(crate) fn span(claims: &Claims, ids: (&[u8], &[u8]), name: &str, start: Timestamp) -> Sent {
    let span = Span {
        trace_id: ids.0.to_vec(),
        span_id: ids.1.to_vec(),
        name: name.to_owned(),
        kind: 2,
        start_time_unix_nano: start.as_nanos(),
        end_time_unix_nano: start.as_nanos() + 45_000_000,
        ..Span::default()
    };
    let scope = ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(claims)),
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        }],
    };
    sent(Signal::Traces, &request)
}

fn resource(claims: &Claims) -> Resource {
    Resource {
        attributes: attributes(claims),
        ..Resource::default()
    }
}

fn attributes(all: &[(String, String)]) -> Vec<KeyValue> {
    let all = all.iter().map(|(key, value)| KeyValue {
        key: key.clone(),
        value: Some(text(value)),
        ..KeyValue::default()
    });
    all.collect()
}

fn text(text: &str) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(text.to_owned())),
    }
}

fn sent(signal: Signal, request: &impl Message) -> Sent {
    Sent {
        signal,
        encoding: Encoding::Protobuf,
        packing: Packing::Plain,
        body: request.encode_to_vec().into(),
        tenant: None,
    }
}
