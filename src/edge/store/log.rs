//! A file that grows: a whole, and behind it what changed since, each behind a checksum of its
//! own. What a crash or a bad disk spoils is lost with all that comes after it, and nothing else.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{disk, frame, read_whole};

/// A log this many times as long as the whole it begins with is to be written anew.
pub const LOG_GROWTH_MAX: u64 = 4;
/// A log shorter than this is not, in bytes.
pub const LOG_LEN_MIN: u64 = 64 << 10;

/// Writes `bytes` behind what the log holds; whether it should be written anew now.
///
/// # Errors
/// If there is no log, or it cannot be written; then it is to be written anew.
pub(super) fn append(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut log = OpenOptions::new().read(true).append(true).open(path)?;
    let before = log.metadata()?.len();
    let written = log
        .write_all(&frame::wrap(bytes))
        .and_then(|()| log.sync_data());
    if let Err(error) = written {
        // Half a frame would hide what comes after it.
        let _ = log.set_len(before);
        return Err(error);
    }
    let mut head = [0; frame::HEAD_LEN];
    let whole = log
        .read_exact_at(&mut head, 0)
        .ok()
        .and_then(|()| frame::len(&head));
    let len = log.metadata()?.len();
    let grown = whole.is_none_or(|whole| len > whole.saturating_mul(LOG_GROWTH_MAX));
    Ok(grown && len > LOG_LEN_MIN)
}

/// The whole and what changed since, as far as it can be read; empty where there is no log, or no
/// whole in it.
pub(super) fn read(path: &Path) -> Vec<Vec<u8>> {
    let Some(log) = read_whole(path) else {
        return Vec::new();
    };
    let mut pieces = Vec::new();
    let mut rest = log.as_slice();
    while !rest.is_empty() {
        match frame::unwrap_first(rest) {
            Ok((piece, after)) => {
                pieces.push(piece.to_vec());
                rest = after;
            }
            Err(error) if pieces.is_empty() => {
                disk::set_aside(path, &error.to_string());
                break;
            }
            Err(error) => {
                tracing::warn!(
                    path = %path.display(),
                    %error,
                    kept_bytes = log.len() - rest.len(),
                    lost_bytes = rest.len(),
                    "The end of a template log cannot be read; what it says is learned again"
                );
                break;
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn log(pieces: &[&[u8]]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("templates");
        disk::replace(&path, &frame::wrap(pieces[0])).unwrap();
        for piece in &pieces[1..] {
            append(&path, piece).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn what_was_appended_is_read_in_order() {
        let (_folder, path) = log(&[b"whole", b"", b"second"]);
        assert_eq!(read(&path), [&b"whole"[..], b"", b"second"]);
    }

    #[test]
    fn wherever_a_log_is_cut_or_damaged_what_came_before_is_read() {
        let pieces: [&[u8]; 3] = [b"whole", b"first", b"second"];
        let (_folder, path) = log(&pieces);
        let bytes = fs::read(&path).unwrap();
        let ends = [57, 114, bytes.len()];
        for at in 0..bytes.len() {
            let intact = ends.iter().filter(|end| **end <= at).count();
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            for (damaged, how) in [(&bytes[..at], "cut"), (&flipped[..], "flipped")] {
                fs::write(&path, damaged).unwrap();
                assert_eq!(read(&path), pieces[..intact], "{how} at {at}");
                let is_aside = path.with_extension("broken").exists();
                assert_eq!(is_aside, intact == 0 && !damaged.is_empty());
                let _ = fs::remove_file(path.with_extension("broken"));
            }
        }
    }

    #[test]
    fn a_log_is_to_be_written_anew_when_it_has_grown_and_not_before() {
        let whole = vec![1; 40_000];
        let (_folder, path) = log(&[&whole]);
        let piece = vec![2; 1_000];
        let grown = (1..1_000).find(|_| append(&path, &piece).unwrap());
        let len = (grown.unwrap() * 1_052 + 40_052) as u64;
        let bound = LOG_GROWTH_MAX * 40_000;
        assert!((bound..bound + 1_100).contains(&len), "{len} bytes");
        let (_folder, path) = log(&[b"small"]);
        let grown = (1..1_000).find(|_| append(&path, &piece).unwrap());
        assert_eq!(grown, Some(LOG_LEN_MIN as usize / 1_052 + 1));
    }

    #[test]
    fn nothing_is_appended_to_a_log_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("templates");
        assert!(append(&path, b"changes").is_err());
        assert!(!path.exists() && read(&path).is_empty());
    }
}
