//! What a value is, by its form.

use super::form::is_placeholder;
use crate::core::parse::param::ParamKind;
use crate::core::parse::scan::{HEX, MIXED, NUMBER, UUID};

/// What the value with this form is.
pub(super) fn kind_of(form: &[u8]) -> ParamKind {
    match form {
        [NUMBER]
        | [b'-' | b'+', NUMBER]
        | [NUMBER, b'.', NUMBER]
        | [b'-', NUMBER, b'.', NUMBER] => ParamKind::Number,
        [HEX] => ParamKind::Hex,
        [UUID] => ParamKind::Uuid,
        [MIXED] => ParamKind::Identifier,
        _ if is_address(form) => ParamKind::Ip,
        [b'/', rest @ ..] if rest.iter().all(|byte| *byte != b' ') && !rest.is_empty() => {
            ParamKind::Path
        }
        _ if is_time(form) => ParamKind::Timestamp,
        _ => with_unit(form).unwrap_or_else(|| by_marks(form)),
    }
}

/// `#.#.#.#`, with a port or without.
fn is_address(form: &[u8]) -> bool {
    const ADDRESS: [u8; 7] = [NUMBER, b'.', NUMBER, b'.', NUMBER, b'.', NUMBER];
    matches!(form.strip_prefix(&ADDRESS), Some([] | [b':', NUMBER]))
}

/// `#:#:#`, `#-#-#`, with fractions, a `T`, or both.
fn is_time(form: &[u8]) -> bool {
    let count = |mark: u8| form.iter().filter(|byte| **byte == mark).count();
    let marks = form.iter().all(|byte| {
        matches!(
            *byte,
            NUMBER | MIXED | b':' | b'-' | b'.' | b',' | b'/' | b'+' | b' ' | b'T' | b'Z'
        )
    });
    marks && (count(b':') == 2 || (count(b'-') == 2 && form.first() == Some(&NUMBER)))
}

fn with_unit(form: &[u8]) -> Option<ParamKind> {
    let unit = match form {
        [NUMBER, b'.', NUMBER, unit @ ..] | [NUMBER, unit @ ..] => unit,
        _ => return None,
    };
    match unit {
        b"ns" | b"us" | b"ms" | b"s" | b"sec" | b"secs" | b"m" | b"min" | b"mins" | b"h" | b"d" => {
            Some(ParamKind::Duration)
        }
        b"B" | b"b" | b"KB" | b"kB" | b"MB" | b"GB" | b"TB" | b"K" | b"M" | b"G" | b"KiB"
        | b"MiB" | b"GiB" | b"TiB" | b"bytes" => Some(ParamKind::Size),
        _ => None,
    }
}

fn by_marks(form: &[u8]) -> ParamKind {
    let has = |mark: &[u8]| form.windows(mark.len()).any(|part| part == mark);
    if has(b"://") {
        ParamKind::Url
    } else if has(b"@") && has(b".") {
        ParamKind::Email
    } else if form.iter().any(|byte| is_placeholder(*byte)) {
        ParamKind::Identifier
    } else {
        ParamKind::Word
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::seen;
    use super::*;

    #[test]
    fn values_are_told_apart_by_their_looks() {
        for (value, kind) in [
            ("17", ParamKind::Number),
            ("-3.5", ParamKind::Number),
            ("0xff", ParamKind::Hex),
            ("10.0.0.1:80", ParamKind::Ip),
            ("315eea74-c821-4699-9f7c-ea97f7426899", ParamKind::Uuid),
            ("30ms", ParamKind::Duration),
            ("1.5GiB", ParamKind::Size),
            ("/var/log/x", ParamKind::Path),
            ("07:43:12.683", ParamKind::Timestamp),
            ("2026-11-21", ParamKind::Timestamp),
            ("2026-11-21T07:43:12Z", ParamKind::Timestamp),
            ("https://example.net/x", ParamKind::Url),
            ("ann@example.net", ParamKind::Email),
            ("blk_17", ParamKind::Identifier),
            ("a1b2z", ParamKind::Identifier),
            ("red", ParamKind::Word),
            ("", ParamKind::Word),
        ] {
            assert_eq!(kind_of(&seen(value.as_bytes()).0), kind, "{value}");
        }
    }
}
