//! Messages that no library writes but the wire format allows, and those that it does not.

use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::super::bytes::{
    Writer, attribute as written, field, request_of, resource_attribute, resource_only, string,
};
use super::super::client::{Call, Packing, Peer, Pieces, Signal, Told, frame_head};
use super::super::payload::{self, attribute, log_bytes, record, text, value, with_bad_utf8};
use super::super::report::Finding;
use super::super::trial::Trial;
use super::Row;
use super::data::taken;
use super::transport::both;

rows! {
    "D11" "SHOULD" "P" "fields that only profiles use do no harm in logs" => profile_fields;
    "D12" "MUST" "P" "entity_refs and reserved fields are ignored" => reserved_fields;
    "D13" "derived" "Collector" "a text that is not UTF-8 costs no record" => bad_utf8;
    "D14" "derived" "P" "times of any order and size do no harm" => odd_times;
    "D15" "MUST" "protobuf" "every way to write a message is read, and every cut one refused" => encodings;
}

async fn profile_fields(peer: &Peer) -> Finding {
    let key = KeyValue {
        key_strindex: 3,
        ..attribute("", text("x"))
    };
    let sent = LogRecord {
        attributes: vec![
            key,
            attribute("probe", value(any_value::Value::StringValueStrindex(8))),
        ],
        ..record("a record with fields of a profile")
    };
    let cases = [("", log_bytes(vec![sent]))];
    let sent = "a record whose attributes have key_strindex and string_value_strindex was sent";
    taken(peer, sent, cases).await.end("it was taken")
}

async fn reserved_fields(peer: &Peer) -> Finding {
    // EntityRef: schema_url, type, id_keys, description_keys.
    let entity = Writer::default()
        .bytes(1, "https://opentelemetry.io/schemas/1.44.0")
        .bytes(2, "service")
        .bytes(3, "service.name");
    let resource = resource_attribute("service.name", payload::SERVICE).message(3, entity);
    let record = Writer::default()
        .varint(4, 7)
        .message(field::BODY, string("reserved fields"));
    let scope_logs = Writer::default().message(field::RECORDS, record);
    // Under this number senders of 2021 wrote what are the scope logs of today.
    let resource_logs = Writer::default()
        .message(field::RESOURCE, resource)
        .message(field::SCOPE_LOGS, scope_logs.clone())
        .message(1_000, scope_logs);
    let message = Writer::default().message(field::RESOURCE_LOGS, resource_logs);
    let sent = "a record with entity_refs and the reserved fields 4 and 1000 was sent";
    taken(peer, sent, [("", message.done())])
        .await
        .end("it was taken")
}

async fn bad_utf8(peer: &Peer) -> Finding {
    let around = |odd: LogRecord| {
        let records = vec![record("before"), odd, record("after")];
        with_bad_utf8(&log_bytes(records))
    };
    let in_body = around(record("a bad \u{7f} byte"));
    let in_value = around(LogRecord {
        attributes: vec![attribute("probe", text("a bad \u{7f} byte"))],
        ..record("in a value")
    });
    let in_key = around(LogRecord {
        attributes: vec![attribute("probe\u{7f}", text("x"))],
        ..record("in a key")
    });
    let in_field = around(LogRecord {
        severity_text: "WARN\u{7f}".to_owned(),
        event_name: "probe\u{7f}".to_owned(),
        ..record("in a field")
    });
    let resource = resource_attribute("service.name", payload::SERVICE)
        .message(1, written("probe", "a bad \u{7f} byte"));
    let scope_logs = Writer::default()
        .message(field::SCOPE, Writer::default().bytes(1, "otlp\u{7f}check"))
        .message(
            field::RECORDS,
            Writer::default().message(field::BODY, string("x")),
        );
    let resource_logs = Writer::default()
        .message(field::RESOURCE, resource)
        .message(field::SCOPE_LOGS, scope_logs);
    let around_it = Writer::default()
        .message(field::RESOURCE_LOGS, resource_logs)
        .done();
    let cases = [
        ("body", in_body),
        ("value", in_value),
        ("key", in_key),
        ("fields", in_field),
        ("resource and scope", with_bad_utf8(&around_it)),
    ];
    let sent = "texts that are not UTF-8 were sent in body, attribute, fields, resource and scope";
    taken(peer, sent, cases).await.end("all records were taken")
}

async fn odd_times(peer: &Peer) -> Finding {
    let now = payload::MOMENT;
    let times = [
        now,
        now - 1,
        u64::MAX,
        0,
        1,
        i64::MAX as u64,
        i64::MAX as u64 + 1,
        now + 1,
    ];
    let records = times.map(|time| LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: u64::MAX - time,
        ..record("an odd time")
    });
    let sent = "records far back, far ahead and out of order were sent";
    taken(peer, sent, [("", log_bytes(records.into()))])
        .await
        .end("all were taken")
}

/// The same message in ways that a parser has to read.
fn odd_encodings() -> [(&'static str, Bytes); 6] {
    let new = Writer::default;
    let body = || string("oddly written").done();
    let plain = || new().fixed64(field::TIME, payload::MOMENT);
    let padded = plain()
        .bytes_padded(field::BODY, body(), 3)
        .varint(field::SEVERITY, 9);
    let backwards = new()
        .message(field::ATTRIBUTES, written("probe", "x"))
        .message(field::BODY, string("oddly written"))
        .varint(field::SEVERITY, 9)
        .fixed64(field::TIME, payload::MOMENT);
    let repeated = plain()
        .fixed64(field::TIME, 1)
        .message(field::BODY, string("the first"))
        .message(field::BODY, string("the second"));
    let grouped = new()
        .group(field::UNKNOWN, new().group(7, new().varint(1, 1)))
        .message(field::BODY, string("after a group"));
    let negative = plain()
        .varint(field::SEVERITY, u64::MAX)
        .bytes(field::BODY, body());
    let scope_logs = new().message(field::RECORDS, new().message(field::BODY, string("x")));
    let two_resources = resource_only()
        .message(field::SCOPE_LOGS, scope_logs)
        .message(field::RESOURCE, resource_attribute("more", "merged"));
    [
        ("lengths that are too long", request_of(padded).done()),
        ("fields in another order", request_of(backwards).done()),
        ("fields that come twice", request_of(repeated).done()),
        ("groups", request_of(grouped).done()),
        ("a negative enum", request_of(negative).done()),
        (
            "a resource in two parts",
            new().message(field::RESOURCE_LOGS, two_resources).done(),
        ),
    ]
}

/// What no parser may read.
fn broken_encodings() -> [(&'static str, Bytes); 5] {
    let new = Writer::default;
    let body = || new().message(field::BODY, string("x"));
    let broken = |end: &[u8]| request_of(body().then(end)).done();
    [
        ("a length beyond the end", broken(b"\x2a\x7f\x00")),
        (
            "a varint without end",
            broken(b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ),
        ("field number 0", broken(b"\x02\x00")),
        ("a group without end", broken(b"\x9b\x01")),
        ("wire type 7", broken(b"\x97\x01\x00")),
    ]
}

async fn encodings(peer: &Peer) -> Finding {
    let sent = "messages with padded lengths, fields out of order or twice, groups, five broken \
                ones and one cut at every byte were sent";
    let mut trial = taken(peer, sent, odd_encodings()).await;
    for (what, message) in broken_encodings() {
        for told in both(peer, Packing::None, &message).await {
            trial.check(is_refused_for_good(&told), format!("{what}, {told}"));
        }
    }
    if peer.grpc.is_some() {
        cut_everywhere(peer, &mut trial).await;
    }
    trial.end("all that are valid were taken and all others refused for good")
}

fn is_refused_for_good(told: &Told) -> bool {
    told.refused().is_some() && !told.is_retryable()
}

/// On one connection, since it takes as many calls as the message has bytes.
async fn cut_everywhere(peer: &Peer, trial: &mut Trial) {
    let record = Writer::default()
        .fixed64(field::TIME, payload::MOMENT)
        .message(field::BODY, string("cut"));
    let whole = request_of(record).done();
    let mut session = match peer.open_grpc(0).await {
        Ok(session) => session,
        Err(why) => return trial.check(false, format!("a connection for cut messages: {why}")),
    };
    for len in 1..whole.len() {
        let message = whole.slice(..len);
        let call = Call {
            method: Signal::Logs.method(),
            headers: &[],
            body: Pieces::of([frame_head(false, len), message]),
        };
        let answer = match peer.call_request(call) {
            Ok(request) => session.send(request).await,
            Err(why) => Err(why),
        };
        let told = Told::grpc(answer);
        trial.check(
            is_refused_for_good(&told),
            format!("cut after {len} bytes, {told}"),
        );
    }
}
