//! Errands of the ledger, run at once by an assumed cluster.

use std::collections::BTreeSet;

use super::assumed::Assumed;
use crate::core::event::Action;
use crate::core::record::Timestamp;
use crate::core::remedy::ledger::{Ledger, Report, Reported, WorldOf};
use crate::core::remedy::rule::Limits;

/// Changes what comes back into what it is in the case at hand.
pub type Altered<'a> = &'a dyn Fn(&mut Reported);

/// Runs errands until there are none: an action has three at most in one moment. Gives back the
/// actions they were run for.
pub(super) fn run(
    ledger: &mut Ledger,
    (assumed, limits, altered): (Assumed, &Limits, Altered<'_>),
    world: WorldOf<'_>,
    now: Timestamp,
) -> BTreeSet<Box<str>> {
    let mut looked_at = BTreeSet::new();
    loop {
        let tasks = ledger.take_tasks();
        if tasks.is_empty() {
            return looked_at;
        }
        for task in tasks {
            let action: Box<str> = task.action().into();
            let was_done = ledger.get(&action).is_some_and(Action::was_sent);
            let answer = assumed.answer(&task.errand, limits, was_done, now);
            if let Some(mut reported) = answer {
                altered(&mut reported);
                let id = task.id;
                ledger.report(Report { id, reported }, world, now);
                looked_at.insert(action);
            }
        }
    }
}
