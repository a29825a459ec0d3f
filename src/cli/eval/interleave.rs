//! Sequences woven into each other, as a process writes that handles many requests at a time and names
//! none of them.

use super::dataset::{Class, Dataset, Sample, Weights};
use crate::core::detect::{EventSequence, ValueRows};
use crate::core::record::{TemplateId, Timestamp, Value};

/// Weaves the sequences of each part, `at_once` at a time, those that begin next to each other
/// together. What comes of it has neither beginning nor end, and is abnormal if one of them is.
pub(super) fn interleave(dataset: &mut Dataset, at_once: usize) {
    // A woven sequence stands for itself alone.
    dataset.weights = Weights::EVEN;
    for part in &mut dataset.parts {
        let mut sequences: Vec<&EventSequence> = part.corpus.sequences.iter().collect();
        sequences.sort_by_key(|sequence| sequence.times.first().copied());
        part.corpus.sequences = sequences.chunks(at_once).map(woven).collect();
        part.samples.sort_by_key(Sample::begun);
        part.samples = part.samples.chunks(at_once).map(woven_sample).collect();
    }
}

fn woven_sample(samples: &[Sample]) -> Sample {
    let sequences: Vec<&EventSequence> = samples.iter().map(|sample| &sample.sequence).collect();
    let of = |class: Class| samples.iter().find(|sample| sample.class == class);
    // The worst of them says what all are.
    let worst = of(Class::Abnormal).or_else(|| of(Class::Ambiguous));
    Sample {
        sequence: woven(&sequences),
        ..worst.or(samples.first()).cloned().unwrap_or_default()
    }
}

/// All records in the order of their times; without times one of each sequence in turn.
fn woven(sequences: &[&EventSequence]) -> EventSequence {
    let has_times = sequences.iter().all(|sequence| !sequence.times.is_empty());
    let mut records: Vec<(Option<Timestamp>, usize, TemplateId, &[Value])> = Vec::new();
    for sequence in sequences {
        for (index, event) in sequence.events.iter().enumerate() {
            let time = sequence.times.get(index).copied().filter(|_| has_times);
            // Where times are known they alone rule, and the sort is stable.
            let turn = if time.is_some() { 0 } else { index };
            records.push((time, turn, *event, sequence.values.row(index)));
        }
    }
    records.sort_by_key(|(time, turn, ..)| (*time, *turn));
    let has_values = sequences.iter().any(|sequence| !sequence.values.is_empty());
    let mut values = ValueRows::default();
    for (.., row) in records.iter().filter(|_| has_values) {
        values.push(row.iter().copied());
    }
    EventSequence {
        events: records.iter().map(|(_, _, event, _)| *event).collect(),
        times: records.iter().filter_map(|(time, ..)| *time).collect(),
        values,
        ..EventSequence::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::Part;
    use crate::core::train::Corpus;

    fn sequence(events: &[u64], times_s: &[u64]) -> EventSequence {
        let times = times_s.iter();
        EventSequence {
            times: times.map(|s| Timestamp::from_millis(s * 1_000)).collect(),
            ..EventSequence::whole(events.iter().copied().map(TemplateId).collect())
        }
    }

    fn events(sequence: &EventSequence) -> Vec<u64> {
        sequence.events.iter().map(|event| event.0).collect()
    }

    #[test]
    fn records_of_several_sequences_come_in_the_order_of_their_times() {
        let (one, other) = (sequence(&[1, 2, 3], &[0, 5, 9]), sequence(&[4, 5], &[1, 6]));
        let woven = woven(&[&one, &other]);
        assert_eq!(events(&woven), [1, 4, 2, 5, 3]);
        assert!(woven.times.is_sorted() && !woven.begins && !woven.ends);
    }

    #[test]
    fn without_times_they_take_turns() {
        let (one, other) = (sequence(&[1, 2, 3], &[]), sequence(&[4, 5], &[]));
        assert_eq!(events(&woven(&[&one, &other])), [1, 4, 2, 5, 3]);
    }

    #[test]
    fn what_holds_a_fault_is_abnormal_and_neighbours_in_time_are_woven() {
        let sample = |second, class| Sample::new(sequence(&[second], &[second]), class);
        let mut dataset = Dataset::of(Part::new(
            Corpus::default(),
            vec![
                sample(3, Class::Normal),
                sample(1, Class::Normal),
                sample(4, Class::Abnormal),
                sample(2, Class::Normal),
            ],
        ));
        interleave(&mut dataset, 2);
        let found = dataset
            .samples()
            .map(|one| (events(&one.sequence), one.class));
        let expected = [(vec![1, 2], Class::Normal), (vec![3, 4], Class::Abnormal)];
        assert!(found.eq(expected));
    }
}
