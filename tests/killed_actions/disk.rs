//! What a daemon has written: nothing else is left of it after a kill.

use std::collections::BTreeMap;

use knothole::core::event::{Action, ActionEvent, ActionStage};
use knothole::core::remedy::ledger::Changed;

#[derive(Default)]
pub(crate) struct Disk {
    /// As they were written, by id, with the order in which they were first.
    actions: BTreeMap<Box<str>, (usize, Vec<u8>)>,
    /// What was told: the event, the action, the stage. Also what could not be written.
    pub(crate) told: Vec<(Box<str>, Box<str>, ActionStage)>,
    /// It takes nothing.
    pub(crate) is_full: bool,
    /// Whether it ever took nothing.
    pub(crate) was_full: bool,
}

impl Disk {
    /// Writes all at once, or nothing; whether it did.
    pub(crate) fn commit(
        &mut self,
        changed: &BTreeMap<Box<str>, Changed>,
        told: &[ActionEvent],
    ) -> bool {
        let told = told.iter();
        let told = told.map(|it| (it.id.clone(), it.action.id.clone(), it.stage));
        self.told.extend(told);
        if self.is_full {
            self.was_full = true;
            return false;
        }
        for (id, changed) in changed {
            let place = self.actions.len();
            let known = self.actions.entry(id.clone()).or_insert((place, vec![]));
            known.1 = serde_json::to_vec(&*changed.action).unwrap();
        }
        true
    }

    pub(crate) fn read(&self, id: &str) -> Option<Action> {
        let (_, body) = self.actions.get(id)?;
        Some(serde_json::from_slice(body).unwrap())
    }

    /// All that were written, oldest first.
    pub(crate) fn all(&self) -> Vec<Action> {
        let mut all: Vec<_> = self.actions.values().collect();
        all.sort();
        let read = |body: &Vec<u8>| serde_json::from_slice(body).unwrap();
        all.into_iter().map(|(_, body)| read(body)).collect()
    }
}
