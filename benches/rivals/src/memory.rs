//! How much memory the process held at most, as Linux tells.

use std::fs;

use anyhow::{Context as _, Result};

/// Most bytes held at any time since the process began.
pub(crate) fn peak() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
    let kilobytes: u64 = kilobytes.context("no figure for peak memory")?.parse()?;
    Ok(kilobytes * 1024)
}
