//! What is read of objects, and nothing else of them: a field that a newer cluster has is no reason to fail.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use k8s_openapi::jiff;
use serde::Deserialize;
use serde_json::Value;

use crate::core::event::Object;
use crate::core::record::Timestamp;

/// Which knothole it was.
pub(super) const INSTANCE: &str = "knothole.dev/instance";

/// An object of which only its metadata matters.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Plain {
    pub(super) metadata: ObjectMeta,
}

/// A list, or the part of it that was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    #[serde(default)]
    pub(super) metadata: ListMeta,
    /// An empty list may come as `null`.
    pub(super) items: Option<Vec<T>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListMeta {
    /// There is more.
    #[serde(rename = "continue")]
    pub(super) more: Option<String>,
}

impl ListMeta {
    /// Whether what came is not all.
    pub(super) fn has_more(&self) -> bool {
        self.more.as_deref().is_some_and(|more| !more.is_empty())
    }
}

/// A Pod.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<PodSpec>,
    pub(super) status: Option<PodStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) priority_class_name: Option<Box<str>>,
    pub(super) volumes: Option<Vec<Volume>>,
    pub(super) containers: Option<Vec<Container>>,
    pub(super) init_containers: Option<Vec<Container>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: Box<str>,
    pub(super) empty_dir: Option<Value>,
    pub(super) host_path: Option<Value>,
    pub(super) persistent_volume_claim: Option<Value>,
    pub(super) ephemeral: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) volume_mounts: Option<Vec<Mount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Mount {
    pub(super) name: Box<str>,
    pub(super) read_only: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) conditions: Option<Vec<Condition>>,
    pub(super) container_statuses: Option<Vec<ContainerStatus>>,
    pub(super) init_container_statuses: Option<Vec<ContainerStatus>>,
}

/// A condition of whatever.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition {
    pub(super) r#type: Box<str>,
    pub(super) status: Box<str>,
    pub(super) reason: Option<Box<str>>,
    pub(super) last_transition_time: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    pub(super) restart_count: u32,
    pub(super) state: Option<ContainerState>,
    pub(super) last_state: Option<ContainerState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    pub(super) terminated: Option<Terminated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Terminated {
    pub(super) finished_at: Option<Time>,
}

/// A Deployment, StatefulSet, ReplicaSet or Rollout: they have the same fields where they mean the same.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Workload {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<WorkloadSpec>,
    pub(super) status: Option<WorkloadStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkloadSpec {
    pub(super) replicas: Option<u32>,
    pub(super) paused: Option<bool>,
    pub(super) selector: Option<LabelSelector>,
    /// As it came: what a newer cluster put in must not get lost on the way back.
    pub(super) template: Option<Value>,
    /// Of a Deployment.
    pub(super) strategy: Option<Strategy>,
    /// Of a StatefulSet.
    pub(super) update_strategy: Option<Strategy>,
    /// Of a StatefulSet.
    pub(super) volume_claim_templates: Option<Vec<Value>>,
}

/// How a rollout goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Strategy {
    pub(super) r#type: Option<Box<str>>,
    pub(super) rolling_update: Option<RollingUpdate>,
}

/// Numbers of pods, or shares of them as `25%`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RollingUpdate {
    pub(super) max_unavailable: Option<Value>,
    pub(super) max_surge: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkloadStatus {
    /// A number; a Rollout has it as text.
    pub(super) observed_generation: Option<Value>,
    pub(super) ready_replicas: Option<u32>,
    pub(super) updated_replicas: Option<u32>,
    pub(super) conditions: Option<Vec<Condition>>,
    /// Of a Rollout.
    pub(super) phase: Option<Box<str>>,
    /// Of a Rollout.
    pub(super) abort: Option<bool>,
}

/// An HTTPRoute of the Gateway API.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Route {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<RouteSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteSpec {
    pub(super) rules: Option<Vec<RouteRule>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RouteRule {
    pub(super) backend_refs: Option<Vec<Backend>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Backend {
    pub(super) group: Option<Box<str>>,
    pub(super) kind: Option<Box<str>>,
    pub(super) namespace: Option<Box<str>>,
    pub(super) name: Box<str>,
    pub(super) weight: Option<u32>,
}

/// An Application of Argo CD.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Application {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<ApplicationSpec>,
    pub(super) status: Option<ApplicationStatus>,
    /// What the controller is asked for.
    pub(super) operation: Option<Operation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ApplicationSpec {
    pub(super) project: Box<str>,
    pub(super) sync_policy: Option<SyncPolicy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SyncPolicy {
    pub(super) automated: Option<Automated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Automated {
    /// None is yes.
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ApplicationStatus {
    pub(super) history: Option<Vec<Deployed>>,
    pub(super) operation_state: Option<OperationState>,
}

/// What was deployed, oldest first.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Deployed {
    pub(super) id: i64,
    pub(super) deployed_at: Option<Time>,
    pub(super) revision: Option<Box<str>>,
    pub(super) source: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OperationState {
    pub(super) phase: Option<Box<str>>,
    pub(super) operation: Option<Operation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Operation {
    pub(super) info: Option<Vec<Info>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) name: Box<str>,
    pub(super) value: Box<str>,
}

/// A disruption budget (`policy/v1`).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Budget {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<BudgetSpec>,
    pub(super) status: Option<BudgetStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BudgetSpec {
    pub(super) selector: Option<LabelSelector>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BudgetStatus {
    pub(super) disruptions_allowed: i32,
    pub(super) observed_generation: Option<i64>,
}

/// An autoscaler (`autoscaling/v2`).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Autoscaler {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: Option<AutoscalerSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AutoscalerSpec {
    pub(super) scale_target_ref: Option<Reference>,
}

/// An object that another one names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Reference {
    pub(super) api_version: Option<Box<str>>,
    pub(super) kind: Box<str>,
    pub(super) name: Box<str>,
}

/// A list as `kubectl get` shows it: a row for each object, a cell for each column.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Table {
    pub(super) metadata: ListMeta,
    pub(super) column_definitions: Option<Vec<Column>>,
    pub(super) rows: Option<Vec<Row>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Column {
    pub(super) name: Box<str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    pub(super) cells: Option<Vec<Value>>,
}

/// Labels or annotations, by name.
pub(super) fn pairs(map: Option<&BTreeMap<String, String>>) -> Vec<(Box<str>, Box<str>)> {
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
        .collect()
}

/// The annotation `key`.
pub(super) fn annotation<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    Some(meta.annotations.as_ref()?.get(key)?.as_str())
}

/// Which object it is.
pub(super) fn object(kind: &str, meta: &ObjectMeta) -> Object {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    Object {
        kind: kind.into(),
        namespace: text(&meta.namespace),
        name: text(&meta.name),
        uid: text(&meta.uid),
        generation: meta.generation.unwrap_or_default(),
    }
}

/// A time of a cluster as ours; none before the epoch.
pub(super) fn timestamp(time: &Time) -> Option<Timestamp> {
    timestamp_of(time.0)
}

/// The same.
pub(super) fn timestamp_of(time: jiff::Timestamp) -> Option<Timestamp> {
    let nanos = u64::try_from(time.as_nanosecond()).ok()?;
    Timestamp::known(nanos)
}
