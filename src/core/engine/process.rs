//! Records whose turn has come: each is added to its sequences and judged there, and sequences that
//! went quiet end.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::intake::Held;
use super::judge::{SequenceState, event_sequence};
use super::outbox::Outbox;
use super::stream::Stream;
use super::{Alarms, Output, Pace, Settings};
use crate::core::detect::{EventSequence, TAIL_LEN};
use crate::core::event::Anomaly;
use crate::core::record::Timestamp;
use crate::core::sequence::{EVENTS_MAX, Sequence, SequenceEvent, SequenceId, SequenceKey};

/// The records of a chunk on their way: they are added one by one and judged many at once.
pub(super) struct Turn<'a> {
    pub(super) chunk: &'a [(Timestamp, Held)],
    /// What was added but not judged yet, in order.
    pub(super) added: Vec<Added>,
    /// How often each sequence is in `added`.
    pub(super) waiting: FxHashMap<SequenceId, usize>,
    /// What was found, with the place of the record it was found at.
    pub(super) found: Vec<(usize, Anomaly)>,
}

/// A record in one of its sequences.
#[derive(Clone, Copy)]
pub(super) struct Added {
    pub(super) id: SequenceId,
    /// The record's place in the chunk.
    pub(super) place: usize,
    /// The key's place in the record.
    key: usize,
    /// The record's number in the journal.
    pub(super) number: u32,
    /// Records of the sequence, this one included.
    pub(super) len: u32,
    /// How many of the sequence were added before it and wait.
    pub(super) wave: usize,
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
        self.follow_changes();
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
        for (place, (time, held)) in chunk.iter().enumerate() {
            let stream_time = self.newest.max(*time);
            // A sequence that was quiet for the time-out ends before a new one of its name
            // begins, however late the clock comes round.
            while let Some(id) = self.open.first_quiet(stream_time) {
                self.judge_before_leaving(id, &mut turn, out);
                let found = self.end_first(out);
                turn.found.extend(found.map(|anomaly| (place, anomaly)));
            }
            if self.ends_lull(*time) {
                // What came before it is judged by what was known then.
                self.judge_added(&mut turn, out);
                self.tear_all(*time);
            }
            self.note_silence(*time);
            self.newest = stream_time;
            self.observe(*time, held);
            self.walk(*time, held);
            self.add(place, *time, &mut turn, out);
            while let Some(id) = self.open.first_beyond() {
                self.judge_before_leaving(id, &mut turn, out);
                if let Some(sequence) = self.open.pop_evicted() {
                    // More of it may come, and would look like a beginning.
                    let doubted = self.newest.plus(self.open.idle_timeout());
                    self.lulls.doubt_until(doubted);
                    self.let_go(sequence);
                }
            }
        }
        self.judge_added(&mut turn, out);
        self.hand_over_trail(out);
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
        while self.open.first_quiet(stream_time).is_some() {
            if let Some(anomaly) = self.end_first(out) {
                self.say(anomaly, out);
            }
        }
    }

    /// Ends the sequence that has been quiet longest, as of the moment when its time-out was over,
    /// however late that is noticed. If the whole stream had been silent unusually long by then, its
    /// end says nothing.
    fn end_first(&mut self, out: &mut Outbox) -> Option<Anomaly> {
        let ended_at = self.open.next_deadline()?;
        let mut sequence = self.open.pop()?;
        let silence = ended_at.since(self.newest);
        let is_unusual = self.lulls.is_unusual(silence, self.open.idle_timeout());
        sequence.state.is_torn |= is_unusual;
        self.end(sequence, ended_at, out)
    }

    /// Learns from a sequence that is cut off here, as far as it went.
    pub(super) fn let_go(&mut self, mut sequence: Sequence<SequenceState>) {
        if let Some(judge) = self.judge.as_mut() {
            judge.release(&mut sequence.state);
        }
        self.learn(&sequence, None);
    }

    /// Judges a sequence that the end of the input cut off, as far as it can be: it may have come to
    /// rest, or have ended by all that is known of its pauses. It is learned from as far as it went.
    pub(super) fn cut_off(
        &mut self,
        mut sequence: Sequence<SequenceState>,
        out: &mut Outbox,
    ) -> Option<Anomaly> {
        let anomaly = match sequence.state.is_torn {
            true => None,
            false => self.judge_end(&mut sequence, self.newest, out),
        };
        self.let_go(sequence);
        anomaly
    }

    /// Judges the end of a sequence that went quiet, and learns from it if it is normal.
    fn end(
        &mut self,
        mut sequence: Sequence<SequenceState>,
        stream_time: Timestamp,
        out: &mut Outbox,
    ) -> Option<Anomaly> {
        if sequence.state.is_torn {
            self.let_go(sequence);
            return None;
        }
        self.count_ended();
        let anomaly = self.judge_end(&mut sequence, stream_time, out);
        if let Some(judge) = self.judge.as_mut() {
            judge.release(&mut sequence.state);
        }
        self.learn(&sequence, Some(stream_time));
        anomaly
    }

    /// How rare a sequence must be to be told follows from how many there are.
    fn count_ended(&mut self) {
        self.budget.count(self.newest);
        if matches!(self.alarms, Alarms::PerDay(_)) {
            self.set_alarms(self.alarms);
        }
    }

    /// Keeps a normal sequence for the next training; `quiet_at` is when it was given up as ended.
    fn learn(&mut self, sequence: &Sequence<SequenceState>, quiet_at: Option<Timestamp>) {
        if sequence.state.is_abnormal || self.is_resting {
            return;
        }
        let bounded = sequence.key.is_bounded();
        let is_whole = sequence.len as usize == sequence.events.len();
        self.kept.add(EventSequence {
            begins: bounded && is_whole,
            ends: bounded && quiet_at.is_some(),
            quiet: quiet_at.map(|time| time.since(sequence.heard)),
            ..event_sequence(&sequence.events, &self.journal)
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
            if self.open.kept_of(id) >= EVENTS_MAX {
                self.judge_before_leaving(id, turn, out);
                let found = self.end_stretch(id, out);
                turn.found.extend(found.map(|anomaly| (place, anomaly)));
            }
            if self.open.len_of(id) == 0 && self.has_begun_before(held.template) {
                self.tear(id);
            }
            self.open.add(id, &event, &held.resource, self.newest);
            // What has a hole in its middle, or no beginning, teaches nothing.
            if let Some(state) = self.open.state_mut(id) {
                state.is_abnormal |= state.is_torn;
            }
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

    /// A sequence so long, such as what a process says, is judged and learned from in stretches,
    /// each with the last records of the one before.
    fn end_stretch(&mut self, id: SequenceId, out: &mut Outbox) -> Option<Anomaly> {
        let anomaly = self.judge_stretch(id, out);
        self.count_ended();
        let begins = self.open.is_whole(id) && self.open.key_of(id)?.is_bounded();
        let events = self.open.cut(id, TAIL_LEN);
        let state = self.open.state_mut(id)?;
        if !std::mem::take(&mut state.is_abnormal) && !self.is_resting {
            self.kept.add(EventSequence {
                begins,
                ..event_sequence(&events, &self.journal)
            });
        }
        anomaly
    }

    /// Judges what waits if the sequence, which is about to be taken out, is part of it.
    fn judge_before_leaving(&mut self, id: SequenceId, turn: &mut Turn<'_>, out: &mut Outbox) {
        if turn.waiting.contains_key(&id) {
            self.judge_added(turn, out);
        }
    }

    /// Tells an anomaly if the day has room for it.
    pub(super) fn say(&mut self, anomaly: Anomaly, out: &mut Outbox) {
        if !self.budget.may_tell(self.alarms, self.newest) {
            return;
        }
        self.anomalies += 1;
        out.push(Output::Anomaly(Arc::new(anomaly)));
    }
}

impl Added {
    /// The record and the name of the sequence.
    pub(super) fn of<'a>(
        &self,
        chunk: &'a [(Timestamp, Held)],
    ) -> Option<(&'a Held, &'a SequenceKey)> {
        let (_, held) = chunk.get(self.place)?;
        Some((held, held.keys.get(self.key)?))
    }
}
