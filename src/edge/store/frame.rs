//! The checksum in front of a snapshot: magic, format, length, SHA-256, bytes.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

const MAGIC: &[u8; 8] = b"knotsnap";
/// Raised when the frame changes; what is inside has a version of its own.
const FORMAT: u32 = 1;
/// Bytes of a head.
pub(super) const HEAD_LEN: usize = MAGIC.len() + 4 + 8 + 32;

/// Why bytes are not a whole snapshot.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum FrameError {
    #[error("not a snapshot")]
    Foreign,
    #[error("snapshot format {0} is not known to this version (it knows {FORMAT})")]
    Format(u32),
    #[error("cut short or too long: {found} bytes of {expected}")]
    Length { found: u64, expected: u64 },
    #[error("the checksum does not match")]
    Checksum,
}

/// Puts a head before `bytes`.
pub(super) fn wrap(bytes: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(HEAD_LEN + bytes.len());
    framed.extend_from_slice(MAGIC);
    framed.extend_from_slice(&FORMAT.to_le_bytes());
    framed.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    framed.extend_from_slice(&Sha256::digest(bytes));
    framed.extend_from_slice(bytes);
    framed
}

/// Takes the head off again, after checking it.
pub(super) fn unwrap(mut framed: Vec<u8>) -> Result<Vec<u8>, FrameError> {
    let (bytes, after) = unwrap_first(&framed)?;
    if !after.is_empty() {
        let expected = bytes.len() as u64;
        let found = expected + after.len() as u64;
        return Err(FrameError::Length { found, expected });
    }
    framed.drain(..HEAD_LEN);
    Ok(framed)
}

/// The bytes behind the first head, after checking them, and what follows.
pub(super) fn unwrap_first(framed: &[u8]) -> Result<(&[u8], &[u8]), FrameError> {
    let rest = framed.strip_prefix(MAGIC).ok_or(FrameError::Foreign)?;
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(FrameError::Foreign)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(FrameError::Format(format));
    }
    let (len, rest) = rest.split_first_chunk::<8>().ok_or(FrameError::Foreign)?;
    let (sum, rest) = rest.split_first_chunk::<32>().ok_or(FrameError::Foreign)?;
    let (found, expected) = (rest.len() as u64, u64::from_le_bytes(*len));
    let split = usize::try_from(expected).ok();
    let (bytes, after) = split
        .and_then(|len| rest.split_at_checked(len))
        .ok_or(FrameError::Length { found, expected })?;
    if Sha256::digest(bytes).as_slice() != sum {
        return Err(FrameError::Checksum);
    }
    Ok((bytes, after))
}

/// How many bytes follow a head, if it is one of ours.
pub(super) fn len(head: &[u8; HEAD_LEN]) -> Option<u64> {
    let (_, len) = head.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    Some(u64::from_le_bytes(*len.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrapped_comes_back() {
        for bytes in [&b""[..], b"x", &[7; 5000]] {
            assert_eq!(unwrap(wrap(bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn any_flipped_or_missing_byte_is_noticed() {
        let whole = wrap(b"templates");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(unwrap(flipped).is_err(), "byte {at} flipped");
            assert!(unwrap(whole[..at].to_vec()).is_err(), "cut at {at}");
        }
        let mut newer = whole;
        newer[8] = 2;
        assert_eq!(unwrap(newer), Err(FrameError::Format(2)));
    }
}
