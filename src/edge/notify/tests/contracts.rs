//! The sinks against strict players of what the other sides have documented: they refuse every
//! field they do not know, every text that is too long and every wrong content type.

mod alertmanager;
mod cloudevents;
mod grafana;
mod pagerduty;
mod slack;
mod webhook;

use std::sync::Arc;

use serde_json::Value;

use crate::core::event::{Event, Incident, IncidentState, Mark, Stage};
use crate::edge::notify::sample;

/// What is told of an incident from its beginning to its end.
fn life() -> [Event; 4] {
    let event = |stage, state, revision| {
        let mut incident = sample::incident();
        (incident.state, incident.revision) = (state, revision);
        let mark = Mark {
            at: incident
                .began
                .plus(std::time::Duration::from_secs(60 * revision)),
            by: "ada".into(),
            note: None,
        };
        match state {
            IncidentState::Acknowledged => incident.acknowledged = Some(mark),
            IncidentState::Resolved => incident.ended = Some(mark),
            IncidentState::Open | IncidentState::Accepted => {}
        }
        Event::Incident(Arc::new(sample::told(stage, incident)))
    };
    [
        event(Stage::Opened, IncidentState::Open, 1),
        event(Stage::Updated, IncidentState::Open, 2),
        event(Stage::Acknowledged, IncidentState::Acknowledged, 3),
        event(Stage::Resolved, IncidentState::Resolved, 4),
    ]
}

/// The first that is told of `incident`.
fn opened(incident: Incident) -> Event {
    Event::Incident(Arc::new(sample::told(Stage::Opened, incident)))
}

/// An incident that wakes nobody.
fn quiet() -> Incident {
    let mut incident = sample::incident();
    incident.route.pages = false;
    incident
}

/// An incident that is as long as can be in every place.
fn huge() -> Incident {
    // U+E0041 takes 12 bytes in JSON, more than any other character.
    let mut incident = sample::hostile_incident(&"\u{e0041}&<".repeat(1_000));
    incident.parts = vec![incident.parts[0].clone(); Incident::PARTS_MAX];
    incident.signs = vec![incident.signs[0].clone(); Incident::SIGNS_MAX];
    incident.cause.suspects = vec![incident.cause.suspects[0].clone(); 5];
    incident.cause.changes = vec![incident.cause.changes[0].clone(); 5];
    incident
}

/// What is wrong with the keys of `object`.
fn keys(object: &Value, required: &[&str], optional: &[&str]) -> Result<(), String> {
    let Value::Object(fields) = object else {
        return Err(format!("{object} is no object"));
    };
    let missing = required.iter().find(|name| !fields.contains_key(**name));
    let knows = |name: &str| required.contains(&name) || optional.contains(&name);
    let unknown = fields.keys().find(|name| !knows(name.as_str()));
    match (missing, unknown) {
        (Some(name), _) => Err(format!("{name} is missing")),
        (None, Some(name)) => Err(format!("{name} is not known")),
        (None, None) => Ok(()),
    }
}

/// The text in `value`, of one to `units_max` UTF-16 units.
fn text(value: &Value, units_max: usize) -> Result<&str, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("{value} is no text"))?;
    let units = text.encode_utf16().count();
    match (1..=units_max).contains(&units) {
        true => Ok(text),
        false => Err(format!("{units} units, of {units_max}")),
    }
}

fn ensure(is_good: bool, what: &str) -> Result<(), String> {
    is_good.then_some(()).ok_or_else(|| what.to_owned())
}
