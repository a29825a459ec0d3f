//! A model bundle at work: sequences → alarms, record by record or whole.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::judging::{Judging, final_scores, turns};
use super::mind::{Found, IN_FLIGHT, Mind, Noted, VOICES};
use super::order::{Order, OrderState};
use super::standings::{Listening, Standing, Standings};
use super::{Ensemble, EventSequence, Heard, Surprise, Why};
use crate::core::model::{Bundle, Key, ModelError};

/// What the voices of a bundle know, as the bundle carries it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Of sequences that are known from their beginning.
    pub begun: Population,
    /// Of stretches of what goes on for ever, such as what a process says.
    pub endless: Population,
}

/// What was learned from sequences of one sort, which judges others of that sort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// All voices but the order model.
    pub mind: Mind,
    /// How their scores become one.
    pub ensemble: Ensemble,
}

/// Why the voices of a bundle cannot be used.
#[derive(Debug, Error)]
pub enum LearnedError {
    /// Not the bytes that [`Learned::to_bytes`] writes.
    #[error("cannot read the voices of the bundle: {0}")]
    Voices(#[from] postcard::Error),
    /// More bytes than [`Learned::to_bytes`] writes.
    #[error("cannot read the voices of the bundle: {left} bytes are left over")]
    LeftOver {
        /// How many.
        left: usize,
    },
    /// It would never alarm.
    #[error("the bundle has no voices")]
    Silent,
}

/// Judges sequences by one bundle.
#[derive(Debug)]
pub struct Detector {
    bundle: Arc<Bundle>,
    begun: Judging,
    endless: Judging,
    order: Order,
    standings: Standings,
    alarm_rate: f64,
    /// Whether anything was learned from stretches that do not begin.
    knows_endless: bool,
}

/// A record that came, to be judged in flight.
#[derive(Debug)]
pub struct Step<'a> {
    /// Of its sequence.
    pub state: &'a mut Listening,
    /// The sequence up to and with this record; at least the latest
    /// [`TAIL_LEN`](super::TAIL_LEN) known records.
    pub heard: &'a Heard,
    /// Its key; `None` for a template that the model does not know.
    pub came: Option<Key>,
}

/// What one voice thinks of a sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// Whose.
    pub voice: &'static str,
    /// The share of normal sequences this voice finds as odd.
    pub p_value: f64,
    /// What it found.
    pub surprise: Surprise,
}

/// A sequence that is too odd to be normal.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// The share of normal sequences that are as odd by all voices together.
    pub p_value: f64,
    /// The voices that have something to say, the most surprised first; at least one.
    pub opinions: Vec<Opinion>,
}

/// What there is to say about a whole sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// How odd it is by all voices together; the higher the odder.
    pub score: f32,
    /// The share of normal sequences that are as odd.
    pub p_value: f64,
    /// Whether that is an alarm.
    pub is_alarm: bool,
    /// After which record the alarm was raised in flight: its place from 0 on. The number of
    /// records for one that was raised at the end.
    pub first_alarm: Option<usize>,
    /// The score of each voice, in the order of [`VOICES`], 0 for nothing to say.
    pub scores: [f32; VOICES.len()],
    /// The p-value of each.
    pub p_values: [f64; VOICES.len()],
    /// What they found, the most surprised first.
    pub opinions: Vec<Opinion>,
}

impl Learned {
    /// As a bundle carries it.
    ///
    /// # Errors
    /// Never, in fact.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LearnedError> {
        Ok(postcard::to_allocvec(self)?)
    }

    /// Reads what a bundle carries; a bundle without voices has the order model alone.
    ///
    /// # Errors
    /// When it was written by another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LearnedError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        // Another layout may well be read as this one, but hardly to the last byte.
        match postcard::take_from_bytes(bytes)? {
            (learned, []) => Ok(learned),
            (_, rest) => Err(LearnedError::LeftOver { left: rest.len() }),
        }
    }

    /// Whether there is anything in `bundle` to judge by, so that one which cannot be used is refused
    /// where it comes from, not where it would judge.
    ///
    /// # Errors
    /// When it has no voices, or those of another version.
    pub fn check(bundle: &Bundle) -> Result<(), LearnedError> {
        match bundle.voices() {
            [] => Err(LearnedError::Silent),
            voices => Self::from_bytes(voices).map(drop),
        }
    }
}

/// Fewer stretches of what processes say tell too little to judge others by.
const ENDLESS_MIN: usize = 10;

impl Detector {
    /// A detector that has not judged anything yet, with the false-alarm rate of the bundle.
    ///
    /// # Errors
    /// When the bundle's voices cannot be read.
    pub fn new(bundle: Arc<Bundle>) -> Result<Self, LearnedError> {
        let learned = Learned::from_bytes(bundle.voices())?;
        let order = Order::new(&bundle);
        let alarm_rate = f64::from(bundle.manifest().calibration.alarm_rate);
        Ok(Self {
            knows_endless: learned.endless.ensemble.learned_from() >= ENDLESS_MIN,
            bundle,
            begun: Judging::new(learned.begun, alarm_rate),
            endless: Judging::new(learned.endless, alarm_rate),
            order,
            standings: Standings::default(),
            alarm_rate,
        })
    }

    /// From now on a share of `rate` of normal sequences may be alarmed on.
    pub fn set_alarm_rate(&mut self, rate: f64) {
        self.alarm_rate = rate;
        for judging in [&mut self.begun, &mut self.endless] {
            judging.alarm_rate = rate;
        }
    }

    /// The share of normal sequences that may be alarmed on.
    pub fn alarm_rate(&self) -> f64 {
        self.alarm_rate
    }

    /// The bundle in use.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// What it takes in memory to know where sequences stand: the known prefixes, which are bounded,
    /// and the places of all sequences.
    pub fn bytes(&self) -> (usize, usize) {
        (self.order.bytes(), self.standings.bytes())
    }

    /// A sequence of which nothing has come yet.
    pub fn begin(&mut self, begins: bool) -> Listening {
        let standing = Standing::new(self.order.begin(begins), begins);
        self.standings.put(standing, &mut self.order)
    }

    /// A sequence that has come as far as `heard`: what [`advance`](Self::advance) would have left.
    pub fn resume(&mut self, heard: &Heard) -> Listening {
        let mut state = Standing::new(self.order.begin(heard.begins), heard.begins);
        let mut so_far = Heard {
            begins: heard.begins,
            ..Heard::default()
        };
        for position in 0..heard.len {
            let index = so_far.keys.len();
            let place = u32::try_from(position).unwrap_or(u32::MAX);
            let came = heard.keys.get(index).copied();
            let came = came.filter(|_| heard.positions.get(index) == Some(&place));
            so_far.len = position + 1;
            match came {
                Some(_) => grow(&mut so_far, heard, index),
                None => so_far.unseen.push(place),
            }
            let mind = &self.of(state.begins).mind;
            let mut found = mind.hear_latest(&so_far, came.is_some());
            if let Some(came) = came {
                let ranked = self.order.hear(&mut state.order, came);
                found[0] = ranked.map(|ranked| unexpected(came, ranked.log_probability, position));
            }
            self.of(state.begins)
                .weigh_in_flight(&mut state.peaks, found);
        }
        self.standings.put(state, &mut self.order)
    }

    /// Whether it is still known where the sequence stands. Of very many that go ways of their own
    /// those quiet for longest are forgotten; they are to be taken up by [`resume`](Self::resume).
    /// One that is asked for is the last to be forgotten.
    pub fn remembers(&mut self, state: &Listening) -> bool {
        self.standings.freshen(state);
        self.standings.get(state).is_some()
    }

    /// Forgets how odd the sequence was so far: it goes on for long, and is judged anew from here. What
    /// comes of it from now on has no beginning, so it is learned and judged with what goes on for
    /// ever, however it began. Only where nothing was learned of such, the population that knows how
    /// it began goes on judging it: to say nothing at all would be worse.
    pub fn begin_stretch(&mut self, state: &mut Listening) {
        if !self.remembers(state) {
            return;
        }
        let mut standing = self.standings.take(state, &mut self.order);
        standing.begins &= !self.knows_endless;
        standing.peaks = [0.0; IN_FLIGHT.len()];
        *state = self.standings.put(standing, &mut self.order);
    }

    /// Gives back what an ended sequence held.
    pub fn release(&mut self, state: Listening) {
        let standing = self.standings.take(&state, &mut self.order);
        self.order.release(standing.order);
    }

    /// What was most expected next, with probabilities.
    pub fn expect(&self, state: &Listening, count: usize) -> Vec<(Key, f32)> {
        let standing = self.standings.get(state);
        standing.map_or_else(Vec::new, |standing| {
            self.order.expect(&standing.order, count)
        })
    }

    /// Judges one new record of each of several distinct sequences, all of them remembered.
    ///
    /// # Errors
    /// When a key is not of this bundle.
    pub fn advance(&mut self, steps: &mut [Step<'_>]) -> Result<Vec<Option<Alarm>>, ModelError> {
        let taken = steps.iter();
        let taken = taken.map(|step| self.standings.take(step.state, &mut self.order));
        let mut taken: Vec<Standing> = taken.collect();
        let known = steps.iter().zip(&mut taken);
        let known = known.filter_map(|(step, state)| Some((&mut state.order, step.came?)));
        let mut known: Vec<(&mut OrderState, Key)> = known.collect();
        let mut ranked = self.order.advance(&mut known).into_iter();
        let mut alarms = Vec::with_capacity(steps.len());
        for (step, mut state) in steps.iter_mut().zip(taken) {
            let judging = self.of(state.begins);
            let mut found = judging.mind.hear_latest(step.heard, step.came.is_some());
            if let Some(came) = step.came {
                let position = step.heard.position(step.heard.keys.len().saturating_sub(1));
                found[0] = ranked
                    .next()
                    .flatten()
                    .map(|ranked| unexpected(came, ranked.log_probability, position));
            }
            alarms.push(judging.weigh_in_flight(&mut state.peaks, found));
            *step.state = self.standings.put(state, &mut self.order);
        }
        Ok(alarms)
    }

    /// Judges a sequence that nothing more comes of, and that is remembered. `heard` is all of it.
    ///
    /// # Errors
    /// When the network cannot compute.
    pub fn end(&mut self, state: &Listening, heard: &Heard) -> Result<Option<Alarm>, ModelError> {
        let Some(state) = self.standings.get(state) else {
            return Ok(None);
        };
        let mut heard = heard.clone();
        let judging = match state.begins {
            true => &mut self.begun,
            false => &mut self.endless,
        };
        heard.ends = judging.mind.has_ended(&heard);
        let (name, noted) = judging.next(&heard);
        let mut found = judging.mind.hear(&heard, &noted, &judging.company, name);
        hear_end(&mut found, &mut self.order, &state.order, &heard);
        let scores = final_scores(&state.peaks, &found);
        Ok(judging.weigh(&scores, found))
    }

    /// Judges all of `sequences` in the order of their latest records, in which they would end in a
    /// stream; the answers are in the order given. Of sequences that end within five seconds after
    /// one it is known how late they are, as it is when a stream waits for a time-out.
    ///
    /// # Errors
    /// When the network cannot compute.
    pub fn judge_all(&mut self, sequences: &[&EventSequence]) -> Result<Vec<Judged>, ModelError> {
        let mut judged = Vec::with_capacity(sequences.len());
        let last = |sequence: &&EventSequence| sequence.times.last().copied();
        let mut known: FxHashMap<usize, (Heard, Noted)> = FxHashMap::default();
        for turn in turns(sequences, last) {
            for ahead in turn.ahead {
                let heard = self.hear(sequences[ahead.index]);
                let noted = self.of_mut(heard.begins).note(&heard, ahead.nth);
                known.insert(ahead.index, (heard, noted));
            }
            if let Some((heard, noted)) = known.remove(&turn.index) {
                judged.push((turn.index, self.judge_as(&heard, &noted, turn.nth)));
            }
        }
        judged.sort_by_key(|(index, _)| *index);
        Ok(judged.into_iter().map(|(_, judged)| judged).collect())
    }

    /// Judges all of `sequence`, as [`advance`](Self::advance) and [`end`](Self::end) would.
    ///
    /// # Errors
    /// When the network cannot compute.
    pub fn judge(&mut self, sequence: &EventSequence) -> Result<Judged, ModelError> {
        let heard = self.hear(sequence);
        let (name, noted) = self.of_mut(heard.begins).next(&heard);
        Ok(self.judge_as(&heard, &noted, name))
    }

    fn hear(&self, sequence: &EventSequence) -> Heard {
        let mut heard = Heard::new(sequence, self.bundle.vocabulary());
        heard.ends = self.of(heard.begins).mind.has_ended(&heard);
        heard
    }

    fn judge_as(&mut self, heard: &Heard, noted: &Noted, name: u64) -> Judged {
        let mut state = Standing::new(self.order.begin(heard.begins), heard.begins);
        let mut order: Option<Surprise> = None;
        let mut first_alarm = None;
        let mut so_far = Heard {
            begins: heard.begins,
            ..Heard::default()
        };
        let mut next_known = 0;
        for position in 0..heard.len {
            let is_known = heard.positions.get(next_known) == Some(&(position as u32));
            so_far.len = position + 1;
            if is_known {
                grow(&mut so_far, heard, next_known);
                next_known += 1;
            } else {
                so_far.unseen.push(position as u32);
            }
            let mind = &self.of(heard.begins).mind;
            let mut found = mind.hear_latest(&so_far, is_known);
            if let Some(came) = so_far.keys.last().copied().filter(|_| is_known) {
                let ranked = self.order.hear(&mut state.order, came);
                found[0] = ranked.map(|ranked| unexpected(came, ranked.log_probability, position));
                order = louder(order, found[0].clone());
            }
            let alarm = self
                .of(heard.begins)
                .weigh_in_flight(&mut state.peaks, found);
            if alarm.is_some() && first_alarm.is_none() {
                first_alarm = Some(position);
            }
        }
        let judging = self.of(heard.begins);
        let mut found = judging.mind.hear(heard, noted, &judging.company, name);
        hear_end(&mut found, &mut self.order, &state.order, heard);
        found[0] = louder(order, found[0].take());
        let scores = final_scores(&state.peaks, &found);
        self.order.release(state.order);
        let judging = self.of(heard.begins);
        let score = judging.ensemble.combine(&scores);
        let p_value = judging.ensemble.p_value(score);
        let is_alarm = p_value <= judging.alarm_rate || first_alarm.is_some();
        let mut p_values = [1.0; VOICES.len()];
        for (voice, p_value) in p_values.iter_mut().enumerate() {
            *p_value = judging.ensemble.voice_p_value(voice, scores[voice]);
        }
        Judged {
            score,
            p_value,
            is_alarm,
            first_alarm: first_alarm.or(is_alarm.then_some(heard.len)),
            scores,
            p_values,
            opinions: judging.opinions(found),
        }
    }

    pub(super) fn of(&self, begins: bool) -> &Judging {
        if begins { &self.begun } else { &self.endless }
    }

    pub(super) fn of_mut(&mut self, begins: bool) -> &mut Judging {
        if begins {
            &mut self.begun
        } else {
            &mut self.endless
        }
    }
}

/// What the order model says of the end of a sequence that has ended.
fn hear_end(found: &mut Found, order: &mut Order, state: &OrderState, heard: &Heard) {
    if heard.ends {
        let ranked = order.end(state);
        let end = ranked.map(|ranked| unexpected(Key::END, ranked.log_probability, heard.len));
        found[0] = louder(found[0].take(), end);
    }
}

/// Adds the known record at `index` of `heard` to `so_far`.
fn grow(so_far: &mut Heard, heard: &Heard, index: usize) {
    so_far.keys.extend(heard.keys.get(index));
    so_far.positions.extend(heard.positions.get(index));
    so_far.times.extend(heard.times.get(index));
    if !heard.values.is_empty() {
        so_far.values.push(heard.values.row(index).iter().copied());
    }
}

fn unexpected(came: Key, log_probability: f32, position: usize) -> Surprise {
    Surprise {
        score: -log_probability,
        position,
        why: Why::Next {
            came,
            expected: Vec::new(),
            probability: log_probability.exp(),
        },
    }
}

fn louder(a: Option<Surprise>, b: Option<Surprise>) -> Option<Surprise> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.score > a.score { b } else { a }),
        (a, b) => a.or(b),
    }
}
