//! What a rule sees of a line: one place, what is before it and what comes.

use super::lexeme::{Class, Lexed, Lexeme, Notation};
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
    /// A value of `len` lexemes that is one wildcard.
    pub(super) fn whole(len: usize, kind: ParamKind) -> Self {
        Self {
            skip: 0,
            len,
            kind,
            notation: Notation::Whole,
        }
    }

    /// The same value, written as `notation` says.
    pub(super) fn written(self, notation: Notation) -> Self {
        Self { notation, ..self }
    }

    /// The same value after `skip` lexemes that are left out.
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

    /// Whether a name or a number may start here: not in the middle of one.
    pub(super) fn is_free(&self) -> bool {
        match self.previous() {
            Class::Blank => true,
            Class::Mark(mark) => !b"._-".contains(&mark),
            _ => false,
        }
    }

    /// Lexemes that are runs joined by single marks out of `joins`.
    pub(super) fn joined_len(&self, joins: &[u8]) -> usize {
        let mut len = 0;
        while self.class(len).is_run() {
            len += 1;
            match (self.class(len), self.class(len + 1)) {
                (Class::Mark(mark), next) if joins.contains(&mark) && next.is_run() => len += 1,
                _ => break,
            }
        }
        len
    }

    /// How often `mark` is among the next `len` lexemes.
    pub(super) fn count(&self, len: usize, mark: u8) -> usize {
        (0..len).filter(|at| self.is(*at, mark)).count()
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

/// Finds a value at a place, and says when it could.
pub(super) struct Rule {
    find: fn(&View<'_>) -> Option<Found>,
    /// The rule needs one of these marks in the line, unless it is 0.
    marks: u128,
    /// The rule needs a digit in the line.
    digits: bool,
}

impl Rule {
    /// A rule for every line.
    pub(super) const fn always(find: fn(&View<'_>) -> Option<Found>) -> Self {
        Self {
            find,
            marks: 0,
            digits: false,
        }
    }

    /// A rule for lines with a digit.
    pub(super) const fn on_digits(find: fn(&View<'_>) -> Option<Found>) -> Self {
        Self {
            digits: true,
            ..Self::always(find)
        }
    }

    /// A rule for lines with one of the `marks`.
    pub(super) const fn on(marks: &[u8], find: fn(&View<'_>) -> Option<Found>) -> Self {
        let mut rule = Self::always(find);
        let mut at = 0;
        while at < marks.len() {
            rule.marks |= 1 << marks[at];
            at += 1;
        }
        rule
    }

    pub(super) fn applies(&self, line: &Lexed) -> bool {
        (self.marks == 0 || self.marks & line.marks != 0) && (line.varies || !self.digits)
    }
}

/// Puts one lexeme in the place of each value that one of the `rules` finds, from left to right.
pub(super) fn rewrite(form: &[u8], lexemes: &mut Vec<Lexeme>, rules: &[&Rule]) {
    let (mut from, mut to) = (0, 0);
    while from < lexemes.len() {
        let view = View {
            form,
            before: lexemes.get(..to).unwrap_or_default(),
            rest: lexemes.get(from..).unwrap_or_default(),
        };
        let found = match view.class(0) {
            Class::Blank => None,
            _ => rules.iter().find_map(|rule| (rule.find)(&view)),
        };
        let (skip, len) = found.map_or((0, 1), |found| (found.skip, found.len.max(1)));
        let first = from + skip;
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
