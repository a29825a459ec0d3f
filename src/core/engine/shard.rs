//! Many streams, driven by plain calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::intake::Arrived;
use super::outbox::Outbox;
use super::repeats::Repeats;
use super::room::{Room, level};
use super::snapshot::{Lost, Saved, Snapshot, SnapshotError};
use super::stream::Stream;
use super::{Ledger, Output, Settings, Status};
use crate::core::model::Bundle;
use crate::core::record::{Batch, StreamKey, Timestamp};
use crate::core::redact::Redaction;

/// When records that are taken in are judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judging {
    Now,
    Later,
}

/// A set of streams that one thread owns.
#[derive(Debug)]
pub struct Shard {
    settings: Settings,
    streams: BTreeMap<StreamKey, Stream>,
    out: Outbox,
    /// The number of the latest entry of the journal that was taken in.
    taken: u64,
    repeats: Repeats,
    redaction: Redaction,
    /// Records taken in since the room was shared out.
    since_shared: usize,
}

/// The room is shared out again after so many records, or with the next tick.
const SHARE_EVERY: usize = 4_096;

impl Shard {
    /// A shard without streams.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            streams: BTreeMap::new(),
            out: Outbox::default(),
            taken: 0,
            repeats: Repeats::default(),
            redaction: Redaction::default(),
            since_shared: 0,
        }
    }

    /// What of entry `number` of the journal is not in a stream already, by the snapshot it was
    /// restored from. All of it is to be pushed before the next call of anything.
    pub fn news(&mut self, number: u64, mut batches: Vec<Batch>) -> Vec<Batch> {
        batches.retain(|batch| {
            let stream = self.streams.get(&batch.stream);
            stream.is_none_or(|stream| stream.upto < number)
        });
        self.taken = self.taken.max(number);
        batches
    }

    /// How long a record waits for older ones.
    pub const fn reorder_delay(&self) -> Duration {
        self.settings.reorder_delay
    }

    /// The number of the latest entry of the journal that any stream has in it.
    pub fn upto(&self) -> u64 {
        let of_streams = self.streams.values().map(|stream| stream.upto);
        of_streams.max().unwrap_or(0).max(self.taken)
    }

    /// Takes in a batch that arrived at `now`, and judges what is due.
    pub fn push(&mut self, batch: Batch, now: Timestamp) {
        self.take_in(batch, (now, now), Judging::Now);
    }

    /// Takes in a batch that arrived at `received_at`, before a restart perhaps, and judges what is
    /// due by `now`.
    pub fn push_received(&mut self, batch: Batch, received_at: Timestamp, now: Timestamp) {
        self.take_in(batch, (received_at, now), Judging::Now);
    }

    /// Takes in a batch that arrived at `now` to be judged later, or after a restart: much faster
    /// than [`push`](Self::push), for when there is no time left.
    pub fn hold(&mut self, batch: Batch, now: Timestamp) {
        self.take_in(batch, (now, now), Judging::Later);
    }

    /// Every record that anything is made of comes through here, and leaves its secrets here.
    fn take_in(&mut self, mut batch: Batch, clock: (Timestamp, Timestamp), judging: Judging) {
        let (_, now) = clock;
        let known = self.streams.contains_key(&batch.stream);
        if !known && !self.has_room(now) {
            self.out.ledger.suppressed += batch.len() as u64;
            return;
        }
        self.since_shared += batch.len();
        if self.since_shared >= SHARE_EVERY {
            self.share_room();
        }
        let mut repeats = std::mem::take(&mut self.repeats);
        let origin = super::repeats::origin(&batch.stream, &batch.resource);
        let redactor = Arc::clone(&self.settings.redactor);
        let mut redaction = std::mem::take(&mut self.redaction);
        let suspects = redaction.batch(&redactor, &mut batch);
        let (stream, settings, out) = self.stream(&batch.stream);
        for (index, sent) in batch.records().enumerate() {
            let clean = redaction.record(&redactor, sent, suspects.of(index));
            let record = Arrived {
                sent,
                clean,
                resource: &batch.resource,
            };
            if !stream.push(&record, clock, (&mut repeats, origin), settings) {
                out.ledger.repeated += 1;
            }
        }
        repeats.settle();
        if judging == Judging::Now {
            stream.advance(now, settings, out);
        }
        self.repeats = repeats;
        self.redaction = redaction;
    }

    /// Gives each stream its share of the room.
    fn share_room(&mut self) {
        self.since_shared = 0;
        let room = self.settings.room;
        let streams = || self.streams.values();
        let held = streams().map(|stream| stream.hold.bytes());
        let recent = streams().map(|stream| stream.journal.bytes());
        let corpora = streams().map(|stream| stream.kept.bytes());
        let most = Room {
            held_bytes_max: level(held, room.held_bytes_max).min(room.held_bytes_max),
            recent_bytes_max: level(recent, room.recent_bytes_max).min(room.recent_bytes_max),
            corpus_bytes_max: level(corpora, room.corpus_bytes_max).min(room.corpus_bytes_max),
        };
        for stream in self.streams.values_mut() {
            stream.set_room(most, &self.settings);
        }
    }

    /// Whether a new stream can begin; one that has been silent for long gives way.
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.streams.len() < self.settings.streams_max {
            return true;
        }
        let silent = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.is_forgotten(now));
        let longest = silent
            .min_by_key(|(_, stream)| stream.heard())
            .map(|(key, _)| key.clone());
        longest.is_some_and(|key| self.streams.remove(&key).is_some())
    }

    /// Judges what has become due by `now`.
    pub fn tick(&mut self, now: Timestamp) {
        self.share_room();
        for stream in self.streams.values_mut() {
            stream.advance(now, &self.settings, &mut self.out);
        }
    }

    /// Judges everything that waits, as at the end of a file. Sequences that the end of the file
    /// cut off are not judged as ended.
    pub fn finish(&mut self, now: Timestamp) {
        for stream in self.streams.values_mut() {
            stream.finish(now, &self.settings, &mut self.out);
        }
    }

    /// From now on `bundle` judges the stream, which begins if it is new.
    pub fn install(&mut self, stream: &StreamKey, bundle: Arc<Bundle>, now: Timestamp) {
        let (stream, _, out) = self.stream(stream);
        stream.install(bundle, now, out);
    }

    /// The same with a model of which nobody knows when it was trained.
    pub fn install_given(&mut self, stream: &StreamKey, bundle: Arc<Bundle>, now: Timestamp) {
        let (stream, _, out) = self.stream(stream);
        stream.install(bundle, now, out);
        stream.model_trained_at = None;
    }

    /// The model of the stream was trained at `at`, where that is not known: it may have been trained after the
    /// snapshot was made.
    pub fn was_trained(&mut self, stream: &StreamKey, at: Timestamp) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.model_trained_at.get_or_insert(at);
        }
    }

    /// Tells the shard that a training it asked for came to nothing.
    pub fn training_failed(&mut self, stream: &StreamKey, now: Timestamp) {
        let (stream, _, out) = self.stream(stream);
        stream.training_failed(now, out);
    }

    /// Takes the settings from now on, templates by hand and the number of alarms at once; bounds and
    /// delays of streams that exist stay as they are.
    pub fn reconfigure(&mut self, settings: Settings) {
        for stream in self.streams.values_mut() {
            stream.miner.set_hand(&settings.hand);
            stream.set_alarms(settings.alarms);
        }
        self.redaction.forget();
        self.settings = settings;
    }

    /// How many secrets of each kind were redacted since the last call.
    pub fn take_redacted(&mut self) -> Vec<(Arc<str>, u64)> {
        self.redaction.take_counts()
    }

    /// Everything there is to say since the last call, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out.outputs)
    }

    /// When to call [`tick`](Self::tick) next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.streams
            .values()
            .filter_map(Stream::next_deadline)
            .min()
    }

    /// Where every record went.
    pub fn ledger(&self) -> Ledger {
        let pending = self
            .streams
            .values()
            .map(|stream| stream.hold.len() as u64)
            .sum();
        Ledger {
            pending,
            ..self.out.ledger
        }
    }

    /// How each stream is doing, by key.
    pub fn status(&self) -> Vec<Status> {
        self.streams.values().map(Stream::status).collect()
    }

    /// The templates of a stream (its miner), if the stream exists.
    pub fn miner(&self, stream: &StreamKey) -> Option<&crate::core::parse::Miner> {
        self.streams.get(stream).map(|stream| &stream.miner)
    }

    /// What a stream has learned so far, as training would see it.
    pub fn corpus(&self, stream: &StreamKey) -> Option<crate::core::train::Corpus> {
        self.streams.get(stream).map(Stream::corpus)
    }

    /// The state of each stream as bytes, to be given to [`restore`](Self::restore): of its
    /// templates only what changed since it was last asked for, where that is known, but all of
    /// them of the streams in `whole`.
    pub fn snapshots(&mut self, whole: &BTreeSet<StreamKey>) -> Vec<Snapshot> {
        let taken = self.taken;
        let all = self.streams.iter_mut();
        all.map(|(key, stream)| super::snapshot::write(stream, whole.contains(key), taken))
            .collect()
    }

    /// Takes a stream up again where its snapshot was made, as far as it can be read; `model`
    /// judges it.
    ///
    /// # Errors
    /// If the bytes hold no templates of this version. Without them nothing else makes sense.
    pub fn restore(
        &mut self,
        stream: &StreamKey,
        saved: &Saved,
        model: Option<Arc<Bundle>>,
        now: Timestamp,
    ) -> Result<Lost, SnapshotError> {
        let (mut stream, lost) = super::snapshot::read(stream, saved, &self.settings, now)?;
        let trained_at = stream.trained_at;
        match model {
            Some(bundle) => {
                stream.install(bundle, now, &mut self.out);
                stream.trained_at = trained_at.or(Some(now));
                stream.model_trained_at = trained_at;
            }
            // Its model was lost: it learns again, and the sequences it kept count at once.
            None => stream.forget_training(),
        }
        self.streams.insert(stream.key.clone(), stream);
        Ok(lost)
    }

    fn stream(&mut self, key: &StreamKey) -> (&mut Stream, &Settings, &mut Outbox) {
        let settings = &self.settings;
        let stream = self.streams.entry(key.clone()).or_insert_with(|| {
            self.out.begins(key);
            Stream::new(key.clone(), settings)
        });
        (stream, settings, &mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::Record;
    use crate::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};

    /// Short sequences, each soon followed by the next.
    fn push(shard: &mut Shard, service: &str, records: u64) {
        let mut batch = Batch::new(StreamKey::named(service), Arc::default());
        let mut time = Timestamp::ZERO;
        for number in 0..records {
            time = Timestamp::from_millis(1_000 * number);
            let body = format!("order_{} was packed in {number} ms", 1_000_000 + number / 4);
            batch.push(Record {
                time: Some(time),
                body: &body,
                ..Record::default()
            });
        }
        shard.push(batch, time);
    }

    #[test]
    fn what_many_streams_remember_is_bounded_and_the_small_ones_keep_all() {
        let room = Room {
            recent_bytes_max: 300_000,
            corpus_bytes_max: 100_000,
            ..Room::default()
        };
        let keys = KeyFinder::new(DEFAULT_BODY_IDS).expect("they compile");
        let mut shard = Shard::new(Settings {
            room,
            pace: super::super::Pace::Replay,
            ..Settings::new(keys)
        });
        push(&mut shard, "small", 400);
        let of_small = |shard: &Shard| {
            let small = &shard.streams[&StreamKey::named("small")];
            (small.journal.bytes(), small.kept.bytes())
        };
        let before = of_small(&shard);
        for service in ["a", "b", "c"] {
            push(&mut shard, service, 5_000);
        }
        shard.tick(Timestamp::ZERO);
        assert_eq!(of_small(&shard), before, "it has less than its share");
        let all = |of: fn(&Stream) -> usize| shard.streams.values().map(of).sum::<usize>();
        let (recent, corpora) = (
            all(|stream| stream.journal.bytes()),
            all(|stream| stream.kept.bytes()),
        );
        assert!((200_000..=300_000).contains(&recent), "{recent} {before:?}");
        assert!(
            (60_000..=100_000).contains(&corpora),
            "{corpora} {before:?}"
        );
    }
}
