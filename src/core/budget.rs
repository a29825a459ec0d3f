//! How often a team is woken: so many pages a day, critical ones aside. The rest is told once a day.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::event::{Digest, Gravity, Incident};
use crate::core::record::Timestamp;

/// Settings of a [`Budget`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSettings {
    /// Pages that a team gets in a day, critical ones aside.
    pub pages_max: u64,
    /// How long after the first of them more than a handful of unpaged incidents are told, so that a
    /// storm's digest does not wait for the end of the day.
    pub storm_digest_after: Duration,
    /// So many unpaged incidents are a storm.
    pub storm_incidents: u64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            pages_max: 10,
            storm_digest_after: Duration::from_mins(30),
            storm_incidents: 20,
        }
    }
}

/// Decides which incidents page, and gathers the others for their team's digest. Its own snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    settings: BudgetSettings,
    teams: BTreeMap<Box<str>, Team>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Team {
    days: BTreeMap<i64, Day>,
    gathered: BTreeMap<Box<str>, Arc<Incident>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    charged: u64,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(settings: BudgetSettings) -> Self {
        Self {
            settings,
            teams: BTreeMap::new(),
        }
    }

    /// Takes other settings; what was charged stays charged.
    pub fn reconfigure(&mut self, settings: BudgetSettings) {
        self.settings = settings;
    }

    /// Decides about an incident that is about to be told: where it would page and the budget of its
    /// team (`route.team`) is used up, it does not, and `route.why` says so. Of an incident, one page a
    /// spell is charged: until it is over, further events of it are free. Critical ones always page and
    /// are not charged. What does not page and is not muted goes into the next digest.
    ///
    /// `day` is the number of the day in the team's time zone, for instance days since the epoch.
    pub fn decide(&mut self, incident: &mut Incident, day: i64, now: Timestamp) {
        let _ = (incident, day, now, Gravity::Critical);
    }

    /// The digests that are due: of teams whose day (`day_of` a team) is another than when they had
    /// their last one, and of those that had a storm that is over.
    pub fn digests(&mut self, day_of: impl Fn(Option<&str>) -> i64, now: Timestamp) -> Vec<Digest> {
        let _ = (day_of, now);
        Vec::new()
    }
}
