//! Windows of a sequence → how surprising each record is, with the evidence.
//!
//! The rule, the same for streams, for training and for `knothole eval`:
//!
//! 1. Where a sequence is known to begin, its first windows are padded on the left with
//!    [`Key::BEGIN`](crate::core::model::Key::BEGIN), so a short sequence is judged from its first
//!    record on. Where it is not (a service's log joined midway), only records with a full window
//!    before them are judged.
//! 2. A template that the model's vocabulary lacks is an anomaly of its own kind. The model is
//!    not asked about it, and it does not enter the window.
//! 3. A known template is a miss when the model ranks it below the first `top_g` keys (DeepLog's
//!    rule).
//! 4. When a sequence ends (and is one that does), its end is judged like a record.
//! 5. A sequence is abnormal from its first new template or miss on.
//!
//! `top_g` is calibrated on held-out normal sequences, and no label is read: it is the smallest
//! that at most the alarm rate asked for of these sequences exceed at their worst moment. The
//! p-value of an event is the share of held-out sequences whose worst moment was at least as
//! surprising.

mod alike;
mod detector;
mod ensemble;
mod heard;
mod judging;
mod links;
mod memo;
mod mind;
mod next_event;
mod order;
mod patience;
mod question;
mod rest;
pub mod rates;
mod sequence;
mod tail;
#[cfg(test)]
mod tests;
mod verdict;
mod voice;
pub mod voices;

pub use self::alike::Alike;
pub use self::detector::{
    Alarm, Detector, Judged, Learned, LearnedError, Listening, Opinion, Population, Step,
};
pub use self::ensemble::Ensemble;
pub use self::heard::Heard;
pub(in crate::core) use self::judging::scores_of_all;
pub use self::links::{Links, PARTS_MAX, Part};
pub use self::mind::{Company, FAMILIES, Found, IN_FLIGHT, Mind, TAIL_LEN, VOICES};
pub(in crate::core) use self::next_event::answers;
pub use self::next_event::{Judgement, NextEvent};
pub use self::order::{Order, OrderState, SavedOrder};
pub use self::patience::Patience;
pub use self::question::{Question, Questions, Trail};
pub use self::rest::Rest;
pub use self::sequence::{EventSequence, ValueRows};
pub use self::tail::Tail;
pub use self::verdict::{Finding, Verdict, judge_sequence};
pub use self::voice::{Surprise, Voice, Why};
