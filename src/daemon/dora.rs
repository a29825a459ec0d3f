//! How long incidents took, and which changes broke something (DORA, and the times beside it).

use std::time::Duration;

use super::showing::{incident, pages};
use crate::core::event::Incident;
use crate::core::incident;
use crate::core::record::{Change, Timestamp};
use crate::edge::api::{Dora, Quantiles};
use crate::edge::store::{Control, Document, Kind};

/// The measures of the last `window` before `now`.
pub(super) fn dora(control: &Control, window: Duration, now: Timestamp) -> Dora {
    let documents = |kind| pages(control, kind).flatten();
    let incidents: Vec<Incident> = documents(Kind::Incident)
        .filter_map(|it| incident(&it))
        .map(measured_by)
        .collect();
    let changes: Vec<Change> = documents(Kind::Change)
        .filter_map(|it| change(&it))
        .collect();
    measured(&incidents, &changes, (now.minus(window), now))
}

/// What is measured of an incident: there may be many, and its signs are most of it.
fn measured_by(incident: Incident) -> Incident {
    Incident {
        signs: Vec::new(),
        parts: Vec::new(),
        ..incident
    }
}

fn measured(
    incidents: &[Incident],
    changes: &[Change],
    (from, to): (Timestamp, Timestamp),
) -> Dora {
    let figures = incident::Dora::of(incidents, changes, (from, to));
    let shown = |it: incident::Quantiles| Quantiles {
        p50: it.p50,
        p90: it.p90,
    };
    Dora {
        window: to.since(from),
        incidents: figures.incidents,
        time_to_detect: figures.detect.map(shown),
        time_to_acknowledge: figures.acknowledge.map(shown),
        time_to_restore: figures.restore.map(shown),
        failed_deployment_recovery: figures.recovery.map(shown),
        change_failure_rate: figures.change_failure_rate(),
        deployments: figures.deployments,
    }
}

fn change(document: &Document) -> Option<Change> {
    serde_json::from_slice(&document.body).ok()
}
