//! The far ends: one attempt to hand messages over.

mod otlp;
mod stdout;
mod webhook;

pub(crate) use otlp::OtlpSink;
pub(crate) use stdout::StdoutSink;
pub(crate) use webhook::WebhookSink;

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
}
