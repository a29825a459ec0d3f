//! Rules for names of one thing among many.

use super::lexeme::{Class, Notation};
use super::number::unit_kind;
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

/// `<*>` in a message: a template that somebody logged. It is a value like any other, so that
/// every wildcard in a shape is one. So is what stands for a secret.
pub(super) fn wildcard(view: &View<'_>) -> Option<Found> {
    let written = view.is(0, b'<') && view.is(1, b'*') && view.is(2, b'>');
    let len = if written { 3 } else { redacted_len(view) };
    (len > 0).then_some(Found::whole(len, ParamKind::Word))
}

/// Lexemes of the mark of a secret, `<redacted:api-key>`; 0 where there is none.
pub(super) fn redacted_len(view: &View<'_>) -> usize {
    let begins = view.is(0, b'<') && view.bytes(1) == b"redacted" && view.is(2, b':');
    let kind = view.ahead(3).joined_len(b"-");
    let ends = kind > 0 && view.is(3 + kind, b'>');
    if begins && ends { 3 + kind + 1 } else { 0 }
}

/// `init2()`, `r24=`, `sum_v2(`: the digits in the name of a function or of a key tell versions
/// and registers apart, not values; the letters stay so that the name can be read.
pub(super) fn label(view: &View<'_>) -> Option<Found> {
    let Joined { len, varies, .. } = joined(view)?;
    let lettered = (0..len).any(|at| matches!(view.class(at), Class::Word | Class::Named));
    let names = view.is(len, b'(') || view.is(len, b'=');
    let found = Found::whole(len, ParamKind::Identifier).written(Notation::Stem);
    (varies && lettered && names).then_some(found)
}

/// `attempt_12_r_0`, `blk_-12`, `db-eu-7`, `R02-M1-N0`: parts joined by `_` or by more than one
/// `-`, one of them with a digit, are one name. A single `-` keeps a word beside it, and it keeps
/// two numbers apart: `node-12` → `node-<*>`, `3-7` → `<*>-<*>`.
pub(super) fn compound(view: &View<'_>) -> Option<Found> {
    let Joined {
        len,
        varies,
        hyphens,
        underscores,
    } = joined(view)?;
    let one = match (view.class(0), hyphens, underscores) {
        (_, 0, 0) => false,
        (Class::Word, 1, 0) => false,
        (Class::Number, 1, 0) => !matches!(view.class(2), Class::Number | Class::Word),
        (_, 1, 0) => view.class(2) != Class::Word,
        _ => true,
    };
    (one && varies).then_some(Found::whole(len, ParamKind::Identifier))
}

/// Most marks in a row that join two parts of a name.
const JOINS_MAX: usize = 4;

/// Parts of a name.
#[derive(Default)]
struct Joined {
    len: usize,
    varies: bool,
    hyphens: usize,
    underscores: usize,
}

/// Runs joined by `_` and `-`; numbers after a dot belong to what is before it.
fn joined(view: &View<'_>) -> Option<Joined> {
    let mut found = Joined::default();
    if !view.is_free() || !view.class(0).is_run() {
        return None;
    }
    loop {
        found.varies |= view.class(found.len).varies();
        found.len += 1;
        while found.varies && view.is(found.len, b'.') && view.class(found.len + 1) == Class::Number
        {
            found.len += 2;
        }
        let (mut hyphens, mut underscores) = (0, 0);
        while hyphens + underscores <= JOINS_MAX {
            match view.class(found.len + hyphens + underscores) {
                Class::Mark(b'-') => hyphens += 1,
                Class::Mark(b'_') => underscores += 1,
                _ => break,
            }
        }
        let next = found.len + hyphens + underscores;
        if next == found.len || !view.class(next).is_run() {
            return Some(found);
        }
        found.len = next;
        found.hyphens += hyphens;
        found.underscores += underscores;
    }
}

/// Anything left with a digit in it.
pub(super) fn rest(view: &View<'_>) -> Option<Found> {
    let kind = match view.class(0) {
        Class::Blank | Class::Mark(_) | Class::Word | Class::Value(..) => return None,
        Class::Number => ParamKind::Number,
        Class::Hex => ParamKind::Hex,
        Class::Uuid => ParamKind::Uuid,
        Class::Mixed | Class::Named => ParamKind::Identifier,
        Class::Measured => unit_kind(view.bytes(0).get(1..).unwrap_or_default()),
    };
    Some(Found::whole(1, kind))
}
