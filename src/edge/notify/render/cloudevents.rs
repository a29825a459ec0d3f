//! CloudEvents 1.0 in the structured form.

use serde::Serialize;

use super::json::{Data, Room, fitted};
use super::{inert, rfc3339, severity_number, shortened};
use crate::core::event::{ActionStage, Event, Gravity, Stage};
use crate::core::record::{Timestamp, inert_json};

/// What every intermediary has to let through.
pub(crate) const EVENT_BYTES_MAX: usize = 64 * 1024;
/// Longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 200;

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
    datacontenttype: &'static str,
    /// The incident that the event is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    /// The event that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<&'a str>,
    /// Not to be acted upon after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    expirytime: Option<String>,
    severitynumber: i32,
    data: Data,
}

/// The body for `event` from `source`; shorter than 64 KiB.
pub(crate) fn body(event: &Event, source: &str) -> Vec<u8> {
    fitted(EVENT_BYTES_MAX, |room| {
        inert_json(&envelope(event, source, room))
    })
}

fn envelope<'a>(event: &'a Event, source: &'a str, room: &Room) -> Envelope<'a> {
    let about = About::of(event);
    let subject = about.subject;
    Envelope {
        specversion: "1.0",
        id: event.id(),
        source,
        r#type: type_name(event),
        subject: subject
            .map(|subject| shortened(&inert(&subject), SUBJECT_CHARS_MAX))
            .filter(|subject| !subject.is_empty()),
        time: rfc3339(about.time),
        datacontenttype: "application/json",
        correlationid: about.incident,
        causationid: about.cause,
        expirytime: about.expires_at.map(rfc3339),
        severitynumber: about.severity_number,
        data: Data::of(event, room),
    }
}

struct About<'a> {
    subject: Option<String>,
    time: Timestamp,
    incident: Option<&'a str>,
    cause: Option<&'a str>,
    expires_at: Option<Timestamp>,
    severity_number: i32,
}

impl<'a> About<'a> {
    fn of(event: &'a Event) -> Self {
        let nothing = Self {
            subject: None,
            time: Timestamp::ZERO,
            incident: None,
            cause: None,
            expires_at: None,
            severity_number: severity_number(Gravity::Info),
        };
        match event {
            Event::Anomaly(anomaly) => Self {
                subject: Some(anomaly.stream.to_string()),
                time: anomaly.first_seen,
                severity_number: anomaly.severity.number(),
                ..nothing
            },
            Event::Action(event) => Self {
                subject: Some(event.action.stream.to_string()),
                time: event.at,
                incident: event.action.incident.as_deref(),
                cause: event.action.anomaly.as_ref().map(|it| &*it.id),
                expires_at: event.good_until(),
                severity_number: severity_number(Gravity::Warning),
            },
            Event::Incident(event) => Self {
                subject: event
                    .incident
                    .parts
                    .first()
                    .map(|part| part.stream.to_string()),
                time: event.at,
                incident: Some(&event.incident.id),
                severity_number: severity_number(event.incident.severity),
                ..nothing
            },
            Event::Digest(digest) => Self {
                subject: digest.team.as_ref().map(ToString::to_string),
                time: digest.to,
                ..nothing
            },
            Event::Change(change) => Self {
                subject: Some(change.stream.to_string()),
                time: change.at,
                ..nothing
            },
        }
    }
}

fn type_name(event: &Event) -> &'static str {
    match event {
        Event::Anomaly(_) => "dev.knothole.anomaly.detected.v1",
        Event::Action(event) => match event.stage {
            ActionStage::Proposed => "dev.knothole.action.proposed.v1",
            ActionStage::Approved => "dev.knothole.action.approved.v1",
            ActionStage::Denied => "dev.knothole.action.denied.v1",
            ActionStage::Executed => "dev.knothole.action.executed.v1",
            ActionStage::Verified => "dev.knothole.action.verified.v1",
            ActionStage::Failed => "dev.knothole.action.failed.v1",
        },
        Event::Incident(event) => match event.stage {
            Stage::Opened => "dev.knothole.incident.opened.v1",
            Stage::Updated => "dev.knothole.incident.updated.v1",
            Stage::Acknowledged => "dev.knothole.incident.acknowledged.v1",
            Stage::Resolved => "dev.knothole.incident.resolved.v1",
            Stage::Accepted => "dev.knothole.incident.accepted.v1",
        },
        Event::Digest(_) => "dev.knothole.digest.sent.v1",
        Event::Change(_) => "dev.knothole.change.seen.v1",
    }
}
