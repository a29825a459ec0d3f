//! DeepLog's rule as published, whole sequences and record by record.

use std::sync::Arc;

use candle_core::Device;
use proptest::prelude::*;

use super::*;
use crate::core::event::{AnomalyKind, TemplateRef};
use crate::core::model::network_tests::weights;
use crate::core::model::{Bundle, Calibration, Key, Manifest, Network, Vocabulary, WINDOW_LEN};
use crate::core::record::TemplateId;

/// An untrained model of five templates, 0 to 4, with a rule that alarms now and then.
fn bundle() -> Arc<Bundle> {
    let template = |id| TemplateRef {
        id: TemplateId(id),
        text: format!("template {id}").into(),
    };
    let templates: Vec<TemplateRef> = (0..5).map(template).collect();
    let manifest = Manifest {
        calibration: Calibration {
            alarm_rate: 0.5,
            top_g: 5,
            sequences: 3,
            worst: vec![2.5, 2.0, 1.5],
        },
        ..Manifest::of_templates(&templates)
    };
    let network = Network::new(weights(7), &Device::Cpu).unwrap();
    Arc::new(Bundle::new(manifest, &network, &[]).unwrap())
}

fn ids(ids: &[u64]) -> Vec<TemplateId> {
    ids.iter().copied().map(TemplateId).collect()
}

/// Record by record, as a shard does it: the first abnormal event.
fn streamed(scorer: &mut NextEvent, sequence: &EventSequence) -> Option<Finding> {
    let bundle = Arc::clone(scorer.bundle());
    let mut trail = Trail::new(sequence.begins);
    let mut judge = |question: Option<Question>| match question {
        Some(question) => scorer.judge(&[question]).unwrap()[0].miss,
        None => false,
    };
    for (position, event) in sequence.events.iter().enumerate() {
        match bundle.vocabulary().key_of(*event) {
            None => {
                return Some(Finding {
                    position,
                    kind: AnomalyKind::NewTemplate,
                });
            }
            Some(key) if judge(trail.step(key)) => {
                return Some(Finding {
                    position,
                    kind: AnomalyKind::Sequence,
                });
            }
            Some(_) => {}
        }
    }
    let at_end = Finding {
        position: sequence.events.len(),
        kind: AnomalyKind::Sequence,
    };
    (sequence.ends && judge(trail.end())).then_some(at_end)
}

proptest! {
    #[test]
    fn deeplog_judges_a_sequence_alike_whole_and_record_by_record(
        events in prop::collection::vec(0u64..6, 0..40),
        begins: bool,
        ends: bool,
    ) {
        let sequence = EventSequence { events: ids(&events), begins, ends, ..EventSequence::default() };
        let mut scorer = NextEvent::new(bundle());
        let whole = judge_sequence(&mut scorer, &sequence).unwrap();
        prop_assert_eq!(whole.first, streamed(&mut scorer, &sequence));
        prop_assert_eq!(whole.first, streamed(&mut NextEvent::new(bundle()), &sequence));
    }
}

#[test]
fn a_short_sequence_is_judged_from_its_first_record_to_its_end_where_both_are_known() {
    let vocabulary = Vocabulary::new(bundle().vocabulary().templates().to_vec());
    let judged = |begins, ends| {
        let sequence = EventSequence {
            events: ids(&[0, 1, 2]),
            begins,
            ends,
            ..EventSequence::default()
        };
        sequence.questions(&vocabulary).asked.len()
    };
    assert_eq!(judged(true, true), 4);
    assert_eq!(judged(true, false), 3);
    assert_eq!(judged(false, true), 0);
}

#[test]
fn a_sequence_joined_midway_is_judged_once_a_window_is_full() {
    let mut trail = Trail::from_midway();
    for _ in 0..WINDOW_LEN {
        assert_eq!(trail.step(Key(2)), None);
    }
    let expected = Question {
        window: [Key(2); WINDOW_LEN],
        came: Key(3),
    };
    assert_eq!(trail.step(Key(3)), Some(expected));
}

#[test]
fn a_new_template_is_told_and_leaves_the_window_as_it_was() {
    let bundle = bundle();
    let with = EventSequence::whole(ids(&[0, 99, 1])).questions(bundle.vocabulary());
    let without = EventSequence::whole(ids(&[0, 1])).questions(bundle.vocabulary());
    assert_eq!(with.new_templates, [1]);
    let asked = |questions: &Questions| -> Vec<Question> {
        questions
            .asked
            .iter()
            .map(|(_, question)| *question)
            .collect()
    };
    assert_eq!(asked(&with), asked(&without));
}
