//! Where a value ends, and whether it is one that may be seen.

use super::found::Found;
use super::named::Meaning;
use super::text::{byte, byte_before, run, run_before, says, slice};

/// Longest value that may be harmless. It also bounds what is read again, since what is not harmless is
/// taken out whole.
const HARMLESS_LEN_MAX: usize = 128;
/// Longest name that ends the value before it (`a=1,NAME=2`).
const NEXT_NAME_LEN_MAX: usize = 40;
/// Longest number that a token is not: a count.
const COUNT_LEN_MAX: usize = 9;
/// Words before what they say is a secret.
const SCHEMES: [&str; 8] = [
    "bearer ",
    "basic ",
    "token ",
    "apikey ",
    "api-key ",
    "negotiate ",
    "ntlm ",
    "splunk ",
];
/// Schemes whose secrets are all that follows on the line.
const LONG_SCHEMES: [&str; 7] = [
    "digest ",
    "oauth ",
    "hawk ",
    "aws4-",
    "signature ",
    "scram-",
    "hmac",
];
/// What stands for a value that is not there, or says what is wrong with it.
const WORDS: &[&str] = &[
    "absent",
    "accepted",
    "bad",
    "changed",
    "correct",
    "created",
    "denied",
    "disabled",
    "empty",
    "enabled",
    "error",
    "expired",
    "failed",
    "failure",
    "false",
    "found",
    "granted",
    "hidden",
    "incorrect",
    "invalid",
    "malformed",
    "masked",
    "mismatch",
    "missing",
    "must",
    "na",
    "nil",
    "no",
    "none",
    "not",
    "null",
    "ok",
    "off",
    "on",
    "present",
    "redacted",
    "refreshed",
    "rejected",
    "required",
    "reset",
    "revoked",
    "rotated",
    "set",
    "success",
    "too",
    "true",
    "undefined",
    "unknown",
    "unset",
    "unverified",
    "updated",
    "valid",
    "verified",
    "wrong",
    "yes",
];

/// A value that follows a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    start: usize,
    form: Form,
    /// Whether a colon and a blank are before it, as in a sentence.
    is_spaced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bare,
    /// Up to such a quote, with so many backslashes before it.
    Quoted {
        quote: u8,
        slashes: usize,
    },
    /// Up to the next tag.
    Element,
}

impl Value {
    /// The content of an element.
    pub(super) const fn element(start: usize) -> Self {
        Self {
            start,
            form: Form::Element,
            is_spaced: false,
        }
    }

    /// The value at `at`, without what wraps it: a bracket, `Some(`, quotes.
    pub(super) fn after(text: &[u8], at: usize, is_spaced: bool) -> Self {
        let mut start = at + usize::from(byte(text, at) == b'[');
        if slice(text, start, start + 5) == b"Some(" {
            start += 5;
        }
        let slashes = run(text, start, 4, |byte| byte == b'\\');
        let quote = byte(text, start + slashes);
        let is_quoted = matches!(quote, b'"' | b'\'' | b'`');
        Self {
            start: if is_quoted {
                start + slashes + 1
            } else {
                start
            },
            form: match is_quoted {
                true => Form::Quoted { quote, slashes },
                false => Form::Bare,
            },
            is_spaced: is_spaced && !is_quoted,
        }
    }

    /// Reads it to its end. `None` where it is not what its name says.
    pub(super) fn read(&self, text: &[u8], meaning: Meaning) -> Option<Found> {
        let mut start = self.start;
        let end = match meaning {
            Meaning::Ssn => start + ssn_len(text, start)?,
            Meaning::Phone => start + phone_len(text, start)?,
            Meaning::Cookie => self.cookie_end(text),
            Meaning::Password | Meaning::Token | Meaning::Authorization => {
                let scheme = SCHEMES.iter().find(|scheme| says(text, start, scheme));
                start += scheme.map_or(0, |scheme| scheme.len());
                let is_long = LONG_SCHEMES.iter().any(|scheme| says(text, start, scheme));
                match meaning == Meaning::Authorization && is_long {
                    true => self.line_end(text, start),
                    false => self.end(text, start),
                }
            }
        };
        let found = Found::new(meaning.kind(), start, end);
        let is_no_element = self.form == Form::Element && slice(text, end, end + 2) != b"</";
        (end > start && !is_no_element).then_some(found)
    }

    /// Whether it reads like a sentence that goes on behind `end`: `invalid token: not signed by us`.
    pub(super) fn is_prose(&self, text: &[u8], end: usize) -> bool {
        let value = slice(text, self.start, end);
        let is_word =
            value.len() <= HARMLESS_LEN_MAX && value.iter().all(|byte| byte.is_ascii_alphabetic());
        let goes_on = byte(text, end) == b' ' && byte(text, end + 1).is_ascii_alphabetic();
        self.is_spaced && is_word && goes_on
    }

    fn end(&self, text: &[u8], start: usize) -> usize {
        match self.form {
            Form::Bare => bare_end(text, start),
            Form::Quoted { quote, slashes } => quoted_end(text, start, (quote, slashes)),
            Form::Element => {
                start
                    + run(text, start, usize::MAX, |byte| {
                        byte != b'<' && byte != b'\n'
                    })
            }
        }
    }

    /// The end of the line, or of what wraps it.
    fn line_end(&self, text: &[u8], start: usize) -> usize {
        match self.form {
            Form::Bare => start + run(text, start, usize::MAX, |byte| !b"\r\n]}".contains(&byte)),
            Form::Quoted { .. } | Form::Element => self.end(text, start),
        }
    }

    /// The end of the last pair that a semicolon joins to those before.
    fn cookie_end(&self, text: &[u8]) -> usize {
        if self.form != Form::Bare {
            return self.end(text, self.start);
        }
        let is_pair = |byte: u8| !byte.is_ascii_whitespace() && !b"\"'`]}".contains(&byte);
        let mut end = self.start;
        loop {
            end += run(text, end, usize::MAX, is_pair);
            let more = byte_before(text, end) == b';' && byte(text, end) == b' ';
            if !more || end + 1 >= text.len() {
                break;
            }
            end += 1;
        }
        end
    }
}

/// Up to a blank or what sets values apart, where it does: a comma may also be part of a password.
fn bare_end(text: &[u8], start: usize) -> usize {
    let last = text.len();
    let mut at = start;
    while at < last {
        let is_end = match byte(text, at) {
            b'"' | b'\'' | b'`' | b'<' | b'>' => true,
            b'\\' => matches!(byte(text, at + 1), b'"' | b'\'' | b'n' | b'r' | b't'),
            b',' | b';' | b'&' | b'|' => sets_apart(text, at),
            b')' | b']' | b'}' => !byte(text, at + 1).is_ascii_alphanumeric(),
            other => other.is_ascii_whitespace(),
        };
        if is_end {
            break;
        }
        at += 1;
    }
    // What ends a sentence is no part of it.
    at - usize::from(at > start && at == last && byte_before(text, at) == b'.')
}

/// Whether the mark at `at` is followed by nothing, or by the next name.
fn sets_apart(text: &[u8], at: usize) -> bool {
    let next = at + 1;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let name = run(text, next, NEXT_NAME_LEN_MAX, is_name);
    match byte(text, next) {
        first if first.is_ascii_whitespace() || b"\"'`)]}\\".contains(&first) => true,
        _ => name > 0 && matches!(byte(text, next + name), b'=' | b':'),
    }
}

/// Up to the quote that closes it. One with fewer backslashes closes what it is in.
fn quoted_end(text: &[u8], start: usize, (quote, slashes): (u8, usize)) -> usize {
    let mut at = start;
    while at < text.len() {
        at += run(text, at, usize::MAX, |byte| byte != quote && byte != b'\n');
        let before = run_before(text, at, at - start, |byte| byte == b'\\');
        let closes = match slashes {
            0 => before % 2 == 0,
            slashes => before <= slashes,
        };
        if byte(text, at) != quote || closes {
            return at - before.min(slashes);
        }
        at += 1;
    }
    text.len()
}

/// Whether a value of such a name may be seen; `next` is the byte behind it.
pub(super) fn is_harmless(value: &[u8], next: u8, meaning: Meaning) -> bool {
    if value.len() > HARMLESS_LEN_MAX {
        return false;
    }
    let is_number = value.iter().all(u8::is_ascii_digit);
    let is_masked = || {
        value
            .iter()
            .all(|byte| b"*xX.-#_".contains(byte) || !byte.is_ascii())
    };
    let is_word = || {
        let word: Vec<u8> = value
            .iter()
            .filter(|byte| **byte != b'/')
            .copied()
            .collect();
        WORDS
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    };
    let is_file = || {
        let ends = [&b".pem"[..], b".key", b".crt", b".jwt", b"/token"];
        value.starts_with(b"/") && ends.iter().any(|end| value.ends_with(end))
    };
    let says_nothing = !value.iter().any(u8::is_ascii_alphanumeric) && value.is_ascii();
    if says_nothing || is_placeholder(value, next) {
        return true;
    }
    match meaning {
        Meaning::Ssn | Meaning::Phone => false,
        Meaning::Cookie => {
            !value.contains(&b'=') && (is_word() || !value.iter().any(u8::is_ascii_digit))
        }
        Meaning::Password => is_word() || is_masked(),
        Meaning::Token | Meaning::Authorization => {
            is_word() || is_masked() || is_file() || (is_number && value.len() <= COUNT_LEN_MAX)
        }
    }
}

/// Whether it is what is to be put in: `${DB_PASSWORD}`, `{{ token }}`, `%s`, `<password>`. Nothing but
/// the name may be in it, and its end is that of the value: `{noop}hunter2` is a password. `next` is
/// the byte behind it, where an unquoted value ends before its brace.
fn is_placeholder(value: &[u8], next: u8) -> bool {
    const FORMS: [(&[u8], u8, &[u8]); 5] = [
        (b"${", b'}', b"_.-"),
        (b"{{", b'}', b"_.- "),
        (b"{", b'}', b"_.-"),
        (b"$(", b')', b"_.-/ "),
        (b"<", b'>', b"_.-:"),
    ];
    let form = FORMS.iter().find(|(open, ..)| value.starts_with(open));
    let Some((open, close, marks)) = form else {
        return value == b"%s";
    };
    let closing = run_before(value, value.len(), open.len(), |byte| byte == *close);
    let name = slice(value, open.len(), value.len() - closing);
    let is_name = name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || marks.contains(byte));
    // One brace is also a quote (`Password={x1}`): a name in it has no digits, a place nothing else.
    let digits = name.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_plain = open.len() > 1 || digits == 0 || digits == name.len();
    is_name && is_plain && (closing > 0 || next == *close)
}

/// The length of a number such as 078-05-1120, with or without what separates its parts.
fn ssn_len(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    for digits in [3, 2, 4] {
        if digits < 3 || at > start {
            at += usize::from(matches!(byte(text, at), b'-' | b' '));
        }
        if run(text, at, digits, |byte| byte.is_ascii_digit()) < digits {
            return None;
        }
        at += digits;
    }
    (!byte(text, at).is_ascii_alphanumeric()).then_some(at - start)
}

/// The length of a number of 7 to 15 digits and what people write between them.
fn phone_len(text: &[u8], start: usize) -> Option<usize> {
    let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.() /".contains(&byte);
    let len = run(text, start, 32, is_part);
    let number = slice(text, start, start + len);
    let digits = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    let beyond = number
        .iter()
        .rev()
        .take_while(|byte| !byte.is_ascii_digit())
        .count();
    (7..=15).contains(&digits).then_some(len - beyond)
}
