//! Requests → disk → shards.
//!
//! A request is acknowledged when the journal has it on disk. Its records go to the shards then,
//! in the order of the journal's numbers. After a restart the entries that no snapshot holds come
//! first; what is accepted meanwhile queues behind them, on disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::clock;
use super::router::{Load, Router};
use super::scribe::Scribe;
use crate::edge::journal::{AppendError, Appended, Entry, Head, Journal, Seq, Stored};
use crate::edge::receive::{
    Accepted, Encoding, Intake, Observed, Packing, Refusal, Reopen, Sent, Signal, Taken,
};

/// Takes requests in.
pub(super) struct Door {
    router: Arc<Router>,
    /// `None` where records may be lost in a crash.
    journal: Option<Arc<Journal>>,
    progress: Arc<Mutex<Progress>>,
    /// Takes evidence.
    scribe: Scribe,
    /// What the snapshots have.
    forgotten: Mutex<Seq>,
}

/// How far the shards are.
#[derive(Debug)]
struct Progress {
    /// The last entry whose records went to the shards.
    handed: Seq,
    /// Whether entries go to the shards when they are on disk; until then they are read from there.
    is_live: bool,
}

impl Door {
    /// A door that keeps what it takes in `journal`, of which the snapshots have everything up to
    /// `handed`.
    pub(super) fn new(
        router: Arc<Router>,
        journal: Option<Arc<Journal>>,
        handed: Seq,
        scribe: Scribe,
    ) -> Self {
        let is_live = journal
            .as_ref()
            .is_none_or(|journal| journal.status().last <= handed);
        Self {
            router,
            journal,
            progress: Arc::new(Mutex::new(Progress { handed, is_live })),
            scribe,
            forgotten: Mutex::new(handed),
        }
    }

    /// The last entry whose records went to the shards: a snapshot that is asked for now has them.
    pub(super) fn handed(&self) -> Seq {
        locked(&self.progress).handed
    }

    /// Whether so much of the journal is taken that snapshots should be written soon.
    pub(super) fn is_filling(&self) -> bool {
        let Some(journal) = &self.journal else {
            return false;
        };
        let is_ahead = self.handed() > *locked(&self.forgotten);
        is_ahead && journal.status().bytes >= journal.bytes_max() / 4 * 3
    }

    /// Lets go of entries that the snapshots have.
    pub(super) fn forget(&self, upto: Seq) {
        *locked(&self.forgotten) = upto;
        if let Some(journal) = &self.journal {
            journal.forget(upto);
        }
    }

    /// Refuses requests from now on; those that wait for the disk are finished.
    pub(super) fn close(&self) {
        self.router.close();
        if let Some(journal) = &self.journal {
            journal.close();
        }
    }

    /// Hands the entries to the shards that came before this start, and those that came since,
    /// until none is left. Nothing to do ends at once.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn catch_up(
        &self,
        reopen: Reopen,
        stopping: Arc<AtomicBool>,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        let Some(journal) = self.journal.clone() else {
            return Ok(None);
        };
        if locked(&self.progress).is_live {
            return Ok(None);
        }
        let replay = Replay {
            journal,
            router: Arc::clone(&self.router),
            progress: Arc::clone(&self.progress),
            runtime: Handle::current(),
            reopen,
            stopping,
        };
        let thread = std::thread::Builder::new().name("replay".to_owned());
        Ok(Some(thread.spawn(move || replay.run())?))
    }
}

impl Intake for Door {
    fn is_open(&self) -> Result<(), Refusal> {
        self.router.is_refusing()
    }

    async fn accept(&self, request: Accepted) -> Result<Taken, Refusal> {
        let Accepted {
            sent,
            decoded,
            hold,
        } = request;
        let load = self.router.load(decoded.batches, decoded.bytes).await?;
        let Some(journal) = &self.journal else {
            self.router.hand_over(0, load)?;
            return Ok(Taken::New);
        };
        let (tell, told) = oneshot::channel();
        let (router, progress) = (Arc::clone(&self.router), Arc::clone(&self.progress));
        let then = move |kept: Result<Appended, AppendError>| {
            let answer = match kept {
                Ok(Appended::New(seq)) => pass(&progress, &router, seq, load),
                Ok(Appended::Repeated(_)) => Ok(Taken::Repeated),
                Err(error) => Err(refusal(&error)),
            };
            drop(hold);
            // Nobody waits where the sender hung up.
            let _ = tell.send(answer);
        };
        let kept = journal.append(entry(&sent), then);
        kept.map_err(|error| refusal(&error))?;
        told.await.unwrap_or(Err(Refusal::Stopping))
    }

    fn observe(&self, observed: Observed) {
        if self.router.is_open() {
            self.scribe.observed(observed);
        }
    }
}

/// Hands what is on disk to the shards, unless it is for the replay to do or was done by it.
fn pass(
    progress: &Mutex<Progress>,
    router: &Router,
    seq: Seq,
    load: Load,
) -> Result<Taken, Refusal> {
    let mut progress = locked(progress);
    if progress.is_live && progress.handed < seq {
        router.hand_over(seq.get(), load)?;
        progress.handed = seq;
    }
    Ok(Taken::New)
}

/// Reads entries and hands them over until none is left.
struct Replay {
    journal: Arc<Journal>,
    router: Arc<Router>,
    progress: Arc<Mutex<Progress>>,
    runtime: Handle,
    reopen: Reopen,
    stopping: Arc<AtomicBool>,
}

impl Replay {
    fn run(self) {
        let first = locked(&self.progress).handed.next();
        let (mut entries, mut records) = (0_u64, 0_u64);
        tracing::info!(
            from = first.get(),
            "Records that were acknowledged before this start are judged now."
        );
        let before = self.journal.status().last;
        while !self.is_done() {
            let next = locked(&self.progress).handed.next();
            let last = self.journal.status().last;
            for stored in self.journal.read(next) {
                if self.stopping.load(Ordering::Relaxed) {
                    return;
                }
                let is_replayed = stored.seq <= before;
                let Some(passed) = self.pass(stored, is_replayed) else {
                    tracing::error!(
                        "A shard is gone; what is in the journal is judged after the next start."
                    );
                    return;
                };
                entries += 1;
                records += passed;
            }
            // What is on disk but cannot be read was named when the journal was opened.
            let mut progress = locked(&self.progress);
            progress.handed = progress.handed.max(last);
        }
        tracing::info!(
            entries,
            records,
            "All records that were acknowledged before this start went to be judged."
        );
    }

    /// Whether there is nothing left to read; from then on entries go to the shards directly.
    fn is_done(&self) -> bool {
        let mut progress = locked(&self.progress);
        progress.is_live = self.journal.status().last <= progress.handed;
        progress.is_live
    }

    /// Hands the records of an entry over; how many there are. `None` where nobody takes them.
    fn pass(&self, stored: Stored, is_replayed: bool) -> Option<u64> {
        let seq = stored.seq;
        let decoded = match sent(&stored).map(|sent| self.reopen.open(&sent)) {
            Some(Ok(decoded)) => decoded,
            Some(Err(error)) => {
                tracing::error!(
                    seq = seq.get(),
                    error,
                    "An entry of the journal cannot be decoded; its records are lost."
                );
                return Some(0);
            }
            None => {
                tracing::error!(
                    seq = seq.get(),
                    kind = stored.head.kind,
                    "An entry of the journal is of an unknown kind; its records are lost."
                );
                return Some(0);
            }
        };
        let records = decoded.records;
        let received_at = Some(stored.head.received_at);
        let load = self
            .router
            .load_in_time(decoded.batches, decoded.bytes, received_at);
        let mut load = self.runtime.block_on(load).ok()?;
        load.is_replayed = is_replayed;
        let mut progress = locked(&self.progress);
        if progress.handed < seq {
            self.router.hand_over(seq.get(), load).ok()?;
            progress.handed = seq;
        }
        Some(records)
    }
}

fn refusal(error: &AppendError) -> Refusal {
    match error {
        AppendError::Closed => Refusal::Stopping,
        AppendError::Full | AppendError::Bound => Refusal::Overloaded {
            retry_after: super::router::RETRY_AFTER,
        },
        AppendError::Disk(_) | AppendError::TooLarge => {
            tracing::error!(%error, "A request could not be kept; its sender is told to come again.");
            Refusal::Unwritable
        }
    }
}

/// Bytes of the SHA-256 by which the journal knows a request again.
const DIGEST_LEN: usize = 16;

fn entry(sent: &Sent) -> Entry {
    let tenant: &str = sent.tenant.as_deref().unwrap_or_default();
    let kind = kind(sent);
    let mut hash = Sha256::new();
    hash.update((tenant.len() as u64).to_le_bytes());
    hash.update(tenant.as_bytes());
    hash.update([kind]);
    hash.update(&sent.body);
    let mut digest = [0; DIGEST_LEN];
    let whole = hash.finalize();
    digest
        .iter_mut()
        .zip(whole)
        .for_each(|(to, from)| *to = from);
    Entry {
        head: Head {
            kind,
            tenant: tenant.into(),
            received_at: clock::now(),
            digest,
        },
        body: sent.body.clone(),
    }
}

/// Encoding and packing in one byte; only logs are kept.
const fn kind(sent: &Sent) -> u8 {
    let encoding = match sent.encoding {
        Encoding::Protobuf => 0,
        Encoding::Json => 1,
    };
    let packing = match sent.packing {
        Packing::Plain => 0,
        Packing::Gzip => 1,
        Packing::Zstd => 2,
    };
    encoding << 4 | packing
}

fn sent(stored: &Stored) -> Option<Sent> {
    let encoding = match stored.head.kind >> 4 {
        0 => Encoding::Protobuf,
        1 => Encoding::Json,
        _ => return None,
    };
    let packing = match stored.head.kind & 0xf {
        0 => Packing::Plain,
        1 => Packing::Gzip,
        2 => Packing::Zstd,
        _ => return None,
    };
    let tenant = &stored.head.tenant;
    Some(Sent {
        signal: Signal::Logs,
        encoding,
        packing,
        body: stored.body.clone(),
        tenant: (!tenant.is_empty()).then(|| tenant.as_ref().into()),
    })
}

/// A panic while the lock was held left nothing half done that matters here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
