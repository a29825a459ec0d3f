//! What a clerk finds on disk.

use super::{BOOKS, EVIDENCE};
use crate::core::desk::{Desk, DeskSettings};
use crate::core::record::Timestamp;
use crate::core::silence::Silence;
use crate::daemon::orders::silence_of;
use crate::daemon::showing::said;
use crate::edge::store::{Control, Kind};

/// Most silences that are looked at, the newest; most of them are over.
const LOOKED_AT_MAX: usize = 10_000;

/// A desk as it was left, or a new one.
pub(super) fn desk(settings: DeskSettings, control: &Control) -> Desk {
    let read = |id| match control.document(Kind::Desk, id) {
        Ok(found) => found.map(|found| found.document.body),
        Err(error) => {
            tracing::error!(%error, "What is known of incidents cannot be read.");
            None
        }
    };
    let mut desk = match read(BOOKS).map(|saved| Desk::restored(settings.clone(), &saved)) {
        Some(Ok(desk)) => desk,
        Some(Err(error)) => {
            tracing::error!(%error, "What is known of incidents cannot be used; those that go on are opened anew.");
            Desk::new(settings)
        }
        None => Desk::new(settings),
    };
    if let Some(Err(error)) = read(EVIDENCE).map(|saved| desk.restore_evidence(&saved)) {
        tracing::warn!(%error, "What spans and metrics showed cannot be used; it is learned again.");
    }
    desk
}

/// The silences that were made through the api and are not over.
pub(super) fn silences(control: &Control, now: Timestamp) -> Vec<Silence> {
    let found = said(control.newest(Kind::Silence, None, LOOKED_AT_MAX));
    let found = found
        .iter()
        .filter_map(|it| silence_of(&it.document.body, now));
    found.filter(|silence| !silence.is_over(now)).collect()
}

/// The number of the last entry of the audit.
pub(super) fn audited(control: &Control) -> u64 {
    // By its number: its time is older than that of others where the clock was put back.
    let last = said(control.last(Kind::Audit, None, 1));
    let number = last.first().and_then(|it| it.id.parse().ok());
    number.unwrap_or(0)
}
