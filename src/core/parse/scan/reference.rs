//! The form of a message, byte by byte as its definition reads: the oracle of the fast paths, and
//! what they fall back on for runs that are longer than a block.

use super::{HEX, MIXED, NUMBER, UUID};
use crate::core::parse::LINE_LEN_MAX;

/// Writes the form of `message` to `form` and the bytes (first, one past the last) that became
/// placeholders to `variables`, in place of what they held.
pub fn form_of(message: &[u8], form: &mut Vec<u8>, variables: &mut Vec<(u32, u32)>) {
    form.clear();
    variables.clear();
    extend_form(&message[..counted(message)], 0, form, variables);
}

/// How many bytes of `message` count; a cut never falls inside a character of UTF-8.
pub(super) fn counted(message: &[u8]) -> usize {
    if message.len() <= LINE_LEN_MAX {
        return message.len();
    }
    let in_character = |&end: &usize| message[end] & 0b1100_0000 == 0b1000_0000;
    let ends = LINE_LEN_MAX - 3..=LINE_LEN_MAX;
    ends.rev()
        .find(|end| !in_character(end))
        .unwrap_or(LINE_LEN_MAX)
}

/// Appends the form of `part` of a message, whose first byte is byte `at` of it. A part neither
/// begins nor ends inside a run or a UUID.
pub(super) fn extend_form(
    part: &[u8],
    at: usize,
    form: &mut Vec<u8>,
    variables: &mut Vec<(u32, u32)>,
) {
    let mut done = 0;
    while done < part.len() {
        let rest = &part[done..];
        let len = rest.iter().take_while(|&&byte| is_word(byte)).count();
        if len == 0 {
            form.push(if rest[0].is_ascii_control() {
                b' '
            } else {
                rest[0]
            });
            done += 1;
            continue;
        }
        let (len, found) = match uuid(rest) {
            true => (UUID_LEN, Some((UUID, 0, UUID_LEN))),
            false => (len, variable_of(&rest[..len])),
        };
        match found {
            None => form.extend_from_slice(&rest[..len]),
            Some((placeholder, start, end)) => {
                form.extend_from_slice(&rest[..start]);
                form.push(placeholder);
                form.extend_from_slice(&rest[end..len]);
                variables.push(((at + done + start) as u32, (at + done + end) as u32));
            }
        }
        done += len;
    }
}

const UUID_LEN: usize = 36;
/// The longest unit that stays behind a number.
pub(super) const UNIT_LEN_MAX: usize = 5;

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether `rest`, which begins a run, begins with a UUID.
fn uuid(rest: &[u8]) -> bool {
    let ends = |&byte: &u8| !is_word(byte);
    rest.len() >= UUID_LEN
        && rest.get(UUID_LEN).is_none_or(ends)
        && (0..UUID_LEN).all(|place| match place {
            8 | 13 | 18 | 23 => rest[place] == b'-',
            _ => rest[place].is_ascii_hexdigit(),
        })
}

/// The placeholder of a run and the bytes of it that the placeholder stands for.
fn variable_of(run: &[u8]) -> Option<(u8, usize, usize)> {
    let len = run.len();
    let digits_before = run.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let letters_before = run.iter().take_while(|byte| !byte.is_ascii_digit()).count();
    if letters_before == len {
        return None;
    }
    if digits_before == len {
        return Some((NUMBER, 0, len));
    }
    let hexadecimal = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_hexdigit);
    if hexadecimal(run) || (run[0] == b'0' && run[1] | 0x20 == b'x' && hexadecimal(&run[2..])) {
        return Some((HEX, 0, len));
    }
    if run[letters_before..].iter().all(u8::is_ascii_digit) {
        return Some((NUMBER, letters_before, len));
    }
    let unit = &run[digits_before..];
    if digits_before > 0 && unit.len() <= UNIT_LEN_MAX && unit.iter().all(u8::is_ascii_alphabetic) {
        return Some((NUMBER, 0, digits_before));
    }
    Some((MIXED, 0, len))
}
