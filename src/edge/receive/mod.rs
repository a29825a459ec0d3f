//! OTLP over gRPC and HTTP → batches of records.
//!
//! ```text
//! listen ─► grpc ┐                                                      ┌► refusal, by reason
//!                ├─► body, within budget ─► Receiver: unpack → decode ─►┤
//! listen ─► http ┘                                                      └► Intake::accept → answer
//! ```
//!
//! A request is answered with success only after the [`Intake`] took it, and only then counted as
//! received: a refused one comes again, and would be counted twice.

mod decode;
mod metrics;
mod budget;
mod access;
mod tls;
mod packing;
mod wire;
mod whole;
mod receiver;
mod answer;
mod body;
mod listen;
mod grpc;
mod http;

use std::future::Future;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use access::{Access, TenantSettings, TokenError};
pub use budget::Hold;
pub use decode::{
    ConvertSettings, DecodeError, Decoded, Encoding, INSTANCE_ATTRIBUTE, RejectReason, Signal,
    What, decode,
};
pub use listen::ConnectionLimits;
pub use metrics::Metrics;
pub use packing::Packing;
pub use receiver::{Accepted, Observed, Receiver, Reopen, Settings};
pub use tls::{Tls, TlsError, TlsSettings};
pub use wire::Sent;

/// Where accepted requests go: onto the disk and to the shards.
pub trait Intake: Send + Sync + 'static {
    /// Whether anything at all is taken now, asked before a request is unpacked.
    ///
    /// # Errors
    /// [`Refusal`] where it is known already that nothing is.
    fn is_open(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Takes all of `request` or none of it. Once this returns `Ok` the sender forgets the records.
    ///
    /// # Errors
    /// [`Refusal`] when there is no room, or no more time. The sender is told to come again.
    fn accept(&self, request: Accepted) -> impl Future<Output = Result<Taken, Refusal>> + Send;

    /// Takes spans and metrics. They are evidence and not kept on disk: what there is no room for is
    /// let go. Must not wait.
    fn observe(&self, observed: Observed) {
        drop(observed);
    }
}

/// What became of a request that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is new.
    New,
    /// The same bytes were taken before: its sender did not get the answer and came again.
    Repeated,
}

/// Why a request was not taken. All are temporary, and senders are told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The buffers are full.
    #[error("knothole is at its limit, please send again later")]
    Overloaded {
        /// How long the sender should wait.
        retry_after: Duration,
    },
    /// A service of the request has more than its share of the buffers, which are filling.
    #[error("knothole is near its limit and this service sends the most, please send again later")]
    Share {
        /// How long the sender should wait.
        retry_after: Duration,
    },
    /// It cannot be kept on the disk now.
    #[error("knothole cannot write to its disk now, please send again later")]
    Unwritable,
    /// The daemon is going down.
    #[error("knothole is stopping, please send to another instance or again later")]
    Stopping,
}

impl Refusal {
    /// How long the sender should wait; never zero.
    pub fn retry_after(self) -> Duration {
        match self {
            Self::Overloaded { retry_after } | Self::Share { retry_after } => {
                retry_after.max(Duration::from_millis(1))
            }
            Self::Unwritable => Duration::from_secs(5),
            Self::Stopping => Duration::from_secs(1),
        }
    }

    /// The name used as a metric label.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Overloaded { .. } => "queue",
            Self::Share { .. } => "queue_share",
            Self::Unwritable => "disk",
            Self::Stopping => "stopping",
        }
    }
}

/// What went wrong with a listener.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The server gave up.
    #[error("serving requests")]
    Io(#[from] std::io::Error),
}

/// Serves OTLP/gRPC on `listener` until `shutdown`, then finishes the requests that are running.
///
/// # Errors
/// Never today: an accept that fails is tried again.
pub async fn serve_grpc<I: Intake>(
    listener: TcpListener,
    receiver: Receiver<I>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let service = grpc::Grpc(receiver.clone());
    serve(listener, receiver, service, shutdown).await
}

/// Serves OTLP/HTTP (1.1 and 2) on `listener` until `shutdown`, then finishes the requests that
/// are running.
///
/// # Errors
/// Never today: an accept that fails is tried again.
pub async fn serve_http<I: Intake>(
    listener: TcpListener,
    receiver: Receiver<I>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let service = http::Http(receiver.clone());
    serve(listener, receiver, service, shutdown).await
}

async fn serve<I: Intake>(
    listener: TcpListener,
    receiver: Receiver<I>,
    service: impl listen::Service,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let limits = receiver.settings.connections.clone();
    let bounds = (limits, receiver.metrics.clone());
    listen::serve(listener, receiver.tls.clone(), service, bounds, shutdown).await?;
    receiver.finish().await;
    Ok(())
}

#[cfg(test)]
mod tests;
