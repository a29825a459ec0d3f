//! A miner as plain data, to go on after a restart as if nothing had happened: all of it, or what
//! changed since it was last written.

use serde::{Deserialize, Serialize};

use super::groups::{Group, GroupRow};
use super::notes::{Noted, Step};
use super::quarantine::Quarantine;
use super::table::{Entry, Origin, Slot, id_of};
use super::{Limits, Miner, Template};
use crate::core::parse::cluster::Pattern;
use crate::core::record::{TemplateId, Timestamp};

/// A slot further on than this is none that we wrote.
const SLOT_MAX: Slot = 1 << 24;

/// What is to be put over an earlier state of a [`Miner`], or over nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MinerSnapshot {
    /// 0: everything. Otherwise what changed since the one with the number before.
    number: u32,
    /// Places whose template is another than it was, or none.
    rows: Vec<(Slot, Option<Row>)>,
    /// Templates that took records and are otherwise as they were.
    counts: Vec<(Slot, Count)>,
    steps: Vec<Step>,
    births: u32,
    quarantine: Quarantine,
    records: u64,
    overflow: u64,
    let_go: u64,
}

/// A template.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    /// The key of its pattern, which says its text too.
    key: Box<str>,
    rank: u32,
    origin: Origin,
    merged: Vec<TemplateId>,
    aliases: Vec<Box<str>>,
    count: Count,
}

/// What the records of a template came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Count {
    count: u64,
    first_seen: Timestamp,
    /// Nanoseconds after that, where there was a record.
    seen_for: Option<u64>,
    /// How many records of the stream came after its latest.
    records_ago: u64,
}

impl MinerSnapshot {
    /// Whether it stands alone, and needs none before it.
    pub fn is_whole(&self) -> bool {
        self.number == 0
    }
}

impl Miner {
    /// Everything that cannot be worked out again. What changes from here on is noted for
    /// [`delta`](Self::delta).
    pub fn snapshot(&mut self) -> MinerSnapshot {
        self.table.notes.begin(self.records);
        let rows = self.table.iter().map(|(slot, _)| (slot, self.row(slot)));
        let aliases = self.table.aliases();
        let aliases = aliases.map(|(from, to)| Step::Alias(from, to));
        let groups = self.groups.iter();
        let groups = groups.map(|(of, group)| Step::Group(of, self.group_row(group)));
        let recall = self.recall.keys().into_iter().map(Step::Kept);
        MinerSnapshot {
            rows: rows.collect(),
            steps: aliases.chain(groups).chain(recall).collect(),
            ..self.totals()
        }
    }

    /// What changed since the latest [`snapshot`](Self::snapshot) or [`delta`](Self::delta); its
    /// size and the time it takes are in proportion to that. `None` if there was none before, or
    /// so much has changed that it is not known.
    pub fn delta(&mut self) -> Option<MinerSnapshot> {
        let Noted {
            number,
            changed,
            counted,
            steps,
        } = self.table.notes.take(self.records)?;
        let counted = counted
            .into_iter()
            .filter_map(|slot| Some((slot, self.count_of(self.table.get(slot)?))));
        Some(MinerSnapshot {
            number,
            rows: changed
                .into_iter()
                .map(|slot| (slot, self.row(slot)))
                .collect(),
            counts: counted.collect(),
            steps,
            ..self.totals()
        })
    }

    /// Whether a [`delta`](Self::delta) would say nothing.
    pub fn is_unchanged(&self) -> bool {
        self.table.notes.is_unchanged(self.records)
    }

    /// A miner that goes on where the last of `snapshots` was taken, and how many of them it took:
    /// the first has to be whole, and the others have to follow one another without a gap.
    pub fn restore(
        snapshots: impl IntoIterator<Item = MinerSnapshot>,
        limits: Limits,
    ) -> (Self, usize) {
        let mut miner = Self::new(limits);
        let mut taken = 0;
        for snapshot in snapshots {
            if snapshot.number as usize != taken {
                break;
            }
            miner.put(snapshot);
            taken += 1;
        }
        miner.know_all();
        (miner, taken)
    }

    fn totals(&self) -> MinerSnapshot {
        MinerSnapshot {
            births: self.table.births(),
            quarantine: self.quarantine.clone(),
            records: self.records,
            overflow: self.overflow,
            let_go: self.table.let_go,
            ..MinerSnapshot::default()
        }
    }

    fn row(&self, slot: Slot) -> Option<Row> {
        let entry = self.table.get(slot)?;
        let template = &entry.template;
        let pattern = self.patterns.get(slot);
        Some(Row {
            key: pattern.map_or(&*template.text, Pattern::key).into(),
            rank: entry.rank,
            origin: entry.origin,
            merged: template.merged.clone(),
            aliases: template.aliases.clone(),
            count: self.count_of(entry),
        })
    }

    fn count_of(&self, entry: &Entry) -> Count {
        let Template {
            count,
            first_seen,
            last_seen,
            ..
        } = entry.template;
        let seen_for =
            (first_seen <= last_seen).then(|| last_seen.as_nanos() - first_seen.as_nanos());
        Count {
            count,
            first_seen: seen_for.map_or(Timestamp::ZERO, |_| first_seen),
            seen_for,
            records_ago: self.records.saturating_sub(entry.last_record),
        }
    }

    fn group_row(&self, group: &Group) -> GroupRow {
        group.row(|seen| {
            let own = self.table.get(seen.slot);
            own.is_some_and(|entry| entry.template.text == seen.text)
        })
    }

    fn put(&mut self, snapshot: MinerSnapshot) {
        self.quarantine = snapshot.quarantine;
        self.records = snapshot.records;
        self.overflow = snapshot.overflow;
        // All places are cleared first: a template may have gone from one to another.
        for (slot, _) in &snapshot.rows {
            self.table.remove(*slot);
            self.patterns.remove(*slot);
        }
        for (slot, row) in snapshot.rows {
            if let Some(row) = row.filter(|_| slot < SLOT_MAX) {
                self.put_row(slot, row);
            }
        }
        for (slot, count) in snapshot.counts {
            if let Some(entry) = self.table.get_mut(slot) {
                count.put(entry, self.records);
            }
        }
        for step in snapshot.steps {
            self.again(step);
        }
        self.table.set_births(snapshot.births);
        self.table.let_go = snapshot.let_go;
    }

    fn put_row(&mut self, slot: Slot, row: Row) {
        let pattern = Pattern::from_key(&row.key);
        let text = pattern.text();
        let mut entry = Entry {
            template: Template {
                id: id_of(&text),
                text: text.into(),
                count: 0,
                first_seen: Timestamp::ZERO,
                last_seen: Timestamp::ZERO,
                merged: row.merged,
                aliases: row.aliases,
            },
            rank: row.rank,
            last_record: 0,
            origin: row.origin,
        };
        row.count.put(&mut entry, self.records);
        self.table.put(slot, entry);
        if !pattern.is_exact() {
            self.patterns.insert(slot, pattern);
        }
    }

    /// Does what was done when the step was noted.
    fn again(&mut self, step: Step) {
        match step {
            Step::Alias(from, to) => self.table.alias(from, to, &self.limits),
            Step::Born(id) => drop(self.table.unalias(id)),
            Step::Shape {
                text,
                constant,
                slot,
                is_told,
            } => drop(self.groups.add(&text, &constant, slot, is_told)),
            Step::WorkedOut { of, moved, dead } => {
                if let Some(mut group) = self.groups.take(of) {
                    group.worked_out(moved, dead as usize);
                    self.groups.put(of, group);
                }
            }
            Step::Forgotten(slots) => self.groups.forget(&slots.into_iter().collect()),
            Step::Group(of, row) => {
                let text_of = |slot| Some(self.table.get(slot)?.template.text.clone());
                self.groups.put(of, Group::from_row(row, text_of));
            }
            Step::Kept(key) => {
                let pattern = Pattern::from_key(&key);
                self.recall.insert(pattern, self.limits.templates_max);
            }
            Step::Recalled { shape, constant } => drop(self.recall.take(&shape, &constant)),
        }
    }
}

impl Count {
    fn put(self, entry: &mut Entry, records: u64) {
        let template = &mut entry.template;
        template.count = self.count;
        (template.first_seen, template.last_seen) = match self.seen_for {
            Some(nanos) => (
                self.first_seen,
                Timestamp::from_nanos(self.first_seen.as_nanos().saturating_add(nanos)),
            ),
            None => (Timestamp::from_nanos(u64::MAX), Timestamp::ZERO),
        };
        entry.last_record = records.saturating_sub(self.records_ago);
    }
}
