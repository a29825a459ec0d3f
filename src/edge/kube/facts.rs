//! Objects of a cluster → what the checks go by.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;

use super::kinds::Kind;
use super::manager::manager;
use super::objects::{
    ACTION_ID, Budget, Condition, Container, Plain, Pod, PodSpec, Workload, annotation, object,
    pairs, timestamp,
};
use super::selector::Labels;
use crate::core::event::Object;
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{
    BudgetFacts, NamespaceFacts, PodFacts, Revision, Storage, WorkloadFacts,
};

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
    let wanted = spec.and_then(|it| it.replicas).unwrap_or(1);
    let (replicas, ready, updated) = match kind.name {
        "DaemonSet" => (
            status.and_then(|it| it.desired_number_scheduled),
            status.and_then(|it| it.number_ready),
            status.and_then(|it| it.updated_number_scheduled),
        ),
        "Job" => {
            let wanted = spec.and_then(|it| it.parallelism).or(Some(1));
            (wanted, status.and_then(|it| it.ready), wanted)
        }
        // Its pods are of the one template that it has.
        "ReplicaSet" => {
            let ready = status.and_then(|it| it.ready_replicas);
            (Some(wanted), ready, Some(wanted))
        }
        _ => (
            Some(wanted),
            status.and_then(|it| it.ready_replicas),
            status.and_then(|it| it.updated_replicas),
        ),
    };
    let observed = status.and_then(|it| number(it.observed_generation.as_ref()?));
    let progress = status.and_then(|it| condition(it.conditions.as_deref(), "Progressing"));
    WorkloadFacts {
        object: object(kind.name, meta),
        labels: pairs(meta.labels.as_ref()),
        replicas: replicas.unwrap_or_default(),
        ready: ready.unwrap_or_default(),
        updated: updated.unwrap_or_default(),
        // A Job does not say.
        is_observed: kind.name == "Job" || observed.is_some_and(|it| Some(it) >= meta.generation),
        is_paused: spec.and_then(|it| it.paused).unwrap_or_default(),
        has_failed: progress.is_some_and(|it| {
            *it.status == *"False" && it.reason.as_deref() == Some("ProgressDeadlineExceeded")
        }),
        managed_by: manager(kind, meta),
        has_template_annotations: template_annotations.is_some_and(Value::is_object),
        has_annotations: meta.annotations.is_some(),
        previous: None,
        is_deleting: meta.deletion_timestamp.is_some(),
        template: None,
        away_max: None,
        annotated: annotation(meta, ACTION_ID).map(Into::into),
        template_annotated: template_annotations
            .and_then(|it| it.get(ACTION_ID))
            .and_then(Value::as_str)
            .map(Into::into),
    }
}

/// The labels that a workload gives its pods.
pub(super) fn template_labels(workload: &Workload) -> Labels {
    let template = workload.spec.as_ref().and_then(|it| it.template.as_ref());
    let labels = template.and_then(|it| it.pointer("/metadata/labels"));
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Of the ReplicaSets of a Deployment, the one that has the revision before.
pub(super) fn previous(deployment: &Workload, sets: Vec<Workload>) -> Option<Revision> {
    let owner = deployment.metadata.uid.as_deref()?;
    let current = revision(&deployment.metadata)?;
    let (number, set) = sets
        .into_iter()
        .filter(|set| controller(&set.metadata).is_some_and(|it| it.uid == owner))
        .filter_map(|set| Some((revision(&set.metadata)?, set)))
        .filter(|(number, _)| *number < current)
        .max_by_key(|(number, _)| *number)?;
    let mut template = set.spec?.template?;
    let labels = template.pointer_mut("/metadata/labels");
    if let Some(labels) = labels.and_then(Value::as_object_mut) {
        labels.remove(TEMPLATE_HASH);
    }
    Some(Revision {
        number,
        name: set.metadata.name?.into(),
        template,
    })
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
