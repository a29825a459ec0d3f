//! What an anomaly promises, and when there is none.

use super::*;
use crate::core::engine::Alarms;
use crate::core::event::{ContextLine, Explanation};

fn replay(change: impl FnOnce(&mut Settings)) -> Shard {
    let mut settings = Settings {
        pace: Pace::Replay,
        ..settings()
    };
    change(&mut settings);
    active_shard(settings)
}

fn found(shard: &mut Shard, records: &[Record<'static>]) -> Vec<Arc<Anomaly>> {
    shard.push(batch(records), Timestamp::ZERO);
    shard.finish(Timestamp::ZERO);
    anomalies(shard.take_outputs())
}

/// Sixty orders, each broken at another place in one of four ways.
fn broken() -> Vec<Record<'static>> {
    let orders = (300..360u64).flat_map(|number| {
        order(number, |lines| {
            let place = 1 + number as usize % 4;
            match number / 4 % 4 {
                0 => lines.swap(place, place + 1),
                1 => drop(lines.remove(place)),
                2 => lines.insert(place, lines[(place + 3) % 6].clone()),
                _ => lines[place] = lines[(place + 2) % 6].clone(),
            }
        })
    });
    in_order(orders.collect())
}

/// The line of order `number` that looks like this template.
fn line_like(template: &str, number: &str) -> String {
    let words: Vec<&str> = template
        .split(' ')
        .filter(|word| !word.contains('<'))
        .collect();
    let is_it = |step: &&&str| {
        words
            .iter()
            .all(|word| step.split(' ').any(|one| one == *word))
    };
    let step = STEPS.iter().find(is_it).expect("is a step of an order");
    step.replace('%', number)
}

#[test]
fn with_the_expected_record_in_the_place_of_the_blamed_one_the_anomaly_is_gone() {
    let records = broken();
    let told = found(&mut replay(|_| {}), &records);
    let of_order = told.iter().filter(|one| one.kind == AnomalyKind::Sequence);
    let (mut all, mut gone) = (0, 0);
    for anomaly in of_order {
        let Observed::Record(blamed) = &anomaly.explanation.observed else {
            continue;
        };
        let id = anomaly.sequence.trim_start_matches("ord_");
        let mut sequence: Vec<Record<'static>> = records
            .iter()
            .filter(|record| record.body.contains(anomaly.sequence.as_ref()))
            .filter(|record| record.time <= Some(anomaly.first_seen))
            .cloned()
            .collect();
        let last = sequence.last_mut().expect("the blamed record");
        assert_eq!(last.body, blamed.as_ref());
        match &anomaly.explanation.expected[0].template {
            Some(template) => last.body = line_like(&template.text, id).leak(),
            None => drop(sequence.pop()),
        }
        all += 1;
        // What comes after it is cut off, so the end says nothing.
        gone += usize::from(found(&mut replay(|_| {}), &sequence).is_empty());
    }
    assert!(all >= 30, "only {all} anomalies of order in {}", told.len());
    assert!(gone * 100 >= all * 95, "{gone} of {all}");
}

#[test]
fn an_anomaly_says_why_in_words_and_who_agrees() {
    let told = judge(mixed());
    for anomaly in &told {
        let explanation = &anomaly.explanation;
        let opinions = &explanation.opinions;
        assert_eq!(explanation.reason, opinions[0].says);
        let names: Vec<&str> = opinions.iter().map(|one| one.detector).collect();
        assert!(anomaly.detectors.starts_with(&names));
        assert!((1..=Explanation::OPINIONS_MAX).contains(&names.len()));
        assert!(!explanation.reason.is_empty() && explanation.reason.len() < 600);
        let Some(ContextLine { text, .. }) = explanation.context.last() else {
            panic!("no lines around it");
        };
        match &explanation.observed {
            Observed::Record(observed) => assert_eq!(observed, text),
            Observed::End | Observed::Measure(_) => {}
        }
    }
    let refused = told.iter().find(|one| one.kind == AnomalyKind::NewTemplate);
    let reason = &refused.expect("a card was refused").explanation.reason;
    assert!(
        reason.contains("never came in the 200 sequences"),
        "{reason}"
    );
    assert!(reason.contains("payment of"), "what comes there: {reason}");
}

#[test]
fn a_day_has_no_more_alerts_than_asked_for_and_the_others_are_counted() {
    let mut shard = replay(|settings| settings.alarms = Alarms::PerDay(3.0));
    let records = broken();
    let all = found(&mut replay(|_| {}), &records).len();
    let told = found(&mut shard, &records).len();
    assert_eq!(told, 3);
    let status = &shard.status()[0];
    assert_eq!((status.anomalies, status.withheld), (3, all as u64 - 3));
}

/// Normal orders, and some that stop in the middle because nothing arrives for ten minutes.
fn torn() -> Vec<Record<'static>> {
    let before = normal(300..340);
    let until = before[before.len() - 1].time.expect("has a time");
    let cut = (336..342).flat_map(|number| order(number + 100, |lines| lines.truncate(3)));
    let cut = cut.map(|record| Record {
        time: record.time.map(|time| time.minus(Duration::from_secs(100))),
        ..record
    });
    let cut = cut.filter(|record| record.time <= Some(until));
    in_order(before.iter().cloned().chain(cut).collect())
}

#[test]
fn what_a_gap_of_the_ingest_cut_off_is_not_told_as_incomplete() {
    let told = found(
        &mut replay(|_| {}),
        &[torn(), normal(1_000..1_040)].concat(),
    );
    assert!(told.is_empty(), "{told:?}");
    // The same orders are told where the stream goes on.
    let told = found(&mut replay(|_| {}), &[torn(), normal(341..360)].concat());
    assert!(!told.is_empty());
}

#[test]
fn what_is_let_go_for_lack_of_room_is_not_told_as_incomplete() {
    let mut shard = replay(|settings| settings.open_max = 2);
    // Many orders at once, so that each is let go before its end.
    let records = (300..340).flat_map(|number| order(number, |lines| lines.truncate(3)));
    let at_once: Vec<Record<'static>> = records
        .map(|record| Record {
            time: Some(Timestamp::from_millis(1_300_001)),
            ..record
        })
        .collect();
    let told = found(&mut shard, &at_once);
    let told: Vec<&str> = told.iter().map(|one| &*one.explanation.reason).collect();
    assert!(told.is_empty(), "{told:?}");
    assert!(shard.status()[0].evicted > 30);
}
