//! What something tells an operator about.

use serde::{Deserialize, Serialize};

/// What a template, a sign or an incident tells an operator about.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something went wrong.
    Error,
    /// Something took long, or how long it took.
    Latency,
    /// Something is full or used up.
    Saturation,
    /// Something is gone, going or coming back.
    Availability,
    /// Anything else.
    #[default]
    Info,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Latency,
        Self::Saturation,
        Self::Availability,
        Self::Info,
    ];

    /// The name used in files and in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Latency => "latency",
            Self::Saturation => "saturation",
            Self::Availability => "availability",
            Self::Info => "info",
        }
    }

    /// The class called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}
