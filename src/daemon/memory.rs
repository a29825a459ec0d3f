//! Keeps the process below its memory limit by taking nothing more in while it is over.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often the process's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
