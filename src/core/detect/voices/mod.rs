//! The views of what is normal, one module each.

mod counts;
mod echoes;
mod gaps;
mod length;
mod nearest;
mod ngram;
mod pace;
mod precedence;
mod range;
mod rare;
mod relations;
mod tally;
#[cfg(test)]
mod tests;
mod triggers;
mod unseen;
mod values;

use serde::{Deserialize, Serialize};

pub use self::counts::Counts;
pub use self::length::Length;
pub use self::nearest::Nearest;
pub use self::ngram::Ngram;
pub use self::pace::{Pace, Step};
pub use self::precedence::Precedence;
pub use self::rare::Rare;
pub use self::relations::Relations;
pub use self::unseen::Unseen;
pub use self::values::Values;
use super::{Heard, Voice};

/// The voices that need keys alone, learned from the same sequences (or parts of sequences).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyVoices {
    /// Templates that never came.
    pub unseen: Unseen,
    /// Templates that seldom come.
    pub rare: Rare,
    /// How often each template comes.
    pub counts: Counts,
    /// What comes as often as what.
    pub relations: Relations,
    /// How long sequences are and where they end.
    pub length: Length,
    /// What comes next.
    pub ngram: Ngram,
    /// What always comes before or after what.
    pub precedence: Precedence,
}

impl KeyVoices {
    /// Learns all of them from normal sequences in chronological order, whose keys are below
    /// `key_count`.
    pub fn learn(corpus: &[Heard], key_count: usize) -> Self {
        Self {
            unseen: Unseen::learn(corpus, key_count),
            rare: Rare::learn(corpus, key_count),
            counts: Counts::learn(corpus, key_count),
            relations: Relations::learn(corpus, key_count),
            length: Length::learn(corpus, key_count),
            ngram: Ngram::learn(corpus, key_count),
            precedence: Precedence::learn(corpus, key_count),
        }
    }

    /// Each voice, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Voice> {
        let voices: [&dyn Voice; 7] = [
            &self.unseen,
            &self.rare,
            &self.counts,
            &self.relations,
            &self.length,
            &self.ngram,
            &self.precedence,
        ];
        voices.into_iter()
    }
}
