//! How answers are written: JSON in which no log text acts on a terminal, and complaints that say
//! what would have been taken.

use std::io;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;
use serde_json::ser::Formatter;

/// A complaint: what is wrong, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
    hint: String,
    more: Option<More>,
}

/// What its head says beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    /// How one makes oneself known.
    Bearer,
    /// When to come again.
    RetryAfter,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        error: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            status,
            error: error.into(),
            hint: hint.into(),
            more: None,
        }
    }

    /// What was sent cannot be used.
    pub(super) fn bad(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// Nobody is known by what was sent.
    pub(super) fn unauthenticated() -> Self {
        let hint = "send the header Authorization: Bearer TOKEN with a token of api.tokens";
        Self {
            more: Some(More::Bearer),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "this takes a token that is known",
                hint,
            )
        }
    }

    /// The same may do a little later.
    pub(super) fn busy(error: impl Into<String>) -> Self {
        Self {
            more: Some(More::RetryAfter),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                error,
                "try again in a second",
            )
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "hint": self.hint });
        let mut response = answer(self.status, &body);
        let (name, value) = match self.more {
            None => return response,
            Some(More::Bearer) => (WWW_AUTHENTICATE, "Bearer"),
            Some(More::RetryAfter) => (RETRY_AFTER, "1"),
        };
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
        response
    }
}

/// `body` as JSON.
pub(super) fn answer(status: StatusCode, body: &impl Serialize) -> Response {
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, kind, text_of(body)).into_response()
}

/// `value` as JSON on one line. A parser gets every text back as it was; in the bytes what acts on a
/// terminal or turns the direction of text is an escape.
pub(super) fn text_of(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Inert);
    // Writing into a vector cannot fail, and no map here has keys that are not text.
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => "null".to_owned(),
    }
}

/// `text` on one line, with every character that acts on a terminal or deceives the eye made
/// visible: an escape character becomes `\u{1b}`, a new line `\n`.
pub(super) fn inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if !is_deceptive(c) {
            shown.push(c);
        } else if matches!(c, '\n' | '\r' | '\t') {
            shown.extend(c.escape_default());
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

/// Control characters, and those that are invisible, break lines or turn the direction of text.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Writes JSON without spaces and with every deceptive character as an escape.
struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_deceptive(*c)) {
            let before = fragment.get(plain..at).unwrap_or_default();
            writer.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        let rest = fragment.get(plain..).unwrap_or_default();
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_gets_back_what_a_terminal_does_not_see() {
        let text = "a\u{1b}[2J\u{202e}b\u{e0041}c\"</script>\u{7f}";
        let written = text_of(&json!({ "t": text }));
        assert!(written.chars().all(|c| !is_deceptive(c)), "{written}");
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["t"], text);
    }
}
