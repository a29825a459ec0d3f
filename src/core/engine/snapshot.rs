//! A stream as bytes, to go on after a restart as if nothing had happened.

mod sequences;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::sequences::{KeptOne, OpenOnes};
use super::Settings;
use super::budget::Budget;
use super::intake::Held;
use super::learning::Common;
use super::lulls::Lulls;
use super::stream::Stream;
use super::trails::Trails;
use crate::core::detect::Recent;
use crate::core::detect::rates::Rates;
use crate::core::parse::{MASKS_VERSION, Miner, MinerSnapshot};
use crate::core::record::{StreamKey, Timestamp};

/// The version of the layouts below.
const FORMAT: u32 = 7;
/// The version before, which lacks [`Rest::trails`] and is read all the same.
const FORMAT_BEFORE: u32 = 6;

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
    /// What changed after something that is not there.
    #[error("templates were written after this, but piece {0} is missing")]
    Gap(usize),
}

/// A stream as bytes, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which stream.
    pub stream: StreamKey,
    /// Its templates, to be written first: all else refers to them.
    pub templates: Templates,
    /// All else: open sequences, records that wait, sequences to learn from.
    pub rest: Vec<u8>,
}

/// The templates of a stream as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Templates {
    /// All of them.
    Whole(Vec<u8>),
    /// What changed, to be kept behind what was written before.
    Changes(Vec<u8>),
    /// They are as they were written.
    Unchanged,
}

/// A stream as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// [`Templates::Whole`] and the [`Templates::Changes`] after it, in order.
    pub templates: Vec<Vec<u8>>,
    /// [`Snapshot::rest`].
    pub rest: Option<Vec<u8>>,
}

/// What of a [`Saved`] could not be taken up, while the stream goes on without it.
#[derive(Debug, Default)]
pub struct Lost {
    /// The latest changes of its templates.
    pub templates: Option<SnapshotError>,
    /// All but its templates.
    pub rest: Option<SnapshotError>,
}

/// `T` is the trails of a stream, lent or owned.
#[derive(Serialize, Deserialize)]
struct Rest<T> {
    held: Vec<(Timestamp, u32, Held)>,
    open: OpenOnes,
    kept: Vec<KeptOne>,
    anomalies: u64,
    trained_at: Option<Timestamp>,
    newest: Timestamp,
    rates: Rates,
    /// The names of places that rates know by a hash.
    places: BTreeMap<u32, Box<str>>,
    budget: Budget,
    common: Common,
    lulls: Lulls,
    /// `None` without a model.
    recent: Option<Recent>,
    /// The number of the latest entry of the journal whose records are in here.
    upto: u64,
    trails: Option<T>,
}

/// `is_whole` asks for all templates, whatever was written before; all entries of the journal up to
/// `taken` were taken in.
pub(super) fn write(stream: &mut Stream, is_whole: bool, taken: u64) -> Snapshot {
    stream.upto = stream.upto.max(taken);
    Snapshot {
        stream: stream.key.clone(),
        templates: write_templates(&mut stream.miner, is_whole),
        rest: to_bytes(&rest(stream)),
    }
}

fn write_templates(miner: &mut Miner, is_whole: bool) -> Templates {
    if is_whole {
        return Templates::Whole(to_bytes(&miner.snapshot()));
    }
    if miner.is_unchanged() {
        return Templates::Unchanged;
    }
    match miner.delta() {
        Some(delta) => Templates::Changes(to_bytes(&delta)),
        None => Templates::Whole(to_bytes(&miner.snapshot())),
    }
}

fn rest(stream: &Stream) -> Rest<&Trails> {
    let held = stream.hold.iter_sorted();
    Rest {
        held: held
            .into_iter()
            .map(|(time, rank, held)| (time, rank, held.clone()))
            .collect(),
        open: OpenOnes::of(&stream.open, &stream.journal),
        kept: stream.kept.iter().map(KeptOne::from).collect(),
        anomalies: stream.anomalies,
        trained_at: stream.trained_at,
        newest: stream.newest,
        rates: stream.pulse.rates.clone(),
        places: stream.pulse.places.clone(),
        budget: stream.budget.clone(),
        common: stream.common.clone(),
        lulls: stream.lulls,
        recent: recent(stream),
        upto: stream.upto,
        trails: stream.trails.as_deref(),
    }
}

/// What the judge knows of sequences that ended lately, as far back as any that is open goes.
fn recent(stream: &Stream) -> Option<Recent> {
    let open = stream.open.ids().flat_map(|id| stream.open.latest(id));
    let open = open.map(|event| event.time);
    let oldest = open.min().unwrap_or(stream.newest).min(stream.newest);
    let judge = stream.judge.as_ref()?;
    Some(judge.detector.recent(oldest))
}

/// The stream as far as it can be read.
///
/// # Errors
/// If no templates can.
pub(super) fn read(
    key: &StreamKey,
    saved: &Saved,
    settings: &Settings,
    now: Timestamp,
) -> Result<(Stream, Lost), SnapshotError> {
    let mut lost = Lost::default();
    let mut stream = Stream::new(key.clone(), settings);
    (stream.miner, lost.templates) = read_templates(&saved.templates, settings)?;
    stream.miner.set_hand(&settings.hand);
    match saved.rest.as_deref().map(from_bytes) {
        Some(Ok(rest)) => put(&mut stream, rest, now),
        Some(Err(error)) => lost.rest = Some(error),
        None => {}
    }
    stream.resume(now);
    Ok((stream, lost))
}

fn read_templates(
    pieces: &[Vec<u8>],
    settings: &Settings,
) -> Result<(Miner, Option<SnapshotError>), SnapshotError> {
    let mut unreadable = None;
    let readable = pieces.iter().map_while(|bytes| {
        let read = from_bytes::<MinerSnapshot>(bytes);
        read.map_err(|error| unreadable = Some(error)).ok()
    });
    let (miner, taken) = Miner::restore(readable, settings.mining);
    let lost = match unreadable {
        None if taken < pieces.len() || taken == 0 => Some(SnapshotError::Gap(taken)),
        unreadable => unreadable,
    };
    match lost {
        Some(error) if taken == 0 => Err(error),
        lost => Ok((miner, lost)),
    }
}

fn put(stream: &mut Stream, rest: Rest<Box<Trails>>, now: Timestamp) {
    for (time, rank, held) in rest.held {
        stream.hold(time, rank, now, held);
    }
    rest.open.put(&mut stream.open, &mut stream.journal);
    for sequence in rest.kept {
        stream.kept.add(sequence.into());
    }
    stream.anomalies = rest.anomalies;
    stream.trained_at = rest.trained_at;
    stream.trained_with = match stream.trained_at {
        Some(_) => stream.kept.added(),
        None => 0,
    };
    stream.newest = rest.newest;
    stream.pulse.rates = rest.rates;
    stream.pulse.places = rest.places;
    stream.budget = rest.budget;
    stream.common = rest.common;
    stream.lulls = rest.lulls;
    stream.recent = rest.recent;
    stream.upto = rest.upto;
    stream.trails = rest.trails;
    // The rates were written with how many alarms were asked for then.
    stream.set_alarms(stream.alarms);
}

fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    // Writing into memory cannot fail; an empty snapshot would be refused when read.
    postcard::to_allocvec(&(FORMAT, MASKS_VERSION, value)).unwrap_or_default()
}

fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SnapshotError> {
    let (found, rest): (u32, _) = postcard::take_from_bytes(bytes)?;
    let (masks, rest): (u32, _) = postcard::take_from_bytes(rest)?;
    match (found, masks) {
        (FORMAT, MASKS_VERSION) => Ok(postcard::from_bytes(rest)?),
        // What it lacks comes last and is none, one zero byte; elsewhere a byte more is not looked at.
        (FORMAT_BEFORE, MASKS_VERSION) => Ok(postcard::from_bytes(&[rest, &[0]].concat())?),
        _ => Err(SnapshotError::Version { found, masks }),
    }
}
