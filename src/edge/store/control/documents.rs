//! What is kept as a whole and looked up by its id: incidents, changes, what people said and did.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::audit::{self, AuditMark};
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
    /// A silence that was made through the API.
    Silence,
    /// Something a rule asked for, and what became of it; its time is when it was asked for.
    Action,
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
            Self::Silence => "silence",
            Self::Action => "action",
            Self::Desk => "desk",
        }
    }

    /// How many of them are kept. Those that were first written longest ago go first: the times of
    /// some are what senders say, and a clock may have been put back.
    pub const fn max(self) -> u32 {
        match self {
            Self::Incident
            | Self::Anomaly
            | Self::Change
            | Self::Verdict
            | Self::Silence
            | Self::Action => 10_000,
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
    /// What its owner wrote.
    pub body: Vec<u8>,
}

/// What is done with a document, or added to the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filing {
    /// It is written; one with the id of another of its kind takes its place.
    Put(Document),
    /// It is removed, if it is there.
    Remove {
        /// What it is.
        kind: Kind,
        /// Its id.
        id: Box<str>,
    },
    /// An entry is added to the audit.
    Audit {
        /// When.
        at: Timestamp,
        /// What its owner wrote.
        body: Vec<u8>,
    },
}

impl From<Document> for Filing {
    fn from(document: Document) -> Self {
        Self::Put(document)
    }
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
                WHERE kind = ?1 AND id >= ?2 AND id < ?2 || char(1114111) ORDER BY id LIMIT ?3";
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

/// Where the entries of the audit among `filings` came to be.
pub(super) fn file(
    transaction: &Transaction<'_>,
    filings: &[Filing],
) -> rusqlite::Result<Vec<AuditMark>> {
    let mut audited = Vec::new();
    let sql = "INSERT INTO document (kind, id, at, body, sum) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (kind, id) DO UPDATE SET at = ?3, body = ?4, sum = ?5";
    let mut insert = transaction.prepare_cached(sql)?;
    let sql = "DELETE FROM document WHERE kind = ?1 AND id = ?2";
    let mut remove = transaction.prepare_cached(sql)?;
    let mut kinds: BTreeSet<Kind> = BTreeSet::new();
    for filing in filings {
        match filing {
            Filing::Put(document) => {
                let (at, sum) = (number(document.at), sum_of(document));
                let (kind, id) = (document.kind, &document.id);
                insert.execute(params![kind.name(), id, at, document.body, sum])?;
                kinds.insert(kind);
            }
            Filing::Remove { kind, id } => {
                remove.execute([kind.name(), id])?;
            }
            Filing::Audit { at, body } => {
                audited.push(audit::append(transaction, number(*at), body)?);
            }
        }
    }
    let sql = "DELETE FROM document WHERE kind = ?1 AND nth <= (SELECT nth FROM document
        WHERE kind = ?1 ORDER BY nth DESC LIMIT 1 OFFSET ?2)";
    let mut bound = transaction.prepare_cached(sql)?;
    for kind in kinds {
        bound.execute(params![kind.name(), kind.max()])?;
    }
    Ok(audited)
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
