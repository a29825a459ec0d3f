//! Faults made in normal sequences: the only ones whose nature is known exactly.

use std::collections::BTreeSet;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::dataset::{Class, Dataset, Part, Sample};
use crate::core::detect::{EventSequence, ValueRows};
use crate::core::record::{TemplateId, Value};

/// What is done to a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Two neighbours change places; every template stays as frequent as it was.
    Reorder,
    /// An event is missing.
    Drop,
    /// An event comes twice.
    Repeat,
    /// An event of a known template comes where it does not belong.
    Foreign,
}

const KINDS: [Kind; 4] = [Kind::Reorder, Kind::Drop, Kind::Repeat, Kind::Foreign];
/// Places that are tried in one sequence before it is left out.
const TRIES: usize = 50;

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Reorder => "reorder",
            Self::Drop => "drop",
            Self::Repeat => "repeat",
            Self::Foreign => "foreign",
        }
    }
}

/// Replaces the samples of each part by its normal ones: a half stays as it is, into the other
/// half faults of four kinds are put, the same number of each. No training sequence is touched,
/// no sample is in the test twice, and what comes out as a normal sequence goes (of training or
/// test) is no fault and left out.
pub(super) fn inject(dataset: &mut Dataset, seed: u64) {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    for part in &mut dataset.parts {
        let normal: Vec<Sample> = std::mem::take(&mut part.samples)
            .into_iter()
            .filter(|sample| sample.class == Class::Normal)
            .collect();
        part.samples = injected(part, normal, &mut rng);
    }
}

fn injected(part: &Part, normal: Vec<Sample>, rng: &mut ChaCha12Rng) -> Vec<Sample> {
    let sequences = part.corpus.sequences.iter();
    let tested = normal.iter().map(|sample| &sample.sequence);
    let usual: BTreeSet<Vec<TemplateId>> = sequences
        .chain(tested)
        .map(|sequence| sequence.events.clone())
        .collect();
    let vocabulary: Vec<TemplateId> = part.corpus.templates.iter().map(|one| one.id).collect();
    let mut drawn: Vec<(u64, usize)> = (0..normal.len())
        .map(|place| (rng.next_u64(), place))
        .collect();
    drawn.sort_unstable();
    // The draw decides what becomes of a sample; the order of the samples stays.
    let mut kinds: Vec<Option<Kind>> = vec![None; normal.len()];
    for (turn, (_, place)) in drawn.iter().take(normal.len() / 2).enumerate() {
        kinds[*place] = Some(KINDS[turn % KINDS.len()]);
    }
    let mut samples = Vec::with_capacity(normal.len());
    for (sample, kind) in normal.into_iter().zip(kinds) {
        let Some(kind) = kind else {
            samples.push(Sample {
                kind: None,
                ..sample
            });
            continue;
        };
        let changed = (0..TRIES).find_map(|_| {
            let changed = change(kind, &sample.sequence, &vocabulary, rng)?;
            (!usual.contains(&changed.0.events)).then_some(changed)
        });
        if let Some((sequence, place)) = changed {
            samples.push(Sample {
                fault_at: sequence.times.get(place).copied(),
                kind: Some(kind.name().into()),
                ..Sample::new(sequence, Class::Abnormal)
            });
        }
    }
    samples
}

/// The changed sequence and the place of the change; `None` where the draw changes nothing.
fn change(
    kind: Kind,
    sequence: &EventSequence,
    vocabulary: &[TemplateId],
    rng: &mut ChaCha12Rng,
) -> Option<(EventSequence, usize)> {
    let mut records = Records::of(sequence);
    let len = records.0.len();
    let place = match kind {
        Kind::Reorder => {
            let pairs = sequence.events.windows(2).enumerate();
            let unlike = pairs.filter(|(_, pair)| pair[0] != pair[1]);
            let places: Vec<usize> = unlike.map(|(place, _)| place).collect();
            let place = *places.get(below(places.len(), rng)?)?;
            let [before, after] = records.0.get_disjoint_mut([place, place + 1]).ok()?;
            // What is said changes places; the times at which something was said stay.
            std::mem::swap(&mut before.template, &mut after.template);
            std::mem::swap(&mut before.values, &mut after.values);
            place
        }
        Kind::Drop => {
            let place = below(len, rng)?;
            records.0.remove(place);
            place
        }
        Kind::Repeat => {
            let place = below(len, rng)?;
            let again = records.0.get(place)?.clone();
            records.0.insert(place + 1, again);
            place + 1
        }
        Kind::Foreign => {
            let place = below(len, rng)?;
            let template = *vocabulary.get(below(vocabulary.len(), rng)?)?;
            let values = values_of(template, sequence);
            let foreign = Event {
                template,
                values,
                ..records.0.get(place)?.clone()
            };
            records.0.insert(place, foreign);
            place
        }
    };
    Some((records.back(sequence), place))
}

/// The values with which a template comes in this sequence, so that only its place is odd.
fn values_of(template: TemplateId, sequence: &EventSequence) -> Vec<Value> {
    let place = sequence.events.iter().position(|event| *event == template);
    place.map_or_else(Vec::new, |place| sequence.values.row(place).to_vec())
}

/// A number below `limit`; `None` for 0.
fn below(limit: usize, rng: &mut ChaCha12Rng) -> Option<usize> {
    (limit > 0).then(|| (rng.next_u64() % limit as u64) as usize)
}

/// A sequence, event by event.
struct Records(Vec<Event>);

#[derive(Clone)]
struct Event {
    template: TemplateId,
    time: Option<crate::core::record::Timestamp>,
    values: Vec<Value>,
}

impl Records {
    fn of(sequence: &EventSequence) -> Self {
        let event = |(place, template): (usize, &TemplateId)| Event {
            template: *template,
            time: sequence.times.get(place).copied(),
            values: sequence.values.row(place).to_vec(),
        };
        Self(sequence.events.iter().enumerate().map(event).collect())
    }

    /// A sequence that has times and values where `like` has them.
    fn back(self, like: &EventSequence) -> EventSequence {
        let mut values = ValueRows::default();
        if !like.values.is_empty() {
            self.0
                .iter()
                .for_each(|event| values.push(event.values.iter().copied()));
        }
        EventSequence {
            events: self.0.iter().map(|event| event.template).collect(),
            times: self.0.iter().filter_map(|event| event.time).collect(),
            values,
            begins: like.begins,
            ends: like.ends,
            quiet: like.quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::eval::dataset::by_frequency;
    use crate::core::record::Timestamp;
    use crate::core::train::Corpus;

    /// Each of a hundred sequences has its own lengths, so that none is another's fault.
    fn dataset() -> Dataset {
        let sequence = |number: u64| {
            let events = [1, 2, 3, 4, 5, 6, 7].into_iter();
            let events = events.chain(std::iter::repeat_n(8, number as usize + 1));
            let events: Vec<TemplateId> = events.map(TemplateId).collect();
            let mut values = ValueRows::default();
            events
                .iter()
                .for_each(|event| values.push([Value::name(event.0 as u32)]));
            EventSequence {
                times: (0..events.len() as u64)
                    .map(Timestamp::from_millis)
                    .collect(),
                values,
                ..EventSequence::whole(events)
            }
        };
        let sequences: Vec<EventSequence> = (0..10).map(sequence).collect();
        let corpus = Corpus {
            templates: by_frequency(&sequences, |_| "".into()),
            sequences,
            ..Corpus::default()
        };
        let mut samples: Vec<Sample> = (0..100)
            .map(|number| Sample::new(sequence(100 + 3 * number), Class::Normal))
            .collect();
        samples.push(Sample::new(sequence(1), Class::Abnormal));
        Dataset::of(Part::new(corpus, samples))
    }

    fn of_kind(dataset: &Dataset, kind: &str) -> Vec<EventSequence> {
        dataset
            .samples()
            .filter(|sample| sample.kind.as_deref() == Some(kind))
            .map(|sample| sample.sequence.clone())
            .collect()
    }

    fn counts(sequence: &EventSequence) -> BTreeMap<TemplateId, usize> {
        let mut counts = BTreeMap::new();
        sequence
            .events
            .iter()
            .for_each(|event| *counts.entry(*event).or_default() += 1);
        counts
    }

    #[test]
    fn a_half_stays_normal_and_the_other_gets_faults_of_every_kind() {
        let before = dataset();
        let mut dataset = dataset();
        inject(&mut dataset, 7);
        assert_eq!(dataset.count(Class::Normal), 50);
        for kind in KINDS {
            assert!(of_kind(&dataset, kind.name()).len() >= 12, "{kind:?}");
        }
        let untouched = dataset.samples().filter(|one| one.class == Class::Normal);
        let usual: Vec<_> = before.samples().map(|one| &one.sequence).collect();
        for sample in untouched {
            assert!(usual.contains(&&sample.sequence));
        }
        assert_eq!(dataset.parts[0].corpus, before.parts[0].corpus);
    }

    #[test]
    fn a_reordering_keeps_every_count_and_every_time() {
        let usual: Vec<_> = dataset()
            .samples()
            .map(|one| counts(&one.sequence))
            .collect();
        let mut dataset = dataset();
        inject(&mut dataset, 7);
        for reordered in of_kind(&dataset, "reorder") {
            assert!(usual.contains(&counts(&reordered)));
            assert!(reordered.times.is_sorted());
            let values = (0..reordered.events.len()).map(|place| reordered.values.row(place)[0]);
            let events = reordered.events.iter().map(|event| event.0 as u32);
            assert!(
                events.eq(values.map(|value| value.hash)),
                "values move along"
            );
        }
    }

    #[test]
    fn a_drop_is_one_less_and_a_repeat_and_a_foreign_event_are_one_more() {
        let lengths: Vec<_> = dataset()
            .samples()
            .map(|one| one.sequence.events.len())
            .collect();
        let mut dataset = dataset();
        inject(&mut dataset, 7);
        for (kind, by) in [("drop", 1), ("repeat", -1), ("foreign", -1)] {
            for changed in of_kind(&dataset, kind) {
                let was = changed.events.len().checked_add_signed(by).unwrap();
                assert!(lengths.contains(&was), "{kind}");
                assert_eq!(changed.times.len(), changed.events.len());
                assert_eq!(changed.values.len(), changed.events.len());
            }
        }
    }

    #[test]
    fn what_a_normal_sequence_does_is_no_fault() {
        // Dropping or repeating an event 8 of one gives another.
        let sequence = |eights: usize| EventSequence::whole(vec![TemplateId(8); eights]);
        let samples = (1..40).map(|eights| Sample::new(sequence(eights), Class::Normal));
        let corpus = Corpus {
            sequences: vec![sequence(40), sequence(0)],
            ..Corpus::default()
        };
        let mut dataset = Dataset::of(Part::new(corpus, samples.collect()));
        inject(&mut dataset, 1);
        assert_eq!(dataset.count(Class::Abnormal), 0);
    }

    #[test]
    fn one_seed_gives_one_set() {
        let events = |seed| {
            let mut dataset = dataset();
            inject(&mut dataset, seed);
            let all = dataset.samples().map(|one| one.sequence.events.clone());
            all.collect::<Vec<_>>()
        };
        assert_eq!(events(3), events(3));
        assert_ne!(events(3), events(4));
    }
}
