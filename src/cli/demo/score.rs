//! Anomalies against labels.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use super::bundled::Label;
use crate::core::event::Anomaly;

/// How many blocks were judged rightly and wrongly. Blocks of ambiguous label count for nothing.
#[derive(Debug, Default)]
pub(super) struct Score {
    pub(super) hits: usize,
    pub(super) missed: usize,
    pub(super) false_alarms: usize,
    /// Anomalies that are about no labelled block.
    pub(super) unlabelled: usize,
    /// Found and all, by kind of fault.
    kinds: BTreeMap<Box<str>, (usize, usize)>,
}

impl Score {
    pub(super) fn of(labels: &BTreeMap<Box<str>, Label>, found: &[Arc<Anomaly>]) -> Self {
        let accused: BTreeSet<&str> = found.iter().map(|one| one.sequence.as_ref()).collect();
        let mut score = Self::default();
        for (block, label) in labels {
            let found = accused.contains(block.as_ref());
            match label {
                Label::Faulty(kind) => {
                    let (hits, all) = score.kinds.entry(kind.clone()).or_default();
                    *all += 1;
                    *hits += usize::from(found);
                    score.hits += usize::from(found);
                    score.missed += usize::from(!found);
                }
                Label::Normal => score.false_alarms += usize::from(found),
                Label::Ambiguous => score.unlabelled += usize::from(found),
            }
        }
        let unknown = accused
            .iter()
            .filter(|sequence| !labels.contains_key(**sequence));
        score.unlabelled += unknown.count();
        score
    }

    pub(super) fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_alarms)
    }

    pub(super) fn recall(&self) -> f64 {
        share(self.hits, self.hits + self.missed)
    }

    pub(super) fn f1(&self) -> f64 {
        share(
            2 * self.hits,
            2 * self.hits + self.false_alarms + self.missed,
        )
    }

    pub(super) fn tell_kinds(&self, out: &mut impl Write) -> io::Result<()> {
        for (kind, (hits, all)) in &self.kinds {
            writeln!(out, "          {kind:<16} {hits:>3} of {all:>3}")?;
        }
        Ok(())
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
