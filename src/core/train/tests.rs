//! What training promises.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::core::detect::{Detector, EventSequence, Opinion};
use crate::core::event::TemplateRef;
use crate::core::record::TemplateId;

/// Jobs of one shape: start, one to three rounds of work and answer, stop.
fn corpus() -> Corpus {
    let sequence = |rounds: usize| {
        let mut events = vec![1];
        (0..rounds).for_each(|_| events.extend([2, 3]));
        events.push(4);
        EventSequence::whole(events.into_iter().map(TemplateId).collect())
    };
    let template = |id| TemplateRef {
        id: TemplateId(id),
        text: format!("template {id}").into(),
    };
    Corpus {
        masks_version: 1,
        templates: (1..=4).map(template).collect(),
        sequences: (0..60).map(|index| sequence(1 + index % 3)).collect(),
        idle_timeout: None,
    }
}

fn settings() -> TrainSettings {
    TrainSettings {
        epochs_max: 20,
        ..TrainSettings::default()
    }
}

fn trained(corpus: &Corpus, settings: &TrainSettings) -> Result<Bundle, TrainError> {
    train(corpus, settings, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn one_corpus_and_one_seed_give_one_bundle_to_the_byte() {
    let bytes = |seed| {
        let settings = TrainSettings { seed, ..settings() };
        trained(&corpus(), &settings).unwrap().to_bytes().unwrap()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn what_never_happened_in_training_is_abnormal_and_what_did_is_not() {
    let bundle = trained(&corpus(), &settings()).unwrap();
    let mut detector = Detector::new(Arc::new(bundle)).unwrap();
    let mut judged = |events: &[u64]| {
        let events = events.iter().copied().map(TemplateId).collect();
        let judged = detector.judge(&EventSequence::whole(events)).unwrap();
        assert_eq!(judged.is_alarm, judged.first_alarm.is_some());
        judged
    };
    assert_eq!(judged(&[1, 2, 3, 4]).first_alarm, None);
    assert_eq!(judged(&[1, 2, 3, 2, 3, 2, 3, 4]).first_alarm, None);
    assert_eq!(judged(&[1, 3, 2, 4]).first_alarm, Some(1));
    assert_eq!(judged(&[1, 2]).first_alarm, Some(2), "it ended too soon");
    let new = judged(&[1, 9, 2, 3, 4]);
    assert_eq!(new.first_alarm, Some(1));
    let unseen = |opinion: &Opinion| opinion.voice == "unseen" && opinion.surprise.position == 1;
    assert!(new.opinions.iter().any(unseen), "{:?}", new.opinions);
}

#[test]
fn the_manifest_tells_what_was_trained_on_and_how_well() {
    let corpus = Corpus {
        idle_timeout: Some(Duration::from_secs(20)),
        ..corpus()
    };
    let bundle = trained(&corpus, &settings()).unwrap();
    let manifest = bundle.manifest();
    assert_eq!(manifest.data_sha256, corpus.sha256());
    assert_eq!(
        manifest.trained_on,
        TrainedOn {
            sequences: 60,
            records: 360,
            ended: 60,
            idle_timeout_ms: Some(20_000),
        }
    );
    assert_eq!((manifest.seed, manifest.masks_version), (1, 1));
    assert_eq!(manifest.calibration.sequences, 60, "each is held out once");
    assert!(manifest.scores.alarm_rate <= manifest.calibration.alarm_rate);
    assert!(
        manifest.scores.validation_loss < 0.6,
        "{}",
        manifest.scores.validation_loss
    );
}

#[test]
fn training_stops_when_told_and_says_how_far_it_is() {
    let mut seen = Vec::new();
    let error = train(&corpus(), &settings(), &mut |progress| {
        seen.push(progress.epoch);
        if progress.epoch == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(error, Err(TrainError::Cancelled)));
    assert_eq!(seen, [1, 2]);
}

#[test]
fn a_loss_that_is_no_number_stops_training_on_windows() {
    let settings = TrainSettings {
        learning_rate: f64::NAN,
        ..settings()
    };
    let go_on = &mut |_| ControlFlow::Continue(());
    assert!(matches!(
        train_windows(&corpus(), &settings, go_on),
        Err(TrainError::Diverged { epoch: 1 })
    ));
}

#[test]
fn too_little_is_refused_with_what_would_do() {
    let mut corpus = corpus();
    corpus.sequences.truncate(9);
    let error = trained(&corpus, &settings()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot train on 9 sequences, at least 10 are needed"
    );
}

#[test]
fn a_log_without_beginning_or_end_is_cut_into_segments() {
    let events: Vec<TemplateId> = (0..15_000).map(|index| TemplateId(1 + index % 4)).collect();
    let sequences = vec![EventSequence {
        events,
        begins: false,
        ends: false,
        ..EventSequence::default()
    }];
    let corpus = Corpus {
        sequences,
        idle_timeout: None,
        ..corpus()
    };
    let bundle = trained(&corpus, &settings()).unwrap();
    assert_eq!(bundle.manifest().calibration.sequences, 15);
    assert_eq!(bundle.manifest().trained_on.ended, 0);
}

#[test]
fn few_sequences_tell_only_large_shares_unless_another_is_asked_for() {
    let settings = TrainSettings::default();
    assert_eq!(settings.alarm_rate_of(10_000), TrainSettings::ALARM_RATE);
    assert_eq!(settings.alarm_rate_of(49), 0.01);
    let asked = TrainSettings {
        alarm_rate: Some(0.001),
        ..settings
    };
    assert_eq!(asked.alarm_rate_of(49), 0.001);
}
