//! What is left of a form once everything that varies by its looks is a wildcard.

use std::ops::Range;

use crate::core::parse::param::{AnchoredParam, ParamKind, Place};

/// Tokens of a shape; what follows is one wildcard.
pub const TOKENS_MAX: usize = 512;

/// The masked text of a message, and where its pieces and its values stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The message with a [`WILDCARD`](super::WILDCARD) for each value and one blank for each
    /// run of blanks, at most [`SHAPE_LEN_MAX`](super::SHAPE_LEN_MAX) bytes.
    pub text: String,
    /// The values, in order, at most [`PARAMS_MAX`](crate::core::parse::param::PARAMS_MAX). One
    /// value may be several wildcards in the text, as a time of day is `<*>:<*>:<*>`.
    pub params: Vec<AnchoredParam>,
    pub(super) tokens: Vec<Token>,
}

/// A piece of a [`Shape`]: everything in the text but the blanks, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Its first byte in the shape's text.
    pub(super) start: u16,
    /// The byte after its last.
    pub(super) end: u16,
    /// Whether its bytes in the text are those of the message.
    pub(super) literal: bool,
    /// Its first byte in a message of the form.
    pub(super) from: Place,
    /// The byte after its last in a message of the form.
    pub(super) to: Place,
}

impl Shape {
    /// Where `bytes` of the text stand in a message of the form. What only holds a part of a
    /// value stands for all of it; `None` for a range without text in it.
    pub fn places(&self, bytes: Range<usize>) -> Option<(Place, Place)> {
        let first = self
            .tokens
            .partition_point(|token| usize::from(token.end) <= bytes.start);
        let last = self
            .tokens
            .partition_point(|token| usize::from(token.start) < bytes.end);
        let first = self.tokens.get(first)?;
        let last = self.tokens.get(last.checked_sub(1)?)?;
        if first.start > last.start || bytes.is_empty() {
            return None;
        }
        Some((
            first.place(bytes.start, first.from),
            last.place(bytes.end, last.to),
        ))
    }

    /// The kind of the value that is all of what stands between two places.
    pub fn kind_at(&self, (start, end): (Place, Place)) -> Option<ParamKind> {
        let same = |param: &&AnchoredParam| param.start == start && param.end == end;
        self.params.iter().find(same).map(|param| param.kind)
    }
}

impl Token {
    /// The place of a byte of the text in this token; `edge` unless the token is literal.
    fn place(&self, byte: usize, edge: Place) -> Place {
        let (start, end) = (usize::from(self.start), usize::from(self.end));
        if !self.literal || byte <= start || byte >= end {
            return edge;
        }
        let delta = (byte - start) as u16;
        // Broken UTF-8 is longer in the text than in the message.
        let Place { after, delta: from } = self.from;
        Place {
            after,
            delta: from.saturating_add(delta),
        }
        .min(self.to)
    }
}
