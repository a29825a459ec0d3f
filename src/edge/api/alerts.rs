//! Alerts of other systems, as Alertmanager's webhook sends them: signs that bear out what we saw.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::answer::Problem;
use super::time::parsed;
use super::{Alert, Order};
use crate::core::event::{Class, Sign, Source};
use crate::core::record::{Resource, Severity, StreamKey};

/// What another system's alert is taken for. It is not calibrated as our own signs are.
const SCORE: f64 = 0.9;
/// Longest text of an alert that is kept, in characters.
const TEXT_CHARS_MAX: usize = 500;
/// Most labels of an alert that are kept.
const LABELS_MAX: usize = 32;
/// The label of the alerts that knothole itself sends to Alertmanager, which may send them back.
const OWN_LABEL: &str = "incident_fingerprint";
/// The labels that name a service, the surest first.
const SERVICE_LABELS: [&str; 5] = ["service_name", "service", "app", "deployment", "job"];

/// The body of a webhook of Alertmanager. What else is in it is left alone: later versions may add to
/// it.
#[derive(Deserialize)]
pub(super) struct Webhook {
    version: String,
    alerts: Vec<Sent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    status: String,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    starts_at: String,
    #[serde(default)]
    ends_at: String,
}

/// The alerts that name a service and are not our own.
pub(super) fn read(webhook: Webhook) -> Result<Vec<Alert>, Problem> {
    if webhook.version != "4" {
        let hint = "version 4 is taken, which Alertmanager sends since 0.6";
        return Err(Problem::bad("this version is not known", hint));
    }
    if webhook.alerts.len() > Order::ALERTS_MAX {
        let most = Order::ALERTS_MAX;
        let hint = format!("set max_alerts: {most} for this receiver of Alertmanager");
        return Err(Problem::bad("too many alerts at once", hint));
    }
    let named = webhook.alerts.iter().filter_map(alert);
    named.collect()
}

/// `None` for what names no service, or came from us.
fn alert(sent: &Sent) -> Option<Result<Alert, Problem>> {
    let labels = &sent.labels;
    let stream = stream(labels).filter(|_| !labels.contains_key(OWN_LABEL))?;
    let Some(started) = parsed(&sent.starts_at) else {
        let hint = "an alert has startsAt, such as 2026-11-22T02:51:07Z";
        return Some(Err(Problem::bad("startsAt cannot be read", hint)));
    };
    let is_over = sent.status == "resolved";
    let ended = parsed(&sent.ends_at).filter(|ended| is_over && *ended > started);
    let name = labels.get("alertname").map_or("alert", String::as_str);
    let said = ["summary", "description", "message"];
    let says = said.iter().find_map(|key| sent.annotations.get(*key));
    let kept = labels.iter().take(LABELS_MAX);
    let resource = kept.map(|(key, value)| (cut(key), cut(value))).collect();
    let identity = identity(labels);
    Some(Ok(Alert {
        sign: Sign {
            id: digest(&[&identity, &started.as_nanos().to_string()], 32),
            fingerprint: digest(&[&identity], 16),
            source: Source::Alert,
            kind: cut(name),
            class: class(labels, name),
            severity: severity(labels),
            score: SCORE,
            first_seen: started,
            last_seen: ended.unwrap_or(started),
            count: 1,
            stream,
            resource: Arc::new(Resource::new(resource)),
            trace: None,
            says: cut(says.map_or(name, String::as_str)),
            template: None,
            lines: Vec::new(),
            expected: None,
            stack: None,
        },
        is_over,
    }))
}

/// All labels, each name and value with its length, so that no two sets are written alike.
fn identity(labels: &BTreeMap<String, String>) -> String {
    let pair =
        |(key, value): (&String, &String)| format!("{}:{key}{}:{value}", key.len(), value.len());
    labels.iter().map(pair).collect()
}

fn stream(labels: &BTreeMap<String, String>) -> Option<StreamKey> {
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| labels.get(*name));
        found.filter(|value| !value.is_empty()).map(|it| cut(it))
    };
    Some(StreamKey {
        name: first(&SERVICE_LABELS)?,
        namespace: first(&["service_namespace", "namespace"]).unwrap_or_default(),
        environment: first(&[
            "deployment_environment_name",
            "deployment_environment",
            "environment",
            "env",
        ])
        .unwrap_or_default(),
    })
}

fn severity(labels: &BTreeMap<String, String>) -> Severity {
    match labels.get("severity").map(String::as_str) {
        Some("critical" | "page" | "disaster" | "emergency") => Severity::Fatal,
        Some("error" | "major" | "high") => Severity::Error,
        Some("info" | "none" | "low") => Severity::Info,
        Some(_) | None => Severity::Warn,
    }
}

/// By the label `class`, else by what the name says; `Error` where it says nothing, since somebody
/// wanted to be told.
fn class(labels: &BTreeMap<String, String>, name: &str) -> Class {
    const WORDS: [(Class, &[&str]); 3] = [
        (
            Class::Availability,
            &["down", "absent", "unreachable", "notready", "unavailable"],
        ),
        (Class::Latency, &["latency", "slow", "duration"]),
        (
            Class::Saturation,
            &["full", "saturat", "pressure", "memory", "disk", "throttl"],
        ),
    ];
    let labelled = labels
        .get("class")
        .and_then(|class| Class::from_name(class));
    let name = name.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let named = || WORDS.iter().find(|(_, words)| says(words));
    labelled
        .or_else(|| named().map(|(class, _)| *class))
        .unwrap_or(Class::Error)
}

fn cut(text: &str) -> Box<str> {
    let end = text.char_indices().nth(TEXT_CHARS_MAX);
    let kept = end.and_then(|(end, _)| text.get(..end));
    kept.unwrap_or(text).into()
}

/// The first `digits` hex digits of the SHA-256 of `texts`.
pub(super) fn digest(texts: &[&str], digits: usize) -> Box<str> {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.get(..digits).unwrap_or_default().into()
}
