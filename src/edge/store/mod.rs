//! The state folder: snapshots, models, the outbox, the instance id.
//!
//! ```text
//! instance-id               a random UUID, made once
//! lock                      held by the daemon that uses the folder; has its process id
//! control.db                what was told, the messages that no sink has taken yet, who did what (SQLite)
//! outbox.json               the same messages, as versions before wrote them
//! streams/<hash>/key.json   which stream it is
//!               /templates  all templates, and behind them what changed since, each piece
//!                           behind a checksum
//!               /snapshot   open sequences and all else, behind a checksum
//!               /model.safetensors
//! ```
//!
//! Bytes in, bytes out: what they mean is the business of those who write them. A file is
//! replaced as a whole or not at all; `templates` also grows. One that cannot be read is moved aside with a warning, and
//! the daemon starts as if it had not been there.

mod control;
mod disk;
mod frame;
mod log;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::core::record::{StreamKey, Timestamp};

pub use control::{
    AUDIT_MAX, AuditFault, AuditHash, AuditMark, AuditReport, AuditRow, Control, ControlSettings,
    DeadRow, Document, Filing, Kind, Numbered, OutboxRow, ToldEvent, Waiting, Written,
};
pub use log::{LOG_GROWTH_MAX, LOG_LEN_MIN};

/// Largest file that is read back into memory, in bytes.
pub const FILE_LEN_MAX: u64 = 1 << 30;

/// Bounds on the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of all streams together.
    pub bytes_max: u64,
    /// Most streams.
    pub streams_max: NonZeroUsize,
}

/// What is kept of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The templates, as the engine wrote them; [`Store::append`] adds to them.
    Templates,
    /// Open sequences and all else, as the engine wrote them.
    Snapshot,
    /// The model bundle, as `core::model` wrote it; readable by any safetensors reader.
    Model,
}

impl Part {
    const fn file_name(self) -> &'static str {
        match self {
            Self::Templates => "templates",
            Self::Snapshot => "snapshot",
            Self::Model => "model.safetensors",
        }
    }
}

/// A stream as the folder has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredStream {
    /// Which stream.
    pub key: StreamKey,
    /// [`Part::Templates`] and what was appended, as far as it can be read; empty where there
    /// are none.
    pub templates: Vec<Vec<u8>>,
    /// [`Part::Snapshot`], where there is one that can be read.
    pub snapshot: Option<Vec<u8>>,
    /// [`Part::Model`], where there is one that can be read.
    pub model: Option<Vec<u8>>,
    /// When that was written.
    pub model_at: Option<Timestamp>,
}

/// What became of what was appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Whether the whole should be written next: what was appended since takes several times as
    /// much ([`LOG_GROWTH_MAX`]).
    pub is_full: bool,
    /// Streams that had to go to make room.
    pub removed: Vec<StreamKey>,
}

/// What went wrong with the state folder.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another daemon uses it.
    #[error(
        "the state folder {} is in use by process {holder}; stop it or give this one another state_dir", folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process id the holder left, or a question mark.
        holder: String,
    },
    /// No room. What was there before is still there.
    #[error("no room to write {}: {source}; free some or give another state_dir", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// One stream would take more than all may.
    #[error("{len} bytes of {stream} are more than state_bytes_max ({max})")]
    TooLarge {
        /// The stream.
        stream: StreamKey,
        /// Bytes that the stream would take.
        len: u64,
        /// The bound.
        max: u64,
    },
    /// A later version of knothole wrote it.
    #[error(
        "{} has format {found}, and this version knows {known}; start the version that wrote it, or move the file away: messages that no sink has taken are then lost", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format of this version.
        known: i64,
    },
    /// A version of knothole from before there was what is asked for wrote it.
    #[error(
        "{} has format {found}, and this version reads {known}; start knothole serve on it once, which takes it over", path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format of this version.
        known: i64,
    },
    /// Anything else. What was there before is still there.
    #[error("cannot {attempt} {}: {source}", path.display())]
    Io {
        /// What was attempted (`write`).
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl StoreError {
    fn of(attempt: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            _ => Self::Io {
                attempt,
                path,
                source,
            },
        }
    }
}

/// The state folder, locked for this process as long as this value lives.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    limits: Limits,
    instance_id: Box<str>,
    index: Mutex<Index>,
    /// Locked; closing it gives the folder free.
    _lock: File,
}

impl Store {
    /// Opens or makes the folder, locks it, and removes what an interrupted write left.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be made or read.
    pub fn open(root: &Path, limits: Limits) -> Result<Self, StoreError> {
        let streams = root.join("streams");
        disk::make_folder(&streams).map_err(|e| StoreError::of("make", &streams, e))?;
        let lock = lock(root)?;
        let instance_id = instance_id(root)?;
        disk::remove_leftovers(root);
        let index = Index::read(&streams).map_err(|e| StoreError::of("read", &streams, e))?;
        Ok(Self {
            root: root.to_owned(),
            limits,
            instance_id,
            index: Mutex::new(index),
            _lock: lock,
        })
    }

    /// A random UUID that stays the same for as long as the folder does.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// Every stream of the folder, by key. What cannot be read is moved aside and left out.
    pub fn streams(&self) -> Vec<StoredStream> {
        let index = self.index();
        let mut streams: Vec<_> = index
            .by_folder
            .keys()
            .filter_map(|name| self.stream(name))
            .collect();
        drop(index);
        streams.sort_by(|a, b| a.key.cmp(&b.key));
        streams
    }

    /// Writes a part of a stream, and removes the streams unused for longest where the folder
    /// would hold too many or too much; their keys are returned.
    ///
    /// # Errors
    /// It could not be written (then the earlier bytes are still there), or is larger than the
    /// folder may be.
    pub fn put(
        &self,
        key: &StreamKey,
        part: Part,
        bytes: &[u8],
    ) -> Result<Vec<StreamKey>, StoreError> {
        let framed = match part {
            Part::Templates | Part::Snapshot => frame::wrap(bytes),
            Part::Model => bytes.to_vec(),
        };
        let len = framed.len() as u64;
        let write = |path: &Path| disk::replace(path, &framed);
        self.write(key, part, |_| len, write)
            .map(|((), removed)| removed)
    }

    /// Writes what changed behind a stream's [`Part::Templates`]; where others had to go, their
    /// keys are returned.
    ///
    /// # Errors
    /// It could not be written; what was there before is still there, and [`put`](Self::put) has
    /// to be next.
    pub fn append(&self, key: &StreamKey, bytes: &[u8]) -> Result<Appended, StoreError> {
        let len = (frame::HEAD_LEN + bytes.len()) as u64;
        let write = |path: &Path| log::append(path, bytes);
        let (is_full, removed) = self.write(key, Part::Templates, |before| before + len, write)?;
        Ok(Appended { is_full, removed })
    }

    /// Lets `write` write a part of a stream, whose length it makes `len_after` the one it has.
    fn write<T>(
        &self,
        key: &StreamKey,
        part: Part,
        len_after: impl FnOnce(u64) -> u64,
        write: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<(T, Vec<StreamKey>), StoreError> {
        let name = folder_name(key);
        // Held through the write: two writers of one stream would share a temporary file.
        let mut index = self.index();
        let folder = self.root.join("streams").join(&name);
        let path = folder.join(part.file_name());
        let before = fs::metadata(&path).map_or(0, |file| file.len());
        let len = Usage::of(&folder).bytes.saturating_sub(before) + len_after(before);
        if len > self.limits.bytes_max {
            let (stream, max) = (key.clone(), self.limits.bytes_max);
            return Err(StoreError::TooLarge { stream, len, max });
        }
        self.describe(&folder, key)?;
        let written = write(&path).map_err(|e| StoreError::of("write", &path, e))?;
        index.by_folder.insert(name.clone(), Usage::of(&folder));
        Ok((written, self.make_room(&mut index, &name)))
    }

    /// Forgets a stream.
    ///
    /// # Errors
    /// Its folder cannot be removed.
    pub fn remove(&self, key: &StreamKey) -> Result<(), StoreError> {
        let name = folder_name(key);
        let mut index = self.index();
        let folder = self.root.join("streams").join(&name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::of("remove", &folder, error));
            }
            _ => index.by_folder.remove(&name),
        };
        Ok(())
    }

    /// Moves a part aside that was read but makes no sense to its owner.
    pub fn set_aside(&self, key: &StreamKey, part: Part, reason: &str) {
        let folder = self.root.join("streams").join(folder_name(key));
        disk::set_aside(&folder.join(part.file_name()), reason);
    }

    /// Where the journal lies.
    pub fn journal_folder(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Opens the database of what was told and what is to be sent; once. What is left of an
    /// outbox of an earlier version is in it afterwards.
    ///
    /// # Errors
    /// It cannot be made, or a later version wrote it.
    pub fn control(&self, settings: ControlSettings) -> Result<Control, StoreError> {
        Control::open(&self.root, settings)
    }

    /// Bytes that all streams take.
    pub fn bytes(&self) -> u64 {
        self.index().bytes()
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // The index is whole between any two statements, so a panic elsewhere spoils nothing.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self, name: &str) -> Option<StoredStream> {
        let folder = self.root.join("streams").join(name);
        let description = folder.join("key.json");
        let key: StreamKey = match serde_json::from_slice(&read_whole(&description)?) {
            Ok(key) => key,
            Err(error) => {
                disk::set_aside(&description, &error.to_string());
                return None;
            }
        };
        let templates = log::read(&folder.join(Part::Templates.file_name()));
        let path = folder.join(Part::Snapshot.file_name());
        let snapshot = read_whole(&path).and_then(|framed| match frame::unwrap(framed) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                disk::set_aside(&path, &error.to_string());
                None
            }
        });
        let model_path = folder.join(Part::Model.file_name());
        let model = read_whole(&model_path);
        Some(StoredStream {
            key,
            templates,
            snapshot,
            model,
            model_at: written_at(&model_path),
        })
    }

    fn describe(&self, folder: &Path, key: &StreamKey) -> Result<(), StoreError> {
        let path = folder.join("key.json");
        if path.is_file() {
            return Ok(());
        }
        disk::make_folder(folder).map_err(|e| StoreError::of("make", folder, e))?;
        let json = serde_json::to_vec(key).map_err(io::Error::other);
        json.and_then(|json| disk::replace(&path, &json))
            .map_err(|e| StoreError::of("write", &path, e))
    }

    /// Removes the streams unused for longest, never `kept`, until the bounds hold.
    fn make_room(&self, index: &mut Index, kept: &str) -> Vec<StreamKey> {
        let mut removed = Vec::new();
        let over = |index: &Index| {
            index.by_folder.len() > self.limits.streams_max.get()
                || index.bytes() > self.limits.bytes_max
        };
        while over(index) {
            let Some(oldest) = index.oldest_but(kept) else {
                break;
            };
            let folder = self.root.join("streams").join(&oldest);
            let key = fs::read(folder.join("key.json")).ok();
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "A stream could not be removed from the state folder");
            }
            index.by_folder.remove(&oldest);
            removed.extend(key.and_then(|json| serde_json::from_slice::<StreamKey>(&json).ok()));
        }
        removed
    }
}

/// What each stream's folder takes, and when it was last written.
#[derive(Debug, Default)]
struct Index {
    by_folder: BTreeMap<String, Usage>,
}

#[derive(Clone, Copy, Debug)]
struct Usage {
    bytes: u64,
    written: SystemTime,
}

impl Usage {
    fn of(folder: &Path) -> Self {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let metadata = files.filter_map(|file| file.metadata().ok());
        let empty = Self {
            bytes: 0,
            written: SystemTime::UNIX_EPOCH,
        };
        metadata.fold(empty, |usage, file| Self {
            bytes: usage.bytes + file.len(),
            written: usage
                .written
                .max(file.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
        })
    }
}

impl Index {
    fn read(streams: &Path) -> io::Result<Self> {
        let mut index = Self::default();
        for entry in fs::read_dir(streams)? {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
                index.by_folder.insert(name, Usage::of(&entry.path()));
            }
        }
        Ok(index)
    }

    fn bytes(&self) -> u64 {
        self.by_folder.values().map(|usage| usage.bytes).sum()
    }

    fn oldest_but(&self, kept: &str) -> Option<String> {
        let others = self.by_folder.iter().filter(|(name, _)| *name != kept);
        others
            .min_by_key(|(_, usage)| usage.written)
            .map(|(name, _)| name.clone())
    }
}

/// How many streams a state folder has that a daemon may be running on; none where it has none.
pub fn streams_beside(root: &Path) -> usize {
    Index::read(&root.join("streams")).map_or(0, |index| index.by_folder.len())
}

fn folder_name(key: &StreamKey) -> String {
    let mut hash = Sha256::new();
    for part in [&key.environment, &key.namespace, &key.name] {
        // The length keeps apart keys whose parts would run together to the same text.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let refused = |error| StoreError::of("lock", &path, error);
    let mut file = disk::open_private(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.take(32).read_to_string(&mut holder);
            let known = read.is_ok() && !holder.trim().is_empty();
            let holder = if known {
                holder.trim().to_owned()
            } else {
                "?".to_owned()
            };
            return Err(StoreError::InUse {
                folder: root.to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(error)) => return Err(refused(error)),
    }
    file.set_len(0)
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(refused)?;
    Ok(file)
}

fn instance_id(root: &Path) -> Result<Box<str>, StoreError> {
    let path = root.join("instance-id");
    if let Some(bytes) = read_whole(&path) {
        let text = String::from_utf8(bytes).unwrap_or_default();
        if is_uuid(text.trim()) {
            return Ok(text.trim().into());
        }
        disk::set_aside(&path, "no UUID");
    }
    let id = random_uuid(rand::random());
    disk::replace(&path, id.as_bytes()).map_err(|e| StoreError::of("write", &path, e))?;
    Ok(id.into())
}

/// Version 4 of RFC 9562 from random bytes.
fn random_uuid(random: u128) -> String {
    let versioned = (random & !(0xf << 76)) | (0x4 << 76);
    let bits = (versioned & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut parts = Vec::with_capacity(5);
    let mut rest = hex.as_str();
    for len in [8, 4, 4, 4, 12] {
        let (part, after) = rest.split_at(len);
        parts.push(part);
        rest = after;
    }
    parts.join("-")
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, c)| match index {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// The file's bytes; `None` where it is not there or, with a warning, cannot be read.
fn read_whole(path: &Path) -> Option<Vec<u8>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > FILE_LEN_MAX => {
            disk::set_aside(path, "too large to be ours");
            return None;
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => {}
    }
    match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "A state file could not be read");
            None
        }
    }
}

/// When the file was written last.
fn written_at(path: &Path) -> Option<Timestamp> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::ZERO.plus(since))
}

#[cfg(test)]
mod tests;
