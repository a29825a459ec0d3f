//! Rules for numbers, units, versions and literals.

use super::lexeme::Class;
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

/// `12`, `-0.5`, `1.2.3`, `2.6.5-1.358`, `3.3.3-beta2`, `v1.0`, `512.00MB`: digits with dots
/// between them, their sign and their unit.
pub(super) fn number(view: &View<'_>) -> Option<Found> {
    let sign = usize::from(is_sign(view));
    let at = view.ahead(sign);
    if sign == 0 && !free(view) {
        return None;
    }
    if !matches!(
        at.class(0),
        Class::Number | Class::Named | Class::Measured | Class::Hex | Class::Mixed
    ) {
        return None;
    }
    let dotted = dotted_len(&at);
    let version = is_version_head(&at);
    if at.class(0) != Class::Number && dotted == 1 && sign == 0 {
        return None;
    }
    if at.class(0) == Class::Named && !version {
        return None;
    }
    let mut len = dotted;
    if dotted >= 3 {
        // What a hyphen joins to a dotted version belongs to it when it varies too.
        while at.is(len, b'-') && at.class(len + 1).varies() {
            len += 1 + dotted_len(&at.ahead(len + 1));
        }
    }
    Found::whole(sign + len, kind_of(&at, len))
}

/// A sign before a digit where a value starts; `a-1` and `+x` have none.
fn is_sign(view: &View<'_>) -> bool {
    let digits = matches!(view.class(1), Class::Number | Class::Hex | Class::Measured);
    let opens = view.opens() && matches!(view.class(0), Class::Mark(b'-' | b'*'));
    digits && opens
}

fn free(view: &View<'_>) -> bool {
    !matches!(view.previous(), Class::Value(..)) && !view.previous().is_run()
}

/// Runs that vary, joined by dots: `1.2.3`, `1.2b`.
fn dotted_len(view: &View<'_>) -> usize {
    let mut len = 1;
    while view.is(len, b'.') && view.class(len + 1).varies() && view.class(len + 1).is_run() {
        len += 2;
    }
    len
}

/// `v1`, `r12`: one letter before the digits.
fn is_version_head(view: &View<'_>) -> bool {
    view.class(0) == Class::Named && matches!(view.bytes(0), [b'v' | b'V' | b'r', _])
}

const TIME_UNITS: [&[u8]; 11] = [
    b"ns", b"us", b"ms", b"s", b"sec", b"secs", b"m", b"min", b"h", b"hr", b"d",
];
const SIZE_UNITS: [&[u8]; 17] = [
    b"b", b"k", b"m", b"g", b"t", b"kb", b"mb", b"gb", b"tb", b"kib", b"mib", b"gib", b"tib",
    b"bytes", b"kbytes", b"mbytes", b"byte",
];

fn kind_of(view: &View<'_>, len: usize) -> ParamKind {
    let last = view.bytes(len.saturating_sub(1));
    match (view.class(len.saturating_sub(1)), len) {
        (Class::Measured, _) => unit_kind(last.get(1..).unwrap_or_default()),
        (Class::Hex, 1) => ParamKind::Hex,
        (Class::Number, 1 | 3) => ParamKind::Number,
        _ => ParamKind::Identifier,
    }
}

/// Upper case `M` is a size, lower case a time.
pub(super) fn unit_kind(unit: &[u8]) -> ParamKind {
    let in_units = |units: &[&[u8]]| units.iter().any(|each| unit.eq_ignore_ascii_case(each));
    if TIME_UNITS.contains(&unit) {
        ParamKind::Duration
    } else if in_units(&SIZE_UNITS) {
        ParamKind::Size
    } else {
        ParamKind::Identifier
    }
}

/// `true`, `null`: a literal where a value stands.
pub(super) fn literal(view: &View<'_>) -> Option<Found> {
    let words: [&[u8]; 6] = [b"true", b"false", b"null", b"none", b"nil", b"undefined"];
    let word = view.class(0) == Class::Word
        && words
            .iter()
            .any(|each| view.bytes(0).eq_ignore_ascii_case(each));
    let ends = match view.class(1) {
        Class::Blank => true,
        Class::Mark(mark) => b",;)]}>'\".|&".contains(&mark),
        _ => false,
    };
    if word && ends && view.opens() && (view.previous() != Class::Blank || view.bytes(0) == b"null")
    {
        return Found::whole(1, ParamKind::Word);
    }
    None
}
