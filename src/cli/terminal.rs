//! Text as a person sees it. Log text is untrusted: it never reaches a terminal raw.

use std::io::{self, BufWriter, StdoutLock, Write as _};

/// Standard output, buffered; flush it before the command ends.
pub(crate) fn out() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}

/// Says something to the person, on standard error; where that is closed, nobody is there.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// `text` without control characters (which could move the cursor or recolour the screen), and
/// cut to `len_max` characters, with an ellipsis where something is missing.
pub(crate) fn printable(text: &str, len_max: usize) -> String {
    let mut shown: String = text.chars().take(len_max).map(visible).collect();
    if text.chars().nth(len_max).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        // What turns the direction of text, breaks lines or cannot be seen makes a line read as another.
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => '\u{fffd}',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => '\u{fffd}',
        '\u{fff9}'..='\u{fffb}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// A number with its thousands set apart: `85,981`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_drive_the_terminal() {
        let shown = printable("a\u{1b}[2J\tb\r\n\u{202e}c", 99);
        assert_eq!(shown, "a\u{fffd}[2J b\u{fffd}\u{fffd}\u{fffd}c");
        for unseen in ['\u{200b}', '\u{2069}', '\u{feff}', '\u{ad}', '\u{e0041}'] {
            assert_eq!(printable(&format!("a{unseen}b"), 9), "a\u{fffd}b");
        }
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        assert_eq!(printable("größer", 6), "größer");
        assert_eq!(printable("größere", 6), "größe…");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (85_981, "85,981")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }
}
