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
/// Bytes of all shapes of a stream that are kept; further ones tell nothing more of their templates.
pub const SHAPES_BYTES_MAX: usize = 32 << 20;
/// How many more may come in a group before those too many go, or a part of all its shapes.
const SPARE_MIN: usize = MEMBERS_MAX / 2;
const SPARE_SHARE: usize = 4;
/// A small group, of fewer than [`SMALL_MAX`] shapes, is worked out anew when one shape in so many
/// is new in it; that costs little, and templates settle early. Shapes that a wide template says
/// already are no news.
const GROWN_SHARE_SMALL: usize = 8;
/// The same for other groups. The work over the life of a group grows in step with its shapes.
const GROWN_SHARE: usize = 2;
const SMALL_MAX: usize = 64;

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
    /// Shapes that said something new since the templates of the group were worked out.
    grown: usize,
    /// Shapes kept beyond [`MEMBERS_MAX`] of their template.
    spare: usize,
    /// Shapes that a wide template said already when they came.
    told: usize,
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
    spare: usize,
    told: usize,
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
    /// It is kept, and others are not any more.
    Thinned,
    /// It is kept, and the templates of this group should be worked out anew.
    Grown(u64),
}

/// All shapes of a stream, by group.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<u64, Group>,
    /// Shapes in all of them.
    len: usize,
    /// Bytes of their texts.
    bytes: usize,
}

impl Groups {
    /// Keeps a new shape, if it may tell something about its template; `is_told` says that this
    /// one is wide and has the shape already.
    pub(super) fn add(&mut self, text: &str, constant: &str, slot: Slot, is_told: bool) -> Added {
        // Texts with other constants never share a template.
        let of = match constant {
            "" => group_of(text),
            constant => group_of(text) ^ hash_of(constant),
        };
        if self.bytes + text.len() > SHAPES_BYTES_MAX {
            return Added::LeftOut;
        }
        let group = self.groups.entry(of).or_default();
        let (kept, below) = group.kept.entry(slot).or_insert((0, u64::MAX));
        if hash_of(text) >= *below {
            return Added::LeftOut;
        }
        *kept += 1;
        group.spare += usize::from(*kept > MEMBERS_MAX);
        group.grown += usize::from(!is_told);
        group.told += usize::from(is_told);
        group.is_settled = false;
        self.len += 1;
        self.bytes += text.len();
        let text = text.into();
        group.shapes.push(Seen { text, slot });
        let is_full = group.spare >= SPARE_MIN.max(group.shapes.len() / SPARE_SHARE);
        if is_full {
            let before = group.size();
            group.thin();
            let after = group.size();
            self.len -= before.0 - after.0;
            self.bytes -= before.1 - after.1;
        }
        let untold = group.shapes.len().saturating_sub(group.told);
        let share = match untold {
            0..SMALL_MAX => GROWN_SHARE_SMALL,
            _ => GROWN_SHARE,
        };
        match group.grown > 0 && group.grown * share >= untold {
            true => Added::Grown(of),
            false if is_full => Added::Thinned,
            false => Added::Kept,
        }
    }

    /// Templates that say what a wider one says too.
    pub(super) fn dead(&self) -> usize {
        self.groups.values().map(|group| group.dead).sum()
    }

    /// Shapes kept.
    pub(super) fn len(&self) -> usize {
        self.len
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
        let group = self.groups.remove(&of)?;
        let (len, bytes) = group.size();
        self.len -= len;
        self.bytes -= bytes;
        Some(group)
    }

    pub(super) fn put(&mut self, of: u64, group: Group) {
        let (len, bytes) = group.size();
        self.len += len;
        self.bytes += bytes;
        self.groups.insert(of, group);
    }

    /// Forgets the shapes of templates that are no more.
    pub(super) fn forget(&mut self, gone: &FxHashSet<Slot>) {
        for group in self.groups.values_mut() {
            group.shapes.retain(|seen| !gone.contains(&seen.slot));
            group.kept.retain(|slot, _| !gone.contains(slot));
        }
        self.groups.retain(|_, group| !group.shapes.is_empty());
        let sizes = self.groups.values().map(Group::size);
        (self.len, self.bytes) = sizes.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    }
}

impl Group {
    /// Shapes, and bytes of their texts.
    fn size(&self) -> (usize, usize) {
        let bytes = self.shapes.iter().map(|seen| seen.text.len()).sum();
        (self.shapes.len(), bytes)
    }

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
            spare: self.spare,
            told: self.told,
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
            spare: row.spare,
            told: row.told,
            is_settled: row.is_settled,
            kept: thinned.map(|(slot, below)| (slot, (0, below))).collect(),
            dead: row.dead,
        };
        // Those beyond the bound stay as long as they would have stayed.
        for seen in &group.shapes {
            group.kept.entry(seen.slot).or_insert((0, u64::MAX)).0 += 1;
        }
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
        self.thin();
    }

    /// Keeps [`MEMBERS_MAX`] shapes of each template.
    fn thin(&mut self) {
        let mut full: BTreeMap<Slot, Vec<u64>> = BTreeMap::new();
        for seen in &self.shapes {
            if self
                .kept
                .get(&seen.slot)
                .is_some_and(|(kept, _)| *kept > MEMBERS_MAX)
            {
                full.entry(seen.slot).or_default().push(hash_of(&seen.text));
            }
        }
        for (slot, hashes) in &mut full {
            let (_, below, _) = hashes.select_nth_unstable(MEMBERS_MAX);
            let below = *below;
            let kept = hashes.iter().filter(|hash| **hash < below).count();
            self.kept.insert(*slot, (kept, below));
        }
        let kept = &self.kept;
        let stays = |seen: &Seen| {
            !full.contains_key(&seen.slot)
                || kept
                    .get(&seen.slot)
                    .is_none_or(|(_, below)| hash_of(&seen.text) < *below)
        };
        let before = self.shapes.len();
        self.shapes.retain(stays);
        self.told = self.told.saturating_sub(before - self.shapes.len());
        self.spare = 0;
    }
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}
