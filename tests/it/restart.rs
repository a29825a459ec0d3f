//! A stop and the start after it: nothing accepted is lost, nothing is told twice.

use std::time::Duration;

use serde_json::Value;

use crate::knothole::Place;
use crate::otlp::{Client, record, request};
use crate::parts::alone;
use crate::process::{SOON, until};
use crate::shop::{LEARN_QUICKLY, WELL, of_shop, steps_of, trace_name};

/// A stop must not take longer.
const STOP_MAX: Duration = Duration::from_secs(10);
/// The records of the training ended long before the others.
const LONG_AGO: Duration = Duration::from_secs(3600);
const JUST_NOW: Duration = Duration::ZERO;

#[test]
fn under_load_a_stop_is_quick_and_loses_nothing_that_was_accepted() {
    const BATCH: u64 = 1_000;
    let _alone = alone();
    let place = Place::new();
    // Held for longer than the test takes, so that all of it is pending at the stop.
    let mut knothole = place.serve("sequence: { reorder_delay: 60s }\nsinks: []");
    let to = knothole.grpc;
    let sender = std::thread::spawn(move || {
        let mut client = Client::connect(to);
        let mut accepted = 0;
        loop {
            let numbers = accepted..accepted + BATCH;
            let records = numbers.map(|number| record(&format!("order {number} accepted")));
            if client
                .export(request(&[("service.name", "shop")], records.collect()))
                .is_err()
            {
                return accepted;
            }
            accepted += BATCH;
        }
    });
    until(SOON, "some load", || {
        (knothole.ledger().received > 20 * BATCH).then_some(())
    });
    knothole.process.signal(rustix::process::Signal::TERM);
    assert!(knothole.process.wait_at_most(STOP_MAX).success());
    let accepted = sender.join().unwrap();

    let knothole = place.serve("sequence: { reorder_delay: 60s }\nsinks: []");
    let ledger = knothole.ledger();
    // The answer to one request may have been lost on its way when the connection broke.
    let unanswered = ledger.received - accepted;
    assert!(
        unanswered == 0 || unanswered == BATCH,
        "{accepted} accepted, {ledger:?}"
    );
    assert_eq!(
        (ledger.pending, ledger.learned),
        (ledger.received, 0),
        "{ledger:?}"
    );
    let service = knothole.wait_for_state("shop", "learning");
    assert_eq!(service["records"], ledger.received, "{service}");
    assert!(knothole.stop().0.success());

    let knothole = place.serve("sequence: { reorder_delay: 100ms }\nsinks: []");
    let settled = knothole.ledger_when_settled(ledger.received, SOON);
    assert_eq!(
        (settled.received, settled.learned),
        (ledger.received, ledger.received),
        "{settled:?}"
    );
}

#[test]
fn templates_open_sequences_and_model_outlive_a_restart_and_nothing_is_told_twice() {
    let _alone = alone();
    let settings = format!(
        "{LEARN_QUICKLY}sequence: {{ idle_timeout: 10m, reorder_delay: 100ms }}\n\
         sinks: [{{ type: stdout, name: out, limit: {{ per_minute: 0, fold: false }} }}]\n"
    );
    let (well, told_before, told_after, cut_off) = (1000, 1001, 1002, 1003);
    let place = Place::new();
    let first = place.serve(&settings);
    let mut client = Client::connect(first.grpc);
    let learned = (0..200).flat_map(|number| steps_of(number, &WELL, LONG_AGO));
    client.export(of_shop(learned.collect())).unwrap();
    // An hour later in stream time: the requests before have ended.
    client
        .export(of_shop(steps_of(200, &WELL, JUST_NOW)))
        .unwrap();
    let before = first.wait_for_state("shop", "active");
    let halves = [
        steps_of(well, &[0, 1, 2], JUST_NOW),
        steps_of(told_before, &[0, 1, 5], JUST_NOW),
        steps_of(told_after, &[0, 1, 2], JUST_NOW),
    ];
    client.export(of_shop(halves.concat())).unwrap();
    first.ledger_when_settled(201 * 6 + 9, SOON);
    let (status, events) = first.stop();
    assert!(status.success());
    assert_eq!(sequences(&events), [trace_name(told_before)], "{events:#?}");

    let second = place.serve(&settings);
    let after = second.wait_for_state("shop", "active");
    assert_eq!(after["model"], before["model"]);
    assert_eq!(after["templates"], before["templates"]);
    assert_eq!(after["sequences"], 4, "{after}");
    let mut client = Client::connect(second.grpc);
    let halves = [
        steps_of(well, &[3, 4, 5], JUST_NOW),
        steps_of(told_before, &[3, 2, 4], JUST_NOW),
        steps_of(told_after, &[5, 4, 3], JUST_NOW),
        // Whose beginning is unknown: so would `well` be told if it had been forgotten.
        steps_of(cut_off, &[3, 4, 5], JUST_NOW),
    ];
    client.export(of_shop(halves.concat())).unwrap();
    second.ledger_when_settled(12, SOON);
    let (status, events) = second.stop();
    assert!(status.success());
    let mut told = sequences(&events);
    told.sort();
    assert_eq!(
        told,
        [trace_name(told_after), trace_name(cut_off)],
        "{events:#?}"
    );
    let whole = events
        .iter()
        .find(|event| event["sequence"] == trace_name(told_after));
    let context = &whole.unwrap()["explanation"]["context"];
    assert_eq!(
        context.as_array().unwrap().len(),
        4,
        "three lines before the stop: {context}"
    );
}

fn sequences(events: &[Value]) -> Vec<String> {
    let names = events
        .iter()
        .map(|event| event["sequence"].as_str().unwrap());
    names.map(str::to_owned).collect()
}
