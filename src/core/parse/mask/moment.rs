//! Rules for dates and times of day.

use super::lexeme::Class;
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const DAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
const ZONES: [&[u8]; 12] = [
    b"utc", b"gmt", b"est", b"edt", b"cst", b"cdt", b"mst", b"mdt", b"pst", b"pdt", b"cet", b"cest",
];

/// `Tue Jul 26 05:47:42 2005`, `26/Jul/2005:05:47:42 +0000`: names of months and days beside
/// numbers. A name alone is a word.
pub(super) fn worded(view: &View<'_>) -> Option<Found> {
    if !view.opens() {
        return None;
    }
    let (mut end, mut at) = (0, 0);
    let (mut names, mut numbers) = (0, 0);
    loop {
        match view.class(at) {
            Class::Word if is_name(view.bytes(at)) => names += 1,
            Class::Word
                if names > 0
                    && numbers > 0
                    && ZONES
                        .iter()
                        .any(|zone| view.bytes(at).eq_ignore_ascii_case(zone)) => {}
            Class::Number => numbers += 1,
            _ => break,
        }
        end = at + 1;
        let gap = gap_len(&view.ahead(end));
        if gap == 0 || (names == 0 && numbers > 1) {
            break;
        }
        at = end + gap;
    }
    let clock = (0..end).any(|at| view.is(at, b':'));
    if names > 0 && numbers > 1 && end > 2 && (clock || numbers >= 2) {
        return Found::parts(end, ParamKind::Timestamp);
    }
    None
}

fn is_name(word: &[u8]) -> bool {
    let short = word.get(..3).unwrap_or_default();
    let known = |names: &[&[u8]]| names.iter().any(|name| short.eq_ignore_ascii_case(name));
    word.len() == 3 && (known(&MONTHS) || known(&DAYS))
}

/// Lexemes between two parts of a date: blanks, a comma and a blank, or one of `-/:+`.
fn gap_len(view: &View<'_>) -> usize {
    match (view.class(0), view.class(1)) {
        (Class::Blank, Class::Mark(b'+' | b'-')) => 2,
        (Class::Mark(b','), Class::Blank) => 2,
        (Class::Blank | Class::Mark(b'-' | b'/' | b':'), _) => 1,
        _ => 0,
    }
}

/// `2005-06-03`, `2005/06/03`; with `T` the time of day follows.
pub(super) fn date(view: &View<'_>) -> Option<Found> {
    let Class::Mark(separator @ (b'-' | b'/')) = view.class(1) else {
        return None;
    };
    let numbers = view.class(0) == Class::Number && view.class(2) == Class::Number;
    if !(numbers && view.is(3, separator) && view.opens()) {
        return None;
    }
    match (view.class(4), view.class(5)) {
        // The last part of the date, `T` and the hour are one run.
        (Class::Mixed, Class::Mark(b':')) => {
            let clock = clock_len(&view.ahead(6))?;
            Found::parts(6 + clock, ParamKind::Timestamp)
        }
        (Class::Number, Class::Mark(b'-' | b'/')) if view.class(6).is_run() => None,
        (Class::Number, _) => Found::parts(5, ParamKind::Timestamp),
        _ => None,
    }
}

/// `15:42:50`, `15:42:50.675872`, `15:42:50,978Z`
pub(super) fn clock(view: &View<'_>) -> Option<Found> {
    let opens = view.opens() && view.previous() != Class::Mark(b':');
    if !(opens && view.class(0) == Class::Number && view.is(1, b':')) {
        return None;
    }
    let len = 2 + clock_len(&view.ahead(2))?;
    if view.is(len, b':') && view.class(len + 1).is_run() {
        return None;
    }
    Found::parts(len, ParamKind::Timestamp)
}

/// Minutes and seconds, with a fraction and a zone.
fn clock_len(view: &View<'_>) -> Option<usize> {
    let second = |class| matches!(class, Class::Number | Class::Measured);
    if !(view.class(0) == Class::Number && view.is(1, b':') && second(view.class(2))) {
        return None;
    }
    let fraction = matches!(view.class(3), Class::Mark(b'.' | b',')) && second(view.class(4));
    Some(if fraction { 5 } else { 3 })
}
