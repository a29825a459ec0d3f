//! Accepted requests → shards, within a byte budget.

use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::board::Board;
use super::memory::Memory;
use super::shard_thread::{Command, ShardHandle};
use crate::core::record::{Batch, StreamKey};
use crate::edge::receive::{Decoded, Intake, Refusal};

/// How long a request waits for room before its sender is told to come again.
const WAIT: Duration = Duration::from_secs(1);
/// When a refused sender should come again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Bytes that one permit of the budget stands for.
const PERMIT_BYTES: usize = 1024;

/// Spreads accepted batches over the shards, each stream always to the same one.
#[derive(Debug)]
pub(super) struct Router {
    shards: Vec<ShardHandle>,
    budget: Arc<Semaphore>,
    permits: usize,
    memory: Arc<Memory>,
    queued: Arc<AtomicU64>,
    closed: AtomicBool,
}

/// Room in the budget for a request; given back when its last batch is done.
#[derive(Debug)]
pub(super) struct Room {
    _permit: OwnedSemaphorePermit,
}

impl Router {
    pub(super) fn new(shards: Vec<ShardHandle>, queue_bytes_max: usize, board: &Board) -> Self {
        let permits = (queue_bytes_max / PERMIT_BYTES).clamp(1, u32::MAX as usize >> 4);
        Self {
            shards,
            budget: Arc::new(Semaphore::new(permits)),
            permits,
            memory: Arc::clone(&board.memory),
            queued: Arc::clone(&board.queued),
            closed: AtomicBool::new(false),
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

    /// The shard of a stream.
    pub(super) fn shard_of(&self, stream: &StreamKey) -> Option<&ShardHandle> {
        self.shards.get(shard_index(stream, self.shards.len()))
    }

    async fn room(&self, bytes: usize) -> Result<Arc<Room>, Refusal> {
        let refusal = Refusal::Overloaded {
            retry_after: RETRY_AFTER,
        };
        // Over the memory limit only an empty queue takes more, so that work always goes on.
        if self.memory.is_over() && self.queued.load(Ordering::Relaxed) > 0 {
            return Err(refusal);
        }
        // A request larger than the whole budget goes through when it has the budget for itself.
        let permits = bytes.div_ceil(PERMIT_BYTES).clamp(1, self.permits);
        let budget = Arc::clone(&self.budget);
        let wanted = budget.acquire_many_owned(u32::try_from(permits).unwrap_or(u32::MAX));
        match tokio::time::timeout(WAIT, wanted).await {
            Ok(Ok(permit)) => Ok(Arc::new(Room { _permit: permit })),
            Ok(Err(_)) => Err(Refusal::Stopping),
            Err(_) => Err(refusal),
        }
    }
}

/// Which of `shards` shards a stream belongs to; the same in every process.
pub(super) fn shard_index(stream: &StreamKey, shards: usize) -> usize {
    let mut hasher = rustc_hash::FxHasher::default();
    stream.hash(&mut hasher);
    usize::try_from(hasher.finish() % shards.max(1) as u64).unwrap_or(0)
}

impl Intake for Router {
    async fn accept(&self, request: Decoded) -> Result<(), Refusal> {
        if !self.is_open() {
            return Err(Refusal::Stopping);
        }
        let room = self.room(request.bytes).await?;
        let records: usize = request.batches.iter().map(Batch::len).sum();
        self.queued.fetch_add(records as u64, Ordering::AcqRel);
        let mut per_shard: Vec<Vec<Batch>> = Vec::new();
        per_shard.resize_with(self.shards.len(), Vec::new);
        for batch in request.batches {
            let index = shard_index(&batch.stream, self.shards.len());
            if let Some(batches) = per_shard.get_mut(index) {
                batches.push(batch);
            }
        }
        let mut taken = true;
        for (shard, batches) in self.shards.iter().zip(per_shard) {
            if !batches.is_empty() {
                let room = Arc::clone(&room);
                taken &= shard.send(Command::Batches { batches, room });
            }
        }
        // A shard that is gone takes nothing; better to be sent something twice than to lose it.
        if taken {
            Ok(())
        } else {
            Err(Refusal::Stopping)
        }
    }
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
