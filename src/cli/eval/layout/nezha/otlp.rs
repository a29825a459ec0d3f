//! One thing as an OTLP request.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::core::record::Timestamp;
use crate::edge::receive::{Encoding, Packing, Sent, Signal};

pub(in crate::cli::eval::layout) fn resource(attributes: &[(&str, &str)]) -> Resource {
    let attributes = attributes.iter().map(|(key, value)| KeyValue {
        key: (*key).to_owned(),
        value: Some(text(value)),
        ..KeyValue::default()
    });
    Resource {
        attributes: attributes.collect(),
        ..Resource::default()
    }
}

pub(in crate::cli::eval::layout) fn text(text: &str) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(text.to_owned())),
    }
}

pub(in crate::cli::eval::layout) fn record(resource: &Resource, record: LogRecord) -> Sent {
    let scope = ScopeLogs {
        log_records: vec![record],
        ..ScopeLogs::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.clone()),
            scope_logs: vec![scope],
            ..ResourceLogs::default()
        }],
    };
    sent(Signal::Logs, &request)
}

pub(in crate::cli::eval::layout) fn span(resource: &Resource, span: Span) -> Sent {
    let scope = ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        }],
    };
    sent(Signal::Traces, &request)
}

pub(in crate::cli::eval::layout) fn gauge(
    resource: &Resource,
    name: &str,
    at: Timestamp,
    value: f64,
) -> Sent {
    let point = NumberDataPoint {
        time_unix_nano: at.as_nanos(),
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: name.to_owned(),
        data: Some(metric::Data::Gauge(Gauge {
            data_points: vec![point],
        })),
        ..Metric::default()
    };
    let scope = ScopeMetrics {
        metrics: vec![metric],
        ..ScopeMetrics::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        }],
    };
    sent(Signal::Metrics, &request)
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
