//! How signs are joined and when an incident is over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of a [`Correlator`](super::Correlator).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How long an incident gathers signs before it is told.
    pub settle: Duration,
    /// How long after its latest sign a service draws its neighbours into its incident.
    pub join_within: Duration,
    /// How many links apart two neighbours may be.
    pub hops_max: u32,
    /// Services that break within this of each other break at once.
    pub storm_within: Duration,
    /// So many services that break at once, and more than usually do, have one cause.
    pub storm_services: usize,
    /// How long an incident is without a sign until it is over.
    pub quiet_for: Duration,
    /// The most that it becomes for an incident that came back again and again: it doubles each time.
    pub quiet_for_max: Duration,
    /// How long after its end an incident is opened again when one of its signs comes back.
    pub reopen_within: Duration,
    /// The least time between two updates, unless it got graver or came back.
    pub update_every: Duration,
    /// So many times in seven days and an incident is a frequent one: it pages no more, unless it
    /// lasts longer than it mostly does.
    pub frequent: u64,
    /// The most incidents in a day that warnings of other systems may open; one of them gathers what is
    /// unusual but no incident each. Alerts that their system calls errors are not counted.
    pub alert_incidents_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(10),
            join_within: Duration::from_mins(5),
            hops_max: 2,
            storm_within: Duration::from_mins(1),
            storm_services: 5,
            quiet_for: Duration::from_mins(15),
            quiet_for_max: Duration::from_hours(4),
            reopen_within: Duration::from_mins(10),
            update_every: Duration::from_mins(5),
            frequent: 4,
            alert_incidents_max: 10,
        }
    }
}
