//! Which service it probably began in.

use super::{CauseInput, lifts};
use crate::core::event::{Cause, Incident};

/// Most findings that are looked at, the heaviest.
pub const FINDINGS_MAX: usize = 4_096;

pub(super) fn cause(incident: &Incident, input: &CauseInput<'_>) -> Cause {
    let _ = incident;
    Cause {
        lifts: lifts(input.counted),
        ..Cause::default()
    }
}
