//! Actions as JSON, and in a sentence.

use serde::Serialize;
use serde_json::Value;

use super::json::{Facts, Room};
use super::rfc3339;
use crate::core::event::{
    Action, ActionEvent, ActionStage, Plan, Remedy, Request, Step, System, Target, withheld,
};
use crate::core::record::inert;

/// An action. It quotes no log line: whoever acts on it has nothing to be misled by.
///
/// Bodies of requests may hold secrets, so sinks are told of them only how long they are and what they change.
#[derive(Serialize)]
pub(super) struct ActionObject {
    id: String,
    action: &'static str,
    /// What the owner has set for it: by how many to scale, which job.
    parameters: Value,
    target: TargetObject,
    mode: &'static str,
    state: &'static str,
    reason: String,
    rule: String,
    service: String,
    incident: Option<String>,
    fingerprint: String,
    asked_at: String,
    expires_at: String,
    acted_at: Option<String>,
    evidence: EvidenceObject,
    plan: Option<PlanObject>,
    steps: Vec<StepObject>,
    anomaly: Option<Facts>,
}

#[derive(Serialize)]
struct TargetObject {
    namespace: String,
    workload: Option<Workload>,
    pod: Option<String>,
    pod_uid: Option<String>,
}

#[derive(Serialize)]
struct Workload {
    kind: String,
    name: String,
}

#[derive(Serialize)]
struct EvidenceObject {
    kinds: Vec<String>,
    detectors: Vec<String>,
    score: f64,
    first_seen: String,
    last_seen: String,
    anomalies: u64,
}

#[derive(Serialize)]
struct PlanObject {
    hash: String,
    at: String,
    requests: Vec<RequestObject>,
    can_be_undone: bool,
    undo: Vec<RequestObject>,
    checks: Vec<CheckObject>,
}

#[derive(Serialize)]
struct RequestObject {
    system: System,
    method: String,
    path: String,
    content_type: String,
    body: String,
}

#[derive(Serialize)]
struct CheckObject {
    check: String,
    verdict: &'static str,
    why: String,
}

#[derive(Serialize)]
struct StepObject {
    at: String,
    state: &'static str,
    by: String,
    why: String,
}

impl ActionObject {
    /// The action with the bodies of its requests, for whoever may read those.
    pub(super) fn whole(action: &Action) -> Self {
        let mut object = Self::of(action, &Room::AMPLE);
        let planned = action.plan.iter();
        for (shown, plan) in object.plan.iter_mut().zip(planned) {
            let sent = shown.requests.iter_mut().zip(&plan.requests);
            let undone = shown.undo.iter_mut().zip(&plan.undo);
            for (shown, request) in sent.chain(undone) {
                shown.body = request.body.to_string();
            }
        }
        object
    }

    /// The action as sinks are sent it.
    pub(super) fn of(action: &Action, room: &Room) -> Self {
        let cut = |texts: &[Box<str>]| texts.iter().map(|text| room.cut(text)).collect();
        let evidence = &action.evidence;
        Self {
            id: action.id.to_string(),
            action: action.remedy.kind().name(),
            parameters: parameters(&action.remedy),
            target: TargetObject::of(&action.target),
            mode: action.mode.name(),
            state: action.state.name(),
            reason: inert(&room.cut(&action.reason)),
            rule: room.cut(&action.rule),
            service: room.cut(&action.stream.to_string()),
            incident: action.incident.as_ref().map(ToString::to_string),
            fingerprint: action.fingerprint.to_string(),
            asked_at: rfc3339(action.asked_at),
            expires_at: rfc3339(action.expires_at),
            acted_at: action.acted_at.map(rfc3339),
            evidence: EvidenceObject {
                kinds: cut(&evidence.kinds),
                detectors: cut(&evidence.detectors),
                score: evidence.score,
                first_seen: rfc3339(evidence.first_seen),
                last_seen: rfc3339(evidence.last_seen),
                anomalies: evidence.anomalies,
            },
            plan: action.plan.as_ref().map(|plan| PlanObject::of(plan, room)),
            steps: steps(&action.steps, room),
            anomaly: action.anomaly.as_ref().map(|it| Facts::of(it, room)),
        }
    }
}

impl TargetObject {
    /// A target is at most four Kubernetes names, and a cut one would be another target.
    fn of(target: &Target) -> Self {
        Self {
            namespace: target.namespace.to_string(),
            workload: target.workload.as_ref().map(|(kind, name)| Workload {
                kind: kind.to_string(),
                name: name.to_string(),
            }),
            pod: target.pod.as_ref().map(ToString::to_string),
            pod_uid: target.pod_uid.as_ref().map(ToString::to_string),
        }
    }
}

impl PlanObject {
    fn of(plan: &Plan, room: &Room) -> Self {
        let requests = |all: &[Request]| {
            let some = all.iter().take(room.items);
            some.map(|it| RequestObject::of(it, room)).collect()
        };
        let checks = plan.checks.iter();
        Self {
            hash: plan.hash.to_string(),
            at: rfc3339(plan.at),
            requests: requests(&plan.requests),
            can_be_undone: !plan.undo.is_empty(),
            undo: requests(&plan.undo),
            checks: checks
                .map(|it| CheckObject {
                    check: it.check.to_string(),
                    verdict: it.verdict.name(),
                    why: inert(&room.cut(&it.why)),
                })
                .collect(),
        }
    }
}

impl RequestObject {
    fn of(request: &Request, room: &Room) -> Self {
        Self {
            system: request.system,
            method: request.method.to_string(),
            path: room.cut(&request.path),
            content_type: request.content_type.to_string(),
            body: room.cut(&withheld(&request.body)),
        }
    }
}

fn steps(steps: &[Step], room: &Room) -> Vec<StepObject> {
    let first = steps.len().saturating_sub(room.items);
    let latest = steps.get(first..).unwrap_or_default().iter();
    let object = |step: &Step| StepObject {
        at: rfc3339(step.at),
        state: step.state.name(),
        by: inert(&room.cut(&step.by)),
        why: inert(&room.cut(&step.why)),
    };
    latest.map(object).collect()
}

/// What the owner has set, without the name of the action.
fn parameters(remedy: &Remedy) -> Value {
    // A remedy has no key that is not a string, so this cannot fail.
    let mut value = serde_json::to_value(remedy).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("kind");
    }
    value
}

/// `restart Pod cart-1 in namespace shop`.
pub(crate) fn errand(action: &Action) -> String {
    let target = &action.target;
    let (kind, name): (&str, &str) = match (&action.remedy, &target.workload, &target.pod) {
        (Remedy::RestartPod, _, Some(pod)) => ("Pod", pod),
        (_, Some((kind, name)), _) => (kind, name),
        (_, None, pod) => ("Pod", pod.as_ref().unwrap_or(&target.namespace)),
    };
    let namespace = &target.namespace;
    let object = format!("{kind} {name} in namespace {namespace}");
    match &action.remedy {
        Remedy::RestartPod | Remedy::RestartWorkload => format!("restart {object}"),
        Remedy::Scale { by, max } => format!("scale {object} by {by} to at most {max}"),
        Remedy::RollBack => format!("roll back {object}"),
        Remedy::ArgoSync { application } => {
            format!("sync the Argo CD application {application} for {object}")
        }
        Remedy::ArgoRollBack { application } => {
            format!("roll back the Argo CD application {application} for {object}")
        }
        Remedy::ArgoAction {
            application,
            action,
        } => format!("{action} {object} by the Argo CD application {application}"),
        Remedy::JenkinsJob { job } => format!("start the Jenkins job {job} for {object}"),
        Remedy::FluxReceiver { .. } => format!("have Flux reconcile {object}"),
        Remedy::AbortRollout { rollout } => format!("abort the rollout {rollout} for {object}"),
        Remedy::GatewayWeight {
            route,
            backend,
            weight,
        } => format!("set {backend} of the route {route} to the weight {weight} for {object}"),
        Remedy::Webhook => format!("call the hook for {object}"),
    }
}

/// What became of an action, in one sentence.
pub(super) fn sentence(event: &ActionEvent) -> String {
    let action = &event.action;
    let what = errand(action);
    let last = action.steps.last();
    let (by, why) = last.map_or(("", ""), |step| (&*step.by, &*step.why));
    let state = action.state.name();
    match event.stage {
        ActionStage::Proposed => {
            let (until, reason) = (rfc3339(action.expires_at), &action.reason);
            format!("proposed until {until}: {what}, because {reason}")
        }
        ActionStage::Approved => format!("approved by {by}: {what}; {why}"),
        ActionStage::Denied => format!("denied by {by}: {what}; {why}"),
        ActionStage::Executed => format!("done: {what}; {why}"),
        ActionStage::Verified => format!("{state}: {what}; {why}"),
        ActionStage::Failed => format!("not done: {what}; {why}"),
    }
}
