//! Events → sinks: OTLP, signed webhooks, JSON lines.
//!
//! ```text
//! Dispatcher::offer(event, now)      never blocks, one road per sink:
//!     fold      one in a minute per stream, template and kind; 60 a minute in all; the rest counted
//!     render    event → bytes, pure
//!     queue     bounded; full → counted
//!     deliver   one task per sink: attempts, back-off, expiry
//!     send      stdout, OTLP, webhook
//! ```
//!
//! A message is rendered once, when it is offered, so every attempt sends the same bytes, and what
//! is left at a shutdown can be stored and offered again by [`Dispatcher::restore`].

mod audience;
mod check;
mod config;
mod deliver;
mod dispatch;
mod egress;
mod fold;
mod guard;
mod lanes;
mod metrics;
mod render;
mod road;
mod secret;
mod send;
mod standing;
mod undelivered;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use check::{Problem, check};
pub use config::{
    AlertmanagerConfig, CloudeventsConfig, Common, ContentMode, EventKind, FileConfig, FileSync,
    GrafanaConfig, HeaderConfig, Limit, OtlpConfig, PagerdutyConfig, Retry, SecretRef, SinkConfig,
    SlackConfig, StdoutConfig, WebhookConfig,
};
pub use deliver::Keeping;
pub use dispatch::{Clock, Context, Dispatcher, StartError};
pub use egress::Egress;
pub use guard::Refusal;
pub use metrics::Metrics;
pub use render::{INSTANCE_ATTRIBUTE, SCOPE_NAME, event_json, incident_json, json_line, rfc3339};
pub use secret::SecretError;
pub use send::{SendSetupError, guarded_client};
pub use undelivered::Undelivered;
