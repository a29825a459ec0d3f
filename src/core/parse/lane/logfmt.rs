//! `level=info msg="order taken" took=3ms`: nothing but `key=value` pairs.

use std::ops::Range;

use super::fields::{
    Field, field, level_of_text, span_of_text, time_of_number, time_of_text, trace_of_text,
};
use super::keys::KEY_SET_LEN_MAX;
use super::{Found, Lane, Part};
use crate::core::parse::WILDCARD;
use crate::core::record::Severity;

/// Pairs that are read; what comes after them is not looked at.
const PAIRS_MAX: usize = 256;
/// Longest key in bytes.
const KEY_LEN_MAX: usize = 64;

/// The message of a text that is pairs from end to end; a single pair is no logfmt.
pub(super) fn read(text: &str) -> Option<Found> {
    if !begins_with_key(text) {
        return None;
    }
    let mut pairs = Pairs { text, at: 0 };
    let mut found = Found::slice(Lane::LogfmtKeys, 0..0);
    let mut best: Option<(u8, Value)> = None;
    let mut keys = String::new();
    let mut count = 0;
    while let Some((key, value)) = pairs.next_pair()? {
        count += 1;
        let inner = text.get(value.place.clone())?;
        match field(key) {
            Field::Message(rank) => {
                let better = best.as_ref().is_none_or(|(known, _)| rank < *known);
                if better && !inner.trim().is_empty() {
                    best = Some((rank, value));
                }
            }
            known => note(&mut found, known, inner),
        }
        if best.is_none() && keys.len() + key.len() < KEY_SET_LEN_MAX {
            if !keys.is_empty() {
                keys.push(' ');
            }
            keys.extend([key, "=", WILDCARD]);
        }
        if count == PAIRS_MAX {
            break;
        }
    }
    match best {
        Some((_, value)) => {
            found.lane = Lane::Logfmt;
            found.part = value.part(text);
        }
        None if count < 2 => return None,
        None => found.part = Part::Unescaped(keys),
    }
    Some(found)
}

/// Tells most texts apart from pairs at the first word.
fn begins_with_key(text: &str) -> bool {
    let mut rest = text.bytes().take(KEY_LEN_MAX + 1);
    rest.find(|byte| !is_key(*byte)) == Some(b'=')
}

fn note(found: &mut Found, field: Field, value: &str) {
    match field {
        Field::Level if found.severity == Severity::Unspecified => {
            found.severity = level_of_text(value);
        }
        Field::Time => {
            let number = value.parse().ok().and_then(time_of_number);
            found.time = found.time.or(number).or_else(|| time_of_text(value));
        }
        Field::Trace => found.trace_id = found.trace_id.or_else(|| trace_of_text(value)),
        Field::Span => found.span_id = found.span_id.or_else(|| span_of_text(value)),
        _ => {}
    }
}

struct Pairs<'a> {
    text: &'a str,
    at: usize,
}

struct Value {
    /// Without the quotes.
    place: Range<usize>,
    escaped: bool,
}

impl Value {
    fn part(self, text: &str) -> Part {
        match self.escaped {
            true => Part::Unescaped(unescaped(text.get(self.place).unwrap_or_default())),
            false => Part::Slice(self.place),
        }
    }
}

impl<'a> Pairs<'a> {
    /// The next pair; `Some(None)` at the end of the text, `None` where no pair stands.
    fn next_pair(&mut self) -> Option<Option<(&'a str, Value)>> {
        let rest = self.text.get(self.at..)?;
        self.at += rest.len() - rest.trim_ascii_start().len();
        let rest = self.text.get(self.at..)?;
        if rest.is_empty() {
            return Some(None);
        }
        let head = rest.as_bytes().iter().take(KEY_LEN_MAX + 1);
        let len = head.take_while(|byte| is_key(**byte)).count();
        let key = rest.get(..len).filter(|key| !key.is_empty())?;
        if rest.as_bytes().get(len) != Some(&b'=') {
            return None;
        }
        self.at += len + 1;
        let value = match self.text.as_bytes().get(self.at) {
            Some(b'"') => self.quoted()?,
            _ => self.bare(),
        };
        Some(Some((key, value)))
    }

    fn bare(&mut self) -> Value {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest
            .bytes()
            .position(|byte| byte.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let place = self.at..self.at + len;
        self.at = place.end;
        Value {
            place,
            escaped: false,
        }
    }

    fn quoted(&mut self) -> Option<Value> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let (mut at, mut escaped) = (start, false);
        loop {
            match bytes.get(at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = at + 1;
        let ends = bytes.get(self.at).is_none_or(u8::is_ascii_whitespace);
        ends.then_some(Value {
            place: start..at,
            escaped,
        })
    }
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@' | b'/')
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}
