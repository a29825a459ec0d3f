//! How much memory the process holds, as Linux tells.

use std::fs;

use anyhow::{Context as _, Result};

/// Most bytes held at any time since the process began.
#[cfg(feature = "daemon")]
pub(crate) fn peak() -> Result<u64> {
    figure("VmHWM:")
}

/// Bytes held now.
pub(crate) fn held() -> Result<u64> {
    figure("VmRSS:")
}

fn figure(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
    let kilobytes: u64 = kilobytes.context("no figure for memory")?.parse()?;
    Ok(kilobytes * 1024)
}
