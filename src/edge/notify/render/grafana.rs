//! Annotations of Grafana. Grafana shows their text as HTML, so it is escaped.

use serde::{Deserialize, Serialize};

use super::text::cause_sentence;
use super::{inert, looked_up_at, shortened};
use crate::core::event::{Event, Incident, IncidentEvent, Stage};
use crate::core::record::{Timestamp, inert_json};

/// Longest text that is not ours, in characters.
const TEXT_CHARS_MAX: usize = 1000;
/// Longest tag, in characters: Grafana keeps a hundred.
const TAG_CHARS_MAX: usize = 100;

/// What a message for Grafana holds: an annotation, and how it is found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnnotationNote {
    /// The tag that no other annotation has.
    pub(crate) found_by: String,
    pub(crate) annotation: Annotation,
}

/// An annotation as the API takes it; times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Annotation {
    pub(crate) time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) time_end: Option<u64>,
    pub(crate) text: String,
    pub(crate) tags: Vec<String>,
}

/// The body of the message for `event`; `None` for what changes no annotation.
pub(crate) fn body(event: &Event, incident_url: Option<&str>) -> Option<Vec<u8>> {
    match event {
        Event::Incident(event) if event.stage == Stage::Acknowledged => None,
        Event::Incident(event) => Some(inert_json(&note(event, incident_url))),
        Event::Anomaly(_) | Event::Action(_) | Event::Digest(_) | Event::Change(_) => None,
    }
}

fn note(event: &IncidentEvent, incident_url: Option<&str>) -> AnnotationNote {
    let incident = &event.incident;
    let found_by = format!("incident:{}", incident.id);
    let began = incident.began;
    let ended = incident.ended.as_ref().map_or(event.at, |mark| mark.at);
    // One that goes on has no length yet, also where it had one and came back.
    let time_end = match (incident.is_live(), event.stage) {
        (true, Stage::Opened) => None,
        (true, _) => Some(began),
        (false, _) => Some(ended.max(began)),
    };
    AnnotationNote {
        annotation: Annotation {
            time: millis(began),
            time_end: time_end.map(millis),
            text: text(incident, incident_url),
            tags: tags(incident, &found_by),
        },
        found_by,
    }
}

fn tags(incident: &Incident, found_by: &str) -> Vec<String> {
    let first = incident.parts.first();
    let service = first.map(|part| format!("service:{}", part.stream.name));
    let kind = incident
        .signs
        .first()
        .map(|sign| format!("kind:{}", sign.kind));
    let own = [
        Some("knothole".to_owned()),
        Some(found_by.to_owned()),
        Some(format!("class:{}", incident.class.name())),
    ];
    let all = own.into_iter().chain([service, kind]).flatten();
    all.map(|tag| shortened(&inert(&tag), TAG_CHARS_MAX))
        .collect()
}

fn text(incident: &Incident, incident_url: Option<&str>) -> String {
    let said = |text: &str| escaped(&shortened(text, TEXT_CHARS_MAX));
    let mut lines = vec![
        said(&inert(&incident.title)),
        said(&cause_sentence(&incident.cause)),
    ];
    if let Some(url) = looked_up_at(incident_url, incident) {
        let url = escaped(&url);
        lines.push(format!("<a href=\"{url}\">{url}</a>"));
    }
    lines.join("\n")
}

/// `text` as text in HTML, also between quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn millis(time: Timestamp) -> u64 {
    time.as_nanos() / 1_000_000
}
