use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource as OtlpResource;
use proptest::prelude::*;
use prost::Message as _;

mod json;
mod soup;

use super::*;
use crate::core::record::{Record, Severity, SpanId, Timestamp};

fn settings() -> ConvertSettings {
    ConvertSettings::of_instance("instance-1")
}

fn string(text: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(text.to_owned())),
    }
}

fn attribute(key: &str, text: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(string(text)),
        ..KeyValue::default()
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs
        .iter()
        .map(|(key, text)| attribute(key, text))
        .collect()
}

fn line(body: &str, pairs: &[(&str, &str)]) -> LogRecord {
    LogRecord {
        body: Some(string(body)),
        attributes: attributes(pairs),
        ..LogRecord::default()
    }
}

fn resource_logs(resource: &[(&str, &str)], log_records: Vec<LogRecord>) -> ResourceLogs {
    ResourceLogs {
        resource: Some(OtlpResource {
            attributes: attributes(resource),
            ..OtlpResource::default()
        }),
        scope_logs: vec![ScopeLogs {
            log_records,
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }
}

fn converted(resource_logs: Vec<ResourceLogs>) -> Decoded {
    decoded(resource_logs, &settings())
}

/// Decodes a request, in protobuf.
fn decoded(resource_logs: Vec<ResourceLogs>, settings: &ConvertSettings) -> Decoded {
    let request = ExportLogsServiceRequest { resource_logs };
    decode(
        Signal::Logs,
        Encoding::Protobuf,
        &request.encode_to_vec(),
        settings,
    )
    .unwrap()
}

/// What becomes of one record. The batch is leaked, so that the record can be looked at.
fn only_record(sent: LogRecord) -> Record<'static> {
    let decoded = converted(vec![resource_logs(&[], vec![sent])])
        .batches
        .leak();
    assert_eq!((decoded.len(), decoded[0].len()), (1, 1));
    decoded[0].records().next().unwrap()
}

fn bodies(batch: &Batch) -> Vec<&str> {
    batch.records().map(|record| record.body).collect()
}

#[test]
fn records_of_one_stream_and_resource_are_one_batch_in_the_order_sent() {
    let cart = [("service.name", "cart"), ("k8s.pod.name", "cart-1")];
    let decoded = converted(vec![
        resource_logs(
            &cart,
            vec![line("1", &[("log.file.name", "a")]), line("2", &[])],
        ),
        resource_logs(&[("service.name", "pay")], vec![line("3", &[])]),
        resource_logs(&cart, vec![line("4", &[])]),
    ]);
    let streams: Vec<_> = decoded
        .batches
        .iter()
        .map(|batch| batch.stream.to_string())
        .collect();
    assert_eq!(streams, ["cart", "pay"]);
    assert_eq!(bodies(&decoded.batches[0]), ["1", "2", "4"]);
    assert_eq!(decoded.records, 4);
}

#[test]
fn lines_of_a_bare_file_receiver_are_told_apart_by_their_file() {
    let decoded = converted(vec![resource_logs(
        &[],
        vec![
            line("1", &[("log.file.name", "a.log")]),
            line("2", &[("log.file.path", r"C:\logs\b.log")]),
            line("3", &[("log.file.path", "/var/log/a.log")]),
            line("4", &[]),
        ],
    )]);
    let found: Vec<_> = decoded
        .batches
        .iter()
        .map(|batch| (batch.stream.to_string(), bodies(batch)))
        .collect();
    let expected = [
        ("a.log", vec!["1", "3"]),
        ("b.log", vec!["2"]),
        ("unknown", vec!["4"]),
    ];
    assert_eq!(
        found,
        expected.map(|(stream, lines)| (stream.to_owned(), lines))
    );
}

#[test]
fn files_of_one_name_on_two_hosts_are_two_batches() {
    let lines = |first: u8| {
        let files = ["a.log", "b.log", "a.log"];
        let lines = files.iter().zip(first..);
        let lines =
            lines.map(|(file, number)| line(&number.to_string(), &[("log.file.name", *file)]));
        lines.collect()
    };
    let decoded = converted(vec![
        resource_logs(&[("host.name", "one")], lines(1)),
        resource_logs(&[("host.name", "two")], lines(4)),
        resource_logs(&[("host.name", "one")], lines(7)),
    ]);
    let found = decoded.batches.iter().map(|batch| {
        let host = batch.resource.get("host.name").unwrap();
        (batch.stream.to_string(), host, bodies(batch))
    });
    let expected = [
        ("a.log".to_owned(), "one", vec!["1", "3", "7", "9"]),
        ("b.log".to_owned(), "one", vec!["2", "8"]),
        ("a.log".to_owned(), "two", vec!["4", "6"]),
        ("b.log".to_owned(), "two", vec!["5"]),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn a_time_of_zero_is_no_time_and_a_bad_id_no_id() {
    let record = only_record(LogRecord {
        observed_time_unix_nano: 7,
        trace_id: vec![0; 16],
        span_id: vec![1; 8],
        ..line("x", &[])
    });
    assert_eq!(
        (record.time, record.observed),
        (None, Some(Timestamp::from_nanos(7)))
    );
    assert_eq!(
        (record.trace_id, record.span_id),
        (None, SpanId::from_bytes(&[1; 8]))
    );
}

#[test]
fn severity_comes_from_the_number_and_else_from_the_text() {
    let of = |severity_number, severity_text: &str| {
        let severity_text = severity_text.to_owned();
        only_record(LogRecord {
            severity_number,
            severity_text,
            ..line("x", &[])
        })
        .severity
    };
    assert_eq!(of(17, "info"), Severity::Error);
    assert_eq!(of(0, "WARNING"), Severity::Warn);
    assert_eq!(of(99, "loud"), Severity::Unspecified);
}

#[test]
fn the_event_name_is_a_field_or_the_attribute_of_older_senders() {
    let with_field = LogRecord {
        event_name: "paid".to_owned(),
        ..line("x", &[("event.name", "old")])
    };
    assert_eq!(only_record(with_field).event_name, Some("paid"));
    let older = LogRecord {
        body: None,
        ..line("", &[("event.name", "old")])
    };
    assert_eq!(only_record(older).event_name, Some("old"));
}

#[test]
fn a_line_of_source_that_the_rust_bridge_sends_as_event_name_is_none() {
    let named = |name: &str| {
        let event_name = name.to_owned();
        only_record(LogRecord {
            event_name,
            ..line("x", &[])
        })
        .event_name
    };
    assert_eq!(named("event src/main.rs:128"), None);
    for event in [
        "event src/main.rs:128a",
        "event",
        "src/main.rs:128",
        "event of the year",
    ] {
        assert_eq!(named(event), Some(event));
    }
}

#[test]
fn a_record_without_body_and_event_name_is_rejected_and_the_others_stay() {
    let no_value = LogRecord {
        body: Some(AnyValue { value: None }),
        ..LogRecord::default()
    };
    let sent = vec![LogRecord::default(), line("", &[]), no_value];
    let decoded = converted(vec![resource_logs(&[], sent)]);
    assert_eq!(decoded.rejected, [(RejectReason::Empty, 2)]);
    assert_eq!(bodies(&decoded.batches[0]), [""], "a blank line has a body");
    assert_eq!(decoded.records, 3);
}

#[test]
fn a_body_that_is_too_long_is_cut_and_counted() {
    let short = ConvertSettings {
        body_len_max: 4,
        ..settings()
    };
    let sent = vec![resource_logs(
        &[],
        vec![line("abcé", &[]), line("abcd", &[])],
    )];
    let decoded = decoded(sent, &short);
    assert_eq!(bodies(&decoded.batches[0]), ["abc", "abcd"]);
    assert_eq!(decoded.cut, 1);
}

#[test]
fn resources_are_bounded_in_number_and_length_of_attributes() {
    let tight = ConvertSettings {
        attribute_len_max: 2,
        resource_attributes_max: 1,
        ..settings()
    };
    let sent = vec![resource_logs(
        &[("kkk", "vvv"), ("b", "c")],
        vec![line("x", &[])],
    )];
    let decoded = decoded(sent, &tight);
    let kept: Vec<_> = decoded.batches[0].resource.attributes().collect();
    assert_eq!(kept, [("kk", "vv")]);
}

#[test]
fn the_sequence_attribute_is_looked_for_on_the_record_and_then_its_resource() {
    let by_job = ConvertSettings {
        sequence_attribute: Some("job".to_owned()),
        ..settings()
    };
    let number = AnyValue {
        value: Some(Value::IntValue(7)),
    };
    let job = KeyValue {
        key: "job".to_owned(),
        value: Some(number),
        ..KeyValue::default()
    };
    let on_record = LogRecord {
        attributes: vec![job],
        ..line("x", &[])
    };
    let sent = vec![resource_logs(
        &[("job", "night")],
        vec![on_record, line("y", &[])],
    )];
    let decoded = decoded(sent, &by_job);
    let found: Vec<_> = decoded.batches[0]
        .records()
        .map(|it| it.sequence_attribute)
        .collect();
    assert_eq!(found, [Some("7"), Some("night")]);
}

#[test]
fn our_own_records_are_known_by_the_id_and_by_nothing_else() {
    let own = resource_logs(
        &[
            ("service.name", "any"),
            ("service.instance.id", "instance-1"),
        ],
        vec![line("1", &[])],
    );
    let borrowed_name = resource_logs(
        &[
            ("service.name", "knothole"),
            ("service.instance.id", "instance-2"),
        ],
        vec![line("2", &[])],
    );
    let mut own_scope = resource_logs(&[("service.name", "cart")], vec![LogRecord::default()]);
    own_scope.scope_logs[0].scope = Some(InstrumentationScope {
        attributes: attributes(&[(INSTANCE_ATTRIBUTE, "instance-1")]),
        ..InstrumentationScope::default()
    });
    let decoded = converted(vec![own, borrowed_name, own_scope]);
    assert_eq!(
        (decoded.records, decoded.own, decoded.rejected.len()),
        (3, 2, 0)
    );
    assert_eq!(decoded.batches.len(), 1);
    assert_eq!(bodies(&decoded.batches[0]), ["2"]);
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
    let leaf = prop_oneof![
        Just(None),
        ".{0,8}".prop_map(|text| Some(Value::StringValue(text))),
        any::<bool>().prop_map(|flag| Some(Value::BoolValue(flag))),
        any::<i64>().prop_map(|number| Some(Value::IntValue(number))),
        any::<f64>().prop_map(|number| Some(Value::DoubleValue(number))),
        any::<Vec<u8>>().prop_map(|bytes| Some(Value::BytesValue(bytes))),
        any::<i32>().prop_map(|index| Some(Value::StringValueStrindex(index))),
    ];
    leaf.prop_map(|value| AnyValue { value })
        .prop_recursive(4, 24, 4, |inner| {
            let entry = (".{0,4}", inner.clone()).prop_map(|(key, value)| KeyValue {
                key,
                value: Some(value),
                ..KeyValue::default()
            });
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|values| Value::ArrayValue(ArrayValue { values })),
                prop::collection::vec(entry, 0..4)
                    .prop_map(|values| Value::KvlistValue(KeyValueList { values })),
            ]
            .prop_map(|value| AnyValue { value: Some(value) })
        })
}

fn any_request() -> impl Strategy<Value = ExportLogsServiceRequest> {
    let keys = prop::sample::select(vec![
        "service.name",
        "log.file.name",
        "log.file.path",
        "event.name",
        "service.instance.id",
        "",
    ]);
    let pairs = prop::collection::vec((keys, any_value()), 0..4).prop_map(|pairs| {
        let pair = |(key, value): (&str, AnyValue)| KeyValue {
            key: key.to_owned(),
            value: Some(value),
            ..KeyValue::default()
        };
        pairs.into_iter().map(pair).collect::<Vec<_>>()
    });
    let pairs = pairs.boxed();
    let record = (
        any::<(u64, u64, i32, Vec<u8>)>(),
        ".{0,6}",
        any_value(),
        pairs.clone(),
    );
    let record =
        record.prop_map(
            |((time, observed, severity, id), text, body, attributes)| LogRecord {
                time_unix_nano: time,
                observed_time_unix_nano: observed,
                severity_number: severity,
                severity_text: text.clone(),
                event_name: text,
                body: Some(body),
                attributes,
                trace_id: id.clone(),
                span_id: id,
                ..LogRecord::default()
            },
        );
    let resource = (pairs, prop::collection::vec(record, 0..6));
    prop::collection::vec(resource, 0..4).prop_map(|all| ExportLogsServiceRequest {
        resource_logs: all
            .into_iter()
            .map(|(attributes, log_records)| ResourceLogs {
                resource: Some(OtlpResource {
                    attributes,
                    ..OtlpResource::default()
                }),
                scope_logs: vec![ScopeLogs {
                    log_records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            })
            .collect(),
    })
}

proptest! {
    #[test]
    fn every_record_of_any_request_is_accounted_for(request in any_request()) {
        let sent: usize = request
            .resource_logs
            .iter()
            .flat_map(|it| &it.scope_logs)
            .map(|it| it.log_records.len())
            .sum();
        let tight = ConvertSettings { body_len_max: 7, attribute_len_max: 3, ..settings() };
        let decoded = decoded(request.resource_logs, &tight);
        let taken: usize = decoded.batches.iter().map(|batch| batch.len()).sum();
        let rejected: u64 = decoded.rejected.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(decoded.records, sent as u64);
        prop_assert_eq!(taken as u64 + rejected + decoded.own, decoded.records);
        for batch in &decoded.batches {
            prop_assert!(!batch.is_empty());
            prop_assert!(batch.records().all(|record| record.body.len() <= 7));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(request in any_request(), cut in 0.0..1.0, flip: u8, at: prop::sample::Index) {
        let mut bytes = request.encode_to_vec();
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let _ = decode(Signal::Logs, Encoding::Protobuf, &bytes, &settings());
    }
}

#[test]
fn the_template_that_a_sender_gives_is_kept() {
    let named = |name: &str| {
        let sent = line("x", &[("log.record.template", name)]);
        only_record(sent).template.map(AsRef::as_ref)
    };
    assert_eq!(named("user <*> left"), Some("user <*> left"));
    assert_eq!(named(""), None);
    assert_eq!(only_record(line("x", &[])).template, None);
    let long: &str = named(&"é".repeat(5_000)).unwrap();
    assert_eq!(long.len(), 4 << 10);
}

#[test]
fn a_body_of_bytes_is_the_text_that_it_is() {
    let bytes = |bytes: &[u8]| {
        let body = AnyValue {
            value: Some(Value::BytesValue(bytes.to_vec())),
        };
        let sent = LogRecord {
            body: Some(body),
            ..LogRecord::default()
        };
        only_record(sent).body
    };
    assert_eq!(bytes("café open".as_bytes()), "café open");
    assert_eq!(bytes(&[0xff, 0]), "/wA=");
}

/// Everything of a request but what it costs.
fn held(decoded: &Decoded) -> impl PartialEq + fmt::Debug {
    let batches: Vec<_> = decoded
        .batches
        .iter()
        .map(|batch| {
            let records: Vec<String> = batch.records().map(|it| format!("{it:?}")).collect();
            (batch.stream.clone(), batch.resource.clone(), records)
        })
        .collect();
    let counts = (decoded.records, decoded.own, decoded.cut);
    (batches, counts, decoded.rejected.clone())
}

/// What both make of bytes; `None` where they are refused.
fn both(bytes: &[u8], settings: &ConvertSettings) -> (Option<Decoded>, Option<Decoded>) {
    let ours = decode(Signal::Logs, Encoding::Protobuf, bytes, settings).ok();
    let theirs = ExportLogsServiceRequest::decode(bytes).ok();
    (
        ours,
        theirs.map(|request| oracle::convert(request, settings)),
    )
}

proptest! {
    #[test]
    fn any_request_comes_to_what_prost_makes_of_it(request in any_request()) {
        let by_name = ConvertSettings { sequence_attribute: Some("".to_owned()), ..settings() };
        let (ours, theirs) = both(&request.encode_to_vec(), &by_name);
        prop_assert_eq!(ours.as_ref().map(held), theirs.as_ref().map(held));
    }

    #[test]
    fn a_request_with_a_changed_byte_comes_to_what_prost_makes_of_it_if_it_takes_it(
        request in any_request(), flip: u8, at: prop::sample::Index,
    ) {
        let mut bytes = request.encode_to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let (ours, theirs) = both(&bytes, &settings());
        if theirs.is_some() {
            prop_assert_eq!(ours.as_ref().map(held), theirs.as_ref().map(held));
        }
    }
}

#[test]
fn d5_of_two_attributes_with_one_name_the_later_counts() {
    let twice = |first: AnyValue, second: AnyValue| {
        let named = |value| KeyValue {
            key: "event.name".to_owned(),
            value: Some(value),
            ..KeyValue::default()
        };
        let attributes = vec![named(first), named(second)];
        only_record(LogRecord {
            attributes,
            ..line("x", &[])
        })
        .event_name
    };
    let number = || AnyValue {
        value: Some(Value::IntValue(7)),
    };
    assert_eq!(twice(string("a"), string("b")), Some("b"));
    assert_eq!(twice(number(), string("b")), Some("b"));
    assert_eq!(twice(string("a"), number()), None);
}

#[test]
fn d13_bytes_that_are_no_text_cost_the_string_they_are_in_and_are_counted() {
    let sent = vec![resource_logs(
        &[("service.name", "caf?")],
        vec![line("bad ? line", &[]), line("good line", &[])],
    )];
    let request = ExportLogsServiceRequest {
        resource_logs: sent,
    };
    let mut bytes = request.encode_to_vec();
    for byte in &mut bytes {
        if *byte == b'?' {
            *byte = 0xe9;
        }
    }
    let decoded = decode(Signal::Logs, Encoding::Protobuf, &bytes, &settings()).unwrap();
    assert_eq!(decoded.batches[0].stream.to_string(), "caf\u{fffd}");
    assert_eq!(
        bodies(&decoded.batches[0]),
        ["bad \u{fffd} line", "good line"]
    );
    assert_eq!((decoded.repaired, decoded.records), (2, 2));
}

#[test]
fn d13_a_mended_body_is_cut_like_any_other() {
    let short = ConvertSettings {
        body_len_max: 8,
        ..settings()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![resource_logs(&[], vec![line("0123456?89", &[])])],
    };
    let mut bytes = request.encode_to_vec();
    let at = bytes.iter().position(|&byte| byte == b'?').unwrap();
    bytes[at] = 0xff;
    let decoded = decode(Signal::Logs, Encoding::Protobuf, &bytes, &short).unwrap();
    assert_eq!(bodies(&decoded.batches[0]), ["0123456"]);
    assert_eq!(decoded.cut, 1);
}

#[test]
fn t3_a_request_may_hold_nothing_at_any_level() {
    let empty = ResourceLogs::default();
    let no_records = resource_logs(&[("service.name", "a")], Vec::new());
    for request in [vec![], vec![empty.clone(), empty], vec![no_records]] {
        let decoded = converted(request);
        assert_eq!((decoded.records, decoded.batches.len()), (0, 0));
    }
}

#[test]
fn d14_times_far_out_are_taken_as_they_are() {
    let record = only_record(LogRecord {
        time_unix_nano: u64::MAX,
        observed_time_unix_nano: 1,
        ..line("x", &[])
    });
    assert_eq!(record.time, Some(Timestamp::from_nanos(u64::MAX)));
}

#[test]
fn d15_a_status_that_is_sent_in_pieces_is_merged() {
    let span = |status: &[u8]| {
        let ids = [vec![0x0a, 16], vec![7; 16], vec![0x12, 8], vec![9; 8]].concat();
        let span = [&ids, status].concat();
        let spans = [&[0x12, span.len() as u8], span.as_slice()].concat();
        let all = [&[0x12, spans.len() as u8], spans.as_slice()].concat();
        let bytes = [&[0x0a, all.len() as u8], all.as_slice()].concat();
        let decoded = decode(Signal::Traces, Encoding::Protobuf, &bytes, &settings()).unwrap();
        decoded.spans[0].spans[0].is_error
    };
    assert!(!span(&[]));
    assert!(span(&[0x7a, 2, 0x18, 2]));
    assert!(span(&[0x7a, 2, 0x18, 1, 0x7a, 2, 0x18, 2]));
    assert!(!span(&[0x7a, 2, 0x18, 2, 0x7a, 2, 0x18, 1]));
    assert!(span(&[0x7a, 2, 0x18, 2, 0x7a, 2, 0x12, 0]));
}

/// A record with a string in so many arrays.
fn nested(depth: usize) -> Vec<ResourceLogs> {
    let mut value = string("x");
    for _ in 1..depth {
        let values = vec![value];
        let array = opentelemetry_proto::tonic::common::v1::ArrayValue { values };
        value = AnyValue {
            value: Some(Value::ArrayValue(array)),
        };
    }
    let record = LogRecord {
        body: Some(value),
        ..LogRecord::default()
    };
    vec![resource_logs(&[], vec![record])]
}

#[test]
fn d3_values_in_values_are_bounded() {
    assert_eq!(bodies(&converted(nested(16)).batches[0]).len(), 1);
    let request = ExportLogsServiceRequest {
        resource_logs: nested(17),
    };
    let bytes = request.encode_to_vec();
    let error = decode(Signal::Logs, Encoding::Protobuf, &bytes, &settings()).unwrap_err();
    assert!(matches!(error, DecodeError::TooDeep { .. }), "{error}");
}

#[test]
fn a_value_of_very_many_values_is_taken_in_part() {
    let values = vec![AnyValue { value: None }; 20_000];
    let array = opentelemetry_proto::tonic::common::v1::ArrayValue { values };
    let record = LogRecord {
        body: Some(AnyValue {
            value: Some(Value::ArrayValue(array)),
        }),
        ..LogRecord::default()
    };
    // Beside others that are as usual: alone it would be refused as a whole.
    let mut records = vec![line(&"usual ".repeat(100), &[]); 100];
    records.push(record);
    let decoded = converted(vec![resource_logs(&[], records)]);
    assert_eq!(decoded.left_out, 20_000 - 8_192);
}

#[test]
fn more_parts_than_a_request_of_its_size_honestly_has_are_refused_early() {
    let of = |scopes: usize| {
        let mut bytes = vec![0x0a];
        prost::encode_length_delimiter(2 * scopes, &mut bytes).unwrap();
        bytes.extend([0x12, 0].repeat(scopes));
        decode(Signal::Logs, Encoding::Protobuf, &bytes, &settings())
    };
    assert!(of(1_000).is_ok(), "odd, but so be it");
    let error = of(1_000_000).unwrap_err();
    assert_eq!(error, DecodeError::TooCostly(Signal::Logs));
}

#[test]
fn memory_stays_in_proportion_to_the_request() {
    let lines = |count: usize| {
        let records = vec![line("", &[]); count];
        let request = ExportLogsServiceRequest {
            resource_logs: vec![resource_logs(&[], records)],
        };
        let bytes = request.encode_to_vec();
        let decoded = decode(Signal::Logs, Encoding::Protobuf, &bytes, &settings());
        decoded.map(|decoded| (decoded.bytes, bytes.len()))
    };
    let (memory, len) = lines(8_192).unwrap();
    assert!(memory <= 4 * len + (1 << 20), "{memory} of {len}");
    assert_eq!(lines(60_000), Err(DecodeError::TooCostly(Signal::Logs)));
}
