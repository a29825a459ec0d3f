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

use super::secret::KeyError;
use crate::edge::outgoing::SetupError;

/// Why a sink cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SendSetupError {
    /// It cannot be reached.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A key is missing or wrong.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file cannot be written to.
    #[error("cannot write to {path}: {source}")]
    File {
        /// Where it would be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
