//! Who did what: entries in a chain of hashes, to which nothing is done but adding.
//!
//! ```text
//! anchor            entries: number, at, body, previous, hash                            head
//! (number, hash) ◀─ previous = hash of the one before ◀─ … ◀─ the last ◀─ (number, hash)
//! ```
//!
//! The hash of an entry is the SHA-256 of five parts, each behind its length in eight bytes: the words
//! `knothole audit v1`, the hash of the entry before, the number, the time in nanoseconds, the body. All
//! numbers have eight bytes and are little-endian. The first entry of all has the number 1 and follows 32
//! zero bytes. The head is kept apart, so that an end that is cut off is missed; the anchor stands for the
//! oldest entries, which go when there are too many.
//!
//! What does not fit is never mended. The next entry takes the number after both the head and the last
//! row, and follows the head as it is kept, not the row that is found last; where the head is gone or was
//! set back, it follows 32 bytes of ones, which nothing has. So whatever was cut off, put behind the head
//! or written anew leaves a break that no later entry heals.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::Control;
use crate::core::record::Timestamp;
use crate::edge::store::StoreError;

mod verify;

pub use verify::{AuditFault, AuditReport};

/// Most entries that are kept, where nothing else is set.
pub const AUDIT_MAX: usize = 100_000;
/// When there are too many, this share of them goes at once: looking for them takes a while.
const GO_AT_ONCE: usize = 100;
/// No head and no anchor of ours gets here; behind the highest number there is nothing could be added.
const END_MAX: i64 = 1 << 53;
/// No row of ours gets here: from one that somebody else put just below, the head has far to go still.
const ROW_MAX: i64 = 1 << 52;
const DOMAIN: &[u8] = b"knothole audit v1";

pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS audit (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL,
        previous BLOB NOT NULL, hash BLOB NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS audit_end (
        name TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL, hash BLOB NOT NULL
    ) STRICT;
";

/// The SHA-256 of an entry and of the hash before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditHash([u8; 32]);

impl AuditHash {
    /// What the first entry of all follows.
    const ZERO: Self = Self([0; 32]);
    /// What an entry follows that was added when the head was gone or set back. No entry has it.
    const GONE: Self = Self([0xff; 32]);

    fn of(previous: &[u8], number: i64, at: i64, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        let (number, at) = (number.to_le_bytes(), at.to_le_bytes());
        for part in [DOMAIN, previous, &number, &at, body] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for AuditHash {
    /// 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in the chain. Written `NUMBER:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuditMark {
    /// The number of an entry; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: AuditHash,
}

impl fmt::Display for AuditMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for AuditMark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (number, hex) = text.split_once(':')?;
            let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
            if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            let mut hash = [0; 32];
            for (place, byte) in hash.iter_mut().enumerate() {
                *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
            }
            let hash = AuditHash(hash);
            Some(Self { number, hash })
        };
        read().ok_or_else(|| {
            "write the number of an entry, a colon and the 64 hex digits of its hash".to_owned()
        })
    }
}

/// An entry as it lies there; only [`Control::verify_audit`] says whether it is as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Rises by one with every entry, from 1 on.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What its owner wrote.
    pub body: Vec<u8>,
    /// Its hash.
    pub hash: AuditHash,
}

impl Control {
    /// At most `limit` entries of the audit, the highest number first, of those below `before`.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn audit_newest(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let sql = "SELECT number, at, body, hash FROM audit
            WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
        let before = before.map_or(i64::MAX, signed);
        self.audit_rows(sql, before, limit)
    }

    /// At most `limit` entries of the audit, the lowest number first, of those above `after`.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn audit_after(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let sql = "SELECT number, at, body, hash FROM audit
            WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.audit_rows(sql, signed(after), limit)
    }

    fn audit_rows(&self, sql: &str, from: i64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<AuditRow>> {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut select = connection.prepare_cached(sql)?;
            select.query_map([from, limit], audit_row)?.collect()
        };
        read().map_err(|error| self.failed("read", error))
    }

    /// Moves the entries that versions before kept as documents into the chain, in their order.
    pub(super) fn take_over_audit(&self) -> Result<(), StoreError> {
        let moved = self.write(|transaction| {
            let sql = "SELECT at, body FROM document WHERE kind = 'audit' ORDER BY id";
            let mut select = transaction.prepare(sql)?;
            let mut rows = select.query([])?;
            let mut moved = 0_u64;
            while let Some(row) = rows.next()? {
                let body: Vec<u8> = row.get(1)?;
                append(transaction, row.get(0)?, &body)?;
                moved += 1;
            }
            if moved > 0 {
                transaction.execute("DELETE FROM document WHERE kind = 'audit'", [])?;
                self.bound_audit(transaction)?;
            }
            Ok(moved)
        })?;
        if moved > 0 {
            tracing::info!(
                moved,
                "The audit was moved into a chain of hashes; its entries are numbered from 1 on."
            );
        }
        Ok(())
    }

    /// Says where the chain is broken, if it is.
    pub(super) fn look_at_audit(&self) {
        let report = match self.verify_audit(None) {
            Ok(report) if report.is_whole() => return,
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(%error, "Whether the audit is whole cannot be told.");
                return;
            }
        };
        let count = report.faults.len() as u64 + report.unlisted;
        let first = report.faults.first().map(ToString::to_string);
        tracing::warn!(
            path = %self.path.display(),
            faults = count,
            first = first.unwrap_or_default(),
            "The audit was changed by somebody else than knothole; keep a copy of the file, see what `knothole audit verify` names, and compare it with the copies that were sent. New entries are added behind it."
        );
    }

    /// Lets the oldest entries go where there are too many.
    pub(super) fn bound_audit(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let max = i64::try_from(self.settings.audit_max).unwrap_or(i64::MAX);
        let (first, last) = (first_of(transaction)?, last_of(transaction)?);
        // Counting takes time, and there cannot be more than there are numbers.
        if last.saturating_sub(first) < max {
            return Ok(());
        }
        let count = one_number(transaction, "SELECT count(*) FROM audit")?;
        if count <= max {
            return Ok(());
        }
        let is_whole = last.saturating_sub(first).saturating_add(1) == count;
        let over = if is_whole {
            gone(last, self.settings.audit_max) - (first - 1)
        } else {
            // Somebody removed some, or put others far away: all that is certain is how many there are.
            count - (max - at_once(self.settings.audit_max))
        };
        let sql = "SELECT number, hash FROM audit ORDER BY number LIMIT 1 OFFSET ?1";
        let last: (i64, Vec<u8>) = transaction
            .prepare_cached(sql)?
            .query_row([over - 1], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let sql = "DELETE FROM audit WHERE number <= ?1";
        transaction.prepare_cached(sql)?.execute([last.0])?;
        let anchor = end(transaction, "anchor")?;
        if anchor.is_none_or(|anchor| signed(anchor.number) < last.0) {
            set_end(transaction, "anchor", last.0, &last.1)?;
        }
        Ok(())
    }
}

/// How many of at most `max` entries go at once.
fn at_once(max: usize) -> i64 {
    i64::try_from(max / GO_AT_ONCE).unwrap_or(i64::MAX).max(1)
}

/// The last entry that was let go, of which at most `max` are kept, when `last` was written: it follows from
/// that number alone, so that nobody can let go of more.
fn gone(last: i64, max: usize) -> i64 {
    let over = last.saturating_sub(i64::try_from(max).unwrap_or(i64::MAX));
    let step = at_once(max);
    over.max(0).saturating_add(step - 1) / step * step
}

fn first_of(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    one_number(transaction, "SELECT ifnull(min(number), 0) FROM audit")
}

fn last_of(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    one_number(transaction, "SELECT ifnull(max(number), 0) FROM audit")
}

/// Writes down that nothing has been done yet, where nothing is written down.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO audit_end (name, number, hash)
        VALUES ('anchor', 0, ?1), ('head', 0, ?1)";
    connection.execute(sql, [AuditHash::ZERO.0])?;
    Ok(())
}

/// Adds an entry; its time is in nanoseconds.
pub(super) fn append(
    transaction: &Transaction<'_>,
    at: i64,
    body: &[u8],
) -> rusqlite::Result<AuditMark> {
    let head = end(transaction, "head")?;
    let sql = format!("SELECT ifnull(max(number), 0) FROM audit WHERE number < {ROW_MAX}");
    let last = one_number(transaction, &sql)?;
    let anchor = end(transaction, "anchor")?;
    let ends = [head, anchor].into_iter().flatten();
    let highest = ends.map(|mark| signed(mark.number)).fold(last, i64::max);
    let number = highest.max(0) + 1;
    // A head that was set back says nothing of what is to be followed.
    let head = head.filter(|head| signed(head.number) == highest);
    let previous = head.map_or(AuditHash::GONE, |head| head.hash);
    let hash = AuditHash::of(&previous.0, number, at, body);
    let sql = "INSERT INTO audit (number, at, body, previous, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![number, at, body, previous.0, hash.0];
    transaction.prepare_cached(sql)?.execute(values)?;
    set_end(transaction, "head", number, &hash.0)?;
    Ok(AuditMark {
        number: number.cast_unsigned(),
        hash,
    })
}

/// The anchor or the head; `None` where it is not there or can be none of ours.
fn end(connection: &Connection, name: &str) -> rusqlite::Result<Option<AuditMark>> {
    let sql = "SELECT number, hash FROM audit_end WHERE name = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = connection
        .prepare_cached(sql)?
        .query_row([name], read)
        .optional()?;
    Ok(found.and_then(|(number, hash)| {
        (0..END_MAX).contains(&number).then_some(AuditMark {
            number: number.cast_unsigned(),
            hash: AuditHash::read(&hash)?,
        })
    }))
}

fn set_end(
    transaction: &Transaction<'_>,
    name: &str,
    number: i64,
    hash: &[u8],
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO audit_end (name, number, hash) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET number = ?2, hash = ?3";
    let mut set = transaction.prepare_cached(sql)?;
    set.execute(params![name, number, hash])?;
    Ok(())
}

fn one_number(transaction: &Transaction<'_>, sql: &str) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

fn audit_row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    // What somebody else wrote may be of any sort; it is shown as far as it can be.
    let hash: Vec<u8> = row.get(3).unwrap_or_default();
    let at: i64 = row.get(1).unwrap_or_default();
    Ok(AuditRow {
        number: unsigned(row.get(0)?),
        at: Timestamp::from_nanos(unsigned(at)),
        body: row.get(2).unwrap_or_default(),
        hash: AuditHash::read(&hash).unwrap_or(AuditHash::ZERO),
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests;
