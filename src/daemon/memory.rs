//! Keeps the process below its memory limit by taking nothing more in while it is over.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::config::{HostMemory, Settings};
use crate::core::engine;

/// How often the process's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What of the memory limit each part may take, in bytes. The rest is for templates, models, open
/// sequences and what the allocator has not given back yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ration {
    /// All of it.
    pub(super) limit: u64,
    /// Requests from their first byte until they are on disk.
    pub(super) inflight_bytes_max: usize,
    /// Records that wait for a shard.
    pub(super) queue_bytes_max: usize,
    /// What the streams of one shard remember of their records.
    pub(super) room: engine::Room,
}

impl Ration {
    /// As `settings` say, where the limit allows it.
    pub(super) fn of(settings: &Settings) -> Self {
        let limit = HostMemory::read().resolve(settings.memory_limit).as_bytes();
        let part = |of: u64| usize::try_from(limit / of).unwrap_or(usize::MAX);
        let shards = settings.shard_count().get();
        let receive = &settings.receive;
        Self {
            limit,
            inflight_bytes_max: receive.inflight_bytes_max.as_len().min(part(4)),
            queue_bytes_max: receive.queue_bytes_max.as_len().min(part(16)),
            room: engine::Room {
                held_bytes_max: part(12) / shards,
                recent_bytes_max: part(16) / shards,
                corpus_bytes_max: part(16) / shards,
            },
        }
    }
}

/// What is known of the process's memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    resident: AtomicU64,
    over: AtomicBool,
}

impl Memory {
    /// Bytes of memory the process holds.
    pub(super) fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed)
    }

    /// Most bytes the process ever held at once.
    pub(super) fn peak(&self) -> u64 {
        status_bytes("VmHWM:").unwrap_or_default()
    }

    /// Whether the process is over its limit.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn look(&self, limit: u64) {
        let Some(resident) = status_bytes("VmRSS:") else {
            return;
        };
        self.resident.store(resident, Ordering::Relaxed);
        let over = resident > limit;
        if over != self.over.swap(over, Ordering::Relaxed) {
            match over {
                true => tracing::warn!(resident, limit, "Memory is over the limit; senders wait."),
                false => tracing::info!(resident, limit, "Memory is below the limit again."),
            }
        }
    }
}

/// Looks at the memory until `stop`.
pub(super) async fn watch(memory: Arc<Memory>, limit: u64, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => memory.look(limit),
            () = stop.cancelled() => return memory.look(limit),
        }
    }
}

/// A line of the process's status in bytes, where the system tells (Linux).
fn status_bytes(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn over_and_below_the_limit_are_told_apart() {
        let memory = Memory::default();
        memory.look(1);
        assert!(memory.is_over());
        memory.look(u64::MAX);
        assert!(!memory.is_over());
        assert!(memory.peak() >= memory.resident() && memory.resident() > 0);
    }
}
