//! What a desk leaves for the next start.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::{Desk, DeskSettings};
use crate::core::budget::Budget;
use crate::core::incident::{Correlator, SavedError, SavedPart};
use crate::core::silence::Watch;

const BOOKS: &str = "desk";
const EVIDENCE: &str = "evidence";

#[derive(Serialize, Deserialize)]
struct Books<B, W, S> {
    budget: B,
    watch: W,
    outside: S,
    muted: S,
}

impl Desk {
    /// What changed of the incidents and all that decides what is told next since
    /// [`is_saved`](Self::is_saved) was called; to be kept with what is told.
    ///
    /// # Errors
    /// None that is known: everything in it can be written.
    pub fn saved(&self) -> Result<Vec<SavedPart>, SavedError> {
        let books = Books {
            budget: &self.budget,
            watch: &self.watch,
            outside: &self.outside,
            muted: &self.muted,
        };
        let mut parts = self.correlator.changed_parts()?;
        parts.push(SavedPart::new(BOOKS, &books)?);
        Ok(parts)
    }

    /// What spans, metrics, changes and traffic showed; to be kept every minute.
    ///
    /// # Errors
    /// None that is known: everything in it can be written.
    pub fn saved_evidence(&self) -> Result<SavedPart, SavedError> {
        SavedPart::new(EVIDENCE, &self.evidence)
    }

    /// What [`saved`](Self::saved) gave is kept.
    pub fn is_saved(&mut self) {
        self.is_dirty = false;
        self.correlator.is_saved();
    }

    /// A desk as [`saved`](Self::saved) left it, by the latest part of each name. Parts of other names
    /// are left alone.
    ///
    /// # Errors
    /// If a part is of another version or damaged, or one is missing on which others hang.
    pub fn restored(settings: DeskSettings, saved: &[SavedPart]) -> Result<Self, SavedError> {
        let incidents = settings.incidents.clone();
        let correlator = Correlator::restored(incidents, saved)?;
        let books = saved.iter().find(|part| &*part.name == BOOKS);
        let books: Books<Budget, Watch, BTreeSet<Box<str>>> = match books {
            Some(part) => part.read()?.ok_or(SavedError::Missing(BOOKS))?,
            None => return Err(SavedError::Missing(BOOKS)),
        };
        let mut desk = Self::new(settings.clone());
        desk.correlator = correlator;
        desk.budget = books.budget;
        desk.watch = books.watch;
        desk.outside = books.outside;
        desk.muted = books.muted;
        desk.reconfigure(settings);
        Ok(desk)
    }

    /// Whether a part is what [`saved_evidence`](Self::saved_evidence) gave, and not one of the others.
    pub fn is_evidence(part: &SavedPart) -> bool {
        &*part.name == EVIDENCE
    }

    /// Takes what [`saved_evidence`](Self::saved_evidence) left.
    ///
    /// # Errors
    /// If it is of another version, or damaged; then nothing is taken.
    pub fn restore_evidence(&mut self, saved: &SavedPart) -> Result<(), SavedError> {
        if let Some(evidence) = saved.read::<Evidence>()? {
            self.evidence = evidence;
        }
        Ok(())
    }
}
