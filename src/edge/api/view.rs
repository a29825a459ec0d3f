//! What the api shows.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::{ActionQuery, IncidentQuery};
use crate::core::event::{Action, Incident};
use crate::core::record::Timestamp;

/// What the api shows. Of what a view does not keep it shows nothing.
///
/// Calls of [`ready`](View::ready), [`services`](View::services) and [`metrics`](View::metrics) run
/// on an async thread and should take microseconds; the others may wait for a disk.
pub trait View: Send + Sync + 'static {
    /// Whether records are accepted.
    ///
    /// # Errors
    /// The reason, in words for an operator, while they are not.
    fn ready(&self) -> Result<(), String>;

    /// All streams, in a stable order.
    fn services(&self) -> Vec<ServiceView>;

    /// The metrics as OpenMetrics text, with its `# EOF` ([`open_metrics`] makes it).
    fn metrics(&self) -> String;

    /// At most `limit` anomalies, newest first, in the form every sink sends.
    fn anomalies(&self, limit: usize) -> Vec<Value>;

    /// The anomaly whose id begins with `prefix` (lower-case hex digits, at least 6), in the form
    /// every sink sends.
    fn anomaly(&self, prefix: &str) -> Lookup<Value> {
        let _ = prefix;
        Lookup::Nothing
    }

    /// What `query` asks for, in its order: [`IncidentQuery::select`] does that.
    fn incidents(&self, query: &IncidentQuery) -> Vec<Arc<Incident>> {
        let _ = query;
        Vec::new()
    }

    /// The incident whose id begins with `prefix` (lower-case hex digits, at least 6).
    fn incident(&self, prefix: &str) -> Lookup<IncidentView> {
        let _ = prefix;
        Lookup::Nothing
    }

    /// The templates of the service that is called so (`cart`, `prod/shop/cart`), the most frequent
    /// first.
    fn templates(&self, service: &str) -> Lookup<Vec<TemplateView>> {
        let _ = service;
        Lookup::Nothing
    }

    /// The silences that hold, in the form in which they are posted, with their `id`.
    fn silences(&self) -> Vec<Value> {
        Vec::new()
    }

    /// At most `limit` entries of the audit, newest first, from before the entry with the number
    /// `before`.
    fn audit(&self, before: Option<u64>, limit: usize) -> Vec<AuditEntry> {
        let _ = (before, limit);
        Vec::new()
    }

    /// What `query` asks for, in its order: [`ActionQuery::select`] does that.
    fn actions(&self, query: &ActionQuery) -> Vec<Arc<Action>> {
        let _ = query;
        Vec::new()
    }

    /// The action whose id begins with `prefix` (lower-case hex digits, at least 6), in the form every
    /// sink sends.
    fn action(&self, prefix: &str) -> Lookup<Value> {
        let _ = prefix;
        Lookup::Nothing
    }

    /// How the kill switch stands: `{"stopped": true, "why": "…", "file": "…"}`.
    fn switch(&self) -> Value {
        Value::Null
    }

    /// How long things took in the last `window`.
    fn dora(&self, window: Duration) -> Dora {
        Dora {
            window,
            ..Dora::default()
        }
    }
}

/// What was found under a name or the beginning of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// One thing.
    Found(T),
    /// More than one.
    Several,
    /// None.
    Nothing,
    /// Who knows does not answer in time.
    Busy,
}

impl<T> Lookup<T> {
    /// What is in `found`, if it is one.
    pub fn of(found: impl IntoIterator<Item = T>) -> Self {
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Self::Nothing,
            (Some(one), None) => Self::Found(one),
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

/// An incident, and how every sink sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentView {
    /// The incident.
    pub incident: Arc<Incident>,
    /// Its JSON object.
    pub object: Value,
}

/// A stream as `/v1/services` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceView {
    /// `deployment.environment.name`, or empty.
    pub environment: Box<str>,
    /// `service.namespace`, or empty.
    pub namespace: Box<str>,
    /// `service.name`, or what stands in for it.
    pub name: Box<str>,
    /// How far it is.
    pub state: ServiceState,
    /// Records seen.
    pub records: u64,
    /// Templates known.
    pub templates: u64,
    /// The Good–Turing estimate of the chance that the next record brings a new template, 0 to 1.
    pub new_template_chance: f64,
    /// Records that found no room for a template, or whose template had to give way.
    pub overflow: u64,
    /// What is odd about the templates, by the names of Elastic's five sanity checks; mostly empty.
    pub template_signs: Vec<&'static str>,
    /// Until when nothing new is learned, because too many templates were born.
    pub quarantined_until: Option<Box<str>>,
    /// Sequences open now.
    pub sequences: u64,
    /// The model that judges, once there is one.
    pub model: Option<ModelView>,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// It collects records to train on, and is not judged.
    Learning,
    /// It trains, and has no model yet that could judge meanwhile.
    Training,
    /// It is judged.
    Active,
}

/// A model as `/v1/services` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelView {
    /// `Bundle::version`.
    pub version: Box<str>,
    /// How many records it was trained on.
    pub trained_on: u64,
}

/// A template as `/v1/templates` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TemplateView {
    /// Its identity, 16 hex digits.
    pub id: Box<str>,
    /// Its text, with placeholders such as `<num>`. Untrusted.
    pub text: Box<str>,
    /// Records of it seen.
    pub records: u64,
}

/// Something that was done through the api, or became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Rises by one with every entry, from 1 on.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who: the name of the token, or `local` where none is asked for.
    pub by: Box<str>,
    /// As what: the name of a [`Role`](super::Role), or `system` for what knothole or a hook did.
    pub role: Box<str>,
    /// The address they came from, without the port; empty where there is none.
    pub from: Box<str>,
    /// What: the name of the order (`Order::name`), or `action.` and where an action stood since.
    pub action: Box<str>,
    /// To what: an id, a service. Untrusted.
    pub target: Box<str>,
    /// What they wrote. Untrusted.
    pub note: Option<Box<str>>,
    /// What became of it: `done`, or why it was refused; of an action, where it stood since.
    pub outcome: Box<str>,
    /// What an action went by: its id, rule, incident, plan and what spoke against it. Untrusted.
    pub details: Option<Value>,
    /// The hash of the entry, 64 hex digits: the next one has it in its own.
    pub hash: Box<str>,
}

/// How long things took, and how often changes broke something: the measures of DORA, and those of
/// incidents beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dora {
    /// How far back is looked.
    pub window: Duration,
    /// Incidents that began in the window, those that turned out to be part of another aside.
    pub incidents: u64,
    /// From the first abnormal record until it was opened.
    pub time_to_detect: Option<Quantiles>,
    /// From the first abnormal record until somebody took it on, over those that somebody did.
    pub time_to_acknowledge: Option<Quantiles>,
    /// From the first abnormal record to the last, or until somebody said that it is over, over those
    /// that are.
    pub time_to_restore: Option<Quantiles>,
    /// From each deployment that caused one until the last of what it caused was over.
    pub failed_deployment_recovery: Option<Quantiles>,
    /// The share of deployments that an incident followed; `None` without deployments.
    pub change_failure_rate: Option<f64>,
    /// Deployments that are known of.
    pub deployments: u64,
}

/// Half of them took no longer than `p50`, nine in ten no longer than `p90`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// The median.
    pub p50: Duration,
    /// The ninth decile.
    pub p90: Duration,
}

/// The metrics of `registry` as OpenMetrics text.
pub fn open_metrics(registry: &prometheus_client::registry::Registry) -> String {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, registry).is_err() {
        // Writing into a string cannot fail, and half an exposition must not look whole.
        text.clear();
    }
    text
}
