//! Sentences about incidents for people. What a log contributed to them is inert, and on one line.

use std::time::Duration;

use super::inert;
use crate::core::event::{Before, Cause, Incident, Suspect, Verdict};
use crate::core::record::{Change, ChangeKind, Timestamp};

/// Most services that a text names.
const SERVICES_MAX: usize = 8;

/// What an incident is about, a line for each fact.
pub(super) fn details(incident: &Incident) -> String {
    let lines = [
        services_sentence(incident),
        first_sign(incident).unwrap_or_default(),
        cause_sentence(&incident.cause),
        changes_sentence(&incident.cause),
        incident
            .before
            .as_ref()
            .map(before_sentence)
            .unwrap_or_default(),
    ];
    let lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// What it is about: the title, behind the name of the first service where it does not say that.
pub(super) fn subject(incident: &Incident) -> String {
    match incident.parts.first() {
        Some(part) if !incident.title.contains(&*part.stream.name) => {
            inert(&format!("{}: {}", part.stream, incident.title))
        }
        _ => inert(&incident.title),
    }
}

/// Where it is, the first service first.
pub(super) fn services_sentence(incident: &Incident) -> String {
    let parts = incident.parts.iter();
    let names: Vec<String> = parts
        .take(SERVICES_MAX)
        .map(|it| it.stream.to_string())
        .collect();
    let more = incident.parts.len().saturating_sub(SERVICES_MAX);
    let since = moment(incident.began);
    match (names.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => inert(&format!("Since {since} in {}.", names.join(", "))),
        (false, more) => inert(&format!(
            "Since {since} in {} and {more} more.",
            names.join(", ")
        )),
    }
}

/// What was seen first.
pub(super) fn first_sign(incident: &Incident) -> Option<String> {
    let sign = incident.signs.first()?;
    Some(inert(&format!(
        "First sign in {}: {}",
        sign.stream, sign.says
    )))
}

/// What probably caused it.
pub(super) fn cause_sentence(cause: &Cause) -> String {
    let Some(suspect) = cause.suspects.first() else {
        return "Not enough evidence for a cause.".to_owned();
    };
    let share = suspect.share * 100.0;
    let name = named(suspect);
    let text = match cause.verdict {
        Verdict::NotEnoughEvidence => format!("Not enough evidence for a cause; closest is {name}"),
        Verdict::Possible => format!("Possibly {name} ({share:.0} %)"),
        Verdict::Likely => format!("Probably {name} ({share:.0} %)"),
    };
    match suspect.evidence.first() {
        Some(evidence) => inert(&format!("{text}: {}", evidence.says)),
        None => inert(&format!("{text}.")),
    }
}

fn named(suspect: &Suspect) -> String {
    let mut name = suspect.stream.to_string();
    if let Some(pod) = &suspect.pod {
        name = format!("{name}, pod {pod}");
    }
    if let Some(component) = &suspect.component {
        name = format!("{name}, {component}");
    }
    name
}

/// The nearest change before it.
pub(super) fn changes_sentence(cause: &Cause) -> String {
    let Some(near) = cause.changes.first() else {
        return String::new();
    };
    let (before, stream) = (span(near.before), &near.change.stream);
    inert(&format!(
        "Changed {before} before: {stream} {}",
        what_changed(&near.change)
    ))
}

/// What was done to a service.
pub(super) fn change_sentence(change: &Change) -> String {
    let (stream, what) = (&change.stream, what_changed(change));
    inert(&match change.kind {
        ChangeKind::Version => format!("{stream} has another version: {what}"),
        ChangeKind::Rollout => format!("{stream} was rolled out: {what}"),
        ChangeKind::Posted => format!("{stream} was changed: {what}"),
    })
}

fn what_changed(change: &Change) -> String {
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (None, Some(to)) => to.to_string(),
        (Some(from), None) => format!("away from {from}"),
        (None, None) => change.kind.name().to_owned(),
    }
}

/// What is known of earlier ones.
pub(super) fn before_sentence(before: &Before) -> String {
    if before.times == 0 {
        return String::new();
    }
    let times = match before.times {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let helped = before.done.iter().find(|done| done.helped > 0);
    match helped {
        Some(done) => inert(&format!(
            "Was there {times} before; {} helped {} of {} times.",
            done.action, done.helped, done.times
        )),
        None => format!("Was there {times} before."),
    }
}

/// A time to the second, as people write it.
pub(super) fn moment(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos()));
    // A u64 of nanoseconds ends in the year 2554, well within what jiff can write.
    time.map_or_else(
        |_| String::new(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A duration in the largest unit of which there are at least two.
fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::notify::sample;

    #[test]
    fn a_service_is_named_once() {
        let mut incident = sample::incident();
        assert_eq!(subject(&incident), &*incident.title);
        incident.title = "payment retry 3 came".into();
        assert_eq!(subject(&incident), "prod/shop/cart: payment retry 3 came");
        incident.parts.clear();
        assert_eq!(subject(&incident), "payment retry 3 came");
    }

    #[test]
    fn times_and_durations_are_as_people_say_them() {
        let moment = moment(Timestamp::from_millis(1_763_700_000_042));
        assert_eq!(moment, "2025-11-21 04:40:00 UTC");
        let span = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([span(90), span(150), span(7_300)], ["90 s", "2 min", "2 h"]);
        assert_eq!(span(3 * 86_400), "3 days");
    }

    #[test]
    fn without_evidence_no_cause_is_named() {
        let mut incident = sample::incident();
        incident.cause = Cause::default();
        assert_eq!(
            cause_sentence(&incident.cause),
            "Not enough evidence for a cause."
        );
        assert_eq!(changes_sentence(&incident.cause), "");
    }
}
