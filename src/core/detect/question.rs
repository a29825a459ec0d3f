//! What the model is asked: this came after these, was it to be expected?

use serde::{Deserialize, Serialize};

use crate::core::model::{Key, WINDOW_LEN, Window};

/// A window and the key that came after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// What came before.
    pub window: Window,
    /// What came.
    pub came: Key,
}

/// Where a sequence stands: the keys that a next record is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    window: Window,
    /// How many keys of the window are known, its padding included.
    known: u8,
}

/// Everything the model is asked about one sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// The questions, each with the position of its event; the end stands after the last event.
    pub asked: Vec<(usize, Question)>,
    /// The positions of events whose template the vocabulary lacks.
    pub new_templates: Vec<usize>,
}

impl Trail {
    /// A sequence whose first record is yet to come.
    pub fn from_beginning() -> Self {
        Self {
            window: [Key::BEGIN; WINDOW_LEN],
            known: WINDOW_LEN as u8,
        }
    }

    /// A sequence of which earlier records were missed.
    pub fn from_midway() -> Self {
        Self {
            window: [Key::BEGIN; WINDOW_LEN],
            known: 0,
        }
    }

    /// A sequence known to begin, or not.
    pub fn new(begins: bool) -> Self {
        if begins {
            Self::from_beginning()
        } else {
            Self::from_midway()
        }
    }

    /// Moves on by the key that came. `None` when too little is known to judge it.
    pub fn step(&mut self, came: Key) -> Option<Question> {
        let question = self.question(came);
        self.window.rotate_left(1);
        self.window[WINDOW_LEN - 1] = came;
        self.known = (self.known + 1).min(WINDOW_LEN as u8);
        question
    }

    /// Asks about the end of the sequence. `None` when too little is known to judge it.
    pub fn end(&self) -> Option<Question> {
        self.question(Key::END)
    }

    fn question(&self, came: Key) -> Option<Question> {
        (usize::from(self.known) == WINDOW_LEN).then_some(Question {
            window: self.window,
            came,
        })
    }
}
