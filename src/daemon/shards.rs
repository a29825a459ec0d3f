//! Makes the shards and gives each what is its own from the state folder and the settings.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::announce::Announcer;
use super::clock;
use super::config::{ServiceBundle, Settings};
use super::models::{self, OtherIdleTimeout};
use super::router::shard_index;
use super::running::StartError;
use super::shard_thread::{self, Reports, ShardHandle};
use crate::core::engine::{self, Room, Saved, Shard, Status};
use crate::core::model::Bundle;
use crate::core::record::StreamKey;
use crate::core::sequence::PatternError;
use crate::edge::store::{Part, Store, StoredStream};

/// Makes the shards, each with the streams that are its own from the state folder; with them the
/// number of the latest entry of the journal that any of them has.
pub(super) fn spawn_shards(
    settings: &Settings,
    store: &Store,
    announcer: &Announcer,
    (stopping, room): (&Arc<AtomicBool>, Room),
) -> Result<(Vec<ShardHandle>, u64), StartError> {
    let engine = engine_settings(settings, room)?;
    let count = settings.shard_count().get();
    let mut shards: Vec<Shard> = (0..count).map(|_| Shard::new(engine.clone())).collect();
    let mut known = Vec::new();
    for stored in store.streams() {
        if let Some(shard) = shards.get_mut(shard_index(&stored.key, count)) {
            known.extend(restore(shard, stored, store));
        }
    }
    for (stream, bundle) in configured_models(settings)? {
        if let Some(shard) = shards.get_mut(shard_index(&stream, count))
            && !known.contains(&stream)
        {
            shard.install_given(&stream, bundle, clock::now());
        }
    }
    shards
        .iter()
        .for_each(|shard| warn_of_other_idle_timeouts(shard, engine.idle_timeout));
    let board = &announcer.road.board;
    board
        .received
        .restore(shards.iter().map(|shard| shard.ledger().pending).sum());
    let upto = shards.iter().map(Shard::upto).max().unwrap_or(0);
    let shards = shards.into_iter().enumerate().map(|(index, shard)| {
        let reports = Reports {
            announcer: announcer.clone(),
            board: Arc::clone(board),
            queued: Arc::clone(&board.queued),
            stopping: Arc::clone(stopping),
        };
        shard_thread::spawn(index, shard, reports)
    });
    Ok((shards.collect::<Result<_, _>>()?, upto))
}

/// Takes up a stream from the state folder; its key if a model judges it. What cannot be read is
/// set aside with a warning, and the stream begins anew.
fn restore(shard: &mut Shard, stored: StoredStream, store: &Store) -> Option<StreamKey> {
    let StoredStream {
        key,
        templates,
        snapshot: rest,
        model,
        model_at,
    } = stored;
    let bundle = model.and_then(|bytes| match models::from_bytes(&bytes) {
        Ok(bundle) => Some(Arc::new(bundle)),
        Err(error) => {
            store.set_aside(&key, Part::Model, &error.to_string());
            None
        }
    });
    let has_model = bundle.is_some();
    let now = clock::now();
    let saved = Saved { templates, rest };
    match shard.restore(&key, &saved, bundle.clone(), now) {
        Ok(lost) => {
            if let Some(error) = lost.templates {
                tracing::warn!(stream = %key, %error, "The latest changes of a service's templates cannot be read; they are learned again.");
            }
            if let Some(error) = lost.rest {
                store.set_aside(&key, Part::Snapshot, &error.to_string());
            }
        }
        Err(error) => {
            let has = [!saved.templates.is_empty(), saved.rest.is_some()];
            let parts = [Part::Templates, Part::Snapshot].into_iter().zip(has);
            for (part, _) in parts.filter(|(_, is_there)| *is_there) {
                store.set_aside(&key, part, &error.to_string());
            }
            if let Some(bundle) = bundle {
                shard.install_given(&key, bundle, now);
            }
        }
    }
    if let Some(at) = model_at.filter(|_| has_model) {
        shard.was_trained(&key, at);
    }
    has_model.then_some(key)
}

/// Warns of each model that judges sequences cut otherwise than those it was trained on.
fn warn_of_other_idle_timeouts(shard: &Shard, set: Duration) {
    for Status { stream, model, .. } in shard.status() {
        let differs = model.and_then(|model| OtherIdleTimeout::of(&model.trained_on, set));
        if let Some(OtherIdleTimeout { trained, set }) = differs {
            tracing::warn!(
                %stream, %trained, %set,
                "The model of a service was trained with another sequence.idle_timeout than is set: \
                 counts differ, and normal sequences may be told as anomalies. Set it to what the \
                 model was trained with, or train a model with what is set."
            );
        }
    }
}

fn configured_models(settings: &Settings) -> Result<Vec<(StreamKey, Arc<Bundle>)>, StartError> {
    let read = |configured: &ServiceBundle| {
        let bundle = models::read(&configured.path)?;
        Ok((configured.stream(), Arc::new(bundle)))
    };
    settings.model.bundles.iter().map(read).collect()
}

/// What each shard runs by, within its room.
///
/// # Errors
/// A pattern of the settings does not compile.
pub(super) fn engine_settings(
    settings: &Settings,
    room: Room,
) -> Result<engine::Settings, PatternError> {
    Ok(engine::Settings {
        room,
        ..settings.engine()?
    })
}
