//! Rules for numbers, with their sign, their unit and their dots.

use super::lexeme::Class;
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

/// `-5`, `0.25`, `512.5MB`, `1.2.3`, `v1.0`, `2.6.5-1.35`: numbers joined by dots, with a sign, a
/// unit, the letter of a version and what a hyphen appends to one.
pub(super) fn number(view: &View<'_>) -> Option<Found> {
    let sign = usize::from(is_signed(view));
    let digits = view.ahead(sign);
    let free = sign == 1 || !matches!(view.previous(), Class::Value(..));
    if !free || !starts(&digits, sign == 1) {
        return None;
    }
    let mut len = dotted_len(&digits);
    let kind = kind_of(&digits, len);
    if len > 1 {
        while digits.is(len, b'-') && digits.class(len + 1).varies() {
            len += 1 + dotted_len(&digits.ahead(len + 1));
        }
    }
    Some(Found::whole(sign + len, kind))
}

/// A minus where a value starts; that of `a-1` joins.
fn is_signed(view: &View<'_>) -> bool {
    let digits = matches!(view.class(1), Class::Number | Class::Hex | Class::Measured);
    digits && view.is(0, b'-') && view.opens()
}

fn starts(digits: &View<'_>, signed: bool) -> bool {
    match digits.class(0) {
        Class::Number => true,
        Class::Named => matches!(digits.bytes(0), [b'v' | b'V', _]),
        // Dots or a sign make a number of them; alone they are for a later rule.
        Class::Hex | Class::Measured | Class::Mixed => signed || dotted_len(digits) > 1,
        _ => false,
    }
}

/// Runs with digits joined by dots.
fn dotted_len(view: &View<'_>) -> usize {
    let mut len = 1;
    while view.is(len, b'.') && view.class(len + 1).is_run() && view.class(len + 1).varies() {
        len += 2;
    }
    len
}

fn kind_of(view: &View<'_>, len: usize) -> ParamKind {
    let last = len.saturating_sub(1);
    match (view.class(0), view.class(last), len) {
        (Class::Number | Class::Measured, Class::Measured, _) => {
            unit_kind(view.bytes(last).get(1..).unwrap_or_default())
        }
        (Class::Hex, _, 1) => ParamKind::Hex,
        (Class::Number, _, 1 | 3) => ParamKind::Number,
        _ => ParamKind::Identifier,
    }
}

const TIMES: [&[u8]; 10] = [
    b"ns", b"us", b"ms", b"s", b"sec", b"secs", b"m", b"min", b"h", b"d",
];
const SIZES: [&[u8]; 14] = [
    b"b", b"k", b"m", b"g", b"t", b"kb", b"mb", b"gb", b"tb", b"kib", b"mib", b"gib", b"tib",
    b"bytes",
];

/// What the letters right after a number make of it: `m` is minutes, `M` is a size.
pub(super) fn unit_kind(unit: &[u8]) -> ParamKind {
    if TIMES.contains(&unit) {
        ParamKind::Duration
    } else if SIZES.iter().any(|size| unit.eq_ignore_ascii_case(size)) {
        ParamKind::Size
    } else {
        ParamKind::Identifier
    }
}
