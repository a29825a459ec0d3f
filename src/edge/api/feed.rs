//! What becomes of incidents, as it becomes so: the events behind `/v1/events`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, stream};
use serde_json::Value;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tells events to everybody who listens. Clones share the listeners.
///
/// Whoever comes back with the id of the last event they heard is told those after it, as far as they
/// are kept; who does not keep up is cut off, and comes back so.
#[derive(Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

struct Shared {
    kept: Mutex<VecDeque<Arc<Told>>>,
    sender: Sender<Arc<Told>>,
    seats: Arc<Semaphore>,
}

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) id: Box<str>,
    pub(super) kind: Box<str>,
    pub(super) data: Box<str>,
}

/// What a listener hears next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The event they heard last is not kept any more: there may be a gap.
    Gap,
    /// An event.
    Told(Arc<Told>),
}

impl Feed {
    /// Events kept for those who come back.
    pub const KEPT_MAX: usize = 256;
    /// Events a listener may be behind.
    pub const BEHIND_MAX: usize = 256;
    /// Most listeners.
    pub const LISTENERS_MAX: usize = 64;

    /// A feed that nobody listens to yet.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                kept: Mutex::new(VecDeque::new()),
                sender: Sender::new(Self::BEHIND_MAX),
                seats: Arc::new(Semaphore::new(Self::LISTENERS_MAX)),
            }),
        }
    }

    /// Tells an event: its id, its kind (`knothole.incident.opened`) and its object.
    pub fn tell(&self, id: &str, kind: &str, object: &Value) {
        let told = Arc::new(Told {
            id: id.into(),
            kind: kind.into(),
            data: super::answer::text_of(object).into(),
        });
        let mut kept = self.kept();
        while kept.len() >= Self::KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&told));
        // An error means that nobody listens. Told while `kept` is held, so that nobody who comes
        // now misses it or hears it twice.
        let _ = self.shared.sender.send(told);
    }

    /// What a listener hears from now on, or after the event `last`; `None` where there are too many
    /// listeners. The stream ends when they are too far behind.
    pub(super) fn listen(
        &self,
        last: Option<&str>,
    ) -> Option<impl Stream<Item = Heard> + Send + use<>> {
        let seat = Arc::clone(&self.shared.seats).try_acquire_owned().ok()?;
        let kept = self.kept();
        let receiver = self.shared.sender.subscribe();
        let mut missed = VecDeque::new();
        if let Some(last) = last {
            match kept.iter().position(|told| *told.id == *last) {
                Some(at) => missed.extend(kept.iter().skip(at + 1).cloned().map(Heard::Told)),
                None => missed.push_back(Heard::Gap),
            }
        }
        drop(kept);
        let listener = Listener {
            missed,
            receiver,
            _seat: seat,
        };
        Some(stream::unfold(listener, async |mut listener| {
            let heard = listener.next().await?;
            Some((heard, listener))
        }))
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Told>>> {
        let kept = &self.shared.kept;
        kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener {
    missed: VecDeque<Heard>,
    receiver: Receiver<Arc<Told>>,
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<Heard> {
        if let Some(missed) = self.missed.pop_front() {
            return Some(missed);
        }
        match self.receiver.recv().await {
            Ok(told) => Some(Heard::Told(told)),
            Err(broadcast::error::RecvError::Lagged(events)) => {
                tracing::info!(events, "A listener that does not keep up is cut off.");
                None
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("kept", &self.kept().len())
            .field("listeners", &self.shared.sender.receiver_count())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};
    use serde_json::json;

    use super::*;

    fn told(feed: &Feed, ids: std::ops::Range<usize>) {
        for id in ids {
            feed.tell(&id.to_string(), "opened", &json!({ "id": id }));
        }
    }

    /// The ids that are heard without waiting; `gap` where one is told, `end` where the stream ended.
    fn heard(feed: &Feed, last: Option<&str>, then: impl FnOnce()) -> Vec<String> {
        let mut stream = std::pin::pin!(feed.listen(last).unwrap());
        then();
        let mut ids = Vec::new();
        while let Some(heard) = stream.next().now_or_never() {
            match heard {
                Some(Heard::Told(told)) => ids.push(told.id.to_string()),
                Some(Heard::Gap) => ids.push("gap".to_owned()),
                None => {
                    ids.push("end".to_owned());
                    break;
                }
            }
        }
        ids
    }

    #[test]
    fn who_comes_back_hears_what_they_missed_once_and_in_order() {
        let feed = Feed::new();
        told(&feed, 0..5);
        assert_eq!(
            heard(&feed, Some("2"), || told(&feed, 5..7)),
            ["3", "4", "5", "6"]
        );
        assert_eq!(heard(&feed, None, || told(&feed, 7..8)), ["7"]);
    }

    #[test]
    fn a_gap_is_told_and_what_is_kept_is_bounded() {
        let feed = Feed::new();
        told(&feed, 0..Feed::KEPT_MAX + 10);
        assert_eq!(heard(&feed, Some("3"), || ()), ["gap"]);
        assert_eq!(
            heard(&feed, Some("10"), || ()).len(),
            Feed::KEPT_MAX - 1,
            "the oldest that is kept is 10"
        );
    }

    #[test]
    fn who_does_not_keep_up_is_cut_off() {
        let feed = Feed::new();
        let far = Feed::BEHIND_MAX + 1;
        assert_eq!(heard(&feed, None, || told(&feed, 0..far)), ["end"]);
    }

    #[test]
    fn there_are_only_so_many_listeners_and_one_that_goes_makes_room() {
        let feed = Feed::new();
        let mut seats: Vec<_> = (0..Feed::LISTENERS_MAX)
            .map(|_| feed.listen(None).unwrap())
            .collect();
        assert!(feed.listen(None).is_none());
        seats.pop();
        assert!(feed.listen(None).is_some());
    }
}
