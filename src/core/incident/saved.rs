//! What a correlator leaves for the next start: in parts, so that only what changed is written again.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Settings;
use super::case::Case;
use super::clock::Clock;
use super::correlator::{Correlator, Counts};
use super::heard::Heard;
use super::kept::{Kept, KeptMap};
use super::places::Places;

/// Raised when what is saved changes.
const FORMAT: u8 = 3;

/// A part of what is saved. All of one name are one: the latest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPart {
    /// Unique among the parts: `books`, `case-7`.
    pub name: Box<str>,
    /// What is in it; `None` where it is gone.
    pub body: Option<Vec<u8>>,
}

/// Parts that are not what a correlator of this version left.
#[derive(Debug, Error)]
pub enum SavedError {
    /// Another version wrote it.
    #[error("{part} has format {found}, not {FORMAT}")]
    Format {
        /// Its name.
        part: Box<str>,
        /// What it begins with.
        found: u8,
    },
    /// It is damaged.
    #[error("{part} is not readable: {error}")]
    Damaged {
        /// Its name.
        part: Box<str>,
        /// Where reading ended.
        error: postcard::Error,
    },
    /// The part that the others hang on is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
}

impl SavedPart {
    /// A part called `name` with `value` in it.
    ///
    /// # Errors
    /// None that is known: all that is saved can be written.
    pub fn new(name: impl Into<Box<str>>, value: &impl Serialize) -> Result<Self, SavedError> {
        let name = name.into();
        let body = postcard::to_extend(value, vec![FORMAT]);
        let body = body.map_err(|error| SavedError::Damaged {
            part: name.clone(),
            error,
        })?;
        Ok(Self {
            name,
            body: Some(body),
        })
    }

    /// What is in it; `None` where it is gone.
    ///
    /// # Errors
    /// Another version wrote it, or it is damaged.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, SavedError> {
        let part = || self.name.clone();
        let Some(body) = &self.body else {
            return Ok(None);
        };
        match body.split_first() {
            Some((&FORMAT, rest)) => {
                let read = postcard::from_bytes(rest).map(Some);
                read.map_err(|error| SavedError::Damaged {
                    part: part(),
                    error,
                })
            }
            found => Err(SavedError::Format {
                part: part(),
                found: found.map_or(0, |(found, _)| *found),
            }),
        }
    }
}

/// What is small, and changes with everything.
#[derive(Serialize, Deserialize)]
struct Books<C, P, Q> {
    clock: C,
    next_case: u64,
    places: P,
    pending: Q,
    counts: Counts,
}

const BOOKS: &str = "incidents";
const PAST: &str = "past";
const FOREIGN: &str = "foreign";
const LATELY: &str = "lately";
const CASE: &str = "case-";
const HEARD: &str = "heard-";

impl Correlator {
    /// The parts that changed since [`is_saved`](Self::is_saved) was called. Those of all times together
    /// are what [`restored`](Self::restored) takes.
    ///
    /// # Errors
    /// None that is known: everything in it can be written.
    pub fn changed_parts(&self) -> Result<Vec<SavedPart>, SavedError> {
        let books = Books {
            clock: &self.clock,
            next_case: self.next_case,
            places: &self.places,
            pending: &self.pending,
            counts: self.counts,
        };
        let mut parts = vec![SavedPart::new(BOOKS, &books)?];
        if let Some(past) = self.past.changed() {
            parts.push(SavedPart::new(PAST, past)?);
        }
        if let Some(foreign) = self.foreign.changed() {
            parts.push(SavedPart::new(FOREIGN, foreign)?);
        }
        if let Some(lately) = self.lately.changed() {
            parts.push(SavedPart::new(LATELY, lately)?);
        }
        numbered(CASE, &self.cases, &mut parts)?;
        numbered(HEARD, self.heard.pages(), &mut parts)?;
        Ok(parts)
    }

    /// What [`changed_parts`](Self::changed_parts) gave is kept.
    pub fn is_saved(&mut self) {
        self.past.is_kept();
        self.foreign.is_kept();
        self.lately.is_kept();
        self.cases.is_kept();
        self.heard.is_kept();
    }

    /// A correlator as it was saved. Parts that are not its own are left alone; one that is lost but for
    /// the first is forgotten.
    ///
    /// # Errors
    /// If a part is of another version or damaged, or the first one is not there.
    pub fn restored(settings: Settings, parts: &[SavedPart]) -> Result<Self, SavedError> {
        let mut correlator = Self::new(settings);
        let (mut cases, mut heard) = (BTreeMap::<u64, Case>::new(), BTreeMap::new());
        let mut books: Option<Books<Clock, Places, _>> = None;
        for part in parts {
            if &*part.name == BOOKS {
                books = part.read()?;
            } else if &*part.name == PAST {
                correlator.past = part.read()?.map_or_else(Kept::default, Kept::as_kept);
            } else if &*part.name == FOREIGN {
                correlator.foreign = part.read()?.map_or_else(Kept::default, Kept::as_kept);
            } else if &*part.name == LATELY {
                correlator.lately = part.read()?.map_or_else(Kept::default, Kept::as_kept);
            } else if let Some(number) = number_of(part, CASE) {
                cases.extend(part.read()?.map(|case| (number, case)));
            } else if let Some(number) = number_of(part, HEARD) {
                heard.extend(part.read()?.map(|page| (number, page)));
            }
        }
        let books = books.ok_or(SavedError::Missing(BOOKS))?;
        cases.retain(|number, _| *number < books.next_case);
        correlator.clock = books.clock;
        correlator.next_case = books.next_case;
        correlator.places = books.places;
        correlator.pending = books.pending;
        correlator.counts = books.counts;
        correlator.places.find_again(&cases);
        correlator.cases = KeptMap::as_kept(cases);
        correlator.heard = Heard::as_kept(KeptMap::as_kept(heard));
        Ok(correlator)
    }
}

fn numbered<T: Serialize>(
    prefix: &str,
    all: &KeptMap<T>,
    parts: &mut Vec<SavedPart>,
) -> Result<(), SavedError> {
    for (number, value) in all.changed() {
        let name = format!("{prefix}{number}");
        parts.push(match value {
            Some(value) => SavedPart::new(name, value)?,
            None => SavedPart {
                name: name.into(),
                body: None,
            },
        });
    }
    Ok(())
}

fn number_of(part: &SavedPart, prefix: &str) -> Option<u64> {
    part.name.strip_prefix(prefix)?.parse().ok()
}
