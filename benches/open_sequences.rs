//! What a million open sequences take in memory. Linux only: it reads `/proc/self/statm`.
//!
//! `cargo bench --bench open_sequences` opens a million, each of 20 to 27 records and judged by a
//! model, and prints the bytes each takes; another number may be given as an argument.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use knothole::core::engine::{Pace, Settings, Shard};
use knothole::core::model::Bundle;
use knothole::core::record::{Batch, Record, Resource, StreamKey, Timestamp};
use knothole::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use knothole::core::train::{TrainSettings, train};

/// Sequences opened unless told otherwise.
const COUNT: u64 = 1_000_000;
/// Sequences that the model is trained on.
const TRAINED_ON: u64 = 400;
/// Records of the longest sequence.
const LEN_MAX: u64 = 27;
/// Records in a batch.
const BATCH_LEN: usize = 8_192;
/// What a million are to fit in.
const BYTES_MAX: u64 = 512 << 20;

fn main() -> Result<()> {
    let count = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let count = count.unwrap_or(COUNT);
    let bundle = bundle()?;
    let mut shard = shard(&bundle)?;
    // What the model and the templates take counts for no sequence.
    feed(&mut shard, 0..64, TRAINED_ON);
    let before = resident()?;
    let first = 1_000;
    feed(&mut shard, first..first + count, 3_600);
    let open = shard
        .status()
        .first()
        .map_or(0, |status| status.sequences_open);
    let taken = resident()?.saturating_sub(before);
    println!(
        "{open} open sequences of 20 to {LEN_MAX} records take {} MiB, {} bytes each",
        taken >> 20,
        taken / count.max(1)
    );
    let most = BYTES_MAX * count / COUNT;
    anyhow::ensure!(
        taken <= most || count < COUNT,
        "more than {} MiB",
        most >> 20
    );
    Ok(())
}

fn stream() -> StreamKey {
    StreamKey::named("blocks")
}

/// A shard in which nothing ends.
fn shard(bundle: &Arc<Bundle>) -> Result<Shard> {
    let mut shard = Shard::new(Settings {
        idle_timeout: Duration::from_secs(365 * 24 * 3600),
        open_max: usize::MAX,
        pace: Pace::Replay,
        ..Settings::new(KeyFinder::new(DEFAULT_BODY_IDS)?)
    });
    shard.install(&stream(), Arc::clone(bundle), Timestamp::ZERO);
    Ok(shard)
}

/// A model of such sequences.
fn bundle() -> Result<Arc<Bundle>> {
    let mut shard = Shard::new(Settings {
        idle_timeout: Duration::from_secs(60),
        pace: Pace::Replay,
        ..Settings::new(KeyFinder::new(DEFAULT_BODY_IDS)?)
    });
    feed(&mut shard, 0..TRAINED_ON, 0);
    shard.finish(Timestamp::ZERO);
    let corpus = shard.corpus(&stream()).context("nothing was learned")?;
    let settings = TrainSettings {
        epochs_max: 3,
        ..TrainSettings::default()
    };
    let bundle = train(&corpus, &settings, &mut |_| ControlFlow::Continue(()))?;
    Ok(Arc::new(bundle))
}

/// Adds a record to each of the sequences in turn, then the next to each, `after` seconds on.
fn feed(shard: &mut Shard, numbers: std::ops::Range<u64>, after: u64) {
    let resource = Arc::new(Resource::new(vec![("host.name".into(), "node-1".into())]));
    let len = |number: u64| 20 + number % (LEN_MAX - 19);
    let mut records = Vec::with_capacity(BATCH_LEN);
    let mut send = |records: &mut Vec<Record>| {
        let batch = Batch {
            stream: stream(),
            resource: Arc::clone(&resource),
            records: std::mem::take(records),
        };
        shard.push(batch, Timestamp::ZERO);
        drop(shard.take_outputs());
    };
    for step in 0..LEN_MAX {
        for number in numbers.clone().filter(|number| step < len(*number)) {
            records.push(Record {
                time: Some(Timestamp::from_millis(
                    1_700_000_000_001 + 1_000 * (after + 60 * step) + number % 997,
                )),
                body: line(step, number).into(),
                ..Record::default()
            });
            if records.len() >= BATCH_LEN {
                send(&mut records);
            }
        }
    }
    send(&mut records);
}

/// The record of a step; nine kinds take turns.
fn line(step: u64, number: u64) -> String {
    let words = [
        "allocate",
        "receive",
        "received",
        "verify",
        "store",
        "report",
        "replicate",
        "serve",
        "close",
    ];
    let word = words[(step % 9) as usize];
    let node = (number * 7 + step) % 40;
    format!(
        "INFO {word} block blk_{} at 10.0.0.{node}",
        1_073_741_824 + number
    )
}

/// Bytes of memory that are in use.
fn resident() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).context("no second number")?;
    Ok(pages.parse::<u64>()? * 4_096)
}
