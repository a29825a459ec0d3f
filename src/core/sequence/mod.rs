//! Records of one stream → sequences in time order.
//!
//! [`KeyFinder`] says which sequences a record belongs to, [`Hold`] puts records in time order
//! within a bounded delay, and [`Sequences`] keeps the open ones until they go quiet.

mod hold;
mod key;
mod open;

pub use hold::Hold;
pub use key::{
    DEFAULT_BODY_IDS, IDS_PER_RECORD_MAX, KeyFinder, KeyKind, PatternError, SequenceKey,
};
pub use open::{EVENTS_MAX, OpenSequence, Sequences};
