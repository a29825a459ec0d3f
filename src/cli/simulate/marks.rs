//! Right or wrong, by the labels of a set.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::remedy::simulate::{Fate, Simulated, Tried};

/// What the labels say of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It is done to what the fault was injected into.
    Right,
    /// To another part of the same system.
    Near,
    /// To something else, or there was no fault.
    Wrong,
}

impl Judged {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Near => "near",
            Self::Wrong => "wrong",
        }
    }
}

/// What one rule did, by the labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) done: Counts,
    pub(super) proposed: Counts,
    /// Actions done and proposed where there was no fault; all of them wrong.
    pub(super) without_fault: (usize, usize),
    /// Faults about which something right was done, or at least proposed.
    pub(super) faults_done: usize,
    pub(super) faults_met: usize,
}

/// Actions by what the labels say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) right: usize,
    pub(super) near: usize,
    pub(super) wrong: usize,
}

impl Counts {
    const fn add(&mut self, judged: Judged) {
        match judged {
            Judged::Right => self.right += 1,
            Judged::Near => self.near += 1,
            Judged::Wrong => self.wrong += 1,
        }
    }
}

/// Marks by rule.
pub(super) type AllMarks = BTreeMap<Box<str>, Marks>;

/// Adds what was done in one stretch. `judge` says whether an action is right; there is none where there
/// was no fault.
pub(super) fn add(
    all: &mut AllMarks,
    simulated: &Simulated,
    judge: Option<&dyn Fn(&Tried) -> Judged>,
) -> Vec<Option<Judged>> {
    let mut met: BTreeSet<(&str, bool)> = BTreeSet::new();
    let mut judged = Vec::with_capacity(simulated.actions.len());
    for tried in &simulated.actions {
        let is_done = match tried.fate {
            Fate::Done => true,
            Fate::Proposed => false,
            Fate::Observed | Fate::Blocked => {
                judged.push(None);
                continue;
            }
        };
        let verdict = judge.map_or(Judged::Wrong, |judge| judge(tried));
        judged.push(Some(verdict));
        let marks = all.entry(tried.rule.clone()).or_default();
        let (counts, without) = match is_done {
            true => (&mut marks.done, &mut marks.without_fault.0),
            false => (&mut marks.proposed, &mut marks.without_fault.1),
        };
        counts.add(verdict);
        *without += usize::from(judge.is_none());
        if verdict == Judged::Right {
            met.insert((&tried.rule, is_done));
        }
    }
    let rules: BTreeSet<&str> = met.iter().map(|(rule, _)| *rule).collect();
    for rule in rules {
        if let Some(marks) = all.get_mut(rule) {
            marks.faults_done += usize::from(met.contains(&(rule, true)));
            marks.faults_met += 1;
        }
    }
    judged
}
