//! What the shards found, what spans and metrics show and what people order → the control database →
//! the sinks.
//!
//! A thread of its own, since each write waits for the disk: what is found is written down together
//! with the incidents that it makes and the messages for the sinks, and goes out after that. What was
//! told before a crash is found again after it, and is known by its id.

use std::sync::Arc;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel,
};
use std::time::Duration;

use super::announce::Road;
use super::clerk::Clerk;
use super::clock;
use super::evidence::{Transit, Waiting};
use super::remediation::RemedySettings;
use crate::core::desk::DeskSettings;
use crate::core::event::{Anomaly, Sign};
use crate::core::record::{Resource, StreamKey, Timestamp, Trail};
use crate::core::redact::Redactor;
use crate::core::remedy::ledger::Report;
use crate::edge::api::{Applied, Caller, Order, Refusal};
use crate::edge::catalog::Listing;
use crate::edge::notify::{Keeping, Undelivered};
use crate::edge::receive::Observed;
use crate::edge::store::{Control, OutboxRow};

/// Most notes that wait; a shard that finds more waits for the disk.
const NOTES_MAX: usize = 4_096;
/// Most notes worked off in one go.
const WRITE_MAX: usize = 256;
/// The longest time between two looks at what is due.
const TICK: Duration = Duration::from_millis(500);

/// What the scribe is told.
pub(super) enum Note {
    /// Something was found.
    Found(Arc<Anomaly>),
    /// What follows what within traces is not as it was.
    Sign(Arc<Sign>),
    /// Spans and metrics came.
    Observed(Observed),
    /// Records within traces came.
    Trail(Waiting),
    /// Some evidence was let go.
    Lost,
    /// Records came.
    Seen(Vec<Seen>),
    /// Somebody wants something done.
    Order(Box<(Order, Caller)>, Sender<Result<Applied, Refusal>>),
    /// A catalog says something new.
    Listed(Arc<Listing>),
    /// How things are done from now on.
    Configure(Box<(DeskSettings, Arc<Redactor>, RemedySettings)>),
    /// What became of something that was done outside.
    Report(Box<Report>),
    /// A sink is done with a message: name of the sink and id.
    Done(Box<str>, Box<str>),
    /// A sink will never take a message: name of the sink, id and why.
    Dead(Box<str>, Box<str>, Box<str>),
    /// To be answered when everything before it is written.
    Flush(Sender<()>),
    /// What is known is to be written, also what can wait.
    Save,
    /// Nothing more will come.
    End,
}

/// So many records of one service came from one resource, the first of this time.
pub(super) struct Seen {
    pub(super) stream: StreamKey,
    pub(super) resource: Arc<Resource>,
    pub(super) records: u64,
    pub(super) at: Timestamp,
}

/// The way to the scribe.
#[derive(Clone, Debug)]
pub(super) struct Scribe {
    notes: SyncSender<Note>,
    transit: Arc<Transit>,
}

/// The notes that nobody reads yet.
pub(super) struct Inbox {
    notes: Receiver<Note>,
    transit: Arc<Transit>,
}

/// A scribe whose thread is still to be started; the sinks need one before there is a road to them.
pub(super) fn scribe() -> (Scribe, Inbox) {
    let (notes, inbox) = sync_channel(NOTES_MAX);
    let transit = Arc::<Transit>::default();
    let scribe = Scribe {
        notes,
        transit: Arc::clone(&transit),
    };
    let inbox = Inbox {
        notes: inbox,
        transit,
    };
    (scribe, inbox)
}

impl Scribe {
    /// Tells everybody who wants to know, once.
    pub(super) fn found(&self, anomaly: Arc<Anomaly>) {
        // Once it has ended, nothing that is found is lost: the journal has it.
        let _ = self.notes.send(Note::Found(anomaly));
    }

    /// Takes what is told of together with anomalies.
    pub(super) fn sign(&self, sign: Arc<Sign>) {
        // Once it has ended, nothing that is found is lost: the journal has it.
        let _ = self.notes.send(Note::Sign(sign));
    }

    /// Takes records within traces, if there is room for them.
    pub(super) fn trail(&self, trail: Trail) {
        if let Some(waiting) = self.transit.admit(trail) {
            self.offer(Note::Trail(waiting));
        }
    }

    /// Takes evidence, if there is room for it.
    pub(super) fn observed(&self, observed: Observed) {
        if !observed.spans.is_empty() {
            self.transit.see_spans();
        }
        self.offer(Note::Observed(observed));
    }

    /// Takes notice of traffic, if there is room for it.
    pub(super) fn seen(&self, seen: Vec<Seen>) {
        self.offer(Note::Seen(seen));
    }

    /// Takes what a catalog says.
    pub(super) fn listed(&self, listing: Arc<Listing>) {
        self.offer(Note::Listed(listing));
    }

    /// Has something done, and waits until it is.
    ///
    /// # Errors
    /// It was not done.
    pub(super) fn order(&self, order: Order, by: Caller) -> Result<Applied, Refusal> {
        let busy = || Refusal::Busy("knothole is stopping; try again in a moment".to_owned());
        let (reply, answer) = channel();
        let note = Note::Order(Box::new((order, by)), reply);
        self.notes.send(note).map_err(|_| busy())?;
        answer.recv().map_err(|_| busy())?
    }

    /// Works by other settings from now on.
    pub(super) fn configure(
        &self,
        settings: DeskSettings,
        redactor: Arc<Redactor>,
        remedies: RemedySettings,
    ) {
        // Once it has ended, nothing is done by any settings.
        let _ = self
            .notes
            .send(Note::Configure(Box::new((settings, redactor, remedies))));
    }

    /// Tells what became of something that was done outside. Waits where the scribe is far behind.
    pub(super) fn report(&self, report: Report) {
        // Once it has ended, what was being sent is settled after the next start.
        let _ = self.notes.send(Note::Report(Box::new(report)));
    }

    /// Waits until everything so far is written and sent.
    pub(super) fn flush(&self) {
        let (reply, answer) = channel();
        if self.notes.send(Note::Flush(reply)).is_ok() {
            let _ = answer.recv();
        }
    }

    /// Ends the thread when everything so far is written.
    pub(super) fn end(&self) {
        let _ = self.notes.send(Note::Save);
        self.flush();
        let _ = self.notes.send(Note::End);
    }

    fn offer(&self, note: Note) {
        if let Err(TrySendError::Full(_)) = self.notes.try_send(note) {
            self.transit.lose();
            tracing::debug!("Evidence came faster than it could be taken; some was let go.");
        }
    }
}

impl Keeping for Scribe {
    fn done(&self, sink: &str, id: &str) {
        let note = Note::Done(sink.into(), id.into());
        if let Err(TrySendError::Full(_)) = self.notes.try_send(note) {
            // It is sent again after the next start, with the same id.
            tracing::debug!(sink, id, "A delivery could not be written down.");
        }
    }

    fn dead(&self, sink: &str, id: &str, why: &str) {
        let note = Note::Dead(sink.into(), id.into(), why.into());
        if let Err(TrySendError::Full(_)) = self.notes.try_send(note) {
            // It is tried again after the next start, and given up again.
            tracing::debug!(
                sink,
                id,
                "A message that was given up could not be put aside."
            );
        }
    }
}

/// Starts the thread.
///
/// # Errors
/// If the system gives no thread.
pub(super) fn spawn(inbox: Inbox, mut clerk: Clerk) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("scribe".to_owned());
    thread.spawn(move || {
        loop {
            let now = clock::now();
            let due = clerk.next_deadline().map_or(TICK, |due| due.since(now));
            let first = match inbox.notes.recv_timeout(due.min(TICK)) {
                Ok(first) => Some(first),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let more = inbox.notes.try_iter().take(WRITE_MAX - 1);
            let lost = inbox.transit.take_lost().then_some(Note::Lost);
            let notes: Vec<Note> = lost.into_iter().chain(first).chain(more).collect();
            let is_over = notes.iter().any(|note| matches!(note, Note::End));
            clerk.work_off(notes, clock::now());
            if is_over {
                return;
            }
        }
    })?;
    Ok(())
}

/// Gives the sinks what no sink had taken when the daemon ended.
pub(super) fn restore(road: &Road, control: &Control) {
    match control.pending() {
        Ok(rows) => restore_rows(road, rows),
        Err(error) => tracing::error!(%error, "Undelivered notifications cannot be read."),
    }
}

/// Gives the sinks messages that were given up, as if they were offered at `now`.
pub(super) fn send_again(road: &Road, rows: Vec<OutboxRow>, now: Timestamp) {
    let again = undelivered(rows).map(|it| it.again(now)).collect();
    road.dispatcher.load().restore(again, now);
}

fn restore_rows(road: &Road, rows: Vec<OutboxRow>) {
    let rows = undelivered(rows).collect();
    road.dispatcher.load().restore(rows, clock::now());
}

fn undelivered(rows: Vec<OutboxRow>) -> impl Iterator<Item = Undelivered> {
    let read = |row: OutboxRow| Undelivered::from_parts(&row.sink, &row.kind, &row.message);
    rows.into_iter().filter_map(read)
}
