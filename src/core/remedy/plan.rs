//! An action and what was read → what would be sent, byte for byte.

use super::facts::Facts;
use crate::core::event::{Action, Object, Request};
use crate::core::record::Timestamp;

/// What would be done, before any check was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The very object that is acted on.
    pub subject: Option<Object>,
    /// What is sent.
    pub requests: Vec<Request>,
    /// How it is undone, where it can be.
    pub undo: Vec<Request>,
}

/// What carrying out `action` takes, as the cluster stands.
///
/// # Errors
/// It cannot be done to such a target; why, in one sentence.
pub fn draft(action: &Action, facts: &Facts, now: Timestamp) -> Result<Draft, String> {
    let _ = (action, facts, now);
    Err("this cannot be planned yet".to_owned())
}

/// Over what is done and to what. 32 hex digits.
pub fn hash(draft: &Draft) -> Box<str> {
    let _ = draft;
    "".into()
}
