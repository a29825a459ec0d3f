//! Putting entries on disk: the part of the journal that runs on its thread.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::iter::Peekable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::core::record::Timestamp;

use super::layout::{self, CHAIN_BEGIN, HEAD_LEN, RecordHead, SegmentHead};
use super::planted::{Planted, planted};
use super::recovery::{Recovered, recover};
use super::repeats::{Key, Repeats};
use super::segment::{FileName, Segment};
use super::storage::{Storage, StorageFile};
use super::{AppendError, Appended, Head, JournalError, Recovery, Seq, Settings};

/// A body from this length on, in bytes, is written from where it lies. Tests have all in small.
const DIRECT_LEN: usize = if cfg!(test) { 512 } else { 64 << 10 };
/// Shorter ones are gathered up to about this many bytes.
const GATHER_LEN: usize = if cfg!(test) { 1_024 } else { 512 << 10 };
/// A segment on a disk that is nearly full is not made smaller than this, in bytes, unless
/// segments are that small anyway.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// What is called when it is known what became of an entry.
pub(super) type Then = Box<dyn FnOnce(Result<Appended, AppendError>) + Send>;

/// An entry that waits for the disk.
pub(super) struct Pending {
    pub head: Head,
    pub body: Bytes,
    pub body_crc: u32,
    pub then: Then,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Pending {
    fn len(&self) -> u64 {
        layout::record_len(self.head.tenant.len(), self.body.len())
    }
}

/// What writer and readers share.
pub(super) type Segments = Arc<Mutex<Vec<Segment>>>;

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole between any two statements, so a panic elsewhere spoils nothing.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes entries, one commit after the other.
pub(super) struct Writer<S: Storage> {
    pub(super) storage: S,
    settings: Settings,
    pub(super) segments: Segments,
    active: Option<Active<S::File>>,
    pub(super) repeats: Repeats,
    pub(super) forgotten: Vec<(u64, Timestamp)>,
    last: Seq,
    settled: Seq,
    next_index: u64,
    gathered: Vec<u8>,
    is_failing: bool,
}

/// The segment that is written to.
struct Active<F> {
    file: F,
    index: u64,
    salt: u64,
    at: u64,
    len: u64,
    chain: u32,
}

/// Entries of one commit.
#[derive(Default)]
struct Commit {
    told: Vec<(Then, Appended)>,
    keys: Vec<Key>,
    by_digest: HashMap<[u8; 16], Seq>,
}

impl<S: Storage> Writer<S> {
    /// Finds out what the storage holds.
    pub(super) fn open(storage: S, settings: Settings) -> Result<(Self, Recovery), JournalError> {
        let Recovered {
            report,
            segments,
            forgotten,
            repeats,
            last,
            settled,
            next_index,
        } = recover(&storage, &settings)?;
        let writer = Self {
            storage,
            settings,
            segments: Arc::new(Mutex::new(segments)),
            active: None,
            repeats,
            forgotten,
            last,
            settled,
            next_index,
            gathered: Vec::new(),
            is_failing: false,
        };
        Ok((writer, report))
    }

    pub(super) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Writes all that has queued, with one sync for each segment it falls into, and tells what
    /// became of each.
    pub(super) fn commit(&mut self, group: Vec<Pending>) {
        let mut group = group.into_iter().peekable();
        while let Some(pending) = group.peek() {
            let room = if self.repeats.find(&pending.head.digest).is_some() {
                Ok(())
            } else {
                self.make_room(pending.len())
            };
            let done = match room {
                Ok(()) => self.commit_some(&mut group),
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => self.recovered(),
                Err(error) => {
                    self.failed(&error);
                    // Each try costs the disk something; the senders come again anyway.
                    for pending in group.by_ref() {
                        let repeated = self.repeats.find(&pending.head.digest);
                        (pending.then)(repeated.map(Appended::Repeated).ok_or(error.clone()));
                    }
                }
            }
        }
    }

    /// Writes as many entries as fit in the segment.
    fn commit_some(
        &mut self,
        group: &mut Peekable<impl Iterator<Item = Pending>>,
    ) -> Result<(), AppendError> {
        let mut commit = Commit::default();
        let written = self.write(group, &mut commit);
        if planted(Planted::AckBeforeSync) {
            commit.tell(&Ok(()));
        }
        let synced = written.and_then(|()| match &self.active {
            Some(active) if !commit.keys.is_empty() => active.file.sync(),
            _ => Ok(()),
        });
        if let Err(error) = synced {
            // The kernel may have dropped what it could not write and call it clean: nothing of
            // this file is to be trusted from here on.
            self.active = None;
            let error = AppendError::disk(error);
            commit.tell(&Err(error.clone()));
            return Err(error);
        }
        self.settle(&commit);
        commit.tell(&Ok(()));
        Ok(())
    }

    fn write(
        &mut self,
        group: &mut Peekable<impl Iterator<Item = Pending>>,
        commit: &mut Commit,
    ) -> io::Result<()> {
        let Self {
            active,
            repeats,
            last,
            gathered,
            ..
        } = self;
        gathered.clear();
        loop {
            let known = |pending: &Pending| {
                let digest = &pending.head.digest;
                let seq = repeats.find(digest);
                seq.or_else(|| commit.by_digest.get(digest).copied())
            };
            let room = active.as_ref().map_or(0, |active| active.room(gathered));
            let fits = |pending: &Pending| pending.len() <= room;
            let Some(pending) = group.next_if(|next| known(next).is_some() || fits(next)) else {
                break;
            };
            if let Some(seq) = known(&pending) {
                commit.told.push((pending.then, Appended::Repeated(seq)));
                continue;
            }
            let head = commit.note(*last, &pending);
            commit.told.push((pending.then, Appended::New(head.seq)));
            if let Some(active) = active {
                active.put(gathered, head, &pending.body)?;
            }
        }
        match active {
            Some(active) => active.flush(gathered),
            None => Ok(()),
        }
    }

    /// Takes note of what is on disk now.
    fn settle(&mut self, commit: &Commit) {
        let Some(last) = commit.keys.last() else {
            return;
        };
        self.last = last.seq;
        self.settled = last.seq;
        for key in &commit.keys {
            self.repeats.note(*key);
        }
        if let (Some(active), Some(segment)) = (&self.active, lock(&self.segments).last_mut()) {
            segment.last = last.seq;
            segment.end = active.at;
        }
    }

    /// Makes sure that the segment has room for a record.
    fn make_room(&mut self, record_len: u64) -> Result<(), AppendError> {
        match &self.active {
            Some(active) if active.len - active.at >= record_len => Ok(()),
            _ => self.begin(record_len),
        }
    }

    /// Begins a segment with room for a record, smaller than others where room is short.
    pub(super) fn begin(&mut self, record_len: u64) -> Result<(), AppendError> {
        self.cut_active();
        let needed = HEAD_LEN + record_len;
        let smallest = needed.max(SEGMENT_BYTES_MIN.min(self.settings.segment_bytes));
        let mut len = needed.max(self.settings.segment_bytes);
        let taken: u64 = lock(&self.segments).iter().map(|segment| segment.len).sum();
        let allowed = self.settings.bytes_max.saturating_sub(taken);
        if needed > allowed {
            return Err(AppendError::Bound);
        }
        len = len.min(allowed);
        loop {
            match self.create(len) {
                Ok(active) => {
                    self.active = Some(active);
                    return Ok(());
                }
                Err(error) if is_full(&error) && len > smallest => len = (len / 4).max(smallest),
                Err(error) => return Err(AppendError::disk(error)),
            }
        }
    }

    fn create(&mut self, len: u64) -> io::Result<Active<S::File>> {
        let index = self.next_index;
        // A name is never used twice, whatever becomes of the file.
        self.next_index += 1;
        let previous = lock(&self.segments)
            .last()
            .map(|one| (one.index, one.first));
        let head = SegmentHead {
            salt: self.storage.salt(),
            index,
            first: self.last.next(),
            settled: self.settled,
            previous: previous.unwrap_or_default(),
        };
        let name = FileName::Segment(index).to_string();
        let file = self.storage.create(&name, len)?;
        let written = file
            .write_at(&head.encode(), 0)
            .and_then(|()| file.sync())
            .and_then(|()| match planted(Planted::FolderUnsynced) {
                true => Ok(()),
                false => self.storage.sync_folder(),
            });
        if let Err(error) = written {
            // It holds nothing; the next start removes it otherwise.
            let _ = self.storage.remove(&name);
            return Err(error);
        }
        let mut segments = lock(&self.segments);
        for earlier in segments.iter_mut() {
            earlier.void_from = earlier.void_from.min(head.first);
        }
        segments.push(Segment::empty(&head, len));
        Ok(Active {
            file,
            index,
            salt: head.salt,
            at: HEAD_LEN,
            len,
            chain: CHAIN_BEGIN,
        })
    }

    /// Gives back the room that the segment has left, before another is begun.
    fn cut_active(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        if active.file.truncate(active.at).is_ok() {
            let mut segments = lock(&self.segments);
            if let Some(segment) = segments.iter_mut().find(|one| one.index == active.index) {
                segment.len = active.at;
            }
        }
    }

    /// Leaves a mark that nothing was being written at the end.
    pub(super) fn close(&mut self) {
        let Some(mut active) = self.active.take() else {
            return;
        };
        let seal = RecordHead::seal(self.last);
        if active.at == HEAD_LEN || active.len - active.at < seal.len() {
            return;
        }
        self.gathered.clear();
        let sealed = active
            .put(&mut self.gathered, seal, &[])
            .and_then(|()| active.flush(&mut self.gathered))
            .and_then(|()| active.file.truncate(active.at))
            .and_then(|()| active.file.sync());
        if let Err(error) = sealed {
            tracing::warn!(%error, "The journal could not be closed; its entries are kept");
        }
    }

    pub(super) fn failed(&mut self, error: &AppendError) {
        if !self.is_failing {
            self.is_failing = true;
            tracing::warn!(%error, "The journal cannot be written; senders are told to come again");
        }
    }

    fn recovered(&mut self) {
        if self.is_failing {
            self.is_failing = false;
            tracing::info!("The journal can be written again");
        }
    }
}

impl<F: StorageFile> Active<F> {
    /// Bytes that can still be put.
    fn room(&self, gathered: &[u8]) -> u64 {
        self.len - self.at - gathered.len() as u64
    }

    /// Puts a record behind the others.
    fn put(&mut self, gathered: &mut Vec<u8>, mut head: RecordHead, body: &[u8]) -> io::Result<()> {
        head.chain = self.chain;
        self.chain = head.encode(self.salt, gathered);
        if body.len() < DIRECT_LEN {
            gathered.extend_from_slice(body);
        } else {
            self.flush(gathered)?;
            self.file.write_at(body, self.at)?;
            self.at += body.len() as u64;
        }
        let padding = layout::padding(self.at + gathered.len() as u64);
        gathered.resize(gathered.len() + padding, 0);
        if gathered.len() >= GATHER_LEN {
            self.flush(gathered)?;
        }
        Ok(())
    }

    fn flush(&mut self, gathered: &mut Vec<u8>) -> io::Result<()> {
        if !gathered.is_empty() {
            self.file.write_at(gathered, self.at)?;
            self.at += gathered.len() as u64;
            gathered.clear();
        }
        Ok(())
    }
}

impl Commit {
    /// Gives the next number to an entry.
    fn note(&mut self, last: Seq, pending: &Pending) -> RecordHead {
        let before = self.keys.len();
        let seq = Seq(last.0 + before as u64 + 1);
        let key = Key {
            digest: pending.head.digest,
            seq,
            received_at: pending.head.received_at,
        };
        self.keys.push(key);
        self.by_digest.insert(key.digest, seq);
        RecordHead {
            seq,
            entry: pending.head.clone(),
            body_len: u32::try_from(pending.body.len()).unwrap_or(u32::MAX),
            body_crc: pending.body_crc,
            chain: CHAIN_BEGIN,
            before: u32::try_from(before).unwrap_or(u32::MAX),
            is_seal: false,
        }
    }

    fn tell(&mut self, done: &Result<(), AppendError>) {
        for (then, appended) in self.told.drain(..) {
            then(done.clone().map(|()| appended));
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
