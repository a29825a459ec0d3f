//! What a clerk finds on disk.

use crate::core::desk::{Desk, DeskSettings};
use crate::core::event::Action;
use crate::core::incident::{SavedError, SavedPart};
use crate::core::record::Timestamp;
use crate::core::silence::Silence;
use crate::daemon::orders::silence_of;
use crate::daemon::showing::said;
use crate::edge::store::{Control, Filing, Kind, StoreError};

/// Most silences that are looked at, the newest; most of them are over.
const LOOKED_AT_MAX: usize = 10_000;

/// Actions that are read at once.
const PAGE: usize = 500;

/// Most parts of a desk: its incidents, what was heard of late, and some more.
const PARTS_MAX: usize = 4_096;

/// A desk as it was left, or a new one.
pub(super) fn desk(settings: DeskSettings, control: &Control) -> Desk {
    let found = said(control.beginning(Kind::Desk, "", PARTS_MAX));
    let parts = found.into_iter().map(|document| SavedPart {
        name: document.id,
        body: Some(document.body),
    });
    let parts: Vec<SavedPart> = parts.collect();
    let mut desk = match Desk::restored(settings.clone(), &parts) {
        Ok(desk) => desk,
        Err(SavedError::Missing(_)) if parts.is_empty() => Desk::new(settings),
        Err(error) => {
            tracing::error!(%error, "What is known of incidents cannot be used; those that go on are opened anew.");
            // Or it would be taken for a part of what is written from now on.
            let unusable = parts.iter().filter(|part| !Desk::is_evidence(part));
            let removed = unusable.map(|part| Filing::Remove {
                kind: Kind::Desk,
                id: part.name.clone(),
            });
            said(control.tell(&[], &[], &removed.collect::<Vec<Filing>>()));
            Desk::new(settings)
        }
    };
    for part in parts.iter().filter(|part| Desk::is_evidence(part)) {
        if let Err(error) = desk.restore_evidence(part) {
            tracing::warn!(%error, "What spans and metrics showed cannot be used; it is learned again.");
        }
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

/// All actions of before, oldest first: what was done long ago still counts for limits, whatever was asked
/// since.
///
/// # Errors
/// They cannot be read: nothing may be done by somebody who does not know what was.
pub(in crate::daemon) fn actions(control: &Control) -> Result<Vec<Action>, StoreError> {
    let mut actions = Vec::new();
    let mut after = None;
    loop {
        let page = control.newest(Kind::Action, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some((last.document.at, last.nth));
        actions.extend(page.iter().filter_map(|it| read(&it.document.body)));
    }
    actions.reverse();
    Ok(actions)
}

fn read(body: &[u8]) -> Option<Action> {
    let read = serde_json::from_slice(body);
    let unreadable = |error: &serde_json::Error| {
        tracing::error!(%error, "An action of before cannot be read and is forgotten.");
    };
    read.inspect_err(unreadable).ok()
}
