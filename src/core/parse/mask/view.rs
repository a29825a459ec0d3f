//! What a rule sees of a line: one place, what is before it and what comes.

use super::lexeme::{Class, Lexeme, Notation};
use crate::core::parse::param::ParamKind;

/// A place between two lexemes.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) form: &'a [u8],
    /// Lexemes before the place, as the rule has left them.
    pub(super) before: &'a [Lexeme],
    /// Lexemes from the place on.
    pub(super) rest: &'a [Lexeme],
}

/// A value that a rule found at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Lexemes before the value that are left out of the shape, as the `/` before an address.
    pub(super) skip: usize,
    /// Lexemes of the value.
    pub(super) len: usize,
    pub(super) kind: ParamKind,
    pub(super) notation: Notation,
}

impl Found {
    pub(super) fn whole(len: usize, kind: ParamKind) -> Option<Self> {
        Some(Self {
            skip: 0,
            len,
            kind,
            notation: Notation::Whole,
        })
    }

    pub(super) fn parts(len: usize, kind: ParamKind) -> Option<Self> {
        Self::whole(len, kind).map(|found| Self {
            notation: Notation::Parts,
            ..found
        })
    }

    pub(super) fn after(self, skip: usize) -> Self {
        Self { skip, ..self }
    }
}

impl<'a> View<'a> {
    /// The class of the lexeme `at` places ahead; a blank past the end.
    pub(super) fn class(&self, at: usize) -> Class {
        self.rest.get(at).map_or(Class::Blank, |each| each.class)
    }

    pub(super) fn is(&self, at: usize, mark: u8) -> bool {
        self.class(at) == Class::Mark(mark)
    }

    /// The bytes of the lexeme `at` places ahead.
    pub(super) fn bytes(&self, at: usize) -> &'a [u8] {
        let lexeme = self.rest.get(at);
        lexeme.map_or(&[], |each| bytes_of(self.form, each))
    }

    /// The class just before the place; a blank before the first.
    pub(super) fn previous(&self) -> Class {
        self.before.last().map_or(Class::Blank, |each| each.class)
    }

    /// Whether a value may start here: after a blank, a bracket, a quote or a sign that sets
    /// apart, never in the middle of a word.
    pub(super) fn opens(&self) -> bool {
        match self.previous() {
            Class::Blank => true,
            Class::Mark(mark) => b"([{<\"'`=,;|:".contains(&mark),
            _ => false,
        }
    }

    /// The same place, `len` lexemes further on.
    pub(super) fn ahead(&self, len: usize) -> View<'a> {
        View {
            form: self.form,
            before: &[],
            rest: self.rest.get(len..).unwrap_or_default(),
        }
    }
}

pub(super) fn bytes_of<'a>(form: &'a [u8], lexeme: &Lexeme) -> &'a [u8] {
    form.get(usize::from(lexeme.start)..usize::from(lexeme.end))
        .unwrap_or_default()
}

/// Puts one lexeme in the place of each value that `rule` finds, from left to right.
pub(super) fn rewrite(
    form: &[u8],
    lexemes: &mut Vec<Lexeme>,
    rule: fn(&View<'_>) -> Option<Found>,
) {
    let (mut from, mut to) = (0, 0);
    while from < lexemes.len() {
        let view = View {
            form,
            before: lexemes.get(..to).unwrap_or_default(),
            rest: lexemes.get(from..).unwrap_or_default(),
        };
        let blank = view.class(0) == Class::Blank;
        let found = if blank { None } else { rule(&view) }.filter(|found| found.len > 0);
        let (first, len) = match found {
            Some(found) => (from + found.skip, found.len),
            None => (from, 1),
        };
        let last = (first + len - 1).min(lexemes.len() - 1);
        let (Some(&head), Some(&tail)) = (lexemes.get(first), lexemes.get(last)) else {
            break;
        };
        let class = found.map_or(head.class, |found| Class::Value(found.kind, found.notation));
        if let Some(slot) = lexemes.get_mut(to) {
            *slot = Lexeme {
                class,
                start: head.start,
                end: tail.end,
            };
        }
        to += 1;
        from = last + 1;
    }
    lexemes.truncate(to);
}
