//! A maintenance window: a time at which what is odd is no news.

use serde::Deserialize;

use super::entry::{SilenceError, check_matchers};
use super::matcher::Matcher;
use super::schedule::Schedule;
use super::subject::OF_SERVICES;

/// A time at which what is odd about some services wakes nobody, or is not learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// What it is called. Unique among windows.
    pub name: Box<str>,
    /// What it is for: all of these hold.
    pub matchers: Vec<Matcher>,
    /// When.
    pub schedule: Schedule,
    /// What is not done during it.
    pub mode: Mode,
}

/// What is not done during a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nobody is told.
    #[default]
    Mute,
    /// Nothing is learned from.
    NoLearn,
    /// Neither.
    Both,
}

impl Mode {
    /// The name used in files and in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::NoLearn => "no_learn",
            Self::Both => "both",
        }
    }

    /// Whether nobody is told.
    pub const fn mutes(self) -> bool {
        matches!(self, Self::Mute | Self::Both)
    }

    /// Whether nothing is learned from.
    pub const fn stops_learning(self) -> bool {
        matches!(self, Self::NoLearn | Self::Both)
    }
}

/// Why something is no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// It is for nothing, or for everything.
    #[error(transparent)]
    Matchers(#[from] SilenceError),
    /// It would stop learning from a part of a service, or from what is abnormal alone.
    #[error(
        "learning stops for whole services, so a matcher on {0:?} cannot tell from what; use service, namespace and environment, or mode: mute"
    )]
    NotOfServices(Box<str>),
}

impl Window {
    /// A window called `name`.
    ///
    /// # Errors
    /// Its matchers are for nothing or for everything, or it would stop learning by other labels than
    /// those of services.
    pub fn new(
        name: &str,
        matchers: Vec<Matcher>,
        schedule: Schedule,
        mode: Mode,
    ) -> Result<Self, WindowError> {
        check_matchers(&matchers)?;
        let of_others = matchers
            .iter()
            .find(|matcher| mode.stops_learning() && !OF_SERVICES.contains(&matcher.name()));
        if let Some(matcher) = of_others {
            return Err(WindowError::NotOfServices(matcher.name().into()));
        }
        Ok(Self {
            name: name.into(),
            matchers,
            schedule,
            mode,
        })
    }
}

/// Most windows.
pub const WINDOWS_MAX: usize = 200;
