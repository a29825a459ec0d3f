//! The cluster that is assumed where none is read: one in which nothing speaks against an action but the
//! rules, the limits and the past.

use serde_json::json;

use crate::core::event::{Object, Remedy, Target};
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{
    Answer, ArgoFacts, BackendFacts, Decision, Facts, Manager, NamespaceFacts, PodFacts, Rehearsal,
    Revision, RouteFacts, Settlement, TemplateFacts, WorkloadFacts,
};
use crate::core::remedy::ledger::{Errand, Reported};
use crate::core::remedy::rule::Limits;

/// What is assumed of every target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// Whether the pod that the records name is Ready while its trouble goes on.
    pub pod_is_ready: bool,
}

/// How many pods a workload is assumed to have.
pub const REPLICAS: u32 = 3;

/// A uid where the records name none.
const UID: &str = "assumed";

impl Assumed {
    /// What is assumed, a sentence each.
    pub fn says(self) -> Vec<String> {
        let pod = match self.pod_is_ready {
            true => {
                "The pod that the records name is Ready, so that only records speak for trouble."
            }
            false => "The pod that the records name is not Ready until it is acted on.",
        };
        let workload = format!(
            "Each workload has {REPLICAS} pods, the others Ready and old enough; no rollout, autoscaler, \
             disruption budget or other tool is in the way, what is rolled back was released not long \
             before, and nothing of value is on the pods' disks."
        );
        let rest = [
            "Every namespace is opted in by its label, and knothole may do what the rules say.",
            "The server would take every request, the policy allows it, and nobody has stopped all actions.",
            "Every service has a model of today, its records come without a gap, few services call it, and \
             nobody gave feedback.",
            "Nobody approves anything. What is done takes place at once; what the records say afterwards is \
             as it was, so whether it would have helped cannot be seen.",
        ];
        let mut says = vec![pod.to_owned(), workload];
        says.extend(rest.map(str::to_owned));
        says
    }

    /// What comes back when an errand is run. `None` where nobody waits for an answer.
    pub(super) fn answer(
        self,
        errand: &Errand,
        limits: &Limits,
        was_done: bool,
        now: Timestamp,
    ) -> Option<Reported> {
        match errand {
            Errand::Look { remedy, target } => {
                let is_ready = self.pod_is_ready || was_done;
                let facts = facts((remedy, target), limits, is_ready, now);
                Some(Reported::Looked(Ok(Box::new(facts))))
            }
            Errand::Rehearse { permissions, .. } => {
                let access = permissions.iter().map(|it| (it.to_string().into(), true));
                Some(Reported::Rehearsed(Box::new(Rehearsal {
                    access: access.collect(),
                    dry_run: Some(Ok(())),
                    policy: limits.has_policy.then(|| Ok(allowed())),
                })))
            }
            Errand::Send { .. } => {
                let said = "it is assumed to have taken place";
                Some(Reported::Answered(Answer::Done(said.into())))
            }
            Errand::Settle { .. } => Some(Reported::Settled(Settlement::Done)),
            Errand::Note { .. } => None,
        }
    }
}

fn allowed() -> Decision {
    Decision {
        is_allowed: true,
        ..Decision::default()
    }
}

fn facts(
    (remedy, target): (&Remedy, &Target),
    limits: &Limits,
    is_ready: bool,
    now: Timestamp,
) -> Facts {
    let label = (limits.label.0.clone(), limits.label.1.clone());
    let replaced_at = Some(now.minus(limits.release_age_max));
    let mut workload = workload(remedy, target, is_ready);
    if let Some(previous) = &mut workload.previous {
        previous.replaced_at = replaced_at;
    }
    let pod = target
        .pod
        .as_deref()
        .map(|name| pod(name, target, &workload.object.kind, is_ready));
    Facts {
        at: now,
        is_upgrading: Some(false),
        namespace: Some(NamespaceFacts {
            name: target.namespace.clone(),
            labels: vec![label],
            is_terminating: false,
        }),
        pod,
        argo: application_of(remedy).map(|_| ArgoFacts {
            is_closed: Some(false),
            previous: Some(1),
            replaced_at,
            project: "default".into(),
            namespace: "argocd".into(),
            ..ArgoFacts::default()
        }),
        route: route(remedy, target),
        workload: Some(workload),
        ..Facts::default()
    }
}

fn object(kind: &str, name: &str, target: &Target) -> Object {
    Object {
        kind: kind.into(),
        namespace: target.namespace.clone(),
        name: name.into(),
        uid: format!("{UID} {kind}/{}/{name}", target.namespace).into(),
        generation: 1,
    }
}

/// The one that is named; where none is, one of the pod's name, so that all that is done to the pod counts
/// for it.
fn workload(remedy: &Remedy, target: &Target, is_ready: bool) -> WorkloadFacts {
    let named = target
        .workload
        .as_ref()
        .map(|(kind, name)| (&**kind, &**name));
    let pod = target.pod.as_deref().unwrap_or_default();
    let (kind, name) = match remedy {
        Remedy::AbortRollout { rollout } => ("Rollout", &**rollout),
        _ => named.unwrap_or(("Deployment", pod)),
    };
    let replicas = match remedy {
        // There is room for more.
        Remedy::Scale { max, .. } => REPLICAS.min(max.saturating_sub(1)).max(1),
        _ => REPLICAS,
    };
    let is_away = target.pod.is_some() && !is_ready;
    WorkloadFacts {
        object: object(kind, name, target),
        replicas,
        ready: replicas - u32::from(is_away),
        updated: replicas,
        is_observed: true,
        managed_by: application_of(remedy).map(|it| Manager::ArgoCd(Some(it.into()))),
        previous: Some(Revision {
            number: 1,
            name: name.into(),
            template: json!({}),
            replaced_at: None,
        }),
        template: Some(TemplateFacts::default()),
        // A quarter, rounded down, as Kubernetes has it by default.
        away_max: Some(REPLICAS / 4),
        phase: match remedy {
            Remedy::AbortRollout { .. } => "Progressing".into(),
            _ => "".into(),
        },
        ..WorkloadFacts::default()
    }
}

fn pod(name: &str, target: &Target, workload_kind: &str, is_ready: bool) -> PodFacts {
    let uid = target.pod_uid.as_deref().unwrap_or(UID);
    let controller = match workload_kind {
        "Deployment" | "Rollout" => "ReplicaSet",
        other => other,
    };
    PodFacts {
        object: Object {
            uid: uid.into(),
            generation: 0,
            ..object("Pod", name, target)
        },
        created: Some(Timestamp::ZERO),
        is_ready,
        controller: Some(controller.into()),
        ..PodFacts::default()
    }
}

/// The route as it is before its weight is set, with a second backend to which requests still go.
fn route(remedy: &Remedy, target: &Target) -> Option<RouteFacts> {
    let Remedy::GatewayWeight {
        route,
        backend,
        weight,
    } = remedy
    else {
        return None;
    };
    let of = |place: u32, service: &str, weight: u32| BackendFacts {
        rule: 0,
        place,
        service: service.into(),
        weight,
    };
    let before = u32::from(*weight == 0);
    Some(RouteFacts {
        object: object("HTTPRoute", route, target),
        backends: vec![of(0, backend, before), of(1, "", 1)],
        ..RouteFacts::default()
    })
}

fn application_of(remedy: &Remedy) -> Option<&str> {
    match remedy {
        Remedy::ArgoSync { application }
        | Remedy::ArgoRollBack { application }
        | Remedy::ArgoAction { application, .. } => Some(application),
        Remedy::RestartPod
        | Remedy::RestartWorkload
        | Remedy::Scale { .. }
        | Remedy::RollBack
        | Remedy::JenkinsJob { .. }
        | Remedy::FluxReceiver { .. }
        | Remedy::AbortRollout { .. }
        | Remedy::GatewayWeight { .. }
        | Remedy::Webhook => None,
    }
}
