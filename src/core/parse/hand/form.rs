//! Forms and the places in them, as far as templates by hand need them.

use std::ops::Range;

use crate::core::parse::mask::LINE_LEN_MAX;
use crate::core::parse::param::{AnchoredParam, ParamKind, Place};

/// Stands for a number in a form.
pub(super) const NUMBER: u8 = 1;
/// Stands for a hexadecimal string.
pub(super) const HEX: u8 = 2;
/// Stands for a run of letters and digits mixed.
pub(super) const MIXED: u8 = 3;
/// Stands for a UUID.
pub(super) const UUID: u8 = 4;

pub(super) fn is_placeholder(byte: u8) -> bool {
    (NUMBER..=UUID).contains(&byte)
}

/// Letters, digits, what is beyond ASCII, and what stands for such a run.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || is_placeholder(byte)
}

pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' '
}

/// The form of a message: its bytes with each run that holds a digit, or its digits, replaced by a
/// placeholder (1 number, 2 hexadecimal, 3 mixed, 4 UUID), and control bytes by blanks.
///
/// Slow and plain; at most the first 32 KiB of the message count.
pub fn form_of(message: &[u8]) -> Vec<u8> {
    seen(message).0
}

/// The byte ranges of a message that became placeholders, in order.
pub(super) type Variables = Vec<Range<usize>>;

/// The form of a message and its variables.
pub(super) fn seen(message: &[u8]) -> (Vec<u8>, Variables) {
    let message = cut(message);
    let mut form = Vec::with_capacity(message.len());
    let mut variables = Variables::new();
    let mut at = 0;
    while let Some(&byte) = message.get(at) {
        let rest = message.get(at..).unwrap_or_default();
        let is_in_word = at.checked_sub(1).and_then(|before| message.get(before));
        if !is_in_word.is_some_and(|before| is_run(*before)) && begins_with_uuid(rest) {
            form.push(UUID);
            variables.push(at..at + UUID_LEN);
            at += UUID_LEN;
        } else if is_run(byte) {
            let run_end = run_end(message, at);
            let run = message.get(at..run_end).unwrap_or_default();
            if let Some(variable) = push_run(run, &mut form) {
                variables.push(at + variable.start..at + variable.end);
            }
            at = run_end;
        } else {
            form.push(if byte.is_ascii_control() { b' ' } else { byte });
            at += 1;
        }
    }
    (form, variables)
}

const UUID_LEN: usize = 36;
/// The longest unit that stays behind a number.
const UNIT_LEN_MAX: usize = 5;

fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The first bytes of a message that count, never with half a character at the end.
fn cut(message: &[u8]) -> &[u8] {
    let Some(mut head) = message.get(..LINE_LEN_MAX) else {
        return message;
    };
    for _ in 0..3 {
        let next = message.get(head.len());
        if !next.is_some_and(|byte| (0x80..0xc0).contains(byte)) {
            break;
        }
        head = head.split_last().map_or(head, |(_, before)| before);
    }
    head
}

fn run_end(message: &[u8], from: usize) -> usize {
    let rest = message.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| is_run(**byte)).count()
}

fn begins_with_uuid(text: &[u8]) -> bool {
    let Some((uuid, after)) = text.split_at_checked(UUID_LEN) else {
        return false;
    };
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    uuid.iter().enumerate().all(fits) && !after.first().is_some_and(|byte| is_run(*byte))
}

/// Adds the form of a run; the part of it that became a placeholder.
fn push_run(run: &[u8], form: &mut Vec<u8>) -> Option<Range<usize>> {
    let Some(first_digit) = run.iter().position(u8::is_ascii_digit) else {
        form.extend_from_slice(run);
        return None;
    };
    let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_prefixed = match run {
        [b'0', b'x' | b'X', hex @ ..] => !hex.is_empty() && hex.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    };
    let (head, tail) = run.split_at(first_digit);
    let (number, unit) = tail.split_at(digits);
    let is_one_number = number.iter().all(u8::is_ascii_digit);
    let is_unit = unit.len() <= UNIT_LEN_MAX && unit.iter().all(u8::is_ascii_alphabetic);
    if digits == run.len() {
        form.push(NUMBER);
    } else if is_prefixed || run.iter().all(u8::is_ascii_hexdigit) {
        form.push(HEX);
    } else if is_one_number && (unit.is_empty() || head.is_empty() && is_unit) {
        form.extend_from_slice(head);
        form.push(NUMBER);
        form.extend_from_slice(unit);
        return Some(first_digit..first_digit + digits);
    } else {
        form.push(MIXED);
    }
    Some(0..run.len())
}

/// The value in `range` of a form, as it lies in every message of the form.
pub(super) fn anchored(form: &[u8], range: Range<usize>, kind: ParamKind) -> AnchoredParam {
    AnchoredParam {
        kind,
        start: place_of(form, range.start),
        end: place_of(form, range.end),
    }
}

/// A position in a form as a place in its messages.
pub(super) fn place_of(form: &[u8], position: usize) -> Place {
    let before = form.get(..position).unwrap_or(form);
    let after = before.iter().filter(|byte| is_placeholder(**byte)).count();
    let last = before.iter().rposition(|byte| is_placeholder(*byte));
    let narrow = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    Place {
        after: narrow(after),
        delta: narrow(before.len() - last.map_or(0, |last| last + 1)),
    }
}

/// The position in a form that a place stands for.
pub(super) fn position_of(form: &[u8], place: Place) -> usize {
    let delta = usize::from(place.delta);
    let Some(nth) = usize::from(place.after).checked_sub(1) else {
        return delta;
    };
    let mut placeholders = form
        .iter()
        .enumerate()
        .filter(|(_, byte)| is_placeholder(**byte));
    placeholders
        .nth(nth)
        .map_or(form.len(), |(at, _)| at + 1 + delta)
}

/// The position in a message with these variables that a place stands for.
pub(super) fn offset_of(place: Place, variables: &[Range<usize>]) -> usize {
    let nth = usize::from(place.after).checked_sub(1);
    let variable = nth.and_then(|nth| variables.get(nth));
    variable.map_or(0, |range| range.end) + usize::from(place.delta)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(message: &str) -> String {
        let form = form_of(message.as_bytes());
        let shown = form.iter().map(|byte| match *byte {
            NUMBER => '#',
            HEX => 'x',
            MIXED => '?',
            UUID => 'U',
            byte => char::from(byte),
        });
        shown.collect()
    }

    #[test]
    fn runs_with_digits_become_placeholders() {
        for (message, expected) in [
            ("a 12 b", "a # b"),
            ("0x7f dead1 12ab", "x x x"),
            ("node12 17MiB 3seconds", "node# #MiB ?"),
            ("a1b2z 10.0.0.1:80", "? #.#.#.#:#"),
            ("315eea74-c821-4699-9f7c-ea97f7426899", "U"),
            ("abcdefab-abcd-abcd-abcd-abcdefabcdef!", "U!"),
            ("x315eea74-c821", "?-x"),
            ("tab\there", "tab here"),
        ] {
            assert_eq!(form(message), expected, "{message}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let message = "é".repeat(LINE_LEN_MAX);
        let odd = format!("x{message}");
        for text in [message, odd] {
            let form = form_of(text.as_bytes());
            assert!(form.len() <= LINE_LEN_MAX && form.len() > LINE_LEN_MAX - 4);
            assert!(std::str::from_utf8(&form).is_ok());
        }
    }

    #[test]
    fn a_place_and_its_position_are_one() {
        let form = form_of(b"a 1 b 22 c");
        for position in 0..=form.len() {
            assert_eq!(position_of(&form, place_of(&form, position)), position);
        }
    }
}
