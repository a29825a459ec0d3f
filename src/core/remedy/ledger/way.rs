//! Where an action goes from what the checks say, and what speaks against it.

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

/// The checks that speak against it, by name.
pub(super) fn against(action: &Action) -> String {
    let checks = action.plan.iter().flat_map(|plan| &plan.checks);
    let against = checks.filter(|it| it.verdict != CheckVerdict::Pass);
    let names: Vec<&str> = against.map(|it| &*it.check).collect();
    names.join(" ")
}

/// What speaks against it, the gravest first.
pub(super) fn reasons(action: &Action) -> String {
    let checks = action.plan.as_ref().map(|plan| &plan.checks);
    checks.map_or_else(String::new, |checks| reasons_of(checks))
}

pub(super) fn reasons_of(checks: &[Checked]) -> String {
    let mut against: Vec<&Checked> = checks
        .iter()
        .filter(|it| it.verdict != CheckVerdict::Pass)
        .collect();
    against.sort_by_key(|it| std::cmp::Reverse(it.verdict));
    let texts: Vec<&str> = against.iter().take(3).map(|it| &*it.why).collect();
    let more = against.len().saturating_sub(texts.len());
    match more {
        0 => texts.join("; "),
        more => format!("{}; and {more} more", texts.join("; ")),
    }
}
