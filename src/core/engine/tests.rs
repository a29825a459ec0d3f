//! What a user would notice of a shard, on a small made-up service.

mod identity;
mod pauses;
mod processes;
mod promises;
mod reloads;
mod restarts;
mod trails;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Output, Pace, Room, Saved, Settings, Shard, Snapshot, State, Templates};
use crate::core::event::{Anomaly, AnomalyKind, Observed};
use crate::core::model::Bundle;
use crate::core::record::{Batch, Record, Resource, Severity, StreamKey, Timestamp};
use crate::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use crate::core::train::{TrainSettings, train};

fn settings() -> Settings {
    let keys = KeyFinder::new(DEFAULT_BODY_IDS).expect("the default patterns compile");
    Settings {
        idle_timeout: Duration::from_secs(5),
        ..Settings::new(keys)
    }
}

fn stream() -> StreamKey {
    StreamKey::named("orders")
}

/// The lines of one order; each order is handled the same way.
const STEPS: [&str; 6] = [
    "INFO received ord_%",
    "INFO stock reserved for ord_%",
    "INFO payment of 12 taken for ord_%",
    "INFO ord_% packed by bob",
    "INFO ord_% handed to carrier",
    "INFO ord_% closed",
];

const SECOND: u64 = 1_000;

/// The records of order `number`, which starts at that second; `edit` may break it.
fn order(number: u64, edit: impl Fn(&mut Vec<String>)) -> Vec<Record<'static>> {
    let id = format!("{:07}", 1_000_000 + number);
    let mut lines: Vec<String> = STEPS.iter().map(|step| step.replace('%', &id)).collect();
    edit(&mut lines);
    let at =
        |step: usize| Timestamp::from_millis((1_000 + number) * SECOND + 1 + 137 * step as u64);
    let records = lines.into_iter().enumerate();
    records
        .map(|(step, line)| Record {
            time: Some(at(step)),
            body: line.leak(),
            ..Record::default()
        })
        .collect()
}

fn normal(orders: std::ops::Range<u64>) -> Vec<Record<'static>> {
    in_order(orders.flat_map(|number| order(number, |_| {})).collect())
}

fn in_order(mut records: Vec<Record<'static>>) -> Vec<Record<'static>> {
    records.sort_by_key(|record| record.time);
    records
}

fn batch(records: &[Record<'_>]) -> Batch {
    let mut batch = Batch::new(stream(), Arc::new(Resource::default()));
    batch.extend(records.iter().copied());
    batch
}

/// A model of the made-up service, trained once for all tests.
fn bundle() -> Arc<Bundle> {
    static BUNDLE: OnceLock<Arc<Bundle>> = OnceLock::new();
    let make = || {
        let mut shard = Shard::new(Settings {
            pace: Pace::Replay,
            ..settings()
        });
        shard.push(batch(&normal(0..200)), Timestamp::ZERO);
        shard.finish(Timestamp::ZERO);
        model_of(&shard)
    };
    Arc::clone(BUNDLE.get_or_init(make))
}

/// A model of what a shard has learned.
fn model_of(shard: &Shard) -> Arc<Bundle> {
    let corpus = shard.corpus(&stream()).expect("the stream exists");
    let settings = TrainSettings {
        epochs_max: 40,
        ..TrainSettings::default()
    };
    Arc::new(train(&corpus, &settings, &mut |_| ControlFlow::Continue(())).expect("trains"))
}

fn active_shard(settings: Settings) -> Shard {
    let mut shard = Shard::new(settings);
    shard.install(&stream(), bundle(), Timestamp::ZERO);
    shard.take_outputs();
    shard
}

fn anomalies(outputs: Vec<Output>) -> Vec<Arc<Anomaly>> {
    let found = outputs.into_iter().filter_map(|output| match output {
        Output::Anomaly(anomaly) => Some(anomaly),
        _ => None,
    });
    found.collect()
}

/// Judges a file of records and says which orders are abnormal, and how.
fn judge(records: Vec<Record<'static>>) -> Vec<Arc<Anomaly>> {
    let mut shard = active_shard(Settings {
        pace: Pace::Replay,
        ..settings()
    });
    shard.push(batch(&records), Timestamp::ZERO);
    shard.finish(Timestamp::ZERO);
    anomalies(shard.take_outputs())
}

/// Forty orders, four of them broken in four ways.
fn mixed() -> Vec<Record<'static>> {
    let orders = (300..340).flat_map(|number| match number {
        305 => order(number, |lines| lines.swap(1, 3)),
        311 => order(number, |lines| lines.truncate(3)),
        320 => order(number, |lines| {
            lines[2] = "ERROR card refused for ord_1000320".into()
        }),
        333 => order(number, |lines| drop(lines.remove(2))),
        _ => order(number, |_| {}),
    });
    in_order(orders.collect())
}

fn sequences(found: &[Arc<Anomaly>]) -> BTreeSet<String> {
    found
        .iter()
        .map(|anomaly| anomaly.sequence.to_string())
        .collect()
}

#[test]
fn the_broken_orders_and_only_these_are_told_with_what_was_expected() {
    let found = judge(mixed());
    let broken = ["ord_1000305", "ord_1000311", "ord_1000320", "ord_1000333"];
    assert_eq!(sequences(&found), broken.map(String::from).into());
    assert_eq!(found.len(), broken.len(), "one anomaly per sequence");
    let of = |name: &str| {
        found
            .iter()
            .find(|anomaly| anomaly.sequence.as_ref() == name)
            .expect("was told")
    };
    let skipped = of("ord_1000333");
    assert_eq!(skipped.kind, AnomalyKind::Sequence);
    let expected = skipped.explanation.expected[0]
        .template
        .as_ref()
        .expect("a template");
    assert!(expected.text.contains("payment of"), "{}", expected.text);
    assert_eq!(
        skipped.explanation.context.len(),
        3,
        "the lines up to the abnormal one"
    );
    assert_eq!(of("ord_1000320").kind, AnomalyKind::NewTemplate);
    assert_eq!(of("ord_1000311").explanation.observed, Observed::End);
    assert!(of("ord_1000305").score > 0.9);
}

#[test]
fn a_file_that_stops_in_the_middle_says_nothing_about_what_it_cut_off() {
    let mut records = mixed();
    let last = order(340, |lines| lines.truncate(3));
    records.extend(last);
    assert!(!sequences(&judge(records)).contains("ord_1000340"));
}

#[test]
fn batches_that_arrive_out_of_order_within_the_delay_make_no_difference() {
    let records = mixed();
    let expected = sequences(&judge(records.clone()));
    // Three senders, each with every third record, the second and third late by up to 2 s.
    let mut shard = active_shard(settings());
    let senders: Vec<Vec<Record<'static>>> = (0..3)
        .map(|sender| records.iter().skip(sender).step_by(3).cloned().collect())
        .collect();
    let start = records[0].time.expect("has a time");
    let mut now = start;
    for turn in 0..400u64 {
        now = start.plus(Duration::from_millis(250 * turn));
        for (sender, records) in senders.iter().enumerate() {
            let lag = Duration::from_secs(sender as u64);
            let in_turn = |record: &&Record<'_>| {
                let sent = record.time.expect("has a time").plus(lag);
                sent <= now && sent.plus(Duration::from_millis(250)) > now
            };
            let sent: Vec<Record<'static>> = records.iter().filter(in_turn).cloned().collect();
            shard.push(batch(&sent), now);
        }
        shard.tick(now);
    }
    shard.tick(now.plus(Duration::from_secs(60)));
    assert_eq!(sequences(&anomalies(shard.take_outputs())), expected);
    assert_eq!(shard.ledger().scored, records.len() as u64);
}

#[test]
fn what_came_before_a_long_silence_is_judged_alike_whether_it_waited_or_not() {
    let end = Timestamp::from_millis(4_000 * SECOND);
    let lost = order(333, |lines| drop(lines.remove(2)));
    let before = in_order([normal(300..320), lost].concat());
    let after = normal(2_000..2_001);
    let told = |pauses: bool| {
        let mut shard = active_shard(settings());
        shard.hold(batch(&before), end);
        if pauses {
            shard.tick(end);
        }
        shard.hold(batch(&after), end);
        shard.tick(end.plus(Duration::from_secs(60)));
        sequences(&anomalies(shard.take_outputs()))
    };
    assert_eq!(told(true), BTreeSet::from(["ord_1000333".into()]));
    assert_eq!(told(false), told(true));
}

#[test]
fn ends_are_judged_alike_whether_the_clock_or_the_next_record_brings_them() {
    // Nothing comes after 1,399.001 s. With a time-out of 5 s orders 394 and 395 are over 0.3 and
    // 1.3 s later; the stream had pauses of 0.7 s. Whatever else is open may have gone on unheard.
    let end = Timestamp::from_millis(1_399 * SECOND + 1);
    let cut = (394..400).flat_map(|number| {
        let order = order(number, |lines| lines.truncate(3));
        order.into_iter().filter(|record| record.time <= Some(end))
    });
    let before = in_order(normal(300..394).into_iter().chain(cut).collect());
    let after = normal(4_000..4_001);
    let now = after[0].time.expect("has a time");
    let told = |ticks_ms: &[u64]| {
        let mut shard = active_shard(settings());
        shard.push(batch(&before), end);
        for tick in ticks_ms {
            shard.tick(end.plus(Duration::from_millis(*tick)));
        }
        shard.push(batch(&after), now);
        shard.tick(now.plus(Duration::from_secs(60)));
        sequences(&anomalies(shard.take_outputs()))
    };
    let expected = BTreeSet::from(["ord_1000394".into(), "ord_1000395".into()]);
    assert_eq!(told(&[]), expected);
    let every_100_ms: Vec<u64> = (1..200).map(|n| 100 * n).collect();
    assert_eq!(told(&every_100_ms), expected);
    assert_eq!(told(&[10_000, 600_000]), expected);
}

#[test]
fn a_shard_taken_up_from_its_snapshot_says_what_it_would_have_said() {
    let records = mixed();
    let (first, second) = records.split_at(records.len() / 2);
    let now = |records: &[Record<'static>]| records[0].time.expect("has a time");
    let mut through = active_shard(settings());
    let mut before = active_shard(settings());
    through.push(batch(first), now(first));
    before.push(batch(first), now(first));
    let mut after = Shard::new(settings());
    let saved = saved([before.snapshots(&BTreeSet::new())]);
    after
        .restore(&stream(), &saved, Some(bundle()), now(first))
        .expect("is a snapshot");
    let mut told = anomalies(before.take_outputs());
    after.take_outputs();
    for shard in [&mut through, &mut after] {
        shard.push(batch(second), now(second));
        shard.finish(now(second));
    }
    told.extend(anomalies(after.take_outputs()));
    assert_eq!(told, anomalies(through.take_outputs()));
    assert_eq!(told.len(), 4);
}

/// What is left when all of this was written in turn.
fn saved(written: impl IntoIterator<Item = Vec<Snapshot>>) -> Saved {
    let mut saved = Saved::default();
    for snapshot in written.into_iter().flatten() {
        match snapshot.templates {
            Templates::Whole(bytes) => saved.templates = vec![bytes],
            Templates::Changes(bytes) => saved.templates.push(bytes),
            Templates::Unchanged => {}
        }
        saved.rest = Some(snapshot.rest);
    }
    saved
}

#[test]
fn bytes_that_are_no_snapshot_are_refused() {
    let mut shard = Shard::new(settings());
    let whole = {
        let mut shard = active_shard(settings());
        shard.push(batch(&mixed()), Timestamp::from_millis(2_000_000));
        saved([shard.snapshots(&BTreeSet::new())])
    };
    let half = &whole.templates[0][..whole.templates[0].len() / 2];
    for bytes in [&b""[..], b"nonsense", &[9, 9, 9, 9], half] {
        let broken = Saved {
            templates: vec![bytes.to_vec()],
            ..whole.clone()
        };
        let refused = shard.restore(&stream(), &broken, None, Timestamp::ZERO);
        assert!(refused.is_err());
        let broken = Saved {
            rest: Some(bytes.to_vec()),
            ..whole.clone()
        };
        let mut shard = Shard::new(settings());
        let lost = shard.restore(&stream(), &broken, None, Timestamp::ZERO);
        assert!(lost.expect("the templates are there").rest.is_some());
        assert!(shard.status()[0].templates > 5 && shard.status()[0].pending == 0);
    }
    let nothing = Saved::default();
    assert!(
        shard
            .restore(&stream(), &nothing, None, Timestamp::ZERO)
            .is_err()
    );
    assert!(shard.status().is_empty());
}

#[test]
fn every_record_is_accounted_for_at_every_moment() {
    let mut shard = Shard::new(Settings {
        streams_max: 1,
        ..settings()
    });
    let mut pushed = 0;
    for (turn, chunk) in normal(0..100).chunks(37).enumerate() {
        let now = chunk[0].time.expect("has a time");
        shard.push(batch(chunk), now);
        let mut other = batch(&chunk[..1]);
        other.stream = StreamKey::named("one too many");
        shard.push(other, now);
        pushed += chunk.len() as u64 + 1;
        if turn == 5 {
            shard.install(&stream(), bundle(), now);
        }
        let ledger = shard.ledger();
        let sum = ledger.scored + ledger.learned + ledger.suppressed + ledger.pending;
        assert_eq!(sum, pushed);
    }
    let ledger = shard.ledger();
    assert!(
        ledger.scored > 0 && ledger.learned > 0 && ledger.suppressed > 0,
        "{ledger:?}"
    );
}

#[test]
fn a_stream_learns_asks_for_a_model_once_and_is_not_blind_while_it_trains_again() {
    let mut settings = Settings {
        pace: Pace::Replay,
        ..settings()
    };
    settings.learn.records_min = 500;
    settings.learn.sequences_min = 50;
    settings.learn.retrain_every = Duration::from_secs(100);
    let mut shard = Shard::new(settings);
    shard.push(batch(&normal(0..250)), Timestamp::ZERO);
    let outputs = shard.take_outputs();
    let due = |outputs: &[Output]| {
        outputs
            .iter()
            .filter(|output| matches!(output, Output::TrainingDue { .. }))
            .count()
    };
    assert_eq!(due(&outputs), 1);
    assert_eq!(shard.status()[0].state, State::Training);
    assert!(
        anomalies(outputs).is_empty(),
        "nothing is told while learning"
    );
    shard.install(&stream(), bundle(), Timestamp::from_millis(1_250_000));
    assert_eq!(shard.status()[0].state, State::Active);
    shard.push(batch(&normal(251..300)), Timestamp::ZERO);
    shard.push(batch(&normal(340..500)), Timestamp::ZERO);
    let outputs = shard.take_outputs();
    assert_eq!(due(&outputs), 1, "a newer model is asked for");
    let broken = order(600, |lines| lines.swap(1, 3));
    shard.push(batch(&broken), Timestamp::ZERO);
    shard.finish(Timestamp::ZERO);
    assert_eq!(shard.status()[0].state, State::Active);
    assert_eq!(
        sequences(&anomalies(shard.take_outputs())),
        ["ord_1000600".to_owned()].into()
    );
}

#[test]
fn a_shard_far_behind_works_in_steps_and_says_that_more_is_due() {
    let mut shard = active_shard(settings());
    let records = normal(0..2_000);
    let end = records[records.len() - 1].time.expect("has a time");
    shard.hold(batch(&records), end);
    let late = end.plus(Duration::from_secs(60));
    shard.tick(late);
    let after_one = shard.ledger();
    assert!(
        after_one.scored > 0 && after_one.pending > 0,
        "{after_one:?}"
    );
    assert!(shard.next_deadline().is_some_and(|due| due <= late));
    while shard.ledger().pending > 0 {
        shard.tick(late);
    }
    assert_eq!(shard.ledger().scored, records.len() as u64);
    assert!(anomalies(shard.take_outputs()).is_empty());
}

#[test]
fn orders_are_judged_the_same_whatever_envelope_their_lines_come_in() {
    let expected = sequences(&judge(mixed()));
    let json = |line: &str| serde_json::json!({ "logger": "shop", "msg": line }).to_string();
    let envelopes: [&dyn Fn(&str) -> String; 5] = [
        &|line| json(line),
        &|line| format!("2026-11-21T07:43:17.000000001Z stdout F {line}"),
        &|line| format!("2026-11-21T07:43:17Z stdout F {}", json(line)),
        &|line| format!("<14>Nov 21 07:43:17 host shop[7]: {line}"),
        &|line| format!("thread=4 msg={}", serde_json::Value::from(line)),
    ];
    for (number, envelope) in envelopes.iter().enumerate() {
        let mut records = mixed();
        for record in &mut records {
            record.body = envelope(record.body).leak();
        }
        assert_eq!(sequences(&judge(records)), expected, "envelope {number}");
    }
}

/// What a stream that knows nothing makes of these bodies.
fn mined(bodies: &[&str]) -> Shard {
    let mut shard = Shard::new(settings());
    let records: Vec<Record<'_>> = bodies
        .iter()
        .map(|body| Record {
            body,
            ..Record::default()
        })
        .collect();
    shard.push(batch(&records), Timestamp::from_millis(1_000_000));
    shard
}

#[test]
fn one_line_with_many_exceptions_stays_as_many_templates() {
    let kinds = ["A", "B", "C", "D", "E", "F", "G", "H", "I"].map(|kind| {
        format!(
            "order 7 failed\nshop.{kind}Exception: no\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)"
        )
    });
    let again = kinds[0].replace("B.java:1", "B.java:99").replace("7", "8");
    let bodies: Vec<&str> = kinds.iter().chain([&again]).map(String::as_str).collect();
    let shard = mined(&bodies);
    let miner = shard.miner(&stream()).expect("the stream exists");
    let texts: Vec<&str> = miner
        .templates()
        .map(|template| template.text.as_ref())
        .collect();
    assert_eq!(texts.len(), kinds.len(), "{texts:?}");
    assert_eq!(texts[0], "order <*> failed <- shop.AException");
}

#[test]
fn an_anomaly_has_the_level_and_the_trace_that_its_envelope_gives() {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let body = format!(
        r#"{{"level":"fatal","trace_id":"{trace}","span_id":"b7ad6b7169203331","msg":"disk melted"}}"#
    );
    let record = Record {
        time: Some(Timestamp::from_millis(1_000_000)),
        body: body.clone().leak(),
        ..Record::default()
    };
    let found = judge(vec![record]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Fatal);
    assert_eq!(found[0].sequence.as_ref(), trace);
    assert_eq!(
        found[0].trace_id.map(|id| id.to_string()).as_deref(),
        Some(trace)
    );
    assert!(found[0].span_id.is_some());
    assert_eq!(found[0].explanation.observed, Observed::Record(body.into()));
}

#[test]
fn what_a_sender_calls_a_template_is_kept_beside_ours() {
    let names: [Arc<str>; 2] =
        ["ERROR card 17 refused <*>", "ERROR card <*> refused <*>"].map(Arc::from);
    let record = |body: &'static str, name| Record {
        time: Some(Timestamp::from_millis(1_000_000)),
        body,
        template: Some(name),
        ..Record::default()
    };
    let early = record("ERROR card 17 refused for ord_1000001", &names[0]);
    let later = record("ERROR card 18 refused for ord_1000002", &names[1]);
    let mut shard = active_shard(Settings {
        pace: Pace::Replay,
        ..settings()
    });
    shard.push(batch(&[early, later, early]), Timestamp::ZERO);
    shard.finish(Timestamp::ZERO);
    let found = anomalies(shard.take_outputs());
    let names: Vec<_> = found
        .iter()
        .map(|one| one.sent_template.as_deref())
        .collect();
    assert_eq!(
        names[..2],
        [
            Some("ERROR card 17 refused <*>"),
            Some("ERROR card <*> refused <*>")
        ]
    );
    let ours = found[0].template.as_ref().expect("a record has a template");
    let miner = shard.miner(&stream()).expect("the stream exists");
    let template = miner.resolve(ours.id).expect("is known");
    assert!(
        template.text.starts_with("ERROR card <*> refused for "),
        "{}",
        template.text
    );
    let aliases: Vec<&str> = template.aliases.iter().map(AsRef::as_ref).collect();
    assert_eq!(
        aliases,
        ["ERROR card 17 refused <*>", "ERROR card <*> refused <*>"]
    );
}

#[test]
fn what_all_streams_hold_together_is_bounded_and_one_alone_may_hold_all_of_it() {
    let mut shard = Shard::new(Settings {
        room: Room {
            held_bytes_max: 64 << 10,
            ..Room::default()
        },
        reorder_delay: Duration::from_secs(3_600),
        ..settings()
    });
    let records = normal(0..150);
    let now = records[0].time.expect("has a time");
    let of = |name: &str| {
        let mut batch = batch(&records);
        batch.stream = StreamKey::named(name);
        batch
    };
    shard.push(of("alone"), now);
    let alone = shard.ledger().pending;
    assert!((100..800).contains(&alone), "{alone} of {}", records.len());
    for round in 0..3 {
        for name in ["a", "b", "c", "alone"] {
            let now = now.plus(Duration::from_millis(1 + round));
            shard.push(of(name), now);
            shard.tick(now);
        }
    }
    let pending = shard.ledger().pending;
    assert!(
        (alone / 2..=alone * 3 / 2).contains(&pending),
        "{pending} are held; alone {alone}"
    );
}
