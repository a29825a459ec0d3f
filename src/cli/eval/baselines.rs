//! Detectors so simple that a model must beat them to be worth its cost.

use std::collections::BTreeSet;

use super::dataset::Part;
use super::nearest::Nearest;
use super::scored::Scored;
use crate::core::detect::EventSequence;
use crate::core::record::TemplateId;

/// The share of training sequences, each compared with all others, that the count detector's
/// threshold lets pass.
const QUIET_SHARE: f64 = 0.9995;

/// All of them: an unseen template, the length, the counts of templates, and any of the three.
pub(super) fn baselines(part: &Part) -> Vec<Scored> {
    let unseen = unseen_template(part);
    let length = length(part);
    let counts = count_vector(part);
    let any = any_of(&unseen, &length, &counts);
    vec![unseen, length, counts, any]
}

/// Abnormal is what has a template that no training sequence has.
fn unseen_template(part: &Part) -> Scored {
    let seen: BTreeSet<TemplateId> = part
        .corpus
        .templates
        .iter()
        .map(|template| template.id)
        .collect();
    let has_unseen = |sequence: &EventSequence| {
        let unseen = sequence.events.iter().any(|event| !seen.contains(event));
        f64::from(u8::from(unseen))
    };
    let scores = sequences(part).map(has_unseen).collect();
    Scored::above("unseen_template", scores, 0.5)
}

/// Abnormal is what is shorter or longer than every training sequence; the score is by which
/// factor.
fn length(part: &Part) -> Scored {
    let lengths = || part.corpus.sequences.iter().map(|one| one.events.len());
    let (least, most) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let factor = |sequence: &EventSequence| {
        let length = sequence.events.len().max(1) as f64;
        (length / most.max(1) as f64).max(least as f64 / length)
    };
    Scored::above("length_range", sequences(part).map(factor).collect(), 1.0)
}

/// Abnormal is what is far from every training sequence in how often each template occurs.
fn count_vector(part: &Part) -> Scored {
    let nearest = Nearest::new(&part.corpus.sequences);
    let limit = nearest.leave_one_out_quantile(QUIET_SHARE);
    let scores = nearest.distances(sequences(part));
    Scored::above("count_vector", scores, limit)
}

/// Abnormal is what any of the three calls so. Of these, what has an unseen template or an unseen
/// length comes before what has only odd counts.
fn any_of(unseen: &Scored, length: &Scored, counts: &Scored) -> Scored {
    let all = unseen.alarms.iter().zip(&length.alarms);
    let all = all.zip(counts.alarms.iter().zip(&counts.scores));
    let loudness = |alarm: bool| f64::from(u8::from(alarm));
    let (scores, alarms) = all
        .map(|((unseen, length), (count, distance))| {
            let score = 2.0 * loudness(*unseen) + loudness(*length) + distance;
            (score, *unseen || *length || *count)
        })
        .unzip();
    Scored {
        detector: "event_length_count",
        scores,
        alarms,
        ..Scored::default()
    }
}

fn sequences(part: &Part) -> impl Iterator<Item = &EventSequence> {
    part.samples.iter().map(|sample| &sample.sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::{Class, Sample, by_frequency};
    use crate::core::train::Corpus;

    fn sequence(events: &[u64]) -> EventSequence {
        EventSequence::whole(events.iter().copied().map(TemplateId).collect())
    }

    /// A thousand sequences of two shapes, and those to score.
    fn part(scored: &[&[u64]]) -> Part {
        let shapes = [sequence(&[1, 2, 3]), sequence(&[1, 2, 2, 3])];
        let sequences: Vec<_> = shapes.iter().cycle().take(1_000).cloned().collect();
        let templates = by_frequency(&sequences, |_| "".into());
        let sample = |events: &&[u64]| Sample::new(sequence(events), Class::Normal);
        let corpus = Corpus {
            masks_version: 0,
            templates,
            sequences,
            idle_timeout: None,
        };
        Part::new(corpus, scored.iter().map(sample).collect())
    }

    #[test]
    fn counts_are_compared_whatever_their_order() {
        let part = part(&[&[3, 2, 1], &[1, 2, 2, 2, 3], &[1, 2, 3, 9]]);
        let scored = count_vector(&part);
        assert_eq!(scored.alarms, [false, true, true]);
        assert!(
            scored.scores[2] > scored.scores[1],
            "a template never seen weighs most"
        );
    }

    #[test]
    fn a_template_that_training_lacks_is_unseen() {
        assert_eq!(
            unseen_template(&part(&[&[3, 1], &[1, 9]])).alarms,
            [false, true]
        );
    }

    #[test]
    fn shorter_and_longer_than_all_of_training_is_a_length() {
        let part = part(&[&[1, 3], &[1, 2, 3], &[1, 1, 1, 1], &[1, 2, 2, 2, 3]]);
        assert_eq!(length(&part).alarms, [true, false, false, true]);
    }

    #[test]
    fn any_of_the_three_is_enough() {
        let part = part(&[&[1, 2, 3], &[1, 3], &[1, 2, 9], &[1, 1, 1]]);
        let all = baselines(&part);
        let any = all.last().unwrap();
        assert_eq!(any.detector, "event_length_count");
        assert_eq!(any.alarms, [false, true, true, true]);
        assert!(any.scores[2] > any.scores[0]);
    }
}
