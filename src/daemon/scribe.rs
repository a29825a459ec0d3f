//! What the shards found → the control database → the sinks.
//!
//! A thread of its own, since each write waits for the disk: what is found is written down together
//! with the messages for the sinks, and goes out after that. What was told before a crash is found
//! again after it, and is known by its id.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};

use super::announce::Road;
use super::clock;
use crate::core::event::{Anomaly, Event};
use crate::core::record::Timestamp;
use crate::core::respond::propose;
use crate::edge::notify::{Keeping, Undelivered, json_line};
use crate::edge::store::{Control, OutboxRow, ToldEvent};

/// Most notes that wait; a shard that finds more waits for the disk.
const NOTES_MAX: usize = 4_096;
/// Most notes written in one go.
const WRITE_MAX: usize = 256;

/// What the scribe is told.
enum Note {
    /// Something was found.
    Found(Arc<Anomaly>),
    /// A sink is done with a message: name of the sink and id.
    Done(Box<str>, Box<str>),
    /// To be answered when everything before it is written.
    Flush(Sender<()>),
    /// Nothing more will come.
    End,
}

/// The way to the scribe.
#[derive(Clone)]
pub(super) struct Scribe {
    notes: SyncSender<Note>,
}

/// The notes that nobody reads yet.
pub(super) struct Desk(Receiver<Note>);

/// A scribe whose thread is still to be started; the sinks need one before there is a road to them.
pub(super) fn scribe() -> (Scribe, Desk) {
    let (notes, desk) = sync_channel(NOTES_MAX);
    (Scribe { notes }, Desk(desk))
}

impl Scribe {
    /// Tells everybody who wants to know, once.
    pub(super) fn found(&self, anomaly: Arc<Anomaly>) {
        // Once it has ended, nothing that is found is lost: the journal has it.
        let _ = self.notes.send(Note::Found(anomaly));
    }

    /// Waits until everything so far is written and sent.
    pub(super) fn flush(&self) {
        let (reply, answer) = channel();
        if self.notes.send(Note::Flush(reply)).is_ok() {
            let _ = answer.recv();
        }
    }
}

impl Scribe {
    /// Ends the thread when everything so far is written.
    pub(super) fn end(&self) {
        self.flush();
        let _ = self.notes.send(Note::End);
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
}

/// Starts the thread.
///
/// # Errors
/// If the system gives no thread.
pub(super) fn spawn(desk: Desk, road: Arc<Road>, control: Arc<Control>) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name("scribe".to_owned());
    thread.spawn(move || {
        while let Ok(first) = desk.0.recv() {
            let more = desk.0.try_iter().take(WRITE_MAX - 1);
            let notes: Vec<Note> = std::iter::once(first).chain(more).collect();
            let is_over = notes.iter().any(|note| matches!(note, Note::End));
            write(notes, &road, &control);
            if is_over {
                return;
            }
        }
    })?;
    Ok(())
}

/// Gives the sinks what no sink had taken when the daemon ended.
pub(super) fn restore(road: &Road, control: &Control) {
    let rows = match control.pending() {
        Ok(rows) => rows,
        Err(error) => {
            tracing::error!(%error, "Undelivered notifications cannot be read.");
            return;
        }
    };
    let read = |row: OutboxRow| Undelivered::from_parts(&row.sink, &row.kind, &row.message);
    let undelivered: Vec<Undelivered> = rows.into_iter().filter_map(read).collect();
    road.dispatcher.load().restore(undelivered, clock::now());
}

fn write(notes: Vec<Note>, road: &Road, control: &Control) {
    let now = clock::now();
    let (mut found, mut done, mut replies) = (Vec::new(), Vec::new(), Vec::new());
    for note in notes {
        match note {
            Note::Found(anomaly) => found.push(anomaly),
            Note::Done(sink, id) => done.push((sink, id)),
            Note::Flush(reply) => replies.push(reply),
            Note::End => {}
        }
    }
    if !found.is_empty() {
        tell(found, road, control, now);
    }
    if !done.is_empty() {
        let done: Vec<(&str, &str)> = done.iter().map(|(sink, id)| (&**sink, &**id)).collect();
        if let Err(error) = control.settled(&done) {
            tracing::warn!(%error, "Deliveries could not be written down; they are sent again after the next start.");
        }
    }
    for reply in replies {
        // Whoever asked may have given up.
        let _ = reply.send(());
    }
}

fn tell(found: Vec<Arc<Anomaly>>, road: &Road, control: &Control, now: Timestamp) {
    let rules = road.rules.load();
    let events: Vec<Event> = found
        .into_iter()
        .flat_map(|anomaly| {
            let proposals = propose(&rules, &anomaly, now).into_iter();
            let proposals = proposals.map(|proposal| Event::Proposal(Arc::new(proposal)));
            std::iter::once(Event::Anomaly(anomaly)).chain(proposals)
        })
        .collect();
    // Known before anything is prepared: what was told must not use up the share of what is new.
    let ids: Vec<&str> = events.iter().map(Event::id).collect();
    let were_told = control.were_told(&ids).unwrap_or_else(|error| {
        tracing::error!(%error, "What was told before cannot be read; some may be told again.");
        vec![false; ids.len()]
    });
    let mut seen = HashSet::new();
    let news = events.iter().zip(were_told);
    let news = news.filter(|(event, was_told)| !was_told && seen.insert(event.id()));
    let news: Vec<&Event> = news.map(|(event, _)| event).collect();
    let prepared = road.dispatcher.load();
    let prepared = news.iter().flat_map(|event| prepared.prepare(event, now));
    let prepared: Vec<Undelivered> = prepared.collect();
    let told: Vec<ToldEvent> = news.iter().map(|event| told(event, now)).collect();
    let rows: Vec<OutboxRow> = prepared.iter().map(|it| row(it, now)).collect();
    if let Err(error) = control.tell(&told, &rows, &[]) {
        tracing::error!(%error, "What was found could not be written down; it is told all the same, and may be told again after a crash.");
    }
    for event in news {
        if let Event::Anomaly(anomaly) = event {
            road.board.count_anomaly(anomaly.kind.name());
            if let Ok(object) = serde_json::from_slice(&json_line(event)) {
                road.board.recent.push(object);
            }
        }
    }
    // Asked for again: the settings may have been read anew meanwhile.
    road.dispatcher.load().send(prepared, now);
}

fn told(event: &Event, at: Timestamp) -> ToldEvent {
    ToldEvent {
        id: event.id().into(),
        at,
    }
}

fn row(undelivered: &Undelivered, at: Timestamp) -> OutboxRow {
    OutboxRow {
        sink: undelivered.sink().into(),
        kind: undelivered.kind().into(),
        id: undelivered.id().into(),
        message: undelivered.message(),
        at,
    }
}
