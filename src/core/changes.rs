//! What was done to services of late.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::{Change, Timestamp};

/// How long before an incident a change is still worth a look.
pub const NEAR: Duration = Duration::from_secs(60 * 60);
/// Most changes remembered; the one that came first goes first, whatever time it is of.
pub const CHANGES_MAX: usize = 10_000;

/// The latest changes, by time. Bounded by [`CHANGES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    by_time: BTreeMap<(Timestamp, Box<str>), Arc<Change>>,
    /// The time of each, by its id.
    times: BTreeMap<Box<str>, Timestamp>,
    /// Their ids in the order in which they came.
    came: VecDeque<Box<str>>,
}

impl Changes {
    /// Remembers a change; whether it is new. One with the id of another is the same.
    pub fn add(&mut self, change: Arc<Change>) -> bool {
        if self.times.contains_key(&change.id) {
            return false;
        }
        self.times.insert(change.id.clone(), change.at);
        self.came.push_back(change.id.clone());
        self.by_time.insert((change.at, change.id.clone()), change);
        if self.came.len() > CHANGES_MAX
            && let Some(id) = self.came.pop_front()
            && let Some(at) = self.times.remove(&id)
        {
            self.by_time.remove(&(at, id));
        }
        true
    }

    /// All changes since `since`, oldest first.
    pub fn since(&self, since: Timestamp) -> impl Iterator<Item = &Arc<Change>> {
        self.by_time.range((since, "".into())..).map(|(_, it)| it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{ChangeKind, StreamKey};

    fn change(id: &str, service: &str, minute: u64) -> Arc<Change> {
        Arc::new(Change {
            id: id.into(),
            kind: ChangeKind::Posted,
            stream: StreamKey::named(service),
            from: None,
            to: None,
            at: Timestamp::from_millis(minute * 60_000),
            reference: None,
            url: None,
        })
    }

    fn ids(changes: &Changes, minute: u64) -> Vec<String> {
        let since = changes.since(Timestamp::from_millis(minute * 60_000));
        since.map(|change| change.id.to_string()).collect()
    }

    #[test]
    fn changes_are_told_by_time_and_each_once() {
        let mut changes = Changes::default();
        for (id, minute) in [("b", 99), ("a", 41), ("c", 99)] {
            assert!(changes.add(change(id, "cart", minute)));
        }
        assert!(!changes.add(change("a", "cart", 50)), "posted again");
        assert_eq!(ids(&changes, 41), ["a", "b", "c"]);
        assert_eq!(ids(&changes, 42), ["b", "c"]);
    }

    #[test]
    fn memory_of_changes_is_bounded_and_dates_ahead_keep_none_out() {
        let mut changes = Changes::default();
        for n in 0..CHANGES_MAX as u64 {
            changes.add(change(&n.to_string(), "cart", 1_000_000 + n));
        }
        assert!(changes.add(change("new", "cart", 7)));
        assert_eq!(changes.since(Timestamp::ZERO).count(), CHANGES_MAX);
        assert_eq!(ids(&changes, 0)[..2], ["new", "1"], "without 0");
        let bytes = postcard::to_allocvec(&changes).unwrap();
        assert_eq!(postcard::from_bytes::<Changes>(&bytes).unwrap(), changes);
    }
}
