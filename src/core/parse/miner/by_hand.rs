//! What people wrote down, in the table of one stream.

use std::sync::Arc;

use super::table::{Origin, Slot, id_of};
use super::{Change, Miner, OVERFLOW};
use crate::core::parse::hand::{Hand, HandTemplate};

impl Miner {
    /// Goes by `hand` from now on. Templates and counts stay as they are; those that are no longer
    /// in the file give way like others when there is no room.
    pub fn set_hand(&mut self, hand: &Arc<Hand>) {
        if self.hand.is_empty() && hand.is_empty() {
            return;
        }
        for template in self
            .hand
            .templates()
            .iter()
            .filter(|template| template.is_pinned)
        {
            for text in template.texts() {
                if let Some(slot) = self.table.slot_of(id_of(text)) {
                    self.table.set_origin(slot, Origin::Recalled);
                }
            }
        }
        self.hand = Arc::clone(hand);
        self.splits.clear();
        // What was remembered of forms may be wrong now.
        self.cache.clear();
        for seed in hand.seeds() {
            self.seed(seed);
        }
    }

    /// What it goes by.
    pub fn hand(&self) -> &Hand {
        &self.hand
    }

    /// The slot of the template `index` of the file. There is one for each, so that they need no
    /// leave of the quarantine.
    pub(super) fn by_hand(&mut self, template: &HandTemplate, index: usize) -> Slot {
        let slot = self.given(&template.text, template.is_pinned);
        if template.split.is_some() && slot != OVERFLOW {
            self.splits.insert(slot, (self.table.version(slot), index));
        }
        slot
    }

    /// The slot for this record of a template in `slot`, which may be split by one of the values
    /// just found.
    pub(super) fn split(&mut self, slot: Slot, message: &[u8]) -> Slot {
        let Some(&(version, index)) = self.splits.get(&slot) else {
            return slot;
        };
        if version != self.table.version(slot) {
            return slot;
        }
        let hand = Arc::clone(&self.hand);
        let template = hand.templates().get(index);
        let chosen = template.and_then(|template| {
            let split = template.split.as_ref()?;
            let param = self.params.get(split.at)?;
            let value = message.get(param.start as usize..param.end as usize)?;
            Some((split.choose(value)?, template.is_pinned))
        });
        chosen.map_or(slot, |(text, is_pinned)| self.given(text, is_pinned))
    }

    /// The slot of a text that stays as it is, and never gives way if it is pinned.
    fn given(&mut self, text: &str, is_pinned: bool) -> Slot {
        let known = self.table.slot_of(id_of(text));
        let slot = match known {
            Some(slot) => slot,
            None if self.make_room().is_none() => return OVERFLOW,
            None => {
                let slot = self.table.insert(text, self.records);
                self.know(text, slot);
                self.tell(Change::New(id_of(text)));
                slot
            }
        };
        let origin = if is_pinned {
            Origin::Given
        } else {
            Origin::Recalled
        };
        if self.table.origin(slot) == Origin::Learned || is_pinned {
            self.table.set_origin(slot, origin);
        }
        slot
    }
}
