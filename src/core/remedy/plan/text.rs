//! Names in paths, forms and pointers.

use std::fmt::Write as _;

use crate::core::record::Timestamp;

/// One part of a path: whatever the name says, it stays one part.
///
/// # Errors
/// The name is empty, or is one that paths read as another place.
pub(super) fn path_part(name: &str) -> Result<String, String> {
    if name.is_empty() || name == "." || name == ".." {
        return Err(format!("{name:?} is no name of an object"));
    }
    Ok(encoded(name))
}

/// Percent-encoded but for what is unreserved in addresses (RFC 3986, 2.3). Fit for paths and forms.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// One part of a JSON pointer (RFC 6901, 3).
pub(super) fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// `2026-08-01T10:00:00Z`.
pub(super) fn rfc3339(time: Timestamp) -> String {
    // A u64 of nanoseconds ends in the year 2554, well within what jiff can write.
    let seconds = i64::try_from(time.as_nanos() / 1_000_000_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}
