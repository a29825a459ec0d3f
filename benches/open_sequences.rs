//! What a million open sequences take in memory, in the engine as it is. Linux only: it reads
//! `/proc/self/statm`.
//!
//! `cargo bench --bench open_sequences` reads the bundled HDFS log again and again, each time with
//! blocks of other names and a later time, until a million blocks are open, judged in flight by the
//! starter model. None has ended. Then it reads the log in shuffled order, so that sequences leave
//! the prefixes that are known. Another number may be given as an argument.

#[path = "hdfs/log.rs"]
mod hdfs;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use knothole::core::engine::{Learn, OpenBytes, Pace, Settings, Shard, Status};
use knothole::core::parse::read_head;
use knothole::core::record::{Batch, Record, Resource, StreamKey, Timestamp};
use knothole::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};

/// Sequences opened unless told otherwise.
const COUNT: usize = 1_000_000;
/// Of those in an order that no model knows; fewer than are remembered.
const STRANGE_COUNT: usize = 10_000;
/// What a million are to fit in.
const BYTES_MAX: usize = 512 << 20;
/// What each may take beside its records, and beside its place in the model, which those on the same
/// known prefix share.
const OWN_MAX: usize = 64;
/// And what it may take where it left them.
const STRANGE_MAX: usize = 1_300;
/// Copies of the log after which the model's prefixes and the journal have grown to their bounds.
const WARM_UP: u64 = 6;
/// Where the name of a block begins.
const BLOCK: &str = "blk_";
/// More than the log has blocks.
const BLOCKS_MAX: u64 = 1 << 20;

fn main() -> Result<()> {
    let count = std::env::args().filter_map(|arg| arg.parse().ok()).next();
    let count = count.unwrap_or(COUNT);
    let log = Log::new()?;
    let known = open(&log, count, Order::AsLogged)?;
    known.print("as logged");
    let strange = open(&log, count.min(STRANGE_COUNT), Order::Shuffled)?;
    strange.print("in an order that no model knows");
    // Of fewer than a million the bounded part weighs more.
    let fits = known.resident <= BYTES_MAX / 1_000 * known.open / (COUNT / 1_000);
    ensure!(
        fits || known.open < COUNT,
        "more than {} MiB",
        BYTES_MAX >> 20
    );
    let each = known.each(known.bytes.sequences);
    ensure!(each <= OWN_MAX, "more than {OWN_MAX} bytes");
    let each = strange.each(strange.bytes.sequences + strange.bytes.places);
    ensure!(each <= STRANGE_MAX, "more than {STRANGE_MAX} bytes");
    Ok(())
}

/// The lines of the log, and how long it goes on.
struct Log {
    lines: Vec<String>,
    span: Duration,
}

/// In what order the lines come.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    AsLogged,
    /// Another in each copy.
    Shuffled,
}

/// What open sequences take, in bytes.
struct Taken {
    open: usize,
    records: usize,
    resident: usize,
    bytes: OpenBytes,
}

impl Taken {
    fn each(&self, bytes: usize) -> usize {
        bytes / self.open.max(1)
    }

    fn print(&self, how: &str) {
        let (each, bytes) = (|bytes| self.each(bytes), &self.bytes);
        println!("{} open blocks, {} records, {how}", self.open, self.records);
        println!("  resident memory grew by {} MiB", self.resident >> 20);
        println!("  {:>5} bytes each, and of these", each(self.resident));
        println!("  {:>5} for itself", each(bytes.sequences));
        println!("  {:>5} for where it stands", each(bytes.places));
        println!("  {:>5} for its records", each(bytes.records));
        println!("known prefixes take {} MiB", bytes.prefixes >> 20);
    }
}

/// Opens at least `count` sequences.
fn open(log: &Log, count: usize, order: Order) -> Result<Taken> {
    let mut shard = shard()?;
    // What the model, the templates and the latest lines take counts for no sequence.
    for copy in 0..WARM_UP {
        log.feed(&mut shard, copy, Order::AsLogged);
    }
    let (before, base) = (resident()?, status(&shard)?);
    let mut now = base.clone();
    let mut copy = WARM_UP;
    while now.sequences_open < base.sequences_open + count {
        log.feed(&mut shard, copy, order);
        copy += 1;
        now = status(&shard)?;
    }
    Ok(Taken {
        open: now.sequences_open - base.sequences_open,
        records: usize::try_from(now.records - base.records)?,
        resident: resident()?.saturating_sub(before),
        bytes: OpenBytes {
            records: now.open_bytes.records - base.open_bytes.records,
            sequences: now.open_bytes.sequences - base.open_bytes.sequences,
            places: now.open_bytes.places - base.open_bytes.places,
            prefixes: now.open_bytes.prefixes,
        },
    })
}

fn stream() -> StreamKey {
    StreamKey::named(hdfs::SERVICE)
}

fn status(shard: &Shard) -> Result<Status> {
    shard.status().into_iter().next().context("no stream")
}

/// A shard in which nothing ends, with the starter model.
fn shard() -> Result<Shard> {
    let mut shard = Shard::new(Settings {
        idle_timeout: Duration::from_secs(365 * 24 * 3600),
        open_max: usize::MAX,
        pace: Pace::Replay,
        // What lines without a block say is not kept for training: it is none of theirs.
        learn: Learn {
            corpus_bytes_max: 0,
            ..Learn::default()
        },
        ..Settings::new(KeyFinder::new(DEFAULT_BODY_IDS)?)
    });
    shard.install(&stream(), hdfs::bundle()?, Timestamp::ZERO);
    Ok(shard)
}

impl Log {
    fn new() -> Result<Self> {
        let lines = hdfs::lines()?;
        let time = |line: &String| read_head(line, None).time;
        let ends = lines
            .first()
            .and_then(time)
            .zip(lines.last().and_then(time));
        let (first, last) = ends.context("no time")?;
        let span = last.since(first) + Duration::from_secs(1);
        Ok(Self { lines, span })
    }

    /// Reads the log once more, as its `copy`th repetition.
    fn feed(&self, shard: &mut Shard, copy: u64, order: Order) {
        let resource = Arc::new(Resource::default());
        let later = self.span * u32::try_from(copy).unwrap_or(u32::MAX);
        let mut number = copy;
        for lines in self.lines.chunks(hdfs::BATCH_LEN) {
            let mut places: Vec<usize> = (0..lines.len()).collect();
            if order == Order::Shuffled {
                for place in (1..lines.len()).rev() {
                    number = number.wrapping_mul(6_364_136_223_846_793_005) + 1_442_695;
                    places.swap(place, (number >> 33) as usize % (place + 1));
                }
            }
            let mut batch = Batch::new(stream(), Arc::clone(&resource));
            for (line, place) in lines.iter().zip(places) {
                let body = &lines[place];
                let body = body.get(read_head(body, None).len..).unwrap_or_default();
                batch.push(Record {
                    time: read_head(line, None).time.map(|time| time.plus(later)),
                    body: &renamed(body, copy),
                    ..Record::default()
                });
            }
            shard.push(batch, Timestamp::ZERO);
            drop(shard.take_outputs());
        }
    }
}

/// The line with other blocks.
fn renamed(line: &str, copy: u64) -> String {
    let mut parts = line.split(BLOCK);
    let mut renamed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        renamed.push_str(BLOCK);
        match number.parse::<u64>() {
            Ok(number) => renamed.push_str(&(number + copy * BLOCKS_MAX).to_string()),
            Err(_) => renamed.push_str(number),
        }
        renamed.push_str(rest);
    }
    renamed
}

/// Bytes of memory that are in use.
fn resident() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).context("no second number")?;
    Ok(pages.parse::<usize>()? * 4_096)
}
