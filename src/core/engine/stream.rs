//! One stream: its templates, its open sequences, its model.

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::corpus::Kept;
use super::explain::{Surprise, tell};
use super::judge::{Judge, SequenceState};
use super::{Ledger, ModelStatus, Output, Pace, Settings, State, Status};
use crate::core::detect::{EventSequence, Question, Trail};
use crate::core::event::{ContextLine, TemplateRef};
use crate::core::model::{Bundle, WINDOW_LEN};
use crate::core::parse::{Miner, message};
use crate::core::record::{
    Record, Resource, Severity, SpanId, StreamKey, TemplateId, Timestamp, TraceId,
};
use crate::core::sequence::{EVENTS_MAX, Hold, OpenSequence, SequenceKey, Sequences};

/// Bytes of a record's text that are kept to be quoted.
const TEXT_LEN_MAX: usize = 512;
/// Places in sequences judged in one go: the model answers many questions faster than one by one.
const CHUNK_KEYS: usize = 8_192;
/// A record's time this far ahead of the clock is not believed: one sender with a wrong clock would
/// end the sequences of all others.
const AHEAD_MAX: Duration = Duration::from_secs(30);
/// How long a stream waits after a training that came to nothing.
const RETRY_AFTER: Duration = Duration::from_secs(600);
/// A stream this long silent gives way to a new one when there is no other room.
const SILENT_MAX: Duration = Duration::from_secs(6 * 3600);
/// A surprise that has come in this many sequences is how things are now: they are learned from, so
/// that the next model knows it.
const COMMON_AFTER: u32 = 200;
/// Most kinds of surprise that are counted.
const COMMON_MAX: usize = 1_024;

/// A record reduced to what is needed once its turn comes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) template: TemplateId,
    /// What the sender calls the template.
    pub(super) sent_template: Option<Arc<str>>,
    pub(super) severity: Severity,
    pub(super) text: Arc<str>,
    pub(super) keys: Box<[SequenceKey]>,
    pub(super) resource: Arc<Resource>,
    pub(super) trace: (Option<TraceId>, Option<SpanId>),
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: StreamKey,
    pub(super) miner: Miner,
    pub(super) hold: Hold<Held>,
    pub(super) open: Sequences<SequenceState>,
    pub(super) kept: Kept,
    pub(super) anomalies: u64,
    pub(super) trained_at: Option<Timestamp>,
    /// No training is asked for before this.
    retry_at: Timestamp,
    /// In how many sequences each kind of surprise came, by fingerprint.
    common: FxHashMap<Box<str>, u32>,
    /// Sequences kept when the latest training was asked for.
    pub(super) trained_with: u64,
    pub(super) newest: Timestamp,
    judge: Option<Judge>,
    generation: u32,
    training: bool,
    /// When the newest record was released, by the clock.
    heard: Timestamp,
}

impl Stream {
    pub(super) fn new(key: StreamKey, settings: &Settings) -> Self {
        let mut miner = Miner::new(settings.mining);
        miner.set_hand(&settings.hand);
        Self {
            key,
            miner,
            hold: Hold::new(settings.reorder_delay, settings.held_max),
            open: Sequences::new(settings.idle_timeout, settings.open_max),
            kept: Kept::new(settings.learn.corpus_events_max),
            anomalies: 0,
            trained_at: None,
            retry_at: Timestamp::ZERO,
            common: FxHashMap::default(),
            trained_with: 0,
            newest: Timestamp::ZERO,
            judge: None,
            generation: 0,
            training: false,
            heard: Timestamp::ZERO,
        }
    }

    /// Takes a record in; it is judged when its wait is over.
    pub(super) fn push(
        &mut self,
        mut record: Record,
        resource: &Arc<Resource>,
        now: Timestamp,
        settings: &Settings,
    ) {
        let message = message(&record.body, record.observed.or(Some(now)));
        let sent = record.time.or(message.time);
        let now = match settings.pace {
            Pace::Live => now,
            Pace::Replay => sent.unwrap_or(self.heard).max(self.heard),
        };
        let time = believable(sent, record.observed, now);
        let parsed = match &record.event_name {
            Some(name) => self.miner.named(name, time),
            None => self
                .miner
                .parse_with(message.text(), &message.constant, time),
        };
        if let Some(name) = &record.template {
            self.miner.alias(parsed.id, name);
        }
        let severity = [
            record.severity,
            message.severity,
            level_word(message.text()),
        ]
        .into_iter()
        .find(|severity| *severity != Severity::Unspecified);
        record.trace_id = record.trace_id.or(message.trace_id);
        record.span_id = record.span_id.or(message.span_id);
        let held = Held {
            template: parsed.id,
            sent_template: record.template.clone(),
            severity: severity.unwrap_or_default(),
            text: quotable(message.record()),
            keys: settings.keys.keys(&record, resource).into(),
            resource: Arc::clone(resource),
            trace: (record.trace_id, record.span_id),
        };
        if settings.pace == Pace::Replay {
            self.heard = now;
        }
        self.hold.push(time, parsed.rank, now, held);
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
            if chunk.is_empty() {
                break;
            }
            self.process(chunk, now, settings, out);
            if settings.pace == Pace::Live && self.hold.len() <= settings.held_max {
                break;
            }
        }
        let stream_time = self.stream_time(now);
        let quiet = std::iter::from_fn(|| self.open.pop_quiet(stream_time)).collect();
        self.end(quiet, out);
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
        let newest = self.newest;
        let quiet = std::iter::from_fn(|| self.open.pop_quiet(newest)).collect();
        self.end(quiet, out);
        while let Some((key, sequence)) = self.open.pop() {
            self.learn(&key, &sequence, false);
        }
    }

    /// From now on `bundle` judges. Its templates are known from the start.
    pub(super) fn install(&mut self, bundle: Arc<Bundle>, now: Timestamp, out: &mut Outbox) {
        for template in bundle.vocabulary().templates() {
            self.miner.seed(&template.text);
        }
        let was = self.state();
        self.generation += 1;
        self.judge = Some(Judge::new(bundle, self.generation, &self.miner));
        self.trained_at = Some(now);
        self.training = false;
        if was != State::Active {
            out.push(Output::State {
                stream: self.key.clone(),
                state: State::Active,
            });
        }
    }

    /// The training that was asked for came to nothing; it is asked for again after a while.
    pub(super) fn training_failed(&mut self, now: Timestamp, out: &mut Outbox) {
        self.training = false;
        self.retry_at = now.plus(RETRY_AFTER);
        self.trained_with = 0;
        if self.judge.is_none() {
            out.push(Output::State {
                stream: self.key.clone(),
                state: State::Learning,
            });
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
            sequences_learned: self.kept.len(),
            pending: self.hold.len(),
            early: self.hold.early(),
            evicted: self.open.evicted(),
            anomalies: self.anomalies,
            model: self.judge.as_ref().map(|judge| ModelStatus {
                version: judge.bundle().version().into(),
                trained_on: judge.bundle().manifest().trained_on,
            }),
        }
    }

    /// As if no model had ever been trained.
    pub(super) fn forget_training(&mut self) {
        self.trained_at = None;
        self.trained_with = 0;
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
        let quiet = self
            .open
            .next_deadline()
            .map(|deadline| self.heard.plus(deadline.since(self.newest)));
        [self.hold.next_due(), quiet].into_iter().flatten().min()
    }

    /// The newest record time, moving on with the clock while nothing comes.
    fn stream_time(&self, now: Timestamp) -> Timestamp {
        self.newest.plus(now.since(self.heard))
    }

    /// Lets the model follow templates that became others.
    fn follow(&mut self) {
        if self.miner.take_moved()
            && let Some(judge) = self.judge.as_mut()
        {
            judge.follow(&self.miner);
        }
    }

    fn process(
        &mut self,
        chunk: Vec<(Timestamp, Held)>,
        now: Timestamp,
        settings: &Settings,
        out: &mut Outbox,
    ) {
        self.follow();
        self.warm(&chunk, out);
        match self.judge {
            Some(_) => out.ledger.scored += chunk.len() as u64,
            None => out.ledger.learned += chunk.len() as u64,
        }
        for (time, held) in chunk {
            self.newest = self.newest.max(time);
            for key in &held.keys {
                self.step(key, time, &held, out);
            }
            let evicted: Vec<_> = std::iter::from_fn(|| self.open.pop_evicted()).collect();
            for (key, sequence) in evicted {
                self.learn(&key, &sequence, false);
            }
            // A sequence that was quiet for the time-out ends before a new one of its name
            // begins, however late the clock comes round.
            let quiet: Vec<_> = std::iter::from_fn(|| self.open.pop_quiet(self.newest)).collect();
            self.end(quiet, out);
        }
        if settings.pace == Pace::Live {
            self.heard = now;
        }
    }

    /// Asks the model all questions of a chunk at once. The sequences stay as they are.
    fn warm(&mut self, chunk: &[(Timestamp, Held)], out: &mut Outbox) {
        let Some(judge) = self.judge.as_mut() else {
            return;
        };
        let mut trails: FxHashMap<&SequenceKey, Trail> = FxHashMap::default();
        let mut questions: Vec<Question> = Vec::with_capacity(chunk.len());
        for (_, held) in chunk {
            let Some(came) = judge.key_of(held.template, &self.miner) else {
                continue;
            };
            for key in &held.keys {
                let trail = trails
                    .entry(key)
                    .or_insert_with(|| match self.open.get(key) {
                        Some(open) => {
                            let begins = key.kind.is_bounded();
                            judge.trail(&open.state, &open.events, begins, &self.miner)
                        }
                        None => Trail::new(key.kind.is_bounded()),
                    });
                questions.extend(trail.step(came));
            }
        }
        if let Err(error) = judge.warm(&questions) {
            out.unjudged(&self.key, &error.to_string());
        }
    }

    /// Adds a record to one of its sequences, and judges it there.
    fn step(&mut self, key: &SequenceKey, time: Timestamp, held: &Held, out: &mut Outbox) {
        let sequence = self.open.touch(key, time, self.newest, &held.resource);
        sequence.trace = held.trace;
        sequence.state.len += 1;
        self.judge_record(key, time, held, out);
        let sequence = self.open.touch(key, time, self.newest, &held.resource);
        if sequence.events.len() < EVENTS_MAX {
            sequence.events.push(held.template);
        }
        sequence.remember(ContextLine {
            time,
            text: Arc::clone(&held.text),
        });
        if !key.kind.is_bounded() && sequence.events.len() >= EVENTS_MAX {
            // What a process says has no end: it is learned from in stretches, each with the
            // window of the one before.
            let tail = sequence.events.split_off(EVENTS_MAX - WINDOW_LEN);
            let mut events = std::mem::replace(&mut sequence.events, tail.clone());
            events.extend(tail);
            if !std::mem::take(&mut sequence.state.abnormal) {
                self.kept.add(EventSequence {
                    events,
                    begins: false,
                    ends: false,
                    ..EventSequence::default()
                });
            }
        }
    }

    fn judge_record(&mut self, key: &SequenceKey, time: Timestamp, held: &Held, out: &mut Outbox) {
        let Some(judge) = self.judge.as_mut() else {
            return;
        };
        let Some(sequence) = self.open.get_mut(key) else {
            return;
        };
        let bounded = key.kind.is_bounded();
        let mut trail = judge.trail(&sequence.state, &sequence.events, bounded, &self.miner);
        let window = *trail.window();
        let came = judge.key_of(held.template, &self.miner);
        let judgement = came.and_then(|came| trail.step(came)).and_then(|question| {
            judge.judge(question).unwrap_or_else(|error| {
                out.unjudged(&self.key, &error.to_string());
                None
            })
        });
        sequence.state.trail = Some((judge.generation(), trail));
        let is_new = came.is_none() && !Miner::is_overflow(held.template);
        let abnormal = is_new || judgement.is_some_and(|found| found.miss);
        if !abnormal || !sequence.state.may_tell(bounded) {
            return;
        }
        sequence.state.told_at = Some(sequence.state.len);
        let surprise = Surprise {
            stream: &self.key,
            key,
            sequence,
            time,
            severity: held.severity,
            record: Some((held, template_ref(&self.miner, held.template))),
            window,
            judgement,
        };
        let anomaly = tell(&surprise, judge);
        sequence.state.abnormal |= !is_common(&mut self.common, &anomaly.fingerprint);
        self.anomalies += 1;
        out.push(Output::Anomaly(Arc::new(anomaly)));
    }

    /// Judges the end of sequences that went quiet, and learns from the normal ones.
    fn end(&mut self, quiet: Vec<(SequenceKey, OpenSequence<SequenceState>)>, out: &mut Outbox) {
        if let Some(judge) = self.judge.as_mut().filter(|judge| judge.knows_ends()) {
            let questions: Vec<Question> = quiet
                .iter()
                .filter(|(key, sequence)| key.kind.is_bounded() && sequence.state.told_at.is_none())
                .filter_map(|(_, sequence)| {
                    judge
                        .trail(&sequence.state, &sequence.events, true, &self.miner)
                        .end()
                })
                .collect();
            if let Err(error) = judge.warm(&questions) {
                out.unjudged(&self.key, &error.to_string());
            }
        }
        for (key, mut sequence) in quiet {
            if key.kind.is_bounded() && sequence.state.told_at.is_none() {
                self.judge_end(&key, &mut sequence, out);
            }
            self.learn(&key, &sequence, true);
        }
    }

    fn judge_end(
        &mut self,
        key: &SequenceKey,
        sequence: &mut OpenSequence<SequenceState>,
        out: &mut Outbox,
    ) {
        let Some(judge) = self.judge.as_mut() else {
            return;
        };
        let trail = judge.trail(&sequence.state, &sequence.events, true, &self.miner);
        let judgement = match trail.end().map(|question| judge.judge(question)) {
            Some(Ok(Some(judgement))) if judgement.miss => judgement,
            _ => return,
        };
        sequence.state.told_at = Some(sequence.state.len);
        let surprise = Surprise {
            stream: &self.key,
            key,
            sequence,
            time: sequence.last,
            severity: Severity::Warn,
            record: None,
            window: *trail.window(),
            judgement: Some(judgement),
        };
        let anomaly = tell(&surprise, judge);
        sequence.state.abnormal |= !is_common(&mut self.common, &anomaly.fingerprint);
        self.anomalies += 1;
        out.push(Output::Anomaly(Arc::new(anomaly)));
    }

    /// Keeps a normal sequence for the next training.
    fn learn(&mut self, key: &SequenceKey, sequence: &OpenSequence<SequenceState>, ended: bool) {
        if sequence.state.abnormal {
            return;
        }
        let bounded = key.kind.is_bounded();
        let whole = sequence.state.len <= EVENTS_MAX as u64;
        self.kept.add(EventSequence {
            events: sequence.events.clone(),
            begins: bounded,
            ends: bounded && ended && whole,
            ..EventSequence::default()
        });
    }

    fn consider_training(&mut self, now: Timestamp, settings: &Settings, out: &mut Outbox) {
        if self.training || !self.has_learned_enough(now, settings) {
            return;
        }
        let was = self.state();
        self.training = true;
        self.trained_with = self.kept.added();
        if was != self.state() {
            out.push(Output::State {
                stream: self.key.clone(),
                state: self.state(),
            });
        }
        let corpus = self.kept.corpus(&self.miner);
        out.push(Output::TrainingDue {
            stream: self.key.clone(),
            corpus,
        });
    }

    fn has_learned_enough(&self, now: Timestamp, settings: &Settings) -> bool {
        if now < self.retry_at {
            return false;
        }
        let learn = &settings.learn;
        let new_sequences = self.kept.added().saturating_sub(self.trained_with);
        if new_sequences < learn.sequences_min as u64 || self.miner.records() < learn.records_min {
            return false;
        }
        match self.trained_at {
            Some(trained_at) => now.since(trained_at) >= learn.retrain_every,
            None => self.miner.new_template_chance() <= learn.new_template_chance_max,
        }
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

/// Where a stream puts what it has to say.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) outputs: Vec<Output>,
    pub(super) ledger: Ledger,
}

impl Outbox {
    fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// A stream was heard of for the first time.
    pub(super) fn begins(&mut self, stream: &StreamKey) {
        let (stream, state) = (stream.clone(), State::Learning);
        self.push(Output::State { stream, state });
    }

    fn unjudged(&mut self, stream: &StreamKey, reason: &str) {
        self.push(Output::Unjudged {
            stream: stream.clone(),
            reason: reason.to_owned(),
        });
    }
}

/// Counts a surprise; whether it has come so often that it is how things are now.
fn is_common(common: &mut FxHashMap<Box<str>, u32>, fingerprint: &str) -> bool {
    if !common.contains_key(fingerprint) && common.len() >= COMMON_MAX {
        return false;
    }
    let count = common.entry(fingerprint.into()).or_default();
    *count = count.saturating_add(1);
    *count > COMMON_AFTER
}

fn template_ref(miner: &Miner, id: TemplateId) -> TemplateRef {
    match miner.resolve(id) {
        Some(template) => TemplateRef {
            id: template.id,
            text: template.text.clone(),
        },
        None => TemplateRef {
            id,
            text: crate::core::parse::OVERFLOW_TEXT.into(),
        },
    }
}

fn believable(time: Option<Timestamp>, observed: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let limit = now.plus(AHEAD_MAX);
    time.filter(|time| *time <= limit)
        .or(observed.filter(|observed| *observed <= limit))
        .unwrap_or(now)
}

/// The level that a line without a severity begins with (`INFO x`, `[warn] x`).
fn level_word(message: &str) -> Severity {
    let start = message.trim_start_matches(['[', ' ', '<']);
    let word = start
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    Severity::from_text(word).unwrap_or_default()
}

fn quotable(message: &str) -> Arc<str> {
    let mut end = message.len().min(TEXT_LEN_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.get(..end).unwrap_or_default().into()
}
