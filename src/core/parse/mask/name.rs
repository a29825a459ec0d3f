//! Rules for names of one thing among many.

use super::lexeme::{Class, Lexeme, Notation};
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

/// `attempt_12_r_0`, `blk_-12`, `db-eu-7`, `R02-M1-N0`: parts joined by `_` or by more than one
/// `-`, one of them with a digit, are one name. A single `-` keeps what is before it:
/// `node-12` → `node-<*>`.
pub(super) fn compound(view: &View<'_>) -> Option<Found> {
    if !starts(view) {
        return None;
    }
    let Joined {
        len,
        varies,
        joins,
        scores,
    } = joined(view);
    if !varies || joins == 0 {
        return None;
    }
    if scores == 0 && joins == 1 && !view.class(0).varies() {
        return None;
    }
    if scores == 0 && joins == 1 && view.class(2) == Class::Word {
        return None;
    }
    if scores == 0 && joins == 1 && view.class(0) == Class::Number && view.class(2) == Class::Number
    {
        return None;
    }
    Found::whole(len, ParamKind::Identifier)
}

struct Joined {
    len: usize,
    varies: bool,
    joins: usize,
    scores: usize,
}

fn joined(view: &View<'_>) -> Joined {
    let mut found = Joined {
        len: 0,
        varies: false,
        joins: 0,
        scores: 0,
    };
    loop {
        let class = view.class(found.len);
        if !class.is_run() {
            break;
        }
        found.varies |= class.varies();
        found.len += 1;
        let (mut marks, mut scores) = (0, 0);
        while let Class::Mark(mark @ (b'_' | b'-')) = view.class(found.len + marks) {
            marks += 1;
            scores += usize::from(mark == b'_');
        }
        if marks == 0 || marks > 4 || !view.class(found.len + marks).is_run() {
            break;
        }
        found.len += marks;
        found.joins += 1;
        found.scores += scores;
    }
    found
}

fn starts(view: &View<'_>) -> bool {
    match view.previous() {
        Class::Blank => true,
        Class::Mark(mark) => !b"_-.".contains(&mark),
        _ => false,
    }
}

/// `init2()`, `r24=`, `sum_v2(`: the digits in the name of a function or of a key tell versions
/// and registers apart, not values; the letters stay so that the name can be read.
pub(super) fn label(view: &View<'_>) -> Option<Found> {
    if !starts(view) {
        return None;
    }
    let Joined { len, varies, .. } = joined(view);
    let lettered = (0..len).any(|at| matches!(view.class(at), Class::Word | Class::Named));
    let names = view.is(len, b'(') || view.is(len, b'=');
    (varies && lettered && names).then_some(Found {
        skip: 0,
        len,
        kind: ParamKind::Identifier,
        notation: Notation::Stem,
    })
}

/// `<*>` in a message: a template that somebody logged. It is a value like any other, so that
/// every wildcard in a shape is one.
pub(super) fn wildcard(view: &View<'_>) -> Option<Found> {
    let written = view.is(0, b'<') && view.is(1, b'*') && view.is(2, b'>');
    written
        .then_some(Found::whole(3, ParamKind::Word))
        .flatten()
}

/// Longest word that a person would write; longer runs of letters are data.
const WORD_LEN_MAX: usize = 64;

/// Encoded data that happens to hold no digit.
pub(super) fn blob(view: &View<'_>) -> Option<Found> {
    let word = view.bytes(0);
    let long = view.class(0) == Class::Word && word.len() > WORD_LEN_MAX;
    (long && word.is_ascii())
        .then_some(Found::whole(1, ParamKind::Identifier))
        .flatten()
}

/// Anything left with a digit in it.
pub(super) fn rest(view: &View<'_>) -> Option<Found> {
    let kind = match view.class(0) {
        Class::Blank | Class::Mark(_) | Class::Word | Class::Value(..) => return None,
        Class::Number => ParamKind::Number,
        Class::Hex => ParamKind::Hex,
        Class::Uuid => ParamKind::Uuid,
        Class::Mixed | Class::Named => ParamKind::Identifier,
        Class::Measured => super::number::unit_kind(view.bytes(0).get(1..).unwrap_or_default()),
    };
    Found::whole(1, kind)
}

/// Accounts that every system has: they are users, wherever they are named.
const ACCOUNTS: [&[u8]; 4] = [b"root", b"admin", b"administrator", b"nobody"];

/// `root`, `uid=0(root)`, `from=admin`: an account that every system has, unless it is a key.
pub(super) fn account(view: &View<'_>) -> Option<Found> {
    let known = view.class(0) == Class::Word && ACCOUNTS.contains(&view.bytes(0));
    let stands = view.opens()
        && !matches!(view.class(1), Class::Mark(mark) if !b",;)]}>'\":".contains(&mark));
    (known && stands)
        .then_some(Found::whole(1, ParamKind::Identifier))
        .flatten()
}

/// `for user ann`: what follows the word `user` in a sentence about one.
pub(super) fn user(view: &View<'_>) -> Option<Found> {
    if view.class(0) != Class::Word || view.previous() != Class::Blank {
        return None;
    }
    let [
        ..,
        article,
        blank,
        user,
        Lexeme {
            class: Class::Blank,
            ..
        },
    ] = view.before
    else {
        return None;
    };
    let word = |lexeme: &Lexeme| super::view::bytes_of(view.form, lexeme).to_ascii_lowercase();
    let role = word(user) == b"user" && blank.class == Class::Blank;
    let named = matches!(
        word(article).as_slice(),
        b"for" | b"as" | b"by" | b"of" | b"invalid"
    );
    if role && named {
        return Found::whole(1, ParamKind::Identifier);
    }
    None
}
