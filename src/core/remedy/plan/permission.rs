//! What the cluster has to permit for an action: exactly what is used, for asking whether we may and for
//! writing roles.

use std::fmt;

use super::kubernetes::resource;
use crate::core::event::{Action, Remedy};
use crate::core::remedy::facts::Facts;

/// One thing that the cluster has to permit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The resource, in the plural.
    pub resource: &'static str,
    /// The subresource, where it is one.
    pub subresource: Option<&'static str>,
    /// `get`, `list`, `create`, `update`, `patch`.
    pub verb: &'static str,
    /// The namespace; none for what is in none.
    pub namespace: Option<Box<str>>,
}

impl Permission {
    /// Whether it is to read alone.
    pub fn is_reading(&self) -> bool {
        matches!(self.verb, "get" | "list")
    }
}

impl fmt::Display for Permission {
    /// `create pods/eviction in namespace shop`, `get deployments.apps in namespace shop`, `list nodes`.
    /// Answers about access go by this name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

/// Where something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The namespace of the target.
    pub namespace: &'a str,
    /// The kind of the workload; none where it may be any that the remedy is for.
    pub kind: Option<&'a str>,
    /// The namespace of the Application objects, where Argo CD is asked through them.
    pub argo_namespace: Option<&'a str>,
}

/// Group, resource, subresource, verb.
type Right = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
);

/// What is read of a target, whatever is done to it: the namespace's labels, the pod and its owners.
const READS: [Right; 3] = [
    ("", "namespaces", None, "get"),
    ("", "pods", None, "get"),
    ("apps", "replicasets", None, "get"),
];

/// The claim on the workload, and the event that tells of a change.
const AROUND: [Right; 4] = [
    ("coordination.k8s.io", "leases", None, "get"),
    ("coordination.k8s.io", "leases", None, "create"),
    ("coordination.k8s.io", "leases", None, "update"),
    ("events.k8s.io", "events", None, "create"),
];

const KINDS: [&str; 2] = ["Deployment", "StatefulSet"];
const ROLLOUTS: &str = "argoproj.io";
const GATEWAYS: &str = "gateway.networking.k8s.io";

/// All that carrying out `action` takes, as far as the cluster has to permit it.
pub fn permissions_of(action: &Action, facts: &Facts) -> Vec<Permission> {
    let named = action.target.workload.as_ref().map(|(kind, _)| &**kind);
    let read = facts.workload.as_ref().map(|it| &*it.object.kind);
    let application = facts.argo.as_ref().and_then(|it| it.object.as_ref());
    let scope = Scope {
        namespace: &action.target.namespace,
        kind: read.or(named),
        argo_namespace: application.map(|it| &*it.namespace),
    };
    permissions(&action.remedy, scope)
}

/// All that carrying out `remedy` within `scope` takes, as far as the cluster has to permit it: what is read
/// to look at a target, the claim, the change itself and the event that tells of it. What another system
/// does it does with permissions of its own, and all else is ours; what a hook does is only looked at.
pub fn permissions(remedy: &Remedy, scope: Scope<'_>) -> Vec<Permission> {
    let kinds: Vec<&str> = match (scope.kind, remedy) {
        // It is read by its own name, whoever has the pod.
        (_, Remedy::AbortRollout { .. }) => vec!["Rollout"],
        (Some(kind), _) => vec![kind],
        (None, Remedy::RollBack) => vec!["Deployment"],
        (None, _) => KINDS.to_vec(),
    };
    let workloads: Vec<(&str, &str)> = kinds.iter().filter_map(|it| resource(it)).collect();
    let mut rights = READS.to_vec();
    rights.extend(workloads.iter().map(|it| (it.0, it.1, None, "get")));
    rights.extend(own(remedy, &workloads));
    let mut all: Vec<Permission> = rights
        .into_iter()
        .map(|right| named(right, Some(scope.namespace)))
        .collect();
    all.append(&mut elsewhere(remedy, scope));
    all.sort();
    all.dedup();
    all
}

/// What is used where it is permitted, and not missed where it is not: nodes are looked at for whether the
/// cluster is being upgraded, which takes a permission for all of it.
pub fn permissions_wished() -> Vec<Permission> {
    vec![named(("", "nodes", None, "list"), None)]
}

fn named((group, resource, subresource, verb): Right, namespace: Option<&str>) -> Permission {
    Permission {
        group,
        resource,
        subresource,
        verb,
        namespace: namespace.map(Into::into),
    }
}

/// What one remedy needs besides what all do, where it changes something in the cluster itself.
fn own(remedy: &Remedy, workloads: &[(&'static str, &'static str)]) -> Vec<Right> {
    let on_workloads = |subresource, verb| {
        let rights = workloads.iter();
        rights.map(move |it| (it.0, it.1, subresource, verb))
    };
    let mut rights: Vec<Right> = match remedy {
        Remedy::RestartPod => vec![
            ("policy", "poddisruptionbudgets", None, "list"),
            ("", "pods", Some("eviction"), "create"),
        ],
        Remedy::RestartWorkload => on_workloads(None, "patch").collect(),
        Remedy::Scale { .. } => on_workloads(Some("scale"), "patch")
            .chain([("autoscaling", "horizontalpodautoscalers", None, "list")])
            .collect(),
        Remedy::RollBack => on_workloads(None, "patch")
            .chain([("apps", "replicasets", None, "list")])
            .collect(),
        Remedy::AbortRollout { .. } => vec![(ROLLOUTS, "rollouts", Some("status"), "patch")],
        Remedy::GatewayWeight { .. } => vec![
            (GATEWAYS, "httproutes", None, "get"),
            (GATEWAYS, "httproutes", None, "patch"),
        ],
        Remedy::ArgoSync { .. }
        | Remedy::ArgoRollBack { .. }
        | Remedy::ArgoAction { .. }
        | Remedy::JenkinsJob { .. }
        | Remedy::FluxReceiver { .. }
        | Remedy::Webhook => return vec![],
    };
    rights.extend(AROUND);
    rights
}

/// What is needed around something that another system does. Where that is Argo CD's controller it is asked
/// through the Application object: the claim is on the workload, and the event on the object.
fn elsewhere(remedy: &Remedy, scope: Scope<'_>) -> Vec<Permission> {
    let around = |events: &str| {
        let place = |right: &Right| match right.1 {
            "events" => events,
            _ => scope.namespace,
        };
        let all = AROUND.iter();
        all.map(|right| named(*right, Some(place(right)))).collect()
    };
    let verbs: &[&'static str] = match remedy {
        Remedy::ArgoSync { .. } | Remedy::ArgoRollBack { .. } => &["get", "patch"],
        Remedy::ArgoAction { .. } => &["get"],
        Remedy::JenkinsJob { .. } | Remedy::FluxReceiver { .. } => return around(scope.namespace),
        Remedy::RestartPod
        | Remedy::RestartWorkload
        | Remedy::Scale { .. }
        | Remedy::RollBack
        | Remedy::AbortRollout { .. }
        | Remedy::GatewayWeight { .. }
        | Remedy::Webhook => return vec![],
    };
    let Some(namespace) = scope.argo_namespace else {
        return around(scope.namespace);
    };
    let mut all: Vec<Permission> = around(namespace);
    let of = |verb| named((ROLLOUTS, "applications", None, verb), Some(namespace));
    all.extend(verbs.iter().map(|verb| of(verb)));
    all
}
