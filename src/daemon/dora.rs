//! How long incidents took, and which changes broke something (DORA, and the times beside it).

use std::time::Duration;

use super::showing::{incident, pages};
use crate::core::event::Incident;
use crate::core::incident::{self, Times};
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
    let own = incidents
        .iter()
        .filter(|incident| from <= incident.began && incident.began < to);
    let times: Vec<Times> = own.map(Times::of).collect();
    Dora {
        window: to.since(from),
        incidents: figures.incidents,
        time_to_detect: quantiles(times.iter().map(|times| times.detect)),
        time_to_acknowledge: quantiles(times.iter().filter_map(|times| times.acknowledge)),
        time_to_restore: quantiles(times.iter().filter_map(|times| times.restore)),
        failed_deployment_recovery: figures.recovery.map(|p50| Quantiles { p50, p90: p50 }),
        change_failure_rate: figures.change_failure_rate(),
        deployments: figures.deployments,
    }
}

/// `None` of nothing.
fn quantiles(times: impl Iterator<Item = Duration>) -> Option<Quantiles> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let at =
        |tenths: usize| times.get((times.len() * tenths / 10).min(times.len().saturating_sub(1)));
    Some(Quantiles {
        p50: *at(5)?,
        p90: *at(9)?,
    })
}

fn change(document: &Document) -> Option<Change> {
    serde_json::from_slice(&document.body).ok()
}
