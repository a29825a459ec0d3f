//! What a process takes of the machine (Linux).

use std::fs;
use std::time::Duration;

/// Ticks in a second as Linux tells them to programs, on every machine.
const TICKS_PER_SECOND: u64 = 100;

/// A process that is watched.
pub(crate) struct Footprint {
    pid: u32,
}

impl Footprint {
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Most bytes of memory that it held since [`Self::forget_peak`].
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.pid), "5").unwrap();
    }

    /// Processor time that all its threads took.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        // The name is in brackets and may hold anything; the fields behind it begin with the third.
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let ticks = rest.split(' ').skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.unwrap().trim().strip_suffix("kB").unwrap().trim();
        kibibytes.parse::<u64>().unwrap() << 10
    }
}
