//! The journal: what was acknowledged is on disk, and is found again after any crash.
//!
//! ```text
//! NNNNNNNNNNNN.journal    a segment: entries in the order of their numbers, allocated as a whole
//!             .keys       what is left of a forgotten segment: digests of the last while
//! NNNNNNNNNNNN-N.broken   the bytes of a damaged place, for people to look at; nobody deletes it
//! ```
//!
//! [`Journal::append`] never waits for the disk. A thread writes all that has queued, syncs once,
//! tells the senders in the order of the numbers, and looks what has queued since. A disk that is
//! full or fails is an answer like any other; after one the thread goes on in a fresh segment,
//! since nothing of a file can be trusted whose sync failed.
//!
//! Bytes in, bytes out: what bodies mean is the business of those who append them.

mod forget;
mod layout;
mod planted;
mod reader;
mod recovery;
mod repeats;
mod scan;
mod segment;
mod storage;
mod writer;

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::record::Timestamp;

use reader::Reader;
use segment::Segment;
use storage::Disk;
use writer::{Pending, Segments, Then, Writer, lock};

pub use layout::TENANT_LEN_MAX;
pub use recovery::BROKEN_BYTES_MAX;

/// Longest body, in bytes.
pub const BODY_LEN_MAX: usize = 1 << 30;
/// What an entry that waits is taken to need beside its body and tenant, in bytes.
pub const ENTRY_OVERHEAD: usize = 256;

/// The number of an entry. The first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Seq(u64);

impl Seq {
    /// Before all entries.
    pub const ZERO: Self = Self(0);
    const MAX: Self = Self(u64::MAX);

    /// The number, as [`get`](Self::get) gave it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bounds of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a segment. At most a quarter of `bytes_max` counts.
    pub segment_bytes: u64,
    /// Most bytes of all segments; what does not fit is refused until something is forgotten.
    pub bytes_max: u64,
    /// Most bytes that wait for the disk, [`ENTRY_OVERHEAD`] for each entry included. A single
    /// entry may be larger.
    pub queue_bytes_max: usize,
    /// How long an entry is remembered, so that the same bytes are not kept twice. Times are
    /// those of [`Head::received_at`].
    pub repeat_window: Duration,
    /// Most entries that are remembered (about 100 bytes each).
    pub repeats_max: usize,
    /// Numbers go on after this one at least: the last that the caller knows of, so that a
    /// journal that was deleted does not give numbers twice.
    pub after: Seq,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            bytes_max: 1 << 30,
            queue_bytes_max: 64 << 20,
            repeat_window: Duration::from_secs(15 * 60),
            repeats_max: 1 << 18,
            after: Seq::ZERO,
        }
    }
}

/// What is known of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the body is, for those who read it again.
    pub kind: u8,
    /// Whose it is; at most [`TENANT_LEN_MAX`] bytes.
    pub tenant: Box<str>,
    /// When it came.
    pub received_at: Timestamp,
    /// A key of all that makes two entries the same: the client's bytes, tenant and kind.
    pub digest: [u8; 16],
}

/// Something to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is known of it.
    pub head: Head,
    /// The bytes, at most [`BODY_LEN_MAX`].
    pub body: Bytes,
}

/// Something that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub seq: Seq,
    /// What is known of it.
    pub head: Head,
    /// The bytes.
    pub body: Bytes,
}

/// What became of an entry that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It has this number.
    New(Seq),
    /// The same one came within the window and has this number; it was not kept again.
    Repeated(Seq),
}

/// Why an entry is not kept. In every case but [`TooLarge`](Self::TooLarge) the sender should come
/// again.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// Too much waits for the disk.
    #[error("too much waits for the disk")]
    Full,
    /// The segments take as much as they may; something has to be forgotten first.
    #[error("the journal is as large as it may be")]
    Bound,
    /// The disk is full, or fails.
    #[error("the journal cannot be written: {0}")]
    Disk(Arc<io::Error>),
    /// The journal is being closed.
    #[error("the journal is closed")]
    Closed,
    /// Body or tenant are longer than they may be, or than all segments together.
    #[error("an entry is too large for the journal")]
    TooLarge,
}

impl AppendError {
    fn disk(error: io::Error) -> Self {
        Self::Disk(Arc::new(error))
    }
}

/// Why a journal cannot be opened.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A later version of knothole wrote it.
    #[error(
        "the journal's {name} has format {format}, and this version knows {known}; start the version that wrote it, or move the journal's folder away: what no snapshot holds yet is then not judged", known = layout::FORMAT
    )]
    Newer {
        /// The file.
        name: String,
        /// Its format.
        format: u32,
    },
    /// The disk fails.
    #[error("cannot {attempt} {name}: {source}")]
    Io {
        /// What was attempted (`open`).
        attempt: &'static str,
        /// The file or folder.
        name: String,
        /// The error of the system.
        source: io::Error,
    },
}

impl JournalError {
    fn io(attempt: &'static str, name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        Self::Io {
            attempt,
            name,
            source,
        }
    }
}

/// What was found at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many entries are there.
    pub entries: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The first of them.
    pub first: Option<Seq>,
    /// The last number that was given.
    pub last: Seq,
    /// Bytes of entries that were being written when the power went, and were dropped: nobody was
    /// told that they are kept.
    pub torn_bytes: u64,
    /// Numbers of entries that were kept and are damaged or gone.
    pub lost: Vec<RangeInclusive<Seq>>,
    /// Files that this start made of damaged places.
    pub broken: Vec<String>,
}

/// How full the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The last number on disk.
    pub last: Seq,
    /// Bytes that the segments take.
    pub bytes: u64,
    /// Bytes that wait for the disk, or are being written.
    pub queued_bytes: usize,
}

/// A folder of entries, and the thread that writes them. Dropping it writes what waits.
#[derive(Debug)]
pub struct Journal {
    disk: Disk,
    shared: Arc<Shared>,
    segments: Segments,
    queue_bytes_max: usize,
    bytes_max: u64,
    body_len_max: usize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens or makes the folder, and finds out what is in it. The caller sees to it that no
    /// other process uses the folder.
    ///
    /// # Errors
    /// It cannot be made or read, or a later version wrote it.
    pub fn open(folder: &Path, settings: Settings) -> Result<(Self, Recovery), JournalError> {
        let failed = |source| JournalError::io("open", &folder.display().to_string(), source);
        let settings = Settings {
            // Of one segment alone nothing could ever be forgotten.
            segment_bytes: settings.segment_bytes.min(settings.bytes_max / 4),
            ..settings
        };
        let disk = Disk::open(folder).map_err(failed)?;
        let (writer, recovery) = Writer::open(disk.clone(), settings)?;
        let segments = Arc::clone(writer.segments());
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("journal".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, writer)
        });
        let thread = thread.map_err(failed)?;
        let len_max = usize::try_from(settings.bytes_max / 2).unwrap_or(BODY_LEN_MAX);
        let journal = Self {
            disk,
            shared,
            segments,
            queue_bytes_max: settings.queue_bytes_max,
            bytes_max: settings.bytes_max,
            body_len_max: len_max.min(BODY_LEN_MAX),
            thread: Mutex::new(Some(thread)),
        };
        Ok((journal, recovery))
    }

    /// Keeps an entry. `then` is called when it is on disk, or it is known that it is not: on the
    /// journal's thread, in the order of the numbers, so it should be brief.
    ///
    /// # Errors
    /// There is no room for it, or it is too large; then `then` is dropped.
    pub fn append(
        &self,
        entry: Entry,
        then: impl FnOnce(Result<Appended, AppendError>) + Send + 'static,
    ) -> Result<(), AppendError> {
        let Entry { head, body } = entry;
        if body.len() > self.body_len_max || head.tenant.len() > TENANT_LEN_MAX {
            return Err(AppendError::TooLarge);
        }
        let len = queued_len(&head, &body);
        self.shared.reserve(len, self.queue_bytes_max)?;
        // Here, so that senders share the work.
        let body_crc = crc32fast::hash(&body);
        let then: Then = Box::new(then);
        self.shared.push(Pending {
            head,
            body,
            body_crc,
            then,
        })
    }

    /// The entries from a number on that are on disk now, in order. What is damaged is left out
    /// with a warning.
    pub fn read(&self, from: Seq) -> impl Iterator<Item = Stored> + Send + use<> {
        let segments: Vec<Segment> = lock(&self.segments).clone();
        Reader::new(self.disk.clone(), from, segments)
    }

    /// Deletes the segments that hold nothing after `upto`, soon.
    pub fn forget(&self, upto: Seq) {
        let mut queue = lock(&self.shared.queue);
        queue.forget = queue.forget.max(Some(upto));
        drop(queue);
        self.shared.changed.notify_one();
    }

    /// Most bytes of all segments.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// How full it is.
    pub fn status(&self) -> Status {
        let segments = lock(&self.segments);
        Status {
            last: segments.last().map_or(Seq::ZERO, |newest| newest.last),
            bytes: segments.iter().map(|segment| segment.len).sum(),
            queued_bytes: lock(&self.shared.queue).bytes,
        }
    }

    /// Refuses entries from now on, and returns when those that wait are on disk.
    pub fn close(&self) {
        lock(&self.shared.queue).is_closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            // One that panicked has been heard already.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

/// What callers and the thread share.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    pending: Vec<Pending>,
    /// Of those that wait and those that are being written.
    bytes: usize,
    forget: Option<Seq>,
    is_closed: bool,
}

impl Shared {
    /// Takes room in the queue, before the work that an entry needs.
    fn reserve(&self, len: usize, max: usize) -> Result<(), AppendError> {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            return Err(AppendError::Closed);
        }
        if queue.bytes > 0 && queue.bytes + len > max {
            return Err(AppendError::Full);
        }
        queue.bytes += len;
        Ok(())
    }

    fn push(&self, pending: Pending) -> Result<(), AppendError> {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            // Nobody waits for the room any more.
            return Err(AppendError::Closed);
        }
        queue.pending.push(pending);
        drop(queue);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for something to do.
    fn next(&self) -> Work {
        let queue = lock(&self.queue);
        let idle = |queue: &mut Queue| {
            queue.pending.is_empty() && queue.forget.is_none() && !queue.is_closed
        };
        let waited = self.changed.wait_while(queue, idle);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
        let pending = std::mem::take(&mut queue.pending);
        Work {
            is_last: queue.is_closed,
            forget: queue.forget.take(),
            pending,
        }
    }
}

fn queued_len(head: &Head, body: &Bytes) -> usize {
    body.len() + head.tenant.len() + ENTRY_OVERHEAD
}

/// What the thread does next.
struct Work {
    pending: Vec<Pending>,
    forget: Option<Seq>,
    is_last: bool,
}

fn run(shared: &Shared, mut writer: Writer<Disk>) {
    let _closed = CloseOnDrop(shared);
    loop {
        let Work {
            pending,
            forget,
            is_last,
        } = shared.next();
        let written: usize = pending
            .iter()
            .map(|one| queued_len(&one.head, &one.body))
            .sum();
        writer.commit(pending);
        lock(&shared.queue).bytes -= written;
        if let Some(upto) = forget {
            writer.forget(upto);
        }
        if is_last {
            writer.close();
            return;
        }
    }
}

/// Refuses entries when the thread is gone, for whatever reason: nobody would write them.
struct CloseOnDrop<'a>(&'a Shared);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.is_closed = true;
        queue.pending.clear();
    }
}

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod damage;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
#[cfg(any(test, fuzzing))]
#[cfg_attr(
    not(test),
    allow(dead_code, unreachable_pub, reason = "fuzzing uses a part of it")
)]
mod simulated;
#[cfg(test)]
mod tests;
