//! One stream: its templates, its open sequences, its model.

use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::corpus::Kept;
use super::intake::{self, Arrived, Held};
use super::judge::{Judge, SequenceState};
use super::learning::Common;
use super::lulls::Lulls;
use super::outbox::Outbox;
use super::pulse::Pulse;
use super::repeats::Repeats;
use super::trails::Trails;
use super::{Alarms, ModelStatus, OpenBytes, Pace, Room, Settings, State, Status};
use crate::core::detect::Recent;
use crate::core::detect::rates::{RateSettings, Rates};
use crate::core::model::Bundle;
use crate::core::parse::Miner;
use crate::core::record::{StreamKey, Timestamp};
use crate::core::sequence::{Hold, Journal, Sequences};

/// Places in sequences judged in one go: the model answers many questions faster than one by one.
const CHUNK_KEYS: usize = 8_192;
/// A stream this long silent gives way to a new one when there is no other room.
const SILENT_MAX: Duration = Duration::from_secs(6 * 3600);

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) miner: Miner,
    pub(super) hold: Hold<Held>,
    pub(super) open: Sequences<SequenceState>,
    pub(super) journal: Journal,
    pub(super) kept: Kept,
    pub(super) anomalies: u64,
    pub(super) trained_at: Option<Timestamp>,
    /// When the model that judges was trained; none where that is not known. Other than `trained_at` it does
    /// not say when to train again.
    pub(super) model_trained_at: Option<Timestamp>,
    /// No training is asked for before this.
    pub(super) retry_at: Timestamp,
    pub(super) common: Common,
    pub(super) lulls: Lulls,
    pub(super) pulse: Pulse,
    /// `None` until a record comes within a trace.
    pub(super) trails: Option<Box<Trails>>,
    pub(super) budget: Budget,
    pub(super) alarms: Alarms,
    /// Sequences kept when the latest training was asked for.
    pub(super) trained_with: u64,
    pub(super) newest: Timestamp,
    pub(super) judge: Option<Judge>,
    /// What the judge of a snapshot kept, for one of the same model to take up.
    pub(super) recent: Option<Recent>,
    pub(super) training: bool,
    generation: u8,
    /// The number of the latest entry of the journal that its snapshot had in it.
    pub(super) upto: u64,
    /// When the newest record was released, by the clock.
    pub(super) heard: Timestamp,
    /// Whether a maintenance window keeps it from learning.
    pub(super) is_resting: bool,
}

impl Stream {
    pub(super) fn new(key: StreamKey, settings: &Settings) -> Self {
        let mut miner = Miner::new(settings.mining);
        miner.set_hand(&settings.hand);
        Self {
            key,
            miner,
            hold: Hold::new(settings.reorder_delay, settings.room.held_bytes_max),
            open: Sequences::new(settings.idle_timeout, settings.open_max),
            journal: Journal::new(settings.journal),
            kept: Kept::new(&settings.learn),
            anomalies: 0,
            trained_at: None,
            model_trained_at: None,
            retry_at: Timestamp::ZERO,
            common: Common::default(),
            lulls: Lulls::default(),
            pulse: Pulse::new(Rates::new(RateSettings {
                alarms_per_day: Budget::rate_alarms_per_day(settings.alarms),
                ..RateSettings::default()
            })),
            trails: None,
            budget: Budget::default(),
            alarms: settings.alarms,
            trained_with: 0,
            newest: Timestamp::ZERO,
            judge: None,
            recent: None,
            training: false,
            generation: 0,
            upto: 0,
            heard: Timestamp::ZERO,
            is_resting: false,
        }
    }

    /// Takes a record in that came at `received_at`; it is judged when its wait from `now` is over.
    /// Whether it is new.
    pub(super) fn push(
        &mut self,
        record: &Arrived<'_>,
        (received_at, now): (Timestamp, Timestamp),
        (repeats, origin): (&mut Repeats, u64),
        settings: &Settings,
    ) -> bool {
        let clock = (received_at, self.heard);
        let memory = (&mut self.miner, repeats, origin);
        let Some(taken) = intake::read(record, clock, memory, settings) else {
            return false;
        };
        let since = match settings.pace {
            Pace::Live => now,
            Pace::Replay => {
                self.heard = taken.now;
                taken.now
            }
        };
        self.hold(taken.time, taken.rank, since, taken.held);
        true
    }

    /// Lets a record wait, from `since` on.
    pub(super) fn hold(&mut self, time: Timestamp, rank: u32, since: Timestamp, held: Held) {
        let bytes = held.bytes();
        self.hold.push((time, rank), since, held, bytes);
    }

    /// From now on it has at most so much of each part of the shard's room.
    pub(super) fn set_room(&mut self, most: Room, settings: &Settings) {
        self.hold.set_bytes_max(most.held_bytes_max);
        self.journal
            .set_limits(settings.journal, most.recent_bytes_max);
        let corpus = settings.learn.corpus_bytes_max;
        self.kept.set_bytes_max(corpus.min(most.corpus_bytes_max));
    }

    /// Judges records whose wait is over and ends sequences that have been quiet. A live stream
    /// that is far behind does one chunk at a time, so that its shard stays able to listen; the
    /// rest is due at once.
    pub(super) fn advance(&mut self, now: Timestamp, settings: &Settings, out: &mut Outbox) {
        let now = match settings.pace {
            Pace::Live => now,
            Pace::Replay => self.heard,
        };
        loop {
            let chunk = chunk(|| self.hold.pop_due(now));
            let Some((time, _)) = chunk.last() else {
                break;
            };
            self.is_resting = self.rests(*time, settings);
            self.process(chunk, now, settings, out);
            if settings.pace == Pace::Live && !self.hold.is_over() {
                break;
            }
        }
        let stream_time = self.stream_time(now);
        self.is_resting = self.rests(stream_time, settings);
        self.end_quiet(stream_time, out);
        self.tell_rates(stream_time, out);
        self.tell_breaks(stream_time, settings, out);
        self.consider_training(now, settings, out);
    }

    /// Judges every record that waits, as at the end of a file. Sequences that went quiet before
    /// end; the others were cut off, which says nothing about them, and are learned from as far
    /// as they went.
    pub(super) fn finish(&mut self, now: Timestamp, settings: &Settings, out: &mut Outbox) {
        loop {
            let chunk = chunk(|| self.hold.pop());
            if chunk.is_empty() {
                break;
            }
            self.process(chunk, now, settings, out);
        }
        self.end_quiet(self.newest, out);
        self.finish_trails(settings, out);
        while let Some(sequence) = self.open.pop() {
            if let Some(anomaly) = self.cut_off(sequence, out) {
                self.say(anomaly, out);
            }
        }
    }

    /// From now on `bundle` judges. Its templates are known from the start.
    pub(super) fn install(&mut self, bundle: Arc<Bundle>, now: Timestamp, out: &mut Outbox) {
        for template in bundle.vocabulary().templates() {
            self.miner.seed(&template.text);
        }
        let was = self.state();
        self.generation = self.generation.wrapping_add(1).max(1);
        match Judge::new(bundle, self.generation, &self.miner) {
            Ok(mut judge) => {
                if let Some(recent) = self.recent.take() {
                    judge.detector.take_up(recent);
                }
                self.judge = Some(judge);
                self.set_alarms(self.alarms);
            }
            Err(error) => return out.unjudged(&self.key, &error.to_string()),
        }
        self.trained_at = Some(now);
        self.model_trained_at = Some(now);
        self.training = false;
        if was != State::Active {
            out.state(&self.key, State::Active);
        }
    }

    pub(super) fn state(&self) -> State {
        match (&self.judge, self.training) {
            (Some(_), _) => State::Active,
            (None, true) => State::Training,
            (None, false) => State::Learning,
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            stream: self.key.clone(),
            state: self.state(),
            records: self.miner.records(),
            templates: self.miner.templates().count(),
            new_template_chance: self.miner.new_template_chance(),
            overflow: self.miner.overflow(),
            health: self.miner.health(),
            quarantined_until: self.miner.quarantined_until(),
            sequences_open: self.open.len(),
            open_bytes: self.open_bytes(),
            sequences_learned: self.kept.len(),
            pending: self.hold.len(),
            early: self.hold.early(),
            evicted: self.open.evicted(),
            anomalies: self.anomalies,
            withheld: self.budget.withheld(),
            model: self.judge.as_ref().map(|judge| ModelStatus {
                version: judge.bundle().version().into(),
                trained_on: judge.bundle().manifest().trained_on,
                trained_at: self.model_trained_at,
            }),
        }
    }

    fn open_bytes(&self) -> OpenBytes {
        let (records, sequences) = self.open.bytes();
        let judge = self.judge.as_ref();
        let (prefixes, places) = judge.map_or((0, 0), |judge| judge.detector.bytes());
        OpenBytes {
            records,
            sequences,
            places,
            prefixes,
        }
    }

    /// When the stream was last heard of, by the clock.
    pub(super) fn heard(&self) -> Timestamp {
        self.heard
    }

    /// Whether it has been silent for so long, with nothing waiting, that it may give way.
    pub(super) fn is_forgotten(&self, now: Timestamp) -> bool {
        self.hold.is_empty() && now.since(self.heard) >= SILENT_MAX
    }

    /// Starts the clock of a stream that was taken up from a snapshot: the time knothole was away
    /// counts for nothing.
    pub(super) fn resume(&mut self, now: Timestamp) {
        self.heard = now;
    }

    /// When something will be due, by the clock.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        // Rates are judged with every tick.
        let by_stream = self.open.next_deadline().into_iter();
        let by_clock = by_stream.map(|deadline| self.heard.plus(deadline.since(self.newest)));
        self.hold.next_due().into_iter().chain(by_clock).min()
    }

    /// Takes up how many alarms are asked for.
    pub(super) fn set_alarms(&mut self, alarms: Alarms) {
        self.alarms = alarms;
        let rates = &mut self.pulse.rates;
        rates.set_alarms_per_day(Budget::rate_alarms_per_day(alarms));
        if let Some(judge) = self.judge.as_mut() {
            let trained_for = f64::from(judge.bundle().manifest().calibration.alarm_rate);
            let rate = self.budget.alarm_rate(alarms).unwrap_or(trained_for);
            judge.detector.set_alarm_rate(rate);
        }
    }

    /// The version of the model that judges; empty without one.
    pub(super) fn model_version(&self) -> &str {
        self.judge
            .as_ref()
            .map_or("", |judge| judge.bundle().version())
    }

    /// The newest record time, moving on with the clock while nothing comes.
    fn stream_time(&self, now: Timestamp) -> Timestamp {
        self.newest.plus(now.since(self.heard))
    }
}

/// Records until they have [`CHUNK_KEYS`] places in sequences, or `next` has no more.
fn chunk(mut next: impl FnMut() -> Option<(Timestamp, Held)>) -> Vec<(Timestamp, Held)> {
    let mut taken = Vec::new();
    let mut places = 0;
    while places < CHUNK_KEYS
        && let Some((time, held)) = next()
    {
        places += held.keys.len();
        taken.push((time, held));
    }
    taken
}
