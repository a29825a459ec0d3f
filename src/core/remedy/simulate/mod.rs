//! What the rules would have done, had they been there: the past is played to the real ledger, which asks
//! every check, and an assumed cluster answers its errands at once. Nothing is sent.
//!
//! ```text
//! anomalies, incidents of the past ─▶ rules ─▶ Ledger ⇄ Assumed ─▶ Tally ─▶ Simulated
//! ```
//!
//! What is assumed to be done counts for rates, cool-downs and breakers. What was recorded afterwards stays
//! as it was: the past does not get better by it.

mod assumed;
mod errands;
mod past;
mod tally;
mod trial;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use assumed::{Assumed, REPLICAS};
pub use errands::Altered;
pub use past::Past;
pub use tally::{Fate, Held, RuleTally, Simulated, Tallied, Tried};
pub use trial::{Bench, Earlier, Ended, Kin, Outcome, Scene, check_names};

use tally::Tally;

use super::ask::ask;
use super::case::World;
use super::ledger::{HookStatus, Incidence, Ledger};
use super::rule::{Limits, Rule};
use super::standing::Standing;
use crate::core::event::{Action, ActionState, Anomaly, Remedy};
use crate::core::record::Timestamp;

/// The window in which nothing is done to the target of an action at a time, where there is one.
pub type Frozen<'a> = &'a dyn Fn(&Action, Timestamp) -> Option<Box<str>>;

/// What comes back is what was assumed.
const AS_ASSUMED: Altered<'static> = &|_| {};

/// Plays the past to a ledger.
pub struct Simulation<'a> {
    rules: Vec<Rule>,
    limits: Limits,
    assumed: Assumed,
    frozen: Frozen<'a>,
    ledger: Ledger,
    storm_at: Option<Timestamp>,
    tally: Tally,
}

impl<'a> Simulation<'a> {
    /// One in which nothing has happened yet.
    pub fn new(rules: Vec<Rule>, limits: Limits, frozen: Frozen<'a>, assumed: Assumed) -> Self {
        Self {
            ledger: Ledger::new(rules.clone(), limits.clone(), true),
            tally: Tally::new(&rules),
            rules,
            limits,
            assumed,
            frozen,
            storm_at: None,
        }
    }

    /// When [`turn`](Self::turn) is to be called at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.ledger.next_deadline()
    }

    /// Has the rules ask on account of `anomalies`, and lets time pass until `now`. Times never go back.
    pub fn turn(&mut self, anomalies: &[Arc<Anomaly>], mut standing: Standing, now: Timestamp) {
        if standing.is_storm(&self.limits) {
            self.storm_at = Some(now);
        }
        standing.storm_at = self.storm_at;
        let frozen = self.frozen;
        let world = |action: &Action| World {
            frozen: frozen(action, now),
            ..assumed(&standing, action)
        };
        for anomaly in anomalies {
            self.ledger.heard(&anomaly.stream, now);
            let asked = ask(&self.rules, anomaly, now);
            self.tally.fits(&self.rules, anomaly, &asked);
            for action in asked {
                let incident = standing.trouble_of(anomaly).map(|it| Incidence {
                    id: &it.id,
                    fingerprint: &it.fingerprint,
                });
                self.ledger.asked(action, incident, now);
            }
        }
        self.ledger.advance(&world, now);
        let answers = (self.assumed, &self.limits, AS_ASSUMED);
        let mut looked_at = errands::run(&mut self.ledger, answers, &world, now);
        self.call_hooks(now);
        let all_changed = self.ledger.take_changed();
        // What is forbidden for good is not even looked at.
        let over = all_changed.iter().map(|it| &it.action);
        let forbidden =
            over.filter(|it| matches!(it.state, ActionState::Denied | ActionState::Observed));
        looked_at.extend(forbidden.map(|it| it.id.clone()));
        for id in &looked_at {
            if let Some(action) = self.ledger.get(id) {
                self.tally.looked(action, now);
            }
        }
        for changed in &all_changed {
            self.tally.changed(changed);
        }
        // Nobody is told.
        self.ledger.take_events();
        self.ledger.take_verified();
    }

    /// What would have been done. What is not over stands where it stands.
    pub fn end(self) -> Simulated {
        self.tally.end(self.ledger.refused())
    }

    /// The owner's hooks do at once what they are told to.
    fn call_hooks(&mut self, now: Timestamp) {
        let is_told =
            |it: &&Action| it.remedy == Remedy::Webhook && it.state == ActionState::Approved;
        let told = self.ledger.open().filter(is_told);
        let told: Vec<Box<str>> = told.map(|it| it.id.clone()).collect();
        for id in told {
            let word = ("hook", "it is assumed to have done it");
            // It was approved in this very moment, so the word is taken.
            let _ = self.ledger.hooked(&id, HookStatus::Succeeded, word, now);
        }
    }
}

/// How things stand, with what is assumed of services.
fn assumed(standing: &Standing, action: &Action) -> World {
    World {
        model_age: Some(Duration::ZERO),
        hearing_since: Some(Timestamp::ZERO),
        ..standing.world(action)
    }
}
