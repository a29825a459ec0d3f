//! How long one step takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The gaps of one relation: quantiles, and exponential tails in the logarithm of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gaps {
    /// Clocks tell no shorter times apart, in seconds. It is added before taking logarithms.
    resolution: f32,
    /// From the shortest hundredth to the longest hundredth, in seconds.
    usual: (f32, f32),
    long: LogTail,
    short: LogTail,
}

/// What lies beyond a quantile, in logarithms of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct LogTail {
    from: f32,
    /// The share of gaps beyond `from`, in nats.
    nats: f32,
    /// The mean excess.
    scale: f32,
}

/// The tails begin at this quantile.
const TAIL: f64 = 0.98;
/// The mean excess is drawn towards this as by so many gaps: a tail that was never seen is not
/// taken to be steep.
const PRIOR: (f32, f32) = (0.25, 4.0);

impl Gaps {
    /// Learns from gaps in seconds, which are put in order; at least one.
    pub(super) fn learn(gaps: &mut [f32], resolution: f32) -> Self {
        gaps.sort_unstable_by(f32::total_cmp);
        let logs: Vec<f32> = gaps.iter().map(|gap| (gap + resolution).ln()).collect();
        let mirrored: Vec<f32> = logs.iter().rev().map(|log| -log).collect();
        Self {
            resolution,
            usual: (quantile(gaps, 0.01), quantile(gaps, 0.99)),
            long: LogTail::learn(&logs),
            short: LogTail::learn(&mirrored),
        }
    }

    pub(super) fn longest_usual(&self) -> f32 {
        self.usual.1
    }

    pub(super) fn usual(&self) -> (Duration, Duration) {
        let duration = |seconds| Duration::try_from_secs_f32(seconds).unwrap_or_default();
        (duration(self.usual.0), duration(self.usual.1))
    }

    /// How rare so long or so short a gap is, in nats; 0 for a usual one.
    pub(super) fn surprise(&self, gap: f32) -> f32 {
        let log = (gap + self.resolution).ln();
        self.long.nats(log).max(self.short.nats(-log))
    }
}

impl LogTail {
    fn learn(logs: &[f32]) -> Self {
        let from = quantile(logs, TAIL);
        let beyond = logs
            .iter()
            .map(|log| log - from)
            .filter(|excess| *excess > 0.0);
        let count = beyond.clone().count() as f32;
        let excess: f32 = beyond.sum();
        let (prior, weight) = PRIOR;
        Self {
            from,
            nats: -((count + 0.5) / (logs.len() as f32 + 1.0)).ln(),
            scale: (excess + prior * weight) / (count + weight),
        }
    }

    fn nats(&self, log: f32) -> f32 {
        match log > self.from {
            true => self.nats + (log - self.from) / self.scale,
            false => 0.0,
        }
    }
}

/// Of numbers in order.
pub(super) fn quantile(sorted: &[f32], share: f64) -> f32 {
    let at = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}
