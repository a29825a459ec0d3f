//! Alerts of the Alertmanager (API v2).
//!
//! The labels are the identity of an alert. They are made of what an incident was opened with, which is
//! the same after a restart, and the sink keeps them from the first message on: see `standing`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{cause_sentence, changes_sentence, details};
use super::{inert, looked_up_at, rfc3339, shortened};
use crate::core::event::{Event, Incident};
use crate::core::incident::opening_sign;
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
        Event::Anomaly(_) | Event::Action(_) | Event::Digest(_) | Event::Change(_) => None,
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
    let opening = opening_sign(incident).or(incident.signs.first());
    let first = incident.parts.first().map(|part| &part.stream);
    let first = opening.map(|sign| &sign.stream).or(first);
    let kind = opening.map(|sign| &*sign.kind);
    let class = opening.map_or(incident.class, |sign| sign.class);
    let all = [
        ("alertname", Some(style.alertname.as_str())),
        (SEVERITY, Some(incident.severity.name())),
        ("class", Some(class.name())),
        ("kind", kind),
        ("service", first.map(|stream| &*stream.name)),
        ("namespace", first.map(|stream| &*stream.namespace)),
        ("environment", first.map(|stream| &*stream.environment)),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::core::event::{Class, Sign};
    use crate::core::incident::{Correlator, Settings};
    use crate::core::record::Severity;
    use crate::core::topology::Topology;
    use crate::edge::notify::sample;

    #[test]
    fn an_incident_that_turns_out_to_have_begun_elsewhere_has_the_labels_it_was_opened_with() {
        let mut correlator = Correlator::new(Settings::default());
        let topology = Topology::default();
        let first = sample::sign();
        let now = first.first_seen.plus(Duration::from_secs(20));
        let earlier = Sign {
            id: "earlier".into(),
            fingerprint: "another".into(),
            kind: "silence".into(),
            class: Class::Availability,
            severity: Severity::Fatal,
            stream: crate::core::record::StreamKey {
                name: "payments".into(),
                ..first.stream.clone()
            },
            first_seen: first.first_seen.minus(Duration::from_secs(15)),
            ..first.clone()
        };
        let mut told = Vec::new();
        for (sign, after) in [(first, 0), (earlier, 30)] {
            let now = now.plus(Duration::from_secs(after));
            correlator.sign(Arc::new(sign), &topology, now);
            correlator.advance(now.plus(Duration::from_secs(15)));
            told.extend(correlator.take(|_| {}, |_, _| {}));
        }
        let [opened, updated] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(&*updated.incident.parts[0].stream.name, "payments");
        assert_ne!(opened.incident.class, updated.incident.class);
        let style = AlertStyle {
            alertname: "KnotholeIncident".to_owned(),
            incident_url: None,
        };
        let [before, mut after] =
            [opened, updated].map(|event| note(&event.incident, &style, now).alert.labels);
        assert_ne!(before[SEVERITY], after[SEVERITY]);
        after.insert(SEVERITY.to_owned(), before[SEVERITY].clone());
        assert_eq!(before, after);
    }
}
