//! What is left of a form once everything that varies by its looks is a wildcard.

use crate::core::parse::param::{AnchoredParam, ParamKind, Place};

/// Tokens of a shape; what follows is one wildcard.
pub const TOKENS_MAX: usize = 256;

/// The masked text of a message, cut into the pieces that clustering compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The message with a [`WILDCARD`](super::WILDCARD) for each value and one blank for each
    /// run of blanks, at most [`SHAPE_LEN_MAX`](super::SHAPE_LEN_MAX) bytes.
    pub text: String,
    /// Everything in `text` but the blanks, in order, at most [`TOKENS_MAX`].
    pub tokens: Vec<Token>,
    /// The values, in order, at most [`PARAMS_MAX`](crate::core::parse::param::PARAMS_MAX).
    pub params: Vec<AnchoredParam>,
}

/// A piece of a [`Shape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its first byte in the shape's text.
    pub start: u16,
    /// The byte after its last.
    pub end: u16,
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte in a message of the form.
    pub from: Place,
    /// The byte after its last in a message of the form.
    pub to: Place,
}

/// What a [`Token`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    /// A word: it may turn out to be a parameter once its place has shown many others.
    Word,
    /// Punctuation: brackets, quotes, `=`, `:`. It never becomes a parameter by itself.
    Mark,
    /// A value by its looks, already one or more wildcards in the text.
    Value(ParamKind),
}

impl Shape {
    /// The text of a token of this shape; empty for a token of another.
    pub fn text_of(&self, token: &Token) -> &str {
        let range = usize::from(token.start)..usize::from(token.end);
        self.text.get(range).unwrap_or_default()
    }

    /// Whether a blank stands before the token.
    pub fn is_spaced(&self, token: &Token) -> bool {
        let before = usize::from(token.start).checked_sub(1);
        before.and_then(|at| self.text.as_bytes().get(at)) == Some(&b' ')
    }
}
