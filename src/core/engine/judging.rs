//! Sequences of a stream judged by its model: in flight, in stretches, and at their ends.

use super::explain::{Surprise, tell};
use super::intake::Held;
use super::judge::{SequenceState, Told, View};
use super::outbox::Outbox;
use super::process::{Added, Turn};
use super::stream::Stream;
use crate::core::detect::{Alarm, Listening, Step, TAIL_LEN};
use crate::core::event::Anomaly;
use crate::core::model::ModelError;
use crate::core::parse::Miner;
use crate::core::record::Timestamp;
use crate::core::sequence::{Sequence, SequenceEvent, SequenceId};

/// A record of a wave, ready to be judged.
struct Asked {
    /// Which of the wave it is.
    at: usize,
    listening: Listening,
    view: View,
    is_known: bool,
}

impl Stream {
    /// Judges what was added: first the first record of each sequence, then the second of each, and
    /// so on, so that the model has many to answer at once.
    pub(super) fn judge_added(&mut self, turn: &mut Turn<'_>, out: &mut Outbox) {
        turn.waiting.clear();
        let mut added = std::mem::take(&mut turn.added);
        if self.judge.is_none() {
            return;
        }
        added.sort_by_key(|one| one.wave);
        for wave in added.chunk_by(|one, other| one.wave == other.wave) {
            match self.judge_wave(wave, turn.chunk) {
                Ok(alarms) => {
                    for (one, alarm, view) in alarms {
                        let anomaly = self.consider(&one, (&alarm, &view));
                        turn.found
                            .extend(anomaly.map(|anomaly| (one.place, anomaly)));
                    }
                }
                Err(error) => out.unjudged(&self.key, &error.to_string()),
            }
        }
    }

    /// What the model finds odd about `wave`, no two of which are of one sequence.
    fn judge_wave(
        &mut self,
        wave: &[Added],
        chunk: &[(Timestamp, Held)],
    ) -> Result<Vec<(Added, Alarm, View)>, ModelError> {
        let asked = wave.iter().enumerate();
        let mut asked: Vec<Asked> = asked
            .filter_map(|(at, one)| self.ask(at, one, chunk))
            .collect();
        let Some(judge) = self.judge.as_mut() else {
            return Ok(Vec::new());
        };
        let mut steps: Vec<Step<'_>> = asked
            .iter_mut()
            .map(|asked| Step {
                state: &mut asked.listening,
                came: asked
                    .view
                    .heard
                    .keys
                    .last()
                    .copied()
                    .filter(|_| asked.is_known),
                heard: &asked.view.heard,
            })
            .collect();
        let alarms = judge.detector.advance(&mut steps);
        let mut listened = Vec::with_capacity(asked.len());
        for Asked {
            at,
            listening,
            view,
            ..
        } in asked
        {
            let Some(one) = wave.get(at) else { continue };
            if let Some(state) = self.open.state_mut(one.id) {
                state.listening = Some(listening);
                state.generation = judge.generation();
            }
            listened.push((*one, view));
        }
        let told = listened.into_iter().zip(alarms?);
        Ok(told
            .filter_map(|((one, view), alarm)| Some((one, alarm?, view)))
            .collect())
    }

    /// Makes a record ready to be judged; `None` for one that is not.
    fn ask(&mut self, at: usize, one: &Added, chunk: &[(Timestamp, Held)]) -> Option<Asked> {
        let judge = self.judge.as_mut()?;
        let (held, name) = one.of(chunk)?;
        let (time, _) = chunk.get(one.place)?;
        let state = self.open.state_mut(one.id)?;
        state.told.pass();
        if Miner::is_overflow(held.template) || state.is_torn {
            return None;
        }
        let listening = judge.take(state);
        let age = self.journal.age(one.number);
        let earlier = self.open.latest(one.id);
        let earlier = earlier.filter(|event| self.journal.age(event.number) > age);
        // All that is kept where the network has to hear it from the beginning.
        let looked_at = match &listening {
            Some(_) => TAIL_LEN,
            None => usize::MAX,
        };
        let mut earlier: Vec<SequenceEvent> = earlier.take(looked_at).collect();
        earlier.reverse();
        // How many came before, those that were cut off included.
        let is_whole = one.len as usize == earlier.len() + 1;
        let begins = name.is_bounded() && is_whole;
        let known = (&self.miner, &self.journal);
        let listening = match listening {
            Some(listening) => listening,
            None => {
                let before = judge.view(earlier.clone(), begins, known);
                judge.detector.resume(&before.heard)
            }
        };
        let tail = earlier.len().saturating_sub(TAIL_LEN - 1);
        let mut events = earlier.split_off(tail);
        events.push(SequenceEvent {
            template: held.template,
            time: *time,
            number: one.number,
        });
        let view = judge.view(events, begins && tail == 0, known);
        let last = view.events.len().saturating_sub(1);
        let last_known = view.heard.positions.last();
        Some(Asked {
            at,
            listening,
            is_known: last_known.is_some_and(|position| *position as usize == last),
            view,
        })
    }

    /// Makes an anomaly of an alarm in flight, unless the sequence has told one.
    fn consider(&mut self, one: &Added, found: (&Alarm, &View)) -> Option<Anomaly> {
        let key = self.open.key_of(one.id)?;
        let state = self.open.state_mut(one.id)?;
        if !state.may_tell(key.is_bounded()) {
            return None;
        }
        state.told = Told::NOW;
        let resource = self.open.resource_of(one.id);
        let surprise = Surprise {
            stream: &self.key,
            key: &key,
            resource: &resource,
            len: one.len,
            alarm: found.0,
            view: found.1,
            known: (&self.miner, &self.journal),
        };
        let anomaly = tell(&surprise, self.judge.as_mut()?);
        let is_common = self.common.count(&anomaly.fingerprint);
        if let Some(state) = self.open.state_mut(one.id) {
            state.is_abnormal |= !is_common;
        }
        Some(anomaly)
    }

    /// Judges what was kept of a long sequence, which goes on.
    pub(super) fn judge_stretch(&mut self, id: SequenceId, out: &mut Outbox) -> Option<Anomaly> {
        let mut sequence = self.open.copy(id, |_| SequenceState::default())?;
        sequence.state = std::mem::take(self.open.state_mut(id)?);
        let anomaly = match sequence.state.is_torn {
            true => None,
            false => self.judge_whole(&mut sequence, None, out),
        };
        if let Some(judge) = self.judge.as_mut()
            && let Some(mut listening) = judge.take(&mut sequence.state)
        {
            judge.detector.begin_stretch(&mut listening);
            sequence.state.listening = Some(listening);
        }
        *self.open.state_mut(id)? = sequence.state;
        anomaly
    }

    /// Judges a sequence that went quiet: all of it, or what came of it since it was last judged. What
    /// a process says has no end to be judged, however quiet it is.
    pub(super) fn judge_end(
        &mut self,
        sequence: &mut Sequence<SequenceState>,
        stream_time: Timestamp,
        out: &mut Outbox,
    ) -> Option<Anomaly> {
        if sequence.events.is_empty() {
            return None;
        }
        self.judge_whole(sequence, Some(stream_time), out)
    }

    /// Judges all that is kept of a sequence, with its end where it is quiet; it is of the same sort
    /// here as where it is learned from.
    fn judge_whole(
        &mut self,
        sequence: &mut Sequence<SequenceState>,
        quiet_at: Option<Timestamp>,
        out: &mut Outbox,
    ) -> Option<Anomaly> {
        let bounded = sequence.key.is_bounded();
        if !sequence
            .state
            .may_tell_whole(bounded, sequence.events.len())
        {
            return None;
        }
        let judge = self.judge.as_mut()?;
        let begins = bounded && sequence.len as usize == sequence.events.len();
        let known = (&self.miner, &self.journal);
        let mut view = judge.view(sequence.events.clone(), begins, known);
        view.heard.ends = bounded && quiet_at.is_some() && judge.knows_ends();
        view.heard.quiet = quiet_at.map(|time| time.since(sequence.heard));
        let listening = match judge.take(&mut sequence.state) {
            Some(listening) => listening,
            None => judge.detector.resume(&view.heard),
        };
        let alarm = judge.detector.end(&listening, &view.heard);
        sequence.state.listening = Some(listening);
        sequence.state.generation = judge.generation();
        let alarm = match alarm {
            Ok(alarm) => alarm?,
            Err(error) => {
                out.unjudged(&self.key, &error.to_string());
                return None;
            }
        };
        let surprise = Surprise {
            stream: &self.key,
            key: &sequence.key,
            resource: &sequence.resource,
            len: sequence.len,
            alarm: &alarm,
            view: &view,
            known,
        };
        let anomaly = tell(&surprise, judge);
        sequence.state.told = Told::NOW;
        sequence.state.is_abnormal |= !self.common.count(&anomaly.fingerprint);
        Some(anomaly)
    }
}
