//! What somebody did to a service: the first thing asked for when it breaks.

use serde::{Deserialize, Serialize};

use super::{StreamKey, Timestamp};

/// A change of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Derived from content, or what its sender calls it. Unique among changes.
    pub id: Box<str>,
    /// What sort of change.
    pub kind: ChangeKind,
    /// The service that was changed.
    pub stream: StreamKey,
    /// What it was before, where that is known: a version.
    pub from: Option<Box<str>>,
    /// What it is since, where that is known: a version, the name of a flag.
    pub to: Option<Box<str>>,
    /// When it took effect.
    pub at: Timestamp,
    /// A revision, a pull request: what a person would look up. Untrusted.
    pub reference: Option<Box<str>>,
    /// Where to look it up. Untrusted.
    pub url: Option<Box<str>>,
}

/// How a change came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Records of the service came with another `service.version`.
    Version,
    /// Its pods came from another ReplicaSet.
    Rollout,
    /// Somebody posted it.
    Posted,
}

impl ChangeKind {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Rollout => "rollout",
            Self::Posted => "posted",
        }
    }
}
