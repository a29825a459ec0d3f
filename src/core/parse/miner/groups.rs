//! The distinct shapes of a stream, from which its templates are worked out.

use std::collections::BTreeMap;
use std::hash::Hasher;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::super::cluster::{Cluster, cluster, group_of};
use super::table::Slot;

/// Shapes kept of one template: enough to tell which of its places vary. Those with the smallest
/// hash are kept, so that which they are does not depend on the order they came in.
pub const MEMBERS_MAX: usize = 128;
/// How many more may come before those too many go.
const MEMBERS_SPARE: usize = MEMBERS_MAX / 2;
/// A small group, of fewer than [`SMALL_MAX`] shapes, is worked out anew when one shape in so many
/// is new in it; that costs little, and templates settle early.
const GROWN_SHARE_SMALL: usize = 8;
/// The same for other groups. The work over the life of a group grows in step with its shapes.
const GROWN_SHARE: usize = 3;
const SMALL_MAX: usize = 256;

/// One distinct shape, and the template it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) text: Box<str>,
    pub(super) slot: Slot,
}

/// The shapes that may share templates with one another.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) shapes: Vec<Seen>,
    /// Shapes that came since the templates of the group were worked out.
    grown: usize,
    /// Whether no shape came since then.
    is_settled: bool,
    /// For each template with shapes here: how many, and the hash they are all below.
    kept: BTreeMap<Slot, (usize, u64)>,
    /// Templates that say what a wider one says too.
    pub(super) dead: usize,
}

/// A [`Group`] as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GroupRow {
    /// `None` for the text of the template itself.
    shapes: Vec<(Option<Box<str>>, Slot)>,
    /// The templates of which shapes were left out, and the hash those kept are all below.
    thinned: Vec<(Slot, u64)>,
    grown: usize,
    is_settled: bool,
    dead: usize,
}

/// What became of a shape that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// Enough of its template's shapes are kept.
    LeftOut,
    /// It is kept.
    Kept,
    /// It is kept, and the templates of this group should be worked out anew.
    Grown(u64),
}

/// All shapes of a stream, by group.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<u64, Group>,
}

impl Groups {
    /// Keeps a new shape, if it may tell something about its template.
    pub(super) fn add(&mut self, text: &str, slot: Slot) -> Added {
        // Texts with other constants never share a template.
        let of = match super::constant_of(text) {
            "" => group_of(text),
            constant => group_of(text) ^ hash_of(constant),
        };
        let group = self.groups.entry(of).or_default();
        let (kept, below) = group.kept.entry(slot).or_insert((0, u64::MAX));
        if hash_of(text) >= *below {
            return Added::LeftOut;
        }
        *kept += 1;
        let full = *kept >= MEMBERS_MAX + MEMBERS_SPARE;
        // One more shape of a template that has shown so many says next to nothing.
        group.grown += usize::from(*below == u64::MAX);
        group.is_settled = false;
        let text = text.into();
        group.shapes.push(Seen { text, slot });
        if full {
            group.thin(slot);
        }
        let share = match group.shapes.len() {
            0..SMALL_MAX => GROWN_SHARE_SMALL,
            _ => GROWN_SHARE,
        };
        match group.grown > 0 && group.grown * share >= group.shapes.len() {
            true => Added::Grown(of),
            false => Added::Kept,
        }
    }

    /// Templates that say what a wider one says too.
    pub(super) fn dead(&self) -> usize {
        self.groups.values().map(|group| group.dead).sum()
    }

    /// Shapes kept.
    pub(super) fn len(&self) -> usize {
        self.groups.values().map(|group| group.shapes.len()).sum()
    }

    /// The shapes kept.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Seen> {
        self.groups.values().flat_map(|group| &group.shapes)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Group)> {
        self.groups.iter().map(|(of, group)| (*of, group))
    }

    /// The groups with shapes that came since their templates were worked out.
    pub(super) fn unsettled(&self) -> Vec<u64> {
        let unsettled = self.groups.iter().filter(|(_, group)| !group.is_settled);
        unsettled.map(|(of, _)| *of).collect()
    }

    /// Takes a group out, to be worked out and put back.
    pub(super) fn take(&mut self, of: u64) -> Option<Group> {
        self.groups.remove(&of)
    }

    pub(super) fn put(&mut self, of: u64, group: Group) {
        self.groups.insert(of, group);
    }

    /// Forgets the shapes of templates that are no more.
    pub(super) fn forget(&mut self, gone: &FxHashSet<Slot>) {
        for group in self.groups.values_mut() {
            group.shapes.retain(|seen| !gone.contains(&seen.slot));
            group.kept.retain(|slot, _| !gone.contains(slot));
        }
        self.groups.retain(|_, group| !group.shapes.is_empty());
    }
}

impl Group {
    /// The templates of the shapes, as lists of places in [`shapes`](Self::shapes).
    pub(super) fn work_out(&mut self) -> Vec<Cluster> {
        self.grown = 0;
        self.is_settled = true;
        let texts: Vec<&str> = self.shapes.iter().map(|seen| &*seen.text).collect();
        cluster(&texts)
    }

    /// Whether shapes of a template were left out.
    pub(super) fn is_thinned(&self, slot: Slot) -> bool {
        self.kept
            .get(&slot)
            .is_some_and(|(_, below)| *below < u64::MAX)
    }

    /// The group as it is written; `is_own` says which shapes have the text of their template.
    pub(super) fn row(&self, is_own: impl Fn(&Seen) -> bool) -> GroupRow {
        let text = |seen: &Seen| (!is_own(seen)).then(|| seen.text.clone());
        let thinned = self.kept.iter().filter(|(slot, _)| self.is_thinned(**slot));
        GroupRow {
            shapes: self
                .shapes
                .iter()
                .map(|seen| (text(seen), seen.slot))
                .collect(),
            thinned: thinned.map(|(slot, (_, below))| (*slot, *below)).collect(),
            grown: self.grown,
            is_settled: self.is_settled,
            dead: self.dead,
        }
    }

    /// The group that was written; `text_of` knows the texts of templates.
    pub(super) fn from_row(row: GroupRow, text_of: impl Fn(Slot) -> Option<Box<str>>) -> Self {
        let shapes = row.shapes.into_iter().filter_map(|(text, slot)| {
            let text = text.or_else(|| text_of(slot))?;
            Some(Seen { text, slot })
        });
        let thinned = row.thinned.into_iter();
        let mut group = Self {
            shapes: shapes.collect(),
            grown: row.grown,
            is_settled: row.is_settled,
            kept: thinned.map(|(slot, below)| (slot, (0, below))).collect(),
            dead: row.dead,
        };
        group.count_kept();
        group
    }

    /// Brings back what working it out came to: the shapes that changed their template, by place.
    pub(super) fn worked_out(&mut self, moved: Vec<(u32, Slot)>, dead: usize) {
        self.grown = 0;
        self.is_settled = true;
        for (at, slot) in moved {
            if let Some(seen) = self.shapes.get_mut(at as usize) {
                seen.slot = slot;
            }
        }
        self.count_kept();
        self.dead = dead;
    }

    /// Counts the shapes of each template anew, after their slots changed.
    pub(super) fn count_kept(&mut self) {
        let mut kept: BTreeMap<Slot, (usize, u64)> = BTreeMap::new();
        for seen in &self.shapes {
            let below = self.kept.get(&seen.slot).map_or(u64::MAX, |known| known.1);
            kept.entry(seen.slot).or_insert((0, below)).0 += 1;
        }
        self.kept = kept;
        let full: Vec<Slot> = self
            .kept
            .iter()
            .filter(|(_, (kept, _))| *kept >= MEMBERS_MAX + MEMBERS_SPARE)
            .map(|(slot, _)| *slot)
            .collect();
        full.into_iter().for_each(|slot| self.thin(slot));
    }

    /// Keeps [`MEMBERS_MAX`] shapes of a template.
    fn thin(&mut self, slot: Slot) {
        let mine = self.shapes.iter().filter(|seen| seen.slot == slot);
        let mut hashes: Vec<u64> = mine.map(|seen| hash_of(&seen.text)).collect();
        hashes.sort_unstable();
        let below = hashes.get(MEMBERS_MAX).copied().unwrap_or(u64::MAX);
        self.shapes
            .retain(|seen| seen.slot != slot || hash_of(&seen.text) < below);
        self.kept.insert(slot, (MEMBERS_MAX, below));
    }
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}
