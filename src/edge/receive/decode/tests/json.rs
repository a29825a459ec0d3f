//! Rows J1 to J9 of OTLP's conformance, and that JSON comes to what protobuf comes to.

use serde_json::{Value as Json, json};

use super::*;
use crate::core::record::TraceId;

fn of(json: &str) -> Result<Decoded, DecodeError> {
    of_bytes(json.as_bytes())
}

fn of_bytes(json: &[u8]) -> Result<Decoded, DecodeError> {
    decode(Signal::Logs, Encoding::Json, json, &settings())
}

/// What becomes of one record that is written as `fields`.
fn record(fields: &str) -> Record<'static> {
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{fields}]}}]}}]}}"#);
    let decoded = of(&json).unwrap_or_else(|error| panic!("{fields}: {error}"));
    let batches = decoded.batches.leak();
    assert_eq!(batches.len(), 1, "{fields}");
    batches[0].records().next().unwrap()
}

fn body(value: &str) -> &'static str {
    record(&format!(r#"{{"eventName":"e","body":{value}}}"#)).body
}

#[test]
fn j1_ids_are_hexadecimal_in_either_case_and_other_bytes_base64() {
    let sent = record(
        r#"{"body":{"stringValue":"x"},"traceId":"5B8EFFF798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174"}"#,
    );
    let trace = sent.trace_id.unwrap().to_string();
    assert_eq!(trace, "5b8efff798038103d269b633813fc60c");
    assert_eq!(sent.span_id.unwrap().to_string(), "eee19b7ec3c1b174");
    for none in ["\"\"", "null", "\"00\"", "\"W47/95gDgQPSabYzgT/GDA==\""] {
        let sent = record(&format!(r#"{{"body":{{"intValue":1}},"traceId":{none}}}"#));
        assert_eq!(sent.trace_id, None, "{none}");
    }
    for written in ["/wA=", "_wA=", "/wA"] {
        assert_eq!(body(&format!(r#"{{"bytesValue":"{written}"}}"#)), "/wA=");
    }
}

#[test]
fn j2_a_severity_is_a_number_and_its_name_is_understood() {
    let severity = |written: &str| {
        record(&format!(
            r#"{{"severityNumber":{written},"body":{{"boolValue":true}}}}"#
        ))
        .severity
    };
    assert_eq!(severity("17"), Severity::Error);
    assert_eq!(severity("\"17\""), Severity::Error);
    assert_eq!(severity("\"SEVERITY_NUMBER_WARN3\""), Severity::Warn);
    assert_eq!(
        severity("\"SEVERITY_NUMBER_UNSPECIFIED\""),
        Severity::Unspecified
    );
    assert_eq!(severity("null"), Severity::Unspecified);
}

#[test]
fn j3_integers_of_64_bits_are_exact_in_quotes_and_bare() {
    let time = |written: &str| {
        let fields = format!(r#"{{"timeUnixNano":{written},"body":{{"intValue":1}}}}"#);
        record(&fields).time.map(Timestamp::as_nanos)
    };
    assert_eq!(time("\"18446744073709551615\""), Some(u64::MAX));
    assert_eq!(time("9007199254740993"), Some(9_007_199_254_740_993));
    assert_eq!(time("1.5e3"), Some(1_500));
    assert_eq!(time("0"), None);
    assert_eq!(
        body(r#"{"intValue":"-9223372036854775808"}"#),
        i64::MIN.to_string()
    );
    assert_eq!(body(r#"{"intValue":7}"#), "7");
    assert!(
        of(r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"soon"}]}]}]}"#)
            .is_err()
    );
}

#[test]
fn j4_and_j5_what_is_not_known_is_passed_over_at_any_depth() {
    let unknown = r#""a":{"b":[1,-2.5e-3,"\"]}",null,true,{"c":[[]]}]},"time_unix_nano":"5","dropped_attributes_count":1"#;
    let json = format!(
        r#"{{{unknown},"resourceLogs":[{{{unknown},"resource":{{{unknown},"attributes":[{{{unknown},"key":"service.name","value":{{{unknown},"stringValue":"cart"}}}}]}},
        "scopeLogs":[{{{unknown},"scope":{{{unknown}}},"logRecords":[{{{unknown},"body":{{{unknown},"stringValue":"x"}}}}]}}]}}]}}"#
    );
    let decoded = of(&json).unwrap();
    assert_eq!(decoded.batches[0].stream.to_string(), "cart");
    let record = decoded.batches[0].records().next().unwrap();
    assert_eq!((record.body, record.time), ("x", None));
}

#[test]
fn j6_doubles_are_numbers_or_words() {
    for (written, text) in [
        ("1.5", "1.5"),
        ("\"1.5\"", "1.5"),
        ("3", "3.0"),
        ("\"NaN\"", "NaN"),
        ("\"Infinity\"", "Infinity"),
        ("\"-Infinity\"", "-Infinity"),
    ] {
        assert_eq!(body(&format!(r#"{{"doubleValue":{written}}}"#)), text);
    }
    assert_eq!(body(r#"{"doubleValue":null}"#), "");
}

#[test]
fn j7_each_kind_of_value_is_read_and_an_empty_one_is_none() {
    let map = r#"{"kvlistValue":{"values":[
        {"key":"b","value":{"arrayValue":{"values":[{"boolValue":false},{},{"bytesValue":"AQI="}]}}},
        {"key":"a","value":{"intValue":"1"}}, {"key":"c"}, {"key":"c","value":{"stringValue":"\u00e9\n"}}]}}"#;
    assert_eq!(body(map), r#"{"a":1,"b":[false,null,"AQI="],"c":"é\n"}"#);
    assert_eq!(body(r#"{"boolValue":true}"#), "true");
    assert_eq!(body("{}"), "");
    assert_eq!(body("null"), "");
}

#[test]
fn j8_an_example_as_the_specification_gives_one() {
    let decoded = of(r#"{
      "resourceLogs": [ {
        "resource": { "attributes": [ { "key": "service.name", "value": { "stringValue": "my.service" } } ] },
        "scopeLogs": [ {
          "scope": { "name": "my.scope", "version": "1.0.0", "attributes": [
            { "key": "my.scope.attribute", "value": { "stringValue": "some scope attribute" } } ] },
          "logRecords": [ {
            "timeUnixNano": "1544712660300000000", "observedTimeUnixNano": "1544712660300000000",
            "severityNumber": 10, "severityText": "Information",
            "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
            "body": { "stringValue": "Example log record" },
            "attributes": [ { "key": "map.attribute", "value": { "kvlistValue": { "values": [
              { "key": "some.map.key", "value": { "stringValue": "some value" } } ] } } } ]
          }, { "eventName": "browser.page_view", "attributes": [] } ]
        } ]
      } ]
    }"#)
    .unwrap();
    let records: Vec<_> = decoded.batches[0].records().collect();
    assert_eq!(decoded.batches[0].stream.to_string(), "my.service");
    assert_eq!(records[0].body, "Example log record");
    assert_eq!(records[0].severity, Severity::Info);
    assert_eq!(records[1].event_name, Some("browser.page_view"));
}

#[test]
fn j9_keys_that_come_twice_count_as_they_came_last() {
    let twice = record(r#"{"body":{"intValue":1},"body":{"stringValue":"a","stringValue":"b"}}"#);
    assert_eq!(twice.body, "b");
}

#[test]
fn j9_brackets_in_brackets_are_bounded() {
    let deep = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        of(&format!(r#"{{"unknown":{open}{close}}}"#))
    };
    assert!(matches!(deep("[", "]"), Err(DecodeError::TooDeep { .. })));
    assert!(matches!(
        deep(r#"{"a":"#, "}"),
        Err(DecodeError::TooDeep { .. })
    ));
    let value = |depth: usize| {
        let (open, close) = (
            r#"{"arrayValue":{"values":["#.repeat(depth),
            "]}}".repeat(depth),
        );
        let body = format!("{open}{{}}{close}");
        of(&format!(
            r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{body}}}]}}]}}]}}"#
        ))
    };
    assert!(value(15).is_ok());
    assert!(matches!(value(16), Err(DecodeError::TooDeep { .. })));
}

#[test]
fn j9_half_a_surrogate_pair_is_mended() {
    assert_eq!(
        body(r#"{"stringValue":"\ud83d\ude00 \uD83D! \ude00 \ud83d\u0041"}"#),
        "😀 \u{fffd}! \u{fffd} \u{fffd}A"
    );
    assert_eq!(
        body(r#"{"stringValue":"\"\\\/\b\f\n\r\t\u0000"}"#),
        "\"\\/\u{8}\u{c}\n\r\t\0"
    );
    assert!(of(r#"{"a":"\x"}"#).is_err());
    assert!(of(r#"{"a":"\u12g4"}"#).is_err());
}

#[test]
fn j9_a_byte_order_mark_and_nothing_at_all() {
    assert!(of("\u{feff} {}").is_ok());
    for nothing in [
        "",
        " ",
        "[]",
        "{} {}",
        "{",
        "nul",
        "{\"a\" 1}",
        "{\"a\":1,}",
    ] {
        assert!(of(nothing).is_err(), "{nothing}");
    }
}

#[test]
fn a_resource_may_come_after_what_came_from_it() {
    let decoded = of(r#"{"resourceLogs":[
        {"scopeLogs":[{"logRecords":[{"body":{"intValue":1}}]}],
         "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"late"}}]}},
        {"scopeLogs":[{"logRecords":[{"body":{"intValue":2}}], "scope":{"attributes":[
            {"key":"knothole.instance.id","value":{"stringValue":"instance-1"}}]}}]}]}"#)
    .unwrap();
    assert_eq!(decoded.batches[0].stream.to_string(), "late");
    assert_eq!((decoded.batches.len(), decoded.own), (1, 1));
}

#[test]
fn bytes_that_are_no_text_cost_the_string_they_are_in() {
    let mut json = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
        {"body":{"stringValue":"caf? \n open"}},{"body":{"stringValue":"next"}}]}]}]}"#
        .to_vec();
    let at = json.iter().position(|&byte| byte == b'?').unwrap();
    json[at] = 0xe9;
    let decoded = of_bytes(&json).unwrap();
    assert_eq!(bodies(&decoded.batches[0]), ["caf\u{fffd} \n open", "next"]);
    assert_eq!(decoded.repaired, 1);
}

#[test]
fn no_beginning_of_a_request_is_taken_for_one() {
    let whole = of_request(&request_of_all_kinds()).to_string();
    assert_eq!(of(&whole).unwrap().records, 1);
    for (end, _) in whole.char_indices() {
        assert!(of(&whole[..end]).is_err(), "{}", &whole[..end]);
    }
}

#[test]
fn names_of_fields_may_be_written_with_escapes() {
    assert_eq!(
        record(r#"{"\u0062ody":{"string\u0056alue":"x"}}"#).body,
        "x"
    );
    let file = record(
        r#"{"body":{"intValue":1},"attributes":[{"key":"event\u002ename","value":{"stringValue":"a\/b"}}]}"#,
    );
    assert_eq!(file.event_name, Some("a/b"));
}

fn request_of_all_kinds() -> ExportLogsServiceRequest {
    let record = LogRecord {
        trace_id: vec![7; 16],
        time_unix_nano: 5,
        ..line("a \"quoted\" é", &[("log.file.path", r"C:\a\b.log")])
    };
    ExportLogsServiceRequest {
        resource_logs: vec![resource_logs(&[("host.name", "h")], vec![record])],
    }
}

/// A request in OTLP's JSON.
fn of_request(request: &ExportLogsServiceRequest) -> Json {
    let all = request.resource_logs.iter().map(|it| {
        let resource = it.resource.as_ref().unwrap();
        let scopes = it.scope_logs.iter().map(|it| {
            let records: Vec<Json> = it.log_records.iter().map(of_record).collect();
            json!({ "logRecords": records })
        });
        json!({
            "resource": { "attributes": of_attributes(&resource.attributes) },
            "scopeLogs": scopes.collect::<Vec<_>>(),
        })
    });
    json!({ "resourceLogs": all.collect::<Vec<_>>() })
}

fn of_record(record: &LogRecord) -> Json {
    let id = |id: &[u8]| {
        let digits = id.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    };
    json!({
        "timeUnixNano": record.time_unix_nano.to_string(),
        "observedTimeUnixNano": record.observed_time_unix_nano,
        "severityNumber": record.severity_number,
        "severityText": record.severity_text,
        "eventName": record.event_name,
        "body": record.body.as_ref().map(of_value),
        "attributes": of_attributes(&record.attributes),
        "traceId": id(&record.trace_id),
        "spanId": id(&record.span_id),
    })
}

fn of_attributes(attributes: &[KeyValue]) -> Json {
    let all = attributes
        .iter()
        .map(|it| json!({ "key": it.key, "value": it.value.as_ref().map(of_value) }));
    all.collect()
}

fn of_value(value: &AnyValue) -> Json {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    match value.value.as_ref() {
        None => json!({}),
        Some(Value::StringValue(text)) => json!({ "stringValue": text }),
        Some(Value::BoolValue(flag)) => json!({ "boolValue": flag }),
        Some(Value::IntValue(number)) => json!({ "intValue": number.to_string() }),
        Some(Value::DoubleValue(number)) if number.is_finite() => json!({ "doubleValue": number }),
        Some(Value::DoubleValue(number)) => {
            let word = if number.is_nan() {
                "NaN"
            } else if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            json!({ "doubleValue": word })
        }
        Some(Value::BytesValue(bytes)) => json!({ "bytesValue": STANDARD.encode(bytes) }),
        Some(Value::ArrayValue(array)) => {
            let values: Vec<Json> = array.values.iter().map(of_value).collect();
            json!({ "arrayValue": { "values": values } })
        }
        Some(Value::KvlistValue(list)) => {
            json!({ "kvlistValue": { "values": of_attributes(&list.values) } })
        }
        Some(Value::StringValueStrindex(index)) => json!({ "stringValueStrindex": index }),
    }
}

proptest! {
    #[test]
    fn t12_a_request_is_the_same_in_both_encodings(request in any_request()) {
        let by_name = ConvertSettings { sequence_attribute: Some("".to_owned()), ..settings() };
        let json = of_request(&request).to_string();
        let of_json = decode(Signal::Logs, Encoding::Json, json.as_bytes(), &by_name).unwrap();
        let of_protobuf = decoded(request.resource_logs, &by_name);
        prop_assert_eq!(held(&of_json), held(&of_protobuf));
    }

    #[test]
    fn no_text_makes_it_panic(request in any_request(), flip: u8, at: prop::sample::Index, cut in 0.5..1.0) {
        let mut json = of_request(&request).to_string().into_bytes();
        let cut = (json.len() as f64 * cut) as usize;
        prop_assert!(of_bytes(&json[..cut]).is_err());
        let at = at.index(json.len());
        json[at] ^= flip;
        let _ = of_bytes(&json);
    }
}

#[test]
fn a_trace_of_zeros_is_none() {
    let sent = record(&format!(
        r#"{{"body":{{"intValue":1}},"traceId":"{}"}}"#,
        "0".repeat(32)
    ));
    assert_eq!(sent.trace_id, TraceId::from_bytes(&[]));
}
