//! The whole road in one thread: bytes of OTLP requests in, anomalies out.

use std::sync::Arc;

use anyhow::{Result, ensure};
use knothole::core::engine::{Output, Pace, Settings, Shard};
use knothole::core::model::Bundle;
use knothole::core::record::StreamKey;
use knothole::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use knothole::edge::receive::{ConvertSettings, Encoding, Signal, decode};

use crate::contest::{Lap, grouped, median};
use crate::{hdfs, memory};

/// Runs of the road.
const ROUNDS: usize = 5;
/// How often the log is sent in one long run, each time an hour later and with other blocks.
const COPIES: usize = 8;

/// What a run came to.
struct Run {
    lap: Lap,
    anomalies: usize,
    peak: u64,
}

/// A Markdown table: once through the log with a fresh model, and several times on end. Peak
/// memory is that of the process from its start to the end of the first such run: the lines are
/// read as they are needed, so hardly more than the road and one request is in it.
pub(crate) fn report() -> Result<String> {
    let bundle = hdfs::bundle()?;
    let mut text = String::from(
        "| whole road | records | median records/s/core | lowest to highest | anomalies | peak memory |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for (name, copies) in [("the log once", 1), ("eight copies on end", COPIES)] {
        let runs: Vec<Run> = (0..ROUNDS)
            .map(|_| travel(&bundle, copies))
            .collect::<Result<_>>()?;
        let Some(first) = runs.first() else { continue };
        ensure!(
            runs.iter().all(|run| run.anomalies == first.anomalies),
            "the same input gave different anomalies"
        );
        let rates: Vec<f64> = runs.iter().map(|run| run.lap.rate()).collect();
        text += &format!(
            "| {name} | {} | {} | {} to {} | {} | {} MB |\n",
            first.lap.units,
            grouped(median(rates.clone())),
            grouped(rates.iter().copied().fold(f64::INFINITY, f64::min)),
            grouped(rates.iter().copied().fold(0.0, f64::max)),
            first.anomalies,
            first.peak / 1_000_000,
        );
    }
    Ok(text)
}

/// A shard that judges by `bundle`, if any, with the settings of `knothole demo`; the clock is
/// that of the records, so that every run gives the same.
pub(crate) fn shard(bundle: Option<&Arc<Bundle>>) -> Result<Shard> {
    let mut shard = Shard::new(Settings {
        idle_timeout: std::time::Duration::from_secs(60),
        reorder_delay: std::time::Duration::from_millis(200),
        pace: Pace::Replay,
        ..Settings::new(KeyFinder::new(DEFAULT_BODY_IDS)?)
    });
    if let Some(bundle) = bundle {
        let stream = StreamKey::named(hdfs::SERVICE);
        shard.install(&stream, Arc::clone(bundle), hdfs::OBSERVED);
    }
    Ok(shard)
}

fn travel(bundle: &Arc<Bundle>, copies: usize) -> Result<Run> {
    let settings = ConvertSettings::of_instance("bench");
    let mut shard = shard(Some(bundle))?;
    let mut lap = Lap::default();
    let mut anomalies = 0;
    for copy in 0..copies {
        let mut lines = hdfs::stream()?;
        loop {
            let some = lines.by_ref().take(hdfs::BATCH_LEN);
            let some: Vec<String> = some
                .map(|line| Ok(later(&line?, copy)))
                .collect::<Result<_>>()?;
            if some.is_empty() {
                break;
            }
            for bytes in hdfs::requests(&some, hdfs::BATCH_LEN) {
                let (added, found) = Lap::of(some.len(), || {
                    let decoded = decode(Signal::Logs, Encoding::Protobuf, &bytes, &settings)?;
                    for batch in decoded.batches {
                        shard.push(batch, hdfs::OBSERVED);
                    }
                    Ok(anomalies_in(&shard.take_outputs()))
                })?;
                lap.add(added);
                anomalies += found;
            }
        }
    }
    let (added, found) = Lap::of(0, || {
        shard.finish(hdfs::OBSERVED);
        Ok(anomalies_in(&shard.take_outputs()))
    })?;
    lap.add(added);
    ensure!(
        shard.ledger().scored == lap.units,
        "some records were not judged"
    );
    Ok(Run {
        lap,
        anomalies: anomalies + found,
        peak: memory::peak()?,
    })
}

fn anomalies_in(outputs: &[Output]) -> usize {
    let anomalies = outputs.iter();
    anomalies
        .filter(|output| matches!(output, Output::Anomaly(_)))
        .count()
}

/// A line as if it had been written `hours` later by another run: other times, other blocks.
fn later(line: &str, hours: usize) -> String {
    let (hour, blocks) = (format!("T{:02}:", 7 + hours), format!("blk_{}", 1 + hours));
    line.replacen("T07:", &hour, 1).replace("blk_1", &blocks)
}
