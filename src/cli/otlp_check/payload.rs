//! What is sent: requests that are right, in protobuf and in JSON.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::client::Signal;

/// The service that all records are of, so that the receiver's owner can find them.
pub(super) const SERVICE: &str = "otlp-check";
/// A moment, in nanoseconds since 1970: 2026-01-01T00:00:00Z.
pub(super) const MOMENT: u64 = 1_767_225_600_000_000_000;

const TRACE_ID: [u8; 16] = *b"\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c";
const SPAN_ID: [u8; 8] = *b"\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74";

/// A request with these records.
pub(super) fn logs(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource()),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope()),
                log_records,
                schema_url: "https://opentelemetry.io/schemas/1.44.0".to_owned(),
            }],
            schema_url: "https://opentelemetry.io/schemas/1.44.0".to_owned(),
        }],
    }
}

/// The same as bytes.
pub(super) fn log_bytes(log_records: Vec<LogRecord>) -> Bytes {
    logs(log_records).encode_to_vec().into()
}

/// A record like any other.
pub(super) fn record(body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: MOMENT,
        observed_time_unix_nano: MOMENT,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(text(body)),
        attributes: vec![attribute("probe", text("otlp-check"))],
        trace_id: TRACE_ID.to_vec(),
        span_id: SPAN_ID.to_vec(),
        flags: 1,
        ..LogRecord::default()
    }
}

/// The resource of all records.
pub(super) fn resource() -> Resource {
    Resource {
        attributes: vec![attribute("service.name", text(SERVICE))],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: SERVICE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

pub(super) fn text(text: &str) -> AnyValue {
    value(any_value::Value::StringValue(text.to_owned()))
}

pub(super) fn value(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

pub(super) fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

/// A small request of `signal`, as protobuf.
pub(super) fn sample(signal: Signal) -> Bytes {
    let request = match signal {
        Signal::Logs => return log_bytes(vec![record("a record like any other")]),
        Signal::Traces => traces().encode_to_vec(),
        Signal::Metrics => metrics().encode_to_vec(),
    };
    request.into()
}

fn traces() -> ExportTraceServiceRequest {
    let span = Span {
        trace_id: TRACE_ID.to_vec(),
        span_id: SPAN_ID.to_vec(),
        name: "probe".to_owned(),
        kind: 2,
        start_time_unix_nano: MOMENT,
        end_time_unix_nano: MOMENT + 1_000_000,
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource()),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn metrics() -> ExportMetricsServiceRequest {
    let point = NumberDataPoint {
        time_unix_nano: MOMENT,
        value: Some(number_data_point::Value::AsInt(1)),
        ..NumberDataPoint::default()
    };
    let gauge = Gauge {
        data_points: vec![point],
    };
    let metric = Metric {
        name: "otlp_check.probe".to_owned(),
        unit: "1".to_owned(),
        data: Some(metric::Data::Gauge(gauge)),
        ..Metric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource()),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

/// A small request of `signal`, as JSON.
pub(super) fn sample_json(signal: Signal) -> String {
    match signal {
        Signal::Logs => json_logs(
            r#"{"timeUnixNano":"1767225600000000000","severityNumber":9,"severityText":"INFO","body":{"stringValue":"a record like any other"}}"#,
        ),
        Signal::Traces => format!(
            r#"{{"resourceSpans":[{{{},"scopeSpans":[{{"spans":[{{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","name":"probe","kind":2,"startTimeUnixNano":"1767225600000000000","endTimeUnixNano":"1767225600001000000"}}]}}]}}]}}"#,
            json_resource()
        ),
        Signal::Metrics => format!(
            r#"{{"resourceMetrics":[{{{},"scopeMetrics":[{{"metrics":[{{"name":"otlp_check.probe","unit":"1","gauge":{{"dataPoints":[{{"timeUnixNano":"1767225600000000000","asInt":"1"}}]}}}}]}}]}}]}}"#,
            json_resource()
        ),
    }
}

/// A request with these records, written as JSON.
pub(super) fn json_logs(records: &str) -> String {
    format!(
        r#"{{"resourceLogs":[{{{},"scopeLogs":[{{"scope":{{"name":"otlp-check"}},"logRecords":[{records}]}}]}}]}}"#,
        json_resource()
    )
}

/// A record whose body is this JSON.
pub(super) fn json_body(body: &str) -> String {
    json_logs(&format!(r#"{{"body":{body}}}"#))
}

fn json_resource() -> &'static str {
    r#""resource":{"attributes":[{"key":"service.name","value":{"stringValue":"otlp-check"}}]}"#
}

/// `plain` with every DEL (0x7f) made into a byte that UTF-8 never has, so that lengths stay right.
pub(super) fn with_bad_utf8(plain: &Bytes) -> Bytes {
    plain
        .iter()
        .map(|byte| if *byte == BAD { 0xff } else { *byte })
        .collect()
}

/// A valid request of more than `len` bytes in pieces that share their memory: repeated messages
/// are joined by writing one after the other.
pub(super) fn large(len: usize) -> Vec<Bytes> {
    let piece = log_bytes(vec![record(&"a large record ".repeat(PIECE_LEN / 15))]);
    vec![piece.clone(); len / piece.len() + 1]
}

/// The same as JSON.
pub(super) fn large_json(len: usize) -> Vec<Bytes> {
    let body = "a large record ".repeat(PIECE_LEN / 15);
    let whole = json_body(&format!(r#"{{"stringValue":"{body}"}}"#));
    // The list of `resourceLogs` is opened once and closed once.
    let (open, rest) = whole.split_at(whole.find('[').map_or(0, |at| at + 1));
    let one = rest.strip_suffix("]}").unwrap_or(rest);
    let piece = Bytes::from(format!("{one},"));
    let mut pieces = vec![Bytes::from(open.to_owned())];
    pieces.extend(vec![piece.clone(); len / piece.len()]);
    pieces.push(format!("{one}]}}").into());
    pieces
}

/// Stands for a byte that is not UTF-8 until the message is encoded.
const BAD: u8 = 0x7f;
/// About how long one piece of a large request is, in bytes.
const PIECE_LEN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_request_is_valid_and_just_larger_than_asked_for() {
        let len = 3 << 20;
        let whole: Vec<u8> = large(len).into_iter().flatten().collect();
        assert!(
            whole.len() > len && whole.len() < len + (2 << 20),
            "{}",
            whole.len()
        );
        let request = ExportLogsServiceRequest::decode(whole.as_slice()).unwrap();
        assert!(request.resource_logs.len() >= 3);
        let json: Vec<u8> = large_json(len).into_iter().flatten().collect();
        assert!(
            json.len() > len && json.len() < len + (2 << 20),
            "{}",
            json.len()
        );
        let request: ExportLogsServiceRequest = serde_json::from_slice(&json).unwrap();
        assert!(request.resource_logs.len() >= 3);
    }

    #[test]
    fn both_encodings_of_each_signal_are_valid() {
        let json =
            |signal| serde_json::from_str::<serde_json::Value>(&sample_json(signal)).unwrap();
        for signal in Signal::ALL {
            assert_eq!(json(signal).as_object().unwrap().len(), 1);
            assert!(!sample(signal).is_empty());
        }
        let _: ExportTraceServiceRequest = serde_json::from_value(json(Signal::Traces)).unwrap();
        let _: ExportMetricsServiceRequest = serde_json::from_value(json(Signal::Metrics)).unwrap();
    }

    #[test]
    fn bad_utf8_changes_no_length() {
        let plain = log_bytes(vec![record("a \u{7f} byte")]);
        let bad = with_bad_utf8(&plain);
        let changed = plain.iter().zip(&bad).filter(|(plain, bad)| plain != bad);
        assert_eq!((plain.len(), changed.count()), (bad.len(), 1));
        assert!(ExportLogsServiceRequest::decode(bad).is_err());
    }
}
