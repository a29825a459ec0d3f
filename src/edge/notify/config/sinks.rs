//! The settings of each kind of sink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{EventKind, HeaderConfig, Limit, Retry, duration};
use crate::edge::outgoing::SecretRef;

/// Settings of a sink that prints JSON lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdoutConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::events`](super::Common::events).
    #[serde(default = "all_kinds")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`](super::Common::limit).
    #[serde(default)]
    pub limit: Limit,
}

/// Settings of a sink that sends OTLP log events over gRPC.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::events`](super::Common::events).
    #[serde(default = "for_machines")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`](super::Common::limit).
    #[serde(default)]
    pub limit: Limit,
    /// `http://host:4317`, or `https://` for TLS with the system's roots.
    pub endpoint: String,
    /// Sent with every request.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderConfig>,
    /// How long one request may take.
    #[serde(default = "otlp_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// When a failed request is sent again.
    #[serde(default)]
    pub retry: Retry,
}

/// Settings of a signed webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::events`](super::Common::events).
    #[serde(default = "for_machines")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`](super::Common::limit).
    #[serde(default)]
    pub limit: Limit,
    /// Where to POST.
    pub url: String,
    /// The signing secret: `whsec_` and the base64 of 24 to 64 bytes.
    pub secret: SecretRef,
    /// Secrets that requests are signed with too, while receivers change from one to another.
    #[serde(default)]
    pub also_secrets: Vec<SecretRef>,
    /// How long one request may take.
    #[serde(default = "webhook_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// When a failed request is sent again.
    #[serde(default)]
    pub retry: Retry,
    /// Most requests under way at once.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// Whether `url` may lead to a private address (10.0.0.0/8 and the like). Link-local and
    /// metadata addresses are refused in any case; a loopback address is taken when `url` itself
    /// names one (`localhost`, `127.0.0.1`, `[::1]`).
    #[serde(default)]
    pub allow_private: bool,
}

/// Settings of a file of JSON lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::events`](super::Common::events).
    #[serde(default = "all_kinds")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`](super::Common::limit).
    #[serde(default)]
    pub limit: Limit,
    /// The file. Its folder has to be there.
    pub path: PathBuf,
    /// A file that would grow beyond this is put aside first: `path.1`, `path.2`.
    #[serde(default = "file_bytes_max")]
    pub bytes_max: u64,
    /// How many files that were put aside are kept.
    #[serde(default = "files_kept")]
    pub files_kept: usize,
    /// When what was written is on disk for sure.
    #[serde(default)]
    pub sync: FileSync,
}

/// When what was written to a file is on disk for sure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileSync {
    /// Before it counts as delivered.
    #[default]
    Always,
    /// When the system sees fit.
    Never,
}

/// Settings of a receiver of CloudEvents.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudeventsConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::events`](super::Common::events).
    #[serde(default = "for_machines")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`](super::Common::limit).
    #[serde(default)]
    pub limit: Limit,
    /// Where to POST.
    pub url: String,
    /// How an event is laid out in a request.
    #[serde(default)]
    pub mode: ContentMode,
    /// The `source` of every event; left out, a path with the id of this instance.
    #[serde(default)]
    pub source: Option<String>,
    /// Sent with every request.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderConfig>,
    /// How long one request may take.
    #[serde(default = "http_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// When a failed request is sent again.
    #[serde(default)]
    pub retry: Retry,
    /// See [`WebhookConfig::allow_private`].
    #[serde(default)]
    pub allow_private: bool,
}

/// The content modes of CloudEvents over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentMode {
    /// Attributes are headers, the data is the body.
    Binary,
    /// The body is one JSON object with attributes and data.
    #[default]
    Structured,
    /// The body is a list of such objects.
    Batch,
}

/// Settings of an Alertmanager, or of all members of a cluster of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// Where the Alertmanagers are: `http://alertmanager:9093`. All of them get every alert.
    pub urls: Vec<String>,
    /// The label `alertname`.
    #[serde(default = "alertname")]
    pub alertname: String,
    /// How often an alert is sent again while its incident goes on.
    #[serde(default = "resend_every", deserialize_with = "duration")]
    pub resend_every: Duration,
    /// Whether only incidents that page are told.
    #[serde(default = "yes")]
    pub pages_only: bool,
    /// Where people look incidents up; the id is put behind it.
    #[serde(default)]
    pub incident_url: Option<String>,
    /// Sent with every request.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderConfig>,
    /// How long one request may take.
    #[serde(default = "http_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// When a failed request is sent again.
    #[serde(default)]
    pub retry: Retry,
    /// See [`WebhookConfig::allow_private`].
    #[serde(default)]
    pub allow_private: bool,
}

/// Settings of a PagerDuty service. It hears of incidents that page, and of changes if it is to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagerdutyConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// The integration key of an Events API v2 integration: 32 characters.
    pub routing_key: SecretRef,
    /// Whether it hears of changes too, as change events, which wake nobody.
    #[serde(default)]
    pub changes: bool,
    /// Where to POST; another one for PagerDuty's EU region.
    #[serde(default = "pagerduty_url")]
    pub url: String,
    /// Where people look incidents up; the id is put behind it.
    #[serde(default)]
    pub incident_url: Option<String>,
    /// How long one request may take.
    #[serde(default = "http_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// When a failed request is sent again.
    #[serde(default)]
    pub retry: Retry,
    /// See [`WebhookConfig::allow_private`].
    #[serde(default)]
    pub allow_private: bool,
}

/// Settings of a Slack channel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::events`](super::Common::events): `incident`, `digest` or both.
    #[serde(default = "for_people")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// The address of an incoming webhook; whoever has it can write, so it is a secret.
    pub url: SecretRef,
    /// Whether only incidents that page are told; the others are in the digest.
    #[serde(default = "yes")]
    pub pages_only: bool,
    /// Where people look incidents up; the id is put behind it.
    #[serde(default)]
    pub incident_url: Option<String>,
    /// How long one request may take.
    #[serde(default = "http_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// When a failed request is sent again.
    #[serde(default)]
    pub retry: Retry,
    /// See [`WebhookConfig::allow_private`].
    #[serde(default)]
    pub allow_private: bool,
}

/// Settings of a Grafana whose graphs get an annotation for each incident.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrafanaConfig {
    /// See [`Common::name`](super::Common::name).
    pub name: String,
    /// See [`Common::queue_events_max`](super::Common::queue_events_max).
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// Where Grafana is: `https://grafana.example.net`.
    pub url: String,
    /// The token of a service account that may read, create and change annotations.
    pub token: SecretRef,
    /// The dashboard; left out, annotations are for all dashboards that ask for their tags.
    #[serde(default)]
    pub dashboard_uid: Option<String>,
    /// The panel of that dashboard.
    #[serde(default)]
    pub panel_id: Option<u64>,
    /// Where people look incidents up; the id is put behind it.
    #[serde(default)]
    pub incident_url: Option<String>,
    /// How long one request may take.
    #[serde(default = "http_timeout", deserialize_with = "duration")]
    pub timeout: Duration,
    /// When a failed request is sent again.
    #[serde(default)]
    pub retry: Retry,
    /// See [`WebhookConfig::allow_private`].
    #[serde(default)]
    pub allow_private: bool,
}

fn for_machines() -> Vec<EventKind> {
    vec![EventKind::Anomaly, EventKind::Action, EventKind::Incident]
}

fn for_people() -> Vec<EventKind> {
    vec![EventKind::Incident, EventKind::Digest]
}

fn all_kinds() -> Vec<EventKind> {
    vec![
        EventKind::Anomaly,
        EventKind::Action,
        EventKind::Incident,
        EventKind::Digest,
    ]
}

fn alertname() -> String {
    "KnotholeIncident".to_owned()
}

fn pagerduty_url() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

const fn yes() -> bool {
    true
}

const fn queue_events_max() -> usize {
    1024
}

const fn concurrency() -> usize {
    4
}

const fn file_bytes_max() -> u64 {
    64 * 1024 * 1024
}

const fn files_kept() -> usize {
    5
}

const fn otlp_timeout() -> Duration {
    Duration::from_secs(10)
}

const fn webhook_timeout() -> Duration {
    Duration::from_secs(15)
}

const fn http_timeout() -> Duration {
    Duration::from_secs(15)
}

const fn resend_every() -> Duration {
    Duration::from_secs(60)
}
