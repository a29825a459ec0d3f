//! Records whose turn has come: each is added to its sequences and judged there, and sequences that
//! went quiet end.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::explain::{Surprise, tell};
use super::intake::Held;
use super::judge::{Finding, SequenceState};
use super::outbox::Outbox;
use super::stream::Stream;
use super::{Output, Pace, Settings};
use crate::core::detect::{EventSequence, Question, ValueRows};
use crate::core::event::{Anomaly, ContextLine, Explanation, TemplateRef};
use crate::core::model::{ModelError, WINDOW_LEN};
use crate::core::parse::{Miner, OVERFLOW_TEXT};
use crate::core::record::{Severity, TemplateId, Timestamp};
use crate::core::sequence::{
    EVENTS_MAX, Journal, Sequence, SequenceEvent, SequenceId, SequenceKey, Sequences,
};

/// The records of a chunk on their way: they are added one by one and judged many at once.
struct Turn<'a> {
    chunk: &'a [(Timestamp, Held)],
    /// What was added but not judged yet, in order.
    added: Vec<Added>,
    /// How often each sequence is in `added`.
    waiting: FxHashMap<SequenceId, usize>,
    /// What was found, with the place of the record it was found at.
    found: Vec<(usize, Anomaly)>,
}

/// A record in one of its sequences.
#[derive(Clone, Copy)]
struct Added {
    id: SequenceId,
    /// The record's place in the chunk.
    place: usize,
    /// The key's place in the record.
    key: usize,
    /// The record's number in the journal.
    number: u32,
    /// Records of the sequence, this one included.
    len: u32,
    /// How many of the sequence were added before it and wait.
    wave: usize,
}

impl Stream {
    pub(super) fn process(
        &mut self,
        chunk: Vec<(Timestamp, Held)>,
        now: Timestamp,
        settings: &Settings,
        out: &mut Outbox,
    ) {
        self.follow();
        match self.judge {
            Some(_) => out.ledger.scored += chunk.len() as u64,
            None => out.ledger.learned += chunk.len() as u64,
        }
        let mut turn = Turn {
            chunk: &chunk,
            added: Vec::with_capacity(chunk.len()),
            waiting: FxHashMap::default(),
            found: Vec::new(),
        };
        for (place, (time, _)) in chunk.iter().enumerate() {
            self.newest = self.newest.max(*time);
            // A sequence that was quiet for the time-out ends before a new one of its name
            // begins, however late the clock comes round.
            while let Some(id) = self.open.first_quiet(self.newest) {
                self.judge_before_leaving(id, &mut turn, out);
                if let Some(sequence) = self.open.pop() {
                    let found = self.end(sequence, self.newest);
                    turn.found.extend(found.map(|anomaly| (place, anomaly)));
                }
            }
            self.add(place, *time, &mut turn, out);
            while let Some(id) = self.open.first_beyond() {
                self.judge_before_leaving(id, &mut turn, out);
                if let Some(sequence) = self.open.pop_evicted() {
                    self.learn(sequence, None);
                }
            }
        }
        self.judge_added(&mut turn, out);
        turn.found.sort_by_key(|(place, _)| *place);
        for (_, anomaly) in turn.found {
            self.say(anomaly, out);
        }
        if settings.pace == Pace::Live {
            self.heard = now;
        }
    }

    /// Ends the sequences that have been quiet for the time-out by `stream_time`.
    pub(super) fn end_quiet(&mut self, stream_time: Timestamp, out: &mut Outbox) {
        while let Some(sequence) = self.open.pop_quiet(stream_time) {
            if let Some(anomaly) = self.end(sequence, stream_time) {
                self.say(anomaly, out);
            }
        }
    }

    /// Keeps a normal sequence for the next training; `quiet_at` is when it was given up as ended.
    pub(super) fn learn(&mut self, sequence: Sequence<SequenceState>, quiet_at: Option<Timestamp>) {
        if sequence.state.is_abnormal {
            return;
        }
        let bounded = sequence.key.is_bounded();
        let whole = sequence.len as usize <= EVENTS_MAX;
        let learned = self.event_sequence(&sequence.events);
        self.kept.add(EventSequence {
            begins: bounded,
            ends: bounded && quiet_at.is_some() && whole,
            quiet: quiet_at.map(|time| time.since(sequence.heard)),
            ..learned
        });
    }

    /// Lets the model follow templates that became others.
    fn follow(&mut self) {
        if self.miner.take_moved()
            && let Some(judge) = self.judge.as_mut()
        {
            judge.follow(&self.miner);
        }
    }

    /// Adds the record at `place` to its sequences.
    fn add(&mut self, place: usize, time: Timestamp, turn: &mut Turn<'_>, out: &mut Outbox) {
        let Some((_, held)) = turn.chunk.get(place) else {
            return;
        };
        let number = self.journal.note(Some(held.line()), &held.values);
        let event = SequenceEvent {
            template: held.template,
            time,
            number,
        };
        for (key, name) in held.keys.iter().enumerate() {
            let Some(id) = self.open.open(name) else {
                continue;
            };
            if !name.is_bounded() && self.open.kept_of(id) >= EVENTS_MAX {
                self.judge_before_leaving(id, turn, out);
                self.learn_stretch(id);
            }
            self.open.add(id, &event, &held.resource, self.newest);
            let waiting = turn.waiting.entry(id).or_default();
            turn.added.push(Added {
                id,
                place,
                key,
                number,
                len: self.open.len_of(id),
                wave: *waiting,
            });
            *waiting += 1;
        }
    }

    /// What a process says has no end: it is learned from in stretches, each with the window of
    /// the one before.
    fn learn_stretch(&mut self, id: SequenceId) {
        let events = self.open.cut(id, WINDOW_LEN);
        let was_abnormal = self
            .open
            .state_mut(id)
            .is_some_and(|state| std::mem::take(&mut state.is_abnormal));
        if !was_abnormal {
            self.kept.add(self.event_sequence(&events));
        }
    }

    /// Judges what waits if the sequence, which is about to be taken out, is part of it.
    fn judge_before_leaving(&mut self, id: SequenceId, turn: &mut Turn<'_>, out: &mut Outbox) {
        if turn.waiting.contains_key(&id) {
            self.judge_added(turn, out);
        }
    }

    /// Judges what was added: first the first record of each sequence, then the second of each, and
    /// so on, so that the model has many to answer at once.
    fn judge_added(&mut self, turn: &mut Turn<'_>, out: &mut Outbox) {
        turn.waiting.clear();
        let mut added = std::mem::take(&mut turn.added);
        if self.judge.is_none() {
            return;
        }
        added.sort_by_key(|one| one.wave);
        for wave in added.chunk_by(|one, other| one.wave == other.wave) {
            let findings = match self.judge_wave(wave, turn.chunk) {
                Ok(findings) => findings,
                Err(error) => return out.unjudged(&self.key, &error.to_string()),
            };
            for (one, finding) in wave.iter().zip(findings) {
                let anomaly = finding.and_then(|finding| self.consider(one, &finding, turn.chunk));
                turn.found
                    .extend(anomaly.map(|anomaly| (one.place, anomaly)));
            }
        }
    }

    /// What the model finds odd about each of `wave`, no two of which are of one sequence.
    fn judge_wave(
        &mut self,
        wave: &[Added],
        chunk: &[(Timestamp, Held)],
    ) -> Result<Vec<Option<Finding>>, ModelError> {
        let Some(judge) = self.judge.as_mut() else {
            return Ok(Vec::new());
        };
        let mut asked = Vec::with_capacity(wave.len());
        let mut findings = Vec::with_capacity(wave.len());
        for (at, one) in wave.iter().enumerate() {
            findings.push(None);
            let (Some((held, name)), Some(state)) = (one.of(chunk), self.open.state(one.id)) else {
                continue;
            };
            let before = || events_before(&self.open, &self.journal, one);
            let mut trail = judge.trail(state, before, name.is_bounded(), &self.miner);
            let window = *trail.window();
            match judge.key_of(held.template, &self.miner) {
                Some(key) => {
                    asked.extend(trail.step(key).map(|question| (at, window, question)));
                }
                None if Miner::is_overflow(held.template) => {}
                None => {
                    findings[at] = Some(Finding {
                        window,
                        judgement: None,
                    });
                }
            }
            let generation = judge.generation();
            if let Some(state) = self.open.state_mut(one.id) {
                state.trail = Some((generation, trail));
            }
        }
        let questions: Vec<Question> = asked.iter().map(|(_, _, question)| *question).collect();
        let judgements = judge.judge(&questions)?;
        for ((at, window, _), judgement) in asked.into_iter().zip(judgements) {
            findings[at] = judgement.miss.then_some(Finding {
                window,
                judgement: Some(judgement),
            });
        }
        Ok(findings)
    }

    /// Makes an anomaly of a finding, unless the sequence has told one.
    fn consider(
        &mut self,
        one: &Added,
        finding: &Finding,
        chunk: &[(Timestamp, Held)],
    ) -> Option<Anomaly> {
        let judge = self.judge.as_ref()?;
        let (time, _) = chunk.get(one.place)?;
        let (held, name) = one.of(chunk)?;
        let state = self.open.state_mut(one.id)?;
        if !state.may_tell(name.is_bounded(), one.len) {
            return None;
        }
        state.told_at = one.len;
        let age = self.journal.age(one.number);
        let earlier = self.open.latest(one.id);
        let earlier = earlier.filter(|event| self.journal.age(event.number) > age);
        let mut context = self.context(earlier.take(Explanation::CONTEXT_MAX - 1));
        context.push(ContextLine {
            time: *time,
            text: Arc::clone(&held.text),
        });
        let surprise = Surprise {
            stream: &self.key,
            key: name,
            resource: &held.resource,
            trace: held.trace,
            context,
            len: one.len,
            time: *time,
            severity: held.severity,
            record: Some((held, template_ref(&self.miner, held.template))),
            window: finding.window,
            judgement: finding.judgement,
        };
        let anomaly = tell(&surprise, judge);
        let is_common = self.common.count(&anomaly.fingerprint);
        if let Some(state) = self.open.state_mut(one.id) {
            state.is_abnormal |= !is_common;
        }
        Some(anomaly)
    }

    /// Judges the end of a sequence that went quiet, and learns from it if it is normal.
    fn end(
        &mut self,
        mut sequence: Sequence<SequenceState>,
        stream_time: Timestamp,
    ) -> Option<Anomaly> {
        let anomaly = self.judge_end(&sequence);
        if let Some(anomaly) = &anomaly {
            sequence.state.is_abnormal |= !self.common.count(&anomaly.fingerprint);
        }
        self.learn(sequence, Some(stream_time));
        anomaly
    }

    fn judge_end(&mut self, sequence: &Sequence<SequenceState>) -> Option<Anomaly> {
        if !sequence.key.is_bounded() || sequence.state.told_at > 0 {
            return None;
        }
        let judge = self.judge.as_mut().filter(|judge| judge.knows_ends())?;
        let events = || sequence.events.iter().map(|event| event.template).collect();
        let trail = judge.trail(&sequence.state, events, true, &self.miner);
        let judgement = *judge.judge(&[trail.end()?]).ok()?.first()?;
        if !judgement.miss {
            return None;
        }
        let last = sequence.events.last()?;
        let line = self.journal.line(last.number);
        let surprise = Surprise {
            stream: &self.key,
            key: &sequence.key,
            resource: &sequence.resource,
            trace: line.map_or((None, None), |line| line.trace),
            context: self.context(sequence.events.iter().rev().copied()),
            len: sequence.len,
            time: last.time,
            severity: Severity::Warn,
            record: None,
            window: *trail.window(),
            judgement: Some(judgement),
        };
        Some(tell(&surprise, self.judge.as_ref()?))
    }

    fn say(&mut self, anomaly: Anomaly, out: &mut Outbox) {
        self.anomalies += 1;
        out.push(Output::Anomaly(Arc::new(anomaly)));
    }

    /// The lines of the latest of `newest_first`, oldest first. Of a line that was forgotten the
    /// template is quoted.
    fn context(&self, newest_first: impl Iterator<Item = SequenceEvent>) -> Vec<ContextLine> {
        let line = |event: SequenceEvent| ContextLine {
            time: event.time,
            text: match self.journal.line(event.number) {
                Some(line) => Arc::clone(&line.text),
                None => template_ref(&self.miner, event.template).text.into(),
            },
        };
        let latest = newest_first.take(Explanation::CONTEXT_MAX).map(line);
        let mut lines: Vec<ContextLine> = latest.collect();
        lines.reverse();
        lines
    }

    /// The records of a sequence as detection sees them, with their values where all of them are
    /// still known.
    fn event_sequence(&self, events: &[SequenceEvent]) -> EventSequence {
        let mut values = ValueRows::default();
        for event in events {
            match self.journal.values(event.number) {
                Some(row) => values.push(row),
                None => break,
            }
        }
        if values.len() < events.len() {
            values = ValueRows::default();
        }
        EventSequence {
            events: events.iter().map(|event| event.template).collect(),
            times: events.iter().map(|event| event.time).collect(),
            values,
            ..EventSequence::default()
        }
    }
}

impl Added {
    /// The record and the name of the sequence.
    fn of<'a>(&self, chunk: &'a [(Timestamp, Held)]) -> Option<(&'a Held, &'a SequenceKey)> {
        let (_, held) = chunk.get(self.place)?;
        Some((held, held.keys.get(self.key)?))
    }
}

/// The templates of a sequence before the record `one` came.
fn events_before(
    open: &Sequences<SequenceState>,
    journal: &Journal,
    one: &Added,
) -> Vec<TemplateId> {
    let age = journal.age(one.number);
    let earlier = open
        .latest(one.id)
        .filter(|event| journal.age(event.number) > age);
    let mut events: Vec<TemplateId> = earlier.map(|event| event.template).collect();
    events.reverse();
    events
}

fn template_ref(miner: &Miner, id: TemplateId) -> TemplateRef {
    match miner.resolve(id) {
        Some(template) => TemplateRef {
            id: template.id,
            text: template.text.clone(),
        },
        None => TemplateRef {
            id,
            text: OVERFLOW_TEXT.into(),
        },
    }
}
