//! A stream's model at work.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::core::detect::{Detector, EventSequence, Heard, LearnedError, Listening, ValueRows};
use crate::core::model::{Bundle, Key};
use crate::core::parse::Miner;
use crate::core::record::TemplateId;
use crate::core::sequence::{Journal, SequenceEvent};

/// One sequence in so many must have been seen to end, or an end is not judged: where nearly all
/// were cut off, any end would be a surprise.
const ENDED_SHARE_MIN: u64 = 4;
/// What a process says tells again of something odd after so many records.
const TELL_AGAIN_AFTER: u8 = 10;

/// What the judge keeps with each open sequence; 8 bytes.
#[derive(Debug, Default)]
pub(super) struct SequenceState {
    /// Where the sequence stands in the model of `generation`; `None` before its first record.
    pub(super) listening: Option<Listening>,
    pub(super) generation: u8,
    /// Whether it is to be left out of training.
    pub(super) is_abnormal: bool,
    /// Whether records of it may have been lost on the way here: its end says nothing.
    pub(super) is_torn: bool,
    pub(super) told: Told,
}

/// When an anomaly was told of a sequence: 0 for never, else how many records ago and one more, as
/// far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub(super) struct Told(u8);

impl Told {
    pub(super) const NOW: Self = Self(1);

    /// A record came.
    pub(super) fn pass(&mut self) {
        if self.0 > 0 {
            self.0 = self.0.saturating_add(1);
        }
    }
}

impl SequenceState {
    /// A sequence with a beginning and an end tells one anomaly, its first. What a process says
    /// goes on for ever: it tells again after a while.
    pub(super) fn may_tell(&self, bounded: bool) -> bool {
        let Told(told) = self.told;
        told == 0 || (!bounded && told - 1 > TELL_AGAIN_AFTER)
    }

    /// Whether what all of its latest `len` records say together may be told: not if one of these
    /// was told of.
    pub(super) fn may_tell_whole(&self, bounded: bool, len: usize) -> bool {
        let Told(told) = self.told;
        let is_long_ago = match told {
            // Longer ago is not known; what was told of is left out of training.
            u8::MAX => !self.is_abnormal,
            told => usize::from(told) > len,
        };
        told == 0 || (!bounded && is_long_ago)
    }
}

impl From<Told> for u32 {
    fn from(told: Told) -> Self {
        Self::from(told.0)
    }
}

impl From<u32> for Told {
    fn from(told: u32) -> Self {
        Self(u8::try_from(told).unwrap_or(u8::MAX))
    }
}

/// A model, and how the stream's templates map to its keys.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) detector: Detector,
    generation: u8,
    /// The keys of the model's templates by the ids they have today.
    keys: FxHashMap<TemplateId, Key>,
    /// The keys that sequences usually begin with.
    firsts: Vec<Key>,
}

/// A key that fewer sequences begin with is no usual first one.
const FIRST_MIN: f32 = 0.05;

/// What a sequence is known by when it is judged.
#[derive(Debug)]
pub(super) struct View {
    /// Its records as the model hears them.
    pub(super) heard: Heard,
    /// The same records; a place in `heard` is a place here.
    pub(super) events: Vec<SequenceEvent>,
}

impl Judge {
    pub(super) fn new(
        bundle: Arc<Bundle>,
        generation: u8,
        miner: &Miner,
    ) -> Result<Self, LearnedError> {
        let mut detector = Detector::new(bundle)?;
        let begun = detector.begin(true);
        let firsts = detector.expect(&begun, usize::MAX).into_iter();
        let firsts = firsts.filter(|(_, probability)| *probability >= FIRST_MIN);
        let firsts = firsts.map(|(key, _)| key).collect();
        detector.release(begun);
        let mut judge = Self {
            detector,
            generation,
            keys: FxHashMap::default(),
            firsts,
        };
        judge.follow(miner);
        Ok(judge)
    }

    /// Looks up what the templates that the model was trained on are today. Of two that were
    /// merged, what they are has the key of the one the model knew first.
    pub(super) fn follow(&mut self, miner: &Miner) {
        let bundle = Arc::clone(self.bundle());
        let vocabulary = bundle.vocabulary();
        self.keys.clear();
        for known in vocabulary.templates() {
            let Some(key) = vocabulary.key_of(known.id) else {
                continue;
            };
            // Also of those that gave way: they may come back.
            self.keys.entry(miner.leads_to(known.id)).or_insert(key);
        }
    }

    pub(super) fn bundle(&self) -> &Arc<Bundle> {
        self.detector.bundle()
    }

    pub(super) fn generation(&self) -> u8 {
        self.generation
    }

    /// The model's key for a template, under whatever id the template goes today, so that a
    /// template which widens is followed without training again.
    pub(super) fn key_of(&self, id: TemplateId, miner: &Miner) -> Option<Key> {
        let known = self.bundle().vocabulary().key_of(id);
        known.or_else(|| self.keys.get(&miner.resolve(id)?.id).copied())
    }

    /// What the model hears of `events`, of which the first is known to be the first of the
    /// sequence, or not. Records that found no room for a template of their own say nothing.
    pub(super) fn view(
        &self,
        mut events: Vec<SequenceEvent>,
        begins: bool,
        (miner, journal): (&Miner, &Journal),
    ) -> View {
        events.retain(|event| !Miner::is_overflow(event.template));
        let mut sequence = event_sequence(&events, journal);
        sequence.begins = begins;
        let vocabulary = self.bundle().vocabulary();
        for event in &mut sequence.events {
            let known = self.key_of(*event, miner);
            let known = known.and_then(|key| vocabulary.template(key));
            *event = known.map_or(*event, |template| template.id);
        }
        View {
            heard: Heard::new(&sequence, vocabulary),
            events,
        }
    }

    /// Whether sequences usually begin with `key`.
    pub(super) fn is_usual_first(&self, key: Key) -> bool {
        self.firsts.contains(&key)
    }

    /// Whether the model saw enough sequences end to say anything about an end.
    pub(super) fn knows_ends(&self) -> bool {
        let trained_on = self.bundle().manifest().trained_on;
        trained_on.ended > 0 && trained_on.ended >= trained_on.sequences / ENDED_SHARE_MIN
    }

    /// Where a sequence stands in this model; `None` where it has to hear it from the beginning.
    pub(super) fn take(&mut self, state: &mut SequenceState) -> Option<Listening> {
        let listening = state.listening.take()?;
        // What another model made is not this one's to use or to take back.
        if state.generation != self.generation {
            return None;
        }
        if !self.detector.remembers(&listening) {
            self.detector.release(listening);
            return None;
        }
        Some(listening)
    }

    /// Takes back what a sequence held that is over.
    pub(super) fn release(&mut self, state: &mut SequenceState) {
        if let Some(listening) = self.take(state) {
            self.detector.release(listening);
        }
    }
}

/// Records as detection sees them, with their values where all of them are still known.
pub(super) fn event_sequence(events: &[SequenceEvent], journal: &Journal) -> EventSequence {
    let mut values = ValueRows::default();
    for event in events {
        match journal.values(event.number) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_for_ever_tells_again_after_ten_records_and_what_ends_never() {
        let mut state = SequenceState::default();
        assert!(state.may_tell(true) && state.may_tell(false));
        state.told = Told::NOW;
        for passed in 0..1_000 {
            assert_eq!(state.may_tell(false), passed > 10, "{passed}");
            assert!(!state.may_tell(true));
            let written = postcard::to_allocvec(&state.told).unwrap();
            assert_eq!(postcard::from_bytes::<Told>(&written).unwrap(), state.told);
            state.told.pass();
        }
    }

    #[test]
    fn the_state_of_an_open_sequence_is_small() {
        assert_eq!(size_of::<SequenceState>(), 8);
    }

    #[test]
    fn what_a_process_was_told_of_is_told_no_second_time_with_the_stretch_it_is_in() {
        let mut state = SequenceState {
            told: Told::NOW,
            ..SequenceState::default()
        };
        (0..40).for_each(|_| state.told.pass());
        assert!(state.may_tell(false), "another record may be told of");
        assert!(!state.may_tell_whole(false, 60));
        assert!(state.may_tell_whole(false, 30), "it is not in there");
        assert!(!state.may_tell_whole(true, 30), "a request is told of once");
        (0..400).for_each(|_| state.told.pass());
        assert!(state.may_tell_whole(false, 512));
        state.is_abnormal = true;
        assert!(!state.may_tell_whole(false, 512));
    }
}
