//! What speaks against an action, in words.

use crate::core::event::{Action, CheckVerdict, Checked};

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

/// The same of `checks`.
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

/// Why an action of a rule that only observes comes to nothing.
pub(super) fn not_done(reasons: &str) -> String {
    format!("it would not have been done: {reasons}")
}
