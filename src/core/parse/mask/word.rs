//! Rules for words that stand for a value though they have no digit.

use super::lexeme::{Class, Lexeme};
use super::view::{Found, View, bytes_of};
use crate::core::parse::param::ParamKind;

/// `true`, `False`, `null`, `n/a`: literals are values wherever they stand.
pub(super) fn literal(view: &View<'_>) -> Option<Found> {
    const LITERALS: [&[u8]; 3] = [b"true", b"false", b"null"];
    let says = |at, word: &[u8]| view.bytes(at).eq_ignore_ascii_case(word);
    if view.is(1, b'/') && says(0, b"n") && says(2, b"a") && view.opens() {
        return Some(Found::whole(3, ParamKind::Word));
    }
    let known = LITERALS.iter().any(|each| says(0, each));
    (known && stands_alone(view)).then_some(Found::whole(1, ParamKind::Word))
}

/// Shortest run of the letters a to f that is a number: shorter ones are words (`facade`).
const HEX_LEN_MIN: usize = 8;

/// `deadbeef`: hexadecimal digits that happen to hold no decimal one.
pub(super) fn hex(view: &View<'_>) -> Option<Found> {
    let word = view.bytes(0);
    let hex = word.len() >= HEX_LEN_MIN && word.iter().all(u8::is_ascii_hexdigit);
    (hex && view.class(0) == Class::Word).then_some(Found::whole(1, ParamKind::Hex))
}

/// `(root)`, `from=admin`: accounts that every system has, unless the word is a key.
pub(super) fn account(view: &View<'_>) -> Option<Found> {
    const ACCOUNTS: [&[u8]; 4] = [b"root", b"admin", b"administrator", b"nobody"];
    let known = ACCOUNTS.contains(&view.bytes(0));
    (known && stands_alone(view)).then_some(Found::whole(1, ParamKind::Identifier))
}

/// A word by itself: no part of a longer one, no key, no function.
fn stands_alone(view: &View<'_>) -> bool {
    let ends = match (view.class(1), view.class(2)) {
        (Class::Blank, _) => true,
        (Class::Mark(b'.' | b':'), next) => !next.is_run(),
        (Class::Mark(mark), _) => b",;)]}>'\"|&!?\\".contains(&mark),
        _ => false,
    };
    view.class(0) == Class::Word && view.opens() && ends
}

/// `session opened for user ann`, `closed by user bob`: who a sentence is about.
pub(super) fn user(view: &View<'_>) -> Option<Found> {
    const BEFORE: [&[u8]; 4] = [b"for", b"as", b"by", b"of"];
    let blank = |lexeme: &Lexeme| lexeme.class == Class::Blank;
    let [.., before, gap, user, last] = view.before else {
        return None;
    };
    let says = |lexeme, word: &[u8]| bytes_of(view.form, lexeme).eq_ignore_ascii_case(word);
    let named = view.class(0) == Class::Word
        && blank(gap)
        && blank(last)
        && says(user, b"user")
        && BEFORE.iter().any(|word| says(before, word));
    named.then_some(Found::whole(1, ParamKind::Identifier))
}

/// Longest word that a person would write; longer runs of letters are data.
const WORD_LEN_MAX: usize = 64;

/// Encoded data that happens to hold no digit.
pub(super) fn blob(view: &View<'_>) -> Option<Found> {
    let word = view.bytes(0);
    let long = view.class(0) == Class::Word && word.len() > WORD_LEN_MAX;
    (long && word.is_ascii()).then_some(Found::whole(1, ParamKind::Identifier))
}
