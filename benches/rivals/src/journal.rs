//! What it costs to have a request on disk before it is acknowledged: the journal beside SQLite
//! (write-ahead log, `synchronous=FULL`) and beside a bare write and `fdatasync`.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use knothole::core::record::Timestamp;
use knothole::edge::journal::{Appended, Entry, Head, Journal, Settings};
use rusqlite::{Connection, params};

const ROUNDS: usize = 5;

/// Bytes of a body, senders that each wait for their answer, and bodies of each in a round.
const LOADS: [(usize, usize, usize); 5] = [
    (1 << 20, 1, 100),
    (1 << 20, 8, 25),
    (64 << 10, 1, 300),
    (4 << 10, 1, 1_000),
    (4 << 10, 64, 60),
];

/// Takes a body and returns when it is on disk.
type Keep<'a> = &'a (dyn Fn(usize, &[u8]) -> Result<()> + Sync);

/// What one engine did in all rounds.
#[derive(Default)]
struct Taken {
    rates: Vec<f64>,
    waits: Vec<Duration>,
}

/// The table of all loads, on the disk of `folder` (the current one, if there is none).
pub(crate) fn run(folder: Option<&Path>) -> Result<()> {
    let folder = tempfile::tempdir_in(folder.unwrap_or(Path::new(".")))?;
    println!(
        "| body × senders | journal MB/s | ack p50, p99 ms | SQLite FULL MB/s | p50 ms | bare write + fdatasync p50 ms | MB/s by SQLite's | p50 by bare's |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for (len, senders, count) in LOADS {
        let mut taken: [Taken; 3] = Default::default();
        for round in 0..ROUNDS {
            let place = folder.path().join(round.to_string());
            std::fs::create_dir(&place)?;
            with_journal(&place, |keep| {
                load(keep, (len, senders, count), &mut taken[0])
            })?;
            with_sqlite(&place, |keep| {
                load(keep, (len, senders, count), &mut taken[1])
            })?;
            with_file(&place, len, |keep| {
                load(keep, (len, 1, count), &mut taken[2])
            })?;
            std::fs::remove_dir_all(&place)?;
        }
        let [journal, sqlite, bare] = taken;
        let (p50, p99) = (journal.wait(50), journal.wait(99));
        println!(
            "| {} KiB × {senders} | {:.0} | {p50:.2}, {p99:.2} | {:.0} | {:.2} | {:.2} | {:.1} | {:.2} |",
            len >> 10,
            journal.rate(),
            sqlite.rate(),
            sqlite.wait(50),
            bare.wait(50),
            journal.rate() / sqlite.rate(),
            p50 / bare.wait(50),
        );
    }
    Ok(())
}

impl Taken {
    /// The median of the rounds, in MB/s.
    fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    /// A percentile of all waits, in milliseconds.
    fn wait(&self, percent: usize) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort();
        waits[(waits.len() - 1) * percent / 100].as_secs_f64() * 1e3
    }
}

/// Lets all senders send, each the next when the last is kept.
fn load(
    keep: Keep<'_>,
    (len, senders, count): (usize, usize, usize),
    taken: &mut Taken,
) -> Result<()> {
    let waits = Mutex::new(Vec::new());
    let began = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let sender = |sender: usize| {
            let waits = &waits;
            scope.spawn(move || -> Result<()> {
                let mut body = vec![0; len];
                let mut own = Vec::with_capacity(count);
                for nth in 0..count {
                    let number = sender * count + nth;
                    scramble(&mut body, number as u64);
                    let sent = Instant::now();
                    keep(number, &body)?;
                    own.push(sent.elapsed());
                }
                if let Ok(mut waits) = waits.lock() {
                    waits.append(&mut own);
                }
                Ok(())
            })
        };
        let threads: Vec<_> = (0..senders).map(sender).collect();
        for thread in threads {
            match thread.join() {
                Ok(sent) => sent?,
                Err(_) => bail!("a sender panicked"),
            }
        }
        Ok(())
    })?;
    let bytes = (len * senders * count) as f64;
    taken
        .rates
        .push(bytes / 1e6 / began.elapsed().as_secs_f64());
    taken
        .waits
        .append(&mut waits.into_inner().unwrap_or_default());
    Ok(())
}

fn with_journal(place: &Path, load: impl FnOnce(Keep<'_>) -> Result<()>) -> Result<()> {
    let settings = Settings {
        bytes_max: 8 << 30,
        ..Settings::default()
    };
    let (journal, _) = Journal::open(&place.join("journal"), settings)?;
    load(&|number, body| {
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        let head = Head {
            kind: 1,
            tenant: "bench".into(),
            received_at: Timestamp::from_millis(1),
            digest,
        };
        let body = body.to_vec().into();
        let (told, hear) = mpsc::channel();
        // A sender that is gone needs no answer.
        journal.append(Entry { head, body }, move |done| drop(told.send(done)))?;
        match hear.recv()?? {
            Appended::New(_) => Ok(()),
            Appended::Repeated(seq) => bail!("repeats {seq}"),
        }
    })
}

fn with_sqlite(place: &Path, load: impl FnOnce(Keep<'_>) -> Result<()>) -> Result<()> {
    let connection = Connection::open(place.join("sqlite.db"))?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("CREATE TABLE entry (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")?;
    let connection = Mutex::new(connection);
    load(&|_, body| {
        let Ok(connection) = connection.lock() else {
            bail!("a sender panicked");
        };
        let mut insert = connection.prepare_cached("INSERT INTO entry (body) VALUES (?1)")?;
        insert.execute(params![body])?;
        Ok(())
    })
}

/// Bodies behind one another in a file that has the room already.
fn with_file(place: &Path, len: usize, load: impl FnOnce(Keep<'_>) -> Result<()>) -> Result<()> {
    let file = File::create_new(place.join("bare"))?;
    let flags = rustix::fs::FallocateFlags::empty();
    rustix::fs::fallocate(&file, flags, 0, (len * 2_000) as u64)?;
    file.sync_all()?;
    load(&|number, body| {
        file.write_all_at(body, (number * len) as u64)?;
        Ok(file.sync_data()?)
    })
}

/// Fills a body with what no disk can pack.
fn scramble(body: &mut [u8], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in body.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
}
