//! What spans and metrics say: how things are when all is well, and what differs.
//!
//! ```text
//! spans ─ Open traces ─ whole trace ─▶ Visit: one service's part of it ─▶ Operation: own time, errors, what it does
//!                                  └─▶ Way: caller's time less callee's ─▶ gaps        │ past against present
//! metrics ───────────────────────────▶ Series: median and spread ──────────────────────┤
//! log records ─▶ Flow (in the shard): what comes after what in a trace ─▶ FlowBreak    ▼
//!                                                                          Finding ─▶ Sign
//! ```
//!
//! Time is cut into stretches of a minute. What is counted in a stretch is held against all that was
//! learned before it; a stretch in which something differs is not learned from, unless that lasts.

mod finding;
mod flow;

pub use finding::{Finding, FindingKind};
pub use flow::{Flow, FlowBreak, FlowSettings, Heard};

use serde::{Deserialize, Serialize};

use crate::core::event::Sign;
use crate::core::record::{Metric, Spans, StreamKey, Timestamp};

/// What spans and metrics of all services have shown. One per daemon, driven by one thread.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Witness {
    findings: Vec<Finding>,
    links: Vec<Link>,
}

/// A service that was seen to call another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The service that calls.
    pub caller: StreamKey,
    /// The service that is called.
    pub callee: StreamKey,
    /// When it was seen.
    pub at: Timestamp,
}

impl Witness {
    /// Takes spans. `now` is the shell's time; it counts for time-outs, and where data has no time.
    pub fn spans(&mut self, spans: &Spans, now: Timestamp) {
        let _ = (spans, now);
    }

    /// Takes points of a metric.
    pub fn metric(&mut self, metric: &Metric, now: Timestamp) {
        let _ = (metric, now);
    }

    /// Lets time pass: closes traces that are quiet and judges what came. Call it every few seconds.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Sign> {
        let _ = now;
        Vec::new()
    }

    /// Judges all that came, as if time had passed: the input ends here.
    pub fn finish(&mut self) -> Vec<Sign> {
        Vec::new()
    }

    /// Forgets what goes on and keeps what was learned, as for another stretch of time.
    pub fn rest(&mut self) {
        self.findings.clear();
    }

    /// Calls between services seen since the last time, each pair once: for the topology.
    pub fn take_links(&mut self) -> Vec<Link> {
        std::mem::take(&mut self.links)
    }

    /// What differed at some time between `from` and `to`, oldest first.
    pub fn findings(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.first_seen <= to && from <= finding.last_seen)
    }
}
