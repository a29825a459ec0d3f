//! Messages on their way to sinks.

use std::path::Path;

use rusqlite::{Row, Transaction, params};
use serde::Deserialize;

use super::{Control, number, remove_unless, sum};
use crate::core::record::Timestamp;
use crate::edge::store::{StoreError, disk, read_whole};

/// A message on its way to one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The name of the sink.
    pub sink: Box<str>,
    /// Its type.
    pub kind: Box<str>,
    /// The id of what is told.
    pub id: Box<str>,
    /// The message, as the sink's owner wrote it.
    pub message: Vec<u8>,
    /// When it was first offered.
    pub at: Timestamp,
}

/// A message on its way, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The name of the sink.
    pub sink: Box<str>,
    /// Its type.
    pub kind: Box<str>,
    /// The id of what is told.
    pub id: Box<str>,
    /// When it was first offered.
    pub at: Timestamp,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl Control {
    /// Removes messages that their sinks have taken, or will never take: name of the sink and id.
    ///
    /// # Errors
    /// It could not be written; the messages are pending still.
    pub fn settled(&self, messages: &[(&str, &str)]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let sql = "DELETE FROM outbox WHERE sink = ?1 AND id = ?2";
            let mut delete = transaction.prepare_cached(sql)?;
            for (sink, id) in messages {
                delete.execute(params![sink, id])?;
            }
            Ok(())
        })
    }

    /// The messages that no sink has taken, oldest first; those that somebody wants sent again aside,
    /// which [`raised`](Self::raised) gives.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn pending(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let connection = self.connection();
        let read = || {
            let sql = "SELECT nth, sink, kind, id, message, at, sum FROM outbox
                WHERE (sink, id) NOT IN (SELECT sink, id FROM raised) ORDER BY nth";
            let mut select = connection.prepare_cached(sql)?;
            let rows = select.query_map([], |row| Ok((outbox_row(row)?, row.get(6)?)))?;
            let mut pending = Vec::new();
            for row in rows {
                let (row, sum): (OutboxRow, i64) = row?;
                if row_sum(&row) == sum {
                    pending.push(row);
                }
            }
            Ok(pending)
        };
        read().map_err(|error| self.failed("read", error))
    }

    /// All messages that no sink has taken, oldest first, without what they say.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<Waiting>> {
            let sql = "SELECT sink, kind, id, at, length(message) FROM outbox ORDER BY nth";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map([], waiting)?.collect()
        };
        read().map_err(|error| self.failed("read", error))
    }

    pub(super) fn bound_outbox(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let count = "SELECT count(*) FROM outbox";
        let count: i64 = transaction
            .prepare_cached(count)?
            .query_row([], |row| row.get(0))?;
        let over = count - i64::try_from(self.settings.outbox_max).unwrap_or(i64::MAX);
        if over > 0 {
            let sql =
                "DELETE FROM outbox WHERE nth IN (SELECT nth FROM outbox ORDER BY nth LIMIT ?1)";
            transaction.prepare_cached(sql)?.execute([over])?;
            tracing::warn!(
                dropped = over,
                "More messages wait for their sinks than may; the oldest were dropped"
            );
        }
        Ok(())
    }

    /// Takes the messages of an `outbox.json`, which is then removed.
    pub(super) fn take_over(&self, path: &Path) -> Result<(), StoreError> {
        let Some(bytes) = read_whole(path) else {
            return Ok(());
        };
        let undelivered: Vec<Undelivered> = match serde_json::from_slice(&bytes) {
            Ok(undelivered) => undelivered,
            Err(error) => {
                disk::set_aside(path, &error.to_string());
                return Ok(());
            }
        };
        self.write(|transaction| {
            for undelivered in &undelivered {
                insert(transaction, &undelivered.row())?;
            }
            Ok(())
        })?;
        // A crash before this takes over the same rows again, which are there already.
        std::fs::remove_file(path).map_err(|e| StoreError::of("remove", path, e))
    }
}

/// A message as the versions before wrote it.
#[derive(Deserialize)]
struct Undelivered {
    sink: Box<str>,
    kind: Box<str>,
    message: serde_json::Value,
}

impl Undelivered {
    fn row(&self) -> OutboxRow {
        let id = self.message.get("id").and_then(serde_json::Value::as_str);
        let at = self
            .message
            .get("offered_at")
            .and_then(serde_json::Value::as_u64);
        OutboxRow {
            sink: self.sink.clone(),
            kind: self.kind.clone(),
            id: id.unwrap_or_default().into(),
            message: self.message.to_string().into_bytes(),
            at: Timestamp::from_nanos(at.unwrap_or_default()),
        }
    }
}

pub(super) fn insert(transaction: &Transaction<'_>, row: &OutboxRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO outbox (sink, kind, id, message, at, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let (at, sum) = (number(row.at), row_sum(row));
    let values = params![row.sink, row.kind, row.id, row.message, at, sum];
    transaction.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        sink: row.get::<_, String>(1)?.into(),
        kind: row.get::<_, String>(2)?.into(),
        id: row.get::<_, String>(3)?.into(),
        message: row.get(4)?,
        at: Timestamp::from_nanos(row.get::<_, i64>(5)?.cast_unsigned()),
    })
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        sink: row.get::<_, String>(0)?.into(),
        kind: row.get::<_, String>(1)?.into(),
        id: row.get::<_, String>(2)?.into(),
        at: Timestamp::from_nanos(row.get::<_, i64>(3)?.cast_unsigned()),
        bytes: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}

pub(super) fn remove_damaged(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    let select = "SELECT nth, sink, kind, id, message, at, sum FROM outbox";
    remove_unless(transaction, ("outbox", select), |row| {
        Ok(row_sum(&outbox_row(row)?) == row.get::<_, i64>(6)?)
    })
}

pub(super) fn row_sum(row: &OutboxRow) -> i64 {
    let at = number(row.at).to_le_bytes();
    let texts = [&row.sink, &row.kind, &row.id].map(|text| text.as_bytes());
    let [sink, kind, id] = texts;
    sum(&[sink, kind, id, &row.message, &at])
}
