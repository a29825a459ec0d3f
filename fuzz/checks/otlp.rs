//! Any bytes, as a request of any signal in either encoding: they are decoded or refused, every record
//! is accounted for, memory stays in proportion, and what prost takes is taken, with as many records.

use knothole::edge::receive::{ConvertSettings, DecodeError, Decoded, Encoding, Signal, decode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

pub(crate) fn check(input: &[u8]) {
    let Some((&how, body)) = input.split_first() else {
        return;
    };
    let signal = [Signal::Logs, Signal::Traces, Signal::Metrics][usize::from(how % 3)];
    let encoding = [Encoding::Protobuf, Encoding::Json][usize::from(how / 3 % 2)];
    let settings = ConvertSettings {
        sequence_attribute: Some("job".to_owned()),
        body_len_max: 64,
        attribute_len_max: 32,
        ..ConvertSettings::of_instance("me")
    };
    let decoded = decode(signal, encoding, body, &settings);
    if let Ok(decoded) = &decoded {
        adds_up(signal, decoded);
        assert!(decoded.bytes <= (1 << 20) + 4 * body.len());
    }
    if encoding == Encoding::Protobuf
        && let Some(records) = by_prost(signal, body)
    {
        match decoded {
            Ok(decoded) => assert_eq!(decoded.records, records),
            Err(error) => assert!(!matches!(error, DecodeError::Malformed { .. }), "{error}"),
        }
    }
}

fn adds_up(signal: Signal, decoded: &Decoded) {
    let rejected: u64 = decoded.rejected.iter().map(|(_, count)| count).sum();
    let batched: usize = decoded
        .batches
        .iter()
        .map(|batch| batch.records().len())
        .sum();
    let spans: usize = decoded.spans.iter().map(|group| group.spans.len()).sum();
    let points: usize = decoded
        .metrics
        .iter()
        .map(|metric| metric.points.len())
        .sum();
    let taken = (batched + spans + points) as u64 + rejected + decoded.own;
    match signal {
        Signal::Logs | Signal::Traces => assert_eq!(decoded.records, taken),
        // Points that say nothing are left out.
        Signal::Metrics => assert!(decoded.records >= taken),
    }
    for record in decoded.batches.iter().flat_map(|batch| batch.records()) {
        assert!(record.body.len() <= 64);
        assert!(
            record
                .event_name
                .is_none_or(|name| !name.is_empty() && name.len() <= 32)
        );
        assert!(
            record
                .sequence_attribute
                .is_none_or(|value| value.len() <= 32)
        );
    }
}

/// How many records prost finds.
fn by_prost(signal: Signal, body: &[u8]) -> Option<u64> {
    let count = match signal {
        Signal::Logs => {
            let request = ExportLogsServiceRequest::decode(body).ok()?;
            let scopes = request.resource_logs.iter().flat_map(|it| &it.scope_logs);
            scopes.map(|it| it.log_records.len()).sum()
        }
        Signal::Traces => {
            let request = ExportTraceServiceRequest::decode(body).ok()?;
            let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
            scopes.map(|it| it.spans.len()).sum()
        }
        Signal::Metrics => {
            use opentelemetry_proto::tonic::metrics::v1::metric::Data;
            let request = ExportMetricsServiceRequest::decode(body).ok()?;
            let scopes = request
                .resource_metrics
                .iter()
                .flat_map(|it| &it.scope_metrics);
            let data = scopes
                .flat_map(|it| &it.metrics)
                .filter_map(|it| it.data.as_ref());
            let points = data.map(|data| match data {
                Data::Gauge(data) => data.data_points.len(),
                Data::Sum(data) => data.data_points.len(),
                Data::Histogram(data) => data.data_points.len(),
                Data::ExponentialHistogram(data) => data.data_points.len(),
                Data::Summary(data) => data.data_points.len(),
            });
            points.sum::<usize>()
        }
    };
    Some(count as u64)
}
