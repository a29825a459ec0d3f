//! What a desk leaves for the next start.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::{Desk, DeskSettings};
use crate::core::budget::Budget;
use crate::core::incident::Correlator;
use crate::core::silence::Watch;

/// Raised when what is saved changes.
const FORMAT: u8 = 2;

/// Bytes that are not what a desk of this version left.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// Another version wrote them.
    #[error("format {found} is not {FORMAT}")]
    Format {
        /// What they begin with.
        found: u8,
    },
    /// They are damaged.
    #[error("not readable: {0}")]
    Damaged(#[from] postcard::Error),
}

#[derive(Serialize, Deserialize)]
struct Books<C, B, W, S> {
    correlator: C,
    budget: B,
    watch: W,
    outside: S,
    muted: S,
}

impl Desk {
    /// The incidents and all that decides what is told next; to be kept with what is told.
    ///
    /// # Errors
    /// None that is known: everything in it can be written.
    pub fn saved(&self) -> Result<Vec<u8>, SavedError> {
        let books = Books {
            correlator: &self.correlator,
            budget: &self.budget,
            watch: &self.watch,
            outside: &self.outside,
            muted: &self.muted,
        };
        Ok(postcard::to_extend(&books, vec![FORMAT])?)
    }

    /// What spans, metrics, changes and traffic showed; to be kept every minute.
    ///
    /// # Errors
    /// None that is known: everything in it can be written.
    pub fn saved_evidence(&self) -> Result<Vec<u8>, SavedError> {
        Ok(postcard::to_extend(&self.evidence, vec![FORMAT])?)
    }

    /// A desk as [`saved`](Self::saved) left it.
    ///
    /// # Errors
    /// If the bytes are of another version, or damaged.
    pub fn restored(settings: DeskSettings, saved: &[u8]) -> Result<Self, SavedError> {
        let books: Books<Correlator, Budget, Watch, BTreeSet<Box<str>>> = read(saved)?;
        let mut desk = Self::new(settings.clone());
        desk.correlator = books.correlator;
        desk.budget = books.budget;
        desk.watch = books.watch;
        desk.outside = books.outside;
        desk.muted = books.muted;
        desk.reconfigure(settings);
        Ok(desk)
    }

    /// Takes what [`saved_evidence`](Self::saved_evidence) left.
    ///
    /// # Errors
    /// If the bytes are of another version, or damaged; then nothing is taken.
    pub fn restore_evidence(&mut self, saved: &[u8]) -> Result<(), SavedError> {
        self.evidence = read::<Evidence>(saved)?;
        Ok(())
    }
}

fn read<'de, T: Deserialize<'de>>(saved: &'de [u8]) -> Result<T, SavedError> {
    match saved.split_first() {
        Some((&FORMAT, rest)) => Ok(postcard::from_bytes(rest)?),
        Some((&found, _)) => Err(SavedError::Format { found }),
        None => Err(SavedError::Format { found: 0 }),
    }
}
