//! Names made of content: the same input gives the same names, here and elsewhere.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::core::event::{Incident, Sign};

/// Digits of an id.
pub(super) const ID_LEN: usize = 32;
/// Digits of a fingerprint.
pub(super) const FINGERPRINT_LEN: usize = 16;

/// The sign that `incident` was opened with, by which it has its id; `None` where it is not among those
/// that are kept. Others may turn out to have been earlier, or graver: this one stays what it was.
pub fn opening_sign(incident: &Incident) -> Option<&Arc<Sign>> {
    let mut signs = incident.signs.iter();
    signs.find(|sign| id(&incident.fingerprint, &sign.id) == incident.id)
}

/// The id of an incident that was opened with the sign `first`.
pub(super) fn id(fingerprint: &str, first: &str) -> Box<str> {
    digest(&["incident", fingerprint, first], ID_LEN)
}

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
