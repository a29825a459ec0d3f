//! The `sinks:` part of the configuration file.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};

use crate::core::event::Event;
use crate::edge::outgoing::SecretRef;

mod sinks;
#[cfg(test)]
mod tests;

pub use sinks::{
    AlertmanagerConfig, CloudeventsConfig, ContentMode, FileConfig, FileSync, GrafanaConfig,
    OtlpConfig, PagerdutyConfig, SlackConfig, StdoutConfig, WebhookConfig,
};

/// One place that events go to.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SinkConfig {
    /// One JSON object per line on standard output.
    Stdout(StdoutConfig),
    /// One JSON object per line in a file.
    File(FileConfig),
    /// OTLP log events over gRPC.
    Otlp(OtlpConfig),
    /// Signed requests as Standard Webhooks describes them.
    Webhook(WebhookConfig),
    /// CloudEvents over HTTP.
    Cloudevents(CloudeventsConfig),
    /// Alerts of a Prometheus Alertmanager.
    Alertmanager(AlertmanagerConfig),
    /// Events of PagerDuty.
    Pagerduty(PagerdutyConfig),
    /// Messages in a Slack channel.
    Slack(SlackConfig),
    /// Annotations in Grafana.
    Grafana(GrafanaConfig),
}

impl SinkConfig {
    /// What every kind of sink has.
    pub fn common(&self) -> Common<'_> {
        const INCIDENTS: &[EventKind] = &[EventKind::Incident];
        const WITH_CHANGES: &[EventKind] = &[EventKind::Incident, EventKind::Change];
        let (name, events, queue_events_max, limit) = match self {
            Self::Stdout(sink) => (&sink.name, &*sink.events, sink.queue_events_max, sink.limit),
            Self::File(sink) => (&sink.name, &*sink.events, sink.queue_events_max, sink.limit),
            Self::Otlp(sink) => (&sink.name, &*sink.events, sink.queue_events_max, sink.limit),
            Self::Webhook(sink) => (&sink.name, &*sink.events, sink.queue_events_max, sink.limit),
            Self::Cloudevents(sink) => {
                (&sink.name, &*sink.events, sink.queue_events_max, sink.limit)
            }
            // What is told of incidents is not limited.
            Self::Alertmanager(sink) => (
                &sink.name,
                INCIDENTS,
                sink.queue_events_max,
                Limit::default(),
            ),
            Self::Pagerduty(sink) => (
                &sink.name,
                if sink.changes {
                    WITH_CHANGES
                } else {
                    INCIDENTS
                },
                sink.queue_events_max,
                Limit::default(),
            ),
            Self::Slack(sink) => (
                &sink.name,
                &*sink.events,
                sink.queue_events_max,
                Limit::default(),
            ),
            Self::Grafana(sink) => (
                &sink.name,
                INCIDENTS,
                sink.queue_events_max,
                Limit::default(),
            ),
        };
        Common {
            name,
            events,
            queue_events_max,
            limit,
        }
    }

    /// The `type` of the sink: `stdout`, `otlp`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::File(_) => "file",
            Self::Otlp(_) => "otlp",
            Self::Webhook(_) => "webhook",
            Self::Cloudevents(_) => "cloudevents",
            Self::Alertmanager(_) => "alertmanager",
            Self::Pagerduty(_) => "pagerduty",
            Self::Slack(_) => "slack",
            Self::Grafana(_) => "grafana",
        }
    }

    /// Whether it hears only of incidents that page, and of what becomes of them.
    pub const fn pages_only(&self) -> bool {
        match self {
            Self::Alertmanager(sink) => sink.pages_only,
            Self::Slack(sink) => sink.pages_only,
            Self::Pagerduty(_) => true,
            _ => false,
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

/// The kinds of event a sink can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Anomalies.
    Anomaly,
    /// Proposed actions.
    Action,
    /// Incidents and what becomes of them.
    Incident,
    /// Digests of what woke nobody.
    Digest,
    /// Changes: new versions, rollouts, and what was posted to `/v1/changes`.
    Change,
}

impl EventKind {
    /// The kind of `event`.
    pub const fn of(event: &Event) -> Self {
        match event {
            Event::Anomaly(_) => Self::Anomaly,
            Event::Action(_) => Self::Action,
            Event::Incident(_) => Self::Incident,
            Event::Digest(_) => Self::Digest,
            Event::Change(_) => Self::Change,
        }
    }
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
/// `max`, for as long as `give_up_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// The first wait.
    #[serde(deserialize_with = "duration")]
    pub initial: Duration,
    /// The longest wait.
    #[serde(deserialize_with = "duration")]
    pub max: Duration,
    /// An event that was tried for so long is counted as dead and no longer sent. A restart gives it
    /// as long again.
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

/// Reads `15s`, `5m`, `1h 30m`.
fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(input)?;
    let signed: SignedDuration = text
        .parse()
        .map_err(|_| serde::de::Error::custom(format!("{text:?} is no duration such as 15s")))?;
    Duration::try_from(signed)
        .map_err(|_| serde::de::Error::custom(format!("the duration {text:?} is negative")))
}
