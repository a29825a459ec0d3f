//! Finds the pattern that covers a shape.

use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use super::pattern::{OPEN, Pattern, covers};

/// Most sets of open places that are looked through; patterns with others are not found.
const MASKS_MAX: usize = 1024;

/// Patterns by the tokens they leave constant. A look-up costs one hash for each set of open
/// places in use, narrow ones first.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// The open places (token positions) of the patterns, the fewest first.
    masks: Vec<(Vec<u32>, usize)>,
    /// Patterns by the hash of length, mask and constant tokens.
    patterns: FxHashMap<u64, Vec<(Pattern, usize)>>,
}

impl Index {
    /// Adds a pattern under the number by which [`wider`](Self::wider) names it.
    pub(super) fn insert(&mut self, pattern: &Pattern, name: usize) {
        let tokens: Vec<&str> = pattern.key().split(' ').collect();
        let open = |token: &str| token.contains(OPEN);
        let mask: Vec<u32> = (0u32..)
            .zip(&tokens)
            .filter_map(|(place, token)| open(token).then_some(place))
            .collect();
        let rank = |(mask, len): &(Vec<u32>, usize)| (mask.len(), mask.clone(), *len);
        let entry = (mask, tokens.len());
        if let Err(at) = self.masks.binary_search_by_key(&rank(&entry), rank) {
            if self.masks.len() >= MASKS_MAX {
                return;
            }
            self.masks.insert(at, entry.clone());
        }
        let slot = self.patterns.entry(hash(&tokens, &entry.0)).or_default();
        slot.push((pattern.clone(), name));
        slot.sort_by(|a, b| b.0.key().len().cmp(&a.0.key().len()).then(a.0.cmp(&b.0)));
    }

    /// The name of the narrowest pattern that covers a shape or a pattern, other than itself: the
    /// one with the fewest open tokens, then with the most constant bytes.
    pub(super) fn wider(&self, key: &str) -> Option<usize> {
        let tokens: Vec<&str> = key.split(' ').collect();
        self.masks.iter().find_map(|(mask, len)| {
            if *len != tokens.len() {
                return None;
            }
            let slot = self.patterns.get(&hash(&tokens, mask))?;
            let covering = slot.iter().find(|(pattern, _)| {
                let mut pieces = pattern.key().split(' ').zip(&tokens);
                pattern.key() != key && pieces.all(|(piece, token)| covers(piece, token))
            });
            covering.map(|(_, name)| *name)
        })
    }
}

fn hash(tokens: &[&str], mask: &[u32]) -> u64 {
    let mut hasher = FxHasher::default();
    let mut open = mask.iter().copied().peekable();
    for (place, token) in (0u32..).zip(tokens) {
        if open.next_if_eq(&place).is_some() {
            hasher.write_u32(place);
        } else {
            hasher.write(token.as_bytes());
            hasher.write_u8(b' ');
        }
    }
    hasher.finish()
}
