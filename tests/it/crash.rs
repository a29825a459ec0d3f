//! kill -9 in mid-stream: what was acknowledged is judged, once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use serde_json::Value;

use crate::knothole::{Knothole, Place};
use crate::otlp::{Client, record, request};
use crate::parts::{Tail, alone, part, write_lines};
use crate::process::{SOON, until};
use crate::shop::{LEARN_QUICKLY, WELL, of_shop, steps_of, trace_name};

const KILLS: usize = 10;
const RECORDS: u64 = 50;

/// A request that no other is equal to.
fn numbered(number: u64) -> ExportLogsServiceRequest {
    let records = (0..RECORDS).map(|place| record(&format!("order {} of {place}", number)));
    request(&[("service.name", "shop")], records.collect())
}

#[test]
fn what_was_acknowledged_is_there_once_after_ten_kills() {
    let _alone = alone();
    let place = Place::new();
    let settings = "sequence: { reorder_delay: 100ms }\nsinks: []";
    let mut knothole = place.serve(settings);
    let fixed = place.at_ports_of(&knothole);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stop_at = Arc::new(AtomicU64::new(u64::MAX));
    let sender = std::thread::spawn({
        let (to, acknowledged, stop_at) = (knothole.grpc, acknowledged.clone(), stop_at.clone());
        move || {
            let mut number = 0;
            while number < stop_at.load(Ordering::Acquire) {
                let mut client = until(SOON, "a connection", || Client::try_connect(to));
                // What got no answer is sent again, byte by byte the same.
                while client.export(numbered(number)).is_ok() {
                    number += 1;
                    acknowledged.store(number, Ordering::Release);
                    if number >= stop_at.load(Ordering::Acquire) {
                        break;
                    }
                }
            }
            number
        }
    });
    for kill in 1..=KILLS as u64 {
        until(SOON, "some requests", || {
            (acknowledged.load(Ordering::Acquire) >= 30 * kill).then_some(())
        });
        knothole.process.signal(rustix::process::Signal::KILL);
        knothole.process.wait_at_most(SOON);
        knothole = place.serve_at(&fixed, settings);
    }
    stop_at.store(acknowledged.load(Ordering::Acquire) + 30, Ordering::Release);
    let sent = sender.join().unwrap();
    let shown = knothole.wait_for_records("shop", sent * RECORDS);
    assert_eq!(shown["records"], sent * RECORDS, "{shown}");
    let (status, _) = knothole.stop();
    assert!(status.success());
    // Nor does a start after a stop in peace judge anything again.
    let knothole = place.serve(settings);
    let shown = knothole.wait_for_records("shop", sent * RECORDS);
    assert_eq!(shown["records"], sent * RECORDS, "{shown}");
    assert_eq!(knothole.ledger().received, 0);
}

#[test]
fn a_collector_that_is_killed_and_reads_its_file_again_is_not_judged_twice() {
    const LINES: usize = 20_000;
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    let knothole = place.serve("sequence: { reorder_delay: 100ms }\nsinks: []");
    let file = place.path("shop.log");
    let line = |n: usize| {
        // Never a whole second, of which nobody can tell whether a line is meant twice.
        let (second, milli) = (n / 999, n % 999 + 1);
        format!("2026-11-21 10:00:{second:02}.{milli:03} INFO order {n} accepted")
    };
    let lines: Vec<String> = (0..LINES).map(line).collect();
    write_lines(&file, lines.iter().map(String::as_str));
    let tail = Tail {
        file: &file,
        to: knothole.grpc,
        service: "shop",
        pod: "",
    };
    // Without a place on disk it reads the whole file at each start.
    let mut first = tail.start(&otelcol);
    knothole.wait_for_records("shop", LINES as u64);
    first.signal(rustix::process::Signal::KILL);
    first.wait_at_most(SOON);
    let _second = tail.start(&otelcol);
    let seen = until(SOON, "the file to come again", || {
        let ledger = knothole.ledger();
        (ledger.received >= 2 * LINES as u64 && ledger.pending == 0).then_some(ledger)
    });
    assert_eq!(seen.accounted_for(), seen.received, "{seen:?}");
    assert!(seen.suppressed >= LINES as u64, "{seen:?}");
    assert_eq!(knothole.service("shop").unwrap()["records"], LINES as u64);
}

#[test]
fn an_alert_is_neither_lost_nor_told_twice_by_a_kill() {
    let _alone = alone();
    let settings = format!(
        "{LEARN_QUICKLY}sequence: {{ idle_timeout: 10m, reorder_delay: 100ms }}\n\
         sinks: [{{ type: stdout, name: out, limit: {{ per_minute: 0, fold: false }} }}]\n"
    );
    let place = Place::new();
    let first = place.serve(&settings);
    let long_ago = std::time::Duration::from_secs(3600);
    let just_now = std::time::Duration::ZERO;
    let mut client = Client::connect(first.grpc);
    let learned = (0..200).flat_map(|number| steps_of(number, &WELL, long_ago));
    client.export(of_shop(learned.collect())).unwrap();
    client
        .export(of_shop(steps_of(200, &WELL, just_now)))
        .unwrap();
    first.wait_for_state("shop", "active");
    let (told, open) = (1_000, 1_001);
    client
        .export(of_shop(steps_of(told, &[0, 1, 5], just_now)))
        .unwrap();
    client
        .export(of_shop(steps_of(open, &[0, 1, 2], just_now)))
        .unwrap();
    until(SOON, "the alert", || {
        (sequences(&first.events()) == [trace_name(told)].into()).then_some(())
    });
    kill(first);

    let second = place.serve(&settings);
    // Its beginning was only in the journal.
    let mut client = Client::connect(second.grpc);
    client
        .export(of_shop(steps_of(open, &[5, 4, 3], just_now)))
        .unwrap();
    until(SOON, "the other alert", || {
        (!sequences(&second.events()).is_empty()).then_some(())
    });
    let (status, events) = second.stop();
    assert!(status.success());
    assert_eq!(sequences(&events), [trace_name(open)].into(), "{events:#?}");
    assert_eq!(events.len(), 1, "{events:#?}");
}

fn kill(mut knothole: Knothole) {
    knothole.process.signal(rustix::process::Signal::KILL);
    knothole.process.wait_at_most(SOON);
}

fn sequences(events: &[Value]) -> BTreeSet<String> {
    let names = events
        .iter()
        .map(|event| event["sequence"].as_str().unwrap());
    names.map(str::to_owned).collect()
}
