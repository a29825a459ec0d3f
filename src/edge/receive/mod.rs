//! OTLP over gRPC and HTTP → batches of records.
//!
//! ```text
//! grpc ┐
//!      ├─► Receiver: decode (pure) → Intake::accept → count → answer
//! http ┘
//! ```
//!
//! A request is answered with success only after the [`Intake`] took it, and only then counted as
//! received: a refused one comes again, and would be counted twice.

mod decode;
mod metrics;
mod receiver;
mod wire;
mod grpc;
mod http;

use std::future::Future;
use std::time::Duration;

pub use decode::{
    ConvertSettings, DecodeError, Decoded, Encoding, INSTANCE_ATTRIBUTE, RejectReason, Signal,
    decode,
};
pub use grpc::serve_grpc;
pub use http::serve_http;
pub use metrics::Metrics;
pub use receiver::{Receiver, Settings};

/// Where accepted requests go: the router today; the journal, once there is one, so that the
/// answer to a sender will then mean "on disk".
pub trait Intake: Send + Sync + 'static {
    /// Takes all of `request` or none of it. Once this returns `Ok` the sender forgets the records.
    ///
    /// # Errors
    /// [`Refusal`] when there is no room, or no more time. The sender is told to come again.
    fn accept(&self, request: Decoded) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// Why a request was not taken. Both are temporary, and senders are told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The buffers are full.
    #[error("knothole is at its limit, please send again later")]
    Overloaded {
        /// How long the sender should wait.
        retry_after: Duration,
    },
    /// The daemon is going down.
    #[error("knothole is stopping, please send to another instance or again later")]
    Stopping,
}

impl Refusal {
    /// How long the sender should wait; never zero.
    pub fn retry_after(self) -> Duration {
        match self {
            Self::Overloaded { retry_after } => retry_after.max(Duration::from_millis(1)),
            Self::Stopping => Duration::from_secs(1),
        }
    }
}

/// What went wrong with a listener.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The gRPC server gave up.
    #[error("serving OTLP/gRPC")]
    Grpc(#[from] tonic::transport::Error),
    /// The HTTP server gave up.
    #[error("serving OTLP/HTTP")]
    Http(#[from] std::io::Error),
}

#[cfg(test)]
mod tests;
