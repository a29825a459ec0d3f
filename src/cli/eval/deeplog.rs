//! DeepLog's order model as published.

use std::sync::Arc;

use super::dataset::{Dataset, Part};
use super::metrics::ranked;
use super::ranking;
use super::scored::{Scored, Threshold};
use super::training::train_with_bar;
use crate::core::detect::{EventSequence, NextEvent, Verdict, judge_sequence};
use crate::core::model::WINDOW_LEN;
use crate::core::train::{Corpus, TrainSettings, train_windows};

/// The g of the paper.
const TOP_G_PUBLISHED: u32 = 9;
/// The row that [`best_g`] makes another of.
const PADDED: &str = "deeplog_padded";

/// Full windows only, neither begin nor end. Two rows: with short sequences always abnormal, as
/// public code has it by accident of its padding (its label for them is −1, which no model
/// predicts), and with short sequences never abnormal.
///
/// # Errors
/// When the model cannot be trained or cannot compute.
pub(super) fn deeplog(part: &Part, settings: &TrainSettings) -> anyhow::Result<Vec<Scored>> {
    let corpus = Corpus {
        sequences: part.corpus.sequences.iter().map(full_windows).collect(),
        ..part.corpus.clone()
    };
    let bundle = train_with_bar(
        train_windows,
        &corpus,
        settings,
        &format!("DeepLog {}", part.name),
    )?;
    let mut scorer = NextEvent::new(Arc::new(bundle));
    let mut strict = Vec::with_capacity(part.samples.len());
    let mut padded = Vec::with_capacity(part.samples.len());
    for sample in &part.samples {
        let verdict = judge_sequence(&mut scorer, &full_windows(&sample.sequence))?;
        let is_short = sample.sequence.events.len() <= WINDOW_LEN;
        let worst = if is_short { 0.0 } else { worst_rank(&verdict) };
        strict.push(worst);
        padded.push(if is_short { f64::INFINITY } else { worst });
    }
    let published = f64::from(TOP_G_PUBLISHED);
    Ok(vec![
        Scored::above(PADDED, padded, published),
        Scored::above("deeplog_strict", strict, published),
    ])
}

/// The padded row with the g that is best on the test: what no one can know beforehand.
pub(super) fn best_g(scored: &[Scored], dataset: &Dataset) -> Option<Scored> {
    let padded = scored.iter().find(|one| one.detector == PADDED)?;
    let points = ranking::sweep(&ranked(padded, dataset), dataset.weights);
    let best = ranking::best(&points)?.threshold;
    Some(Scored {
        detector: "deeplog_best_g",
        threshold: Threshold::Best,
        alarms: padded.scores.iter().map(|score| *score >= best).collect(),
        ..padded.clone()
    })
}

fn full_windows(sequence: &EventSequence) -> EventSequence {
    EventSequence {
        events: sequence.events.clone(),
        ..EventSequence::default()
    }
}

fn worst_rank(verdict: &Verdict) -> f64 {
    if verdict.new_templates > 0 {
        f64::INFINITY
    } else {
        f64::from(verdict.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::{Class, Sample};

    #[test]
    fn the_best_g_is_chosen_on_the_labels_and_says_so() {
        let sample = |class| Sample {
            class,
            ..Sample::default()
        };
        let samples = vec![sample(Class::Normal), sample(Class::Abnormal)];
        let dataset = Dataset::of(Part::new(Corpus::default(), samples));
        let padded = Scored::above(PADDED, vec![12.0, 13.0], 9.0);
        assert_eq!(padded.alarms, [true, true]);
        let best = best_g(&[padded], &dataset).unwrap();
        assert_eq!(best.alarms, [false, true]);
        assert_eq!(best.threshold, Threshold::Best);
    }
}
