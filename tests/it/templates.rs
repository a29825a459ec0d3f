//! Templates that others have found: the Collector's `drain` processor writes one on each record.

use serde_json::Value;

use crate::hdfs::{self, Label};
use crate::knothole::Place;
use crate::parts::{Sink, Tail, alone, flattened, part, write_lines};
use crate::process::SOON;

#[test]
fn a_record_keeps_the_template_that_a_collector_gave_it_beside_ours() {
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
    let knothole = place.serve(&hdfs::settings("1s", &sinks));
    let lines = lines_of_some_blocks();
    let file = place.path("hdfs.log");
    write_lines(&file, lines.iter().map(String::as_str));
    let tail = Tail {
        file: &file,
        to: knothole.grpc,
        service: "hdfs",
        pod: "",
    };
    let _tail = tail.start_with(&otelcol, &["collector/configs/drain.yaml"]);
    let sent = lines.len() as u64;
    let ledger = knothole.ledger_when_settled(sent, SOON);
    assert_eq!((ledger.received, ledger.scored), (sent, sent), "{ledger:?}");
    assert!(knothole.stop().0.success());

    let events: Vec<Value> = sink.records().iter().map(flattened).collect();
    let of_records: Vec<&Value> = events
        .iter()
        .filter(|event| {
            // Long texts are cut on their way.
            let observed = event["knothole.anomaly.observed"].as_str();
            observed.is_some_and(|line| line.len() < 500)
        })
        .collect();
    assert!(!of_records.is_empty(), "{events:?}");
    for event in of_records {
        let text = |name: &str| {
            event[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name} of {event}"))
        };
        let (ours, theirs) = (text("log.record.template"), text("knothole.template.sent"));
        let line = lines
            .iter()
            .find(|line| line.contains(text("knothole.anomaly.observed")))
            .unwrap_or_else(|| panic!("nothing sent is in {event}"));
        assert!(says(theirs, line), "{theirs} of {line}");
        // Theirs has the time at the head of the line in it, and so is not ours.
        assert!(!ours.contains("2026-") && ours != theirs, "{ours}");
    }
}

/// The lines of a hundred blocks, some of which lost a replica, and a line that ends all.
fn lines_of_some_blocks() -> Vec<String> {
    let labels = hdfs::labels();
    let of = |wanted: fn(&Label) -> bool, most: usize| {
        labels
            .iter()
            .filter(move |(_, label)| wanted(label))
            .map(|(block, _)| block.as_str())
            .take(most)
    };
    let blocks: Vec<&str> = of(|label| *label == Label::Normal, 90)
        .chain(of(
            |label| *label == Label::Faulty("corrupt_read".into()),
            10,
        ))
        .collect();
    let text = hdfs::text();
    let lines = text.lines().filter(|line| {
        let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| blocks.iter().any(|block| word.starts_with(block)))
    });
    lines
        .chain([hdfs::FIVE_MINUTES_LATER])
        .map(str::to_owned)
        .collect()
}

/// Whether a line is of a template of Drain.
fn says(template: &str, line: &str) -> bool {
    let (template, line): (Vec<&str>, Vec<&str>) = (
        template.split_ascii_whitespace().collect(),
        line.split_ascii_whitespace().collect(),
    );
    template.len() == line.len()
        && template
            .iter()
            .zip(line)
            .all(|(wanted, word)| *wanted == "<*>" || *wanted == word)
}
