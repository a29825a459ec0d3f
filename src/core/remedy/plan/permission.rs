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

impl fmt::Display for Permission {
    /// `create pods/eviction in shop`, `get deployments.apps in shop`, `list nodes`. Answers about access
    /// go by this name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(subresource) = self.subresource {
            write!(f, "/{subresource}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
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

const APPS: &str = "apps";
const KINDS: [&str; 2] = ["Deployment", "StatefulSet"];

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
/// to look at a target, the claim, the change itself and the event that tells of it.
pub fn permissions(remedy: &Remedy, scope: Scope<'_>) -> Vec<Permission> {
    let kinds: Vec<&str> = scope.kind.map_or(KINDS.to_vec(), |kind| vec![kind]);
    let workloads: Vec<&'static str> = kinds.iter().filter_map(|it| resource(it)).collect();
    let mut all = reads(remedy, scope, &workloads);
    all.append(&mut writes(remedy, scope, &workloads));
    all.sort();
    all.dedup();
    all
}

fn here(
    scope: Scope<'_>,
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
) -> Permission {
    Permission {
        group,
        resource,
        subresource: None,
        verb,
        namespace: Some(scope.namespace.into()),
    }
}

/// What is read of a target, whatever is done to it.
fn reads(remedy: &Remedy, scope: Scope<'_>, workloads: &[&'static str]) -> Vec<Permission> {
    let mut all = vec![
        here(scope, "", "namespaces", "get"),
        here(scope, "", "pods", "get"),
        here(scope, APPS, "replicasets", "get"),
    ];
    all.extend(workloads.iter().map(|it| here(scope, APPS, it, "get")));
    match remedy {
        Remedy::RestartPod => {
            all.push(here(scope, "policy", "poddisruptionbudgets", "list"));
        }
        Remedy::Scale { .. } => {
            all.push(here(
                scope,
                "autoscaling",
                "horizontalpodautoscalers",
                "list",
            ));
        }
        Remedy::RollBack => all.push(here(scope, APPS, "replicasets", "list")),
        Remedy::AbortRollout { .. } => {
            all.push(here(scope, "argoproj.io", "rollouts", "get"));
        }
        Remedy::GatewayWeight { .. } => {
            all.push(here(
                scope,
                "gateway.networking.k8s.io",
                "httproutes",
                "get",
            ));
        }
        Remedy::ArgoSync { .. } | Remedy::ArgoRollBack { .. } | Remedy::ArgoAction { .. } => {
            all.extend(scope.argo_namespace.map(|namespace| Permission {
                namespace: Some(namespace.into()),
                ..here(scope, "argoproj.io", "applications", "get")
            }));
        }
        Remedy::RestartWorkload
        | Remedy::JenkinsJob { .. }
        | Remedy::FluxReceiver { .. }
        | Remedy::Webhook => {}
    }
    all
}

/// The change itself, the claim before it and the event after it. What another system does, it does with
/// permissions of its own.
fn writes(remedy: &Remedy, scope: Scope<'_>, workloads: &[&'static str]) -> Vec<Permission> {
    let patch = |it: &&'static str| here(scope, APPS, it, "patch");
    let mut all: Vec<Permission> = match remedy {
        Remedy::RestartPod => vec![Permission {
            subresource: Some("eviction"),
            ..here(scope, "", "pods", "create")
        }],
        Remedy::RestartWorkload => workloads.iter().map(patch).collect(),
        Remedy::Scale { .. } => workloads
            .iter()
            .map(|it| Permission {
                subresource: Some("scale"),
                ..patch(it)
            })
            .collect(),
        Remedy::RollBack => vec![here(scope, APPS, "deployments", "patch")],
        Remedy::AbortRollout { .. } => vec![Permission {
            subresource: Some("status"),
            ..here(scope, "argoproj.io", "rollouts", "patch")
        }],
        Remedy::GatewayWeight { .. } => vec![here(
            scope,
            "gateway.networking.k8s.io",
            "httproutes",
            "patch",
        )],
        Remedy::ArgoSync { .. } | Remedy::ArgoRollBack { .. } => scope
            .argo_namespace
            .map(|namespace| Permission {
                namespace: Some(namespace.into()),
                ..here(scope, "argoproj.io", "applications", "patch")
            })
            .into_iter()
            .collect(),
        Remedy::ArgoAction { .. }
        | Remedy::JenkinsJob { .. }
        | Remedy::FluxReceiver { .. }
        | Remedy::Webhook => vec![],
    };
    if all.is_empty() {
        return all;
    }
    let leases = ["get", "create", "update"];
    all.extend(leases.map(|verb| here(scope, "coordination.k8s.io", "leases", verb)));
    all.push(here(scope, "events.k8s.io", "events", "create"));
    all
}
