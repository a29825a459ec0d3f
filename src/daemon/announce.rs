//! What the shards say → sinks, api, trainer, and whoever watches.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::board::Board;
use super::clock;
use super::running::Watcher;
use super::trainer::{Job, TrainerHandle};
use crate::core::engine::Output;
use crate::core::event::{Anomaly, Event};
use crate::core::record::StreamKey;
use crate::core::respond::{Rule, propose};
use crate::edge::notify::{Dispatcher, json_line};

/// Passes on what the shards say. Never waits.
#[derive(Clone)]
pub(super) struct Announcer {
    pub(super) road: Arc<Road>,
}

/// Where things go. Sinks and rules can be exchanged while the daemon runs.
pub(super) struct Road {
    pub(super) dispatcher: ArcSwap<Dispatcher>,
    pub(super) rules: ArcSwap<Vec<Rule>>,
    pub(super) board: Arc<Board>,
    pub(super) trainer: TrainerHandle,
    pub(super) watcher: Option<Watcher>,
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
                Output::Anomaly(anomaly) => self.anomaly(anomaly),
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

    fn anomaly(&self, anomaly: Arc<Anomaly>) {
        let now = clock::now();
        self.road.board.count_anomaly(anomaly.kind.name());
        let proposals = propose(&self.road.rules.load(), &anomaly, now);
        let event = Event::Anomaly(anomaly);
        if let Ok(object) = serde_json::from_slice(&json_line(&event)) {
            self.road.board.recent.push(object);
        }
        let dispatcher = self.road.dispatcher.load();
        dispatcher.offer(&event, now);
        for proposal in proposals {
            dispatcher.offer(&Event::Proposal(Arc::new(proposal)), now);
        }
    }
}
