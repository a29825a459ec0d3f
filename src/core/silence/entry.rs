//! A silence: somebody asks not to be told of something for a while, and says why.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::matcher::Matcher;
use crate::core::record::Timestamp;

/// Somebody does not want to hear of something for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Derived from all but `created`. 32 hex digits.
    pub id: Box<str>,
    /// What it is for: all of these hold.
    pub matchers: Vec<Matcher>,
    /// Whose it is.
    pub owner: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// When it was made; it is there at once.
    pub created: Timestamp,
    /// Until when; at this moment it is over.
    pub expires: Timestamp,
}

/// Why something is no silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It has too few or too many matchers.
    #[error("{0} matchers; write between 1 and {MATCHERS_MAX}")]
    MatcherCount(usize),
    /// It is for everything.
    #[error(
        "it would be for everything; at least one matcher must not fit what lacks the label, such as service=\"cart\""
    )]
    Everything,
    /// Nobody owns it.
    #[error("nobody owns it; write who is to be asked about it")]
    NoOwner,
    /// There is no reason for it.
    #[error("it has no reason; write why, so that others know when it may go")]
    NoReason,
    /// It would last for too long.
    #[error("it would last for more than {} days; renew it when they are over", LASTS_MAX.as_secs() / 86_400)]
    TooLong,
}

impl SilenceError {
    /// The part of a silence that is wrong, as files and requests call it.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::MatcherCount(_) | Self::Everything => "matchers",
            Self::NoOwner => "owner",
            Self::NoReason => "reason",
            Self::TooLong => "expires",
        }
    }
}

/// Most silences.
pub const SILENCES_MAX: usize = 1_000;
/// Most matchers of a silence or window.
pub const MATCHERS_MAX: usize = 32;
/// Longest that a silence lasts.
pub const LASTS_MAX: Duration = Duration::from_secs(90 * 86_400);

impl Silence {
    /// A silence from `created` until `expires`.
    ///
    /// # Errors
    /// It has no owner or reason, would last longer than [`LASTS_MAX`], or is for everything.
    pub fn new(
        matchers: Vec<Matcher>,
        owner: &str,
        reason: &str,
        created: Timestamp,
        expires: Timestamp,
    ) -> Result<Self, SilenceError> {
        check_matchers(&matchers)?;
        if owner.trim().is_empty() {
            return Err(SilenceError::NoOwner);
        }
        if reason.trim().is_empty() {
            return Err(SilenceError::NoReason);
        }
        if expires.since(created) > LASTS_MAX {
            return Err(SilenceError::TooLong);
        }
        Ok(Self {
            id: id_of(&matchers, owner, reason, expires),
            matchers,
            owner: owner.into(),
            reason: reason.into(),
            created,
            expires,
        })
    }

    /// Whether it is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires <= now
    }
}

/// What silences and windows alike must be for: something, and not everything.
///
/// # Errors
/// There are none or too many, or they hold for anything.
pub fn check_matchers(matchers: &[Matcher]) -> Result<(), SilenceError> {
    if matchers.is_empty() || matchers.len() > MATCHERS_MAX {
        return Err(SilenceError::MatcherCount(matchers.len()));
    }
    match matchers.iter().all(Matcher::holds_without) {
        true => Err(SilenceError::Everything),
        false => Ok(()),
    }
}

fn id_of(matchers: &[Matcher], owner: &str, reason: &str, expires: Timestamp) -> Box<str> {
    let mut hash = Sha256::new();
    let expires = expires.as_nanos().to_string();
    let texts = matchers.iter().map(Matcher::to_string);
    let others = [owner, reason, &expires].map(str::to_owned);
    for text in texts.chain(others) {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    let mut id = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id.into()
}
