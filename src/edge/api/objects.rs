//! The JSON objects that are the api's own.

use std::time::Duration;

use serde_json::{Value, json};

use super::time::rfc3339;
use super::{AuditEntry, Dora, Quantiles};
use crate::core::event::{Action, Incident};

/// An incident in a list: enough to choose by. The whole of it is at `/v1/incidents/{id}`.
pub(super) fn summary(incident: &Incident) -> Value {
    let services = incident.parts.iter().map(|part| part.stream.to_string());
    let suspect = incident.cause.suspects.first();
    let ended = incident.ended.as_ref();
    json!({
        "id": incident.id,
        "fingerprint": incident.fingerprint,
        "revision": incident.revision,
        "state": incident.state.name(),
        "severity": incident.severity.name(),
        "class": incident.class.name(),
        "title": incident.title,
        "began": rfc3339(incident.began),
        "detected": rfc3339(incident.detected),
        "last_seen": rfc3339(incident.last_seen),
        "ended": ended.map(|mark| rfc3339(mark.at)),
        "acknowledged_by": incident.acknowledged.as_ref().map(|mark| &mark.by),
        "services": services.collect::<Vec<String>>(),
        "signs": incident.sign_count,
        "verdict": incident.cause.verdict.name(),
        "suspect": suspect.map(|suspect| suspect.stream.to_string()),
        "team": incident.route.team,
        "pages": incident.route.pages,
        "muted_by": incident.route.muted_by,
    })
}

/// An action in a list: enough to choose by. The whole of it is at `/v1/actions/{id}`.
pub(super) fn action(action: &Action) -> Value {
    let last = action.steps.last();
    let plan = action.plan.as_ref().map(|plan| &plan.hash);
    json!({
        "id": action.id,
        "action": action.remedy.kind().name(),
        "target": action.target.to_string(),
        "mode": action.mode.name(),
        "state": action.state.name(),
        "rule": action.rule,
        "service": action.stream.to_string(),
        "incident": action.incident,
        "fingerprint": action.fingerprint,
        "asked_at": rfc3339(action.asked_at),
        "expires_at": rfc3339(action.expires_at),
        "acted_at": action.acted_at.map(rfc3339),
        "changed_at": rfc3339(last.map_or(action.asked_at, |step| step.at)),
        "by": last.map(|step| &step.by),
        "why": last.map(|step| &step.why),
        "plan": plan.filter(|hash| !hash.is_empty()),
    })
}

/// An entry of the audit.
pub fn audited(entry: &AuditEntry) -> Value {
    json!({
        "number": entry.number,
        "at": rfc3339(entry.at),
        "by": entry.by,
        "role": entry.role,
        "from": entry.from,
        "action": entry.action,
        "target": entry.target,
        "note": entry.note,
        "outcome": entry.outcome,
        "details": entry.details,
        "hash": entry.hash,
    })
}

/// How long things took.
pub(super) fn dora(dora: &Dora) -> Value {
    json!({
        "window_seconds": dora.window.as_secs(),
        "incidents": dora.incidents,
        "deployments": dora.deployments,
        "change_failure_rate": dora.change_failure_rate,
        "time_to_detect_seconds": quantiles(dora.time_to_detect),
        "time_to_acknowledge_seconds": quantiles(dora.time_to_acknowledge),
        "time_to_restore_seconds": quantiles(dora.time_to_restore),
        "failed_deployment_recovery_seconds": quantiles(dora.failed_deployment_recovery),
    })
}

fn quantiles(quantiles: Option<Quantiles>) -> Value {
    // Milliseconds tell all there is to tell, and read better than the floats of nanoseconds.
    let seconds = |duration: Duration| duration.as_millis() as f64 / 1_000.0;
    quantiles.map_or(
        Value::Null,
        |quantiles| json!({ "p50": seconds(quantiles.p50), "p90": seconds(quantiles.p90) }),
    )
}
