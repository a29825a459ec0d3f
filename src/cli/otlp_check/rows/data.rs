//! The data model, as far as it shows from outside: what has to be taken.

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;

use super::super::bytes::{Writer, field, nested, request_of};
use super::super::client::{Packing, Peer};
use super::super::payload::{self, attribute, log_bytes, logs, record, text, value};
use super::super::report::Finding;
use super::super::trial::Trial;
use super::transport::both;
use super::{Row, hidden};

rows! {
    "D1" "MUST" "P, L" "time is that of the event, else when it was observed, else when it came" => times;
    "D2" "MUST" "L" "severity is a number, else its text" => severities;
    "D3" "MUST" "L, C" "a body is any value" => bodies;
    "D4" "SHOULD" "P" "an attribute is any value" => attributes;
    "D5" "MUST" "P" "keys that come twice do no harm" => double_keys;
    "D6" "derived" "C" "an empty key does no harm" => empty_key;
    "D7" "SHOULD" "P" "ids of the wrong length and of zeros are taken as none" => bad_ids;
    "D8" "MUST" "P" "unknown bits of flags are ignored" => flags;
    "D9" "MUST" "P, L" "an event has a name, and a body or none" => events;
    "D10" "MUST" "P" "resource, scope, schema URLs and dropped counts are kept" => envelopes;
}

/// Depth of values that a receiver should still take; senders hardly go beyond four.
const DEPTH_TAKEN: usize = 12;
/// Depth that no stack should follow.
const DEPTH_HOSTILE: usize = 20_000;

/// Each of these messages must be taken as a whole on both transports.
pub(super) async fn taken(
    peer: &Peer,
    sent: &str,
    cases: impl IntoIterator<Item = (&str, Bytes)>,
) -> Trial {
    let mut trial = Trial::of(sent);
    for (what, message) in cases {
        for told in both(peer, Packing::None, &message).await {
            trial.whole(what, Some(told));
        }
    }
    trial
}

async fn times(peer: &Peer) -> Finding {
    let at = |time_unix_nano, observed_time_unix_nano| LogRecord {
        time_unix_nano,
        observed_time_unix_nano,
        ..record("when?")
    };
    let moment = payload::MOMENT;
    let records = vec![at(moment, 0), at(0, moment), at(0, 0)];
    let cases = [("times", log_bytes(records))];
    let trial = taken(
        peer,
        "records with one time, the other and none were sent",
        cases,
    )
    .await;
    trial.end_unseen(&hidden(
        "all were taken; which time was understood cannot be seen from outside",
        "a_time_of_zero_is_no_time_and_a_bad_id_no_id",
    ))
}

async fn severities(peer: &Peer) -> Finding {
    let of = |severity_number, severity_text: &str| LogRecord {
        severity_number,
        severity_text: severity_text.to_owned(),
        ..record("how bad?")
    };
    let mut records: Vec<LogRecord> = (0..=24).map(|number| of(number, "")).collect();
    records.extend([of(0, "Error"), of(-7, ""), of(25, "odd"), of(i32::MAX, "")]);
    let cases = [("severities", log_bytes(records))];
    let trial = taken(
        peer,
        "records of all severities and some that do not exist were sent",
        cases,
    );
    trial.await.end_unseen(&hidden(
        "all were taken; what was understood cannot be seen from outside",
        "severity_comes_from_the_number_and_else_from_the_text",
    ))
}

/// A value of each kind.
fn values() -> Vec<AnyValue> {
    let list = ArrayValue {
        values: vec![
            text("a"),
            value(Value::IntValue(1)),
            AnyValue { value: None },
        ],
    };
    let map = KeyValueList {
        values: vec![
            attribute("a", value(Value::BoolValue(true))),
            attribute("", text("")),
        ],
    };
    vec![
        text("one line"),
        text("two\nlines, \u{e4} and \u{1f600}\0"),
        text(""),
        value(Value::BoolValue(false)),
        value(Value::IntValue(i64::MIN)),
        value(Value::DoubleValue(f64::NAN)),
        value(Value::DoubleValue(f64::NEG_INFINITY)),
        value(Value::BytesValue(vec![0, 0xff, 0xfe])),
        value(Value::ArrayValue(list)),
        value(Value::KvlistValue(map)),
        value(Value::ArrayValue(ArrayValue::default())),
        value(Value::KvlistValue(KeyValueList::default())),
    ]
}

async fn bodies(peer: &Peer) -> Finding {
    let records = values().into_iter().map(|body| LogRecord {
        body: Some(body),
        ..record("")
    });
    let of_body = |body| request_of(Writer::default().message(field::BODY, body)).done();
    let cases = [
        ("each kind", log_bytes(records.collect())),
        ("12 deep", of_body(nested(DEPTH_TAKEN))),
    ];
    let sent = "bodies of every kind, some nested, one of them 20,000 deep, were sent";
    let mut trial = taken(peer, sent, cases).await;
    let deep = of_body(nested(DEPTH_HOSTILE));
    for told in both(peer, Packing::None, &deep).await {
        let is_clean =
            told.partial().is_some() || (told.refused().is_some() && !told.is_retryable());
        trial.check(is_clean, format!("20,000 deep, {told}"));
    }
    let after = payload::sample(super::super::client::Signal::Logs);
    for told in both(peer, Packing::None, &after).await {
        trial.whole("a record after that", Some(told));
    }
    trial.end("all but the deepest had to be taken and were, and that one did no harm")
}

fn with_attributes(attributes: Vec<KeyValue>) -> Bytes {
    let mut request = logs(vec![LogRecord {
        attributes: attributes.clone(),
        ..record("attributes")
    }]);
    for resource_logs in &mut request.resource_logs {
        if let Some(resource) = &mut resource_logs.resource {
            resource.attributes.extend(attributes.clone());
        }
        for scope in resource_logs
            .scope_logs
            .iter_mut()
            .filter_map(|it| it.scope.as_mut())
        {
            scope.attributes.clone_from(&attributes);
        }
    }
    request.encode_to_vec().into()
}

async fn attributes(peer: &Peer) -> Finding {
    let values = values().into_iter().enumerate();
    let mut attributes: Vec<KeyValue> = values
        .map(|(number, value)| attribute(&format!("probe.{number}"), value))
        .collect();
    attributes.push(attribute("probe.empty", AnyValue { value: None }));
    attributes.push(KeyValue {
        key: "probe.none".to_owned(),
        ..KeyValue::default()
    });
    let sent = "attributes of every kind were sent on record, resource and scope";
    let trial = taken(peer, sent, [("", with_attributes(attributes))]).await;
    trial.end("they were taken")
}

async fn double_keys(peer: &Peer) -> Finding {
    let twice = vec![
        attribute("probe", text("one")),
        attribute("probe", value(Value::IntValue(2))),
    ];
    let sent = "two attributes with one key were sent on record, resource and scope";
    taken(peer, sent, [("", with_attributes(twice))])
        .await
        .end("they were taken")
}

async fn empty_key(peer: &Peer) -> Finding {
    let sent = "an attribute with an empty key was sent on record, resource and scope";
    let cases = [("", with_attributes(vec![attribute("", text("x"))]))];
    taken(peer, sent, cases).await.end("it was taken")
}

async fn bad_ids(peer: &Peer) -> Finding {
    let of = |trace_id: &[u8], span_id: &[u8]| LogRecord {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        ..record("whose?")
    };
    let records = vec![
        of(&[], &[]),
        of(&[0; 16], &[0; 8]),
        of(&[1; 15], &[1; 7]),
        of(&[1; 17], &[1; 9]),
        of(&[1; 16], &[]),
    ];
    let sent = "records with ids of zeros and of wrong lengths were sent";
    taken(peer, sent, [("", log_bytes(records))])
        .await
        .end("all were taken")
}

async fn flags(peer: &Peer) -> Finding {
    let records = [0, 1, 0xff, 0x100, u32::MAX].map(|flags| LogRecord {
        flags,
        ..record("flags")
    });
    let sent = "records with known and unknown flags were sent";
    taken(peer, sent, [("", log_bytes(records.into()))])
        .await
        .end("all were taken")
}

async fn events(peer: &Peer) -> Finding {
    let named = |name: &str, body: Option<AnyValue>| LogRecord {
        event_name: name.to_owned(),
        body,
        ..record("")
    };
    let old = LogRecord {
        attributes: vec![attribute("event.name", text("probe.old"))],
        ..record("an older event")
    };
    let records = vec![
        named("probe.event", None),
        named("probe.event", Some(text("x"))),
        old,
    ];
    let sent = "events with and without a body, and one named by an attribute, were sent";
    taken(peer, sent, [("", log_bytes(records))])
        .await
        .end("all were taken")
}

async fn envelopes(peer: &Peer) -> Finding {
    let mut request = logs(vec![LogRecord {
        dropped_attributes_count: 7,
        ..record("an envelope")
    }]);
    for resource_logs in &mut request.resource_logs {
        if let Some(resource) = &mut resource_logs.resource {
            resource.dropped_attributes_count = u32::MAX;
        }
        for scope in resource_logs
            .scope_logs
            .iter_mut()
            .filter_map(|it| it.scope.as_mut())
        {
            scope.dropped_attributes_count = 1;
            scope.attributes.push(attribute("probe", text("scope")));
        }
    }
    let bare = Writer::default().message(field::SCOPE_LOGS, bare_scope());
    let bare = Writer::default().message(field::RESOURCE_LOGS, bare).done();
    let cases = [
        ("all of it", request.encode_to_vec().into()),
        ("none of it", bare),
    ];
    let sent = "a record with all that can be around it, and one with nothing, were sent";
    taken(peer, sent, cases).await.end_unseen(&hidden(
        "they were taken; what was kept cannot be seen from outside",
        "records_of_one_stream_and_resource_are_one_batch_in_the_order_sent",
    ))
}

/// A `ScopeLogs` without a scope.
fn bare_scope() -> Writer {
    let record = Writer::default().message(field::BODY, super::super::bytes::string("alone"));
    Writer::default().message(field::RECORDS, record)
}
