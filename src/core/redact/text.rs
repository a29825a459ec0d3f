//! Looking around in the bytes of a text. Nothing here goes further than it is told.

/// Whether nothing of a word is before `at`: its start, or what an escape (`\n`) or percent-encoding
/// (`%3D`) stands for.
pub(super) fn opens(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    match before {
        [] => true,
        [.., last] if !last.is_ascii_alphanumeric() => true,
        [.., b'\\', b'n' | b't' | b'r'] => true,
        [.., b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    }
}

/// The byte at `at`; a blank beyond the end.
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(b' ')
}

/// The byte before `at`; a blank before the start.
pub(super) fn byte_before(text: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(b' ', |before| byte(text, before))
}

/// How many bytes from `at` on are so, `max` at most.
pub(super) fn run(text: &[u8], at: usize, max: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take(max).take_while(|byte| is(**byte)).count()
}

/// How many bytes before `at` are so, `max` at most.
pub(super) fn run_before(text: &[u8], at: usize, max: usize, is: impl Fn(u8) -> bool) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let before = before.iter().rev().take(max);
    before.take_while(|byte| is(**byte)).count()
}

/// The bytes from `start` to `end`; none where there are none.
pub(super) fn slice(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end).unwrap_or_default()
}

/// Whether `text` goes on with `word` at `at`, in letters of either case.
pub(super) fn says(text: &[u8], at: usize, word: &str) -> bool {
    slice(text, at, at + word.len()).eq_ignore_ascii_case(word.as_bytes())
}

/// Letters, digits, `_` and `-`: base64 as it stands in addresses.
pub(super) fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
