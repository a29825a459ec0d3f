//! What must be neither told twice nor forgotten: a SQLite database with the ids of what was told,
//! the messages that no sink has taken yet and those that none ever will, incidents and what was done
//! about them, who did what, and how far things were worked off.
//!
//! Every transaction is on disk when it returns (write-ahead log, `synchronous=FULL`). SQLite has
//! no checksums of its own, so every row has one. Rows that are damaged are removed at the next start;
//! those of the audit stay as they are found, and are named.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};
use sha2::{Digest as _, Sha256};

mod audit;
mod dead;
mod documents;
mod outbox;

pub use audit::{AUDIT_MAX, AuditFault, AuditHash, AuditMark, AuditReport, AuditRow};
pub use dead::DeadRow;
pub use documents::{Document, Filing, Kind, Numbered};
pub use outbox::{OutboxRow, Waiting};

use super::{StoreError, disk};
use crate::core::record::Timestamp;

/// Raised when the tables change.
const FORMAT: i32 = 3;
/// The first with a chain of the audit.
const FORMAT_WITH_AUDIT: i32 = 3;
const FILE_NAME: &str = "control.db";
/// How long one process waits for another that writes: `knothole outbox` beside the daemon.
const BUSY_MAX: Duration = Duration::from_secs(5);
const OUTBOX_NAME: &str = "outbox.json";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS told (
        nth INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS told_at ON told (at);
    CREATE TABLE IF NOT EXISTS outbox (
        nth INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, kind TEXT NOT NULL,
        id TEXT NOT NULL, message BLOB NOT NULL, at INTEGER NOT NULL, sum INTEGER NOT NULL,
        UNIQUE (sink, kind, id)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS watermark (
        nth INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL,
        sum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS dead (
        nth INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, kind TEXT NOT NULL,
        id TEXT NOT NULL, message BLOB NOT NULL, at INTEGER NOT NULL, died INTEGER NOT NULL,
        why TEXT NOT NULL, sum INTEGER NOT NULL, UNIQUE (sink, kind, id)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS raised (sink TEXT NOT NULL, id TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS document (
        nth INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,
        at INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL, UNIQUE (kind, id)
    ) STRICT;
    CREATE INDEX IF NOT EXISTS document_at ON document (kind, at, nth);
    CREATE INDEX IF NOT EXISTS document_nth ON document (kind, nth);
";

/// Bounds of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlSettings {
    /// How long it is remembered that something was told.
    pub told_age_max: Duration,
    /// Of how much it is remembered; the oldest goes first.
    pub told_max: usize,
    /// Most messages that wait for a sink; the oldest is dropped, with a warning.
    pub outbox_max: usize,
    /// Most messages kept that no sink will take; the oldest is dropped, with a warning.
    pub dead_max: usize,
    /// Most entries of the audit; the oldest go, and their last hash stays.
    pub audit_max: usize,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            told_age_max: Duration::from_secs(7 * 24 * 60 * 60),
            told_max: 200_000,
            outbox_max: 65_536,
            dead_max: 10_000,
            audit_max: AUDIT_MAX,
        }
    }
}

/// Something that is to be told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldEvent {
    /// Its id, the same whenever it is found again.
    pub id: Box<str>,
    /// When it is told.
    pub at: Timestamp,
}

/// What came of [`Control::tell`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// For each event, whether it is new.
    pub are_new: Vec<bool>,
    /// Where the entries of the audit among the filings came to be, in their order.
    pub audited: Vec<AuditMark>,
}

/// The database. Calls wait for the disk.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    settings: ControlSettings,
    connection: Mutex<Connection>,
}

impl Control {
    /// Opens or makes the database in a state folder, and takes over what an earlier version left
    /// there. A database that is damaged is set aside, and rows of it that are damaged are removed, both
    /// with a warning; those of the audit stay, with a warning, too.
    ///
    /// # Errors
    /// It cannot be made, or a later version wrote it.
    pub(super) fn open(root: &Path, settings: ControlSettings) -> Result<Self, StoreError> {
        let path = root.join(FILE_NAME);
        let connection = match connect(&path) {
            Err(Refused::Damaged(reason)) => {
                set_aside(&path, &reason);
                connect(&path)
            }
            other => other,
        };
        let connection = connection.map_err(|refused| refused.into_error(&path))?;
        let control = Self {
            path,
            settings,
            connection: Mutex::new(connection),
        };
        control.remove_damaged()?;
        control.take_over(&root.join(OUTBOX_NAME))?;
        control.take_over_audit()?;
        control.look_at_audit();
        Ok(control)
    }

    /// Opens the database of a state folder that a daemon may be running on.
    ///
    /// # Errors
    /// There is none, or it is damaged or of another version.
    pub fn beside(root: &Path) -> Result<Self, StoreError> {
        Self::found(root, connect)
    }

    /// Opens the database of a state folder that a daemon may be running on, to read the audit:
    /// nothing can be written.
    ///
    /// # Errors
    /// There is none, or it is damaged or of another version.
    pub fn read_only(root: &Path) -> Result<Self, StoreError> {
        Self::found(root, connect_read_only)
    }

    fn found(
        root: &Path,
        connect: impl FnOnce(&Path) -> Result<Connection, Refused>,
    ) -> Result<Self, StoreError> {
        let path = root.join(FILE_NAME);
        if !path.is_file() {
            let none = io::Error::new(io::ErrorKind::NotFound, "there is no such file");
            return Err(StoreError::of("open", &path, none));
        }
        let connection = connect(&path).map_err(|refused| refused.into_error(&path))?;
        Ok(Self {
            path,
            settings: ControlSettings::default(),
            connection: Mutex::new(connection),
        })
    }

    /// For each id, whether it was told before.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn were_told(&self, ids: &[&str]) -> Result<Vec<bool>, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<bool>> {
            let mut query = connection.prepare_cached("SELECT 1 FROM told WHERE id = ?1")?;
            ids.iter().map(|id| query.exists([id])).collect()
        };
        read().map_err(|error| self.failed("read", error))
    }

    /// For each id, when it was told, where that is still remembered.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn told_at(&self, ids: &[&str]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<Option<Timestamp>>> {
            let mut query = connection.prepare_cached("SELECT at FROM told WHERE id = ?1")?;
            let mut at = |id: &&str| {
                let found = query
                    .query_row([id], |row| row.get::<_, i64>(0))
                    .optional()?;
                Ok(found.map(|at| Timestamp::from_nanos(at.cast_unsigned())))
            };
            ids.iter().map(&mut at).collect()
        };
        read().map_err(|error| self.failed("read", error))
    }

    /// Remembers what is told, and keeps the messages about what was not told before: those whose
    /// `id` is that of a new event, or of none of `events`; and does `filings`, in their order. All of it
    /// is there after a crash, or nothing.
    ///
    /// # Errors
    /// Nothing of it could be written.
    pub fn tell(
        &self,
        events: &[ToldEvent],
        rows: &[OutboxRow],
        filings: &[Filing],
    ) -> Result<Written, StoreError> {
        self.write(|transaction| {
            let audited = documents::file(transaction, filings)?;
            if !audited.is_empty() {
                self.bound_audit(transaction)?;
            }
            let mut are_new = Vec::with_capacity(events.len());
            let sql = "INSERT INTO told (id, at, sum) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            let mut insert = transaction.prepare_cached(sql)?;
            for event in events {
                let (at, sum) = (number(event.at), number_sum(&event.id, number(event.at)));
                are_new.push(insert.execute(params![event.id, at, sum])? > 0);
            }
            for row in rows {
                let event = events.iter().rposition(|event| event.id == row.id);
                // The same id twice in one call is new the first time.
                let first = events.iter().position(|event| event.id == row.id);
                let is_told = event.is_some() && first.is_some_and(|first| !are_new[first]);
                if !is_told {
                    outbox::insert(transaction, row)?;
                }
            }
            let newest = events.iter().map(|event| event.at).max();
            if let Some(newest) = newest {
                self.forget(transaction, newest)?;
            }
            self.bound_outbox(transaction)?;
            Ok(Written { are_new, audited })
        })
    }

    /// Writes down how far something was worked off.
    ///
    /// # Errors
    /// It could not be written; what was there before is there still.
    pub fn set_watermark(&self, name: &str, seq: u64) -> Result<(), StoreError> {
        self.write(|transaction| {
            let sql = "INSERT INTO watermark (name, seq, sum) VALUES (?1, ?2, ?3)
                ON CONFLICT (name) DO UPDATE SET seq = ?2, sum = ?3";
            let seq = seq.cast_signed();
            transaction.execute(sql, params![name, seq, number_sum(name, seq)])?;
            Ok(())
        })
    }

    /// How far something was worked off, if that was ever written down.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn watermark(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT seq FROM watermark WHERE name = ?1";
        let connection = self.connection();
        let seq = connection.query_row(sql, [name], |row| row.get::<_, i64>(0));
        let seq = seq.optional().map_err(|error| self.failed("read", error))?;
        Ok(seq.map(i64::cast_unsigned))
    }

    /// Forgets what was told long ago.
    fn forget(&self, transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
        let oldest = number(now.minus(self.settings.told_age_max));
        transaction
            .prepare_cached("DELETE FROM told WHERE at < ?1")?
            .execute([oldest])?;
        let max = i64::try_from(self.settings.told_max).unwrap_or(i64::MAX);
        let sql = "DELETE FROM told WHERE nth <= (SELECT max(nth) FROM told) - ?1";
        transaction.prepare_cached(sql)?.execute([max])?;
        Ok(())
    }

    /// Removes the rows whose checksums do not match.
    fn remove_damaged(&self) -> Result<(), StoreError> {
        let removed = self.write(|transaction| {
            let number_is_whole = |row: &Row<'_>| {
                let (name, number): (String, i64) = (row.get(1)?, row.get(2)?);
                Ok(number_sum(&name, number) == row.get::<_, i64>(3)?)
            };
            let mut removed = 0;
            let told = "SELECT nth, id, at, sum FROM told";
            removed += remove_unless(transaction, ("told", told), number_is_whole)?;
            let watermark = "SELECT nth, name, seq, sum FROM watermark";
            removed += remove_unless(transaction, ("watermark", watermark), number_is_whole)?;
            removed += outbox::remove_damaged(transaction)?;
            removed += dead::remove_damaged(transaction)?;
            removed += documents::remove_damaged(transaction)?;
            Ok(removed)
        })?;
        if removed > 0 {
            tracing::warn!(
                path = %self.path.display(),
                removed,
                "Rows of the control database were damaged and removed; what they told of may be told again, or not at all"
            );
        }
        Ok(())
    }

    fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection();
        // What is read first must not be out of date once something is written: another process may write.
        let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let written = begun.and_then(|transaction| {
            let value = write(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        written.map_err(|error| self.failed("write", error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic interrupts is rolled back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, attempt: &'static str, error: rusqlite::Error) -> StoreError {
        failed(attempt, &self.path, error)
    }
}

/// Why a file is not used.
enum Refused {
    /// It is no whole database.
    Damaged(String),
    Newer(i32),
    Older(i32),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Failed(error),
        }
    }
}

impl Refused {
    fn into_error(self, path: &Path) -> StoreError {
        match self {
            Self::Damaged(reason) => StoreError::of("open", path, io::Error::other(reason)),
            Self::Newer(found) => StoreError::Newer {
                path: path.to_owned(),
                found: i64::from(found),
                known: i64::from(FORMAT),
            },
            Self::Older(found) => StoreError::Older {
                path: path.to_owned(),
                found: i64::from(found),
                known: i64::from(FORMAT),
            },
            Self::Failed(error) => failed("open", path, error),
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Refused> {
    // SQLite gives its other files the mode of this one.
    disk::open_private(path)
        .map_err(|error| Refused::Failed(rusqlite::Error::ToSqlConversionFailure(error.into())))?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let format = format_of_whole(&connection)?;
    connection.execute_batch(TABLES)?;
    connection.execute_batch(audit::TABLES)?;
    if format < FORMAT_WITH_AUDIT {
        // Never again: ends that are gone later were taken away.
        audit::begin(&connection)?;
    }
    if format < FORMAT {
        connection.pragma_update(None, "user_version", FORMAT)?;
    }
    Ok(connection)
}

fn connect_read_only(path: &Path) -> Result<Connection, Refused> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let format = format_of_whole(&connection)?;
    if format < FORMAT_WITH_AUDIT {
        return Err(Refused::Older(format));
    }
    Ok(connection)
}

/// The format of a database that is whole.
fn format_of_whole(connection: &Connection) -> Result<i32, Refused> {
    let format: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format > FORMAT {
        return Err(Refused::Newer(format));
    }
    let check: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if check != "ok" {
        return Err(Refused::Damaged(check));
    }
    Ok(format)
}

/// Where a damaged file is moved.
fn aside(path: &Path) -> PathBuf {
    path.with_added_extension("broken")
}

/// Moves the database and its log out of the way.
fn set_aside(path: &Path, reason: &str) {
    let mut moved = true;
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let file = PathBuf::from(file);
        if let Err(error) = std::fs::rename(&file, aside(&file)) {
            moved &= error.kind() == io::ErrorKind::NotFound;
        }
    }
    tracing::warn!(
        path = %path.display(),
        moved,
        reason,
        "The control database is damaged and was set aside; what waited for a sink is lost, and something may be told again"
    );
}

/// Removes the rows of a table that are damaged; how many those were. The first column is `nth`.
fn remove_unless(
    transaction: &Transaction<'_>,
    (table, select): (&str, &str),
    is_whole: impl Fn(&Row<'_>) -> rusqlite::Result<bool>,
) -> rusqlite::Result<usize> {
    let mut damaged: Vec<i64> = Vec::new();
    let mut select = transaction.prepare(select)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        // A text may be none any more.
        if !is_whole(row).unwrap_or(false) {
            damaged.push(row.get(0)?);
        }
    }
    let mut delete = transaction.prepare(&format!("DELETE FROM {table} WHERE nth = ?1"))?;
    for nth in &damaged {
        delete.execute([nth])?;
    }
    Ok(damaged.len())
}

/// SQLite has no unsigned numbers; times of the next 200 years fit.
fn number(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

fn number_sum(id: &str, number: i64) -> i64 {
    sum(&[id.as_bytes(), &number.to_le_bytes()])
}

/// The first bytes of the SHA-256 of the parts and their lengths.
fn sum(parts: &[&[u8]]) -> i64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_le_bytes(first)
}

fn failed(attempt: &'static str, path: &Path, error: rusqlite::Error) -> StoreError {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    StoreError::of(attempt, path, io::Error::new(kind, error))
}

#[cfg(test)]
mod tests;
