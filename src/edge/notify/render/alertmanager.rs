//! Alerts of the Alertmanager (API v2).
//!
//! The labels are the identity of an alert, so the sink keeps them from the first message on: see
//! `standing`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{cause_sentence, changes_sentence, details};
use super::{inert, looked_up_at, rfc3339, shortened};
use crate::core::event::{Event, Incident};
use crate::core::record::{Timestamp, inert_json};

/// The one label that may change.
pub(crate) const SEVERITY: &str = "severity";
/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 200;
/// Longest annotation, in characters.
const ANNOTATION_CHARS_MAX: usize = 4000;

/// What a message for an Alertmanager holds: an alert, and of which incident it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AlertNote {
    pub(crate) incident: Box<str>,
    pub(crate) revision: u64,
    /// When this was made.
    pub(crate) made_at: Timestamp,
    pub(crate) alert: Alert,
    /// Whether the incident goes on.
    pub(crate) is_live: bool,
}

/// An alert as the API takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) starts_at: String,
    /// `None` while it goes on: the sink says until when it holds.
    pub(crate) ends_at: Option<String>,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    pub(crate) generator_url: Option<String>,
}

/// How the alerts of one sink look.
#[derive(Clone, Debug)]
pub(crate) struct AlertStyle {
    pub(crate) alertname: String,
    pub(crate) incident_url: Option<String>,
}

/// The body of the message for `event`; `None` for what is no alert.
pub(crate) fn body(event: &Event, style: &AlertStyle, now: Timestamp) -> Option<Vec<u8>> {
    match event {
        Event::Incident(event) => Some(inert_json(&note(&event.incident, style, now))),
        Event::Anomaly(_) | Event::Proposal(_) | Event::Digest(_) | Event::Change(_) => None,
    }
}

/// What there is to say of `incident` at `now`.
pub(crate) fn note(incident: &Incident, style: &AlertStyle, now: Timestamp) -> AlertNote {
    // An alert must not end before it starts, and one that starts or ends in the future would go
    // on for everybody else.
    let starts_at = incident.began.min(now);
    let ended = incident.ended.as_ref().map(|mark| mark.at);
    let ends_at = ended.unwrap_or(now).clamp(starts_at, now);
    AlertNote {
        incident: incident.id.clone(),
        revision: incident.revision,
        made_at: now,
        alert: Alert {
            labels: labels(incident, style),
            annotations: annotations(incident),
            starts_at: rfc3339(starts_at),
            ends_at: (!incident.is_live()).then(|| rfc3339(ends_at)),
            generator_url: looked_up_at(style.incident_url.as_deref(), incident),
        },
        is_live: incident.is_live(),
    }
}

fn labels(incident: &Incident, style: &AlertStyle) -> BTreeMap<String, String> {
    let first = incident.parts.first();
    let kind = incident.signs.first().map(|sign| &*sign.kind);
    let all = [
        ("alertname", Some(style.alertname.as_str())),
        (SEVERITY, Some(incident.severity.name())),
        ("class", Some(incident.class.name())),
        ("kind", kind),
        ("service", first.map(|part| &*part.stream.name)),
        ("namespace", first.map(|part| &*part.stream.namespace)),
        ("environment", first.map(|part| &*part.stream.environment)),
        ("team", incident.route.team.as_deref()),
        ("incident_fingerprint", Some(&*incident.fingerprint)),
    ];
    let given = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    // An empty label is none.
    given
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), shortened(&inert(value), LABEL_CHARS_MAX)))
        .collect()
}

fn annotations(incident: &Incident) -> BTreeMap<String, String> {
    let score = incident
        .signs
        .iter()
        .map(|sign| sign.score)
        .fold(0.0, f64::max);
    let all = [
        ("summary", inert(&incident.title)),
        ("description", details(incident)),
        ("probable_cause", cause_sentence(&incident.cause)),
        ("changes", changes_sentence(&incident.cause)),
        ("incident_id", incident.id.to_string()),
        ("score", format!("{score:.3}")),
        ("signs", incident.sign_count.to_string()),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), shortened(&value, ANNOTATION_CHARS_MAX)))
        .collect()
}
