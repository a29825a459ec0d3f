//! Events of PagerDuty (Events API v2), without the routing key, which is a secret.

use reqwest::Url;
use serde::Serialize;

use super::text::{
    cause_sentence, change_sentence, changes_sentence, first_sign, services_sentence, subject,
};
use super::{inert, looked_up_at, shortened};
use crate::core::event::{Event, Incident, IncidentEvent, Stage};
use crate::core::record::{Change, Timestamp, inert_json, is_deceptive};

/// Longest summary, in characters.
pub(crate) const SUMMARY_CHARS_MAX: usize = 1024;
/// Longest of all other texts, in characters. PagerDuty takes 512 kB in all.
const TEXT_CHARS_MAX: usize = 2000;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;

#[derive(Serialize)]
struct EventObject<'a> {
    event_action: &'static str,
    dedup_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_url: Option<String>,
}

#[derive(Serialize)]
struct Payload<'a> {
    summary: String,
    source: String,
    severity: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    class: &'a str,
    custom_details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    incident: &'a str,
    fingerprint: &'a str,
    services: String,
    first_sign: String,
    probable_cause: String,
    changes: String,
    signs: u64,
}

/// A change event, which wakes nobody: PagerDuty shows it beside the incidents of its service. It has
/// no action, by which it is told apart.
#[derive(Serialize)]
struct ChangeEventObject<'a> {
    payload: ChangePayload,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link<'a>>,
}

#[derive(Serialize)]
struct ChangePayload {
    summary: String,
    timestamp: String,
    source: String,
    custom_details: ChangeDetails,
}

#[derive(Serialize)]
struct ChangeDetails {
    change: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

#[derive(Serialize)]
struct Link<'a> {
    href: &'a str,
    text: &'static str,
}

/// The body of the message for `event`; `None` for what is no event there.
pub(crate) fn body(event: &Event, incident_url: Option<&str>) -> Option<Vec<u8>> {
    match event {
        Event::Incident(event) => Some(inert_json(&object(event, incident_url))),
        Event::Change(change) => Some(inert_json(&change_object(change))),
        Event::Anomaly(_) | Event::Action(_) | Event::Digest(_) => None,
    }
}

fn object<'a>(event: &'a IncidentEvent, incident_url: Option<&str>) -> EventObject<'a> {
    let incident = &event.incident;
    let event_action = match event.stage {
        Stage::Opened | Stage::Updated => "trigger",
        Stage::Acknowledged => "acknowledge",
        Stage::Resolved | Stage::Accepted => "resolve",
    };
    let is_trigger = event_action == "trigger";
    EventObject {
        event_action,
        dedup_key: format!("knothole:{}", incident.id),
        payload: is_trigger.then(|| payload(incident)),
        client: is_trigger.then_some("knothole"),
        client_url: looked_up_at(incident_url, incident).filter(|_| is_trigger),
    }
}

fn change_object(change: &Change) -> ChangeEventObject<'_> {
    let source = inert(&change.stream.to_string());
    let link = change.url.as_deref().filter(|url| is_web_address(url));
    let link = link.map(|href| Link {
        href,
        text: "What was changed",
    });
    ChangeEventObject {
        payload: ChangePayload {
            summary: shortened(&change_sentence(change), SUMMARY_CHARS_MAX),
            timestamp: timestamp(change.at),
            source: shortened(&source, NAME_CHARS_MAX),
            custom_details: ChangeDetails {
                change: shortened(&inert(&change.id), NAME_CHARS_MAX),
                kind: change.kind.name(),
                reference: change
                    .reference
                    .as_deref()
                    .map(|it| shortened(&inert(it), TEXT_CHARS_MAX)),
            },
        },
        links: link.into_iter().collect(),
    }
}

/// Whether a reader who follows it gets to a page and to nothing else.
fn is_web_address(url: &str) -> bool {
    let parsed = url.parse::<Url>();
    url.len() <= TEXT_CHARS_MAX
        && !url.contains(is_deceptive)
        && parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn payload(incident: &Incident) -> Payload<'_> {
    let first = incident.parts.first();
    let name =
        |text: &str| Some(shortened(&inert(text), NAME_CHARS_MAX)).filter(|it| !it.is_empty());
    let text = |text: String| shortened(&text, TEXT_CHARS_MAX);
    Payload {
        summary: shortened(&subject(incident), SUMMARY_CHARS_MAX),
        source: first
            .and_then(|part| name(&part.stream.to_string()))
            .unwrap_or_else(|| "knothole".to_owned()),
        severity: incident.severity.name(),
        timestamp: timestamp(incident.began),
        component: first.and_then(|part| name(&part.stream.name)),
        group: first.and_then(|part| name(&part.stream.namespace)),
        class: incident.class.name(),
        custom_details: Details {
            incident: &incident.id,
            fingerprint: &incident.fingerprint,
            services: text(services_sentence(incident)),
            first_sign: text(first_sign(incident).unwrap_or_default()),
            probable_cause: text(cause_sentence(&incident.cause)),
            changes: text(changes_sentence(&incident.cause)),
            signs: incident.sign_count,
        },
    }
}

/// Milliseconds and a zone as digits, as in PagerDuty's own examples.
fn timestamp(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos()));
    // A u64 of nanoseconds ends in the year 2554, well within what jiff can write.
    time.map_or_else(
        |_| String::new(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
    )
}
