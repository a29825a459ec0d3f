//! Composes the stages: one [`Shard`] holds many streams and is driven by plain calls.
//!
//! [`Shard::push`] and [`Shard::tick`] take the time as an argument and leave their results in
//! [`Shard::take_outputs`]; [`Shard::next_deadline`] says when to tick. Streams do not see each
//! other, so how many shards share the streams makes no difference to what is said about them.

mod budget;
mod corpus;
mod explain;
mod intake;
mod judge;
mod judging;
mod learning;
mod lulls;
mod outbox;
mod process;
mod pulse;
mod repeats;
mod room;
mod shard;
mod snapshot;
mod stream;
#[cfg(test)]
mod tests;
mod trails;
mod values;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use self::intake::quotable;
pub use self::room::Room;
pub use self::shard::Shard;
pub use self::snapshot::{Lost, Saved, Snapshot, SnapshotError, Templates};
pub use self::values::values_of;
use crate::core::event::{Anomaly, Sign};
use crate::core::parse::{BIRTHS_PER_MINUTE_MAX, Hand, Health, Limits};
use crate::core::record::{StreamKey, Timestamp, Trail};
use crate::core::redact::Redactor;
use crate::core::sequence::{JournalLimits, KeyFinder};
use crate::core::silence::Silences;
use crate::core::train::Corpus;
use crate::core::witness::WARM_UP;

/// How streams are kept, learned and judged.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which sequences a record belongs to.
    pub keys: KeyFinder,
    /// A sequence with nothing new for this long, in stream time, has ended.
    pub idle_timeout: Duration,
    /// How long a record waits for older ones from other senders.
    pub reorder_delay: Duration,
    /// Most open sequences of a stream.
    pub open_max: usize,
    /// What all streams of a shard may take together for their records.
    pub room: Room,
    /// What the lines and values of a stream's latest records may take.
    pub journal: JournalLimits,
    /// Most streams of a shard; records of further ones are suppressed and counted.
    pub streams_max: usize,
    /// What the templates of one stream may take.
    pub mining: Limits,
    /// Templates, masks and seeds by hand.
    pub hand: Arc<Hand>,
    /// Takes secrets out of records before anything else sees them.
    pub redactor: Arc<Redactor>,
    /// When a stream has learned enough.
    pub learn: Learn,
    /// When nothing is learned: maintenance windows.
    pub silences: Arc<Silences>,
    /// How many alarms a stream gives.
    pub alarms: Alarms,
    /// Whether time passes by the clock or by the records.
    pub pace: Pace,
}

/// When a stream has learned enough to train a model, and when it trains again.
#[derive(Clone, Debug)]
pub struct Learn {
    /// At least this many sequences have ended (a stretch of a process's log counts as one).
    pub sequences_min: usize,
    /// At least this many records were read.
    pub records_min: u64,
    /// At most this chance that the next record is of a new template (Good–Turing).
    pub new_template_chance_max: f64,
    /// A newer model is trained after this long, beside the one that judges.
    pub retrain_every: Duration,
    /// How long what follows what within traces is learned from, before anything is said of it.
    pub warm_up: Duration,
    /// Most template ids kept of past sequences; the oldest sequences go first.
    pub corpus_events_max: usize,
    /// Most bytes that past sequences take, their times and values included.
    pub corpus_bytes_max: usize,
}

/// How many alarms a stream gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alarms {
    /// On so large a share of its normal sequences, between 0 and 1; `None` is what the model was
    /// trained for.
    Rate(Option<f64>),
    /// At most so many in a day, above 0. How rare a sequence must be follows from how many there
    /// are.
    PerDay(f64),
}

/// Whether time passes by the clock or by the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Records come as they are logged; `now` is the wall clock.
    Live,
    /// Records come from a file as fast as they can be read; their own times are the clock, so
    /// that the same file gives the same result on any machine.
    Replay,
}

impl Default for Learn {
    fn default() -> Self {
        Self {
            sequences_min: 100,
            records_min: 2_000,
            new_template_chance_max: 0.01,
            retrain_every: Duration::from_secs(24 * 3600),
            warm_up: WARM_UP,
            corpus_events_max: 400_000,
            corpus_bytes_max: 32 << 20,
        }
    }
}

impl Settings {
    /// The defaults, with sequences found by `keys`.
    pub fn new(keys: KeyFinder) -> Self {
        Self {
            keys,
            idle_timeout: Duration::from_secs(300),
            reorder_delay: Duration::from_secs(3),
            open_max: 20_000,
            room: Room::default(),
            journal: JournalLimits::default(),
            streams_max: 256,
            mining: Limits {
                births_per_minute_max: Some(BIRTHS_PER_MINUTE_MAX),
                ..Limits::default()
            },
            hand: Arc::default(),
            redactor: Arc::default(),
            silences: Arc::default(),
            learn: Learn::default(),
            alarms: Alarms::Rate(None),
            pace: Pace::Live,
        }
    }
}

/// What a shard has to say.
#[derive(Clone, Debug)]
pub enum Output {
    /// A sequence is abnormal.
    Anomaly(Arc<Anomaly>),
    /// What follows what within traces is not as it was.
    Sign(Arc<Sign>),
    /// Records that came within traces, to be seen with the spans of those.
    Trail(Trail),
    /// A stream changed its state.
    State {
        /// The stream.
        stream: StreamKey,
        /// Its state from now on.
        state: State,
    },
    /// A stream has learned enough for a model; it asks once until the answer comes.
    TrainingDue {
        /// The stream.
        stream: StreamKey,
        /// What to train on.
        corpus: Corpus,
    },
    /// The model of a stream failed to compute, so some records were not judged.
    Unjudged {
        /// The stream.
        stream: StreamKey,
        /// What the model said.
        reason: String,
    },
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It watches, and says nothing.
    Learning,
    /// It has seen enough and its first model is being trained.
    Training,
    /// A model judges it, also while a newer one is being trained.
    Active,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Learning => "learning",
            Self::Training => "training",
            Self::Active => "active",
        })
    }
}

/// Where every record of a shard went. Records pushed = scored + learned + suppressed +
/// repeated + pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Judged by a model.
    pub scored: u64,
    /// Learned from, before the first model.
    pub learned: u64,
    /// Of a stream beyond the bound.
    pub suppressed: u64,
    /// Taken in before: their sender was restarted and sent them again.
    pub repeated: u64,
    /// Waiting for older ones.
    pub pending: u64,
}

/// How a stream is doing, for people and machines.
#[derive(Clone, Debug)]
pub struct Status {
    /// The stream.
    pub stream: StreamKey,
    /// How far it is.
    pub state: State,
    /// Records read.
    pub records: u64,
    /// Templates in use.
    pub templates: usize,
    /// The Good–Turing estimate of the chance that the next record is of a new template.
    pub new_template_chance: f64,
    /// Records that found no room for a template, or whose template had to give way.
    pub overflow: u64,
    /// Five signs that the templates tell little.
    pub health: Health,
    /// Until when no template is born, because there were too many.
    pub quarantined_until: Option<Timestamp>,
    /// Sequences that may still go on.
    pub sequences_open: usize,
    /// What those take in memory.
    pub open_bytes: OpenBytes,
    /// Sequences kept for training.
    pub sequences_learned: usize,
    /// Records waiting for older ones.
    pub pending: usize,
    /// Records that did not wait long enough, for lack of room.
    pub early: u64,
    /// Sequences let go for lack of room.
    pub evicted: u64,
    /// Anomalies told.
    pub anomalies: u64,
    /// Anomalies not told, because the day had as many as were asked for.
    pub withheld: u64,
    /// The model that judges.
    pub model: Option<ModelStatus>,
}

/// What the open sequences of a stream take in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenBytes {
    /// Their records: template, time and number of each.
    pub records: usize,
    /// Themselves.
    pub sequences: usize,
    /// Where they stand in the model: little where it is where others stand, and bounded for those
    /// that go ways of their own.
    pub places: usize,
    /// The beginnings that the model knows, bounded however many sequences there are.
    pub prefixes: usize,
}

/// The model of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelStatus {
    /// `Bundle::version`.
    pub version: Box<str>,
    /// What it was trained on.
    pub trained_on: crate::core::model::TrainedOn,
    /// When it was trained; none where that is not known, as of one that was given.
    pub trained_at: Option<Timestamp>,
}
