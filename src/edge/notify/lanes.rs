//! What is told of one incident reaches a sink in its order: while a message about it is under way
//! or waits for another attempt, the later ones are held back.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::deliver::Message;

/// What a message is about, and which of all about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lane {
    /// The id of the incident, or of the digest.
    pub(crate) about: Box<str>,
    pub(crate) revision: u64,
}

/// The lanes that are busy, and what is held back in each. Bounded by `Ledger::pending`, which
/// counts what is in here too.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// By revision; the number keeps two of one revision apart.
    busy: HashMap<Box<str>, BTreeMap<(u64, u64), Message>>,
    numbered: u64,
}

impl Lanes {
    /// Gives `message` back where its lane is free, and makes it busy; holds it back otherwise.
    pub(super) fn enter(&mut self, message: Message) -> Option<Message> {
        let Some(lane) = &message.lane else {
            return Some(message);
        };
        match self.busy.get_mut(&lane.about) {
            Some(held) => {
                self.numbered += 1;
                held.insert((lane.revision, self.numbered), message);
                None
            }
            None => {
                self.busy.insert(lane.about.clone(), BTreeMap::new());
                Some(message)
            }
        }
    }

    /// `message` is done with: the next in its lane, or none and the lane is free.
    pub(super) fn leave(&mut self, message: &Message) -> Option<Message> {
        let about = &message.lane.as_ref()?.about;
        let next = self.busy.get_mut(about)?.pop_first();
        if next.is_none() {
            self.busy.remove(about);
        }
        next.map(|(_, message)| message)
    }

    /// Everything that is held back. All lanes are free then.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Message> {
        let busy = std::mem::take(&mut self.busy);
        busy.into_values().flat_map(BTreeMap::into_values)
    }
}
