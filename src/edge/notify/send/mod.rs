//! The far ends: one attempt to hand messages over.

mod alertmanager;
mod cloudevents;
mod file;
mod grafana;
mod http;
mod otlp;
mod pagerduty;
mod slack;
mod stdout;
mod webhook;

pub use http::guarded_client;

pub(crate) use alertmanager::AlertmanagerSink;
pub(crate) use cloudevents::{BATCH_MAX, CloudeventsSink};
pub(crate) use file::FileSink;
pub(crate) use grafana::GrafanaSink;
pub(crate) use otlp::{OtlpSink, reach};
pub(crate) use pagerduty::PagerdutySink;
pub(crate) use slack::SlackSink;
pub(crate) use stdout::StdoutSink;
pub(crate) use webhook::WebhookSink;

use std::io;
use std::path::PathBuf;

#[cfg(test)]
pub(super) use cloudevents::taken_apart;
#[cfg(test)]
pub(super) use http::knock;

use super::guard::Refusal;
use super::secret::SecretError;

/// Why a sink cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SendSetupError {
    /// A secret is missing or wrong.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The address is not allowed.
    #[error("refused to send to {0}")]
    Refused(#[from] Refusal),
    /// The address cannot be read.
    #[error("{0:?} is no valid address")]
    Address(String),
    /// A header cannot be sent.
    #[error("the value of header {0} cannot be sent")]
    Header(String),
    /// The client cannot be made.
    #[error("cannot set up the client: {0}")]
    Client(String),
    /// The file cannot be written to.
    #[error("cannot write to {path}: {source}")]
    File {
        /// Where it would be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
