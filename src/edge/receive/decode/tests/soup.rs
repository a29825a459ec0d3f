//! Messages that no sender writes but every decoder has to read as protobuf says: fields in any order,
//! twice, unknown, in groups, in numbers longer than they need be. prost is the judge.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

use super::*;
use crate::core::record::{Point, Reading, Resource, Span, TraceId};

/// How a field is written.
#[derive(Clone, Copy)]
enum Kind {
    Varint,
    Fixed64,
    Fixed32,
    Text,
    Id,
    Message(&'static [(u32, Kind)]),
    /// A value, which may hold others.
    Any,
}

use Kind::{Any, Fixed32, Fixed64, Id, Message, Text, Varint};

const KEY_VALUE: Kind = Message(&[(1, Text), (2, Any), (2, Any), (3, Varint)]);
const RESOURCE: Kind = Message(&[
    (1, KEY_VALUE),
    (1, KEY_VALUE),
    (2, Varint),
    (3, Message(&[])),
]);
const SCOPE: Kind = Message(&[(1, Text), (2, Text), (3, KEY_VALUE), (4, Varint)]);
const RECORD: Kind = Message(&[
    (1, Fixed64),
    (2, Varint),
    (3, Text),
    (5, Any),
    (5, Any),
    (6, KEY_VALUE),
    (6, KEY_VALUE),
    (7, Varint),
    (8, Fixed32),
    (9, Id),
    (10, Id),
    (11, Fixed64),
    (12, Text),
]);
const STATUS: Kind = Message(&[(2, Text), (3, Varint)]);
const SPAN: Kind = Message(&[
    (1, Id),
    (1, Id),
    (2, Id),
    (2, Id),
    (3, Text),
    (4, Id),
    (5, Text),
    (6, Varint),
    (7, Fixed64),
    (8, Fixed64),
    (9, KEY_VALUE),
    (15, STATUS),
    (16, Fixed32),
]);
const NUMBER: Kind = Message(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (6, Fixed64),
    (7, KEY_VALUE),
    (8, Varint),
]);
const HISTOGRAM: Kind = Message(&[
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (9, KEY_VALUE),
    (10, Varint),
    (11, Fixed64),
]);
const EXPONENTIAL: Kind = Message(&[
    (1, KEY_VALUE),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Varint),
    (10, Varint),
]);
const SUMMARY: Kind = Message(&[
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (7, KEY_VALUE),
    (8, Varint),
]);
const METRIC: Kind = Message(&[
    (1, Text),
    (2, Text),
    (5, Message(&[(1, NUMBER)])),
    (7, Message(&[(1, NUMBER), (2, Varint), (3, Varint)])),
    (9, Message(&[(1, HISTOGRAM), (2, Varint)])),
    (10, Message(&[(1, EXPONENTIAL), (2, Varint)])),
    (11, Message(&[(1, SUMMARY)])),
    (12, KEY_VALUE),
]);
const LOGS: &[(u32, Kind)] = &[(
    1,
    Message(&[
        (1, RESOURCE),
        (
            2,
            Message(&[(1, SCOPE), (2, RECORD), (2, RECORD), (3, Text)]),
        ),
        (3, Text),
    ]),
)];
const TRACES: &[(u32, Kind)] = &[(
    1,
    Message(&[
        (1, RESOURCE),
        (2, Message(&[(1, SCOPE), (2, SPAN), (2, SPAN), (3, Text)])),
        (3, Text),
    ]),
)];
const METRICS: &[(u32, Kind)] = &[(
    1,
    Message(&[
        (1, RESOURCE),
        (
            2,
            Message(&[(1, SCOPE), (2, METRIC), (2, METRIC), (3, Text)]),
        ),
        (3, Text),
    ]),
)];

const WORDS: [&str; 12] = [
    "",
    "service.name",
    "service.instance.id",
    "log.file.name",
    "log.file.path",
    "event.name",
    "log.record.template",
    "knothole.instance.id",
    "instance-1",
    "/var/log/é.log",
    "warning",
    "a longer text, so that its length may take more than one byte when it is repeated: \
     0123456789 0123456789 0123456789 0123456789 0123456789",
];

/// A small generator of numbers: what a seed gives can be told from the seed.
struct Cook(u64);

impl Cook {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn message(&mut self, fields: &[(u32, Kind)], depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..self.below(7) {
            match self.below(24) {
                0 => self.stranger(&mut out),
                1 => self.group(&mut out, 3),
                _ if fields.is_empty() => {}
                _ => {
                    let (number, kind) = fields[self.below(fields.len() as u64) as usize];
                    self.field(&mut out, number, kind, depth);
                }
            }
        }
        out
    }

    fn field(&mut self, out: &mut Vec<u8>, number: u32, kind: Kind, depth: usize) {
        let bytes = match kind {
            Varint => {
                self.varint(out, u64::from(number) << 3);
                let value = [0, 1, 2, 9, 17, u64::MAX, 1 << 40][self.below(7) as usize];
                return self.varint(out, value);
            }
            Fixed64 => {
                self.varint(out, u64::from(number) << 3 | 1);
                let value =
                    [0, 1, 5_000_000_000, u64::MAX, 1.5_f64.to_bits()][self.below(5) as usize];
                return out.extend(value.to_le_bytes());
            }
            Fixed32 => {
                self.varint(out, u64::from(number) << 3 | 5);
                return out.extend([1, 2, 3, 4]);
            }
            Text => WORDS[self.below(WORDS.len() as u64) as usize].into(),
            Id => vec![self.below(2) as u8; [0, 8, 8, 16, 16, 17][self.below(6) as usize]],
            Message(fields) => self.message(fields, depth),
            Any => self.any(depth),
        };
        self.varint(out, u64::from(number) << 3 | 2);
        self.varint(out, bytes.len() as u64);
        out.extend(bytes);
    }

    /// An `AnyValue`, whose parts are bounded.
    fn any(&mut self, depth: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..[1, 1, 1, 0, 2, 3][self.below(6) as usize] {
            match self.below(12) {
                0 => self.field(&mut out, 2, Varint, depth),
                1 => self.field(&mut out, 3, Varint, depth),
                2 => self.field(&mut out, 4, Fixed64, depth),
                3 => self.field(&mut out, 7, Id, depth),
                4 => self.field(&mut out, 8, Varint, depth),
                5 | 6 if depth < 5 => self.field(&mut out, 5, Message(&[(1, Any)]), depth + 1),
                7 | 8 if depth < 5 => {
                    self.field(&mut out, 6, Message(&[(1, KEY_VALUE)]), depth + 1)
                }
                _ => self.field(&mut out, 1, Text, depth),
            }
        }
        out
    }

    fn stranger(&mut self, out: &mut Vec<u8>) {
        let number = [20, 99, 1000, (1 << 29) - 1][self.below(4) as usize];
        let kind = [Varint, Fixed64, Fixed32, Text][self.below(4) as usize];
        self.field(out, number, kind, 9);
    }

    fn group(&mut self, out: &mut Vec<u8>, depth: usize) {
        self.varint(out, 77 << 3 | 3);
        for _ in 0..self.below(3) {
            match depth {
                0 => self.stranger(out),
                _ => self.group(out, depth - 1),
            }
        }
        self.varint(out, 77 << 3 | 4);
    }

    /// Sometimes longer than it need be.
    fn varint(&mut self, out: &mut Vec<u8>, mut value: u64) {
        let pad = self.below(12) == 0;
        let start = out.len();
        while value > 0x7f {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        if pad && out.len() - start < 5 {
            *out.last_mut().unwrap() |= 0x80;
            out.push(0);
        }
    }
}

fn resource_of(sent: Option<&OtlpResource>) -> Resource {
    let empty = Vec::new();
    let attributes = sent.map_or(&empty, |it| &it.attributes);
    oracle::resource(attributes.clone(), &settings())
}

fn is_own(resource: &Resource, scope: Option<&InstrumentationScope>) -> bool {
    resource.get("service.instance.id") == Some("instance-1")
        || scope.is_some_and(|scope| oracle::is_own(scope, &settings()))
}

/// What there should be of spans: one line for each, and the counts of all, own and refused ones.
fn spans_of(request: &ExportTraceServiceRequest) -> (Vec<String>, [u64; 3]) {
    let (mut lines, mut counts) = (Vec::new(), [0; 3]);
    for of_resource in &request.resource_spans {
        let resource = resource_of(of_resource.resource.as_ref());
        for of_scope in &of_resource.scope_spans {
            for span in &of_scope.spans {
                counts[0] += 1;
                let ids = (
                    TraceId::from_bytes(&span.trace_id),
                    SpanId::from_bytes(&span.span_id),
                );
                if is_own(&resource, of_scope.scope.as_ref()) {
                    counts[1] += 1;
                } else if let (Some(trace_id), Some(span_id)) = ids {
                    let end = Timestamp::from_nanos(span.end_time_unix_nano);
                    let start = Timestamp::known(span.start_time_unix_nano);
                    let span = Span {
                        trace_id,
                        span_id,
                        parent: SpanId::from_bytes(&span.parent_span_id),
                        name: span.name.as_str().into(),
                        start,
                        duration: start.map(|start| end.since(start)).unwrap_or_default(),
                        is_error: span.status.as_ref().is_some_and(|status| status.code == 2),
                    };
                    lines.push(format!("{resource:?} {span:?}"));
                } else {
                    counts[2] += 1;
                }
            }
        }
    }
    (lines, counts)
}

/// What there should be of points: one line for each, and the counts of all and of own ones.
fn points_of(request: &ExportMetricsServiceRequest) -> (Vec<String>, [u64; 2]) {
    let (mut lines, mut counts) = (Vec::new(), [0; 2]);
    for of_resource in &request.resource_metrics {
        let resource = resource_of(of_resource.resource.as_ref());
        for of_scope in &of_resource.scope_metrics {
            let own = is_own(&resource, of_scope.scope.as_ref());
            for metric in &of_scope.metrics {
                for (attributes, time, flags, reading) in readings(metric.data.as_ref()) {
                    counts[0] += 1;
                    counts[1] += u64::from(own);
                    let attributes = oracle::resource(attributes, &settings());
                    let time = Timestamp::known(time);
                    if let (false, 0, Some(reading)) = (own, flags & 1, reading) {
                        let point = Point {
                            attributes,
                            time,
                            reading,
                        };
                        lines.push(format!("{resource:?} {} {point:?}", metric.name));
                    }
                }
            }
        }
    }
    (lines, counts)
}

type Sent = (Vec<KeyValue>, u64, u32, Option<Reading>);

fn readings(data: Option<&Data>) -> Vec<Sent> {
    let number = |it: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint| -> Sent {
        let reading = it.value.as_ref().map(|value| match value {
            Number::AsDouble(number) => Reading::Number(*number),
            Number::AsInt(number) => Reading::Number(*number as f64),
        });
        (it.attributes.clone(), it.time_unix_nano, it.flags, reading)
    };
    let many = |count, sum| Some(Reading::Many { count, sum });
    match data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => data.data_points.iter().map(number).collect(),
        Some(Data::Sum(data)) => data.data_points.iter().map(number).collect(),
        Some(Data::Histogram(data)) => {
            let all = data.data_points.iter();
            all.map(|it| {
                (
                    it.attributes.clone(),
                    it.time_unix_nano,
                    it.flags,
                    many(it.count, it.sum.unwrap_or(0.0)),
                )
            })
            .collect()
        }
        Some(Data::ExponentialHistogram(data)) => {
            let all = data.data_points.iter();
            all.map(|it| {
                (
                    it.attributes.clone(),
                    it.time_unix_nano,
                    it.flags,
                    many(it.count, it.sum.unwrap_or(0.0)),
                )
            })
            .collect()
        }
        Some(Data::Summary(data)) => {
            let all = data.data_points.iter();
            all.map(|it| {
                (
                    it.attributes.clone(),
                    it.time_unix_nano,
                    it.flags,
                    many(it.count, it.sum),
                )
            })
            .collect()
        }
    }
}

fn of(signal: Signal, bytes: &[u8]) -> Decoded {
    decode(signal, Encoding::Protobuf, bytes, &settings()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn d15_any_soup_of_fields_of_logs_comes_to_what_prost_makes_of_it(seed: u64) {
        let bytes = Cook(seed).message(LOGS, 0);
        let (ours, theirs) = both(&bytes, &settings());
        prop_assert!(theirs.is_some(), "the soup is meant to be valid");
        prop_assert_eq!(ours.as_ref().map(held), theirs.as_ref().map(held));
    }

    #[test]
    fn d15_any_soup_of_fields_of_traces_comes_to_what_prost_makes_of_it(seed: u64) {
        let bytes = Cook(seed).message(TRACES, 0);
        let request = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
        let decoded = of(Signal::Traces, &bytes);
        let lines = decoded.spans.iter().flat_map(|group| {
            group.spans.iter().map(|span| format!("{:?} {span:?}", group.resource))
        });
        let refused = decoded.rejected.iter().map(|(_, count)| count).sum();
        let counts = [decoded.records, decoded.own, refused];
        prop_assert_eq!((lines.collect::<Vec<_>>(), counts), spans_of(&request));
    }

    #[test]
    fn d15_any_soup_of_fields_of_metrics_comes_to_what_prost_makes_of_it(seed: u64) {
        let bytes = Cook(seed).message(METRICS, 0);
        let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
        let decoded = of(Signal::Metrics, &bytes);
        let lines = decoded.metrics.iter().flat_map(|metric| {
            let points = metric.points.iter();
            points.map(|point| format!("{:?} {} {point:?}", metric.resource, metric.name))
        });
        let counts = [decoded.records, decoded.own];
        prop_assert_eq!((lines.collect::<Vec<_>>(), counts), points_of(&request));
    }

    #[test]
    fn d15_a_soup_that_is_cut_anywhere_is_refused_where_prost_refuses_it(seed: u64, at: prop::sample::Index) {
        let bytes = Cook(seed).message(LOGS, 0);
        let cut = &bytes[..at.index(bytes.len() + 1)];
        let (ours, theirs) = both(cut, &settings());
        prop_assert_eq!(ours.as_ref().map(held), theirs.as_ref().map(held));
    }

    #[test]
    fn no_bytes_at_all_make_a_decoder_panic(bytes: Vec<u8>) {
        for signal in [Signal::Logs, Signal::Traces, Signal::Metrics] {
            for encoding in [Encoding::Protobuf, Encoding::Json] {
                let _ = decode(signal, encoding, &bytes, &settings());
            }
        }
    }
}
