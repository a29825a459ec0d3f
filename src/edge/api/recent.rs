//! The latest anomalies, for `/v1/anomalies`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// A bounded ring: what is pushed beyond its capacity replaces the oldest.
#[derive(Debug)]
pub struct Recent {
    capacity: usize,
    events: Mutex<VecDeque<Value>>,
}

impl Recent {
    /// Default capacity.
    pub const CAPACITY: usize = 1_000;

    /// An empty ring for `capacity` events, at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            events: Mutex::new(VecDeque::new()),
        }
    }

    /// Adds the newest.
    pub fn push(&self, event: Value) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        while events.len() >= self.capacity {
            events.pop_front();
        }
        events.push_back(event);
    }

    /// At most `limit`, newest first.
    pub fn newest(&self, limit: usize) -> Vec<Value> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().rev().take(limit).cloned().collect()
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self::new(Self::CAPACITY)
    }
}
