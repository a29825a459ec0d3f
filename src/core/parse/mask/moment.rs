//! Rules for dates and times of day.

use super::lexeme::{Class, Notation};
use super::view::{Found, View};
use crate::core::parse::param::ParamKind;

const NAMES: [&[u8]; 19] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
    b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun",
];
const ZONES: [&[u8]; 12] = [
    b"utc", b"gmt", b"est", b"edt", b"cst", b"cdt", b"mst", b"mdt", b"pst", b"pdt", b"cet", b"cest",
];

/// Parts of the longest date there is: two names, day, year, time of day, zone and its offset.
const PARTS_MAX: usize = 10;

fn moment(len: usize) -> Found {
    Found::whole(len, ParamKind::Timestamp).written(Notation::Parts)
}

/// `Tue Jul 26 05:47:42 2005`, `26/Jul/2005:05:47:42 +0000`: names of months and days beside two
/// or more numbers. A name alone is a word.
pub(super) fn worded(view: &View<'_>) -> Option<Found> {
    if !view.opens() {
        return None;
    }
    let (mut end, mut at) = (0, 0);
    let (mut names, mut numbers) = (0, 0);
    for _ in 0..PARTS_MAX {
        match view.class(at) {
            Class::Word if is_one_of(&NAMES, view.bytes(at)) => names += 1,
            Class::Word if names > 0 && numbers > 0 && is_one_of(&ZONES, view.bytes(at)) => {}
            Class::Number => numbers += 1,
            _ => break,
        }
        end = at + 1;
        let gap = gap_len(&view.ahead(end));
        // Digits alone are for the other rules: the name comes first or second.
        if gap == 0 || (names == 0 && numbers > 1) {
            break;
        }
        at = end + gap;
    }
    (names > 0 && numbers > 1).then_some(moment(end))
}

fn is_one_of(names: &[&[u8]], word: &[u8]) -> bool {
    names.iter().any(|name| word.eq_ignore_ascii_case(name))
}

/// Lexemes between two parts of a date: a blank, a comma and a blank, a sign or one of `-/:`.
fn gap_len(view: &View<'_>) -> usize {
    match (view.class(0), view.class(1)) {
        (Class::Blank, Class::Mark(b'+' | b'-')) | (Class::Mark(b','), Class::Blank) => 2,
        (Class::Blank | Class::Mark(b'-' | b'/' | b':'), _) => 1,
        _ => 0,
    }
}

/// `2005-06-03`, `2005/06/03`, `2005-06-03T15:42:50Z`
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
        (Class::Mixed, Class::Mark(b':')) => clock_len(&view.ahead(6)).map(|len| moment(6 + len)),
        (Class::Number, Class::Mark(b'-' | b'/' | b'_')) if view.class(6).is_run() => None,
        (Class::Number, _) => Some(moment(5)),
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
    let goes_on = view.is(len, b':') && view.class(len + 1).is_run();
    (!goes_on).then_some(moment(len))
}

/// Minutes and seconds, with a fraction and a zone.
fn clock_len(view: &View<'_>) -> Option<usize> {
    let second = |at| matches!(view.class(at), Class::Number | Class::Measured);
    if !(view.class(0) == Class::Number && view.is(1, b':') && second(2)) {
        return None;
    }
    let fraction = matches!(view.class(3), Class::Mark(b'.' | b',')) && second(4);
    Some(if fraction { 5 } else { 3 })
}
