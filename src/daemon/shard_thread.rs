//! A thread that owns a shard.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::announce::Announcer;
use super::board::Board;
use super::clock;
use super::router::Room;
use crate::core::engine::{Settings, Shard, Snapshot};
use crate::core::model::Bundle;
use crate::core::parse::Template;
use crate::core::record::{Batch, StreamKey, Timestamp};

/// The longest time between two looks at what is due and two reports to the board.
const TICK: Duration = Duration::from_millis(100);

/// What a shard can be told.
#[derive(Debug)]
pub(super) enum Command {
    /// Records to judge.
    Batches {
        /// The number of their entry in the journal; zero is none.
        number: u64,
        /// When they came.
        received_at: Timestamp,
        /// Whether they were acknowledged before this start.
        is_replayed: bool,
        batches: Vec<Batch>,
        room: Arc<Room>,
    },
    /// A model from now on.
    Install {
        stream: StreamKey,
        bundle: Arc<Bundle>,
    },
    /// A training came to nothing.
    TrainingFailed { stream: StreamKey },
    /// Settings from now on.
    Reconfigure(Box<Settings>),
    /// The state of every stream, please.
    Snapshot(Ask),
    /// The templates of a stream, please, at most so many, the most frequent first.
    Templates {
        stream: StreamKey,
        max: usize,
        reply: Sender<Vec<Template>>,
    },
    /// Judge what waits and end every sequence, then say so.
    Finish(Sender<()>),
    /// Take in what is queued, hand over the state of every stream, and end.
    Stop(Ask),
}

/// The question for the state of all streams.
#[derive(Debug)]
pub(super) struct Ask {
    /// The streams of which all templates are asked for, not just what changed.
    pub(super) whole: Arc<BTreeSet<StreamKey>>,
    pub(super) reply: Sender<Vec<Snapshot>>,
}

/// The way to a shard. What is sent is bounded by the router's budget, not by the channel.
#[derive(Clone, Debug)]
pub(super) struct ShardHandle {
    commands: Sender<Command>,
}

impl ShardHandle {
    /// Sends a command; whether the shard is still there to obey.
    pub(super) fn send(&self, command: Command) -> bool {
        let there = self.commands.send(command).is_ok();
        if !there {
            tracing::error!("A shard has stopped before its time; its streams are not judged.");
        }
        there
    }
}

/// What a shard thread reports to.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    pub(super) announcer: Announcer,
    pub(super) board: Arc<Board>,
    pub(super) queued: Arc<AtomicU64>,
    /// Set when there is no time left to judge: what is queued is taken in and kept.
    pub(super) stopping: Arc<AtomicBool>,
}

/// Starts the thread of shard `index`.
///
/// # Errors
/// If the system gives no thread.
pub(super) fn spawn(index: usize, shard: Shard, reports: Reports) -> std::io::Result<ShardHandle> {
    let (commands, inbox) = mpsc::channel();
    // What was taken up from the state folder shows from the first look at the metrics on.
    reports.board.tell(index, shard.ledger(), || shard.status());
    let thread = std::thread::Builder::new().name(format!("shard-{index}"));
    let mut worker = Worker {
        index,
        shard,
        reports,
    };
    thread.spawn(move || worker.run(&inbox))?;
    Ok(ShardHandle { commands })
}

struct Worker {
    index: usize,
    shard: Shard,
    reports: Reports,
}

impl Worker {
    fn run(&mut self, inbox: &Receiver<Command>) {
        let mut ticked = Instant::now();
        loop {
            match inbox.recv_timeout(self.until_due()) {
                Ok(Command::Stop(ask)) => {
                    self.report();
                    return self.answer(&ask);
                }
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Also while commands come without a pause: a quiet stream must not wait for a busy
            // one.
            if self.until_due().is_zero() || ticked.elapsed() >= TICK {
                self.shard.tick(clock::now());
                ticked = Instant::now();
            }
            self.report();
        }
    }

    fn until_due(&self) -> Duration {
        let due = self
            .shard
            .next_deadline()
            .map(|due| due.since(clock::now()));
        due.unwrap_or(TICK).min(TICK)
    }

    fn obey(&mut self, command: Command) {
        let now = clock::now();
        match command {
            Command::Batches {
                number,
                received_at,
                is_replayed,
                batches,
                room,
            } => {
                let all: usize = batches.iter().map(|batch| batch.len()).sum();
                let news = match number {
                    0 => batches,
                    number => self.shard.news(number, batches),
                };
                let new: usize = news.iter().map(|batch| batch.len()).sum();
                // The snapshot that a stream was restored from had them.
                let known = (all - new) as u64;
                self.reports.queued.fetch_sub(known, Ordering::AcqRel);
                if is_replayed {
                    self.reports.board.received.restore(new as u64);
                }
                for batch in news {
                    let records = batch.len() as u64;
                    match self.reports.stopping.load(Ordering::Relaxed) {
                        false => self.shard.push_received(batch, received_at, now),
                        true => self.shard.hold(batch, now),
                    }
                    // Told before the queue is: a record may be seen twice for a moment, but
                    // never nowhere.
                    self.reports
                        .board
                        .tell_ledger(self.index, self.shard.ledger());
                    self.reports.queued.fetch_sub(records, Ordering::AcqRel);
                }
                self.reports.board.tell_lag(self.lag(received_at));
                drop(room);
            }
            Command::Install { stream, bundle } => self.shard.install(&stream, bundle, now),
            Command::TrainingFailed { stream } => self.shard.training_failed(&stream, now),
            Command::Reconfigure(settings) => self.shard.reconfigure(*settings),
            Command::Snapshot(ask) => self.answer(&ask),
            Command::Templates { stream, max, reply } => {
                // Whoever asked may have given up.
                let _ = reply.send(self.templates(&stream, max));
            }
            Command::Finish(reply) => {
                self.shard.finish(now);
                self.report();
                // Whoever asked may have given up.
                let _ = reply.send(());
            }
            // Handled where the thread ends.
            Command::Stop(ask) => drop(ask.reply.send(Vec::new())),
        }
    }

    /// How long after it came a record is judged of which the batch came at `received_at`.
    fn lag(&self, received_at: Timestamp) -> Duration {
        let now = clock::now();
        // The epoch stands for the rest of a stretch of work, of which it is not known how old it is.
        let due = self.shard.next_deadline();
        let due = due.filter(|due| *due > Timestamp::ZERO);
        let overdue = due.map_or(Duration::ZERO, |due| now.since(due));
        now.since(received_at) + overdue + self.shard.reorder_delay()
    }

    fn answer(&mut self, ask: &Ask) {
        // Nobody waits any more when the time to stop is over.
        let _ = ask.reply.send(self.shard.snapshots(&ask.whole));
    }

    fn templates(&self, stream: &StreamKey, max: usize) -> Vec<Template> {
        let miner = self.shard.miner(stream);
        let templates = miner.into_iter().flat_map(|miner| miner.templates());
        let mut templates: Vec<&Template> = templates.collect();
        templates.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        templates.into_iter().take(max).cloned().collect()
    }

    fn report(&mut self) {
        for stream in self.reports.announcer.announce(self.shard.take_outputs()) {
            self.shard.training_failed(&stream, clock::now());
        }
        for (kind, count) in self.shard.take_redacted() {
            self.reports.board.count_redacted(&kind, count);
        }
        self.reports
            .board
            .tell(self.index, self.shard.ledger(), || self.shard.status());
    }
}
