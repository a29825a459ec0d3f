//! The pieces of a form: words, values, punctuation and blanks.

use crate::core::parse::param::ParamKind;

/// Lexemes of a form; what follows is one wildcard. It bounds the work on a line of any length.
pub(super) const LEXEMES_MAX: usize = 1024;

/// A piece of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    pub(super) class: Class,
    /// Its first byte in the form.
    pub(super) start: u16,
    /// The byte after its last.
    pub(super) end: u16,
}

/// What a [`Lexeme`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// One or more blanks.
    Blank,
    /// One byte of punctuation.
    Mark(u8),
    /// Letters alone.
    Word,
    /// Digits alone.
    Number,
    /// Hexadecimal digits.
    Hex,
    /// Letters and digits without a rule.
    Mixed,
    /// A UUID.
    Uuid,
    /// Letters, then digits: `node12`.
    Named,
    /// Digits, then a few letters: `30ms`.
    Measured,
    /// A value that a rule has found.
    Value(ParamKind, Notation),
}

/// How a value is written in the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// One wildcard.
    Whole,
    /// A wildcard for each of its parts, with the separators between them; parts that blanks
    /// separate are one.
    Parts,
    /// A wildcard for each thing that varies; letters and separators stay.
    Stem,
}

const NUMBER: u8 = 1;
const HEX: u8 = 2;
const MIXED: u8 = 3;
const UUID: u8 = 4;

impl Class {
    /// Whether a digit or a UUID is in it.
    pub(super) fn varies(self) -> bool {
        !matches!(self, Self::Blank | Self::Mark(_) | Self::Word)
    }

    /// Whether it is a run of letters and digits.
    pub(super) fn is_run(self) -> bool {
        !matches!(self, Self::Blank | Self::Mark(_) | Self::Value(..))
    }
}

/// Cuts a form into lexemes; true when all of it found room.
pub(super) fn lex(form: &[u8], lexemes: &mut Vec<Lexeme>) -> bool {
    let form = form.get(..usize::from(u16::MAX)).unwrap_or(form);
    let mut at = 0;
    while let Some(&first) = form.get(at) {
        if lexemes.len() == LEXEMES_MAX {
            return false;
        }
        let rest = form.get(at..).unwrap_or_default();
        let (len, class) = if is_blank(first) {
            (count(rest, is_blank), Class::Blank)
        } else if is_run_byte(first) {
            let len = count(rest, is_run_byte);
            (len, class_of(rest.get(..len).unwrap_or_default()))
        } else {
            (1, Class::Mark(first))
        };
        lexemes.push(Lexeme {
            class,
            start: at as u16,
            end: (at + len) as u16,
        });
        at += len;
    }
    true
}

fn class_of(run: &[u8]) -> Class {
    let varying = run.iter().filter(|byte| is_placeholder(**byte)).count();
    match (run, varying) {
        (_, 0) => Class::Word,
        ([NUMBER], _) => Class::Number,
        ([HEX], _) => Class::Hex,
        ([UUID], _) => Class::Uuid,
        ([.., NUMBER], 1) => Class::Named,
        ([NUMBER, ..], 1) => Class::Measured,
        _ => Class::Mixed,
    }
}

fn count(bytes: &[u8], is: fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is(**byte)).count()
}

/// Control bytes are blanks in a form, but for the placeholders.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == 0x7f || (byte < b' ' && !is_placeholder(byte))
}

pub(super) fn is_placeholder(byte: u8) -> bool {
    (NUMBER..=UUID).contains(&byte)
}

fn is_run_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || is_placeholder(byte)
}
