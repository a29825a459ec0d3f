//! One pure renderer per wire: an event and a time go in, bytes come out.

mod action;
pub(super) mod alertmanager;
pub(super) mod cloudevents;
pub(super) mod grafana;
mod incident;
pub(super) mod json;
mod kept;
pub(super) mod otlp;
pub(super) mod pagerduty;
pub(super) mod slack;
mod text;
pub(super) mod webhook;

use std::fmt::Write as _;

use crate::core::event::{ActionStage, Digest, Event, Gravity, Incident, IncidentEvent, Stage};
use crate::core::record::{Timestamp, inert};

pub use json::{action_json, event_json, incident_json, line as json_line};
pub use kept::anomaly_of_json;
pub use otlp::{INSTANCE_ATTRIBUTE, SCOPE_NAME};

/// Longest display sentence, in characters.
const SENTENCE_CHARS_MAX: usize = 1000;

/// The name of the event on every wire.
pub(crate) fn type_name(event: &Event) -> &'static str {
    match event {
        Event::Anomaly(_) => "knothole.anomaly.detected",
        Event::Action(event) => match event.stage {
            ActionStage::Proposed => "knothole.action.proposed",
            ActionStage::Approved => "knothole.action.approved",
            ActionStage::Denied => "knothole.action.denied",
            ActionStage::Executed => "knothole.action.executed",
            ActionStage::Verified => "knothole.action.verified",
            ActionStage::Failed => "knothole.action.failed",
        },
        Event::Incident(event) => match event.stage {
            Stage::Opened => "knothole.incident.opened",
            Stage::Updated => "knothole.incident.updated",
            Stage::Acknowledged => "knothole.incident.acknowledged",
            Stage::Resolved => "knothole.incident.resolved",
            Stage::Accepted => "knothole.incident.accepted",
        },
        Event::Digest(_) => "knothole.digest.sent",
        Event::Change(_) => "knothole.change.seen",
    }
}

/// The lowest OTLP severity number of what `gravity` is called there.
pub(super) const fn severity_number(gravity: Gravity) -> i32 {
    match gravity {
        Gravity::Info => 9,
        Gravity::Warning => 13,
        Gravity::Error => 17,
        Gravity::Critical => 21,
    }
}

/// One line for people to read. What a log contributed to it is inert.
pub(super) fn sentence(event: &Event) -> String {
    let text = match event {
        Event::Anomaly(anomaly) => {
            let times = match anomaly.count {
                0 | 1 => String::new(),
                count => format!(" ({count} times)"),
            };
            let (stream, reason) = (&anomaly.stream, &anomaly.explanation.reason);
            format!("{stream}: {reason}{times}")
        }
        Event::Action(event) => action::sentence(event),
        Event::Incident(event) => incident_sentence(event),
        Event::Digest(digest) => digest_sentence(digest),
        Event::Change(change) => text::change_sentence(change),
    };
    inert(&shortened(&text, SENTENCE_CHARS_MAX))
}

/// Where people look `incident` up.
fn looked_up_at(incident_url: Option<&str>, incident: &Incident) -> Option<String> {
    Some(format!("{}{}", incident_url?, incident.id))
}

fn incident_sentence(event: &IncidentEvent) -> String {
    let incident = &event.incident;
    let (stage, gravity) = (event.stage.name(), incident.severity.name());
    format!("{gravity} incident {stage}: {}", text::subject(incident))
}

fn digest_sentence(digest: &Digest) -> String {
    let incidents = match digest.incident_count {
        1 => "1 incident".to_owned(),
        count => format!("{count} incidents"),
    };
    let (pages, most) = digest.pages;
    let until = text::moment(digest.to);
    let whose = match &digest.team {
        Some(team) => format!(" of {team}"),
        None => String::new(),
    };
    format!("until {until}: {incidents}{whose} woke nobody; {pages} of {most} pages used")
}

/// At most `chars_max` characters of `text`; `…` stands for the rest.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => {
            let kept = text.chars().take(chars_max.saturating_sub(1));
            kept.chain(std::iter::once('…')).collect()
        }
    }
}

/// RFC 3339 in UTC with nanoseconds.
pub fn rfc3339(time: Timestamp) -> String {
    let mut text = String::new();
    // A u64 of nanoseconds ends in the year 2554, well within what jiff can write.
    if let Ok(time) = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())) {
        let _ = write!(text, "{time:.9}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::is_deceptive;
    use crate::edge::notify::sample;

    #[test]
    fn a_sentence_is_one_line_without_terminal_codes_or_turned_text() {
        let said = sentence(&sample::hostile());
        assert!(said.chars().all(|c| !is_deceptive(c)), "{said:?}");
        assert!(said.chars().count() <= SENTENCE_CHARS_MAX * 10);
        assert!(
            said.starts_with(r"sh\u{202e}op: expected \u{1b}[31mred\n<!channel>"),
            "{said}"
        );
    }

    #[test]
    fn sentences_name_what_to_do_and_how_often_it_happened() {
        let mut anomaly = sample::anomaly();
        anomaly.count = 7;
        insta::assert_snapshot!(
            sentence(&Event::Anomaly(anomaly.into())),
            @"prod/shop/cart: expected \"cart lock released\" (93 %), came \"payment retry 3\" (3 in 100,000) (7 times)"
        );
        insta::assert_snapshot!(
            sentence(&sample::proposed()),
            @"proposed until 2025-11-21T04:55:01.000000000Z: restart Pod cart-7d9f-x2l in namespace shop, because cart left the order its records normally come in (score 0.970), which rule cart answers with this action"
        );
    }

    #[test]
    fn times_have_nanoseconds_and_a_zone() {
        let time = Timestamp::from_nanos(1_763_700_000_000_000_042);
        assert_eq!(rfc3339(time), "2025-11-21T04:40:00.000000042Z");
        assert_eq!(rfc3339(Timestamp::from_nanos(u64::MAX)).len(), 30);
    }

    #[test]
    fn shortening_counts_characters_and_shows_itself() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
    }
}
