//! What changed since it was last kept, so that only that is written again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

/// A value, and whether it may have changed since it was kept.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    value: T,
    is_changed: bool,
}

/// Values by number, and which of them may have changed, come or gone since they were kept.
#[derive(Clone, Debug)]
pub(super) struct KeptMap<T> {
    all: BTreeMap<u64, T>,
    changed: BTreeSet<u64>,
}

impl<T> Kept<T> {
    /// A value that is kept nowhere yet.
    pub(super) const fn new(value: T) -> Self {
        Self {
            value,
            is_changed: true,
        }
    }

    /// A value as it is kept.
    pub(super) const fn as_kept(value: T) -> Self {
        Self {
            value,
            is_changed: false,
        }
    }

    /// The value, where it is to be kept anew.
    pub(super) fn changed(&self) -> Option<&T> {
        self.is_changed.then_some(&self.value)
    }

    /// It is kept as it is now.
    pub(super) const fn is_kept(&mut self) {
        self.is_changed = false;
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.is_changed = true;
        &mut self.value
    }
}

impl<T: Default> Default for Kept<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Whether it is kept is no part of what it is.
impl<T: PartialEq> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> Default for KeptMap<T> {
    fn default() -> Self {
        Self::as_kept(BTreeMap::new())
    }
}

impl<T> KeptMap<T> {
    /// Values as they are kept.
    pub(super) const fn as_kept(all: BTreeMap<u64, T>) -> Self {
        Self {
            all,
            changed: BTreeSet::new(),
        }
    }

    /// A value that is about to change.
    pub(super) fn get_mut(&mut self, number: &u64) -> Option<&mut T> {
        let value = self.all.get_mut(number)?;
        self.changed.insert(*number);
        Some(value)
    }

    /// Takes a value in.
    pub(super) fn insert(&mut self, number: u64, value: T) {
        self.changed.insert(number);
        self.all.insert(number, value);
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, number: &u64) -> Option<T> {
        let value = self.all.remove(number)?;
        self.changed.insert(*number);
        Some(value)
    }

    /// The numbers of what is to be kept anew, each with its value; with none where it is gone.
    pub(super) fn changed(&self) -> impl Iterator<Item = (u64, Option<&T>)> {
        let changed = self.changed.iter();
        changed.map(|number| (*number, self.all.get(number)))
    }

    /// All is kept as it is now.
    pub(super) fn is_kept(&mut self) {
        self.changed.clear();
    }
}

impl<T> Deref for KeptMap<T> {
    type Target = BTreeMap<u64, T>;

    fn deref(&self) -> &BTreeMap<u64, T> {
        &self.all
    }
}

/// Whether it is kept is no part of what it is.
impl<T: PartialEq> PartialEq for KeptMap<T> {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}
