//! Secrets: read from a file or the environment, never shown.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use serde::Deserialize;

/// Most bytes of a secret file that are read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is found. The configuration never holds the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// In this file; white space at its ends does not count.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Why a secret cannot be used. No variant holds any part of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret from {from}: {why}")]
    Unreadable {
        /// Where it was looked for.
        from: String,
        /// The reason.
        why: String,
    },
    /// There is nothing in it.
    #[error("the secret in {0} is empty")]
    Empty(String),
}

/// Reads the text that `reference` leads to, without the white space at its ends.
pub(crate) fn load(reference: &SecretRef) -> Result<String, SecretError> {
    let unreadable = |why: String| SecretError::Unreadable {
        from: reference.to_string(),
        why,
    };
    let text = match reference {
        SecretRef::Env(name) => std::env::var(name).map_err(|e| unreadable(e.to_string()))?,
        SecretRef::File(path) => {
            let mut text = String::new();
            let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
            let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
            read.map_err(|e| unreadable(e.to_string()))?;
            text
        }
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(SecretError::Empty(reference.to_string()));
    }
    Ok(text.to_owned())
}

/// The same from async code. Whoever asks seldom reads it each time: tokens are changed under a daemon
/// that goes on.
pub(crate) async fn fresh(reference: &SecretRef) -> Result<String, SecretError> {
    let from = reference.to_string();
    let reference = reference.clone();
    let reading = tokio::task::spawn_blocking(move || load(&reference)).await;
    reading.unwrap_or_else(|error| {
        let why = error.to_string();
        Err(SecretError::Unreadable { from, why })
    })
}
