//! A stream as bytes, to go on after a restart as if nothing had happened.

use serde::{Deserialize, Serialize};

use super::Settings;
use super::judge::SequenceState;
use super::stream::{Held, Stream};
use crate::core::detect::EventSequence;
use crate::core::parse::{MASKS_VERSION, MinerSnapshot};
use crate::core::record::{StreamKey, TemplateId, Timestamp};
use crate::core::sequence::{OpenSequence, SequenceKey};

/// The version of the layout below.
const FORMAT: u32 = 2;

/// Bytes that cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not what [`super::Shard::snapshots`] writes.
    #[error("cannot read the snapshot of a stream: {0}")]
    Unreadable(#[from] postcard::Error),
    /// Written by another version.
    #[error(
        "the snapshot has format {found}, masks {masks}; this build reads {FORMAT}, {MASKS_VERSION}"
    )]
    Version {
        /// The format found.
        found: u32,
        /// The masking rules found.
        masks: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct StreamSnapshot {
    key: StreamKey,
    miner: MinerSnapshot,
    held: Vec<(Timestamp, u32, Held)>,
    open: Vec<(SequenceKey, OpenSequence<SequenceState>)>,
    kept: Vec<(Vec<TemplateId>, bool, bool)>,
    anomalies: u64,
    trained_at: Option<Timestamp>,
    newest: Timestamp,
}

pub(super) fn write(stream: &mut Stream) -> Vec<u8> {
    let held = stream.hold.iter_sorted();
    let open = stream.open.iter_sorted();
    let snapshot = StreamSnapshot {
        key: stream.key.clone(),
        miner: stream.miner.snapshot(),
        held: held
            .into_iter()
            .map(|(time, rank, held)| (time, rank, held.clone()))
            .collect(),
        open: open
            .into_iter()
            .map(|(key, sequence)| {
                let mut sequence = sequence.clone();
                // Keys belong to a model generation of this run; they are worked out again.
                sequence.state.trail = None;
                (key.clone(), sequence)
            })
            .collect(),
        kept: stream
            .kept
            .iter()
            .map(|s| (s.events.clone(), s.begins, s.ends))
            .collect(),
        anomalies: stream.anomalies,
        trained_at: stream.trained_at,
        newest: stream.newest,
    };
    // Writing into memory cannot fail; an empty snapshot would be refused when read.
    postcard::to_allocvec(&(FORMAT, MASKS_VERSION, snapshot)).unwrap_or_default()
}

pub(super) fn read(
    bytes: &[u8],
    settings: &Settings,
    now: Timestamp,
) -> Result<Stream, SnapshotError> {
    let (found, rest): (u32, _) = postcard::take_from_bytes(bytes)?;
    let (masks, rest): (u32, _) = postcard::take_from_bytes(rest)?;
    if (found, masks) != (FORMAT, MASKS_VERSION) {
        return Err(SnapshotError::Version { found, masks });
    }
    let snapshot: StreamSnapshot = postcard::from_bytes(rest)?;
    let mut stream = Stream::new(snapshot.key, settings);
    stream.miner = crate::core::parse::Miner::restore([snapshot.miner], settings.mining).0;
    stream.miner.set_hand(&settings.hand);
    for (time, rank, held) in snapshot.held {
        stream.hold.push(time, rank, now, held);
    }
    for (key, sequence) in snapshot.open {
        stream.open.insert(key, sequence);
    }
    for (events, begins, ends) in snapshot.kept {
        stream.kept.add(EventSequence {
            events,
            begins,
            ends,
        });
    }
    stream.anomalies = snapshot.anomalies;
    stream.trained_at = snapshot.trained_at;
    stream.trained_with = if stream.trained_at.is_some() {
        stream.kept.added()
    } else {
        0
    };
    stream.newest = snapshot.newest;
    stream.resume(now);
    Ok(stream)
}
