//! Messages that their sinks will never take by themselves: refused for good, or too old. They are
//! kept for a person to look at and to send again.

use rusqlite::{Row, Transaction, params};

use super::outbox::{self, OutboxRow, outbox_row, row_sum};
use super::{Control, number, remove_unless, sum};
use crate::core::record::Timestamp;
use crate::edge::store::StoreError;

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    /// The message.
    pub row: OutboxRow,
    /// When it was given up.
    pub died: Timestamp,
    /// Why, as the sink said it. Untrusted.
    pub why: Box<str>,
}

impl Control {
    /// Puts messages that are pending among the dead: name of the sink, id, why. Those that are not
    /// pending are left out.
    ///
    /// # Errors
    /// It could not be written; the messages are pending still.
    pub fn bury(&self, given_up: &[(&str, &str, &str)], now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            for (sink, id, why) in given_up {
                let select = "SELECT nth, sink, kind, id, message, at FROM outbox
                    WHERE sink = ?1 AND id = ?2";
                let mut select = transaction.prepare_cached(select)?;
                let rows = select.query_map([sink, id], outbox_row)?;
                for row in rows {
                    let dead = DeadRow {
                        row: row?,
                        died: now,
                        why: (*why).into(),
                    };
                    insert(transaction, &dead)?;
                }
                let delete = "DELETE FROM outbox WHERE sink = ?1 AND id = ?2";
                transaction.prepare_cached(delete)?.execute([sink, id])?;
            }
            self.bound_dead(transaction)
        })
    }

    /// The messages that were given up, oldest first.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn dead(&self) -> Result<Vec<DeadRow>, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<DeadRow>> {
            let sql = "SELECT nth, sink, kind, id, message, at, died, why FROM dead ORDER BY nth";
            let mut select = connection.prepare_cached(sql)?;
            select.query_map([], dead_row)?.collect()
        };
        read().map_err(|error| self.failed("read", error))
    }

    /// Makes messages pending again: those for `sink`, or for all, with this `id`, or all. How many
    /// there were. A daemon that runs on the database finds them by [`raised`](Self::raised).
    ///
    /// # Errors
    /// It could not be written; they are dead still.
    pub fn raise(&self, sink: Option<&str>, id: Option<&str>) -> Result<usize, StoreError> {
        self.write(|transaction| {
            let chosen = "(?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR id = ?2)";
            let select = format!(
                "SELECT nth, sink, kind, id, message, at FROM dead WHERE {chosen} ORDER BY nth"
            );
            let mut select = transaction.prepare(&select)?;
            let rows = select.query_map(params![sink, id], outbox_row)?;
            let mut count = 0;
            for row in rows {
                let row = row?;
                outbox::insert(transaction, &row)?;
                let sql = "INSERT INTO raised (sink, id) VALUES (?1, ?2)";
                transaction.execute(sql, params![row.sink, row.id])?;
                count += 1;
            }
            let delete = format!("DELETE FROM dead WHERE {chosen}");
            transaction.execute(&delete, params![sink, id])?;
            Ok(count)
        })
    }

    /// The messages that were made pending again since the last call.
    ///
    /// # Errors
    /// They cannot be read; they are given the next time.
    pub fn raised(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let is_any = {
            let connection = self.connection();
            let mut query = connection
                .prepare_cached("SELECT 1 FROM raised")
                .map_err(|error| self.failed("read", error))?;
            let is_any = query.exists([]);
            is_any.map_err(|error| self.failed("read", error))?
        };
        if !is_any {
            return Ok(Vec::new());
        }
        self.write(|transaction| {
            let sql = "SELECT nth, sink, kind, id, message, at FROM outbox
                WHERE (sink, id) IN (SELECT sink, id FROM raised) ORDER BY nth";
            let mut select = transaction.prepare_cached(sql)?;
            let rows: rusqlite::Result<Vec<OutboxRow>> =
                select.query_map([], outbox_row)?.collect();
            transaction.execute("DELETE FROM raised", [])?;
            rows
        })
    }

    fn bound_dead(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let max = i64::try_from(self.settings.dead_max).unwrap_or(i64::MAX);
        let sql = "DELETE FROM dead WHERE nth IN
            (SELECT nth FROM dead ORDER BY nth DESC LIMIT -1 OFFSET ?1)";
        let dropped = transaction.prepare_cached(sql)?.execute([max])?;
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "More messages were given up than are kept; the oldest were dropped."
            );
        }
        Ok(())
    }
}

pub(super) fn remove_damaged(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    let select = "SELECT nth, sink, kind, id, message, at, died, why, sum FROM dead";
    remove_unless(transaction, ("dead", select), |row| {
        Ok(dead_sum(&dead_row(row)?) == row.get::<_, i64>(8)?)
    })
}

fn insert(transaction: &Transaction<'_>, dead: &DeadRow) -> rusqlite::Result<()> {
    let sql = "INSERT INTO dead (sink, kind, id, message, at, died, why, sum)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    let row = &dead.row;
    let values = params![
        row.sink,
        row.kind,
        row.id,
        row.message,
        number(row.at),
        number(dead.died),
        dead.why,
        dead_sum(dead)
    ];
    transaction.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn dead_row(row: &Row<'_>) -> rusqlite::Result<DeadRow> {
    Ok(DeadRow {
        row: outbox_row(row)?,
        died: Timestamp::from_nanos(row.get::<_, i64>(6)?.cast_unsigned()),
        why: row.get::<_, String>(7)?.into(),
    })
}

fn dead_sum(dead: &DeadRow) -> i64 {
    let numbers = [row_sum(&dead.row), number(dead.died)].map(i64::to_le_bytes);
    let [row, died] = &numbers;
    sum(&[row, died, dead.why.as_bytes()])
}
