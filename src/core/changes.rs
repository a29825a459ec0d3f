//! What was done to services of late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::event::{Cause, NearChange};
use crate::core::record::{Change, StreamKey, Timestamp};

/// How long before an incident a change is still worth a look.
pub const NEAR: Duration = Duration::from_secs(60 * 60);
/// A change this long after the first abnormal record may still be its cause: clocks differ, and a
/// rollout is told when it is through.
const LATE: Duration = Duration::from_secs(2 * 60);
/// Most changes remembered; the oldest goes first.
pub const CHANGES_MAX: usize = 10_000;

/// The latest changes, by time. Bounded by [`CHANGES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    by_time: BTreeMap<(Timestamp, Box<str>), Arc<Change>>,
}

impl Changes {
    /// Remembers a change; whether it is new. One with the id of another is the same.
    pub fn add(&mut self, change: Arc<Change>) -> bool {
        if self.by_time.values().any(|known| known.id == change.id) {
            return false;
        }
        self.by_time.insert((change.at, change.id.clone()), change);
        while self.by_time.len() > CHANGES_MAX {
            self.by_time.pop_first();
        }
        true
    }

    /// The changes of `streams` up to [`NEAR`] before `began`, nearest first, at most
    /// [`Cause::CHANGES_MAX`].
    pub fn near<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a StreamKey>,
        began: Timestamp,
    ) -> Vec<NearChange> {
        let streams: Vec<&StreamKey> = streams.into_iter().collect();
        let first = (began.minus(NEAR), "".into());
        let last = (began.plus(LATE), "\u{10ffff}".into());
        let found = self.by_time.range(first..=last).rev();
        let found = found.filter(|(_, change)| streams.contains(&&change.stream));
        found
            .take(Cause::CHANGES_MAX)
            .map(|(_, change)| NearChange {
                change: Arc::clone(change),
                before: began.since(change.at),
            })
            .collect()
    }

    /// All changes since `since`, oldest first.
    pub fn since(&self, since: Timestamp) -> impl Iterator<Item = &Arc<Change>> {
        self.by_time.range((since, "".into())..).map(|(_, it)| it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::ChangeKind;

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

    fn near(changes: &Changes, services: &[&str], minute: u64) -> Vec<String> {
        let streams: Vec<StreamKey> = services.iter().map(|it| StreamKey::named(it)).collect();
        let found = changes.near(&streams, Timestamp::from_millis(minute * 60_000));
        found.iter().map(|it| it.change.id.to_string()).collect()
    }

    #[test]
    fn the_changes_of_the_hour_before_are_found_nearest_first() {
        let mut changes = Changes::default();
        for (id, service, minute) in [
            ("old", "cart", 39),
            ("a", "cart", 41),
            ("b", "cart", 99),
            ("other", "stock", 99),
            ("through", "cart", 101),
            ("after", "cart", 103),
        ] {
            assert!(changes.add(change(id, service, minute)));
        }
        assert!(!changes.add(change("a", "cart", 50)), "posted again");
        assert_eq!(near(&changes, &["cart"], 100), ["through", "b", "a"]);
        assert_eq!(
            near(&changes, &["stock", "cart"], 98),
            ["other", "b", "a", "old"]
        );
        assert_eq!(near(&changes, &["pay"], 100), [""; 0]);
    }

    #[test]
    fn memory_of_changes_is_bounded_and_the_oldest_go_first() {
        let mut changes = Changes::default();
        changes.by_time.extend((0..CHANGES_MAX).map(|n| {
            let change = change(&n.to_string(), "cart", 1_000 + n as u64);
            ((change.at, change.id.clone()), change)
        }));
        assert!(changes.add(change("new", "cart", 1_000_000)));
        assert_eq!(changes.since(Timestamp::ZERO).count(), CHANGES_MAX);
        assert_eq!(near(&changes, &["cart"], 1_000), ["2", "1"], "without 0");
    }
}
