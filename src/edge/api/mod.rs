//! HTTP for people and machines: health, metrics, services, anomalies.
//!
//! The api only reads, through a [`View`]; nothing that is sent to it changes anything.

mod recent;
mod routes;

use serde::Serialize;
use serde_json::Value;

pub use recent::Recent;
pub use routes::serve;

/// What the api shows. Each call should take microseconds: it runs on an async thread.
pub trait View: Send + Sync + 'static {
    /// Whether records are accepted.
    ///
    /// # Errors
    /// The reason, in words for an operator, while they are not.
    fn ready(&self) -> Result<(), String>;

    /// All streams, in a stable order.
    fn services(&self) -> Vec<ServiceView>;

    /// At most `limit` anomalies, newest first, in the form every sink sends.
    fn anomalies(&self, limit: usize) -> Vec<Value>;

    /// The metrics as OpenMetrics text, with its `# EOF` ([`open_metrics`] makes it).
    fn metrics(&self) -> String;
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

/// The metrics of `registry` as OpenMetrics text.
pub fn open_metrics(registry: &prometheus_client::registry::Registry) -> String {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, registry).is_err() {
        // Writing into a string cannot fail, and half an exposition must not look whole.
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests;
