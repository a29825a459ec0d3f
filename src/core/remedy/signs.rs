//! When which service was in trouble lately: what an action is measured by.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::core::record::{StreamKey, Timestamp};

/// Times of the anomalies of each service.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    of: BTreeMap<StreamKey, VecDeque<Timestamp>>,
}

impl Signs {
    /// Most services that are remembered; those of others are not compared.
    pub const SERVICES_MAX: usize = 1_000;
    /// Most times that are remembered of one service.
    pub const TIMES_MAX: usize = 256;
    /// How long they are remembered.
    pub const MEMORY: Duration = Duration::from_secs(2 * 3_600);

    /// An anomaly of `stream` at `at`.
    pub fn add(&mut self, stream: &StreamKey, at: Timestamp) {
        if !self.of.contains_key(stream) && self.of.len() >= Self::SERVICES_MAX {
            return;
        }
        let times = self.of.entry(stream.clone()).or_default();
        times.push_back(at);
        if times.len() > Self::TIMES_MAX {
            times.pop_front();
        }
    }

    /// Forgets what is long ago.
    pub fn forget(&mut self, now: Timestamp) {
        let from = now.minus(Self::MEMORY);
        self.of.retain(|_, times| {
            times.retain(|at| *at >= from);
            !times.is_empty()
        });
    }

    /// How many anomalies `stream` had after `from` and until `to`.
    pub fn of(&self, stream: &StreamKey, from: Timestamp, to: Timestamp) -> u32 {
        let times = self.of.get(stream).into_iter().flatten();
        let count = times.filter(|at| **at > from && **at <= to).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The same of all services but `involved`.
    pub fn besides(&self, involved: &[StreamKey], from: Timestamp, to: Timestamp) -> u32 {
        let others = self.of.keys().filter(|it| !involved.contains(it));
        others.map(|it| self.of(it, from, to)).sum()
    }
}
