//! Model files: read whole, or refused with what to do; and whether they fit the settings.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::Period;
use crate::core::detect::{Learned, LearnedError};
use crate::core::model::{Bundle, BundleError, TrainedOn};

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The file is not there or cannot be read.
    #[error("cannot read the model {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// What is in it cannot be used.
    #[error("cannot use the model {}: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: UnusableModel,
    },
}

/// Why bytes are no model that can be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableModel {
    /// They are no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A bundle that this build cannot judge by.
    #[error("{source}; knothole {made_by} made it: train it again with `knothole train`")]
    Voices {
        /// The version that made it.
        made_by: String,
        /// What is wrong with it.
        source: LearnedError,
    },
}

/// Reads the model in a file.
///
/// # Errors
/// If the file cannot be read or is no bundle that this build can judge by.
pub(crate) fn read(path: &Path) -> Result<Bundle, ModelFileError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        // One byte more than allowed tells a file that is too long from one that just fits.
        file.take(Bundle::LEN_MAX as u64 + 1)
            .read_to_end(&mut bytes)
    });
    read.map_err(|source| ModelFileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    from_bytes(&bytes).map_err(|source| ModelFileError::Unusable {
        path: path.to_owned(),
        source,
    })
}

/// The model in `bytes`.
///
/// # Errors
/// If they are no bundle that this build can judge by.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Bundle, UnusableModel> {
    let bundle = Bundle::from_bytes(bytes)?;
    match Learned::check(&bundle) {
        Ok(()) => Ok(bundle),
        Err(source) => Err(UnusableModel::Voices {
            made_by: bundle.manifest().knothole.clone(),
            source,
        }),
    }
}

/// A model was trained on sequences that another idle time-out cut than the one that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherIdleTimeout {
    /// What it was trained with.
    pub(crate) trained: Period,
    /// What is set.
    pub(crate) set: Period,
}

impl OtherIdleTimeout {
    /// `None` where the two are the same, or where the model does not say.
    pub(crate) fn of(trained_on: &TrainedOn, set: Duration) -> Option<Self> {
        let trained = trained_on.idle_timeout()?;
        (trained != set).then(|| Self {
            trained: trained.into(),
            set: set.into(),
        })
    }
}

impl fmt::Display for OtherIdleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trained, set } = self;
        write!(
            f,
            "was trained on sequences that end when nothing comes for {trained}, but here they end \
             after {set}: their counts will differ, and normal ones may be told as anomalies; set \
             `sequence.idle_timeout: {trained}`, or train a model with {set}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_says_what_to_set_only_where_it_was_trained_otherwise() {
        let differs = |trained_s: Option<u64>, set_s: u64| {
            let trained_on = TrainedOn {
                idle_timeout_ms: trained_s.map(|s| s * 1_000),
                ..TrainedOn::default()
            };
            OtherIdleTimeout::of(&trained_on, Duration::from_secs(set_s))
        };
        assert_eq!(differs(Some(20), 20), None);
        assert_eq!(differs(None, 60), None, "made before models told");
        let told = differs(Some(20), 300).unwrap().to_string();
        assert!(told.contains("set `sequence.idle_timeout: 20s`"), "{told}");
        assert!(told.contains("end after 5m"), "{told}");
    }
}
