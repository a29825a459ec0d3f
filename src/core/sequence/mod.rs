//! Records of one stream → sequences in time order.
//!
//! [`KeyFinder`] says which sequences a record belongs to, [`Hold`] puts records in time order
//! within a bounded delay, and [`Sequences`] keeps the open ones until they go quiet. [`Journal`]
//! keeps what their records leave behind, for a while.

mod events;
mod hold;
mod journal;
mod key;
mod names;
mod open;
mod resources;
mod slab;

pub use events::SequenceEvent;
pub use hold::Hold;
pub use journal::{Journal, JournalLimits, Line};
pub use key::{
    DEFAULT_BODY_IDS, IDS_PER_RECORD_MAX, KeyFinder, KeyKind, PatternError, SequenceKey,
};
pub use open::{EVENTS_MAX, Sequence, SequenceId, Sequences};
