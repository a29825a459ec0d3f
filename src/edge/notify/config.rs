//! The `sinks:` part of the configuration file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};

use crate::core::event::Event;

/// One place that events go to.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SinkConfig {
    /// One JSON object per line on standard output.
    Stdout(StdoutConfig),
    /// OTLP log events over gRPC.
    Otlp(OtlpConfig),
    /// Signed requests as Standard Webhooks describes them.
    Webhook(WebhookConfig),
}

impl SinkConfig {
    /// What every kind of sink has.
    pub fn common(&self) -> Common<'_> {
        let (name, events, queue_events_max, limit) = match self {
            Self::Stdout(sink) => (&sink.name, &sink.events, sink.queue_events_max, sink.limit),
            Self::Otlp(sink) => (&sink.name, &sink.events, sink.queue_events_max, sink.limit),
            Self::Webhook(sink) => (&sink.name, &sink.events, sink.queue_events_max, sink.limit),
        };
        Common {
            name,
            events,
            queue_events_max,
            limit,
        }
    }

    /// `stdout`, `otlp` or `webhook`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::Otlp(_) => "otlp",
            Self::Webhook(_) => "webhook",
        }
    }
}

/// The settings that every kind of sink has.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// Names the sink in metrics and messages.
    pub name: &'a str,
    /// Which events it gets.
    pub events: &'a [EventKind],
    /// How many undelivered events it may hold; more are dropped and counted.
    pub queue_events_max: usize,
    /// How events are folded and limited.
    pub limit: Limit,
}

/// The two kinds of event a sink can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Anomalies.
    Anomaly,
    /// Proposed actions.
    Action,
}

impl EventKind {
    /// The kind of `event`.
    pub const fn of(event: &Event) -> Self {
        match event {
            Event::Anomaly(_) => Self::Anomaly,
            Event::Proposal(_) => Self::Action,
        }
    }
}

/// Settings of a sink that prints JSON lines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StdoutConfig {
    /// See [`Common::name`].
    pub name: String,
    /// See [`Common::events`].
    #[serde(default = "both")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`].
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`].
    #[serde(default)]
    pub limit: Limit,
}

/// Settings of a sink that sends OTLP log events over gRPC.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// See [`Common::name`].
    pub name: String,
    /// See [`Common::events`].
    #[serde(default = "both")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`].
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`].
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
    /// See [`Common::name`].
    pub name: String,
    /// See [`Common::events`].
    #[serde(default = "both")]
    pub events: Vec<EventKind>,
    /// See [`Common::queue_events_max`].
    #[serde(default = "queue_events_max")]
    pub queue_events_max: usize,
    /// See [`Common::limit`].
    #[serde(default)]
    pub limit: Limit,
    /// Where to POST.
    pub url: String,
    /// The signing secret: `whsec_` and the base64 of 24 to 64 bytes.
    pub secret: SecretRef,
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

/// How often a sink may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    /// Most events in any minute; 0 means no limit.
    pub per_minute: u32,
    /// Whether events of one stream, template and kind are folded into the next one sent.
    pub fold: bool,
    /// How long after one event the others like it are folded.
    #[serde(deserialize_with = "duration")]
    pub fold_window: Duration,
    /// How many different stream, template and kind are told apart at a time. What comes on top
    /// is sent unfolded.
    pub fold_keys_max: usize,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            per_minute: 60,
            fold: true,
            fold_window: Duration::from_secs(60),
            fold_keys_max: 10_000,
        }
    }
}

/// When a failed delivery is tried again: after `initial`, then twice as long each time up to
/// `max`, until the event is `give_up_after` old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// The first wait.
    #[serde(deserialize_with = "duration")]
    pub initial: Duration,
    /// The longest wait.
    #[serde(deserialize_with = "duration")]
    pub max: Duration,
    /// An event that failed once and is older than this is counted as dead and no longer sent.
    #[serde(deserialize_with = "duration")]
    pub give_up_after: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(5 * 60),
            give_up_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Where a secret is found. The configuration never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// In this file; white space at its ends does not count.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// The value of a header.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum HeaderConfig {
    /// A value that anyone may read.
    Plain(String),
    /// A value that is a secret.
    Secret(SecretRef),
}

/// Someone will write a token in plain, so the plain value is not shown either.
impl fmt::Debug for HeaderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => f.write_str("Plain(..)"),
            Self::Secret(reference) => f.debug_tuple("Secret").field(reference).finish(),
        }
    }
}

fn both() -> Vec<EventKind> {
    vec![EventKind::Anomaly, EventKind::Action]
}

const fn queue_events_max() -> usize {
    1024
}

const fn concurrency() -> usize {
    4
}

const fn otlp_timeout() -> Duration {
    Duration::from_secs(10)
}

const fn webhook_timeout() -> Duration {
    Duration::from_secs(15)
}

/// Reads `15s`, `5m`, `1h 30m`.
fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(input)?;
    let signed: SignedDuration = text
        .parse()
        .map_err(|_| serde::de::Error::custom(format!("{text:?} is no duration such as 15s")))?;
    Duration::try_from(signed)
        .map_err(|_| serde::de::Error::custom(format!("the duration {text:?} is negative")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::notify::check;

    fn read(yaml: &str) -> Vec<SinkConfig> {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn refused(yaml: &str) -> String {
        serde_saphyr::from_str::<Vec<SinkConfig>>(yaml)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_short_configuration_means_the_defaults() {
        let sinks = read(
            "
- {type: stdout, name: out}
- {type: otlp, name: collector, endpoint: 'http://collector:4317'}
- {type: webhook, name: hook, url: 'https://hooks.example.net/ops', secret: {file: /run/s}}
",
        );
        assert_eq!(check(&sinks), []);
        for sink in &sinks {
            let common = sink.common();
            assert_eq!(common.events, [EventKind::Anomaly, EventKind::Action]);
            assert_eq!(common.queue_events_max, 1024);
            assert_eq!((common.limit.per_minute, common.limit.fold), (60, true));
            assert_eq!(common.limit.fold_window, Duration::from_secs(60));
        }
        let SinkConfig::Webhook(hook) = &sinks[2] else {
            panic!("the third is a webhook")
        };
        assert_eq!(hook.secret, SecretRef::File("/run/s".into()));
        assert_eq!((hook.timeout.as_secs(), hook.concurrency), (15, 4));
        assert_eq!(hook.retry.max, Duration::from_secs(300));
        assert!(!hook.allow_private);
    }

    #[test]
    fn everything_can_be_set() {
        let sinks = read(
            "
- type: webhook
  name: hook
  events: [action]
  queue_events_max: 10
  limit: {per_minute: 0, fold: false, fold_window: 1m 30s, fold_keys_max: 5}
  url: http://127.0.0.1:9/
  secret: {env: HOOK_SECRET}
  timeout: 200ms
  retry: {initial: 1ms, max: 1h, give_up_after: 2 hours}
  concurrency: 1
  allow_private: true
- type: otlp
  name: collector
  endpoint: https://collector:4317
  headers: {x-scope-orgid: team, authorization: {env: TOKEN}}
",
        );
        assert_eq!(check(&sinks), []);
        let SinkConfig::Webhook(hook) = &sinks[0] else {
            panic!("the first is a webhook")
        };
        assert_eq!(hook.limit.fold_window, Duration::from_secs(90));
        assert_eq!(hook.timeout, Duration::from_millis(200));
        assert_eq!(hook.retry.give_up_after, Duration::from_secs(7200));
    }

    #[test]
    fn a_secret_in_the_file_and_a_misspelt_setting_are_refused() {
        let hook = "{type: webhook, name: h, url: 'https://a', secret: ";
        refused(&format!("[{hook}whsec_aaaa}}]"));
        let said = refused(&format!("[{hook}{{file: /s}}, timeuot: 3s}}]"));
        assert!(said.contains("timeuot"), "{said}");
        let said = refused("[{type: webhok, name: h}]");
        assert!(
            said.contains("webhok") && said.contains("webhook"),
            "{said}"
        );
        let said = refused("[{type: stdout, name: o, limit: {fold_window: -3s}}]");
        assert!(said.contains("negative"), "{said}");
        let said = refused("[{type: stdout, name: o, limit: {fold_window: soon}}]");
        assert!(said.contains("no duration such as 15s"), "{said}");
    }

    #[test]
    fn a_header_in_plain_is_not_shown() {
        let sinks = read("[{type: otlp, name: o, endpoint: 'http://a:1', headers: {a: hunter2}}]");
        assert!(!format!("{sinks:?}").contains("hunter2"));
    }
}
