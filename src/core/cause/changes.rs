//! What was changed shortly before.

use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{Cause, Evidence, Incident, NearChange, Source};
use crate::core::record::{Change, StreamKey, Timestamp};

/// Changes that took effect so long before an incident are near it.
pub const NEAR: Duration = Duration::from_secs(3_600);
/// A change may be told of a little later than what it did.
const AFTER_MAX: Duration = Duration::from_secs(60);
/// What a change right before the incident adds to what else is said of its service, in nats.
const CHANGE_NATS: f64 = 6.0;

/// The changes near the beginning of `incident`, nearest first.
pub(super) fn near(incident: &Incident, changes: &[Arc<Change>]) -> Vec<NearChange> {
    let latest = incident.began.plus(AFTER_MAX);
    let mut near: Vec<NearChange> = changes
        .iter()
        .filter(|change| change.at <= latest && incident.began.since(change.at) <= NEAR)
        .map(|change| NearChange {
            change: Arc::clone(change),
            before: incident.began.since(change.at),
        })
        .collect();
    near.sort_by(|a, b| (a.before, &a.change.id).cmp(&(b.before, &b.change.id)));
    near.dedup_by(|a, b| a.change.id == b.change.id);
    near.truncate(Cause::CHANGES_MAX);
    near
}

/// What the changes of `stream` say against it: the nearest counts.
pub(super) fn evidence(near: &[NearChange], stream: &StreamKey) -> Option<Evidence> {
    let nearest = near.iter().find(|near| near.change.stream == *stream)?;
    let left = 1.0 - nearest.before.as_secs_f64() / NEAR.as_secs_f64();
    Some(Evidence {
        source: Source::Alert,
        says: says(nearest).into(),
        weight: CHANGE_NATS * left,
        at: nearest.change.at,
    })
}

fn says(near: &NearChange) -> String {
    let change = &near.change;
    let what = match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("changed from {from} to {to}"),
        (None, Some(to)) => format!("changed to {to}"),
        (Some(from), None) => format!("changed from {from}"),
        (None, None) => "changed".to_owned(),
    };
    let minutes = near.before.as_secs() / 60;
    let when = match minutes {
        0 => "right before".to_owned(),
        1 => "a minute before".to_owned(),
        _ => format!("{minutes} minutes before"),
    };
    format!(
        "{} was {what} {when} ({})",
        change.stream,
        change.kind.name()
    )
}

/// Where the time of a finding counts: before this it belongs to something else.
pub(super) fn earliest(incident: &Incident) -> Timestamp {
    const LEAD: Duration = Duration::from_secs(300);
    incident.began.minus(LEAD)
}
