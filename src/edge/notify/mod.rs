//! Events → sinks: OTLP, webhooks, CloudEvents, Alertmanager, PagerDuty, Slack, Grafana, JSON lines.
//!
//! ```text
//! Dispatcher::prepare(event, now)    one road per sink:
//!     audience  who hears only of pages, and of what becomes of them
//!     fold      one in a minute per stream, template and kind; 60 a minute in all; the rest counted.
//!               All that is told of incidents goes out
//!     render    event → bytes, pure
//! Dispatcher::send(prepared, now)    never waits; what is prepared is stored before:
//!     queue     bounded; full → told
//!     lanes     one message of an incident at a time, in its order
//!     deliver   one task per sink: attempts, back-off, expiry
//!     send      one attempt, to where the guard of `outgoing` lets it
//! ```
//!
//! A message is rendered once, so every attempt sends the same text, and what is left at a shutdown
//! is offered again by [`Dispatcher::restore`].

mod audience;
mod backoff;
mod check;
mod config;
mod deliver;
mod dispatch;
mod fold;
mod lanes;
mod metrics;
mod render;
mod road;
mod secret;
mod send;
mod signers;
mod standing;
mod undelivered;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use check::check;
pub use config::{
    AlertmanagerConfig, CloudeventsConfig, Common, ContentMode, EventKind, FileConfig, FileSync,
    GrafanaConfig, HeaderConfig, Limit, OtlpConfig, PagerdutyConfig, Retry, SinkConfig,
    SlackConfig, StdoutConfig, WebhookConfig,
};
pub use deliver::Keeping;
pub use dispatch::{Clock, Context, Dispatcher, StartError, Stopped};
pub use metrics::Metrics;
pub use render::{
    INSTANCE_ATTRIBUTE, SCOPE_NAME, action_json, anomaly_of_json, event_json, incident_json,
    json_line, rfc3339,
};
pub use secret::KeyError;
pub use send::SendSetupError;
pub use signers::Signers;
pub use undelivered::Undelivered;
