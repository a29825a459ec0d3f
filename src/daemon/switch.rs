//! The kill switch: while it is off nothing is done to any cluster.
//!
//! It is a file, so that anybody who can get at the host can throw it (`touch`), it outlives restarts, and
//! the API, the signal and the next process all see the same. It is looked at right before each request.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::core::record::inert;

/// The environment variable that stops all actions of a process while it is set to anything but `0`.
pub(crate) const ENVIRONMENT: &str = "KNOTHOLE_STOP_ACTIONS";
/// The file in the state folder, unless the settings name another.
pub(crate) const FILE: &str = "actions.stopped";
/// Most of the file that is read as the reason.
const REASON_BYTES_MAX: u64 = 500;

/// Whether anything may be done.
#[derive(Debug)]
pub(super) struct Switch {
    file: PathBuf,
    by_environment: bool,
    /// Orders to stop that are not carried out yet.
    ordered: AtomicU32,
    /// Thrown, and the file could not be written.
    unwritten: AtomicBool,
}

impl Switch {
    /// The switch whose file is `file`.
    pub(super) fn new(file: PathBuf) -> Self {
        let set = std::env::var_os(ENVIRONMENT);
        Self {
            file,
            by_environment: set.is_some_and(|value| !value.is_empty() && value != "0"),
            ordered: AtomicU32::new(0),
            unwritten: AtomicBool::new(false),
        }
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Why nothing may be done; `None` where it may. Whatever cannot be read stops it.
    pub(super) fn stopped(&self) -> Option<Box<str>> {
        if self.by_environment {
            return Some(format!("{ENVIRONMENT} is set").into());
        }
        match fs::File::open(&self.file) {
            Ok(file) => Some(reason(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.has_folder() => {
                let is_ordered = self.ordered.load(Ordering::SeqCst) > 0;
                let is_held = is_ordered || self.unwritten.load(Ordering::SeqCst);
                is_held.then(|| "somebody stopped all actions".into())
            }
            Err(error) => Some(format!("the kill switch cannot be read: {error}").into()),
        }
    }

    /// Whether a file could be there at all: on a volume that is not mounted nobody can throw the switch.
    fn has_folder(&self) -> bool {
        self.folder().is_dir()
    }

    fn folder(&self) -> &Path {
        let parent = self.file.parent();
        let parent = parent.filter(|it| !it.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }

    /// Somebody gave the order to stop all actions. They are stopped from the very moment of the call, until
    /// [`is_carried_out`](Self::is_carried_out) was called as often.
    pub(super) fn is_ordered(&self) {
        self.ordered.fetch_add(1, Ordering::SeqCst);
    }

    /// One order to stop was carried out.
    pub(super) fn is_carried_out(&self) {
        let less = |orders: u32| orders.checked_sub(1);
        let counted = self
            .ordered
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        debug_assert!(counted.is_ok(), "it was ordered");
    }

    /// Stops all actions. Where they are stopped already, the first reason stays.
    ///
    /// # Errors
    /// The file cannot be written: then they are stopped in this process alone.
    pub(super) fn stop(&self, why: &str) -> io::Result<()> {
        self.unwritten.store(true, Ordering::SeqCst);
        match fs::File::create_new(&self.file) {
            Ok(mut file) => {
                file.write_all(why.as_bytes())?;
                file.sync_all()?;
                fs::File::open(self.folder())?.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        self.unwritten.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Allows actions again.
    ///
    /// # Errors
    /// The file cannot be removed: then they stay stopped.
    pub(super) fn release(&self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.unwritten.store(false, Ordering::SeqCst);
        Ok(())
    }
}

fn reason(file: fs::File) -> Box<str> {
    let mut bytes = Vec::new();
    // What cannot be read gives no reason, and stops all the same.
    let _ = file.take(REASON_BYTES_MAX).read_to_end(&mut bytes);
    match inert(String::from_utf8_lossy(&bytes).trim()) {
        empty if empty.is_empty() => "somebody stopped all actions".into(),
        why => why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch() -> (tempfile::TempDir, Switch) {
        let folder = tempfile::tempdir().unwrap();
        let switch = Switch::new(folder.path().join(FILE));
        (folder, switch)
    }

    #[test]
    fn a_file_stops_all_and_its_text_is_the_reason() {
        let (_folder, switch) = switch();
        assert_eq!(switch.stopped(), None);
        fs::write(switch.file(), "migration \u{1b}[31m until noon\n").unwrap();
        let why = switch.stopped().unwrap();
        assert!(
            why.starts_with("migration") && !why.contains('\u{1b}'),
            "{why}"
        );
        fs::write(switch.file(), "").unwrap();
        assert!(switch.stopped().is_some());
    }

    #[test]
    fn what_was_stopped_stays_so_for_the_next_process_until_it_is_released() {
        let (folder, switch) = switch();
        switch.stop("ana: too much").unwrap();
        let next = Switch::new(folder.path().join(FILE));
        assert_eq!(next.stopped().as_deref(), Some("ana: too much"));
        next.release().unwrap();
        assert_eq!(next.stopped(), None);
    }

    #[test]
    fn the_first_reason_stays_and_whoever_removes_the_file_allows_all_again() {
        let (_folder, switch) = switch();
        switch.stop("migration until noon").unwrap();
        switch.stop("signal: stop").unwrap();
        assert_eq!(switch.stopped().as_deref(), Some("migration until noon"));
        fs::remove_file(switch.file()).unwrap();
        assert_eq!(switch.stopped(), None);
    }

    #[test]
    fn an_order_stops_all_before_it_is_carried_out_also_while_another_releases() {
        let (_folder, switch) = switch();
        switch.is_ordered();
        assert!(switch.stopped().is_some());
        switch.release().unwrap();
        assert!(switch.stopped().is_some());
        switch.stop("ana: too much").unwrap();
        switch.is_carried_out();
        assert_eq!(switch.stopped().as_deref(), Some("ana: too much"));
        switch.release().unwrap();
        assert_eq!(switch.stopped(), None);
    }

    #[test]
    fn a_switch_that_cannot_be_written_or_read_stops_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let switch = Switch::new(folder.path().join("gone").join(FILE));
        assert!(switch.stopped().is_some(), "nobody could throw it");
        assert!(switch.stop("now").is_err());
        fs::create_dir(folder.path().join("gone")).unwrap();
        assert!(switch.stopped().is_some());
        // A file is no folder: neither there nor missing.
        fs::write(folder.path().join("file"), "").unwrap();
        let odd = Switch::new(folder.path().join("file").join(FILE));
        assert!(odd.stopped().unwrap().contains("cannot be read"));
    }
}
