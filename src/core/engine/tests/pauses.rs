//! What is told of a sequence that came to rest before something was settled.

use super::*;
use crate::core::detect::{self, Alarm, Opinion, Why};
use crate::core::engine::explain::{self, tell};
use crate::core::engine::judge::Judge;
use crate::core::engine::values_of;
use crate::core::model::Key;
use crate::core::parse::{Limits, Miner};
use crate::core::sequence::{Journal, JournalLimits, KeyKind, Line, SequenceEvent, SequenceKey};

/// What is told of order 300 when something is found odd about it.
fn told(surprise: detect::Surprise) -> Anomaly {
    told_of_lines(6, surprise)
}

/// The same where only the latest so many of its six lines are known.
fn told_of_lines(known: usize, surprise: detect::Surprise) -> Anomaly {
    let mut miner = Miner::new(Limits::default());
    let mut judge = Judge::new(bundle(), 1, &miner).expect("the model can be used");
    let templates = judge.bundle().vocabulary().templates().to_vec();
    templates.iter().for_each(|one| miner.seed(&one.text));
    judge.follow(&miner);
    let mut journal = Journal::new(JournalLimits::default());
    let records = order(300, |_| {}).into_iter().enumerate();
    let events = records.map(|(at, record)| {
        let time = record.time.expect("has a time");
        let template = miner.parse(record.body.as_bytes(), time).id;
        let values: Vec<_> = values_of(record.body.as_bytes(), miner.params()).collect();
        let line = Line {
            text: record.body.into(),
            trace: (None, None),
            severity: Severity::Unspecified,
            sent_template: None,
        };
        SequenceEvent {
            template,
            time,
            number: journal.note(Some(line).filter(|_| at + known >= 6), &values),
        }
    });
    let events: Vec<SequenceEvent> = events.collect();
    let view = judge.view(events, true, (&miner, &journal));
    let opinions = vec![Opinion {
        voice: "rest_relations",
        p_value: 1e-4,
        surprise,
    }];
    let found = explain::Surprise {
        stream: &stream(),
        key: &SequenceKey::new(KeyKind::Body, "ord_1000300"),
        resource: &Arc::new(Resource::default()),
        len: 6,
        alarm: &Alarm {
            p_value: 1e-4,
            opinions,
        },
        view: &view,
        known: (&miner, &journal),
    };
    tell(&found, &mut judge)
}

/// The first two steps of an order came once and not at all, by some point of it.
fn unsettled() -> Why {
    Why::Relation {
        left: vec![Key(2)],
        right: vec![Key(3)],
        came: (1, 0),
        held: 200,
    }
}

#[test]
fn what_was_missing_by_a_pause_is_not_blamed_on_the_record_after_it() {
    let told = told(detect::Surprise {
        score: 9.0,
        position: 2,
        why: Why::AtRest {
            before: 2,
            quiet: Duration::from_secs(34),
            why: Box::new(unsettled()),
        },
    });
    let explanation = &told.explanation;
    assert_eq!(
        explanation.observed,
        Observed::Measure("nothing for 34 s".into())
    );
    assert!(
        explanation.reason.starts_with("before a pause of 34 s, "),
        "{}",
        explanation.reason
    );
    let lines: Vec<&str> = explanation.context.iter().map(|line| &*line.text).collect();
    assert_eq!(
        lines,
        [
            "INFO received ord_1000300",
            "INFO stock reserved for ord_1000300"
        ]
    );
    assert_eq!(told.last_seen, explanation.context[1].time);
    let missing = told.template.expect("what is missing is named");
    assert!(missing.text.contains("stock reserved"), "{}", missing.text);
}

#[test]
fn a_record_that_was_not_followed_by_a_pause_is_still_the_one_to_look_at() {
    let told = told(detect::Surprise {
        score: 9.0,
        position: 1,
        why: Why::AtRest {
            before: 4,
            quiet: Duration::from_secs(34),
            why: Box::new(Why::NotAfter {
                key: Key(3),
                missing: Key(4),
                held: 200,
            }),
        },
    });
    let blamed = Observed::Record("INFO stock reserved for ord_1000300".into());
    assert_eq!(told.explanation.observed, blamed);
    assert_eq!(told.kind, AnomalyKind::Missing);
}

#[test]
fn a_thing_is_named_although_the_line_that_named_it_first_is_forgotten() {
    let told = told_of_lines(
        2,
        detect::Surprise {
            score: 9.0,
            position: 6,
            why: Why::Part {
                named_at: (0, 0),
                why: Box::new(unsettled()),
            },
        },
    );
    let reason = &told.explanation.reason;
    assert!(reason.starts_with("for ord_1000300, "), "{reason}");
}
