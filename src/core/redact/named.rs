//! Values of names that say what they are: `password=…`, `"api_key": "…"`, `--token …`, `Cookie: …`.
//!
//! ```text
//! name ─ separator ─▶ value ─ harmless? ─▶ found
//! ```

use std::ops::Range;

use super::found::Found;
use super::kind::{Kind, Kinds};
use super::text::{byte, byte_before, run, run_before, says, slice};
use super::value::{Value, is_harmless};

/// Longest name that is read.
const NAME_LEN_MAX: usize = 96;
/// Most blanks on either side of a separator.
const BLANKS_MAX: usize = 4;

/// What a name says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Whatever it is, it is secret.
    Password,
    /// Secret, unless it is a small number: a count.
    Token,
    /// A scheme and what follows it.
    Authorization,
    /// Names and values.
    Cookie,
    /// Nine digits.
    Ssn,
    /// Seven digits or more.
    Phone,
}

impl Meaning {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Password | Self::Token => Kind::Secret,
            Self::Authorization => Kind::Authorization,
            Self::Cookie => Kind::Cookie,
            Self::Ssn => Kind::Ssn,
            Self::Phone => Kind::Phone,
        }
    }
}

/// Ends of names, in lower case and without what separates their words.
pub(super) const ENDS: &[(&str, Meaning)] = &[
    ("password", Meaning::Password),
    ("passwd", Meaning::Password),
    ("passphrase", Meaning::Password),
    ("passcode", Meaning::Password),
    ("secret", Meaning::Token),
    ("token", Meaning::Token),
    ("apikey", Meaning::Token),
    ("accesskey", Meaning::Token),
    ("secretkey", Meaning::Token),
    ("privatekey", Meaning::Token),
    ("accountkey", Meaning::Token),
    ("encryptionkey", Meaning::Token),
    ("signingkey", Meaning::Token),
    ("masterkey", Meaning::Token),
    ("sharedkey", Meaning::Token),
    ("authkey", Meaning::Token),
    ("credential", Meaning::Token),
    ("credentials", Meaning::Token),
    ("signature", Meaning::Token),
    ("authorization", Meaning::Authorization),
    ("cookie", Meaning::Cookie),
    ("phone", Meaning::Phone),
    ("phonenumber", Meaning::Phone),
    ("mobile", Meaning::Phone),
    ("mobilenumber", Meaning::Phone),
    ("msisdn", Meaning::Phone),
];

/// Last words of names that are too short to be told from the end of another word (`bypass`).
pub(super) const WORDS: &[(&str, Meaning)] = &[
    ("pass", Meaning::Token),
    ("pwd", Meaning::Password),
    ("sig", Meaning::Token),
    ("ssn", Meaning::Ssn),
];

/// Names that end so and yet name no secret: where a list or a program goes on.
const HARMLESS: [&str; 5] = [
    "pagetoken",
    "nexttoken",
    "continuationtoken",
    "cancellationtoken",
    "synctoken",
];

/// Words that say what is wrong with the value of the name after them.
const COMPLAINTS: [&str; 8] = [
    "bad",
    "expired",
    "incorrect",
    "invalid",
    "missing",
    "unexpected",
    "weak",
    "wrong",
];

/// Words that make a secret of the key after them (`API key: …`).
const BEFORE_KEY: [&str; 8] = [
    "api",
    "access",
    "secret",
    "private",
    "account",
    "encryption",
    "signing",
    "master",
];

/// The value of the name that the byte at `place` is in.
///
/// What is not wanted is not read to its end either, so that no byte is read again and again.
pub(super) fn find(text: &[u8], place: usize, wanted: Kinds) -> Option<Found> {
    let name = name_around(text, place);
    let value = value_after(text, &name)?;
    let meaning = meaning_of(text, &name).filter(|meaning| wanted.has(meaning.kind()))?;
    let found = value.read(text, meaning)?;
    let secret = slice(text, found.start, found.end);
    let is_prose = value.is_prose(text, found.end)
        && (meaning != Meaning::Password || is_complaint(text, name.start));
    let is_directory = slice(text, name.start, name.end) == b"PWD" && secret.starts_with(b"/");
    let is_harmless = is_harmless(secret, byte(text, found.end), meaning);
    (!is_prose && !is_directory && !is_harmless).then_some(found)
}

/// Whether the word before the name at `start` says that something is wrong with the value, so that a
/// colon is followed by what that is: `invalid password: too short`.
fn is_complaint(text: &[u8], start: usize) -> bool {
    COMPLAINTS.iter().any(|word| {
        let first = start.checked_sub(word.len() + 1);
        byte_before(text, start) == b' ' && first.is_some_and(|first| says(text, first, word))
    })
}

/// What an attribute of this name and value is, if the name says that the value is secret.
pub(super) fn kind_of(name: &str, value: &str) -> Option<Kind> {
    let meaning = meaning_of(name.as_bytes(), &(0..name.len()))?;
    (!is_harmless(value.as_bytes(), b' ', meaning)).then(|| meaning.kind())
}

/// The name that the byte at `place` is in, without dots and dashes at its ends.
fn name_around(text: &[u8], place: usize) -> Range<usize> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let start = place - run_before(text, place, NAME_LEN_MAX, is_name);
    let end = place + run(text, place, NAME_LEN_MAX, is_name);
    let is_edge = |byte: u8| b".-".contains(&byte);
    let dashes = run(text, start, end - start, is_edge);
    let dots = run_before(text, end, end - start - dashes, is_edge);
    start + dashes..end - dots
}

fn meaning_of(text: &[u8], name: &Range<usize>) -> Option<Meaning> {
    let mut joined = Vec::with_capacity(NAME_LEN_MAX);
    let bare = slice(text, name.start, name.end);
    let digits = run_before(bare, bare.len(), 2, |byte| byte.is_ascii_digit());
    let bare = slice(bare, 0, bare.len() - digits);
    if bare.eq_ignore_ascii_case(b"key") {
        joined.extend(word_before(text, name.start));
    }
    joined.extend(bare.iter().filter(|byte| byte.is_ascii_alphanumeric()));
    joined.make_ascii_lowercase();
    if HARMLESS.iter().any(|end| joined.ends_with(end.as_bytes())) {
        return None;
    }
    let end = ENDS
        .iter()
        .find(|(end, _)| joined.ends_with(end.as_bytes()));
    let last = last_word(bare);
    let word = || {
        WORDS
            .iter()
            .find(|(word, _)| last.eq_ignore_ascii_case(word.as_bytes()))
    };
    end.or_else(word).map(|(_, meaning)| *meaning)
}

/// The word that a blank separates from the name at `start`, if it belongs to it.
fn word_before(text: &[u8], start: usize) -> impl Iterator<Item = u8> {
    let word = BEFORE_KEY.iter().find(|word| {
        let first = start.checked_sub(word.len() + 1);
        byte_before(text, start) == b' ' && first.is_some_and(|first| says(text, first, word))
    });
    word.map_or("", |word| word).bytes()
}

/// What follows the last separator, or the last change from lower to upper case.
fn last_word(name: &[u8]) -> &[u8] {
    let begins = |at: &usize| {
        let (before, first) = (byte_before(name, *at), byte(name, *at));
        !before.is_ascii_alphanumeric()
            || (before.is_ascii_lowercase() && first.is_ascii_uppercase())
    };
    let start = (0..name.len()).rev().find(begins).unwrap_or(0);
    slice(name, start, name.len())
}

/// Where the value of a name begins, and how it is set apart.
fn value_after(text: &[u8], name: &Range<usize>) -> Option<Value> {
    let blanks = |at: usize| at + run(text, at, BLANKS_MAX, |byte| byte == b' ' || byte == b'\t');
    let slashes = run(text, name.end, BLANKS_MAX, |byte| byte == b'\\');
    let mut at = name.end + slashes;
    let is_quoted = matches!(byte(text, at), b'"' | b'\'') || (byte(text, at) == b'`');
    if is_quoted {
        at += 1;
    } else if slashes > 0 {
        return None;
    }
    let is_flag = slice(text, name.start.saturating_sub(2), name.start) == b"--";
    let separator = blanks(at);
    let after = match (byte(text, separator), byte(text, separator + 1)) {
        (b'=', b'=') => return None,
        (b'=' | b':', b'>') | (b':', b'=') => separator + 2,
        (b'=' | b':', _) => separator + 1,
        (b',', _) if is_flag && is_quoted => separator + 1,
        (b'>', _) if byte_before(text, name.start) == b'<' => {
            return Some(Value::element(separator + 1));
        }
        _ if is_flag && separator > at && byte(text, separator) != b'-' => separator,
        _ => return None,
    };
    let start = blanks(after);
    let is_spaced = byte(text, separator) == b':' && start > after && !is_quoted;
    Some(Value::after(text, start, is_spaced))
}
