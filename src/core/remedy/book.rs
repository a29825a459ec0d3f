//! What was done before. Every limit is a question to it, so that nothing has to be kept in step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{Action, ActionKind, ActionState, Object, Target};
use crate::core::record::{StreamKey, Timestamp};

/// The actions of the past that were sent, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Book {
    done: VecDeque<Arc<Action>>,
}

impl Book {
    /// Most actions it remembers.
    pub const LEN_MAX: usize = 10_000;
    /// Most outcomes that a remedy is judged by.
    pub const OUTCOMES_MAX: usize = 100;

    /// Writes an action down, or how it stands now. What was never sent is not written.
    pub fn put(&mut self, action: Arc<Action>) {
        if !action.was_sent() {
            return;
        }
        if let Some(known) = self.done.iter_mut().rev().find(|it| it.id == action.id) {
            if known.acted_at == action.acted_at {
                *known = action;
                return;
            }
            // It was sent again: its place is another one.
            self.done.retain(|it| it.id != action.id);
        }
        let place = self
            .done
            .partition_point(|it| it.acted_at <= action.acted_at);
        self.done.insert(place, action);
        if self.done.len() > Self::LEN_MAX {
            self.done.pop_front();
        }
    }

    /// An action was not carried out after all.
    pub fn forget(&mut self, id: &str) {
        self.done.retain(|it| *it.id != *id);
    }

    /// The actions that were sent within `period` before `now`, latest first. Those of the future count: a
    /// clock that was put back gives nobody more room.
    pub fn within(&self, period: Duration, now: Timestamp) -> impl Iterator<Item = &Action> {
        let from = now.minus(period);
        let latest = self.done.iter().rev().map(AsRef::as_ref);
        latest.take_while(move |it: &&Action| it.acted_at.is_some_and(|at| at > from))
    }

    /// All of them, latest first.
    pub fn iter(&self) -> impl Iterator<Item = &Action> {
        self.done.iter().rev().map(AsRef::as_ref)
    }

    /// The actions that may still change the cluster.
    pub fn in_flight(&self) -> impl Iterator<Item = &Action> {
        self.iter().filter(|it| it.state.is_in_flight())
    }

    /// How often `kind` helped against `fingerprint` lately, and how often it did not: of the latest
    /// [`OUTCOMES_MAX`](Self::OUTCOMES_MAX) outcomes. What was never verified counts for neither.
    pub fn record_of(&self, fingerprint: &str, kind: ActionKind) -> (u32, u32) {
        let same = |it: &&Action| *it.fingerprint == *fingerprint && it.remedy.kind() == kind;
        let outcomes = self.iter().filter(same).filter_map(|it| match it.state {
            ActionState::Effective => Some(true),
            ActionState::Ineffective | ActionState::Harmful => Some(false),
            ActionState::Asked
            | ActionState::Blocked
            | ActionState::Proposed
            | ActionState::Approved
            | ActionState::Sending
            | ActionState::Unsettled
            | ActionState::Accepted
            | ActionState::Done
            | ActionState::Inconclusive
            | ActionState::Failed
            | ActionState::Denied
            | ActionState::Expired
            | ActionState::Observed => None,
        });
        outcomes
            .take(Self::OUTCOMES_MAX)
            .fold((0, 0), |(helped, not), it| {
                (helped + u32::from(it), not + u32::from(!it))
            })
    }
}

/// Whether two targets are of one workload, or are one pod.
pub fn is_same_workload(a: &Target, b: &Target) -> bool {
    a.namespace == b.namespace
        && match (&a.workload, &b.workload) {
            (Some(a), Some(b)) => a == b,
            _ => a.pod.is_some() && a.pod == b.pod,
        }
}

/// Whether an action is of the workload or pod `object`.
pub fn is_of(action: &Action, object: &Object) -> bool {
    let target = &action.target;
    target.namespace == object.namespace
        && match &target.workload {
            Some((kind, name)) => *kind == object.kind && *name == object.name,
            None => target.pod.as_ref() == Some(&object.name),
        }
}

/// Whether an action is of the service `stream`.
pub fn is_of_stream(action: &Action, stream: &StreamKey) -> bool {
    action.stream == *stream
}
