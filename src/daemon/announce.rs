//! What the shards say → sinks, api, trainer, and whoever watches.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::board::Board;
use super::clock;
use super::running::Watcher;
use super::scribe::Scribe;
use super::trainer::{Job, TrainerHandle};
use crate::core::engine::Output;
use crate::core::record::StreamKey;
use crate::edge::api::Feed;
use crate::edge::notify::Dispatcher;

/// Passes on what the shards say. Waits only for a disk that is far behind.
#[derive(Clone)]
pub(super) struct Announcer {
    pub(super) road: Arc<Road>,
    pub(super) scribe: Scribe,
}

/// Where things go. Sinks can be exchanged while the daemon runs.
pub(super) struct Road {
    pub(super) dispatcher: ArcSwap<Dispatcher>,
    pub(super) board: Arc<Board>,
    pub(super) feed: Feed,
    pub(super) trainer: TrainerHandle,
    pub(super) watcher: Option<Watcher>,
}

impl Road {
    /// Tells the sinks which incidents go on, for those that tell so again and again.
    pub(super) fn stand(&self) {
        let live = self.board.live("");
        let told = live.into_iter().filter(|it| it.route.muted_by.is_none());
        let dispatcher = self.dispatcher.load();
        dispatcher.standing(told.collect(), clock::now());
    }
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcer").finish_non_exhaustive()
    }
}

impl Announcer {
    /// Passes on `outputs` in order; the streams whose training found no place are given back.
    pub(super) fn announce(&self, outputs: Vec<Output>) -> Vec<StreamKey> {
        let mut refused = Vec::new();
        for output in outputs {
            if let Some(watcher) = &self.road.watcher {
                watcher(&output);
            }
            match output {
                Output::Anomaly(anomaly) => self.scribe.found(anomaly),
                Output::Sign(sign) => self.scribe.sign(sign),
                Output::Trail(trail) => self.scribe.trail(trail),
                Output::State { stream, state } => {
                    tracing::debug!(%stream, %state, "A service changed its state.");
                }
                Output::TrainingDue { stream, corpus } => {
                    refused.extend(self.road.trainer.ask(Job { stream, corpus }).err());
                }
                Output::Unjudged { stream, reason } => {
                    tracing::warn!(%stream, reason, "Some records could not be judged.");
                }
            }
        }
        refused
    }
}
