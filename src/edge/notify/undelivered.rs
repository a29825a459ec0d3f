//! Notifications as they are kept until they are delivered.

use serde::{Deserialize, Serialize};

use super::deliver::Message;

/// A notification for one sink that is not delivered yet. Opaque; to be stored before it is given to
/// [`Dispatcher::send`](super::Dispatcher::send), and to
/// [`Dispatcher::restore`](super::Dispatcher::restore) after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    pub(super) sink: String,
    pub(super) kind: String,
    pub(super) message: Message,
}

impl Undelivered {
    /// The sink it is for.
    pub fn sink(&self) -> &str {
        &self.sink
    }

    /// The type of that sink.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The id of its event.
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// Whether whoever hears of it may act: a proposal, or what a hook is told to do.
    pub fn is_acted_on(&self) -> bool {
        self.message.expires_at.is_some()
    }

    /// All else, for [`from_parts`](Self::from_parts).
    pub fn message(&self) -> Vec<u8> {
        // Text and numbers only, which can always be written.
        serde_json::to_vec(&self.message).unwrap_or_default()
    }

    /// What was stored; `None` where the bytes are no message.
    pub fn from_parts(sink: &str, kind: &str, message: &[u8]) -> Option<Self> {
        Some(Self {
            sink: sink.to_owned(),
            kind: kind.to_owned(),
            message: serde_json::from_slice(message).ok()?,
        })
    }

    /// The same, to be sent again by hand at `now`: what was given up for its age is not given up
    /// at once.
    #[must_use]
    pub fn again(mut self, now: crate::core::record::Timestamp) -> Self {
        self.message.offered_at = self.message.offered_at.max(now);
        self
    }
}
