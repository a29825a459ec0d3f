//! The templates of one stream: their ids, what became of them, and the room they take.

use std::collections::{BTreeSet, VecDeque};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::notes::{Notes, Step};
use super::{Limits, Template};
use crate::core::record::{TemplateId, Timestamp};

/// Of full room, the share that is freed at once, so that freeing is rare.
const FREED_SHARE: usize = 16;
/// A template stays this many records longer for each record it took.
const STAY_PER_RECORD: u64 = 64;
/// Templates named in [`Template::merged`]; the alias table knows the others.
pub const LINEAGE_MAX: usize = 64;
/// Names other parsers gave to one template that are kept.
pub const ALIASES_MAX: usize = 8;

/// A place in the table. It may be taken by another template later; ids are never reused.
pub(super) type Slot = u32;

#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Entry {
    /// In the order of birth over the life of the stream.
    pub(super) rank: u32,
    pub(super) origin: Origin,
    /// The number of the latest record it took.
    pub(super) last_record: u64,
    pub(super) template: Template,
}

/// A place in the table. All that a record of a known form needs is in its first 64 bytes, one
/// line of the processor's cache.
#[derive(Debug)]
#[repr(C, align(64))]
struct Place {
    /// Counted up whenever what the slot stands for changes, so that whoever remembers it knows.
    version: u32,
    is_taken: bool,
    /// Of no matter unless the place is taken.
    entry: Entry,
}

/// Where a template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// From shapes that came; more of them may widen it.
    Learned,
    /// Learned before, let go, and come back. It stays as it was.
    Recalled,
    /// From a model or by hand. It stays as it is and never gives way.
    Given,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    places: Vec<Place>,
    /// The lowest is taken first, so that a restored table goes on as this one would have.
    free: BTreeSet<Slot>,
    by_id: FxHashMap<TemplateId, Slot>,
    /// Where the ids of templates went that are no more.
    aliases: FxHashMap<TemplateId, TemplateId>,
    aliases_order: VecDeque<TemplateId>,
    births: u32,
    /// Records of templates that were let go.
    pub(super) let_go: u64,
    pub(super) notes: Notes,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Entry> {
        self.places.get(slot as usize)?.entry()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        let place = self.places.get_mut(slot as usize)?;
        place.is_taken.then_some(&mut place.entry)
    }

    pub(super) fn version(&self, slot: Slot) -> u32 {
        let place = self.places.get(slot as usize);
        place.map_or(0, |place| place.version)
    }

    /// The entries in order of birth.
    pub(super) fn in_order(&self) -> Vec<(Slot, &Entry)> {
        let mut all: Vec<(Slot, &Entry)> = self.iter().collect();
        all.sort_unstable_by_key(|(_, entry)| entry.rank);
        all
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        let slots = self.places.iter().enumerate();
        slots.filter_map(|(slot, place)| Some((slot as Slot, place.entry()?)))
    }

    pub(super) fn slot_of(&self, id: TemplateId) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    /// The slot of what `id` names today.
    pub(super) fn resolve(&self, id: TemplateId) -> Option<Slot> {
        self.slot_of(self.leads_to(id))
    }

    /// The id at the end of the aliases that begin with `id`.
    pub(super) fn leads_to(&self, mut id: TemplateId) -> TemplateId {
        // An alias always leads to a younger name; the bound is for tables that are not ours.
        for _ in 0..=self.aliases.len() {
            match self.aliases.get(&id) {
                Some(to) if !self.by_id.contains_key(&id) => id = *to,
                _ => break,
            }
        }
        id
    }

    pub(super) fn id(&self, slot: Slot) -> Option<TemplateId> {
        self.get(slot).map(|entry| entry.template.id)
    }

    pub(super) fn origin(&self, slot: Slot) -> Origin {
        self.get(slot).map_or(Origin::Learned, |entry| entry.origin)
    }

    /// How many templates were ever born.
    pub(super) fn births(&self) -> u32 {
        self.births
    }

    /// Whether a template was born after so many others, and has nothing merged into it yet.
    pub(super) fn is_unused_since(&self, slot: Slot, births: u32) -> bool {
        let entry = self.get(slot);
        entry.is_some_and(|entry| entry.rank >= births && entry.template.merged.is_empty())
    }

    /// Counts a record for a template.
    pub(super) fn count(&mut self, slot: Slot, time: Timestamp, record: u64) -> Option<&Entry> {
        let place = self.places.get_mut(slot as usize)?;
        let entry = place.is_taken.then_some(&mut place.entry)?;
        if entry.last_record < self.notes.counted_before {
            self.notes.counted.push(slot);
        }
        let template = &mut entry.template;
        template.count += 1;
        template.first_seen = template.first_seen.min(time);
        template.last_seen = template.last_seen.max(time);
        entry.last_record = record;
        Some(entry)
    }

    /// Adds a template with the text `text`, which no template has.
    pub(super) fn insert(&mut self, text: &str, record: u64) -> Slot {
        let id = id_of(text);
        let entry = Entry {
            rank: self.births,
            last_record: record,
            ..Entry::of(id, text)
        };
        self.births = self.births.saturating_add(1);
        // A template that comes back is itself again, not what it was merged into before.
        if self.unalias(id) {
            self.notes.step(|| Step::Born(id));
        }
        let slot = self.place(entry);
        self.notes.changed(slot);
        self.by_id.insert(id, slot);
        slot
    }

    fn place(&mut self, entry: Entry) -> Slot {
        if let Some(slot) = self.free.pop_first() {
            if let Some(place) = self.places.get_mut(slot as usize) {
                place.take_up(entry);
            }
            return slot;
        }
        self.places.push(Place::new(Some(entry)));
        (self.places.len() - 1) as Slot
    }

    /// Moves what `from` counted to `into`, whose lineage it joins; `from` is free afterwards.
    pub(super) fn merge(&mut self, from: Slot, into: Slot, limits: &Limits) {
        if from == into {
            return;
        }
        let Some(gone) = self.remove(from) else {
            return;
        };
        self.notes.changed(into);
        let Some(entry) = self.get_mut(into) else {
            return;
        };
        // The older of the two ranks, so that what came first still comes first.
        entry.rank = entry.rank.min(gone.rank);
        entry.last_record = entry.last_record.max(gone.last_record);
        let gone = gone.template;
        let kept = &mut entry.template;
        kept.count += gone.count;
        kept.first_seen = kept.first_seen.min(gone.first_seen);
        kept.last_seen = kept.last_seen.max(gone.last_seen);
        let lineage = gone.merged.into_iter().chain([gone.id]);
        kept.merged
            .extend(lineage.take(LINEAGE_MAX.saturating_sub(kept.merged.len())));
        let names = gone.aliases.into_iter();
        kept.aliases
            .extend(names.take(ALIASES_MAX.saturating_sub(kept.aliases.len())));
        let into_id = kept.id;
        self.alias(gone.id, into_id, limits);
    }

    pub(super) fn alias(&mut self, from: TemplateId, to: TemplateId, limits: &Limits) {
        if from == to {
            return;
        }
        self.notes.step(|| Step::Alias(from, to));
        if self.aliases.insert(from, to).is_none() {
            self.aliases_order.push_back(from);
        }
        while self.aliases_order.len() > limits.aliases_max
            && let Some(oldest) = self.aliases_order.pop_front()
        {
            self.aliases.remove(&oldest);
        }
    }

    /// Whatever remembers this slot has to look again.
    pub(super) fn bump(&mut self, slot: Slot) {
        self.notes.changed(slot);
        if let Some(place) = self.places.get_mut(slot as usize) {
            place.version = place.version.wrapping_add(1);
        }
    }

    pub(super) fn set_origin(&mut self, slot: Slot, origin: Origin) {
        self.notes.changed(slot);
        if let Some(entry) = self.get_mut(slot) {
            entry.origin = origin;
        }
    }

    /// Notes what another parser calls this template.
    pub(super) fn name(&mut self, slot: Slot, alias: &str) {
        let Some(entry) = self.get_mut(slot) else {
            return;
        };
        let names = &mut entry.template.aliases;
        if names.len() < ALIASES_MAX && names.iter().all(|known| &**known != alias) {
            names.push(alias.into());
            self.notes.changed(slot);
        }
    }

    /// Lets go of the templates that were used least and longest ago, in order of birth. They come
    /// back with their old id when their lines do.
    pub(super) fn let_go(&mut self, limits: &Limits) -> Vec<(Slot, Template)> {
        let mut loose: Vec<(u64, u32, Slot)> = self
            .iter()
            .filter(|(_, entry)| entry.origin != Origin::Given)
            .map(|(slot, entry)| {
                let stay = entry.template.count.saturating_mul(STAY_PER_RECORD);
                (entry.last_record.saturating_add(stay), entry.rank, slot)
            })
            .collect();
        loose.sort_unstable();
        loose.truncate((limits.templates_max / FREED_SHARE).max(1));
        let mut gone = Vec::with_capacity(loose.len());
        for (_, _, slot) in loose {
            if let Some(entry) = self.remove(slot) {
                self.let_go += entry.template.count;
                gone.push((slot, entry.template));
            }
        }
        gone
    }

    /// The aliases, oldest first.
    pub(super) fn aliases(&self) -> impl Iterator<Item = (TemplateId, TemplateId)> {
        let order = self.aliases_order.iter();
        order.filter_map(|from| Some((*from, *self.aliases.get(from)?)))
    }

    /// An id is no alias any more, as when a template with it is born.
    pub(super) fn unalias(&mut self, id: TemplateId) -> bool {
        let was_alias = self.aliases.remove(&id).is_some();
        if was_alias {
            self.aliases_order.retain(|from| *from != id);
        }
        was_alias
    }

    /// Puts an entry in its place, as it was written.
    pub(super) fn put(&mut self, slot: Slot, entry: Entry) {
        let at = slot as usize;
        if self.places.len() <= at {
            let vacant = self.places.len() as Slot..slot;
            self.free.extend(vacant);
            self.places.resize_with(at + 1, || Place::new(None));
        }
        self.free.remove(&slot);
        self.by_id.insert(entry.template.id, slot);
        if let Some(place) = self.places.get_mut(at) {
            place.take_up(entry);
        }
    }

    /// Counts on, as it was written.
    pub(super) fn set_births(&mut self, births: u32) {
        self.births = births;
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let place = self.places.get_mut(slot as usize)?;
        let is_taken = std::mem::take(&mut place.is_taken);
        let entry = is_taken.then(|| std::mem::replace(&mut place.entry, Entry::none()))?;
        self.by_id.remove(&entry.template.id);
        self.bump(slot);
        self.free.insert(slot);
        Some(entry)
    }
}

impl Place {
    fn new(entry: Option<Entry>) -> Self {
        Self {
            version: 0,
            is_taken: entry.is_some(),
            entry: entry.unwrap_or_else(Entry::none),
        }
    }

    /// Whoever remembers what stood here before has to look again.
    fn take_up(&mut self, entry: Entry) {
        self.is_taken = true;
        self.version = self.version.wrapping_add(1);
        self.entry = entry;
    }

    fn entry(&self) -> Option<&Entry> {
        self.is_taken.then_some(&self.entry)
    }
}

impl Entry {
    fn of(id: TemplateId, text: &str) -> Self {
        Self {
            rank: 0,
            origin: Origin::Learned,
            last_record: 0,
            template: Template {
                id,
                count: 0,
                first_seen: Timestamp::from_nanos(u64::MAX),
                last_seen: Timestamp::ZERO,
                text: text.into(),
                merged: Vec::new(),
                aliases: Vec::new(),
            },
        }
    }

    /// Stands where there is none.
    fn none() -> Self {
        Self::of(TemplateId(0), "")
    }
}

/// The first eight bytes of the SHA-256 of a template's text.
pub(super) fn id_of(text: &str) -> TemplateId {
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    TemplateId(u64::from_be_bytes(first))
}
