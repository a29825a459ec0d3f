//! How long incidents took, and which changes broke something (DORA, and the mean times beside it).

use std::time::Duration;

use super::showing::{incident, said};
use crate::core::event::Incident;
use crate::core::record::{Change, Timestamp};
use crate::edge::api::Dora;
use crate::edge::store::{Control, Document, Kind};

/// Most documents of a kind that are looked at.
const LOOKED_AT_MAX: usize = 10_000;

/// The measures of the last `window` before `now`.
pub(super) fn dora(control: &Control, window: Duration, now: Timestamp) -> Dora {
    let since = now.minus(window);
    let read = |kind| said(control.newest(kind, None, LOOKED_AT_MAX)).into_iter();
    let documents = |kind| read(kind).map(|it| it.document);
    let incidents = documents(Kind::Incident).filter_map(|it| incident(&it));
    let incidents: Vec<Incident> = incidents.filter(|it| it.began >= since).collect();
    let changes = documents(Kind::Change).filter_map(|it| change(&it));
    let changes: Vec<Change> = changes.filter(|it| it.at >= since).collect();
    measured(&incidents, &changes, window)
}

fn measured(incidents: &[Incident], changes: &[Change], window: Duration) -> Dora {
    Dora {
        window,
        incidents: incidents.len() as u64,
        deployments: changes.len() as u64,
        ..Dora::default()
    }
}

fn change(document: &Document) -> Option<Change> {
    serde_json::from_slice(&document.body).ok()
}
