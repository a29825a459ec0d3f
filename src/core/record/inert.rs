//! Text that somebody else wrote, made harmless to look at.
//!
//! A terminal, a chat and a reader's eye are told nothing but text: what would act there is an escape
//! that everybody sees. Nothing is lost, and nothing is shown that is not there.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// `text` on one line with every [deceptive](is_deceptive) character made visible: an escape character
/// becomes `\u{1b}`, a new line `\n`.
pub fn inert(text: &str) -> String {
    Inert(text).to_string()
}

/// Shows a text as [`inert`] does.
#[derive(Clone, Copy, Debug)]
pub struct Inert<'a>(pub &'a str);

impl fmt::Display for Inert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((plain, c, tail)) = next_deceptive(rest) {
            f.write_str(plain)?;
            match c {
                '\n' | '\r' | '\t' => c.escape_default().try_for_each(|c| f.write_char(c))?,
                c => c.escape_unicode().try_for_each(|c| f.write_char(c))?,
            }
            rest = tail;
        }
        f.write_str(rest)
    }
}

/// Control characters, those that break lines or turn the direction of text, and all that Unicode has
/// programs show nothing for (its `Default_Ignorable_Code_Point`), but for U+FE0F, which is in many a
/// picture: hidden text can be written with the others.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `value` as JSON on one line. A parser gets every text back as it was; in the bytes each deceptive
/// character is an escape. Nothing at all where a map of `value` has keys that are no text.
pub fn inert_json(value: &impl Serialize) -> Vec<u8> {
    let written = serde_json::to_string(value).unwrap_or_default();
    let mut shown = String::with_capacity(written.len());
    let mut rest = &*written;
    // Such characters stand in texts only, since JSON has none of its own on one line.
    while let Some((plain, c, tail)) = next_deceptive(rest) {
        shown.push_str(plain);
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
        rest = tail;
    }
    shown.push_str(rest);
    shown.into_bytes()
}

/// The first deceptive character of `text`, with what is before and after it.
fn next_deceptive(text: &str) -> Option<(&str, char, &str)> {
    let (plain, tail) = text.split_at(text.find(is_deceptive)?);
    let mut chars = tail.chars();
    Some((plain, chars.next()?, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any};

    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_hides_is_seen_and_all_else_stays() {
        let hidden = "a\u{1b}[2J\u{9b}m\u{202e}b\u{e0041}c\u{3164}\u{fe01}\r\n\td";
        let seen = r"a\u{1b}[2J\u{9b}m\u{202e}b\u{e0041}c\u{3164}\u{fe01}\r\n\td";
        assert_eq!(inert(hidden), seen);
        let plain = "grün, 漢字, ☑️ \"x\" \\n";
        assert_eq!(inert(plain), plain);
    }

    #[test]
    fn a_parser_gets_back_what_a_terminal_does_not_see() {
        let text = "a\u{1b}[2J\u{202e}b\u{e0041}c\"</script>\u{7f}";
        let written = String::from_utf8(inert_json(&[text])).unwrap();
        assert!(!written.contains(is_deceptive), "{written}");
        let read: Vec<String> = serde_json::from_str(&written).unwrap();
        assert_eq!(read, [text]);
    }

    fn hostile_text() -> impl Strategy<Value = String> {
        let control = '\0'..='\u{a0}';
        let invisible = '\u{2000}'..='\u{2070}';
        let nasty: Vec<char> = control
            .chain(invisible)
            .chain("\"\\{}é😀".chars())
            .collect();
        let c = proptest::prop_oneof![any::<char>(), proptest::sample::select(nasty)];
        proptest::collection::vec(c, 0..64).prop_map(String::from_iter)
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_reads_back_as_itself_from_inert_bytes(text in hostile_text()) {
            let written = inert_json(&text);
            let read: String = serde_json::from_slice(&written).unwrap();
            proptest::prop_assert_eq!(&read, &text);
            let written = String::from_utf8(written).unwrap();
            proptest::prop_assert!(!written.contains(is_deceptive));
            proptest::prop_assert!(!inert(&text).contains(is_deceptive));
        }
    }
}
