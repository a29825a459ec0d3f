//! Who owns it, what is lost with its pods, and who would take a change back.

use super::{Says, needs_person, pass, stop, unknown, unread};
use crate::core::event::{ActionKind, Remedy};
use crate::core::remedy::case::{Case, Reach};
use crate::core::remedy::facts::{Facts, Manager, Storage};

/// The kinds of workload that are restarted, scaled and rolled back.
const WORKLOADS: [&str; 2] = ["Deployment", "StatefulSet"];
/// The kinds of workload whose pods are evicted.
const OWNERS: [&str; 3] = ["Deployment", "StatefulSet", "Rollout"];

/// Whether what is done makes pods go.
fn takes_pods(case: &Case<'_>) -> bool {
    case.reach() == Reach::Pod || case.rolls_out()
}

/// Somebody makes a new pod, and it is somebody who may be touched.
pub(super) fn owner(case: &Case<'_>) -> Option<Says> {
    if !takes_pods(case) && case.reach() != Reach::Workload {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "who owns it"));
    };
    if let Some(pod) = &facts.pod {
        let name = &pod.object.name;
        match pod.controller.as_deref() {
            None => return Some(stop(format!("nobody would replace pod {name}"))),
            Some("Node") => {
                return Some(stop(format!("pod {name} is a static pod of its node")));
            }
            Some("ReplicaSet" | "StatefulSet") => {}
            Some(other) => return Some(stop(format!("pod {name} belongs to a {other}"))),
        }
    }
    let allowed: &[&str] = match case.reach() {
        Reach::Pod | Reach::Argo => &OWNERS,
        Reach::Workload | Reach::Rollout | Reach::Route | Reach::Elsewhere => &WORKLOADS,
    };
    Some(match &facts.workload {
        None => unknown("the workload is not known"),
        Some(it) if allowed.contains(&&*it.object.kind) => {
            pass(format!("it belongs to a {}", it.object.kind))
        }
        Some(it) => stop(format!("it belongs to a {}", it.object.kind)),
    })
}

/// The rule may touch StatefulSets, where it is one.
pub(super) fn stateful(case: &Case<'_>) -> Option<Says> {
    if !takes_pods(case) && case.reach() != Reach::Workload {
        return None;
    }
    let (facts, rule) = (case.facts?, case.rule?);
    if !is_stateful(facts) {
        return None;
    }
    Some(if rule.stateful {
        pass("the rule may touch StatefulSets")
    } else {
        stop("the rule may not touch StatefulSets")
    })
}

fn is_stateful(facts: &Facts) -> bool {
    let pod = facts.pod.as_ref().and_then(|it| it.controller.as_deref());
    let workload = facts.workload.as_ref().map(|it| &*it.object.kind);
    pod == Some("StatefulSet") || workload == Some("StatefulSet")
}

/// The pods are not critical to the system.
pub(super) fn priority(case: &Case<'_>) -> Option<Says> {
    if !takes_pods(case) {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "how critical it is"));
    };
    let pod = facts.pod.as_ref().map(|it| it.priority_class.as_deref());
    let template = facts.workload.as_ref().and_then(|it| it.template.as_ref());
    let template = template.map(|it| it.priority_class.as_deref());
    if pod.is_none() && template.is_none() {
        return Some(unknown("the priority class of the pods is not known"));
    }
    let critical = [pod, template]
        .into_iter()
        .flatten()
        .flatten()
        .find(|it| it.starts_with("system-"));
    Some(match critical {
        Some(class) => stop(format!("the pods are {class}")),
        None => pass("the pods are not critical to the system"),
    })
}

/// No data goes with the pods. The pods of a StatefulSet come back to their claims.
pub(super) fn storage(case: &Case<'_>) -> Option<Says> {
    if !takes_pods(case) {
        return None;
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether data would be lost"));
    };
    let template = facts.workload.as_ref().and_then(|it| it.template.as_ref());
    let pod = facts.pod.as_ref().map(|it| it.storage);
    let mut kept = pod.into_iter().chain(template.map(|it| it.storage));
    let is_claim_kept = is_stateful(facts) && case.rule.is_some_and(|it| it.stateful);
    if pod.is_none() && template.is_none() {
        return Some(unknown("what the pods keep is not known"));
    }
    let loss = kept.find_map(|storage| match storage {
        Storage::None => None,
        Storage::Local => Some("what the pods keep on their nodes would be lost"),
        Storage::Claimed if is_claim_kept => None,
        Storage::Claimed => Some("the pods have claims of storage"),
    });
    Some(loss.map_or_else(|| pass("the pods keep nothing that would be lost"), stop))
}

/// No other tool takes the change back, and Argo CD owns what it is asked to change.
pub(super) fn managed_by(case: &Case<'_>) -> Option<Says> {
    let kind = case.action.remedy.kind();
    let facts = match (case.facts, case.reach()) {
        (_, Reach::Pod | Reach::Rollout | Reach::Elsewhere) => return None,
        (None, _) => return Some(unread(case, "who else changes it")),
        (Some(facts), _) => facts,
    };
    if case.reach() == Reach::Argo {
        return Some(is_of_application(case, facts));
    }
    let manager = if kind == ActionKind::GatewayWeight {
        facts.route.as_ref().and_then(|it| it.managed_by.as_ref())
    } else {
        facts
            .workload
            .as_ref()
            .and_then(|it| it.managed_by.as_ref())
    };
    Some(match (manager, kind) {
        (None, _) => pass("no other tool is known to change it"),
        (Some(Manager::ArgoCd(_) | Manager::Flux), ActionKind::RestartWorkload) => {
            pass("a restart changes nothing that stands in Git")
        }
        (Some(Manager::ArgoCd(_)), ActionKind::RollBack) => stop(
            "Argo CD owns it and would take this back: use argo_roll_back, or revert in Git and argo_sync",
        ),
        (Some(Manager::ArgoCd(_)), _) => {
            stop("Argo CD owns it and would take this back: change it in Git and use argo_sync")
        }
        (Some(Manager::Flux), _) => {
            stop("Flux owns it and would take this back: change it in Git and use flux_receiver")
        }
    })
}

fn is_of_application(case: &Case<'_>, facts: &Facts) -> Says {
    let application = match &case.action.remedy {
        Remedy::ArgoSync { application }
        | Remedy::ArgoRollBack { application }
        | Remedy::ArgoAction { application, .. } => application,
        Remedy::RestartPod
        | Remedy::RestartWorkload
        | Remedy::Scale { .. }
        | Remedy::RollBack
        | Remedy::JenkinsJob { .. }
        | Remedy::FluxReceiver { .. }
        | Remedy::AbortRollout { .. }
        | Remedy::GatewayWeight { .. }
        | Remedy::Webhook => return pass("Argo CD is not asked"),
    };
    let target = &case.action.target;
    match facts
        .workload
        .as_ref()
        .and_then(|it| it.managed_by.as_ref())
    {
        Some(Manager::ArgoCd(Some(of))) if of == application => {
            pass(format!("{target} belongs to application {application}"))
        }
        Some(Manager::ArgoCd(Some(of))) => stop(format!(
            "{target} belongs to application {of}, not to {application}"
        )),
        Some(Manager::ArgoCd(None)) | None => needs_person(format!(
            "nothing says that {target} belongs to application {application}"
        )),
        Some(Manager::Flux) => stop(format!("{target} belongs to Flux, not to Argo CD")),
    }
}
