//! Sentences about incidents for people. What a log contributed to them is inert, and on one line.

use super::{inert, rfc3339};
use crate::core::event::{Before, Cause, Incident, Suspect, Verdict};

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

/// Where it is, the first service first.
pub(super) fn services_sentence(incident: &Incident) -> String {
    let parts = incident.parts.iter();
    let names: Vec<String> = parts
        .take(SERVICES_MAX)
        .map(|it| it.stream.to_string())
        .collect();
    let more = incident.parts.len().saturating_sub(SERVICES_MAX);
    let since = rfc3339(incident.began);
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
    let change = &near.change;
    let what = match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (None, Some(to)) => to.to_string(),
        (Some(from), None) => format!("away from {from}"),
        (None, None) => change.kind.name().to_owned(),
    };
    let seconds = near.before.as_secs();
    inert(&format!(
        "Changed {seconds} s before: {} {what}",
        change.stream
    ))
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
