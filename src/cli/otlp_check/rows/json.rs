//! OTLP's JSON, over HTTP.

use super::super::client::{Packing, Peer, Refusal, Signal, Told, Way};
use super::super::payload::{json_body, json_logs};
use super::super::report::Finding;
use super::super::trial::Trial;
use super::Row;

rows! {
    "J1" "MUST" "S, P" "trace and span ids are hex in either case, other bytes base64" => ids;
    "J2" "MUST" "S" "enums are integers" => enums;
    "J3" "MUST" "S" "64-bit integers are strings or numbers" => integers;
    "J4" "MUST" "S" "unknown keys are ignored at any depth, whatever their value" => unknown_keys;
    "J5" "MUST" "S" "names of the .proto files are unknown keys too" => proto_names;
    "J6" "MUST" "proto3 JSON" "numbers may be texts, doubles NaN and infinities, and null is unset" => doubles;
    "J7" "MUST" "P, X" "a body can be every kind of value" => values;
    "J8" "MUST" "X" "the examples of the specification are taken" => examples;
    "J9" "derived" "JSON" "odd and hostile JSON does no harm" => hostile;
}

/// What a request was about, and its JSON.
type Case<'a> = (&'a str, String);

async fn post(peer: &Peer, json: &str) -> Option<Told> {
    let body = json.to_owned().into();
    peer.http(Signal::Logs, (Way::Json, Packing::None), &body)
        .await
}

/// Each of the requests must be taken as a whole.
async fn taken(peer: &Peer, sent: &str, cases: impl IntoIterator<Item = Case<'_>>) -> Finding {
    let mut trial = Trial::of(sent);
    for (what, json) in cases {
        trial.whole(what, post(peer, &json).await);
    }
    trial.end("all were taken")
}

fn with(fields: &str) -> String {
    json_logs(&format!(r#"{{{fields},"body":{{"stringValue":"probe"}}}}"#))
}

fn attribute(value: &str) -> String {
    with(&format!(
        r#""attributes":[{{"key":"probe","value":{value}}}]"#
    ))
}

async fn ids(peer: &Peer) -> Finding {
    let sent = "records with ids in upper and lower case hex and with empty ones, and with bytes in \
                base64 were sent";
    let ids = |trace: &str, span: &str| with(&format!(r#""traceId":"{trace}","spanId":"{span}""#));
    let cases = [
        (
            "upper case",
            ids("5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174"),
        ),
        (
            "lower case",
            ids("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"),
        ),
        ("empty ids", ids("", "")),
        ("bytes", attribute(r#"{"bytesValue":"+/8="}"#)),
        ("bytes as body", json_body(r#"{"bytesValue":"aGVsbG8="}"#)),
    ];
    taken(peer, sent, cases).await
}

async fn enums(peer: &Peer) -> Finding {
    let mut trial = Trial::of("a severity and a span kind were sent as integers");
    trial.whole(
        "severity",
        post(peer, &with(r#""severityNumber":17"#)).await,
    );
    trial.whole(
        "unknown severity",
        post(peer, &with(r#""severityNumber":99"#)).await,
    );
    let spans = super::super::payload::sample_json(Signal::Traces).into();
    let told = peer
        .http(Signal::Traces, (Way::Json, Packing::None), &spans)
        .await;
    let told = told.filter(|told| told.code() != Some(Refusal::Http(404)));
    trial.whole("span kind", told);
    let named = post(peer, &with(r#""severityNumber":"SEVERITY_NUMBER_ERROR""#)).await;
    let answer = named.map_or_else(String::new, |told| told.to_string());
    trial.end(&format!(
        "they were taken; a name, which must not be sent, gave {answer}"
    ))
}

async fn integers(peer: &Peer) -> Finding {
    let sent = "64-bit integers were sent as strings and as numbers";
    let cases = [
        (
            "time as string",
            with(r#""timeUnixNano":"1767225600000000000""#),
        ),
        (
            "time as number",
            with(r#""timeUnixNano":1767225600000000000"#),
        ),
        (
            "largest time",
            with(r#""timeUnixNano":"18446744073709551615""#),
        ),
        (
            "largest time as number",
            with(r#""timeUnixNano":18446744073709551615"#),
        ),
        (
            "intValue as string",
            attribute(r#"{"intValue":"-9223372036854775808"}"#),
        ),
        (
            "intValue as number",
            attribute(r#"{"intValue":9223372036854775807}"#),
        ),
    ];
    taken(peer, sent, cases).await
}

async fn unknown_keys(peer: &Peer) -> Finding {
    let sent = "unknown keys with values of every kind were sent on every level";
    let odd = r#""new":{"a":[{"b":null},[1,"x",{}],true]},"more":-1.5e3,"also":"x","none":null,"list":[]"#;
    let whole = format!(
        r#"{{{odd},"resourceLogs":[{{{odd},"resource":{{{odd},"attributes":[{{{odd},"key":"service.name","value":{{"stringValue":"otlp-check"}}}}]}},"scopeLogs":[{{{odd},"scope":{{{odd}}},"logRecords":[{{{odd},"body":{{"stringValue":"probe"}},"attributes":[{{"key":"k","value":{{"stringValue":"v"}},{odd}}}]}}]}}]}}]}}"#
    );
    let value = attribute(r#"{"stringValue":"x","newValue":{"a":1}}"#);
    let cases = [("every level", whole), ("beside a value", value)];
    taken(peer, sent, cases).await
}

/// Their values would be wrong if the names were known.
async fn proto_names(peer: &Peer) -> Finding {
    let sent = "keys such as dropped_attributes_count were sent with values that they cannot have";
    let cases = [
        (
            "in a record",
            with(r#""dropped_attributes_count":{"a":[1]},"time_unix_nano":[true]"#),
        ),
        ("in a value", attribute(r#"{"string_value":17}"#)),
        ("at the top", r#"{"resource_logs":"not a list"}"#.to_owned()),
    ];
    taken(peer, sent, cases).await
}

async fn doubles(peer: &Peer) -> Finding {
    let sent = "numbers of all kinds were sent as numbers and as texts, NaN and infinities, and nulls for fields";
    let double = |value: &str| attribute(&format!(r#"{{"doubleValue":{value}}}"#));
    let nulls = r#""timeUnixNano":null,"severityText":null,"attributes":null,"traceId":null,"droppedAttributesCount":null"#;
    let cases = [
        ("a number", double("637.704")),
        ("an integer", double("-3")),
        ("with an exponent", double("1e300")),
        ("a text", double(r#""1.5e3""#)),
        ("NaN", double(r#""NaN""#)),
        ("Infinity", double(r#""Infinity""#)),
        ("-Infinity", double(r#""-Infinity""#)),
        (
            "32 bits as text",
            with(r#""flags":"1","droppedAttributesCount":"3""#),
        ),
        ("null", with(nulls)),
        (
            "a null resource",
            r#"{"resourceLogs":[{"resource":null,"scopeLogs":null}]}"#.to_owned(),
        ),
    ];
    taken(peer, sent, cases).await
}

async fn values(peer: &Peer) -> Finding {
    let sent = "a record with each kind of value as its body was sent";
    let list =
        r#"{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":"1"},{"arrayValue":{}},{}]}}"#;
    let map = r#"{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":false}},{"key":"b","value":{}},{"key":"c"}]}}"#;
    let cases = [
        (
            "stringValue",
            json_body(r#"{"stringValue":"two\nlines \u00e4 \ud83d\ude00"}"#),
        ),
        ("boolValue", json_body(r#"{"boolValue":true}"#)),
        ("intValue", json_body(r#"{"intValue":"-1"}"#)),
        ("doubleValue", json_body(r#"{"doubleValue":0.5}"#)),
        ("bytesValue", json_body(r#"{"bytesValue":"AAEC"}"#)),
        ("arrayValue", json_body(list)),
        ("kvlistValue", json_body(map)),
    ];
    let mut trial = Trial::of(sent);
    for (what, json) in cases {
        trial.whole(what, post(peer, &json).await);
    }
    // A record without any content may be rejected, its request may not.
    trial.see(
        "an empty value",
        post(peer, &json_body("{}")).await,
        |told| told.partial().is_some(),
    );
    trial.end("all were taken")
}

/// After logs.json and events.json of opentelemetry-proto (Apache 2.0), with our service name.
async fn examples(peer: &Peer) -> Finding {
    let cases = [
        (
            "logs.json",
            include_str!("../examples/logs.json").to_owned(),
        ),
        (
            "events.json",
            include_str!("../examples/events.json").to_owned(),
        ),
    ];
    taken(
        peer,
        "the examples logs.json and events.json were sent",
        cases,
    )
    .await
}

async fn hostile(peer: &Peer) -> Finding {
    let mut trial = Trial::of(
        "double keys, lone surrogates, a byte order mark, values nested 20,000 deep and cut texts \
         were sent",
    );
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(DEPTH), close.repeat(DEPTH));
        format!("{open}{{}}{close}")
    };
    let nested = json_body(&deep(r#"{"arrayValue":{"values":["#, "]}}"));
    let cut: String = nested.chars().take(nested.len() / 3).collect();
    let cases = [
        (
            "double keys",
            with(r#""severityText":"A","severityText":"B","body":{"stringValue":"x"}"#),
        ),
        (
            "a lone surrogate",
            json_body(r#"{"stringValue":"\ud800 alone"}"#),
        ),
        (
            "a byte order mark",
            format!("\u{feff}{}", json_body(r#"{"stringValue":"x"}"#)),
        ),
        ("deep values", nested),
        (
            "deep unknown values",
            with(&format!(r#""new":{}"#, deep("[", "]"))),
        ),
        ("a cut text", cut),
        ("a number too large", with(r#""timeUnixNano":1e400"#)),
        (
            "a list for an object",
            r#"{"resourceLogs":{"a":1}}"#.to_owned(),
        ),
        ("no object", "[[[1]]]".to_owned()),
        ("nothing but space", "  ".to_owned()),
    ];
    for (what, json) in cases {
        trial.see(what, post(peer, &json).await, |told| match told.code() {
            None => told.partial().is_some(),
            Some(code) => code == Refusal::Http(400),
        });
    }
    trial.whole(
        "and then a record",
        post(peer, &json_body(r#"{"stringValue":"x"}"#)).await,
    );
    trial.end("each was taken or refused with 400, and a record after them was taken")
}

/// Deep enough for the stack of a parser that follows to the bottom.
const DEPTH: usize = 20_000;
