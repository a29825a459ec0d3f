//! The template miner of one stream.

mod by_hand;
mod groups;
mod health;
mod notes;
mod patterns;
mod quarantine;
mod settle;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Entry, FORMS_MAX, emit};
use super::cluster::Pattern;
use super::hand::Hand;
use super::lane::CAUSED_BY;
use super::mask::{Shape, shape_of};
use super::param::{AnchoredParam, PARAMS_MAX, Param, ParamKind};
use super::scan::{Key, Scan};
use crate::core::event::Class;
use crate::core::record::{TemplateId, Timestamp};

use groups::{Added, Groups};
use notes::Step;
use patterns::{Patterns, Recall};
use quarantine::Quarantine;
use table::{Origin, Slot, Table, id_of};

pub use groups::{MEMBERS_MAX, SHAPES_BYTES_MAX};
pub use health::Health;
pub use notes::STEPS_BYTES_MAX;
pub use snapshot::MinerSnapshot;
pub use table::{ALIASES_MAX, LINEAGE_MAX};

/// Most templates of one stream.
pub const TEMPLATES_MAX: usize = 10_000;
/// Templates that may be born within a minute in a stream that goes on; see [`Limits`].
pub const BIRTHS_PER_MINUTE_MAX: u64 = 1_000;
/// The text of the template that counts what the bounds leave no room for.
pub const OVERFLOW_TEXT: &str = "<overflow>";
/// Its id, which each record that is judged is compared with.
static OVERFLOW_ID: LazyLock<TemplateId> = LazyLock::new(|| id_of(OVERFLOW_TEXT));
/// Changes that wait to be taken; later ones are not told.
const CHANGES_MAX: usize = 4_096;
/// Words of a shape that is compared with others. A longer one is a template by itself: what it
/// costs to compare grows faster than its length.
pub const COMPARED_WORDS_MAX: usize = 96;
/// In quarantine one unknown form in so many is looked at; the others count as overflow at once, so
/// that a flood costs little more than reading it.
const QUARANTINED_SHARE: u64 = 32;
/// Texts that are known without looking whether they are out of date.
const KNOWN_MIN: usize = 1_024;
/// Stands for no slot: what the bounds leave no room for.
const OVERFLOW: Slot = Slot::MAX;

/// What one stream's templates may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Templates. The least used go when there is no room for a new one.
    pub templates_max: usize,
    /// Forms whose template is remembered.
    pub forms_max: usize,
    /// Ids of templates that were merged which are still known.
    pub aliases_max: usize,
    /// Templates born within a minute before the stream is quarantined, where one record in four
    /// is of a new one. `None` for never.
    pub births_per_minute_max: Option<u64>,
    /// What the keys of forms are made with. Templates do not depend on it. It keeps a sender who
    /// does not know it from making two forms with one key.
    pub key_seed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            templates_max: TEMPLATES_MAX,
            forms_max: FORMS_MAX,
            aliases_max: 4 * TEMPLATES_MAX,
            births_per_minute_max: None,
            key_seed: 0,
        }
    }
}

/// One template. What changes with each record comes first, so that it stands together in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Template {
    /// Derived from the text.
    pub id: TemplateId,
    /// Records counted for it, those of templates merged into it included.
    pub count: u64,
    /// Time of the earliest record.
    pub first_seen: Timestamp,
    /// Time of the latest record.
    pub last_seen: Timestamp,
    /// The constant words and [`WILDCARD`](super::WILDCARD)s.
    pub text: Box<str>,
    /// Templates that were merged into this one, at most [`LINEAGE_MAX`].
    pub merged: Vec<TemplateId>,
    /// What other parsers call it (`log.record.template`), at most [`ALIASES_MAX`].
    pub aliases: Vec<Box<str>>,
}

/// What the miner says of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The template.
    pub id: TemplateId,
    /// The template's place in the order of birth: templates that come first in a stream's life
    /// have the lowest rank.
    pub rank: u32,
}

/// What became of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A template was born.
    New(TemplateId),
    /// A template has more wildcards than it had, and so another id.
    Widened {
        /// What it was.
        from: TemplateId,
        /// What it is.
        to: TemplateId,
    },
    /// A template is part of another from now on.
    Merged {
        /// What it was.
        from: TemplateId,
        /// What it is part of.
        into: TemplateId,
    },
    /// Part of a template is a template of its own from now on.
    Split {
        /// What it was part of.
        from: TemplateId,
        /// What it is.
        to: TemplateId,
    },
}

/// The template miner of one stream.
#[derive(Debug)]
pub struct Miner {
    limits: Limits,
    scan: Scan,
    cache: Cache,
    table: Table,
    groups: Groups,
    patterns: Patterns,
    recall: Recall,
    /// The templates of the texts of shapes and templates; out of date where the template is no
    /// more. It can be worked out again at any time.
    known: FxHashMap<Key, TemplateId>,
    changes: Vec<Change>,
    has_moved: bool,
    quarantine: Quarantine,
    params: Vec<Param>,
    hand: Arc<Hand>,
    /// The templates by hand that are split, by slot: the slot's version and the place in the file.
    splits: FxHashMap<Slot, (u32, usize)>,
    records: u64,
    overflow: u64,
}

impl Default for Miner {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Miner {
    /// A miner that knows nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            scan: Scan::new(limits.key_seed),
            cache: Cache::new(limits.forms_max),
            table: Table::default(),
            groups: Groups::default(),
            patterns: Patterns::default(),
            recall: Recall::default(),
            known: FxHashMap::default(),
            changes: Vec::new(),
            has_moved: false,
            quarantine: Quarantine::default(),
            params: Vec::new(),
            hand: Arc::default(),
            splits: FxHashMap::default(),
            records: 0,
            overflow: 0,
        }
    }

    /// The template of a record with the text `message`; new templates are born here.
    pub fn parse(&mut self, message: impl AsRef<[u8]>, time: Timestamp) -> Parsed {
        self.parse_with(message, "", time)
    }

    /// As [`parse`](Self::parse), of a record of which `constant` belongs to the template behind
    /// [`CAUSED_BY`] and never becomes a wildcard: the types of what was thrown.
    pub fn parse_with(
        &mut self,
        message: impl AsRef<[u8]>,
        constant: &str,
        time: Timestamp,
    ) -> Parsed {
        let message = message.as_ref();
        let mut key = self.scan.scan(message);
        if !constant.is_empty() {
            key = self.key_of_both(key, constant);
        }
        let mut slot = match self.cache.get(key) {
            Some(entry) if entry.version == self.table.version(entry.template) => {
                emit(entry.params, self.scan.variables(), &mut self.params);
                entry.template
            }
            _ => self.parse_new(key, constant, time),
        };
        if !self.splits.is_empty() {
            slot = self.split(slot, message);
        }
        self.count(slot, time)
    }

    /// The typed values of the record parsed last, in order: byte ranges of its message.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The template of a record that names it itself (`event_name`).
    pub fn named(&mut self, name: &str, time: Timestamp) -> Parsed {
        self.params.clear();
        let slot = match self.table.slot_of(id_of(name)) {
            Some(slot) => slot,
            None => self.born(name, time),
        };
        self.count(slot, time)
    }

    /// Notes what another parser calls the template `id`.
    pub fn alias(&mut self, id: TemplateId, name: &str) {
        if let Some(slot) = self.table.resolve(id) {
            self.table.name(slot, name);
        }
    }

    /// The templates, in order of birth.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let entries = self.table.in_order().into_iter();
        entries.map(|(_, entry)| &entry.template)
    }

    /// The template that `id` names today: itself, or what it was merged into.
    pub fn resolve(&self, id: TemplateId) -> Option<&Template> {
        let slot = self.table.resolve(id)?;
        self.table.get(slot).map(|entry| &entry.template)
    }

    /// What a template with this text is about: as written by hand, else as its words say.
    pub fn class_of(&self, text: &str) -> Class {
        self.hand.class_of(text)
    }

    /// The id that `id` leads to today: its own, or that of what it was merged into, also while
    /// that has given way.
    pub fn leads_to(&self, id: TemplateId) -> TemplateId {
        self.table.leads_to(id)
    }

    /// Records parsed.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records that found no room for a template of their own, or whose template had to give way.
    /// With the counts of all templates they add up to [`records`](Self::records).
    pub fn overflow(&self) -> u64 {
        self.overflow + self.table.let_go
    }

    /// The Good–Turing estimate of the chance that the next record is of a new template: the
    /// number of templates seen once over the number of records. 1 before the first record.
    pub fn new_template_chance(&self) -> f64 {
        if self.records == 0 {
            return 1.0;
        }
        let once = self
            .table
            .iter()
            .filter(|(_, entry)| entry.template.count == 1);
        once.count() as f64 / self.records as f64
    }

    /// Whether `id` stands for what found no room. It says nothing about a record, so no record is
    /// judged by it.
    pub fn is_overflow(id: TemplateId) -> bool {
        id == *OVERFLOW_ID
    }

    /// Makes `text` a known template without counting a record, as when a model brings its
    /// template set along. A template that was not known yet stays as it is: it is never merged
    /// and never gives way. There is room for half as many such templates as for all.
    pub fn seed(&mut self, text: &str) {
        let given = self
            .table
            .iter()
            .filter(|(_, entry)| entry.origin == Origin::Given);
        let has_room = given.count() < self.limits.templates_max / 2;
        if self.table.resolve(id_of(text)).is_some() || !has_room || self.make_room().is_none() {
            return;
        }
        let slot = self.table.insert(text, self.records);
        self.know(text, slot);
        self.table.set_origin(slot, Origin::Given);
        if text.contains(super::WILDCARD) {
            self.patterns.insert(slot, Pattern::of_template(text));
        }
    }

    /// Works out the templates of everything seen so far. Two miners that saw the same records, in
    /// whatever order, agree afterwards, as long as neither reached a bound: with more shapes of one
    /// template than [`MEMBERS_MAX`], which of them are left to judge by may depend on the order.
    pub fn settle(&mut self) {
        if self.hand.is_frozen() {
            return;
        }
        for of in self.groups.unsettled() {
            self.work_out(of);
        }
    }

    /// Whether an id may lead elsewhere than when this was last asked.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    /// What became of templates since this was last asked, oldest first.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Five signs that the templates tell little.
    pub fn health(&self) -> Health {
        health::health(&self.table, self.records, self.groups.dead())
    }

    /// Until when no template is born, because there were too many.
    pub fn quarantined_until(&self) -> Option<Timestamp> {
        self.quarantine.until()
    }

    fn count(&mut self, slot: Slot, time: Timestamp) -> Parsed {
        self.records += 1;
        self.quarantine.see(time);
        match self.table.count(slot, time, self.records) {
            Some(entry) => Parsed {
                id: entry.template.id,
                rank: entry.rank,
            },
            None => {
                self.overflow += 1;
                Parsed {
                    id: *OVERFLOW_ID,
                    rank: u32::MAX,
                }
            }
        }
    }

    /// Finds the template of a form that is not remembered, and remembers it.
    fn parse_new(&mut self, key: Key, constant: &str, time: Timestamp) -> Slot {
        let hand = Arc::clone(&self.hand);
        let (slot, params) = match hand.place(self.scan.form()) {
            Some(placed) => (
                self.by_hand(placed.template, placed.index),
                placed.params.into(),
            ),
            None => self.place_form(&hand, constant, time),
        };
        emit(&params, self.scan.variables(), &mut self.params);
        if self.table.get(slot).is_some() {
            let version = self.table.version(slot);
            self.cache.insert(
                key,
                Entry {
                    template: slot,
                    version,
                    params,
                },
            );
        }
        slot
    }

    /// The template of a form that none by hand takes, and its values.
    fn place_form(
        &mut self,
        hand: &Hand,
        constant: &str,
        time: Timestamp,
    ) -> (Slot, Box<[AnchoredParam]>) {
        self.quarantine.see(time);
        if self.quarantine.until().is_some() && !self.records.is_multiple_of(QUARANTINED_SHARE) {
            return (OVERFLOW, Box::default());
        }
        let masked = hand.mask(self.scan.form());
        let form = masked
            .as_ref()
            .map_or(self.scan.form(), |masked| &masked.form);
        let mut shape = shape_of(form);
        if !constant.is_empty() {
            shape.text.extend([CAUSED_BY, constant]);
        }
        let slot = self.place(&shape.text, constant, time);
        let mut params = self.params_of(&shape, slot);
        if let Some(masked) = masked {
            params = params.iter().map(|param| masked.param(*param)).collect();
        }
        (slot, params)
    }

    /// The values of a shape, and the words that stand for wildcards of its template.
    fn params_of(&self, shape: &Shape, slot: Slot) -> Box<[AnchoredParam]> {
        let pattern = self.patterns.get(slot);
        let Some(open) = pattern.and_then(|pattern| pattern.open_ranges(&shape.text)) else {
            return shape.params.as_slice().into();
        };
        let holds = |outer: &AnchoredParam, inner: &AnchoredParam| {
            outer.start <= inner.start && inner.end <= outer.end
        };
        let mut params = shape.params.clone();
        for (start, end) in open.into_iter().filter_map(|range| shape.places(range)) {
            let word = AnchoredParam {
                kind: ParamKind::Word,
                start,
                end,
            };
            // A wildcard of the template may be all of a value, a part of one or more than one.
            if params.iter().any(|value| holds(value, &word)) {
                continue;
            }
            params.retain(|value| !holds(&word, value));
            params.push(word);
        }
        params.sort_unstable_by_key(|param| param.start);
        params.truncate(PARAMS_MAX);
        params.into()
    }

    /// The slot of a shape, which ends in `constant` where that is not empty.
    fn place(&mut self, shape: &str, constant: &str, time: Timestamp) -> Slot {
        if let Some(slot) = self.known(shape) {
            return slot;
        }
        let found = self.patterns.find(shape, constant);
        let slot = match found.or_else(|| self.recalled(shape, constant)) {
            Some(slot) => slot,
            None => self.born(shape, time),
        };
        let Some(id) = self.table.id(slot) else {
            return OVERFLOW;
        };
        if self.table.origin(slot) != Origin::Learned
            || self.hand.is_frozen()
            || words_of(shape) > COMPARED_WORDS_MAX
        {
            return slot;
        }
        let is_told = found.is_some();
        let added = self.groups.add(shape, constant, slot, is_told);
        if added != Added::LeftOut {
            self.table.notes.step(|| Step::Shape {
                text: shape.into(),
                constant: constant.into(),
                slot,
                is_told,
            });
        }
        match added {
            Added::LeftOut => slot,
            Added::Kept => {
                self.know(shape, slot);
                slot
            }
            Added::Thinned => {
                self.know(shape, slot);
                self.tidy_known();
                slot
            }
            Added::Grown(of) => {
                self.know(shape, slot);
                self.work_out(of);
                // The shape itself may have been left out when others were.
                let today = self.known(shape).or_else(|| self.table.resolve(id));
                today.unwrap_or(OVERFLOW)
            }
        }
    }

    /// A template that was let go and says this shape too.
    fn recalled(&mut self, shape: &str, constant: &str) -> Option<Slot> {
        let pattern = self.recall.take(shape, constant)?;
        self.table.notes.step(|| Step::Recalled {
            shape: shape.into(),
            constant: constant.into(),
        });
        self.make_room()?;
        self.has_moved = true;
        let text = pattern.text();
        let slot = self.table.insert(&text, self.records);
        self.know(&text, slot);
        self.table.set_origin(slot, Origin::Recalled);
        self.patterns.insert(slot, pattern);
        Some(slot)
    }

    /// Lets a template be born, if there is room.
    fn born(&mut self, text: &str, time: Timestamp) -> Slot {
        if let Some(slot) = self.table.slot_of(id_of(text)) {
            return slot;
        }
        if self.hand.is_frozen() || text == OVERFLOW_TEXT {
            return OVERFLOW;
        }
        let births_max = self.limits.births_per_minute_max.unwrap_or(u64::MAX);
        if !self.quarantine.admits(time, self.records, births_max) || self.make_room().is_none() {
            return OVERFLOW;
        }
        self.quarantine.born();
        let slot = self.table.insert(text, self.records);
        self.know(text, slot);
        self.tell(Change::New(id_of(text)));
        slot
    }

    fn make_room(&mut self) -> Option<()> {
        if self.table.len() >= self.limits.templates_max {
            self.let_go();
        }
        (self.table.len() < self.limits.templates_max).then_some(())
    }

    fn tell(&mut self, change: Change) {
        if self.changes.len() < CHANGES_MAX {
            self.changes.push(change);
        }
    }

    /// The template of a text that came before, or is a template's own.
    fn known(&self, text: &str) -> Option<Slot> {
        let id = self.known.get(&self.scan.key_of(text.as_bytes()))?;
        self.table.slot_of(*id)
    }

    fn know(&mut self, text: &str, slot: Slot) {
        if let Some(id) = self.table.id(slot) {
            self.known.insert(self.scan.key_of(text.as_bytes()), id);
        }
    }

    /// Works out anew which texts are known, once most of them are no longer needed.
    fn tidy_known(&mut self) {
        if self.known.len() > KNOWN_MIN + 2 * (self.groups.len() + self.table.len()) {
            self.known.clear();
            self.know_all();
        }
    }

    /// The key of a form together with what belongs to its template beside it.
    fn key_of_both(&self, form: Key, constant: &str) -> Key {
        let constant = self.scan.key_of(constant.as_bytes());
        let halves = [form.0, form.1, constant.0, constant.1];
        self.scan
            .key_of(halves.map(u64::to_be_bytes).as_flattened())
    }

    fn know_all(&mut self) {
        let templates = self.table.iter();
        let templates = templates.map(|(slot, entry)| (&*entry.template.text, slot));
        let shapes = self.groups.shapes().map(|seen| (&*seen.text, seen.slot));
        let known = templates.chain(shapes).filter_map(|(text, slot)| {
            let key = self.scan.key_of(text.as_bytes());
            Some((key, self.table.id(slot)?))
        });
        self.known = known.collect();
    }
}

/// Words between blanks.
fn words_of(shape: &str) -> usize {
    shape.bytes().filter(|byte| *byte == b' ').count() + 1
}
