//! What is kept of the past, played in order of time.

use std::sync::Arc;
use std::time::Duration;

use super::{Simulated, Simulation};
use crate::core::event::{Anomaly, Incident};
use crate::core::record::Timestamp;
use crate::core::remedy::standing::{Standing, Trouble};

/// What is kept of the past.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Anomalies, each with when it was found.
    pub anomalies: Vec<(Timestamp, Arc<Anomaly>)>,
    /// Incidents as they last were.
    pub incidents: Vec<Incident>,
    /// How many services were heard of.
    pub heard: u32,
    /// Whether senders have to show who they are.
    pub is_authenticated: bool,
}

/// For so long after the last anomaly is looked what becomes of actions.
const AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The smallest step of time where nothing happens.
const STEP: Duration = Duration::from_secs(1);

impl Past {
    /// Plays all of it: each anomaly when it was found, and each action when it is due.
    pub fn play(mut self, mut simulation: Simulation<'_>) -> Simulated {
        self.anomalies
            .sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        self.incidents
            .sort_by(|a, b| (a.detected, &a.id).cmp(&(b.detected, &b.id)));
        let end = self.anomalies.last().map(|(at, _)| at.plus(AFTER));
        let mut to_come = self.anomalies.iter().peekable();
        let mut incidents = self.incidents.iter().peekable();
        let mut live: Vec<&Incident> = Vec::new();
        let mut now = Timestamp::ZERO;
        loop {
            let due = simulation.next_deadline();
            let due = due.map(|due| due.max(now.plus(STEP)));
            let next = to_come.peek().map(|(at, _)| *at);
            let Some(at) = due.into_iter().chain(next).min() else {
                break;
            };
            if end.is_some_and(|end| at > end) {
                break;
            }
            now = at;
            let mut found = Vec::new();
            while let Some((_, anomaly)) = to_come.next_if(|(at, _)| *at <= now) {
                found.push(Arc::clone(anomaly));
            }
            while let Some(incident) = incidents.next_if(|it| it.detected <= now) {
                live.push(incident);
            }
            live.retain(|it| it.ended.as_ref().is_none_or(|mark| mark.at > now));
            let standing = Standing {
                live: live.iter().filter_map(|it| Trouble::at(it, now)).collect(),
                heard: self.heard,
                storm_at: None,
                is_authenticated: self.is_authenticated,
            };
            simulation.turn(&found, standing, now);
        }
        simulation.end()
    }
}
