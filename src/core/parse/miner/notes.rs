//! What changed in a miner since its state was last written, noted where it changes.

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::groups::GroupRow;
use super::table::Slot;
use crate::core::record::TemplateId;

/// Bytes of [`Step`]s that are noted, about. Where more happens between two writings, the state is
/// written as a whole, which takes about as long then.
pub const STEPS_BYTES_MAX: usize = 4 << 20;
/// About what a step takes besides its texts and lists.
const STEP_LEN: usize = 48;

/// What happened to a part of the state in which the order of things matters. The same steps from
/// the same state lead to the same state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Step {
    /// An id leads to another from now on.
    Alias(TemplateId, TemplateId),
    /// A template with this id was born, so that it leads nowhere else.
    Born(TemplateId),
    /// A shape was added.
    Shape {
        text: Box<str>,
        /// What it ends in that never becomes a wildcard.
        constant: Box<str>,
        slot: Slot,
        /// Whether the template said it already.
        is_told: bool,
    },
    /// The templates of a group were worked out: the shapes that changed theirs, by place, and how
    /// many templates are dead.
    WorkedOut {
        /// The group.
        of: u64,
        /// Places and slots.
        moved: Vec<(u32, Slot)>,
        /// Templates that say what a wider one says too.
        dead: u32,
    },
    /// The shapes of templates that were let go were forgotten.
    Forgotten(Vec<Slot>),
    /// A group as it is.
    Group(u64, GroupRow),
    /// A wide template that was let go is kept in mind: the key of its pattern.
    Kept(Box<str>),
    /// This shape, which ends in that constant, called one back.
    Recalled { shape: Box<str>, constant: Box<str> },
}

impl Step {
    fn len(&self) -> usize {
        STEP_LEN
            + match self {
                Self::Shape { text, constant, .. } => text.len() + constant.len(),
                Self::Recalled { shape, constant } => shape.len() + constant.len(),
                Self::Kept(key) => key.len(),
                Self::WorkedOut { moved, .. } => 8 * moved.len(),
                Self::Forgotten(slots) => 4 * slots.len(),
                Self::Alias(..) | Self::Born(_) | Self::Group(..) => 0,
            }
    }
}

/// Notes of what changed. Nothing is noted before the first [`begin`](Self::begin).
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// A template whose latest record has a lower number was not counted for since. 0 while
    /// nothing is noted.
    pub(super) counted_before: u64,
    /// Templates counted for.
    pub(super) counted: Vec<Slot>,
    changed: FxHashSet<Slot>,
    steps: Vec<Step>,
    bytes: usize,
    /// How many times notes were taken since the state was written as a whole.
    pub(super) number: u32,
}

/// What was noted.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) number: u32,
    /// Places in which a template came, changed or went, ascending.
    pub(super) changed: Vec<Slot>,
    /// Others whose template took records, ascending.
    pub(super) counted: Vec<Slot>,
    pub(super) steps: Vec<Step>,
}

impl Notes {
    /// Notes from here on, after so many records, what changes in a state that was just written.
    pub(super) fn begin(&mut self, records: u64) {
        *self = Self {
            counted_before: records + 1,
            ..Self::default()
        };
    }

    /// What changed, to be written; noting goes on from here. `None` when that is not known.
    pub(super) fn take(&mut self, records: u64) -> Option<Noted> {
        if !self.is_on() {
            return None;
        }
        let number = self.number + 1;
        let taken = std::mem::take(self);
        self.begin(records);
        self.number = number;
        let mut changed: Vec<Slot> = taken.changed.iter().copied().collect();
        changed.sort_unstable();
        let mut counted = taken.counted;
        counted.retain(|slot| !taken.changed.contains(slot));
        counted.sort_unstable();
        counted.dedup();
        Some(Noted {
            number,
            changed,
            counted,
            steps: taken.steps,
        })
    }

    pub(super) fn is_on(&self) -> bool {
        self.counted_before > 0
    }

    /// Whether nothing changed since the state was written.
    pub(super) fn is_unchanged(&self, records: u64) -> bool {
        let nothing = self.changed.is_empty() && self.steps.is_empty();
        nothing && self.counted_before == records + 1
    }

    /// A template came, changed by more than a count, or went.
    pub(super) fn changed(&mut self, slot: Slot) {
        if self.is_on() {
            self.changed.insert(slot);
        }
    }

    /// Something happened; `step` is called where that is noted.
    pub(super) fn step(&mut self, step: impl FnOnce() -> Step) {
        if !self.is_on() {
            return;
        }
        let step = step();
        self.bytes += step.len();
        self.steps.push(step);
        if self.bytes > STEPS_BYTES_MAX {
            *self = Self::default();
        }
    }
}
