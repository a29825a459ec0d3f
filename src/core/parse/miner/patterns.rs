//! The templates that are wider than any one shape, found by a word they all hold.

use std::collections::VecDeque;
use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use super::table::Slot;
use crate::core::parse::cluster::{OPEN, Pattern};
use crate::core::parse::lane::CAUSED_BY;

/// Patterns, each filed under one of its constant tokens, so that a shape is held against few of
/// them.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// By [`places`] of the token; the pattern that says most first.
    filed: FxHashMap<u64, Vec<Filed>>,
    /// The place that each slot's pattern is filed under.
    under: FxHashMap<Slot, u64>,
}

#[derive(Debug)]
struct Filed {
    slot: Slot,
    pattern: Pattern,
    /// Its open places.
    opens: usize,
}

impl Filed {
    /// A pattern with fewer open places says more; of two with as many, that whose key comes
    /// first goes first.
    fn rank(&self) -> (usize, &str) {
        (self.opens, self.pattern.key())
    }
}

impl Patterns {
    /// Files a slot's pattern, in place of the one it had.
    pub(super) fn insert(&mut self, slot: Slot, pattern: Pattern) {
        self.remove(slot);
        let constant = places(pattern.key()).filter(|(_, token)| !token.contains(OPEN));
        let filed_there = |place: &u64| self.filed.get(place).map_or(0, Vec::len);
        let place = constant.map(|(place, _)| place).min_by_key(filed_there);
        let place = place.unwrap_or(NOWHERE);
        let opens = pattern.key().matches(OPEN).count();
        let new = Filed {
            slot,
            pattern,
            opens,
        };
        let filed = self.filed.entry(place).or_default();
        let at = filed.partition_point(|other| other.rank() < new.rank());
        filed.insert(at, new);
        self.under.insert(slot, place);
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Pattern> {
        let place = self.under.remove(&slot)?;
        let filed = self.filed.get_mut(&place)?;
        let at = filed.iter().position(|filed| filed.slot == slot)?;
        let removed = filed.remove(at);
        if filed.is_empty() {
            self.filed.remove(&place);
        }
        Some(removed.pattern)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Pattern> {
        let filed = self.filed.get(self.under.get(&slot)?)?;
        let mine = filed.iter().find(|filed| filed.slot == slot)?;
        Some(&mine.pattern)
    }

    /// The slot of the pattern that says most about `shape`; of two that say as much, the one
    /// whose key comes first.
    /// A shape that ends in a `constant` is of no pattern that does not.
    pub(super) fn find(&self, shape: &str, constant: &str) -> Option<Slot> {
        let mut best: Option<&Filed> = None;
        let has_constant = |key: &str| {
            let rest = key.strip_suffix(constant);
            constant.is_empty() || rest.is_some_and(|rest| rest.ends_with(CAUSED_BY))
        };
        let says =
            |filed: &&Filed| filed.pattern.matches(shape) && has_constant(filed.pattern.key());
        let places = places(shape).map(|(place, _)| place);
        for filed in places.chain([NOWHERE]).filter_map(|at| self.filed.get(&at)) {
            let better = |filed: &&Filed| best.is_none_or(|best| filed.rank() < best.rank());
            let better = filed.iter().take_while(better);
            let matching = better.into_iter().find(says);
            best = matching.or(best);
        }
        best.map(|filed| filed.slot)
    }
}

/// Where patterns without a constant token are filed.
const NOWHERE: u64 = 0;

/// The tokens of a text, each with the hash of itself and where it stands. A pattern matches token
/// by token, so a shape of it has each of its constant tokens in the same place.
fn places(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..)
        .zip(tokens(text))
        .map(|(place, token): (usize, &str)| {
            let mut hasher = FxHasher::default();
            hasher.write(token.as_bytes());
            hasher.write_usize(place);
            (hasher.finish(), token)
        })
}

/// What stands between blanks.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.bytes().position(|byte| byte == b' ');
        let (token, next) = end.map_or((text, None), |end| {
            (text.get(..end).unwrap_or_default(), text.get(end + 1..))
        });
        rest = next;
        Some(token)
    })
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
        if self.patterns.under.len() > patterns_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.patterns.remove(oldest);
        }
    }

    /// The pattern that says most about `shape`, which is no longer kept in mind then.
    pub(super) fn take(&mut self, shape: &str, constant: &str) -> Option<Pattern> {
        let number = self.patterns.find(shape, constant)?;
        self.order.retain(|kept| *kept != number);
        self.patterns.remove(number)
    }

    /// The keys of the patterns, oldest first.
    pub(super) fn keys(&self) -> Vec<Box<str>> {
        let patterns = self.order.iter().filter_map(|at| self.patterns.get(*at));
        patterns.map(|pattern| pattern.key().into()).collect()
    }
}
