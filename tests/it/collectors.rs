//! Real Collectors tail files and send them; what comes out is held against the labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::hdfs::{self, Label};
use crate::knothole::{Knothole, Place};
use crate::parts::{Sink, Tail, alone, append_line, flattened, part, write_lines};
use crate::process::{Process, SOON, until};

/// Kinds of fault with messages of their own: a detector that misses one of these is broken.
const LOUD: [&str; 7] = [
    "client_death",
    "corrupt_read",
    "corrupt_scan",
    "dn_stop",
    "full_volume",
    "lost_file",
    "mirror_refused",
];

#[test]
fn a_collector_tails_real_lines_and_another_gets_the_faulty_blocks() {
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    let sink = Sink::start(&otelcol, place.folder());
    let sinks = format!(
        "  - {{ type: otlp, name: collector, endpoint: 'http://{}', limit: {{ per_minute: 0, fold: false }} }}\n",
        sink.grpc
    );
    let settings = hdfs::settings("2s", &sinks);
    let knothole = place.serve(&settings);
    let text = hdfs::text();
    let file = place.path("hdfs.log");
    write_lines(&file, text.lines().chain([hdfs::FIVE_MINUTES_LATER]));
    let tail = Tail {
        file: &file,
        to: knothole.grpc,
        service: "hdfs",
        pod: "",
    };
    let _tail = tail.start(&otelcol);
    let lines = text.lines().count() as u64 + 1;
    let ledger = knothole.ledger_when_settled(lines, SOON);
    assert_eq!(
        (ledger.received, ledger.scored),
        (lines, lines),
        "{ledger:?}"
    );
    assert!(knothole.stop().0.success());

    let events: Vec<Value> = sink.records().iter().map(flattened).collect();
    let (by_line, by_end): (Vec<&Value>, Vec<&Value>) = events
        .iter()
        .partition(|event| event["log.record.template"].is_string());
    for event in &events {
        assert_eq!(event["eventName"], "knothole.anomaly.detected", "{event}");
    }
    for event in &by_end {
        // What is blamed on no record is an end, or something that did not come.
        let kind = event["knothole.anomaly.kind"].as_str();
        let kinds = ["sequence", "incomplete", "missing", "count"];
        assert!(kind.is_some_and(|kind| kinds.contains(&kind)), "{event}");
    }
    // One file in order is what `detect` reads, so the network in between must not show.
    let detected = hdfs::detected(&file, &place.configure(&settings));
    assert_same(&hdfs::blocks(&detected), &hdfs::blocks(&events));
    // The log's own end cuts the lives of 176 normal blocks off, which nobody can tell from a
    // hung writer. So what is told of ends is not held against the labels.
    assert_labels(&hdfs::blocks(by_line));
}

#[test]
fn three_collectors_with_skew_report_the_same_blocks_as_one_in_order() {
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let _alone = alone();
    let text = hdfs::text();
    let lines: Vec<&str> = text.lines().collect();

    let place = Place::new();
    let one = place.path("all.log");
    write_lines(&one, lines.iter().copied());
    let in_order = reported(&place, &otelcol, &[one], Duration::ZERO);

    let place = Place::new();
    let nodes = ["namenode", "datanodes-odd", "datanodes-even"];
    let files = nodes.map(|node| place.path(&format!("{node}.log")));
    for (number, file) in files.iter().enumerate() {
        write_lines(
            file,
            lines.iter().copied().filter(|line| node_of(line) == number),
        );
    }
    let apart = reported(&place, &otelcol, &files, Duration::from_secs(1));
    assert!(in_order.len() > 50, "{in_order:?}");
    assert_same(&in_order, &apart);
}

#[test]
fn two_collectors_with_default_settings_send_a_million_records_and_every_one_is_counted() {
    const EACH: usize = 500_000;
    let Some(otelcol) = part("KNOTHOLE_OTELCOL") else {
        return;
    };
    let _alone = alone();
    let place = Place::new();
    // `hdfs` has a model and is scored; `shop` has none and is learned from.
    let knothole = place.serve(&hdfs::settings("3s", hdfs::STDOUT));
    let text = hdfs::text();
    let (hdfs, shop) = (place.path("hdfs.log"), place.path("shop.log"));
    // A year later each time round: the same lines again would be taken for a sender's restart.
    let years = (0..).flat_map(|round| {
        let year = (2_020 + round).to_string();
        text.lines()
            .map(move |line| line.replacen("2026", &year, 1))
    });
    let hdfs_lines: Vec<String> = years.take(EACH).collect();
    write_lines(&hdfs, hdfs_lines.iter().map(String::as_str));
    let orders: Vec<String> = (0..EACH).map(order).collect();
    write_lines(&shop, orders.iter().map(String::as_str));
    let tails = [(&hdfs, "hdfs"), (&shop, "shop")].map(|(file, service)| {
        let tail = Tail {
            file,
            to: knothole.grpc,
            service,
            pod: service,
        };
        tail.start(&otelcol)
    });
    let ledger = knothole.ledger_when_settled(2 * EACH as u64, 2 * SOON);
    assert_eq!(ledger.received, 2 * EACH as u64, "{ledger:?}");
    assert_eq!(ledger.accounted_for(), ledger.received, "{ledger:?}");
    assert!(ledger.scored >= EACH as u64, "{ledger:?}");
    assert!(ledger.learned > 0, "{ledger:?}");
    assert_eq!(records_of(&knothole, "hdfs"), EACH as u64);
    assert_eq!(records_of(&knothole, "shop"), EACH as u64);
    for mut tail in tails {
        assert!(tail.stop().success());
    }
    // Nothing comes twice when the Collectors are done.
    assert_eq!(knothole.ledger().received, 2 * EACH as u64);
    assert!(knothole.stop().0.success());
}

/// Runs a daemon, sends each file through a Collector of its own that starts `skew` after the one
/// before, and gives back the blocks reported.
fn reported(
    place: &Place,
    otelcol: &std::ffi::OsString,
    files: &[PathBuf],
    skew: Duration,
) -> BTreeSet<String> {
    // Long enough for the skew and for a busy machine.
    let knothole = place.serve(&hdfs::settings("12s", hdfs::STDOUT));
    let mut tails: Vec<Process> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        if number > 0 {
            // The skew is what is tested.
            std::thread::sleep(skew);
        }
        tails.push(tail_of(&knothole, file).start(otelcol));
    }
    let lines = hdfs::text().lines().count() as u64;
    until(SOON, "all lines to arrive", || {
        (knothole.ledger().received == lines).then_some(())
    });
    append_line(&files[0], hdfs::FIVE_MINUTES_LATER);
    let ledger = knothole.ledger_when_settled(lines + 1, SOON);
    assert_eq!(ledger.scored, lines + 1, "{ledger:?}");
    drop(tails);
    let (status, events) = knothole.stop();
    assert!(status.success());
    hdfs::blocks(&events)
}

fn tail_of<'a>(knothole: &Knothole, file: &'a Path) -> Tail<'a> {
    Tail {
        file,
        to: knothole.grpc,
        service: "hdfs",
        pod: file.file_stem().unwrap().to_str().unwrap(),
    }
}

/// Which node logged a line: the NameNode (0), or a DataNode, told by the volume it names (1 or 2).
fn node_of(line: &str) -> usize {
    let logger = line.split(' ').nth(2).unwrap_or_default();
    let is_datanode = ["datanode.", "DataNode.", "impl.", "fsdataset.", "checker."]
        .iter()
        .any(|room| logger.starts_with(room));
    let volume = line
        .split_once("/data/dfs/data/data")
        .and_then(|(_, rest)| rest.chars().next()?.to_digit(10));
    match (is_datanode, volume) {
        (false, _) => 0,
        (true, Some(volume)) if volume % 2 == 0 => 2,
        (true, _) => 1,
    }
}

fn order(number: usize) -> String {
    let time = 1_795_000_000_000 + number as u64;
    format!(
        "{time} INFO shop.Cart: order {number} accepted for customer {} in {} ms",
        number * 7919 % 1000,
        number * 31 % 90
    )
}

fn records_of(knothole: &Knothole, service: &str) -> u64 {
    until(SOON, "the service to be shown", || {
        knothole.service(service)?["records"].as_u64()
    })
}

fn assert_same(expected: &BTreeSet<String>, found: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(found).collect();
    let added: Vec<_> = found.difference(expected).collect();
    assert!(
        missing.is_empty() && added.is_empty(),
        "{} blocks expected, {} found; missing {missing:?}, added {added:?}",
        expected.len(),
        found.len()
    );
}

/// Floors a little below what `knothole demo` shows.
fn assert_labels(told: &BTreeSet<String>) {
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut false_alarms = 0;
    for (block, label) in hdfs::labels() {
        let told = usize::from(told.contains(&block));
        match label {
            Label::Faulty(kind) => {
                let (found, all) = kinds.entry(kind).or_default();
                *found += told;
                *all += 1;
            }
            Label::Normal => false_alarms += told,
            Label::LeftOut => {}
        }
    }
    for kind in LOUD {
        let (found, all) = kinds[kind];
        assert_eq!(found, all, "{kind} of {kinds:?}");
    }
    let found: usize = kinds.values().map(|(found, _)| found).sum();
    let all: usize = kinds.values().map(|(_, all)| all).sum();
    let precision = found as f64 / (found + false_alarms) as f64;
    let recall = found as f64 / all as f64;
    assert!(
        precision > 0.8 && recall > 0.6,
        "{precision} {recall} {kinds:?}"
    );
}
