//! Sequences of templates → how odd they are, with the evidence.
//!
//! The rule, the same for streams and for `knothole eval`:
//!
//! 1. Voices (`VOICES`) listen to a sequence, each for one thing: what comes next, how often what
//!    comes, when, with which values. A few judge each record as it comes, all judge a sequence
//!    that has ended, that rests or that was cut into a stretch.
//! 2. A template that the vocabulary lacks is told by a voice of its own. The order model is not
//!    asked about it, and it does not enter the model's state.
//! 3. What each voice finds becomes a p-value by what normal sequences scored that the voice did
//!    not learn from; families of voices become one p-value (`Ensemble`). No label is read.
//! 4. A sequence is an alarm where that p-value is at most the alarm rate asked for.
//! 5. Sequences that are known from their beginning and stretches of what never ends are learned
//!    and judged apart.
//!
//! `next_event`, `question`, `memo` and `verdict` are DeepLog as published, windows and ranks, which
//! `knothole eval` compares with; nothing else uses them.

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
mod recent;
mod rest;
pub mod rates;
mod sequence;
mod standings;
mod tail;
#[cfg(test)]
mod tests;
mod verdict;
mod voice;
pub mod voices;

pub use self::alike::Alike;
pub use self::detector::{
    Alarm, Detector, Judged, Learned, LearnedError, Opinion, Population, Step,
};
pub use self::ensemble::Ensemble;
pub use self::heard::Heard;
pub(in crate::core) use self::judging::scores_of_all;
pub use self::links::{Links, PARTS_MAX, Part};
pub use self::mind::{Company, FAMILIES, Found, IN_FLIGHT, Mind, Noted, TAIL_LEN, VOICES};
pub(in crate::core) use self::next_event::answers;
pub use self::next_event::{Judgement, NextEvent};
pub use self::order::{Order, OrderState, SavedOrder};
pub use self::patience::Patience;
pub use self::question::{Question, Questions, Trail};
pub use self::recent::Recent;
pub use self::rest::Rest;
pub use self::sequence::{EventSequence, ValueRows};
pub use self::standings::Listening;
pub use self::tail::Tail;
pub use self::verdict::{Finding, Verdict, judge_sequence};
pub use self::voice::{Surprise, Voice, Why};
