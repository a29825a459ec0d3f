//! Sockets → connections within bounds → requests.
//!
//! ```text
//! accept → room for it? → TLS → flood guard → HTTP/1.1 or HTTP/2 → service
//! ```
//!
//! A connection costs about 20 KiB before it has asked for anything, so their number is bounded, in
//! all and for one address; where there is no room the one that has been idle longest gives way,
//! those that never asked for anything first.

mod connections;
mod flood;
mod together;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::Answer;
use super::tls::Tls;
use super::{Metrics, ServeError};
use connections::{Activity, Connections, Place};
use flood::FloodGuard;
use together::{Arrivals, Together};

/// How long to wait before the next accept after one that failed, for want of descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most that HTTP/2 header lists of a request may come to, in bytes.
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Most that an HTTP/1.1 head may come to, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What a sender may send ahead on one HTTP/2 stream, in bytes. It is in memory before the budget is
/// asked, so it is small.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// What a sender may send ahead on one HTTP/2 connection, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 512 << 10;
/// Largest HTTP/2 frame taken, in bytes: fewer and larger pieces cost less.
const FRAME_BYTES_MAX: u32 = 256 << 10;
/// How often a quiet HTTP/2 peer is asked whether it is still there, and how long it has to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Bounds on connections.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// Most connections of one listener. Default 4,096.
    pub connections_max: usize,
    /// Most of them from one address. Default 256.
    pub per_address_max: usize,
    /// Most requests of one HTTP/2 connection at once. Default 64.
    pub streams_max: u32,
    /// Longest a TLS handshake may take. Default 5 s.
    pub handshake_timeout: Duration,
    /// Longest a new connection may take to its first request. Default 10 s.
    pub head_timeout: Duration,
    /// A connection without a request for so long is closed. Default 5 min.
    pub idle_timeout: Duration,
    /// A connection of this age is asked to come again, which spreads senders anew after a scale-out.
    /// Default 1 h.
    pub age_max: Duration,
    /// How long requests of a connection that is to close may still take. Default 30 s.
    pub age_grace: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            per_address_max: 256,
            streams_max: 64,
            handshake_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            age_max: Duration::from_secs(3_600),
            age_grace: Duration::from_secs(30),
        }
    }
}

/// Answers requests of one transport.
pub(super) trait Service: Send + Sync + 'static {
    /// Name used as a metric label (`grpc`).
    const TRANSPORT: &'static str;
    /// Whether HTTP/1.1 is spoken too.
    const HTTP1: bool;

    /// Answers `request`, which came from `peer`.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Answer>> + Send;
}

/// Serves `socket` until `shutdown`, then finishes the requests that are running.
///
/// # Errors
/// Never today: an accept that fails is tried again.
pub(super) async fn serve<S: Service>(
    socket: TcpListener,
    tls: Option<Tls>,
    service: S,
    (limits, metrics): (ConnectionLimits, Metrics),
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let listener = Arc::new(Listener {
        connections: Connections::new(limits.connections_max, limits.per_address_max),
        tls,
        service,
        limits,
        metrics,
        shutdown: shutdown.clone(),
    });
    let running = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                running.spawn(Arc::clone(&listener).connection(stream, peer));
            }
            Err(error) => {
                tracing::warn!(%error, transport = S::TRANSPORT, "A connection could not be accepted.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(socket);
    running.close();
    running.wait().await;
    Ok(())
}

fn builder<S: Service>(limits: &ConnectionLimits, arrivals: Arrivals) -> auto::Builder<Arrivals> {
    let mut builder = auto::Builder::new(arrivals);
    builder
        .http1()
        .timer(TokioTimer::new())
        // It also runs between two requests; the first has its own bound.
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    match S::HTTP1 {
        true => builder,
        false => builder.http2_only(),
    }
}

struct Listener<S> {
    connections: Connections,
    tls: Option<Tls>,
    service: S,
    limits: ConnectionLimits,
    metrics: Metrics,
    shutdown: CancellationToken,
}

impl<S: Service> Listener<S> {
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Some(activity) = self.connections.admit(peer.ip()) else {
            self.metrics.refused(S::TRANSPORT, "connections");
            return;
        };
        // Without this a small answer may wait for the sender's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "A connection keeps its delay.");
        }
        match &self.tls {
            None => self.talk(stream, peer, &activity).await,
            Some(tls) => {
                let handshake = tls.acceptor().accept(stream);
                let handshake = tokio::time::timeout(self.limits.handshake_timeout, handshake);
                let shaken = tokio::select! {
                    shaken = handshake => shaken,
                    () = activity.evicted() => return self.metrics.refused(S::TRANSPORT, "evicted"),
                    () = self.shutdown.cancelled() => return,
                };
                match shaken {
                    Ok(Ok(stream)) => self.talk(stream, peer, &activity).await,
                    Ok(Err(error)) => {
                        self.metrics.refused(S::TRANSPORT, "tls");
                        tracing::debug!(%error, %peer, "A TLS handshake failed.");
                    }
                    Err(_) => self.metrics.refused(S::TRANSPORT, "slow_handshake"),
                }
            }
        }
    }

    /// Serves one connection to its end.
    async fn talk<T>(self: &Arc<Self>, stream: T, peer: SocketAddr, activity: &Place)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|request| {
            let (listener, activity) = (Arc::clone(self), activity.activity());
            async move { listener.request(request, peer, activity).await }
        });
        let guarded = FloodGuard::new(stream);
        let arrivals = Arrivals::default();
        let mut requests = Together::new(arrivals.clone());
        let builder = builder::<S>(&self.limits, arrivals);
        let talk = builder.serve_connection(TokioIo::new(guarded), service);
        let mut talk = pin!(talk);
        let mut closes_at: Option<Instant> = None;
        loop {
            let due = closes_at.unwrap_or_else(|| activity.due(&self.limits));
            tokio::select! {
                ended = poll_fn(|context| requests.poll(talk.as_mut(), context)) => {
                    if let Err(error) = ended {
                        self.broken(error.as_ref(), peer);
                    }
                    return;
                }
                () = self.shutdown.cancelled(), if closes_at.is_none() => {}
                () = activity.evicted() => {
                    self.metrics.refused(S::TRANSPORT, "evicted");
                    return;
                }
                () = tokio::time::sleep_until(due) => {
                    if closes_at.is_some() || !activity.has_asked() {
                        self.metrics.refused(S::TRANSPORT, "slow_connection");
                        return;
                    }
                    if activity.due(&self.limits) > Instant::now() {
                        continue;
                    }
                }
            }
            // Nothing new from here on; what runs may end, at a shutdown as long as it takes.
            talk.as_mut().graceful_shutdown();
            let grace = match self.shutdown.is_cancelled() {
                true => Duration::from_secs(24 * 3_600),
                false => self.limits.age_grace,
            };
            closes_at = Some(Instant::now() + grace);
            if self.shutdown.is_cancelled() && !activity.has_asked() {
                return;
            }
        }
    }

    fn broken(&self, error: &(dyn std::error::Error + 'static), peer: SocketAddr) {
        let mut cause = Some(error);
        while let Some(each) = cause {
            if let Some(io) = each.downcast_ref::<std::io::Error>()
                && flood::is_flood(io)
            {
                self.metrics.refused(S::TRANSPORT, "flood");
                tracing::warn!(%peer, "A connection was closed: it sent control frames without end.");
                return;
            }
            cause = each.source();
        }
        tracing::debug!(%error, %peer, "A connection broke off.");
    }

    async fn request(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        activity: Arc<Activity>,
    ) -> Result<Response<Answer>, Infallible> {
        let _asking = activity.asks();
        Ok(self.service.answer(request, peer).await)
    }
}
