//! Which bodies came a short while ago, so that what a client sends again is not kept twice.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::core::record::Timestamp;

use super::Seq;
use super::layout::FORMAT;

const MAGIC: &[u8; 8] = b"knotkeys";
const HEAD_LEN: usize = 24;
const KEY_LEN: usize = 32;

/// What is remembered of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub digest: [u8; 16],
    pub seq: Seq,
    pub received_at: Timestamp,
}

/// The entries of the last while, by digest.
#[derive(Debug)]
pub(super) struct Repeats {
    window: Duration,
    max: usize,
    newest: Timestamp,
    by_digest: HashMap<[u8; 16], Seq>,
    in_order: VecDeque<Key>,
}

impl Repeats {
    /// Remembers entries for `window`, and no more than `max` of them.
    pub(super) fn new(window: Duration, max: usize) -> Self {
        Self {
            window,
            max,
            newest: Timestamp::ZERO,
            by_digest: HashMap::new(),
            in_order: VecDeque::new(),
        }
    }

    /// The number of the entry with this digest.
    pub(super) fn find(&self, digest: &[u8; 16]) -> Option<Seq> {
        self.by_digest.get(digest).copied()
    }

    /// Remembers an entry that came after all others.
    pub(super) fn note(&mut self, key: Key) {
        self.newest = self.newest.max(key.received_at);
        self.by_digest.insert(key.digest, key.seq);
        self.in_order.push_back(key);
        while let Some(oldest) = self.in_order.front() {
            let is_old = self.newest.since(oldest.received_at) > self.window;
            if !is_old && self.in_order.len() <= self.max {
                break;
            }
            if self.by_digest.get(&oldest.digest) == Some(&oldest.seq) {
                self.by_digest.remove(&oldest.digest);
            }
            self.in_order.pop_front();
        }
    }

    /// Whether an entry of that time is remembered no longer.
    pub(super) fn is_old(&self, received_at: Timestamp) -> bool {
        self.newest.since(received_at) > self.window
    }

    /// What is remembered of the entries from `first` to `last`.
    pub(super) fn between(&self, first: Seq, last: Seq) -> impl Iterator<Item = &Key> {
        let start = self.in_order.partition_point(|key| key.seq < first);
        let keys = self.in_order.range(start..);
        keys.take_while(move |key| key.seq <= last)
    }
}

/// When the newest of some entries came.
pub(super) fn newest(keys: &[Key]) -> Timestamp {
    let newest = keys.iter().map(|key| key.received_at).max();
    newest.unwrap_or_default()
}

/// The bytes of a file of keys, which takes the place of a segment that was forgotten, as was all
/// else up to `upto`.
pub(super) fn encode(upto: Seq, keys: &[Key]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_LEN + keys.len() * KEY_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&upto.0.to_le_bytes());
    for key in keys {
        bytes.extend_from_slice(&key.digest);
        bytes.extend_from_slice(&key.seq.0.to_le_bytes());
        bytes.extend_from_slice(&key.received_at.as_nanos().to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Up to where all was forgotten, and the keys of a file; `None` where it is damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<(Seq, Vec<Key>)> {
    let (head, keys) = bytes.split_first_chunk::<HEAD_LEN>()?;
    let mut hash = crc32fast::Hasher::new();
    hash.update(&head[..12]);
    hash.update(&[0; 4]);
    hash.update(&bytes[16..]);
    let is_whole = head[..8] == *MAGIC
        && head[8..12] == FORMAT.to_le_bytes()
        && head[12..16] == hash.finalize().to_le_bytes();
    let (keys, rest) = keys.as_chunks::<KEY_LEN>();
    let upto = Seq(number_at(head, 16));
    (is_whole && rest.is_empty()).then(|| (upto, keys.iter().map(key).collect()))
}

fn key(bytes: &[u8; KEY_LEN]) -> Key {
    let mut digest = [0; 16];
    digest.copy_from_slice(&bytes[..16]);
    Key {
        digest,
        seq: Seq(number_at(bytes, 16)),
        received_at: Timestamp::from_nanos(number_at(bytes, 24)),
    }
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
