//! What can go wrong between us and a cluster.

use http::StatusCode;

use super::wire::{Fault, Reply};
use crate::core::record::inert;

/// Why a cluster was not read or not written to.
#[derive(Debug, thiserror::Error)]
pub enum KubeError {
    /// The settings lead to no cluster.
    #[error("cannot use the settings of the cluster: {0}")]
    Settings(String),
    /// No answer came, or none that can be waited for.
    #[error("cannot {doing}: {why}")]
    Unreachable {
        /// What was attempted.
        doing: String,
        /// The reason.
        why: String,
    },
    /// The cluster does not know who we are.
    #[error("cannot {doing}: the cluster does not know us: {why}")]
    Unauthenticated {
        /// What was attempted.
        doing: String,
        /// What the server says. Untrusted, bounded.
        why: String,
    },
    /// A permission is missing; what was attempted is its name: `get pods in namespace shop`.
    #[error("may not {doing}: {why}")]
    Forbidden {
        /// The permission.
        doing: String,
        /// What the server says. Untrusted, bounded.
        why: String,
    },
    /// The cluster answers with an error.
    #[error("cannot {doing}: the cluster answers {why}")]
    Refused {
        /// What was attempted.
        doing: String,
        /// The status, and what the server says. Untrusted, bounded.
        why: String,
    },
    /// What the cluster says cannot be read.
    #[error("cannot {doing}: cannot read what the cluster says: {why}")]
    Malformed {
        /// What was attempted.
        doing: String,
        /// The reason. Untrusted, bounded.
        why: String,
    },
    /// There are more objects than are read.
    #[error("cannot {doing}: there are more than {max}")]
    TooMany {
        /// What was attempted.
        doing: String,
        /// How many are read at most.
        max: usize,
    },
    /// A name that no object of a cluster has.
    #[error("{0:?} is no name of an object")]
    Name(String),
}

impl KubeError {
    /// Of an answer that is no success.
    pub(super) fn of(doing: &str, reply: &Reply) -> Self {
        let doing = doing.to_owned();
        match reply.status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated {
                doing,
                why: reply.said(),
            },
            StatusCode::FORBIDDEN => Self::Forbidden {
                doing,
                why: reply.said(),
            },
            _ => Self::Refused {
                doing,
                why: reply.said(),
            },
        }
    }

    /// Of no answer.
    pub(super) fn lost(doing: &str, fault: Fault) -> Self {
        let (Fault::NotSent(why) | Fault::Lost(why)) = fault;
        Self::Unreachable {
            doing: doing.to_owned(),
            why,
        }
    }

    /// Of an answer that is not what it should be.
    pub(super) fn malformed(doing: &str, why: &str) -> Self {
        Self::Malformed {
            doing: doing.to_owned(),
            why: bounded(why),
        }
    }
}

/// Most bytes of a text of somebody else's that are kept.
pub(super) const SAID_BYTES_MAX: usize = 500;

/// A text of somebody else's: on one line, harmless to look at, at most [`SAID_BYTES_MAX`] bytes.
pub(super) fn bounded(text: &str) -> String {
    // What is shown is never shorter than what was said.
    let mut shown = inert(cut(text, SAID_BYTES_MAX));
    let end = cut(&shown, SAID_BYTES_MAX).len();
    shown.truncate(end);
    shown
}

/// The beginning of `text` with at most `bytes_max` bytes, in whole characters.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or(text)
}

/// An error with what caused it, bounded.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if text.len() > SAID_BYTES_MAX {
            break;
        }
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    bounded(&text)
}
