//! Whether the chain is as it was written, and where it is not.
//!
//! Where nothing is wrong, every row from the anchor to the head is there, fits its hash and follows the
//! row before it, and the head is the last: then the head alone says what all of them are. So nothing that
//! was edited, removed, moved or put in goes unseen, unless whoever did it wrote all hashes anew to the
//! head. Only a head that is known from elsewhere tells that.

use std::fmt;

use rusqlite::{Connection, Row};

use super::{AuditHash, AuditMark, end, gone, signed, unsigned};
use crate::edge::store::StoreError;
use crate::edge::store::control::{Control, aside};

/// Most faults that are named one by one.
const FAULTS_MAX: usize = 1_000;
/// Of so many entries that do not fit it is looked whether they are others that are there, in another
/// place: the work grows with the square.
const SUSPECTS_MAX: usize = 256;

/// What is known of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// How many entries are there.
    pub entries: u64,
    /// The last that was let go because there were too many, and before it all others; 0 where none was.
    pub anchor: Option<AuditMark>,
    /// The last entry, as it is kept apart from the entries; number 0 where there is none.
    pub head: Option<AuditMark>,
    /// What is wrong, by number; at most a thousand.
    pub faults: Vec<AuditFault>,
    /// How many faults more there are.
    pub unlisted: u64,
    /// Whether a database before this one was damaged and set aside, and its audit with it.
    pub is_set_aside: bool,
}

impl AuditReport {
    /// Whether nothing is wrong.
    pub const fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    fn add(&mut self, fault: AuditFault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        } else {
            self.unlisted += 1;
        }
    }
}

/// Something that is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFault {
    /// What an entry says does not fit its hash.
    Edited {
        /// The entry.
        number: u64,
    },
    /// An entry does not follow the one before it, though both fit their own hashes.
    Unlinked {
        /// The later of the two.
        number: u64,
    },
    /// Entries are not there.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The oldest entries are not there.
    BeginningCut {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The latest entries are not there.
    EndCut {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// In the place of one entry lies another.
    Moved {
        /// The place.
        number: u64,
        /// The number of the entry that lies there.
        was: u64,
    },
    /// Something lies where no entry was written: behind the head, or before the anchor.
    Inserted {
        /// Its number.
        number: u64,
    },
    /// What the first entry follows is not there, or is none.
    AnchorGone,
    /// What tells the last entry is not there, or is none.
    HeadGone,
    /// The last entry is not the one that the head tells.
    HeadDiffers {
        /// Its number.
        number: u64,
    },
    /// An entry has another hash than the one that is known from elsewhere.
    KnownDiffers {
        /// The entry.
        number: u64,
    },
    /// The entry whose hash is known from elsewhere was let go, since there were too many.
    KnownGone {
        /// The entry.
        number: u64,
    },
}

impl AuditFault {
    /// The number of the first entry that it is about.
    pub const fn number(self) -> u64 {
        match self {
            Self::Edited { number }
            | Self::Unlinked { number }
            | Self::Moved { number, .. }
            | Self::Inserted { number }
            | Self::HeadDiffers { number }
            | Self::KnownDiffers { number }
            | Self::KnownGone { number } => number,
            Self::Missing { from, .. }
            | Self::BeginningCut { from, .. }
            | Self::EndCut { from, .. } => from,
            Self::AnchorGone => 0,
            Self::HeadGone => u64::MAX,
        }
    }
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |from: u64, to: u64| match from == to {
            true => format!("entry {from} is"),
            false => format!("entries {from} to {to} are"),
        };
        match *self {
            Self::Edited { number } => {
                write!(f, "edited: entry {number} does not fit its hash")
            }
            Self::Unlinked { number } => write!(
                f,
                "unlinked: entry {number} does not follow what lies before it; that was written anew, or cut off and added to since"
            ),
            Self::Missing { from, to } => write!(f, "missing: {} not there", range(from, to)),
            Self::BeginningCut { from, to } => {
                write!(f, "beginning cut off: {} not there", range(from, to))
            }
            Self::EndCut { from, to } => write!(f, "end cut off: {} not there", range(from, to)),
            Self::Moved { number, was } => {
                write!(
                    f,
                    "reordered: in the place of entry {number} lies entry {was}"
                )
            }
            Self::Inserted { number } => {
                write!(f, "inserted: entry {number} lies where none was written")
            }
            Self::AnchorGone => f.write_str("anchor gone: nothing says where the beginning is"),
            Self::HeadGone => f.write_str("head gone: nothing says where the end is"),
            Self::HeadDiffers { number } => {
                write!(
                    f,
                    "head differs: entry {number} is not the one that was written last"
                )
            }
            Self::KnownDiffers { number } => write!(
                f,
                "written anew: entry {number} has another hash than the one that was given"
            ),
            Self::KnownGone { number } => write!(
                f,
                "not kept: entry {number}, whose hash was given, was let go; give that of a later one"
            ),
        }
    }
}

impl Control {
    /// Looks whether the entries of the audit are as they were written, from the anchor to the head.
    /// `known` is an entry as somebody else knows it: who can write the whole database can write all
    /// hashes anew, and that shows by nothing else.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn verify_audit(&self, known: Option<AuditMark>) -> Result<AuditReport, StoreError> {
        let connection = self.connection();
        let read = || -> rusqlite::Result<AuditReport> {
            // All of it as it was at one moment: a daemon may be adding.
            let moment = connection.unchecked_transaction()?;
            let mut walk = Walk::new(&moment, known, self.settings.audit_max)?;
            let sql = "SELECT number, at, body, previous, hash FROM audit ORDER BY number";
            let mut select = moment.prepare(sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                walk.step(Entry::read(row)?);
            }
            Ok(walk.end())
        };
        let report = read().map_err(|error| self.failed("read", error))?;
        let is_set_aside = aside(&self.path).exists();
        Ok(AuditReport {
            is_set_aside,
            ..report
        })
    }
}

/// A row.
struct Entry {
    number: i64,
    at: i64,
    body: Vec<u8>,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

impl Entry {
    /// What is of the wrong sort reads as nothing, and fits no hash.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            at: row.get(1).unwrap_or_default(),
            body: row.get(2).unwrap_or_default(),
            previous: row.get(3).unwrap_or_default(),
            hash: row.get(4).unwrap_or_default(),
        })
    }

    fn is_that_of(&self, number: i64) -> bool {
        self.hash == AuditHash::of(&self.previous, number, self.at, &self.body).0
    }
}

/// From one row to the next.
struct Walk {
    report: AuditReport,
    known: Option<AuditMark>,
    /// The number of the anchor.
    begin: i64,
    /// The number that comes next.
    next: i64,
    /// The number of the head.
    last: Option<i64>,
    /// What the next row follows, where that is there and fits its hash.
    previous: Option<AuditHash>,
    /// Rows that do not fit their hashes, and whether a row belongs where they lie.
    suspects: Vec<(Entry, bool)>,
    /// Numbers of which no row is there, some of them.
    absent: Vec<i64>,
}

impl Walk {
    fn new(
        connection: &Connection,
        known: Option<AuditMark>,
        kept_max: usize,
    ) -> rusqlite::Result<Self> {
        let (anchor, head) = (end(connection, "anchor")?, end(connection, "head")?);
        let begin = anchor.map_or(0, |anchor| signed(anchor.number));
        let mut walk = Self {
            report: AuditReport {
                anchor,
                head,
                ..AuditReport::default()
            },
            known,
            begin,
            next: begin + 1,
            last: head.map(|head| signed(head.number)),
            previous: Some(anchor.map_or(AuditHash::ZERO, |anchor| anchor.hash)),
            suspects: Vec::new(),
            absent: Vec::new(),
        };
        walk.look_at_ends(kept_max);
        Ok(walk)
    }

    fn look_at_ends(&mut self, kept_max: usize) {
        let anchor = self.report.anchor;
        // Before the first entry of all there is nothing that could have a hash.
        if anchor.is_none() || self.begin == 0 && self.previous != Some(AuditHash::ZERO) {
            self.report.add(AuditFault::AnchorGone);
        }
        match self.last {
            None => self.report.add(AuditFault::HeadGone),
            Some(last) => {
                let gone = gone(last, kept_max);
                if self.begin > gone {
                    self.report.add(AuditFault::BeginningCut {
                        from: unsigned(gone + 1),
                        to: unsigned(self.begin),
                    });
                }
            }
        }
        match (self.known, anchor) {
            (Some(known), Some(anchor)) if known.number < anchor.number => {
                let number = known.number;
                self.report.add(AuditFault::KnownGone { number });
            }
            (Some(known), Some(anchor)) if known.number == anchor.number => {
                self.compare_known(known.number, Some(anchor.hash));
            }
            (Some(_) | None, _) => {}
        }
    }

    fn step(&mut self, entry: Entry) {
        self.report.entries += 1;
        let number = unsigned(entry.number);
        let is_whole = entry.is_that_of(entry.number);
        let is_within = entry.number >= self.next && self.last.is_none_or(|it| entry.number <= it);
        if is_within {
            if entry.number > self.next {
                let is_first = self.next == self.begin.saturating_add(1);
                self.gap(entry.number - 1, |from, to| match is_first {
                    true => AuditFault::BeginningCut { from, to },
                    false => AuditFault::Missing { from, to },
                });
            }
            let hash = AuditHash::read(&entry.hash);
            let follows = |previous: AuditHash| entry.previous == previous.0;
            if is_whole && self.previous.is_some_and(|previous| !follows(previous)) {
                self.report.add(AuditFault::Unlinked { number });
            }
            self.compare_known(number, hash);
            self.next = entry.number.saturating_add(1);
            self.previous = hash.filter(|_| is_whole);
        } else if is_whole {
            self.report.add(AuditFault::Inserted { number });
        }
        if !is_whole {
            self.suspect(entry, is_within);
        }
    }

    fn end(mut self) -> AuditReport {
        let known = self.known.map_or(0, |known| signed(known.number));
        let to = self.last.unwrap_or(0).max(known);
        if self.next <= to {
            self.gap(to, |from, to| AuditFault::EndCut { from, to });
        } else if let (Some(head), Some(last)) = (self.report.head, self.previous)
            && last != head.hash
        {
            let number = head.number;
            self.report.add(AuditFault::HeadDiffers { number });
        }
        self.place_suspects();
        self.report.faults.sort_by_key(|fault| fault.number());
        self.report
    }

    /// No rows are there from the next one to the one with the number `to`.
    fn gap(&mut self, to: i64, fault: impl FnOnce(u64, u64) -> AuditFault) {
        self.report.add(fault(unsigned(self.next), unsigned(to)));
        let room = SUSPECTS_MAX.saturating_sub(self.absent.len());
        self.absent.extend((self.next..=to).take(room));
        self.previous = None;
    }

    fn compare_known(&mut self, number: u64, hash: Option<AuditHash>) {
        let of_it = self.known.filter(|known| known.number == number);
        if of_it.is_some_and(|known| hash != Some(known.hash)) {
            self.report.add(AuditFault::KnownDiffers { number });
        }
    }

    fn suspect(&mut self, entry: Entry, is_within: bool) {
        if self.suspects.len() < SUSPECTS_MAX {
            self.suspects.push((entry, is_within));
        } else {
            self.report.add(changed(&entry, is_within));
        }
    }

    /// Tells the rows that lie in the place of others from those whose words were changed.
    fn place_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        let numbers = suspects.iter().map(|(entry, _)| entry.number);
        let numbers: Vec<i64> = numbers.chain(self.absent.iter().copied()).collect();
        for (entry, is_within) in &suspects {
            let was = numbers.iter().find(|number| entry.is_that_of(**number));
            self.report.add(match was {
                Some(was) => AuditFault::Moved {
                    number: unsigned(entry.number),
                    was: unsigned(*was),
                },
                None => changed(entry, *is_within),
            });
        }
    }
}

/// What is wrong with a row that does not fit its hash, and no other's.
fn changed(entry: &Entry, is_within: bool) -> AuditFault {
    let number = unsigned(entry.number);
    match is_within {
        true => AuditFault::Edited { number },
        false => AuditFault::Inserted { number },
    }
}
