//! The JSON objects of incidents and digests, as the sinks send them and the API answers with them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::json::Room;
use super::rfc3339;
use crate::core::event::{
    Before, Cause, Digest, Evidence, Gravity, Incident, IncidentEvent, IncidentState, Lift, Mark,
    NearChange, Part, Route, Sign, Stack, Suspect,
};
use crate::core::record::Change;

/// What became of an incident.
#[derive(Serialize)]
pub(super) struct EventObject {
    id: String,
    stage: &'static str,
    at: String,
    incident: IncidentObject,
}

/// An incident.
#[derive(Serialize)]
pub(super) struct IncidentObject {
    #[serde(flatten)]
    facts: Facts,
    revision: u64,
    last_seen: String,
    acknowledged: Option<MarkObject>,
    sign_count: u64,
    parts: Vec<PartObject>,
    signs: Vec<SignObject>,
    cause: CauseObject,
    before: Option<BeforeObject>,
    /// Something was left out to keep the message small.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// What a digest tells of an incident, too.
#[derive(Serialize)]
struct Facts {
    id: String,
    fingerprint: String,
    state: IncidentState,
    severity: Gravity,
    class: &'static str,
    title: String,
    /// The service with the first sign.
    service: Option<String>,
    began: String,
    detected: String,
    ended: Option<MarkObject>,
    route: RouteObject,
}

#[derive(Serialize)]
struct MarkObject {
    at: String,
    by: String,
    note: Option<String>,
}

#[derive(Serialize)]
struct RouteObject {
    team: Option<String>,
    pages: bool,
    why: String,
    muted_by: Option<String>,
}

#[derive(Serialize)]
struct PartObject {
    service: String,
    relation: &'static str,
    first_seen: String,
    signs: u64,
}

#[derive(Serialize)]
struct SignObject {
    id: String,
    source: &'static str,
    kind: String,
    class: &'static str,
    severity: crate::core::record::Severity,
    score: f64,
    first_seen: String,
    last_seen: String,
    count: u64,
    service: String,
    trace_id: Option<String>,
    says: String,
    template: Option<String>,
    lines: Vec<LineObject>,
    expected: Option<String>,
    stack: Option<StackObject>,
}

#[derive(Serialize)]
struct StackObject {
    thrown: String,
    modules: Vec<String>,
}

#[derive(Serialize)]
struct LineObject {
    time: String,
    text: String,
}

#[derive(Serialize)]
struct CauseObject {
    verdict: &'static str,
    suspects: Vec<SuspectObject>,
    changes: Vec<ChangeObject>,
    lifts: Vec<LiftObject>,
    unknown: Vec<String>,
}

#[derive(Serialize)]
struct SuspectObject {
    service: String,
    pod: Option<String>,
    component: Option<String>,
    share: f64,
    evidence: Vec<EvidenceObject>,
}

#[derive(Serialize)]
struct EvidenceObject {
    source: &'static str,
    says: String,
    weight: f64,
    at: String,
}

/// A change.
#[derive(Serialize)]
pub(super) struct ChangeObject {
    id: String,
    kind: &'static str,
    service: String,
    from: Option<String>,
    to: Option<String>,
    at: String,
    /// How long before an incident, where it is told of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    before_seconds: Option<f64>,
    reference: Option<String>,
    url: Option<String>,
}

#[derive(Serialize)]
struct LiftObject {
    attribute: String,
    value: String,
    /// Those with it, and all.
    abnormal: (u64, u64),
    normal: (u64, u64),
    lift: f64,
    p_value: f64,
}

#[derive(Serialize)]
struct BeforeObject {
    times: u64,
    last: Option<String>,
    usually_lasts_seconds: Option<f64>,
    done: Vec<DoneObject>,
}

#[derive(Serialize)]
struct DoneObject {
    action: String,
    times: u64,
    helped: u64,
}

/// A digest.
#[derive(Serialize)]
pub(super) struct DigestObject {
    id: String,
    team: Option<String>,
    from: String,
    to: String,
    incident_count: u64,
    pages: PagesObject,
    incidents: Vec<Facts>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct PagesObject {
    sent: u64,
    budget: u64,
}

impl EventObject {
    pub(super) fn of(event: &IncidentEvent, room: &Room) -> Self {
        Self {
            id: event.id.to_string(),
            stage: event.stage.name(),
            at: rfc3339(event.at),
            incident: IncidentObject::of(&event.incident, room),
        }
    }
}

impl IncidentObject {
    pub(super) fn of(incident: &Incident, room: &Room) -> Self {
        let first = |count: usize| count.min(room.items);
        let parts = incident.parts.iter().take(first(Incident::PARTS_MAX));
        let signs = incident.signs.iter().take(first(Incident::SIGNS_MAX));
        Self {
            facts: Facts::of(incident, room),
            revision: incident.revision,
            last_seen: rfc3339(incident.last_seen),
            acknowledged: incident.acknowledged.as_ref().map(|m| mark(m, room)),
            sign_count: incident.sign_count,
            parts: parts.map(|part| PartObject::of(part, room)).collect(),
            signs: signs.map(|sign| SignObject::of(sign, room)).collect(),
            cause: CauseObject::of(&incident.cause, room),
            before: incident.before.as_ref().map(|b| BeforeObject::of(b, room)),
            truncated: *room != Room::AMPLE,
        }
    }
}

impl Facts {
    fn of(incident: &Incident, room: &Room) -> Self {
        let first = incident.parts.first();
        Self {
            id: incident.id.to_string(),
            fingerprint: incident.fingerprint.to_string(),
            state: incident.state,
            severity: incident.severity,
            class: incident.class.name(),
            title: room.cut(&incident.title),
            service: first.map(|part| room.cut(&part.stream.to_string())),
            began: rfc3339(incident.began),
            detected: rfc3339(incident.detected),
            ended: incident.ended.as_ref().map(|m| mark(m, room)),
            route: route(&incident.route, room),
        }
    }
}

impl PartObject {
    fn of(part: &Part, room: &Room) -> Self {
        Self {
            service: room.cut(&part.stream.to_string()),
            relation: part.relation.name(),
            first_seen: rfc3339(part.first_seen),
            signs: part.signs,
        }
    }
}

impl SignObject {
    fn of(sign: &Sign, room: &Room) -> Self {
        // The lines next to the abnormal one, which is the last, say most.
        let first = sign.lines.len().saturating_sub(room.context_lines);
        Self {
            id: sign.id.to_string(),
            source: sign.source.name(),
            kind: room.cut(&sign.kind),
            class: sign.class.name(),
            severity: sign.severity,
            score: sign.score,
            first_seen: rfc3339(sign.first_seen),
            last_seen: rfc3339(sign.last_seen),
            count: sign.count,
            service: room.cut(&sign.stream.to_string()),
            trace_id: sign.trace.map(|id| id.to_string()),
            says: room.cut(&sign.says),
            template: sign.template.as_ref().map(|t| room.cut(&t.text)),
            lines: sign
                .lines
                .iter()
                .skip(first)
                .map(|line| LineObject {
                    time: rfc3339(line.time),
                    text: room.cut(&line.text),
                })
                .collect(),
            expected: sign.expected.as_ref().map(|text| room.cut(text)),
            stack: sign
                .stack
                .as_ref()
                .map(|stack| StackObject::of(stack, room)),
        }
    }
}

impl StackObject {
    fn of(stack: &Stack, room: &Room) -> Self {
        // The innermost, which are last, say most.
        let first = stack.modules.len().saturating_sub(room.items);
        let modules = stack.modules.iter().skip(first);
        Self {
            thrown: room.cut(&stack.thrown),
            modules: modules.map(|module| room.cut(module)).collect(),
        }
    }
}

impl CauseObject {
    fn of(cause: &Cause, room: &Room) -> Self {
        let suspects = cause.suspects.iter().take(room.items);
        let changes = cause.changes.iter().take(room.items);
        let lifts = cause.lifts.iter().take(room.items);
        let unknown = cause.unknown.iter().take(room.items);
        Self {
            verdict: cause.verdict.name(),
            suspects: suspects.map(|s| SuspectObject::of(s, room)).collect(),
            changes: changes.map(|c| ChangeObject::near(c, room)).collect(),
            lifts: lifts.map(|l| LiftObject::of(l, room)).collect(),
            unknown: unknown.map(|text| room.cut(text)).collect(),
        }
    }
}

impl SuspectObject {
    fn of(suspect: &Suspect, room: &Room) -> Self {
        let evidence = suspect.evidence.iter().take(room.items);
        Self {
            service: room.cut(&suspect.stream.to_string()),
            pod: suspect.pod.as_ref().map(|pod| room.cut(pod)),
            component: suspect.component.as_ref().map(|name| room.cut(name)),
            share: suspect.share,
            evidence: evidence.map(|e| EvidenceObject::of(e, room)).collect(),
        }
    }
}

impl EvidenceObject {
    fn of(evidence: &Evidence, room: &Room) -> Self {
        Self {
            source: evidence.source.name(),
            says: room.cut(&evidence.says),
            weight: evidence.weight,
            at: rfc3339(evidence.at),
        }
    }
}

impl ChangeObject {
    fn near(near: &NearChange, room: &Room) -> Self {
        Self {
            before_seconds: Some(seconds(near.before)),
            ..Self::of(&near.change, room)
        }
    }

    pub(super) fn of(change: &Change, room: &Room) -> Self {
        let cut = |text: &Option<Box<str>>| text.as_ref().map(|text| room.cut(text));
        Self {
            id: room.cut(&change.id),
            kind: change.kind.name(),
            service: room.cut(&change.stream.to_string()),
            from: cut(&change.from),
            to: cut(&change.to),
            at: rfc3339(change.at),
            before_seconds: None,
            reference: cut(&change.reference),
            url: cut(&change.url),
        }
    }
}

impl LiftObject {
    fn of(lift: &Lift, room: &Room) -> Self {
        Self {
            attribute: room.cut(&lift.attribute),
            value: room.cut(&lift.value),
            abnormal: lift.abnormal,
            normal: lift.normal,
            lift: lift.lift,
            p_value: lift.p_value,
        }
    }
}

impl BeforeObject {
    fn of(before: &Before, room: &Room) -> Self {
        let done = before.done.iter().take(room.items);
        Self {
            times: before.times,
            last: before.last.map(rfc3339),
            usually_lasts_seconds: before.usually_lasts.map(seconds),
            done: done
                .map(|done| DoneObject {
                    action: room.cut(&done.action),
                    times: done.times,
                    helped: done.helped,
                })
                .collect(),
        }
    }
}

impl DigestObject {
    pub(super) fn of(digest: &Digest, room: &Room) -> Self {
        // An incident takes little in a digest, so there is room for more of them.
        let incidents_max = room.items.saturating_mul(INCIDENTS_PER_ITEM);
        let incidents = digest.incidents.iter().take(incidents_max);
        let (sent, budget) = digest.pages;
        Self {
            id: digest.id.to_string(),
            team: digest.team.as_ref().map(|team| room.cut(team)),
            from: rfc3339(digest.from),
            to: rfc3339(digest.to),
            incident_count: digest.incident_count,
            pages: PagesObject { sent, budget },
            incidents: incidents.map(|it: &Arc<_>| Facts::of(it, room)).collect(),
            truncated: *room != Room::AMPLE,
        }
    }
}

/// How many incidents a digest lists where an incident lists one item of a kind.
const INCIDENTS_PER_ITEM: usize = 3;

fn mark(mark: &Mark, room: &Room) -> MarkObject {
    MarkObject {
        at: rfc3339(mark.at),
        by: room.cut(&mark.by),
        note: mark.note.as_ref().map(|note| room.cut(note)),
    }
}

fn route(route: &Route, room: &Room) -> RouteObject {
    RouteObject {
        team: route.team.as_ref().map(|team| room.cut(team)),
        pages: route.pages,
        why: room.cut(&route.why),
        muted_by: route.muted_by.as_ref().map(|name| room.cut(name)),
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
