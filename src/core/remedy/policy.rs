//! What a policy is asked about: one action, as JSON.
//!
//! What was logged is not in it, nor anything derived from it but names and numbers: a policy cannot be
//! talked into anything by a log line. Nor are the bodies of requests, since a pod template may hold secrets
//! in plain and an engine of policies writes down what it was asked. The names of the service, of the objects
//! and of their labels are as their owners chose them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::book::{Book, is_same_workload};
use super::facts::{ArgoFacts, Facts, Manager, NamespaceFacts, PodFacts, WorkloadFacts};
use crate::core::event::{Action, ActionState, Mode, Object, Plan, Remedy, Target};
use crate::core::record::Timestamp;

/// Most labels of one object that a policy is shown; those that sort last are left out.
pub const LABELS_MAX: usize = 64;
/// The period of the counters that have one.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The `input` of a decision about `action`. All of these are always there; what is not known is `null`:
///
/// | field | what it is |
/// | --- | --- |
/// | `action.id` | 32 hex digits |
/// | `action.kind` | `restart_pod`, `restart_workload`, `scale`, `roll_back`, `argo_sync`, … |
/// | `action.rule` | the name of the rule that asks |
/// | `action.mode` | how far the rule may go: `observe`, `suggest`, `approve`, `auto` |
/// | `action.dry_run` | `true` where the rule may only observe or suggest: knothole will send nothing |
/// | `action.target` | `namespace`, `workload` (`kind`, `name`), `pod`, `pod_uid` |
/// | `action.parameters` | what the owner set: `by` and `max` of `scale`, `application`, `job`, … |
/// | `action.asked_at`, `action.expires_at` | RFC 3339 in UTC |
/// | `action.plan` | what would be sent: `hash`, `subject` (`kind`, `namespace`, `name`, `uid`), and of each of the `requests` its `system`, `method` and `path` |
/// | `anomaly.fingerprint` | what stays the same when the trouble comes back: 16 hex digits |
/// | `anomaly.kinds`, `anomaly.detectors` | names, lists |
/// | `anomaly.score` | a number between 0 and 1 |
/// | `anomaly.first_seen`, `anomaly.last_seen` | RFC 3339 in UTC |
/// | `anomaly.anomalies` | how many asked for it |
/// | `anomaly.model` | the version of the model that judged |
/// | `incident` | the incident's id |
/// | `service` | `environment`, `namespace`, `name`, as the service calls itself; an environment or namespace that it does not name is an empty text |
/// | `now` | RFC 3339 in UTC |
/// | `counters` | of actions that were sent, this one aside: `last_hour`, `in_flight`, and `failures`, which are those of the last hour that failed, did not help or made things worse. `counters.namespace` and `counters.workload` have the same for the target's |
/// | `read_at` | when the cluster was read; `null` where it was not, and then so are the fields below |
/// | `namespace` | `name`, `labels`, `terminating` |
/// | `workload` | `kind`, `name`, `replicas`, `ready`, `updated`, `observed`, `paused`, `managed_by` (`argo_cd`, `flux`), `labels` |
/// | `pod` | `name`, `ready`, `restarts`, `created`, `controller` (a kind), `labels` |
/// | `budgets` | disruption budgets of the pods: `name`, `allowed`, `observed` |
/// | `autoscalers` | names of those that scale the workload |
/// | `upgrading` | whether the cluster's nodes are being upgraded; `null` where they may not be looked at |
/// | `argo` | `project`, `namespace`, `automated`, `closed` (by a sync window; `null` where Argo CD is asked through its objects), `busy` |
///
/// A policy has to look at the types of numbers itself: in Rego any text is greater than any number.
pub fn input(action: &Action, facts: Option<&Facts>, book: &Book, now: Timestamp) -> Value {
    let mut input = json!({
        "action": of_action(action),
        "anomaly": {
            "fingerprint": action.fingerprint,
            "kinds": action.evidence.kinds,
            "detectors": action.evidence.detectors,
            "score": action.evidence.score,
            "first_seen": rfc3339(action.evidence.first_seen),
            "last_seen": rfc3339(action.evidence.last_seen),
            "anomalies": action.evidence.anomalies,
            "model": action.evidence.model,
        },
        "incident": action.incident,
        "service": {
            "environment": action.stream.environment,
            "namespace": action.stream.namespace,
            "name": action.stream.name,
        },
        "now": rfc3339(now),
        "counters": counters(action, book, now),
    });
    if let Value::Object(fields) = &mut input {
        put_facts(fields, facts);
    }
    input
}

fn of_action(action: &Action) -> Value {
    let dry_run = match action.mode {
        Mode::Observe | Mode::Suggest => true,
        Mode::Approve | Mode::Auto => false,
    };
    json!({
        "id": action.id,
        "kind": action.remedy.kind().name(),
        "rule": action.rule,
        "mode": action.mode.name(),
        "dry_run": dry_run,
        "target": of_target(&action.target),
        "parameters": parameters(&action.remedy),
        "asked_at": rfc3339(action.asked_at),
        "expires_at": rfc3339(action.expires_at),
        "plan": action.plan.as_ref().map(of_plan),
    })
}

fn of_target(target: &Target) -> Value {
    let workload = target.workload.as_ref();
    json!({
        "namespace": target.namespace,
        "workload": workload.map(|(kind, name)| json!({"kind": kind, "name": name})),
        "pod": target.pod,
        "pod_uid": target.pod_uid,
    })
}

fn parameters(remedy: &Remedy) -> Value {
    match remedy {
        Remedy::RestartPod | Remedy::RestartWorkload | Remedy::RollBack | Remedy::Webhook => {
            json!({})
        }
        Remedy::Scale { by, max } => json!({"by": by, "max": max}),
        Remedy::ArgoSync { application } | Remedy::ArgoRollBack { application } => {
            json!({"application": application})
        }
        Remedy::ArgoAction {
            application,
            action,
        } => json!({"application": application, "action": action}),
        Remedy::JenkinsJob { job } => json!({"job": job}),
        Remedy::FluxReceiver { path } => json!({"path": path}),
        Remedy::AbortRollout { rollout } => json!({"rollout": rollout}),
        Remedy::GatewayWeight {
            route,
            backend,
            weight,
        } => json!({"route": route, "backend": backend, "weight": weight}),
    }
}

fn of_plan(plan: &Plan) -> Value {
    let requests: Vec<Value> = plan
        .requests
        .iter()
        .map(|it| json!({"system": it.system, "method": it.method, "path": it.path}))
        .collect();
    json!({
        "hash": plan.hash,
        "subject": plan.subject.as_ref().map(of_object),
        "requests": requests,
    })
}

fn of_object(object: &Object) -> Value {
    json!({
        "kind": object.kind,
        "namespace": object.namespace,
        "name": object.name,
        "uid": object.uid,
    })
}

/// Counts of all that was sent, of the namespace's and of the workload's.
fn counters(action: &Action, book: &Book, now: Timestamp) -> Value {
    let count = |belongs: &dyn Fn(&Target) -> bool| {
        let others = |it: &&Action| it.id != action.id && belongs(&it.target);
        let recent = || book.within(HOUR, now).filter(others);
        json!({
            "last_hour": recent().count(),
            "in_flight": book.in_flight().filter(others).count(),
            "failures": recent().filter(|it| has_failed(it.state)).count(),
        })
    };
    let mut all = count(&|_| true);
    let target = &action.target;
    if let Value::Object(fields) = &mut all {
        let here = count(&|other| other.namespace == target.namespace);
        fields.insert("namespace".to_owned(), here);
        let same = count(&|other| is_same_workload(other, target));
        fields.insert("workload".to_owned(), same);
    }
    all
}

fn has_failed(state: ActionState) -> bool {
    match state {
        ActionState::Failed | ActionState::Ineffective | ActionState::Harmful => true,
        ActionState::Asked
        | ActionState::Blocked
        | ActionState::Proposed
        | ActionState::Approved
        | ActionState::Sending
        | ActionState::Unsettled
        | ActionState::Accepted
        | ActionState::Done
        | ActionState::Effective
        | ActionState::Inconclusive
        | ActionState::Denied
        | ActionState::Expired
        | ActionState::Observed => false,
    }
}

fn put_facts(fields: &mut Map<String, Value>, facts: Option<&Facts>) {
    let read = |value: &dyn Fn(&Facts) -> Value| facts.map_or(Value::Null, value);
    let optional = |value: Option<Value>| value.unwrap_or(Value::Null);
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("read_at", read(&|facts| rfc3339(facts.at).into()));
    put(
        "namespace",
        read(&|facts| optional(facts.namespace.as_ref().map(of_namespace))),
    );
    put(
        "workload",
        read(&|facts| optional(facts.workload.as_ref().map(of_workload))),
    );
    put(
        "pod",
        read(&|facts| optional(facts.pod.as_ref().map(of_pod))),
    );
    put("budgets", read(&budgets));
    put("autoscalers", read(&|facts| json!(facts.autoscalers)));
    put("upgrading", read(&|facts| json!(facts.is_upgrading)));
    put(
        "argo",
        read(&|facts| optional(facts.argo.as_ref().map(of_argo))),
    );
}

fn of_namespace(namespace: &NamespaceFacts) -> Value {
    json!({
        "name": namespace.name,
        "labels": labels(&namespace.labels),
        "terminating": namespace.is_terminating,
    })
}

fn of_workload(workload: &WorkloadFacts) -> Value {
    let managed_by = workload.managed_by.as_ref().map(|manager| match manager {
        Manager::ArgoCd(_) => "argo_cd",
        Manager::Flux => "flux",
    });
    json!({
        "kind": workload.object.kind,
        "name": workload.object.name,
        "replicas": workload.replicas,
        "ready": workload.ready,
        "updated": workload.updated,
        "observed": workload.is_observed,
        "paused": workload.is_paused,
        "managed_by": managed_by,
        "labels": labels(&workload.labels),
    })
}

fn of_pod(pod: &PodFacts) -> Value {
    json!({
        "name": pod.object.name,
        "ready": pod.is_ready,
        "restarts": pod.restarts,
        "created": pod.created.map(rfc3339),
        "controller": pod.controller,
        "labels": labels(&pod.labels),
    })
}

fn budgets(facts: &Facts) -> Value {
    let budgets = facts.budgets.iter().map(|it| {
        json!({
            "name": it.name,
            "allowed": it.allowed,
            "observed": it.is_observed,
        })
    });
    budgets.collect()
}

fn of_argo(argo: &ArgoFacts) -> Value {
    json!({
        "project": argo.project,
        "namespace": argo.namespace,
        "automated": argo.is_automated,
        "closed": argo.is_closed,
        "busy": argo.is_busy,
    })
}

fn labels(labels: &[(Box<str>, Box<str>)]) -> Value {
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort_unstable();
    let kept = sorted.into_iter().take(LABELS_MAX);
    Value::Object(
        kept.map(|(name, value)| (name.to_string(), json!(value)))
            .collect(),
    )
}

/// RFC 3339 in UTC with nanoseconds.
fn rfc3339(time: Timestamp) -> String {
    // A u64 of nanoseconds ends in the year 2554, well within what jiff can write.
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos()));
    time.map_or_else(|_| String::new(), |time| format!("{time:.9}"))
}

#[cfg(test)]
mod tests;
