//! The bytes of a request, read within its time, its size and the budget.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use super::budget::Hold;
use super::receiver::Failure;

/// A body may take so long before its rate counts.
const RATE_GRACE: Duration = Duration::from_secs(5);
/// Slowest rate at which a body may come, in bytes a second.
const RATE_MIN: f64 = 1024.0;
/// Longest pause between two pieces of a body.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);
/// Room that is taken for a body before more of it is there, at most: a usual batch. What a sender
/// says of more is believed as it comes.
const FIRST_BYTES_MAX: usize = 1 << 20;
/// Room that is held for a body of which nothing is there.
pub(super) const CLAIMED_BYTES_MAX: usize = 64 << 10;
/// How much of a body that was refused is still read, and for how long, so that its sender gets to
/// see the answer: who writes into a closed connection may lose it.
const DRAIN_BYTES_MAX: usize = 80 << 20;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A body on its way.
pub(super) struct Reading {
    body: Incoming,
    started: Instant,
    deadline: Instant,
    received: usize,
}

impl Reading {
    /// A body that has to be there within `timeout`.
    pub(super) fn new(body: Incoming, timeout: Duration) -> Self {
        let started = Instant::now();
        Self {
            body,
            started,
            deadline: started + timeout,
            received: 0,
        }
    }

    /// The length that the sender named, where it did.
    pub(super) fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Moves the deadline forward; it is never put off.
    pub(super) fn hurry(&mut self, timeout: Duration) {
        self.deadline = self.deadline.min(self.started + timeout);
    }

    /// When all has to be done.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The next piece, `None` at the end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let until = self.deadline.min(Instant::now() + PIECE_TIMEOUT);
            let frame = tokio::time::timeout_at(until, self.body.frame())
                .await
                .map_err(|_| Failure::TooSlow)?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            let frame = frame.map_err(|fault| {
                Failure::Undecodable(format!("the body could not be read: {fault}"))
            })?;
            // Trailers of a request mean nothing here.
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            self.received += piece.len();
            let late = self.started.elapsed().saturating_sub(RATE_GRACE);
            if (self.received as f64) < late.as_secs_f64() * RATE_MIN {
                return Err(Failure::TooSlow);
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// The rest of the body, at most `limit` bytes of it, each held in the budget.
    pub(super) async fn all(&mut self, limit: usize, hold: &mut Hold) -> Result<Bytes, Failure> {
        let first = self.piece().await?.unwrap_or_default();
        let rest = self.announced().and_then(|rest| usize::try_from(rest).ok());
        let expected = rest.map(|rest| first.len().saturating_add(rest));
        self.collect(first, (expected, limit), hold).await
    }

    /// `first` and the rest of the body, of `expected` bytes where that is known.
    pub(super) async fn collect(
        &mut self,
        first: Bytes,
        (expected, limit): (Option<usize>, usize),
        hold: &mut Hold,
    ) -> Result<Bytes, Failure> {
        let too_large = Failure::TooLarge {
            limit,
            size: "as sent",
        };
        if first.len() > limit {
            return Err(too_large);
        }
        hold.grow_to(first.len()).map_err(Failure::NoRoom)?;
        let Some(second) = self.piece().await? else {
            // What came in one piece is not copied.
            return Ok(first);
        };
        let so_far = first.len() + second.len();
        let expected = expected.unwrap_or(4 * so_far);
        let capacity = expected.min(limit).min(FIRST_BYTES_MAX).max(so_far);
        hold.grow_to(capacity).map_err(Failure::NoRoom)?;
        let mut all = BytesMut::with_capacity(capacity);
        all.extend_from_slice(&first);
        let mut piece = Some(second);
        while let Some(next) = piece {
            if all.len() + next.len() > limit {
                return Err(too_large);
            }
            let needed = all.len() + next.len();
            if needed > all.capacity() {
                hold.grow_to((2 * all.capacity()).clamp(needed, limit.max(needed)))
                    .map_err(Failure::NoRoom)?;
                all.reserve(
                    (2 * all.capacity())
                        .min(limit)
                        .saturating_sub(all.len())
                        .max(next.len()),
                );
            }
            all.extend_from_slice(next.chunk());
            piece = self.piece().await?;
        }
        hold.grow_to(all.len()).map_err(Failure::NoRoom)?;
        Ok(all.freeze())
    }

    /// Reads on for a while without keeping anything, so that the answer is seen.
    pub(super) fn drain(mut self) {
        if self.body.is_end_stream() {
            return;
        }
        let until = Instant::now() + DRAIN_TIMEOUT;
        tokio::spawn(async move {
            let mut drained = 0;
            while let Ok(Some(Ok(frame))) = tokio::time::timeout_at(until, self.body.frame()).await
            {
                drained += frame.data_ref().map_or(0, Bytes::len);
                if drained > DRAIN_BYTES_MAX {
                    return;
                }
            }
        });
    }
}
