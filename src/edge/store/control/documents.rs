//! What is kept as a whole and looked up by its id: incidents, changes, what people said and did.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::{Control, number, remove_unless, sum};
use crate::core::record::Timestamp;
use crate::edge::store::StoreError;

/// The sorts of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An incident as it last was; its time is when it was opened.
    Incident,
    /// An anomaly as the sinks tell it; its time is that of its first record.
    Anomaly,
    /// A change of a service.
    Change,
    /// What somebody thinks of an anomaly or an incident.
    Verdict,
    /// Who did what through the API.
    Audit,
    /// A silence that was made through the API.
    Silence,
    /// What incidents are made up from; one document for each part of it.
    Desk,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Anomaly => "anomaly",
            Self::Change => "change",
            Self::Verdict => "verdict",
            Self::Audit => "audit",
            Self::Silence => "silence",
            Self::Desk => "desk",
        }
    }

    /// How many of them are kept; the oldest by time go first.
    const fn max(self) -> u32 {
        match self {
            Self::Incident | Self::Anomaly | Self::Change | Self::Verdict => 10_000,
            Self::Audit => 100_000,
            Self::Silence => 1_000,
            Self::Desk => 4_096,
        }
    }
}

/// Something kept as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Unique among its kind.
    pub id: Box<str>,
    /// The time by which they are listed.
    pub at: Timestamp,
    /// What its owner wrote. Nothing stands for a document that is to be removed.
    pub body: Vec<u8>,
}

/// A document and its place in the order of their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// To go on from, with the time of the document.
    pub nth: i64,
    /// The document.
    pub document: Document,
}

impl Control {
    /// Writes documents; one with the id of another of its kind takes its place, and one without a body
    /// removes it.
    ///
    /// # Errors
    /// Nothing of it could be written.
    pub fn put(&self, documents: &[Document]) -> Result<(), StoreError> {
        self.write(|transaction| put(transaction, documents))
    }

    /// Removes a document; whether there was one.
    ///
    /// # Errors
    /// It could not be written.
    pub fn remove(&self, kind: Kind, id: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let sql = "DELETE FROM document WHERE kind = ?1 AND id = ?2";
            Ok(transaction.execute(sql, [kind.name(), id])? > 0)
        })
    }

    /// The document of a kind with this id.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn document(&self, kind: Kind, id: &str) -> Result<Option<Numbered>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT nth, id, at, body FROM document WHERE kind = ?1 AND id = ?2";
        connection
            .query_row(sql, [kind.name(), id], |row| numbered(kind, row))
            .optional()
            .map_err(|error| self.failed("read", error))
    }

    /// The documents of a kind whose ids begin so, at most `limit`, by id.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn beginning(
        &self,
        kind: Kind,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<Document>> {
            let sql = "SELECT nth, id, at, body FROM document
                WHERE kind = ?1 AND substr(id, 1, length(?2)) = ?2 ORDER BY id LIMIT ?3";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut select = connection.prepare_cached(sql)?;
            let rows = select.query_map(params![kind.name(), prefix, limit], |row| {
                Ok(numbered(kind, row)?.document)
            })?;
            rows.collect()
        };
        read().map_err(|error| self.failed("read", error))
    }

    /// At most `limit` documents of a kind, newest first, from the one after `after` on.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn newest(
        &self,
        kind: Kind,
        after: Option<(Timestamp, i64)>,
        limit: usize,
    ) -> Result<Vec<Numbered>, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<Vec<Numbered>> {
            let sql = "SELECT nth, id, at, body FROM document
                WHERE kind = ?1 AND (at, nth) < (?2, ?3) ORDER BY at DESC, nth DESC LIMIT ?4";
            let (at, nth) = after.map_or((i64::MAX, i64::MAX), |(at, nth)| (number(at), nth));
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut select = connection.prepare_cached(sql)?;
            let rows = select.query_map(params![kind.name(), at, nth, limit], |row| {
                numbered(kind, row)
            })?;
            rows.collect()
        };
        read().map_err(|error| self.failed("read", error))
    }
}

pub(super) fn put(transaction: &Transaction<'_>, documents: &[Document]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO document (kind, id, at, body, sum) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (kind, id) DO UPDATE SET at = ?3, body = ?4, sum = ?5";
    let mut insert = transaction.prepare_cached(sql)?;
    for document in documents {
        if document.body.is_empty() {
            let sql = "DELETE FROM document WHERE kind = ?1 AND id = ?2";
            let mut delete = transaction.prepare_cached(sql)?;
            delete.execute([document.kind.name(), &*document.id])?;
            continue;
        }
        let at = number(document.at);
        let sum = sum_of(document);
        insert.execute(params![
            document.kind.name(),
            document.id,
            at,
            document.body,
            sum
        ])?;
    }
    let mut kinds: Vec<Kind> = documents.iter().map(|document| document.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let sql = "DELETE FROM document WHERE nth IN (SELECT nth FROM document WHERE kind = ?1
            ORDER BY at DESC, nth DESC LIMIT -1 OFFSET ?2)";
        transaction
            .prepare_cached(sql)?
            .execute(params![kind.name(), kind.max()])?;
    }
    Ok(())
}

pub(super) fn remove_damaged(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    let select = "SELECT nth, id, at, body, kind, sum FROM document";
    remove_unless(transaction, ("document", select), |row| {
        let (id, at): (String, i64) = (row.get(1)?, row.get(2)?);
        let (body, kind): (Vec<u8>, String) = (row.get(3)?, row.get(4)?);
        let found = sum(&[kind.as_bytes(), id.as_bytes(), &at.to_le_bytes(), &body]);
        Ok(found == row.get::<_, i64>(5)?)
    })
}

fn numbered(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Numbered> {
    Ok(Numbered {
        nth: row.get(0)?,
        document: Document {
            kind,
            id: row.get::<_, String>(1)?.into(),
            at: Timestamp::from_nanos(row.get::<_, i64>(2)?.cast_unsigned()),
            body: row.get(3)?,
        },
    })
}

fn sum_of(document: &Document) -> i64 {
    let at = number(document.at).to_le_bytes();
    let (kind, id) = (document.kind.name().as_bytes(), document.id.as_bytes());
    sum(&[kind, id, &at, &document.body])
}
