//! A miner as plain data, to go on after a restart as if nothing had happened.

use serde::{Deserialize, Serialize};

use super::groups::Groups;
use super::quarantine::Quarantine;
use super::table::{Slot, Table, TableSnapshot};
use super::{Limits, Miner};
use crate::core::parse::cluster::Pattern;

/// What a [`Miner`] needs to go on after a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MinerSnapshot {
    table: TableSnapshot,
    groups: Groups,
    /// The slots of the templates that are wider than any one shape.
    wide: Vec<Slot>,
    /// The texts of those that gave way, oldest first.
    recall: Vec<Box<str>>,
    quarantine: Quarantine,
    records: u64,
    overflow: u64,
}

impl Miner {
    /// Everything that cannot be worked out again.
    pub fn snapshot(&self) -> MinerSnapshot {
        let wide = self.patterns.slots();
        MinerSnapshot {
            table: self.table.snapshot(),
            groups: self.groups.clone(),
            wide,
            recall: self.recall.texts(),
            quarantine: self.quarantine.clone(),
            records: self.records,
            overflow: self.overflow,
        }
    }

    /// A miner that goes on where the snapshot was taken.
    pub fn restore(snapshot: MinerSnapshot, limits: Limits) -> Self {
        let mut miner = Self::new(limits);
        miner.table = Table::restore(snapshot.table);
        miner.groups = snapshot.groups;
        for slot in snapshot.wide {
            if let Some(entry) = miner.table.get(slot) {
                let pattern = Pattern::new(&entry.template.text);
                miner.patterns.insert(slot, pattern);
            }
        }
        for text in snapshot.recall {
            let pattern = Pattern::new(&text);
            miner.recall.insert(pattern, limits.templates_max);
        }
        miner.quarantine = snapshot.quarantine;
        miner.records = snapshot.records;
        miner.overflow = snapshot.overflow;
        miner.know_all();
        miner
    }
}
