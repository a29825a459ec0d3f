//! Events as JSON: the objects of anomalies, and how all objects are written.
//!
//! Text that came out of logs stays what it was for a JSON parser, but in the bytes every character
//! that acts on a terminal or turns the direction of text is an escape.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::action::ActionObject;
use super::incident::{ChangeObject, DigestObject, EventObject, IncidentObject};
use super::{rfc3339, shortened, type_name};
use crate::core::event::{Action, Anomaly, Event, Explanation, Incident, Observed, TemplateRef};
use crate::core::record::{Severity, inert, inert_json};

/// One line (without its end): the object of the event with its `type`.
pub fn line(event: &Event) -> Vec<u8> {
    inert_json(&EventLine::of(event))
}

/// The same object as a value. What was logged is in it as it was: whoever writes it for people
/// has to make it inert.
pub fn event_json(event: &Event) -> serde_json::Value {
    // These types have no key that is not a string, so this cannot fail.
    serde_json::to_value(EventLine::of(event)).unwrap_or_default()
}

/// An incident with all that is known of it: times in RFC 3339, durations in seconds. What was
/// logged is in it as it was.
pub fn incident_json(incident: &Incident) -> serde_json::Value {
    serde_json::to_value(IncidentObject::of(incident, &Room::AMPLE)).unwrap_or_default()
}

/// An action with all that is known of it, and the bodies of its requests, which may hold secrets: not for sinks.
pub fn action_json(action: &Action) -> serde_json::Value {
    serde_json::to_value(ActionObject::whole(action)).unwrap_or_default()
}

#[derive(Serialize)]
struct EventLine {
    r#type: &'static str,
    #[serde(flatten)]
    data: Data,
}

impl EventLine {
    fn of(event: &Event) -> Self {
        Self {
            r#type: type_name(event),
            data: Data::of(event, &Room::AMPLE),
        }
    }
}

/// How much an object may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) context_lines: usize,
    pub(super) text_chars: usize,
    pub(super) attributes: usize,
    pub(super) opinions: usize,
    /// Of each kind in an incident: signs, services, suspects.
    pub(super) items: usize,
}

impl Room {
    /// As much as the core lets through.
    pub(super) const AMPLE: Self = Self {
        context_lines: usize::MAX,
        text_chars: usize::MAX,
        attributes: usize::MAX,
        opinions: usize::MAX,
        items: usize::MAX,
    };

    /// How a message that is too long is made shorter, gently first: the context goes before the
    /// texts are cut, and the resource's attributes go last. The last step fits into 20,000 bytes
    /// whatever the text.
    const STEPS: [Self; 5] = [
        Self::AMPLE,
        Self::of(usize::MAX, 1000, (128, 8, 16)),
        Self::of(2, 500, (64, 4, 8)),
        Self::of(0, 200, (32, 2, 4)),
        Self::of(0, 40, (12, 1, 1)),
    ];

    const fn of(
        context_lines: usize,
        text_chars: usize,
        (attributes, opinions, items): (usize, usize, usize),
    ) -> Self {
        Self {
            context_lines,
            text_chars,
            attributes,
            opinions,
            items,
        }
    }

    pub(super) fn cut(&self, text: &str) -> String {
        shortened(text, self.text_chars)
    }
}

/// What an event says, ready to be written.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data {
    Anomaly(Box<AnomalyObject>),
    Action(Box<ActionObject>),
    Incident(Box<EventObject>),
    Digest(Box<DigestObject>),
    Change(Box<ChangeObject>),
}

impl Data {
    pub(super) fn of(event: &Event, room: &Room) -> Self {
        match event {
            Event::Anomaly(anomaly) => Self::Anomaly(Box::new(AnomalyObject::of(anomaly, room))),
            Event::Action(event) => Self::Action(Box::new(ActionObject::of(&event.action, room))),
            Event::Incident(event) => Self::Incident(Box::new(EventObject::of(event, room))),
            Event::Digest(digest) => Self::Digest(Box::new(DigestObject::of(digest, room))),
            Event::Change(change) => Self::Change(Box::new(ChangeObject::of(change, room))),
        }
    }
}

/// An anomaly. A `null` template is the end of the sequence, and so is a `null` observation.
#[derive(Serialize)]
pub(super) struct AnomalyObject {
    #[serde(flatten)]
    facts: Facts,
    resource: BTreeMap<String, String>,
    sequence: String,
    trace_id: Option<String>,
    span_id: Option<String>,
    template: Option<Template>,
    /// What the sender of the record calls its template, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_template: Option<String>,
    explanation: ExplanationObject,
    /// Something was left out to keep the message small.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// What both objects tell about an anomaly: nothing that was written by whoever writes the logs,
/// but for the name of the service.
#[derive(Serialize)]
pub(super) struct Facts {
    id: String,
    fingerprint: String,
    kind: &'static str,
    severity: Severity,
    score: f64,
    p_value: f64,
    first_seen: String,
    last_seen: String,
    count: u64,
    service: String,
    detectors_agreeing: Vec<&'static str>,
    model: String,
}

#[derive(Serialize)]
struct Template {
    id: String,
    text: String,
}

#[derive(Serialize)]
struct ExplanationObject {
    reason: String,
    expected: Vec<Expectation>,
    observed: Option<String>,
    probability: f64,
    /// What each detector that agrees says.
    opinions: Vec<OpinionObject>,
    context: Vec<Line>,
}

#[derive(Serialize)]
struct OpinionObject {
    detector: &'static str,
    p_value: f64,
    says: String,
}

#[derive(Serialize)]
struct Expectation {
    template: Option<Template>,
    probability: f64,
}

#[derive(Serialize)]
struct Line {
    time: String,
    text: String,
}

impl AnomalyObject {
    fn of(anomaly: &Arc<Anomaly>, room: &Room) -> Self {
        let attributes = anomaly.resource.attributes().take(room.attributes);
        Self {
            facts: Facts::of(anomaly, room),
            resource: attributes
                .map(|(key, value)| (room.cut(key), room.cut(value)))
                .collect(),
            sequence: room.cut(&anomaly.sequence),
            trace_id: anomaly.trace_id.map(|id| id.to_string()),
            span_id: anomaly.span_id.map(|id| id.to_string()),
            template: anomaly.template.as_ref().map(|t| Template::of(t, room)),
            sent_template: anomaly.sent_template.as_ref().map(|name| room.cut(name)),
            explanation: ExplanationObject::of(&anomaly.explanation, room),
            truncated: *room != Room::AMPLE,
        }
    }
}

impl Facts {
    pub(super) fn of(anomaly: &Anomaly, room: &Room) -> Self {
        Self {
            id: anomaly.id.to_string(),
            fingerprint: anomaly.fingerprint.to_string(),
            kind: anomaly.kind.name(),
            severity: anomaly.severity,
            score: anomaly.score,
            p_value: anomaly.p_value,
            first_seen: rfc3339(anomaly.first_seen),
            last_seen: rfc3339(anomaly.last_seen),
            count: anomaly.count,
            service: room.cut(&anomaly.stream.to_string()),
            detectors_agreeing: anomaly.detectors.clone(),
            model: anomaly.model.to_string(),
        }
    }
}

impl Template {
    fn of(template: &TemplateRef, room: &Room) -> Self {
        Self {
            id: template.id.to_string(),
            text: room.cut(&template.text),
        }
    }
}

impl ExplanationObject {
    fn of(explanation: &Explanation, room: &Room) -> Self {
        let expected = explanation.expected.iter().take(Explanation::EXPECTED_MAX);
        // The lines next to the abnormal one, which is the last, say most.
        let lines = &explanation.context;
        let first = lines.len().saturating_sub(room.context_lines);
        Self {
            reason: inert(&room.cut(&explanation.reason)),
            expected: expected
                .map(|e| Expectation {
                    template: e.template.as_ref().map(|t| Template::of(t, room)),
                    probability: e.probability,
                })
                .collect(),
            observed: match &explanation.observed {
                Observed::Record(text) => Some(room.cut(text)),
                Observed::Measure(text) => Some(room.cut(text)),
                Observed::End => None,
            },
            probability: explanation.probability,
            opinions: explanation
                .opinions
                .iter()
                .take(room.opinions)
                .map(|opinion| OpinionObject {
                    detector: opinion.detector,
                    p_value: opinion.p_value,
                    says: inert(&room.cut(&opinion.says)),
                })
                .collect(),
            context: lines
                .iter()
                .skip(first)
                .map(|line| Line {
                    time: rfc3339(line.time),
                    text: room.cut(&line.text),
                })
                .collect(),
        }
    }
}

/// What `render` makes with as much room as leaves it shorter than `bytes_max`.
pub(super) fn fitted(bytes_max: usize, render: impl Fn(&Room) -> Vec<u8>) -> Vec<u8> {
    let mut body = Vec::new();
    for room in &Room::STEPS {
        body = render(room);
        if body.len() < bytes_max {
            break;
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::is_deceptive;
    use crate::edge::notify::sample;

    fn pretty(bytes: &[u8]) -> String {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    }

    #[test]
    fn an_anomaly_as_a_line() {
        let line = line(&Event::Anomaly(Arc::new(sample::anomaly())));
        assert!(!line.contains(&b'\n'));
        assert!(line.starts_with(br#"{"type":"knothole.anomaly.detected","id":"#));
        insta::assert_snapshot!("anomaly", pretty(&line));
    }

    #[test]
    fn an_action_as_a_line_quotes_no_log() {
        let line = line(&sample::proposed());
        insta::assert_snapshot!("action", pretty(&line));
        let text = String::from_utf8(line).unwrap();
        assert!(!text.contains("payment retry"));
    }

    #[test]
    fn bodies_of_requests_are_for_the_api_and_not_for_sinks() {
        let Event::Action(event) = sample::proposed() else {
            panic!("an action");
        };
        let body = |object: &serde_json::Value| object["plan"]["requests"][0]["body"].clone();
        assert!(
            body(&action_json(&event.action))
                .to_string()
                .contains("Eviction")
        );
        let told = body(&event_json(&Event::Action(event)));
        assert_eq!(told, "body of 44 bytes withheld");
    }

    #[test]
    fn hostile_text_is_one_inert_line_that_parses_back_to_itself() {
        let line = line(&sample::hostile());
        let text = std::str::from_utf8(&line).unwrap();
        assert!(text.chars().all(|c| !is_deceptive(c)));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["explanation"]["observed"], sample::HOSTILE_TEXT);
        assert_eq!(
            value["explanation"]["context"][0]["text"],
            sample::HOSTILE_TEXT
        );
        assert_eq!(value["sequence"], "\u{e0041}seq\u{9b}31m");
    }

    #[test]
    fn a_sequence_that_ended_too_soon_has_neither_template_nor_observation() {
        let mut anomaly = sample::anomaly();
        anomaly.template = None;
        anomaly.explanation.observed = Observed::End;
        let line = line(&Event::Anomaly(Arc::new(anomaly)));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert!(value["template"].is_null() && value["explanation"]["observed"].is_null());
    }
}
