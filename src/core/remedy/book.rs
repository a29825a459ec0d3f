//! What was done before. Every limit is a question to it, so that nothing has to be kept in step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{Action, ActionState, Object, Target};
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
        self.iter().filter(|it| it.is_in_flight())
    }

    /// How often what is the `same` helped lately, and how often it did not: of the latest
    /// [`OUTCOMES_MAX`](Self::OUTCOMES_MAX) outcomes. What was never verified counts for neither, nor does what
    /// was not answered: who drains a node makes a pod go, too.
    pub fn record_of(&self, same: &dyn Fn(&Action) -> bool) -> (u32, u32) {
        let same = |it: &&Action| same(it) && !it.was_unsettled();
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

/// Whether two objects that were read are one. `None` where that cannot be told: one has no uid, or they are
/// of two kinds, of which one may be what is claimed in the other's place.
pub fn is_same_object(a: &Object, b: &Object) -> Option<bool> {
    let is_known = !a.uid.is_empty() && !b.uid.is_empty() && a.kind == b.kind;
    is_known.then(|| a.uid == b.uid)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{Remedy, Step};
    use crate::core::remedy::check::fixture::{NOW, Scene, mins, secs};

    fn action(id: &str, ago: u64, state: ActionState) -> Arc<Action> {
        let mut action = Scene::healthy(Remedy::RestartPod).action;
        action.id = id.into();
        action.acted_at = Some(NOW.minus(secs(ago)));
        action.state = state;
        Arc::new(action)
    }

    fn ids<'a>(actions: impl Iterator<Item = &'a Action>) -> Vec<&'a str> {
        actions.map(|it| &*it.id).collect()
    }

    #[test]
    fn actions_come_latest_first_in_whatever_order_they_were_written() {
        let mut book = Book::default();
        for (id, ago) in [("b", 20), ("c", 10), ("a", 30)] {
            book.put(action(id, ago, ActionState::Done));
        }
        assert_eq!(ids(book.iter()), ["c", "b", "a"]);
        assert_eq!(ids(book.within(secs(20), NOW)), ["c"]);
        assert_eq!(ids(book.within(secs(21), NOW)), ["c", "b"]);
    }

    #[test]
    fn a_clock_that_was_put_back_gives_nobody_more_room() {
        let mut book = Book::default();
        book.put(action("a", 0, ActionState::Done));
        assert_eq!(ids(book.within(secs(1), NOW.minus(mins(600)))), ["a"]);
    }

    #[test]
    fn an_action_stands_once_as_it_is_now_and_where_it_was_sent_last() {
        let mut book = Book::default();
        book.put(action("a", 30, ActionState::Sending));
        book.put(action("b", 20, ActionState::Sending));
        book.put(action("a", 30, ActionState::Effective));
        assert_eq!(ids(book.iter()), ["b", "a"]);
        assert_eq!(ids(book.in_flight()), ["b"]);
        book.put(action("a", 10, ActionState::Sending));
        assert_eq!(ids(book.iter()), ["a", "b"]);
        book.forget("a");
        assert_eq!(ids(book.iter()), ["b"]);
    }

    #[test]
    fn a_remedy_gets_no_credit_and_no_blame_for_what_was_only_read_to_have_taken_place() {
        use ActionState::{Done, Effective, Ineffective, Sending, Unsettled};
        for (outcome, answered) in [(Effective, (1, 0)), (Ineffective, (0, 1))] {
            for (states, record) in [
                (vec![Sending, Done, outcome], answered),
                (vec![Sending, Unsettled, Done, outcome], (0, 0)),
                // What was refused after all was sent again, and answered.
                (vec![Sending, Unsettled, Sending, Done, outcome], answered),
            ] {
                let mut action = Action::clone(&action("a", 30, outcome));
                let step = |state: &ActionState| Step {
                    at: NOW,
                    state: *state,
                    by: "knothole".into(),
                    why: "".into(),
                };
                action.steps = states.iter().map(step).collect();
                let mut book = Book::default();
                book.put(Arc::new(action));
                assert_eq!(book.record_of(&|_| true), record, "{states:?}");
            }
        }
    }

    #[test]
    fn what_was_never_sent_is_not_written() {
        let mut book = Book::default();
        let mut unsent = Action::clone(&action("a", 30, ActionState::Expired));
        unsent.acted_at = None;
        book.put(Arc::new(unsent));
        assert_eq!(book.iter().count(), 0);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut book = Book::default();
        let same = action("", 0, ActionState::Effective);
        for at in 0..Book::LEN_MAX {
            let mut action = Action::clone(&same);
            action.id = at.to_string().into();
            action.acted_at = Some(NOW.minus(mins(60)).plus(secs(at as u64 / 10)));
            book.done.push_back(Arc::new(action));
        }
        book.put(action("newest", 0, ActionState::Effective));
        assert_eq!(book.iter().count(), Book::LEN_MAX);
        let all = ids(book.iter());
        assert_eq!((all.first(), all.last()), (Some(&"newest"), Some(&"1")));
    }
}
