//! Writes the state of all streams into the state folder.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::scribe::Scribe;
use super::shard_thread::{Ask, Command, ShardHandle};
use crate::core::engine::{Snapshot, Templates};
use crate::core::record::StreamKey;
use crate::edge::store::{Appended, Control, Part, Store, StoreError};

/// The name of the watermark up to which all snapshots have the journal.
pub(super) const JOURNAL: &str = "journal";
/// How often it is looked whether the journal fills.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the state of all streams is written.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

/// Where the state is kept.
#[derive(Clone)]
pub(super) struct Books {
    /// What was learned.
    pub(super) store: Arc<Store>,
    /// What was told, and how far things are.
    pub(super) control: Arc<Control>,
    /// Who writes the latter.
    pub(super) scribe: Scribe,
}

impl Books {
    pub(super) fn new(store: Arc<Store>, control: Arc<Control>, scribe: &Scribe) -> Self {
        Self {
            store,
            control,
            scribe: scribe.clone(),
        }
    }
}

/// Asks the shards for the state of their streams, writes it, and lets go of what the journal has of
/// it. Of templates only what changed
/// is written, until that has come to several times the whole, or could not be written.
pub(super) struct Keeper {
    shards: Vec<ShardHandle>,
    books: Books,
    door: Arc<Door>,
    /// Streams of which all templates are to be written next.
    whole: BTreeSet<StreamKey>,
}

impl Keeper {
    pub(super) fn new(shards: Vec<ShardHandle>, books: Books, door: Arc<Door>) -> Self {
        Self {
            shards,
            books,
            door,
            whole: BTreeSet::new(),
        }
    }

    /// Writes everything every [`SNAPSHOT_EVERY`], and when the journal fills, until `stop`. `None` if
    /// a write came to a bad end.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Option<Self> {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut due = Instant::now() + SNAPSHOT_EVERY;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => return Some(self),
            }
            if Instant::now() < due && !self.door.is_filling() {
                continue;
            }
            let written = tokio::task::spawn_blocking(move || {
                let written = self.save(Command::Snapshot);
                (self, written)
            });
            let (keeper, written) = written.await.ok()?;
            self = keeper;
            due = Instant::now() + SNAPSHOT_EVERY;
            if let Err(error) = written {
                tracing::error!(%error, "The state could not be written; it is tried again in a minute.");
            }
        }
    }

    /// Sends each shard what `command` makes of the question for its state, and writes all of the
    /// answers that it can; the first error, if any.
    pub(super) fn save(&mut self, command: fn(Ask) -> Command) -> Result<(), StoreError> {
        let whole = Arc::new(std::mem::take(&mut self.whole));
        // Before the shards are asked: what went to them by now is in their answers.
        let upto = self.door.handed();
        let mut first = Ok(());
        let mut is_whole = true;
        for shard in self.shards.clone() {
            let (reply, answer) = mpsc::channel();
            let ask = Ask {
                whole: Arc::clone(&whole),
                reply,
            };
            shard.send(command(ask));
            let answer = answer.recv();
            // A shard that is gone keeps the journal from being forgotten.
            is_whole &= answer.is_ok();
            // What was found in what a snapshot has must be written down before it: after a crash it
            // would not be found again.
            self.books.scribe.flush();
            for snapshot in answer.unwrap_or_default() {
                // What was removed a moment ago is written whole or not at all.
                if !self.whole.contains(&snapshot.stream) {
                    first = first.and(self.write(snapshot));
                }
            }
        }
        first?;
        if is_whole {
            self.books.control.set_watermark(JOURNAL, upto.get())?;
            self.door.forget(upto);
        }
        Ok(())
    }

    fn write(&mut self, snapshot: Snapshot) -> Result<(), StoreError> {
        let stream = snapshot.stream.clone();
        let written = write(&self.books.store, snapshot);
        if !matches!(written, Ok(Appended { is_full: false, .. })) {
            self.whole.insert(stream);
        }
        for stream in written?.removed {
            tracing::warn!(%stream, "The state folder is full; a service's state was removed.");
            self.whole.insert(stream);
        }
        Ok(())
    }
}

fn write(store: &Store, snapshot: Snapshot) -> Result<Appended, StoreError> {
    let stream = &snapshot.stream;
    let mut written = match snapshot.templates {
        Templates::Whole(bytes) => Appended {
            is_full: false,
            removed: store.put(stream, Part::Templates, &bytes)?,
        },
        Templates::Changes(bytes) => store.append(stream, &bytes)?,
        Templates::Unchanged => Appended::default(),
    };
    // Behind its templates: what a crash in between leaves refers to none that is not there.
    let removed = store.put(stream, Part::Snapshot, &snapshot.rest)?;
    written.removed.extend(removed);
    Ok(written)
}
