//! Any OTLP value as text, in the form that the OpenTelemetry specification calls its string
//! representation for protocols without types.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::Value as Json;

/// The text of `value`: a string as it is, maps and arrays as JSON with sorted keys, bytes in
/// base64, numbers and booleans as JSON writes them, `NaN`, `Infinity` and `-Infinity` bare.
/// `None` where there is no value.
pub(super) fn canonical(value: AnyValue) -> Option<String> {
    let text = match value.value? {
        Value::StringValue(text) => text,
        Value::BytesValue(bytes) => BASE64.encode(bytes),
        Value::DoubleValue(number) => text_of_double(number),
        // Only profiles have the table of strings that this index points into.
        Value::StringValueStrindex(_) => return None,
        other => json(other).to_string(),
    };
    Some(text)
}

/// The text of a body: as [`canonical`], but bytes that are a text are that text, as from a
/// Collector that reads files without decoding them.
pub(super) fn text_of_body(body: AnyValue) -> Option<String> {
    match body.value? {
        Value::BytesValue(bytes) => {
            let text = String::from_utf8(bytes);
            Some(text.unwrap_or_else(|error| BASE64.encode(error.as_bytes())))
        }
        other => canonical(AnyValue { value: Some(other) }),
    }
}

/// Cuts `text` to at most `len_max` bytes, never inside a character. Tells whether it was longer.
pub(super) fn cut(text: &mut String, len_max: usize) -> bool {
    if text.len() <= len_max {
        return false;
    }
    text.truncate(text.floor_char_boundary(len_max));
    true
}

fn text_of_double(number: f64) -> String {
    if number.is_finite() {
        Json::from(number).to_string()
    } else if number.is_nan() {
        "NaN".to_owned()
    } else if number > 0.0 {
        "Infinity".to_owned()
    } else {
        "-Infinity".to_owned()
    }
}

/// The recursion is as deep as the value, which both decoders bound (100 messages in protobuf,
/// 128 brackets in JSON).
fn json(value: Value) -> Json {
    match value {
        Value::StringValue(text) => Json::String(text),
        Value::BoolValue(flag) => Json::Bool(flag),
        Value::IntValue(number) => Json::from(number),
        // JSON has no word for these three, so inside a map or array they are strings.
        Value::DoubleValue(number) if !number.is_finite() => Json::String(text_of_double(number)),
        Value::DoubleValue(number) => Json::from(number),
        Value::BytesValue(bytes) => Json::String(BASE64.encode(bytes)),
        Value::ArrayValue(array) => array.values.into_iter().map(json_or_null).collect(),
        Value::KvlistValue(list) => json_object(list.values),
        Value::StringValueStrindex(_) => Json::Null,
    }
}

/// Sorted here, since the order of a `serde_json::Map` depends on a feature that any crate in the
/// build may switch on. Of two values with one key the later wins.
fn json_object(values: Vec<KeyValue>) -> Json {
    let sorted: BTreeMap<String, Json> = values
        .into_iter()
        .map(|entry| (entry.key, entry.value.map_or(Json::Null, json_or_null)))
        .collect();
    Json::Object(sorted.into_iter().collect())
}

fn json_or_null(value: AnyValue) -> Json {
    value.value.map_or(Json::Null, json)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    use super::*;

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn entry(key: &str, value: Value) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(any(value)),
            ..KeyValue::default()
        }
    }

    fn text(value: Value) -> String {
        canonical(any(value)).unwrap()
    }

    #[test]
    fn each_kind_of_value_has_its_text() {
        assert_eq!(text(Value::StringValue("a \"b\"\nc".into())), "a \"b\"\nc");
        assert_eq!(text(Value::BoolValue(true)), "true");
        assert_eq!(text(Value::IntValue(i64::MIN)), "-9223372036854775808");
        assert_eq!(text(Value::DoubleValue(1.5)), "1.5");
        assert_eq!(text(Value::DoubleValue(f64::NAN)), "NaN");
        assert_eq!(text(Value::DoubleValue(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(text(Value::BytesValue(vec![0xff, 0])), "/wA=");
        assert_eq!(canonical(AnyValue { value: None }), None);
    }

    #[test]
    fn a_map_is_json_with_sorted_keys_whatever_the_order_sent() {
        let array = Value::ArrayValue(ArrayValue {
            values: vec![
                any(Value::DoubleValue(f64::INFINITY)),
                AnyValue { value: None },
            ],
        });
        let map = |values| text(Value::KvlistValue(KeyValueList { values }));
        let sent = map(vec![
            entry("z", array.clone()),
            entry("a", Value::IntValue(1)),
        ]);
        assert_eq!(sent, r#"{"a":1,"z":["Infinity",null]}"#);
        assert_eq!(
            map(vec![entry("a", Value::IntValue(1)), entry("z", array)]),
            sent
        );
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        let mut long = "aé".repeat(2);
        assert!(cut(&mut long, 2));
        assert_eq!(long, "a");
        assert!(!cut(&mut long, 1));
    }
}
