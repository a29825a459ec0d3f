//! Files that are replaced as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Ends the name of a file that is being written.
const TEMPORARY: &str = "tmp";
/// Ends the name of a file that could not be read and was moved aside. One is kept of each name.
const BROKEN: &str = "broken";

/// Makes a folder and those above it, for this user alone: bodies of log lines are kept in them.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Opens or makes a file that only this user can read.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Puts `bytes` in the place of the file at `path`; a crash or a full disk at any moment leaves
/// either the old bytes or the new.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, |file| file.write_all(bytes))
}

fn replace_by(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let temporary = beside(path, TEMPORARY);
    let written = open_private(&temporary).and_then(|mut file| {
        file.set_len(0)?;
        write(&mut file)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        // It may never have been made; what was in place before is what matters.
        let _ = fs::remove_file(&temporary);
    }
    replaced?;
    match path.parent() {
        // The rename itself must survive a power cut.
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Moves a file that makes no sense out of the way, so that the next start does not trip again.
pub(super) fn set_aside(path: &Path, reason: &str) {
    let aside = beside(path, BROKEN);
    let moved = fs::rename(path, &aside).is_ok();
    tracing::warn!(
        path = %path.display(),
        moved_to = %aside.display(),
        moved,
        reason,
        "A state file cannot be read and was set aside; its content is learned again"
    );
}

/// Removes what an interrupted write left in the folder and in its streams.
pub(super) fn remove_leftovers(root: &Path) {
    let streams = fs::read_dir(root.join("streams"))
        .into_iter()
        .flatten()
        .flatten();
    let folders = streams.map(|entry| entry.path()).chain([root.to_owned()]);
    for folder in folders {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == TEMPORARY)
            {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

fn beside(path: &Path, extension: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_leaves_the_old_bytes_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        replace(&path, b"old").unwrap();
        let full = replace_by(&path, |file| {
            file.write_all(b"half of the ne")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_shorter_file_replaces_a_longer_leftover() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        fs::write(beside(&path, TEMPORARY), b"a long leftover of a crash").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
