//! What both transports share: unpack, decode, hand over, count, and say what to answer.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::access::{Access, Tenant};
use super::budget::{Account, Budget, Hold, NoRoom};
use super::decode::{Encoding, memory_max};
use super::listen::ConnectionLimits;
use super::metrics::Tally;
use super::tls::Tls;
use super::whole::Whole;
use super::wire::{Remark, Sent};
use super::{
    ConvertSettings, DecodeError, Decoded, Intake, Metrics, Packing, Refusal, Signal, Taken, decode,
};
use crate::core::record::{Metric, Spans};

/// A body up to this size is decoded where it was read; a larger one takes longer than an async
/// thread, which also serves health checks and the deliveries of alerts, may be held.
const INLINE_BYTES_MAX: usize = 512 << 10;
/// The same for JSON, which takes six times as long.
const INLINE_JSON_BYTES_MAX: usize = 64 << 10;
/// The same for a packed body.
const INLINE_PACKED_BYTES_MAX: usize = 8 << 10;
/// How often the files of certificates and tokens are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// The bounds of the receiver.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest request in bytes, as sent and again after inflating. Default 64 MiB, as OTLP
    /// recommends.
    pub request_bytes_max: usize,
    /// Most bytes of requests in memory at once, as sent and inflated, over both transports.
    /// Default 256 MiB.
    pub inflight_bytes_max: usize,
    /// Longest time a request may take from its head to its answer. Default 30 s.
    pub request_timeout: Duration,
    /// Bounds on connections, for each transport.
    pub connections: ConnectionLimits,
    /// How requests become records.
    pub convert: ConvertSettings,
}

impl Settings {
    /// The defaults, for the process `instance_id`.
    pub fn of_instance(instance_id: &str) -> Self {
        Self {
            request_bytes_max: 64 << 20,
            inflight_bytes_max: 256 << 20,
            request_timeout: Duration::from_secs(30),
            connections: ConnectionLimits::default(),
            convert: ConvertSettings::of_instance(instance_id),
        }
    }
}

/// Takes requests from both transports and gives them to one [`Intake`]. Clones share all of it.
#[derive(Debug)]
pub struct Receiver<I> {
    intake: Arc<I>,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Metrics,
    pub(super) access: Access,
    pub(super) tls: Option<Tls>,
    pub(super) budget: Arc<Budget>,
    running: TaskTracker,
}

impl<I> Clone for Receiver<I> {
    fn clone(&self) -> Self {
        Self {
            intake: Arc::clone(&self.intake),
            settings: Arc::clone(&self.settings),
            metrics: self.metrics.clone(),
            access: self.access.clone(),
            tls: self.tls.clone(),
            budget: Arc::clone(&self.budget),
            running: self.running.clone(),
        }
    }
}

impl<I: Intake> Receiver<I> {
    /// A receiver in front of `intake`, open to `access`, which speaks TLS where `tls` is given.
    pub fn new(
        intake: Arc<I>,
        settings: Settings,
        metrics: Metrics,
        (access, tls): (Access, Option<Tls>),
    ) -> Self {
        Self {
            intake,
            budget: Budget::new(settings.inflight_bytes_max),
            settings: Arc::new(settings),
            metrics,
            access,
            tls,
            running: TaskTracker::new(),
        }
    }

    /// What decodes requests that were kept.
    pub fn reopen(&self) -> Reopen {
        Reopen {
            settings: Arc::clone(&self.settings),
            access: self.access.clone(),
        }
    }

    /// Reads certificates and tokens again whenever their files change. Ends when it is dropped.
    pub async fn follow_files(self) {
        let stamp = |it: &Self| (it.access.stamp(), it.tls.as_ref().map(Tls::stamp));
        let mut seen = stamp(&self);
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            let now = stamp(&self);
            if now == seen {
                continue;
            }
            seen = now;
            if let Err(error) = self.access.reload() {
                tracing::error!(%error, "The tokens were not read again; the old ones stay good.");
            }
            match self.tls.as_ref().map(Tls::reload) {
                Some(Err(error)) => {
                    tracing::error!(%error, "The certificates were not read again; the old ones stay in use.");
                }
                Some(Ok(())) | None => tracing::info!("Tokens and certificates were read again."),
            }
        }
    }

    /// On whose account a request is held.
    pub(super) fn accounts(&self, peer: SocketAddr, tenant: Option<&Arc<Tenant>>) -> Vec<Account> {
        match tenant {
            // All tenants of one address would share its account.
            Some(tenant) => vec![Account::Tenant(tenant.name())],
            None => vec![Account::Address(peer.ip())],
        }
    }

    /// Unpacks, decodes, hands over, counts, and says what to answer.
    pub(super) async fn take(
        &self,
        sent: Sent,
        tenant: Option<Arc<Tenant>>,
        hold: Hold,
        deadline: Instant,
    ) -> Result<Remark, Failure> {
        // The caller is dropped in mid-sentence when a sender hangs up.
        let whole = Whole::new(self.clone().hand_over(sent, tenant, hold), &self.running);
        // Late: it is taken, but its sender will come again, and is recognised then.
        let done = tokio::time::timeout_at(deadline, whole).await;
        let done = done.map_err(|_| Failure::TooSlow)?;
        done.map_err(|_| Failure::Broken)?
    }

    async fn hand_over(
        self,
        sent: Sent,
        tenant: Option<Arc<Tenant>>,
        hold: Hold,
    ) -> Result<Remark, Failure> {
        let signal = sent.signal;
        // Told before any work is done for it.
        self.intake.is_open()?;
        let (sent, decoded, hold) = self.decoded(sent, tenant, hold).await?;
        let tally = Tally::of(&decoded, signal);
        // A request without a record to judge needs no room.
        let taken = match signal == Signal::Logs && !decoded.batches.is_empty() {
            true => {
                self.intake
                    .accept(Accepted {
                        sent,
                        decoded,
                        hold,
                    })
                    .await?
            }
            false => {
                if !decoded.spans.is_empty() || !decoded.metrics.is_empty() {
                    self.intake.observe(Observed {
                        spans: decoded.spans,
                        metrics: decoded.metrics,
                        hold,
                    });
                }
                Taken::New
            }
        };
        self.metrics.accepted(&tally, taken);
        Ok(tally.remark())
    }

    async fn decoded(
        &self,
        sent: Sent,
        tenant: Option<Arc<Tenant>>,
        mut hold: Hold,
    ) -> Result<(Sent, Decoded, Hold), Failure> {
        let settings = Arc::clone(&self.settings);
        let inline_max = match (sent.packing, sent.encoding) {
            (Packing::Plain, Encoding::Protobuf) => INLINE_BYTES_MAX,
            (Packing::Plain, Encoding::Json) => INLINE_JSON_BYTES_MAX,
            (Packing::Gzip | Packing::Zstd, _) => INLINE_PACKED_BYTES_MAX,
        };
        let is_small = sent.body.len() <= inline_max;
        let work = move || {
            let as_sent = sent.body.len();
            // What it takes is asked for before it is taken, and what it did not take is given back.
            let room = |bytes| hold.grow_to(as_sent + bytes).map_err(Failure::NoRoom);
            let mut decoded = open(&sent, &settings, room)?;
            if let Some(tenant) = tenant {
                tenant.restrict(&mut decoded);
            }
            hold.shrink_to(as_sent + decoded.bytes);
            Ok((sent, decoded, hold))
        };
        match is_small {
            true => work(),
            false => tokio::task::spawn_blocking(work)
                .await
                .map_err(|_| Failure::Broken)?,
        }
    }

    /// Waits for the requests whose senders hung up; the others have been answered by now.
    pub(super) async fn finish(&self) {
        self.running.close();
        self.running.wait().await;
    }
}

/// What a sender sent, unpacked and decoded. `room` is asked for the bytes that each may take.
fn open(
    sent: &Sent,
    settings: &Settings,
    mut room: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<Decoded, Failure> {
    let body = sent
        .packing
        .unpack(&sent.body, settings.request_bytes_max, &mut room)?;
    let inflated = match &body {
        Cow::Borrowed(_) => 0,
        Cow::Owned(bytes) => bytes.len(),
    };
    room(inflated + memory_max(body.len()))?;
    Ok(decode(
        sent.signal,
        sent.encoding,
        &body,
        &settings.convert,
    )?)
}

/// A request that can be taken: what was sent, what is in it, and the room it has.
#[derive(Debug)]
pub struct Accepted {
    /// As it came.
    pub sent: Sent,
    /// What is in it.
    pub decoded: Decoded,
    /// Its room in the receiver's budget; to be dropped when `sent` is.
    pub hold: Hold,
}

/// Spans and metrics, and the room they have.
#[derive(Debug)]
pub struct Observed {
    /// Spans, by resource.
    pub spans: Vec<Spans>,
    /// Metrics that have points.
    pub metrics: Vec<Metric>,
    /// Their room in the receiver's budget; to be dropped with them.
    pub hold: Hold,
}

/// Decodes requests that were kept, as when they came.
#[derive(Clone, Debug)]
pub struct Reopen {
    settings: Arc<Settings>,
    access: Access,
}

impl Reopen {
    /// What decodes requests that came without a token.
    pub fn of_anybody(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            access: Access::of_anybody(),
        }
    }

    /// What is in `sent`.
    ///
    /// # Errors
    /// Why it cannot be decoded, which a request that was accepted once always can.
    pub fn open(&self, sent: &Sent) -> Result<Decoded, String> {
        let mut decoded =
            open(sent, &self.settings, |_| Ok(())).map_err(|failure| failure.to_string())?;
        if let Some(tenant) = &sent.tenant {
            self.access.restrict(tenant, &mut decoded);
        }
        Ok(decoded)
    }
}

/// Why a request gets no success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The bytes are not what they claim to be. Sending them again would not help.
    #[error("{0}")]
    Undecodable(String),
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    #[error("the request is larger than {limit} bytes ({size}), send smaller batches")]
    TooLarge { limit: usize, size: &'static str },
    #[error("{0}")]
    Unsupported(String),
    #[error("send gzip, zstd or no Content-Encoding at all")]
    UnsupportedPacking,
    #[error("the request did not arrive in time")]
    TooSlow,
    #[error("knothole has no room for the request now, please send again later")]
    NoRoom(NoRoom),
    #[error("send a valid token as Authorization: Bearer TOKEN")]
    Unauthenticated,
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A bug of ours; the sender should not send the same bytes into it again.
    #[error("knothole failed to process the request")]
    Broken,
}

impl Failure {
    /// The name used as a metric label.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Undecodable(_) | Self::Malformed(_) => "undecodable",
            Self::TooLarge { .. } => "too_large",
            Self::Unsupported(_) | Self::UnsupportedPacking => "unsupported",
            Self::TooSlow => "too_slow",
            Self::NoRoom(no_room) => no_room.reason(),
            Self::Unauthenticated => "unauthenticated",
            Self::Refused(refusal) => refusal.reason(),
            Self::Broken => "broken",
        }
    }
}
