//! What becomes of templates when those of a group are worked out anew.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashSet;

use super::groups::Group;
use super::notes::Step;
use super::table::{Origin, Slot};
use super::{Change, Miner};
use crate::core::parse::cluster::{Cluster, Pattern};

/// How many shapes went from one template to others.
type Moves = BTreeMap<Slot, BTreeMap<Slot, usize>>;

impl Miner {
    /// Works out the templates of a group and brings the table in line with them.
    pub(super) fn work_out(&mut self, of: u64) {
        let Some(mut group) = self.groups.take(of) else {
            return;
        };
        let born_before = self.table.births();
        let mut moves = Moves::new();
        let before: Vec<Slot> = group.shapes.iter().map(|seen| seen.slot).collect();
        for cluster in group.work_out() {
            if let Some(target) = self.target(&cluster, &group) {
                self.gather(&cluster, target, &mut group, &mut moves);
            }
        }
        let living: BTreeSet<Slot> = group.shapes.iter().map(|seen| seen.slot).collect();
        for (from, targets) in moves {
            self.tell_moves(from, &targets, &living, born_before);
        }
        let moved = moved(&before, &group);
        group.count_kept();
        group.dead = living
            .into_iter()
            .filter(|slot| self.is_dead(*slot))
            .count();
        let dead = group.dead as u32;
        let step = || Step::WorkedOut { of, moved, dead };
        self.table.notes.step(step);
        self.groups.put(of, group);
        self.tidy_known();
    }

    /// Whether another template says what this one says, so that no new shape will reach it.
    fn is_dead(&self, slot: Slot) -> bool {
        let text = self.table.get(slot).map(|entry| &*entry.template.text);
        let by = text.and_then(|text| self.patterns.find(text, ""));
        by.is_some_and(|by| by != slot)
    }

    /// The slot of a cluster's template, which may be new. `None` when there is no room for it.
    fn target(&mut self, cluster: &Cluster, group: &Group) -> Option<Slot> {
        let text = &*cluster.pattern.text();
        let first = group.shapes.get(*cluster.members.first()?)?;
        if group.is_thinned(first.slot) && self.is_all_of(cluster, first.slot, group) {
            return Some(first.slot);
        }
        let is_its_own = |slot| {
            let entry = self.table.get(slot);
            entry.is_some_and(|entry| &*entry.template.text == text)
        };
        let slot = if is_its_own(first.slot) {
            first.slot
        } else if let Some(slot) = self.table.slot_of(super::id_of(text)) {
            slot
        } else if self.table.len() < self.limits.templates_max {
            let slot = self.table.insert(text, self.records);
            self.know(text, slot);
            slot
        } else {
            return None;
        };
        self.set_pattern(slot, &cluster.pattern);
        Some(slot)
    }

    /// Whether a cluster holds shapes of one template alone, and says no more than that one says.
    /// Where shapes were left out, what is left may look narrower than all were.
    fn is_all_of(&self, cluster: &Cluster, slot: Slot, group: &Group) -> bool {
        let mut members = cluster.members.iter();
        let is_its = |at: &usize| group.shapes.get(*at).is_some_and(|seen| seen.slot == slot);
        let pattern = self.patterns.get(slot);
        members.all(is_its) && pattern.is_some_and(|wide| wide.matches(&cluster.pattern.text()))
    }

    /// What is remembered of a template's forms is out of date when other places of it are open.
    fn set_pattern(&mut self, slot: Slot, pattern: &Pattern) {
        let had = self.patterns.get(slot);
        let has = Some(pattern).filter(|pattern| !pattern.is_exact());
        if had == has || self.table.origin(slot) != Origin::Learned {
            return;
        }
        self.patterns.remove(slot);
        if let Some(pattern) = has {
            self.patterns.insert(slot, pattern.clone());
        }
        self.table.bump(slot);
    }

    /// Gives a cluster's shapes to its template.
    fn gather(&mut self, cluster: &Cluster, target: Slot, group: &mut Group, moves: &mut Moves) {
        for member in &cluster.members {
            let Some(seen) = group.shapes.get_mut(*member) else {
                continue;
            };
            if seen.slot == target {
                continue;
            }
            let targets = moves.entry(seen.slot).or_default();
            *targets.entry(target).or_default() += 1;
            seen.slot = target;
            self.know(&seen.text, target);
        }
    }

    /// A template that lost shapes goes on without them, or goes where most of them went.
    fn tell_moves(
        &mut self,
        from: Slot,
        targets: &BTreeMap<Slot, usize>,
        living: &BTreeSet<Slot>,
        born_before: u32,
    ) {
        let Some(entry) = self.table.get(from) else {
            return;
        };
        let from_id = entry.template.id;
        let stays = living.contains(&from) || entry.origin != Origin::Learned;
        let text = |slot: Slot| self.table.get(slot).map(|entry| &entry.template.text);
        let most = targets
            .iter()
            .max_by_key(|(slot, shapes)| (**shapes, Reverse(text(**slot))));
        let Some(into) = most.map(|(slot, _)| *slot) else {
            return;
        };
        for slot in targets.keys().filter(|slot| stays || **slot != into) {
            if let Some(to) = self.table.id(*slot) {
                self.tell(Change::Split { from: from_id, to });
            }
        }
        if stays {
            self.table.bump(from);
            return;
        }
        self.patterns.remove(from);
        let is_new = self.table.is_unused_since(into, born_before);
        self.has_moved = true;
        self.table.merge(from, into, &self.limits);
        self.quarantine.merged();
        if let Some(to) = self.table.id(into) {
            self.tell(match is_new {
                true => Change::Widened { from: from_id, to },
                false => Change::Merged {
                    from: from_id,
                    into: to,
                },
            });
        }
    }

    /// Makes room: the least used templates go. The wide ones are kept in mind, to come back as
    /// they were.
    pub(super) fn let_go(&mut self) {
        self.has_moved = true;
        let gone = self.table.let_go(&self.limits);
        let slots: FxHashSet<Slot> = gone.iter().map(|(slot, _)| *slot).collect();
        self.groups.forget(&slots);
        let forgotten = || Step::Forgotten(gone.iter().map(|(slot, _)| *slot).collect());
        self.table.notes.step(forgotten);
        for (slot, _) in gone {
            if let Some(pattern) = self.patterns.remove(slot) {
                let step = || Step::Kept(pattern.key().into());
                self.table.notes.step(step);
                self.recall.insert(pattern, self.limits.templates_max);
            }
        }
    }
}

/// The shapes of a group that changed their template, by place.
fn moved(before: &[Slot], group: &Group) -> Vec<(u32, Slot)> {
    let both = before.iter().zip(&group.shapes).enumerate();
    let moved = both.filter(|(_, (before, seen))| **before != seen.slot);
    moved
        .map(|(at, (_, seen))| (at as u32, seen.slot))
        .collect()
}
