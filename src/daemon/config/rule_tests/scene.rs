//! What a case says of the anomaly, the world and the past → what the rules are shown.
//!
//! What a case leaves out is as good as can be: nothing speaks against an action, and nothing but records
//! speaks for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{RuleCase, unknown};
use crate::core::detect::VOICES;
use crate::core::event::{ActionState, Anomaly, AnomalyKind, Class, Explanation, Observed, Source};
use crate::core::record::{Resource, Severity, StreamKey, Timestamp};
use crate::core::remedy::case::World;
use crate::core::remedy::simulate::{Bench, Earlier, Ended, Kin, Scene};
use crate::daemon::config::Period;

/// The score that a case leaves out.
const SCORE: f64 = 0.99;
/// How long the trouble has lasted where a case says nothing of it.
const LASTED: Duration = Duration::from_secs(10 * 60);
/// How many services are heard of where a case says nothing of it.
const SERVICES: u32 = 20;

/// What a finding is told to: the field, and the way out.
pub(super) type Say<'a> = &'a mut dyn FnMut(String, String);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnomalyEntry {
    kind: AnomalyKind,
    /// As it is displayed; by the resource where it is left out.
    service: Option<String>,
    score: Option<f64>,
    class: Option<Class>,
    detectors: Option<Vec<String>>,
    /// For how long it has been going on.
    lasted: Option<Period>,
    /// How long ago the latest record of it was.
    #[serde(default)]
    quiet: Period,
    #[serde(default)]
    resource: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WorldEntry {
    /// Whether the incident goes on.
    incident: Option<bool>,
    services: Option<u32>,
    troubled: Option<u32>,
    callers: u32,
    learning: bool,
    model_age: Option<Period>,
    /// For how long records have been coming without a gap; zero is not at all.
    heard_for: Option<Period>,
    /// `span` or `metric`: what says so too.
    also_says: Option<Source>,
    authenticated: Option<bool>,
    feedback: FeedbackEntry,
    /// Why all actions are stopped.
    stopped: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FeedbackEntry {
    right: u32,
    wrong: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EarlierEntry {
    pub(super) rule: String,
    pub(super) ago: Period,
    outcome: EarlierOutcome,
    #[serde(default)]
    incident: Kin,
}

/// What an action of the past can have come to.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum EarlierOutcome {
    /// It took place; whether it helped is to be seen.
    Done,
    Effective,
    Ineffective,
    Harmful,
    Inconclusive,
    Failed,
    /// A person said no.
    Denied,
    /// Nobody said anything in time.
    Expired,
}

impl AnomalyEntry {
    pub(super) fn check(&self, say: Say<'_>) {
        let known: Vec<&str> = detectors().collect();
        for (place, name) in self.detectors.iter().flatten().enumerate() {
            if !known.contains(&name.as_str()) {
                let message = unknown("detector", name, &known);
                say(format!("anomaly.detectors[{place}]"), message);
            }
        }
        let score = self.score.unwrap_or(SCORE);
        if !(0.0..=1.0).contains(&score) {
            let message = format!("{score} is no score; write a number from 0 to 1");
            say("anomaly.score".to_owned(), message);
        }
        if self.lasted() < self.quiet.get() {
            let message = "it was last seen before it began; write less than lasted".to_owned();
            say("anomaly.quiet".to_owned(), message);
        }
    }

    fn lasted(&self) -> Duration {
        self.lasted.map_or(LASTED, Period::get)
    }

    fn anomaly(&self, at: Timestamp) -> Anomaly {
        let attributes = self.resource.iter();
        let attributes =
            attributes.map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let resource = Resource::new(attributes.collect());
        let service = self.service.as_deref();
        let stream = service.map_or_else(|| StreamKey::of(&resource, None), StreamKey::from_shown);
        let score = self.score.unwrap_or(SCORE);
        let agreeing = detectors().filter(|name| match &self.detectors {
            Some(said) => said.iter().any(|it| it == name),
            None => DETECTORS.contains(name),
        });
        Anomaly {
            id: "case".into(),
            fingerprint: "case".into(),
            kind: self.kind,
            class: self.class.unwrap_or(Class::Error),
            severity: Severity::Error,
            score,
            p_value: 1.0 - score,
            first_seen: at.minus(self.lasted()),
            last_seen: at.minus(self.quiet.get()),
            count: 1,
            stream,
            resource: Arc::new(resource),
            sequence: "case".into(),
            trace_id: None,
            span_id: None,
            template: None,
            sent_template: None,
            explanation: Explanation {
                reason: "".into(),
                expected: Vec::new(),
                observed: Observed::End,
                probability: 0.0,
                opinions: Vec::new(),
                context: Vec::new(),
            },
            stack: None,
            detectors: agreeing.collect(),
            model: "case".into(),
        }
    }
}

/// The detectors that agree where a case says nothing of them.
const DETECTORS: [&str; 2] = ["order", "unseen"];

/// The names of all detectors.
fn detectors() -> impl Iterator<Item = &'static str> {
    VOICES.into_iter().chain(["rates"])
}

impl WorldEntry {
    pub(super) fn check(&self, say: Say<'_>) {
        let services = self.services();
        if services.1 > services.0 {
            let message = format!(
                "only {} are heard of; write services: {}",
                services.0, services.1
            );
            say("world.troubled".to_owned(), message);
        }
        let measures = matches!(self.also_says, None | Some(Source::Span | Source::Metric));
        if !measures {
            let message = "write span or metric: nothing else speaks beside logs".to_owned();
            say("world.also_says".to_owned(), message);
        }
    }

    /// Heard of, and in trouble.
    fn services(&self) -> (u32, u32) {
        let troubled = u32::from(self.incident != Some(false));
        (
            self.services.unwrap_or(SERVICES),
            self.troubled.unwrap_or(troubled),
        )
    }

    fn world(&self, at: Timestamp, stream: &StreamKey, is_known: bool) -> World {
        let is_authenticated = self.authenticated.unwrap_or(is_known);
        let heard_for = self.heard_for.map(Period::get);
        let feedback = self.feedback;
        let said = self.also_says.filter(|_| is_authenticated);
        World {
            stopped: self.stopped.as_deref().map(Into::into),
            frozen: None,
            services: self.services(),
            storm_at: None,
            model_age: Some(self.model_age.map_or(Duration::ZERO, Period::get)),
            is_unknown: false,
            is_learning: self.learning,
            goes_on: self.incident != Some(false),
            incident: None,
            corroborated: said.map(|source| format!("a {} says so too", source.name()).into()),
            dependants: self.callers,
            involved: vec![stream.clone()],
            feedback: (
                feedback.right,
                feedback.right.saturating_add(feedback.wrong),
            ),
            hearing_since: match heard_for {
                None => Some(Timestamp::ZERO),
                Some(Duration::ZERO) => None,
                Some(long) => Some(at.minus(long)),
            },
            is_authenticated,
        }
    }
}

impl EarlierEntry {
    fn earlier(&self) -> Earlier {
        Earlier {
            rule: self.rule.as_str().into(),
            ago: self.ago.get(),
            kin: self.incident,
            state: match self.outcome {
                EarlierOutcome::Done => ActionState::Done,
                EarlierOutcome::Effective => ActionState::Effective,
                EarlierOutcome::Ineffective => ActionState::Ineffective,
                EarlierOutcome::Harmful => ActionState::Harmful,
                EarlierOutcome::Inconclusive => ActionState::Inconclusive,
                EarlierOutcome::Failed => ActionState::Failed,
                EarlierOutcome::Denied => ActionState::Denied,
                EarlierOutcome::Expired => ActionState::Expired,
            },
        }
    }
}

impl RuleCase {
    /// What the rules of `bench` come to; `is_known` is whether senders have to show who they are.
    pub(super) fn on(&self, bench: &Bench<'_>, is_known: bool) -> Vec<Ended> {
        let anomaly = self.anomaly.anomaly(self.at);
        let world = self.world.world(self.at, &anomaly.stream, is_known);
        bench.play(&Scene {
            anomaly: Arc::new(anomaly),
            at: self.at,
            world,
            earlier: self.earlier.iter().map(EarlierEntry::earlier).collect(),
            altered: &|reported| self.cluster.alter(reported, self.at),
        })
    }
}
