//! A template as clustering found it.

use std::ops::Range;

use super::super::mask::WILDCARD;

/// Stands in a key where clustering put a wildcard. Shapes hold no control characters.
pub(in crate::core::parse) const OPEN: char = '\u{1}';
pub(super) const OPEN_TEXT: &str = "\u{1}";

/// A shape some places of which clustering has opened for any value. The wildcards that the mask
/// wrote are constants here: a word where others have a number is another shape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    key: Box<str>,
}

impl Pattern {
    /// The pattern of one shape alone.
    pub fn exact(shape: &str) -> Self {
        Self { key: shape.into() }
    }

    /// The pattern of a template that comes from elsewhere: all its wildcards stand for any value.
    pub fn of_template(text: &str) -> Self {
        Self {
            key: text.replace(WILDCARD, OPEN_TEXT).into(),
        }
    }

    /// The pattern that [`key`](Self::key) wrote.
    pub fn from_key(key: &str) -> Self {
        Self { key: key.into() }
    }

    /// What a snapshot keeps of the pattern: the text, with U+0001 for the opened places.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The text of the template.
    pub fn text(&self) -> String {
        self.key.replace(OPEN, WILDCARD)
    }

    /// Whether the pattern says no more than one shape did.
    pub fn is_exact(&self) -> bool {
        !self.key.contains(OPEN)
    }

    /// Of two patterns with one text, the pattern that is open wherever one of them is.
    pub(super) fn or(&self, other: &Self) -> Self {
        let mut key = String::with_capacity(self.key.len());
        let (mut mine, mut theirs) = (&*self.key, &*other.key);
        while let (Some(a), Some(b)) = (mine.chars().next(), theirs.chars().next()) {
            let next = match (a, b) {
                (OPEN, _) | (_, OPEN) => OPEN,
                (same, _) => same,
            };
            key.push(next);
            // Where one is open the other may have the mask's wildcard.
            let step = |text: &'_ str, first: char| match text.strip_prefix(WILDCARD) {
                Some(after) if next == OPEN => text.len() - after.len(),
                _ => first.len_utf8(),
            };
            mine = mine.get(step(mine, a)..).unwrap_or_default();
            theirs = theirs.get(step(theirs, b)..).unwrap_or_default();
        }
        Self { key: key.into() }
    }

    /// Whether `shape` is of this pattern.
    pub fn matches(&self, shape: &str) -> bool {
        self.each_open(shape, |_| ()).is_some()
    }

    /// What the opened places stand for in a shape, as ascending byte ranges of its text; `None`
    /// when the shape is not of this pattern. A range may hold wildcards of the mask.
    pub fn open_ranges(&self, shape: &str) -> Option<Vec<Range<usize>>> {
        let mut ranges = Vec::new();
        self.each_open(shape, |range| ranges.push(range))?;
        Some(ranges)
    }

    /// Compares byte by byte, and value by value in tokens with an open place.
    fn each_open(&self, shape: &str, mut range: impl FnMut(Range<usize>)) -> Option<()> {
        let (key, text) = (self.key.as_bytes(), shape.as_bytes());
        let (mut at, mut start) = (0, 0);
        while let Some(&byte) = key.get(at) {
            if byte == OPEN as u8 {
                let piece = self.key.get(at..token_end(key, at))?;
                let token = shape.get(start..token_end(text, start))?;
                each_gap(piece, token, |gap| {
                    range(start + gap.start..start + gap.end)
                })?;
                at += piece.len();
                start += token.len();
            } else if text.get(start) == Some(&byte) {
                at += 1;
                start += 1;
            } else {
                return None;
            }
        }
        (start == text.len()).then_some(())
    }
}

/// The end of the token that `from` is in.
fn token_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let len = rest.iter().position(|byte| *byte == b' ');
    len.map_or(text.len(), |len| from + len)
}

/// Whether the token of a pattern covers a token of a shape, or of another pattern.
pub(super) fn covers(piece: &str, token: &str) -> bool {
    each_gap(piece, token, |_| ()).is_some()
}

/// Calls `gap` with what each open place of `piece` stands for in `token`; `None` when `piece`
/// does not cover it.
fn each_gap(piece: &str, token: &str, mut gap: impl FnMut(Range<usize>)) -> Option<()> {
    if piece == OPEN_TEXT {
        gap(0..token.len());
        return Some(());
    }
    let Some((head, mut piece)) = piece.split_once(OPEN) else {
        return (piece == token).then_some(());
    };
    let mut rest = token.strip_prefix(head)?;
    let mut at = head.len();
    while let Some((middle, next)) = piece.split_once(OPEN) {
        let len = rest.find(middle)?;
        gap(at..at + len);
        at += len + middle.len();
        rest = rest.get(len + middle.len()..)?;
        piece = next;
    }
    let inside = rest.strip_suffix(piece)?;
    gap(at..at + inside.len());
    Some(())
}
