//! Alerts that come on other days too, and that came while something went on.
//!
//! They are no evidence and open nothing, but whoever looks at an incident wants to know what else came
//! at that time. Of each name and service there is one sign, which stands for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Moment;
use crate::core::event::Sign;
use crate::core::record::StreamKey;

/// How a sign begins that came along and is no evidence.
pub(super) const CAME_ALONG: &str = "as on other days";

/// What came along with an incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Company {
    /// In the order of their first alerts, each with how many it stands for.
    kept: Vec<(Arc<Sign>, u64)>,
}

/// What came lately and is part of no incident, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Lately {
    /// By the minute, the name and the service, each with how many it stands for.
    kept: BTreeMap<Spot, (Arc<Sign>, u64)>,
}

/// A minute, a name and a service.
type Spot = (Moment, Box<str>, StreamKey);

impl Company {
    /// Most names and services that are told apart.
    const KEPT_MAX: usize = 32;

    /// Counts an alert, or `count` of which one sign stands for all. Whether there was room.
    pub(super) fn add(&mut self, sign: &Arc<Sign>, count: u64) -> bool {
        let is_same = |(kept, _): &&mut (Arc<Sign>, u64)| {
            kept.kind == sign.kind && kept.stream == sign.stream
        };
        if let Some((kept, all)) = self.kept.iter_mut().find(is_same) {
            count_in(kept, sign);
            *all += count;
        } else if self.kept.len() < Self::KEPT_MAX {
            self.kept.push((Arc::clone(sign), count));
        } else {
            return false;
        }
        true
    }

    /// Takes in what came along with another incident, as far as there is room.
    pub(super) fn merge(&mut self, other: &Self) {
        for (sign, count) in &other.kept {
            self.add(sign, *count);
        }
    }

    /// One sign for each name and service, which says that it is no evidence.
    pub(super) fn signs(&self) -> impl Iterator<Item = Arc<Sign>> {
        self.kept.iter().map(|(sign, _)| {
            let mut shown = Sign::clone(sign);
            shown.says = format!("{CAME_ALONG}: {}", sign.says).into();
            Arc::new(shown)
        })
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

impl Lately {
    /// Most names and services, minute by minute, that are remembered.
    const KEPT_MAX: usize = 4_096;
    /// How far back it goes.
    pub(super) const LASTS: Duration = Duration::from_mins(30);
    const MINUTE: Duration = Duration::from_mins(1);

    /// Notes an alert that came at `now`.
    pub(super) fn push(&mut self, sign: &Arc<Sign>, now: Moment) {
        let minute = now.whole(Self::MINUTE);
        let key = (minute, sign.kind.clone(), sign.stream.clone());
        if let Some((kept, count)) = self.kept.get_mut(&key) {
            count_in(kept, sign);
            *count += 1;
            return;
        }
        if self.kept.len() >= Self::KEPT_MAX {
            self.kept.pop_first();
        }
        self.kept.insert(key, (Arc::clone(sign), 1));
    }

    /// Whether something is old.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        let first = self.kept.first_key_value();
        first.is_some_and(|((minute, ..), _)| now.since(*minute) > Self::LASTS)
    }

    /// Forgets what is old.
    pub(super) fn advance(&mut self, now: Moment) {
        while let Some(first) = self.kept.first_entry()
            && now.since(first.key().0) > Self::LASTS
        {
            first.remove();
        }
    }

    /// Hands what came near `stream` over to the company of an incident. Gives how many.
    pub(super) fn join(&mut self, stream: &StreamKey, company: &mut Company) -> u64 {
        let mut moved = 0;
        self.kept.retain(|(_, _, other), (sign, count)| {
            let joins = is_near(stream, other) && company.add(sign, *count);
            moved += if joins { *count } else { 0 };
            !joins
        });
        moved
    }
}

/// Whether two services are part of one place: one environment and namespace.
pub(super) fn is_near(one: &StreamKey, other: &StreamKey) -> bool {
    one.environment == other.environment && one.namespace == other.namespace
}

fn count_in(kept: &mut Arc<Sign>, more: &Sign) {
    let kept = Arc::make_mut(kept);
    kept.count = kept.count.saturating_add(more.count);
    kept.first_seen = kept.first_seen.min(more.first_seen);
    kept.last_seen = kept.last_seen.max(more.last_seen);
}
