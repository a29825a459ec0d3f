//! The way in: the journal, the door before it, and the receiver before that.

use std::sync::Arc;

use super::board::Board;
use super::config::Settings;
use super::door::Door;
use super::keeper::{Books, JOURNAL};
use super::memory::Ration;
use super::router::Router;
use super::running::StartError;
use crate::edge::journal::{self, Journal, JournalError, Seq};
use crate::edge::receive::{self, Access, Receiver, Tls};
use crate::edge::store::Store;

/// Opens the way in, behind which the streams have everything up to `upto` by their snapshots.
pub(super) fn open_door(
    settings: &Settings,
    books: &Books,
    router: Arc<Router>,
    upto: Seq,
) -> Result<Arc<Door>, StartError> {
    let watermark = Seq::new(books.control.watermark(JOURNAL)?.unwrap_or(0));
    let journal = match settings.ephemeral {
        true => None,
        // No number is given twice, also where the journal was deleted.
        false => Some(open_journal(settings, &books.store, watermark.max(upto))?),
    };
    let scribe = books.scribe.clone();
    Ok(Arc::new(Door::new(router, journal, watermark, scribe)))
}

/// Opens the journal of the state folder and tells what was found in it.
fn open_journal(
    settings: &Settings,
    store: &Store,
    after: Seq,
) -> Result<Arc<Journal>, JournalError> {
    let bounds = journal::Settings {
        bytes_max: settings.journal.bytes_max.as_bytes(),
        repeat_window: settings.journal.repeats_within.get(),
        after,
        ..journal::Settings::default()
    };
    let (journal, found) = Journal::open(&store.journal_folder(), bounds)?;
    for lost in &found.lost {
        let (first, last) = (lost.start().get(), lost.end().get());
        tracing::error!(
            first,
            last,
            kept = ?found.broken,
            "Requests that were acknowledged are damaged on disk and are not judged."
        );
    }
    tracing::info!(
        entries = found.entries,
        bytes = found.bytes,
        torn_bytes = found.torn_bytes,
        "The journal was opened."
    );
    Ok(Arc::new(journal))
}

/// What takes requests in and hands them to `door`.
pub(super) fn receiver(
    settings: &Settings,
    ration: &Ration,
    books: &Books,
    (door, board): (&Arc<Door>, &Board),
) -> Result<Receiver<Door>, StartError> {
    let bounds = receive::Settings {
        inflight_bytes_max: ration.inflight_bytes_max,
        ..settings.receiver(books.store.instance_id())
    };
    let guards = (
        Access::new(&settings.tenants())?,
        settings.tls().map(Tls::new).transpose()?,
    );
    Ok(Receiver::new(
        Arc::clone(door),
        bounds,
        board.received.clone(),
        guards,
    ))
}
