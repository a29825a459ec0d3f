//! Accepted requests → shards, within a byte budget.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::board::Board;
use super::clock;
use super::memory::Memory;
use super::scribe::{Scribe, Seen};
use super::shard_thread::{Command, ShardHandle};
use super::shares::{Share, Shares};
use crate::core::record::{Batch, StreamKey, Timestamp};
use crate::core::redact::Redactor;
use crate::edge::receive::Refusal;

/// How long a request waits for room before its sender is told to come again.
const WAIT: Duration = Duration::from_secs(1);
/// When a refused sender should come again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes that one permit of the budget stands for.
const PERMIT_BYTES: usize = 1024;

/// Spreads accepted batches over the shards, each stream always to the same one.
#[derive(Debug)]
pub(super) struct Router {
    shards: Vec<ShardHandle>,
    budget: Arc<Semaphore>,
    permits: usize,
    shares: Arc<Shares>,
    memory: Arc<Memory>,
    queued: Arc<AtomicU64>,
    closed: AtomicBool,
    /// Hears who sends how much.
    scribe: Scribe,
    /// Takes secrets out of the names of streams, which say where a batch goes.
    redactor: ArcSwap<Redactor>,
}

/// Room in the budget for a request; given back when its last batch is done.
#[derive(Debug)]
pub(super) struct Room {
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

/// Batches on their way to the shards, and their room.
#[derive(Debug)]
pub(super) struct Load {
    batches: Vec<Batch>,
    received_at: Timestamp,
    /// Whether an earlier run acknowledged them.
    pub(super) is_replayed: bool,
    room: Arc<Room>,
}

impl Router {
    pub(super) fn new(
        shards: Vec<ShardHandle>,
        queue_bytes_max: usize,
        (board, scribe): (&Board, Scribe),
        redactor: Arc<Redactor>,
    ) -> Self {
        let permits = (queue_bytes_max / PERMIT_BYTES).clamp(1, u32::MAX as usize >> 4);
        Self {
            shards,
            budget: Arc::new(Semaphore::new(permits)),
            permits,
            shares: Arc::default(),
            memory: Arc::clone(&board.memory),
            queued: Arc::clone(&board.queued),
            closed: AtomicBool::new(false),
            scribe,
            redactor: ArcSwap::new(redactor),
        }
    }

    /// Takes nothing more in.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Whoever waits for room is told at once.
        self.budget.close();
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    /// Redacts as `redactor` does from now on.
    pub(super) fn redact_by(&self, redactor: Arc<Redactor>) {
        self.redactor.store(redactor);
    }

    /// The shard of a stream.
    pub(super) fn shard_of(&self, stream: &StreamKey) -> Option<&ShardHandle> {
        self.shards.get(shard_index(stream, self.shards.len()))
    }

    /// Batches with room in the queue.
    ///
    /// # Errors
    /// There is no room within a moment, or nothing more is taken.
    pub(super) async fn load(&self, batches: Vec<Batch>, bytes: usize) -> Result<Load, Refusal> {
        self.is_refusing()?;
        let batches = self.without_secrets(batches);
        let wanted = Shares::of(&batches, bytes);
        let free = self.budget.available_permits() * PERMIT_BYTES;
        if !self
            .shares
            .admit(&wanted, free, self.permits * PERMIT_BYTES)
        {
            return Err(Refusal::Share {
                retry_after: RETRY_AFTER,
            });
        }
        let load = self.room_for(batches, bytes, None);
        let loaded = tokio::time::timeout(WAIT, load).await;
        loaded.unwrap_or(Err(Refusal::Overloaded {
            retry_after: RETRY_AFTER,
        }))
    }

    /// Whether it is known without a look at a request that it is not taken.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn is_refusing(&self) -> Result<(), Refusal> {
        if !self.is_open() {
            return Err(Refusal::Stopping);
        }
        // Over the memory limit only an empty queue takes more, so that work always goes on.
        if self.memory.is_over() && self.queued.load(Ordering::Relaxed) > 0 {
            return Err(Refusal::Overloaded {
                retry_after: RETRY_AFTER,
            });
        }
        Ok(())
    }

    /// Batches when there is room for them in the queue, however long that takes; `replayed` are those
    /// that arrived then, before this start.
    ///
    /// # Errors
    /// Nothing more is taken.
    pub(super) async fn load_in_time(
        &self,
        batches: Vec<Batch>,
        bytes: usize,
        replayed: Option<Timestamp>,
    ) -> Result<Load, Refusal> {
        let batches = self.without_secrets(batches);
        self.room_for(batches, bytes, replayed).await
    }

    /// The names of streams decide their shard, so their secrets go first; those of records go there.
    fn without_secrets(&self, mut batches: Vec<Batch>) -> Vec<Batch> {
        let redactor = self.redactor.load();
        let streams = batches.iter_mut().map(|batch| &mut batch.stream);
        streams.for_each(|stream| redactor.stream(stream));
        batches
    }

    async fn room_for(
        &self,
        batches: Vec<Batch>,
        bytes: usize,
        replayed: Option<Timestamp>,
    ) -> Result<Load, Refusal> {
        // A request larger than the whole budget goes through when it has the budget for itself.
        let permits = bytes.div_ceil(PERMIT_BYTES).clamp(1, self.permits);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let budget = Arc::clone(&self.budget);
        let permit = budget.acquire_many_owned(permits).await;
        let permit = permit.map_err(|_| Refusal::Stopping)?;
        let share = self.shares.enter(Shares::of(&batches, bytes));
        Ok(Load {
            batches,
            received_at: replayed.unwrap_or_else(clock::now),
            is_replayed: replayed.is_some(),
            room: Arc::new(Room {
                _permit: permit,
                _share: share,
            }),
        })
    }

    /// Gives each shard its batches of entry `number` of the journal; zero is none. Does not wait.
    ///
    /// # Errors
    /// A shard is gone. Better to be sent something twice than to lose it.
    pub(super) fn hand_over(&self, number: u64, load: Load) -> Result<(), Refusal> {
        let Load {
            batches,
            received_at,
            is_replayed,
            room,
        } = load;
        self.scribe.seen(
            batches
                .iter()
                .map(|batch| seen(batch, received_at))
                .collect(),
        );
        let records: usize = batches.iter().map(|batch| batch.len()).sum();
        self.queued.fetch_add(records as u64, Ordering::AcqRel);
        let mut per_shard: Vec<Vec<Batch>> = Vec::new();
        per_shard.resize_with(self.shards.len(), Vec::new);
        for batch in batches {
            let index = shard_index(&batch.stream, self.shards.len());
            if let Some(batches) = per_shard.get_mut(index) {
                batches.push(batch);
            }
        }
        let mut taken = true;
        for (shard, batches) in self.shards.iter().zip(per_shard) {
            if !batches.is_empty() {
                let room = Arc::clone(&room);
                taken &= shard.send(Command::Batches {
                    number,
                    received_at,
                    is_replayed,
                    batches,
                    room,
                });
            }
        }
        match taken {
            true => Ok(()),
            false => Err(Refusal::Stopping),
        }
    }
}

fn seen(batch: &Batch, received_at: Timestamp) -> Seen {
    let mut records = batch.records();
    Seen {
        stream: batch.stream.clone(),
        resource: Arc::clone(&batch.resource),
        records: records.len() as u64,
        at: records
            .find_map(|record| record.time)
            .unwrap_or(received_at),
    }
}

/// Which of `shards` shards a stream belongs to; the same in every process.
pub(super) fn shard_index(stream: &StreamKey, shards: usize) -> usize {
    let mut hasher = rustc_hash::FxHasher::default();
    stream.hash(&mut hasher);
    usize::try_from(hasher.finish() % shards.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_spread_and_stay_where_they_are() {
        let index = |name: &str| shard_index(&StreamKey::named(name), 4);
        let names: Vec<String> = (0..64).map(|n| format!("service-{n}")).collect();
        let used: std::collections::BTreeSet<usize> = names.iter().map(|n| index(n)).collect();
        assert_eq!(used.len(), 4);
        assert!(names.iter().all(|name| index(name) == index(name)));
    }
}
