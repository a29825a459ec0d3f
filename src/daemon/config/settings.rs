//! Everything that can be set, with its unit and default. `default.yaml` is the same as a file.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use super::incidents::{ApiSettings, CatalogEntry, IncidentSettings};
use super::remedies::{ActionRule, RemediationSettings};
use super::silences::{BudgetSettings, SilenceEntry, TeamEntry, WindowEntry};
use super::units::{ByteSize, MemoryLimit, Period};
use crate::core::parse::{BIRTHS_PER_MINUTE_MAX, Hand, TEMPLATES_MAX};
use crate::core::redact::Redactor;
use crate::core::witness::WARM_UP;
use crate::edge::notify::{EventKind, Limit, SinkConfig, StdoutConfig};
use crate::edge::outgoing::Egress;
use crate::edge::receive::ConnectionLimits;

/// The settings of a daemon, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// The folder that outlives a restart: templates, open sequences, models, undelivered events.
    pub state_dir: PathBuf,
    /// Most bytes of the state folder; beyond it the streams unused for longest are removed.
    pub state_bytes_max: ByteSize,
    /// Most services that one shard follows; records of further ones are counted, not judged. The
    /// state folder keeps as many for each shard.
    pub streams_max: NonZeroUsize,
    /// Memory above which senders are told to wait: a size, a share such as `80%`, or `auto`.
    pub memory_limit: MemoryLimit,
    /// Threads that judge; `None` is one for each core.
    pub shards: Option<NonZeroUsize>,
    /// What is taken in.
    pub receive: Receive,
    /// Whether requests are acknowledged without being on disk: a crash loses what came since the
    /// last minute. Also `--ephemeral`.
    pub ephemeral: bool,
    /// What keeps acknowledged requests.
    pub journal: JournalSettings,
    /// What is taken out of records before anything is stored, shown or sent.
    pub redact: Redact,
    /// How lines are told apart.
    pub templates: Templates,
    /// How records are put together to sequences.
    pub sequence: Sequence,
    /// When a stream has been seen long enough to be judged.
    pub learn: Learn,
    /// How many alarms it may give.
    pub detect: Detect,
    /// How it is judged.
    pub model: Model,
    /// Where events go.
    pub sinks: Vec<SinkConfig>,
    /// Which actions are asked for on account of which anomalies; none asks for nothing.
    pub actions: Vec<ActionRule>,
    /// What actions are carried out with, and how much may be done.
    pub remediation: RemediationSettings,
    /// How signs become incidents.
    pub incidents: IncidentSettings,
    /// Who may do what through the API.
    pub api: ApiSettings,
    /// Where notifications may go.
    pub egress: Egress,
    /// Who knows which service depends on which, and whose it is.
    pub catalog: Option<CatalogEntry>,
    /// Who does not want to hear of what, until when and why.
    pub silences: Vec<SilenceEntry>,
    /// When what is odd is no news.
    pub windows: Vec<WindowEntry>,
    /// Whose services are whose.
    pub teams: Vec<TeamEntry>,
    /// How often those may be woken whose team says nothing else.
    pub budget: BudgetSettings,
    /// knothole's own logs, metrics and traces.
    pub telemetry: Telemetry,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            state_dir: PathBuf::from("./knothole-data"),
            state_bytes_max: ByteSize::mib(1024),
            streams_max: NonZeroUsize::MIN.saturating_add(255),
            memory_limit: MemoryLimit::Auto,
            shards: None,
            receive: Receive::default(),
            ephemeral: false,
            journal: JournalSettings::default(),
            redact: Redact::default(),
            templates: Templates::default(),
            sequence: Sequence::default(),
            learn: Learn::default(),
            detect: Detect::default(),
            model: Model::default(),
            sinks: vec![SinkConfig::Stdout(stdout())],
            actions: Vec::new(),
            remediation: RemediationSettings::default(),
            incidents: IncidentSettings::default(),
            api: ApiSettings::default(),
            egress: Egress::default(),
            catalog: None,
            silences: Vec::new(),
            windows: Vec::new(),
            teams: Vec::new(),
            budget: BudgetSettings::default(),
            telemetry: Telemetry::default(),
        }
    }
}

fn stdout() -> StdoutConfig {
    StdoutConfig {
        name: "stdout".to_owned(),
        events: vec![
            EventKind::Anomaly,
            EventKind::Action,
            EventKind::Incident,
            EventKind::Digest,
        ],
        queue_events_max: 1024,
        limit: Limit::default(),
    }
}

/// Addresses to listen at. Port 0 takes a free one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// OTLP over gRPC.
    #[serde(deserialize_with = "address")]
    pub otlp_grpc: SocketAddr,
    /// OTLP over HTTP, protobuf and JSON.
    #[serde(deserialize_with = "address")]
    pub otlp_http: SocketAddr,
    /// API, health and metrics.
    #[serde(deserialize_with = "address")]
    pub api: SocketAddr,
    /// Whether addresses other than loopback are taken without authentication.
    pub allow_non_loopback: bool,
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            otlp_grpc: local(4317),
            otlp_http: local(4318),
            api: local(8080),
            allow_non_loopback: false,
        }
    }
}

/// Bounds on what is taken in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receive {
    /// Largest request, after decompression.
    pub request_bytes_max: ByteSize,
    /// Most bytes of records that wait for a shard; beyond it senders are told to come back.
    pub queue_bytes_max: ByteSize,
    /// Most bytes of requests in memory at once, as sent and inflated; at most a quarter of the memory
    /// limit is used.
    pub inflight_bytes_max: ByteSize,
    /// Longest body that is read; a longer one is cut.
    pub body_len_max: ByteSize,
    /// Most connections of each OTLP port.
    pub connections_max: NonZeroUsize,
    /// Most connections of each OTLP port from one address.
    pub connections_per_address_max: NonZeroUsize,
    /// Certificates of the OTLP ports; `None` speaks no TLS.
    pub tls: Option<TlsFiles>,
    /// Who may send, by bearer token; none lets everybody who reaches the port.
    pub tenants: Vec<Tenant>,
}

impl Default for Receive {
    fn default() -> Self {
        let bounds = ConnectionLimits::default();
        let at_least_one = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            request_bytes_max: ByteSize::mib(64),
            queue_bytes_max: ByteSize::mib(64),
            inflight_bytes_max: ByteSize::mib(256),
            body_len_max: ByteSize::kib(64),
            connections_max: at_least_one(bounds.connections_max),
            connections_per_address_max: at_least_one(bounds.per_address_max),
            tls: None,
            tenants: Vec::new(),
        }
    }
}

/// The PEM files of TLS, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate and those between it and its root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of clients; where given, clients need a certificate of theirs (mutual TLS).
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// Somebody who may send.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// The file with its tokens, one a line, read again when it changes.
    pub token_file: PathBuf,
    /// Resource attributes that its records must have, each with one of the values.
    #[serde(default)]
    pub resource: BTreeMap<String, Vec<String>>,
}

/// What keeps an acknowledged request through a crash.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSettings {
    /// Most bytes of the journal; beyond it senders are told to come back.
    pub bytes_max: ByteSize,
    /// Requests with the same bytes within so long are one.
    pub repeats_within: Period,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            bytes_max: ByteSize::mib(1024),
            repeats_within: Period::seconds(15 * 60),
        }
    }
}

/// What is taken out of records before anything is stored, shown or sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redact {
    /// Whether secrets and personal data of the known kinds are.
    pub defaults: bool,
    /// Known kinds that are not.
    pub except: Vec<String>,
    /// What else is.
    pub patterns: Vec<RedactPattern>,
    /// What does so, made when the settings were read.
    #[serde(skip)]
    pub redactor: Arc<Redactor>,
}

impl Default for Redact {
    fn default() -> Self {
        Self {
            defaults: true,
            except: Vec::new(),
            patterns: Vec::new(),
            redactor: Arc::default(),
        }
    }
}

/// A kind of secret of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactPattern {
    /// What marks and metrics call it.
    pub name: String,
    /// A regular expression for what is taken out.
    pub regex: String,
}

/// How lines are told apart.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Templates {
    /// Templates of one service; the least used give way to new ones.
    pub per_service_max: NonZeroUsize,
    /// Templates that may be born within a minute before a service is quarantined, where a quarter
    /// of its records are of new ones.
    pub births_per_minute_max: u64,
    /// A file of templates, masks and seeds; `None` leaves all to learning.
    pub by_hand: Option<PathBuf>,
    /// What the file says, read when the settings were.
    #[serde(skip)]
    pub hand: Arc<Hand>,
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            per_service_max: NonZeroUsize::MIN.saturating_add(TEMPLATES_MAX - 1),
            births_per_minute_max: BIRTHS_PER_MINUTE_MAX,
            by_hand: None,
            hand: Arc::default(),
        }
    }
}

/// How records are put together to sequences.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sequence {
    /// The attribute whose value keys a sequence, where a record has no trace id.
    pub attribute: Option<String>,
    /// Patterns of identifiers in bodies that key a sequence; `None` is the built-in one.
    pub body_ids: Option<Vec<String>>,
    /// A sequence that is quiet for so long has ended, in stream time.
    pub idle_timeout: Period,
    /// How long records are held to be put in time order.
    pub reorder_delay: Period,
    /// Most open sequences of one stream.
    pub open_max: NonZeroUsize,
}

impl Default for Sequence {
    fn default() -> Self {
        Self {
            attribute: None,
            body_ids: None,
            idle_timeout: Period::seconds(5 * 60),
            reorder_delay: Period::seconds(3),
            open_max: NonZeroUsize::MIN.saturating_add(19_999),
        }
    }
}

/// When a stream has been seen long enough to train a model. All of these must hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Learn {
    /// Sequences that have ended.
    pub sequences_min: NonZeroUsize,
    /// Records.
    pub records_min: u64,
    /// Estimated chance that the next record brings a new template, 0 to 1 (Good–Turing).
    pub new_template_chance_max: f64,
    /// How long after a training the next one starts.
    pub retrain_every: Period,
    /// How long spans, metrics and what follows what within traces are only learned from.
    pub warm_up: Period,
}

impl Default for Learn {
    fn default() -> Self {
        Self {
            sequences_min: NonZeroUsize::MIN.saturating_add(99),
            records_min: 2_000,
            new_template_chance_max: 0.01,
            retrain_every: Period::seconds(24 * 60 * 60),
            warm_up: Period::from(WARM_UP),
        }
    }
}

/// How many alarms a stream may give: the share of false ones, or a number a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detect {
    /// Share of normal sequences that may raise an alarm, 0 to 1 (both left out). `None` is what the
    /// model was trained for, unless there is a number a day.
    pub alarm_rate: Option<f64>,
    /// Most alerts a day for one service.
    pub alerts_per_day: Option<f64>,
}

/// How a stream is judged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Models to begin with, by service.
    pub bundles: Vec<ServiceBundle>,
    /// Seed of the training: the same input and seed give the same model.
    pub seed: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            bundles: Vec::new(),
            seed: 1,
        }
    }
}

/// A model for a service that has none of its own yet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceBundle {
    /// The service: `name`, `namespace/name` or `environment/namespace/name`.
    pub service: String,
    /// The bundle (`model.safetensors`) that `knothole train` wrote.
    pub path: PathBuf,
}

/// knothole's own logs, metrics and traces.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// An OTLP/gRPC endpoint to send them to, such as `http://127.0.0.1:4317`; `None` sends none.
    pub endpoint: Option<String>,
    /// What is logged: a level, or directives such as `info,knothole::edge=debug`.
    pub log_level: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            endpoint: None,
            log_level: "info".to_owned(),
        }
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!(
            "{text:?} is not an address with a port; write it as 127.0.0.1:4317 or [::1]:4317"
        ))
    })
}
