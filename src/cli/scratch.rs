//! A folder for as long as a command runs.

use std::fs;
use std::path::{Path, PathBuf};

use super::failure::{Failure, OrFailure as _};

/// A folder in the system's temporary one that is gone when this is.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder named after `command` and this process.
    ///
    /// # Errors
    /// That of the environment when it cannot be made.
    pub(crate) fn of(command: &str) -> Result<Self, Failure> {
        let name = format!("knothole-{command}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).or_environment()?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's temporary folder and is small.
        let _ = fs::remove_dir_all(&self.0);
    }
}
