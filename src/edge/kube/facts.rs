//! Objects of a cluster → what the checks go by.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Deserialize as _;
use serde_json::Value;

use super::kinds::Kind;
use super::manager::manager;
use super::objects::{
    Budget, Condition, Container, Plain, Pod, PodSpec, Route, Strategy, Workload, WorkloadSpec,
    annotation, object, pairs, timestamp,
};
use crate::core::event::Object;
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{
    BackendFacts, BudgetFacts, NamespaceFacts, PodFacts, Revision, RouteFacts, Storage,
    TemplateFacts, WorkloadFacts,
};
use crate::core::remedy::plan::ACTION_ANNOTATION;

/// Where a Deployment and its ReplicaSets say which revision they are.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// What a Deployment's controller puts on the pods of each ReplicaSet.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Whoever controls an object.
pub(super) fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = meta.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
}

/// A namespace.
pub(super) fn of_namespace(namespace: &Plain) -> NamespaceFacts {
    let meta = &namespace.metadata;
    NamespaceFacts {
        name: meta.name.as_deref().unwrap_or_default().into(),
        labels: pairs(meta.labels.as_ref()),
        is_terminating: meta.deletion_timestamp.is_some(),
    }
}

/// A pod.
pub(super) fn of_pod(pod: &Pod) -> PodFacts {
    let meta = &pod.metadata;
    let status = pod.status.as_ref();
    let ready = status.and_then(|it| condition(it.conditions.as_deref(), "Ready"));
    let containers = status.into_iter().flat_map(|it| {
        let regular = it.container_statuses.iter().flatten();
        regular.chain(it.init_container_statuses.iter().flatten())
    });
    let mut restarts = 0u32;
    let mut last_ended: Option<Timestamp> = None;
    for container in containers {
        restarts = restarts.saturating_add(container.restart_count);
        for state in [&container.state, &container.last_state] {
            let ended = state.as_ref().and_then(|it| it.terminated.as_ref());
            let ended = ended.and_then(|it| timestamp(it.finished_at.as_ref()?));
            last_ended = last_ended.max(ended);
        }
    }
    PodFacts {
        // It only counts changes of resources, and old clusters have none.
        object: Object {
            generation: 0,
            ..object("Pod", meta)
        },
        labels: pairs(meta.labels.as_ref()),
        created: meta.creation_timestamp.as_ref().and_then(timestamp),
        is_ready: ready.is_some_and(|it| *it.status == *"True"),
        ready_since: ready.and_then(|it| timestamp(it.last_transition_time.as_ref()?)),
        restarts,
        last_ended,
        is_deleting: meta.deletion_timestamp.is_some(),
        controller: controller(meta).map(|owner| owner.kind.as_str().into()),
        priority_class: pod
            .spec
            .as_ref()
            .and_then(|it| it.priority_class_name.clone())
            .filter(|name| !name.is_empty()),
        storage: pod.spec.as_ref().map(storage).unwrap_or_default(),
    }
}

/// What a pod loses with itself. An emptyDir in memory counts as one on the disk: it too outlives a container and
/// not the pod.
fn storage(spec: &PodSpec) -> Storage {
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let written: BTreeSet<&str> = containers
        .flatten()
        .flat_map(|Container { volume_mounts }| volume_mounts.iter().flatten())
        .filter(|mount| mount.read_only != Some(true))
        .map(|mount| &*mount.name)
        .collect();
    let volumes = || spec.volumes.iter().flatten();
    if volumes().any(|it| it.persistent_volume_claim.is_some() || it.ephemeral.is_some()) {
        return Storage::Claimed;
    }
    let is_local = volumes()
        .filter(|it| it.empty_dir.is_some() || it.host_path.is_some())
        .any(|it| written.contains(&*it.name));
    if is_local {
        Storage::Local
    } else {
        Storage::None
    }
}

/// A workload of this kind.
pub(super) fn of_workload(kind: Kind, workload: &Workload) -> WorkloadFacts {
    let meta = &workload.metadata;
    let spec = workload.spec.as_ref();
    let status = workload.status.as_ref();
    let template = spec.and_then(|it| it.template.as_ref());
    let template_annotations = template.and_then(|it| it.pointer("/metadata/annotations"));
    let replicas = spec.and_then(|it| it.replicas).unwrap_or(1);
    let updated = match kind.name {
        // Its pods are of the one template that it has.
        "ReplicaSet" => Some(replicas),
        _ => status.and_then(|it| it.updated_replicas),
    };
    let observed = status.and_then(|it| number(it.observed_generation.as_ref()?));
    let progress = status.and_then(|it| condition(it.conditions.as_deref(), "Progressing"));
    WorkloadFacts {
        object: object(kind.name, meta),
        labels: pairs(meta.labels.as_ref()),
        replicas,
        ready: status.and_then(|it| it.ready_replicas).unwrap_or_default(),
        updated: updated.unwrap_or_default(),
        is_observed: observed.is_some() && observed >= meta.generation,
        is_paused: spec.and_then(|it| it.paused).unwrap_or_default(),
        has_failed: progress.is_some_and(|it| {
            *it.status == *"False" && it.reason.as_deref() == Some("ProgressDeadlineExceeded")
        }),
        managed_by: manager(kind, meta),
        has_template_annotations: template_annotations.is_some_and(Value::is_object),
        has_annotations: meta.annotations.is_some(),
        previous: None,
        annotated: annotation(meta, ACTION_ANNOTATION).map(Into::into),
        template_annotated: template_annotations
            .and_then(|it| it.get(ACTION_ANNOTATION))
            .and_then(Value::as_str)
            .map(Into::into),
        is_deleting: meta.deletion_timestamp.is_some(),
        template: spec.and_then(of_template),
        away_max: spec.and_then(|it| away_max(kind, it, replicas)),
        phase: status.and_then(|it| it.phase.clone()).unwrap_or_default(),
        is_aborted: status.and_then(|it| it.abort).unwrap_or_default(),
    }
}

/// What a workload's pods are like.
fn of_template(spec: &WorkloadSpec) -> Option<TemplateFacts> {
    let pod = spec.template.as_ref()?.get("spec")?;
    let pod = PodSpec::deserialize(pod).ok()?;
    let claims = spec.volume_claim_templates.as_deref().unwrap_or_default();
    Some(TemplateFacts {
        storage: if claims.is_empty() {
            storage(&pod)
        } else {
            Storage::Claimed
        },
        priority_class: pod.priority_class_name.filter(|name| !name.is_empty()),
    })
}

/// The most pods that a rollout takes away at once, as the controllers of Kubernetes work it out.
fn away_max(kind: Kind, spec: &WorkloadSpec, replicas: u32) -> Option<u32> {
    let quarter = Value::from("25%");
    let one = Value::from(1);
    let none = Strategy::default();
    match kind.name {
        "Deployment" => {
            let strategy = spec.strategy.as_ref().unwrap_or(&none);
            let rolling = strategy.rolling_update.as_ref();
            match strategy.r#type.as_deref() {
                Some("Recreate") => Some(replicas),
                None | Some("RollingUpdate") => {
                    let away = rolling.and_then(|it| it.max_unavailable.as_ref());
                    let more = rolling.and_then(|it| it.max_surge.as_ref());
                    let away = scaled(away.unwrap_or(&quarter), replicas, false)?;
                    let more = scaled(more.unwrap_or(&quarter), replicas, true)?;
                    // It could not go on otherwise.
                    Some(if more == 0 { away.max(1) } else { away })
                }
                Some(_) => None,
            }
        }
        "StatefulSet" => {
            let strategy = spec.update_strategy.as_ref().unwrap_or(&none);
            let rolling = strategy.rolling_update.as_ref();
            match strategy.r#type.as_deref() {
                None | Some("RollingUpdate") => {
                    let away = rolling.and_then(|it| it.max_unavailable.as_ref());
                    Some(scaled(away.unwrap_or(&one), replicas, false)?.max(1))
                }
                // `OnDelete`: nothing is rolled out until somebody deletes pods.
                Some(_) => None,
            }
        }
        _ => None,
    }
}

/// A number of pods, or a share of `replicas` such as `25%`.
fn scaled(value: &Value, replicas: u32, is_up: bool) -> Option<u32> {
    if let Some(number) = value.as_u64() {
        return u32::try_from(number).ok();
    }
    let percent: u64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let hundredfold = percent.checked_mul(u64::from(replicas))?;
    let pods = if is_up {
        hundredfold.div_ceil(100)
    } else {
        hundredfold / 100
    };
    u32::try_from(pods).ok()
}

/// Of the ReplicaSets of a Deployment, the one that has the revision before.
pub(super) fn previous(deployment: &Workload, sets: Vec<Workload>) -> Option<Revision> {
    let owner = deployment.metadata.uid.as_deref()?;
    let current = revision(&deployment.metadata)?;
    let (former, rest): (Vec<_>, Vec<_>) = sets
        .into_iter()
        .filter(|set| controller(&set.metadata).is_some_and(|it| it.uid == owner))
        .filter_map(|set| Some((revision(&set.metadata)?, set)))
        .partition(|(number, _)| *number < current);
    let (number, set) = former.into_iter().max_by_key(|(number, _)| *number)?;
    // A ReplicaSet that is gone back to keeps the time when it was made.
    let in_place = rest.into_iter().find(|(number, _)| *number == current);
    let made = in_place.and_then(|(_, set)| set.metadata.creation_timestamp);
    let mut template = set.spec?.template?;
    let labels = template.pointer_mut("/metadata/labels");
    if let Some(labels) = labels.and_then(Value::as_object_mut) {
        labels.remove(TEMPLATE_HASH);
    }
    Some(Revision {
        number,
        name: set.metadata.name?.into(),
        template,
        replaced_at: made.as_ref().and_then(timestamp),
    })
}

/// A route of this kind.
pub(super) fn of_route(kind: Kind, route: &Route) -> RouteFacts {
    let meta = &route.metadata;
    let mut backends = Vec::new();
    let rules = route.spec.as_ref().and_then(|it| it.rules.as_deref());
    for (rule, its) in (0..).zip(rules.unwrap_or_default()) {
        for (place, backend) in (0..).zip(its.backend_refs.iter().flatten()) {
            let is_of =
                |said: &Option<Box<str>>, own: &str| said.as_deref().is_none_or(|said| said == own);
            let is_own = is_of(&backend.group, "")
                && is_of(&backend.kind, "Service")
                && is_of(
                    &backend.namespace,
                    meta.namespace.as_deref().unwrap_or_default(),
                );
            backends.push(BackendFacts {
                rule,
                place,
                service: if is_own {
                    backend.name.clone()
                } else {
                    Box::default()
                },
                weight: backend.weight.unwrap_or(1),
            });
        }
    }
    RouteFacts {
        object: object(kind.name, meta),
        managed_by: manager(kind, meta),
        has_annotations: meta.annotations.is_some(),
        backends,
    }
}

/// A disruption budget.
pub(super) fn of_budget(budget: &Budget) -> BudgetFacts {
    let meta = &budget.metadata;
    let status = budget.status.as_ref();
    let observed = status.and_then(|it| it.observed_generation);
    BudgetFacts {
        name: meta.name.as_deref().unwrap_or_default().into(),
        allowed: status.map(|it| it.disruptions_allowed).unwrap_or_default(),
        is_observed: observed.is_some() && observed >= meta.generation,
    }
}

fn revision(meta: &ObjectMeta) -> Option<i64> {
    annotation(meta, REVISION)?.parse().ok()
}

fn condition<'a>(conditions: Option<&'a [Condition]>, kind: &str) -> Option<&'a Condition> {
    conditions?.iter().find(|it| *it.r#type == *kind)
}

/// A number, also one that is written as text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
