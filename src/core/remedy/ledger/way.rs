//! Where an action goes from what the checks say.

use super::entry::Entry;
use crate::core::event::{Action, CheckVerdict, Checked, Mode, Remedy};
use crate::core::remedy::check::{self, Decide};

/// Where an action goes from what the checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On: nothing is against it.
    On,
    /// To a person.
    Person,
    /// It is looked at again later.
    Later,
    /// Nowhere: it is over.
    Nowhere,
}

/// Where it goes from what the checks say. A person who approved the plan has allowed what checks asked
/// about then, and nothing else.
pub(super) fn way_of(entry: &Entry, checks: &[Checked], can_act: bool) -> Way {
    let mode = entry.action.mode;
    let is_hook = entry.action.remedy == Remedy::Webhook;
    // What is only observed shows what would become of it where knothole acts.
    let judged = match mode {
        Mode::Observe => Mode::Auto,
        Mode::Suggest | Mode::Approve | Mode::Auto => mode,
    };
    let decided = match check::decision(checks, judged) {
        Decide::NeedsPerson if is_answered(&entry.action, checks) => Decide::Go,
        decided => decided,
    };
    match (decided, mode) {
        (Decide::Never, _) => Way::Nowhere,
        (Decide::Later, _) => Way::Later,
        (Decide::Go, Mode::Observe) => Way::On,
        (Decide::NeedsPerson, _) | (Decide::Go, Mode::Suggest) => Way::Person,
        // Without anything to act with it can only be told.
        (Decide::Go, Mode::Approve | Mode::Auto) if !can_act && !is_hook => Way::Person,
        (Decide::Go, Mode::Approve | Mode::Auto) => Way::On,
    }
}

/// Whether a person has approved all that is asked about.
fn is_answered(action: &Action, checks: &[Checked]) -> bool {
    let mut asking = checks.iter().filter(|it| it.verdict == CheckVerdict::Ask);
    let approved = action.approved.as_ref();
    approved.is_some_and(|approved| asking.all(|it| approved.asked.contains(&it.check)))
}
