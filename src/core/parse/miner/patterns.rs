//! The templates that are wider than any one shape, found by a word they all hold.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::table::Slot;
use crate::core::parse::cluster::{OPEN, Pattern};

/// Patterns by one of their constant words, so that a shape is held against few of them.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_word: FxHashMap<Box<str>, Vec<(Slot, Pattern)>>,
    /// The word that each slot's pattern is filed under.
    words: FxHashMap<Slot, Box<str>>,
}

impl Patterns {
    /// Files a slot's pattern, in place of the one it had.
    pub(super) fn insert(&mut self, slot: Slot, pattern: Pattern) {
        self.remove(slot);
        let words = pattern.key().split(' ').filter(|word| !word.contains(OPEN));
        let filed_under = |word: &&str| self.by_word.get(*word).map_or(0, Vec::len);
        let word: Box<str> = words.min_by_key(filed_under).unwrap_or_default().into();
        self.words.insert(slot, word.clone());
        self.by_word.entry(word).or_default().push((slot, pattern));
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Pattern> {
        let word = self.words.remove(&slot)?;
        let filed = self.by_word.get_mut(&word)?;
        let at = filed.iter().position(|(filed, _)| *filed == slot)?;
        let (_, pattern) = filed.swap_remove(at);
        if filed.is_empty() {
            self.by_word.remove(&word);
        }
        Some(pattern)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Pattern> {
        let filed = self.by_word.get(self.words.get(&slot)?)?;
        let (_, pattern) = filed.iter().find(|(filed, _)| *filed == slot)?;
        Some(pattern)
    }

    /// The slot of the pattern that says most about `shape`; of two that say as much, the one
    /// whose text comes first.
    pub(super) fn find(&self, shape: &str) -> Option<Slot> {
        let words = std::iter::once("").chain(shape.split(' '));
        let filed = words.filter_map(|word| self.by_word.get(word)).flatten();
        let matching = filed.filter(|(_, pattern)| pattern.matches(shape));
        let best = matching.min_by_key(|(_, pattern)| (pattern.key().matches(OPEN).count(), pattern.key()));
        best.map(|(slot, _)| *slot)
    }
}

/// Wide templates that gave way, to come back as they were.
#[derive(Debug, Default)]
pub(super) struct Recall {
    patterns: Patterns,
    /// Oldest first, numbered on.
    order: VecDeque<u32>,
    next: u32,
}

impl Recall {
    /// Keeps a pattern in mind; the oldest goes when there are more than `patterns_max`.
    pub(super) fn insert(&mut self, pattern: Pattern, patterns_max: usize) {
        self.patterns.insert(self.next, pattern);
        self.order.push_back(self.next);
        self.next = self.next.wrapping_add(1);
        if self.patterns.words.len() > patterns_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.patterns.remove(oldest);
        }
    }

    /// The pattern that says most about `shape`, which is no longer kept in mind then.
    pub(super) fn take(&mut self, shape: &str) -> Option<Pattern> {
        let number = self.patterns.find(shape)?;
        self.order.retain(|kept| *kept != number);
        self.patterns.remove(number)
    }

    /// The keys of the patterns, oldest first.
    pub(super) fn keys(&self) -> Vec<Box<str>> {
        let patterns = self.order.iter().filter_map(|at| self.patterns.get(*at));
        patterns.map(|pattern| pattern.key().into()).collect()
    }
}
