//! What records have in common: which values name one thing (a node, a request), found and not
//! configured, and the parts of a sequence that concern each thing.

use serde::{Deserialize, Serialize};

use super::Heard;

/// Most parts of one sequence.
pub const PARTS_MAX: usize = 64;

/// Which places of which templates name the same kind of thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Links {}

/// The records of a sequence that concern one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which kind of thing: the index of the link.
    pub link: u16,
    /// The thing: the hash of the value that names it.
    pub value: u32,
    /// Where it is named first: index of the known record, place of the value in it.
    pub named_at: (u32, u32),
    /// The records that concern it, ascending indices of known records.
    pub indices: Vec<usize>,
}

impl Links {
    /// Finds the links in normal sequences.
    pub fn learn(_corpus: &[Heard]) -> Self {
        Self::default()
    }

    /// Whether nothing links records.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// How many kinds of things there are.
    pub fn len(&self) -> usize {
        0
    }

    /// The parts of a sequence, by link and then in the order in which things are named first; at
    /// most [`PARTS_MAX`].
    pub fn parts(&self, _heard: &Heard) -> Vec<Part> {
        Vec::new()
    }
}
