//! What trials of plans showed. A trial of Argo CD is an operation of the application, so that a plan is tried once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::core::event::Action;
use crate::core::remedy::ledger::Ledger;

/// Whether it would be done, or why not.
pub(super) type Would = Result<(), Box<str>>;

/// What the latest trials showed, by action and plan.
#[derive(Debug, Default)]
pub(super) struct Trials(Mutex<VecDeque<(Key, Would)>>);

/// The action, and the hash of its plan.
pub(super) type Key = (Box<str>, Box<str>);

impl Trials {
    /// Most that are remembered: as many as there are actions that are not over.
    const LEN_MAX: usize = Ledger::OPEN_MAX;

    /// What the trial of this plan showed; `None` where it was not tried.
    pub(super) fn of(&self, key: &Key) -> Option<Would> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|it| it.0 == *key).map(|it| it.1.clone())
    }

    /// Remembers what it showed.
    pub(super) fn keep(&self, key: Key, would: Would) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|it| it.0 != key);
        all.push_back((key, would));
        if all.len() > Self::LEN_MAX {
            all.pop_front();
        }
    }

    /// It was not tried after all.
    pub(super) fn forget(&self, key: &Key) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|it| it.0 != *key);
    }
}

/// By what the trial of an action's plan is known.
pub(super) fn key_of(action: &Action) -> Option<Key> {
    let plan = action.plan.as_ref()?;
    Some((action.id.clone(), plan.hash.clone()))
}
