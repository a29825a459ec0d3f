//! A secret that was found.

use super::kind::Kind;

/// Where in a text a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: usize,
    /// Its first byte.
    pub(super) start: usize,
    /// The byte after its last.
    pub(super) end: usize,
    /// Backslashes before the quotes that its mark needs to stand for a bare number in JSON; `None`
    /// needs no quotes.
    pub(super) quotes: Option<usize>,
}

impl Found {
    pub(super) const fn new(kind: Kind, start: usize, end: usize) -> Self {
        Self {
            kind: kind as usize,
            start,
            end,
            quotes: None,
        }
    }
}
