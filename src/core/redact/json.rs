//! Numbers of JSON that become marks: those need quotes, or what they stand in is no JSON any more.

use std::ops::Range;

use super::text::{byte, byte_before, run, run_before, slice};

/// Most blanks beside a number.
const BLANKS_MAX: usize = 8;
/// Most bytes of a list that are read back from a number in it.
const LIST_LEN_MAX: usize = 256;

/// Backslashes before the quotes of the text around `place`, if that is a whole number of JSON there.
pub(super) fn quotes(text: &[u8], place: Range<usize>) -> Option<usize> {
    let is_blank = |byte: u8| byte.is_ascii_whitespace();
    let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let value = slice(text, place.start, place.end);
    let is_whole = byte(value, value.len().wrapping_sub(1)).is_ascii_digit()
        && value.iter().all(|byte| is_number(*byte));
    let after = place.end + run(text, place.end, BLANKS_MAX, is_blank);
    let closes = after >= text.len() || b",}]".contains(&byte(text, after));
    if !is_whole || !closes {
        return None;
    }
    let before = place.start - run_before(text, place.start, BLANKS_MAX, is_blank);
    match byte_before(text, before) {
        b':' => quoted_name(text, before),
        b'[' | b',' => {
            let is_element = |byte: u8| is_number(byte) || is_blank(byte) || byte == b',';
            let list = before - run_before(text, before, LIST_LEN_MAX, is_element);
            // A list alone stands in no text with backslashes.
            let opens = byte_before(text, list) == b'[';
            opens.then(|| quoted_name(text, list - 1).unwrap_or(0))
        }
        _ => None,
    }
}

/// Backslashes before the quote of the name whose colon ends before `end`.
fn quoted_name(text: &[u8], end: usize) -> Option<usize> {
    let is_between = |byte: u8| byte.is_ascii_whitespace() || byte == b':';
    let quote = end - run_before(text, end, BLANKS_MAX, is_between);
    let slashes = || run_before(text, quote - 1, BLANKS_MAX, |byte| byte == b'\\');
    (byte_before(text, quote) == b'"').then(slashes)
}
