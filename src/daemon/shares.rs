//! Who waits in the queue: where it is half full, the services that have more than their share of it
//! are the ones whose senders are told to come again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::record::{Batch, StreamKey};

/// The bytes of each service in the queue.
#[derive(Debug, Default)]
pub(super) struct Shares {
    held: Mutex<HashMap<StreamKey, usize>>,
}

/// Bytes of services in the queue; they leave when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    bytes: Vec<(StreamKey, usize)>,
}

impl Shares {
    /// The bytes of a request as the services have them, `bytes` in all.
    pub(super) fn of(batches: &[Batch], bytes: usize) -> Vec<(StreamKey, usize)> {
        let records: usize = batches.iter().map(Batch::len).sum();
        let mut shares: Vec<(StreamKey, usize)> = Vec::new();
        for batch in batches {
            let part = bytes / records.max(1) * batch.len();
            match shares
                .iter_mut()
                .find(|(stream, _)| *stream == batch.stream)
            {
                Some((_, bytes)) => *bytes += part,
                None => shares.push((batch.stream.clone(), part)),
            }
        }
        shares
    }

    /// Whether a request may join a queue with `free` of `all` bytes free. Not where most of it is
    /// of services that would have more than an equal share.
    pub(super) fn admit(&self, wanted: &[(StreamKey, usize)], free: usize, all: usize) -> bool {
        if free >= all / 2 {
            return true;
        }
        let held = self.locked();
        let new = wanted
            .iter()
            .filter(|(stream, _)| !held.contains_key(stream));
        let fair = all / (held.len() + new.count()).max(1);
        let greedy = wanted.iter().filter(|(stream, bytes)| {
            let has = held.get(stream).copied().unwrap_or(0);
            has > 0 && has + bytes > fair
        });
        let greedy: usize = greedy.map(|(_, bytes)| bytes).sum();
        let total: usize = wanted.iter().map(|(_, bytes)| bytes).sum();
        greedy <= total / 2
    }

    /// Notes that a request is in the queue.
    pub(super) fn enter(self: &Arc<Self>, bytes: Vec<(StreamKey, usize)>) -> Share {
        let mut held = self.locked();
        for (stream, bytes) in &bytes {
            *held.entry(stream.clone()).or_default() += bytes;
        }
        drop(held);
        Share {
            shares: Arc::clone(self),
            bytes,
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<StreamKey, usize>> {
        // A panic while it was held left nothing half done that matters here.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.locked();
        for (stream, bytes) in &self.bytes {
            if let Some(has) = held.get_mut(stream) {
                *has = has.saturating_sub(*bytes);
                if *has == 0 {
                    held.remove(stream);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = 1_000;

    fn of(name: &str, bytes: usize) -> Vec<(StreamKey, usize)> {
        vec![(StreamKey::named(name), bytes)]
    }

    #[test]
    fn who_floods_is_sent_away_and_the_others_are_not() {
        let shares = Arc::new(Shares::default());
        let _flood = shares.enter(of("loud", 600));
        let _other = shares.enter(of("calm", 50));
        let free = ALL - 650;
        assert!(!shares.admit(&of("loud", 10), free, ALL));
        assert!(shares.admit(&of("calm", 200), free, ALL));
        assert!(shares.admit(&of("new", 300), free, ALL));
        // A Collector that sends for both is not held back by the smaller part.
        let mixed = [of("loud", 40), of("calm", 60)].concat();
        assert!(shares.admit(&mixed, free, ALL));
    }

    #[test]
    fn as_long_as_there_is_room_or_one_alone_has_it_nobody_is_sent_away() {
        let shares = Arc::new(Shares::default());
        let first = shares.enter(of("loud", 499));
        assert!(shares.admit(&of("loud", 400), ALL - 499, ALL));
        drop(first);
        assert!(shares.locked().is_empty());
        let _alone = shares.enter(of("loud", 600));
        assert!(shares.admit(&of("loud", 400), ALL - 600, ALL));
    }
}
