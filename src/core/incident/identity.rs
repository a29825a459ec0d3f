//! Names made of content: the same input gives the same names, here and elsewhere.

use sha2::{Digest as _, Sha256};

use crate::core::event::Sign;

/// Digits of an id.
pub(super) const ID_LEN: usize = 32;
/// Digits of a fingerprint.
pub(super) const FINGERPRINT_LEN: usize = 16;

/// What recurs of a sign, whatever made it: its service, its class, and its template or its kind.
pub(super) fn fingerprint(sign: &Sign) -> Box<str> {
    let what = match &sign.template {
        Some(template) => template.id.to_string(),
        None => sign.kind.to_string(),
    };
    let stream = &sign.stream;
    digest(
        &[
            "incident",
            &stream.environment,
            &stream.namespace,
            &stream.name,
            sign.source.name(),
            sign.class.name(),
            &what,
        ],
        FINGERPRINT_LEN,
    )
}

/// The first `len` digits of a digest over `parts`; their lengths count, so that no two lists of parts
/// are taken for one.
pub(super) fn digest(parts: &[&str], len: usize) -> Box<str> {
    let sum = parts.iter().fold(Sha256::new(), |sum, part| {
        sum.chain_update((part.len() as u64).to_le_bytes())
            .chain_update(part.as_bytes())
    });
    let digits: String = sum
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    digits.get(..len).unwrap_or(&digits).into()
}
