//! Where the time of a record goes: each stage alone, on the same records.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use knothole::core::model::Bundle;
use knothole::core::parse::{Miner, read_head};
use knothole::core::record::{Batch, Timestamp};
use knothole::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use knothole::edge::receive::{ConvertSettings, Encoding, Signal, decode};

use crate::contest::{Lap, median};
use crate::{hdfs, road};

/// Times each stage runs.
const ROUNDS: usize = 5;

/// A Markdown table of nanoseconds a record, each the median.
pub(crate) fn report(lines: &[String], bundle: &Arc<Bundle>) -> Result<String> {
    let names = [
        "decode",
        "engine without a model, of it:",
        "· timestamp at the head",
        "· template (Miner::parse)",
        "· identifiers (KeyFinder::keys)",
        "· hold, sequences, the rest",
        "detect (engine with the model, less without)",
    ];
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for _ in 0..ROUNDS {
        for (all, nanos) in all.iter_mut().zip(round(lines, bundle)?) {
            all.push(nanos);
        }
    }
    let mut text = String::from("| stage | ns a record |\n|---|---:|\n");
    for (name, nanos) in names.iter().zip(all) {
        text += &format!("| {name} | {:.0} |\n", median(nanos));
    }
    Ok(text)
}

fn round(lines: &[String], bundle: &Arc<Bundle>) -> Result<[f64; 7]> {
    let count = lines.len();
    let requests = hdfs::requests(lines, hdfs::BATCH_LEN);
    let settings = ConvertSettings::of_instance("bench");
    let (decode, batches) = Lap::of(count, || {
        let mut batches: Vec<Batch> = Vec::new();
        for bytes in &requests {
            batches.extend(decode(Signal::Logs, Encoding::Protobuf, bytes, &settings)?.batches);
        }
        Ok(batches)
    })?;
    let (head, ()) = Lap::of(count, || {
        lines.iter().for_each(|line| {
            black_box(read_head(line, None));
        });
        Ok(())
    })?;
    let messages = hdfs::messages(lines);
    let mut miner = Miner::default();
    let (parse, ()) = Lap::of(count, || {
        messages.iter().for_each(|message| {
            black_box(miner.parse(message, Timestamp::ZERO));
        });
        Ok(())
    })?;
    let finder = KeyFinder::new(DEFAULT_BODY_IDS)?;
    let (keys, ()) = Lap::of(count, || {
        for batch in &batches {
            for record in batch.records() {
                black_box(finder.keys(&record, &batch.resource));
            }
        }
        Ok(())
    })?;
    let learning = engine(batches.clone(), None, count)?;
    let judging = engine(batches, Some(bundle), count)?;
    let [decode, head, parse, keys] = [decode, head, parse, keys].map(nanos);
    let rest = learning - head - parse - keys;
    let detect = judging - learning;
    Ok([decode, learning, head, parse, keys, rest, detect])
}

/// Nanoseconds that a shard takes for a record.
fn engine(batches: Vec<Batch>, bundle: Option<&Arc<Bundle>>, count: usize) -> Result<f64> {
    let mut shard = road::shard(bundle)?;
    let (lap, ()) = Lap::of(count, || {
        for batch in batches {
            shard.push(batch, hdfs::OBSERVED);
            black_box(shard.take_outputs());
        }
        shard.finish(hdfs::OBSERVED);
        black_box(shard.take_outputs());
        Ok(())
    })?;
    Ok(nanos(lap))
}

fn nanos(lap: Lap) -> f64 {
    lap.spent.as_secs_f64() * 1e9 / lap.units.max(1) as f64
}
