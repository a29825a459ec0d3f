//! What was changed shortly before.

use std::sync::Arc;
use std::time::Duration;

use super::reach::Reach;
use crate::core::event::{Evidence, Incident, NearChange, Source};
use crate::core::record::{Change, ChangeKind, StreamKey, Timestamp};

/// Changes that took effect so long before an incident are near it.
pub const NEAR: Duration = Duration::from_secs(3_600);
/// A change may be told of a little later than what it did.
const AFTER_MAX: Duration = Duration::from_secs(60);
/// What a change right before the incident adds to what else is said of its service, in nats.
const CHANGE_NATS: f64 = 6.0;

/// The changes near the beginning of `incident` that may have to do with it: those of the `named`
/// services first, then the nearest. What somebody told of may concern all.
pub(super) fn near(
    incident: &Incident,
    changes: &[Arc<Change>],
    reach: &Reach<'_>,
    is_named: impl Fn(&StreamKey) -> bool,
) -> Vec<NearChange> {
    let latest = incident.began.plus(AFTER_MAX);
    let is_near = |change: &Change| change.at <= latest && incident.began.since(change.at) <= NEAR;
    let may_be = |change: &Change| change.kind == ChangeKind::Posted || reach.has(&change.stream);
    let mut near: Vec<NearChange> = changes
        .iter()
        .filter(|change| is_near(change) && may_be(change))
        .map(|change| NearChange {
            change: Arc::clone(change),
            before: incident.began.since(change.at),
        })
        .collect();
    near.sort_by(|a, b| (a.before, &a.change.id).cmp(&(b.before, &b.change.id)));
    near.dedup_by(|a, b| a.change.id == b.change.id);
    near.sort_by_key(|near| !is_named(&near.change.stream));
    near
}

/// What a change says against its service.
pub(super) fn evidence(near: &NearChange) -> Evidence {
    let left = 1.0 - near.before.as_secs_f64() / NEAR.as_secs_f64();
    Evidence {
        source: Source::Alert,
        says: says(near).into(),
        weight: CHANGE_NATS * left,
        at: near.change.at,
    }
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
