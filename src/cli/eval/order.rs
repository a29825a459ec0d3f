//! The order model: DeepLog as published, and knothole's rule.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use super::dataset::Dataset;
use super::metrics::{Scored, Threshold, f1};
use crate::core::detect::{EventSequence, NextEvent, Verdict, judge_sequence};
use crate::core::model::{Bundle, WINDOW_LEN};
use crate::core::train::{Corpus, Progress, TrainSettings, train};

/// The g of the paper.
const TOP_G_PUBLISHED: u32 = 9;

/// DeepLog: full windows only, neither begin nor end. Three rows: with short sequences always
/// abnormal, as public code has it by accident of its padding (its label for them is −1, which no
/// model predicts); with short sequences never abnormal; and with the g best on the test.
pub(super) fn deeplog(dataset: &Dataset, settings: &TrainSettings) -> anyhow::Result<Vec<Scored>> {
    let full_windows = |sequence: &EventSequence| EventSequence {
        begins: false,
        ends: false,
        ..sequence.clone()
    };
    let corpus = &dataset.corpus;
    let sequences = corpus.sequences.iter().map(full_windows).collect();
    let corpus = Corpus {
        sequences,
        ..corpus.clone()
    };
    let mut scorer = scorer(&corpus, settings, "DeepLog")?;
    let mut strict = Vec::with_capacity(dataset.samples.len());
    let mut padded = Vec::with_capacity(dataset.samples.len());
    for sample in &dataset.samples {
        let verdict = judge_sequence(&mut scorer, &full_windows(&sample.sequence))?;
        let is_short = sample.sequence.events.len() <= WINDOW_LEN;
        let worst = if is_short { 0.0 } else { worst_rank(&verdict) };
        strict.push(worst);
        padded.push(if is_short { f64::INFINITY } else { worst });
    }
    let published = f64::from(TOP_G_PUBLISHED);
    let best = best_threshold(&padded, dataset);
    Ok(vec![
        above(
            "deeplog_padded",
            Threshold::LabelFree,
            padded.clone(),
            published,
        ),
        above("deeplog_strict", Threshold::LabelFree, strict, published),
        above("deeplog_best_g", Threshold::Best, padded, best),
    ])
}

/// knothole's order detector as the daemon runs it.
pub(super) fn knothole(dataset: &Dataset, settings: &TrainSettings) -> anyhow::Result<Scored> {
    let mut scorer = scorer(&dataset.corpus, settings, "knothole")?;
    let mut scored = Scored {
        detector: "knothole",
        threshold: Threshold::LabelFree,
        scores: Vec::with_capacity(dataset.samples.len()),
        alarms: Vec::with_capacity(dataset.samples.len()),
    };
    for sample in &dataset.samples {
        let verdict = judge_sequence(&mut scorer, &sample.sequence)?;
        let surprise = f64::from(verdict.surprise);
        scored.scores.push(if verdict.new_templates > 0 {
            f64::INFINITY
        } else {
            surprise
        });
        scored.alarms.push(verdict.is_abnormal());
    }
    Ok(scored)
}

fn scorer(corpus: &Corpus, settings: &TrainSettings, name: &str) -> anyhow::Result<NextEvent> {
    let bundle = train_with_bar(corpus, settings, name)?;
    Ok(NextEvent::new(Arc::new(bundle)))
}

/// On a terminal a bar shows how far training is; elsewhere nothing is printed.
fn train_with_bar(corpus: &Corpus, settings: &TrainSettings, name: &str) -> anyhow::Result<Bundle> {
    let bar = if std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("training {prefix} {wide_bar} {pos}/{len} {msg}")?;
        ProgressBar::new(settings.epochs_max as u64)
            .with_style(style)
            .with_prefix(name.to_owned())
    } else {
        ProgressBar::hidden()
    };
    let show = &mut |progress: Progress| {
        bar.set_position(progress.epoch as u64);
        bar.set_message(format!("loss {:.3}", progress.validation_loss));
        ControlFlow::Continue(())
    };
    let bundle = train(corpus, settings, show)?;
    bar.finish_and_clear();
    Ok(bundle)
}

fn worst_rank(verdict: &Verdict) -> f64 {
    if verdict.new_templates > 0 {
        f64::INFINITY
    } else {
        f64::from(verdict.rank)
    }
}

/// The threshold among the scores above which alarms have the best F1 on the test.
fn best_threshold(scores: &[f64], dataset: &Dataset) -> f64 {
    let mut candidates: Vec<f64> = scores.to_vec();
    candidates.sort_by(f64::total_cmp);
    candidates.dedup();
    let f1_above = |threshold: f64| {
        let alarms: Vec<bool> = scores.iter().map(|score| *score > threshold).collect();
        f1(&alarms, dataset)
    };
    let rated = candidates
        .into_iter()
        .map(|threshold| (f1_above(threshold), threshold));
    rated
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0.0, |(_, threshold)| threshold)
}

/// Alarms on every score above `limit`.
pub(super) fn above(
    detector: &'static str,
    threshold: Threshold,
    scores: Vec<f64>,
    limit: f64,
) -> Scored {
    let alarms = scores.iter().map(|score| *score > limit).collect();
    Scored {
        detector,
        threshold,
        scores,
        alarms,
    }
}
