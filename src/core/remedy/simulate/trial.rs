//! One case of the owner's: an anomaly in a world that stands still, shown to the very rules, ledger and
//! checks. What it comes to in that moment is what is told of each rule.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::errands::{self, Altered};
use super::tally::PLAN;
use super::{Assumed, Frozen};
use crate::core::event::{
    Action, ActionState, Anomaly, CheckVerdict, Checked, Mode, Remedy, Step, Target,
};
use crate::core::record::{StreamKey, Timestamp};
use crate::core::remedy::ask::ask;
use crate::core::remedy::case::{Case, World};
use crate::core::remedy::check;
use crate::core::remedy::ledger::{Incidence, Ledger, WorldOf};
use crate::core::remedy::rule::{Limits, Rule};

/// What cases are tried on.
pub struct Bench<'a> {
    /// The rules.
    pub rules: &'a [Rule],
    /// How much may be done.
    pub limits: &'a Limits,
    /// Whether there is anything to act with.
    pub can_act: bool,
    /// The windows in which nothing is done.
    pub frozen: Frozen<'a>,
}

/// An anomaly, and how things stand around it.
pub struct Scene<'a> {
    /// The anomaly. Its times are not after `at`.
    pub anomaly: Arc<Anomaly>,
    /// The moment.
    pub at: Timestamp,
    /// How things stand; windows are the bench's.
    pub world: World,
    /// What was done before.
    pub earlier: Vec<Earlier>,
    /// In what the cluster is not as [`Assumed`], with a pod that is Ready.
    pub altered: Altered<'a>,
}

/// Something that a rule had done before.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier {
    /// The rule.
    pub rule: Box<str>,
    /// How long ago.
    pub ago: Duration,
    /// How it stands.
    pub state: ActionState,
    /// What it has to do with the anomaly.
    pub kin: Kin,
}

/// What an earlier action has to do with an anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kin {
    /// It was of the same incident.
    #[default]
    This,
    /// It was of an incident before, of the same trouble.
    Before,
    /// It was of other trouble, on another workload of the namespace.
    Other,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The rule.
    pub rule: Box<str>,
    /// What it came to.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub why: String,
    /// The checks that decided, with their reasons.
    pub checks: Vec<Checked>,
}

/// What a rule can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done without a person.
    Done,
    /// A person or a hook is asked.
    Proposed,
    /// It is shown, since the rule only observes.
    Observed,
    /// Checks hold it back.
    Blocked,
    /// It does not ask at all.
    Nothing,
}

impl Outcome {
    /// The name used in files and in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Proposed => "proposed",
            Self::Observed => "observed",
            Self::Blocked => "blocked",
            Self::Nothing => "nothing",
        }
    }
}

/// The incident of the case.
const INCIDENT: &str = "case";
/// How the ids of what was done before begin.
const EARLIER: &str = "earlier-";
/// A pod that is not Ready is for the case to say.
const ASSUMED: Assumed = Assumed { pod_is_ready: true };

/// The names that [`Ended::checks`] may have: those of the checks, and what stands for a cluster that cannot
/// be read and for a plan that cannot be drawn up.
pub fn check_names() -> impl Iterator<Item = &'static str> {
    let checks = check::BEFORE.iter().chain(check::AFTER);
    checks.map(|it| it.name).chain(["cluster", PLAN])
}

impl Bench<'_> {
    /// What each rule comes to, in the order of the rules.
    pub fn play(&self, scene: &Scene<'_>) -> Vec<Ended> {
        let (anomaly, at) = (&scene.anomaly, scene.at);
        let mut ledger = Ledger::new(self.rules.to_vec(), self.limits.clone(), self.can_act);
        for (place, earlier) in scene.earlier.iter().enumerate() {
            if let Some(action) = self.earlier(scene, earlier, place) {
                ledger.restore(action, at);
            }
        }
        let world = |action: &Action| World {
            frozen: (self.frozen)(action, at),
            ..scene.world.clone()
        };
        let asked = ask(self.rules, anomaly, at);
        ledger.heard(&anomaly.stream, at);
        for action in &asked {
            // It was asked for when the first came, and the latest is what came now.
            let mut action = action.clone();
            action.asked_at = anomaly.first_seen;
            action.evidence.heard_at = anomaly.last_seen;
            let incident = scene.world.goes_on.then_some(Incidence {
                id: INCIDENT,
                fingerprint: &anomaly.fingerprint,
            });
            ledger.asked(action, incident, at);
        }
        ledger.advance(&world, at);
        errands::run(
            &mut ledger,
            (ASSUMED, self.limits, scene.altered),
            &world,
            at,
        );
        let changed = ledger.take_changed();
        let rules = self.rules.iter();
        let ended = rules.map(|rule| {
            let mut new = changed.iter().map(|it| &*it.action);
            let action = new.find(|it| it.rule == rule.name && !it.id.starts_with(EARLIER));
            match action.and_then(|it| ledger.get(&it.id)) {
                Some(action) => self.ended(action, &ledger, &world, at),
                None => nothing(rule, unasked(rule, scene, &asked)),
            }
        });
        ended.collect()
    }

    fn ended(&self, action: &Action, ledger: &Ledger, world: WorldOf<'_>, now: Timestamp) -> Ended {
        let why = action.steps.last().map_or("", |step| &*step.why);
        let checks = match &action.plan {
            Some(plan) => plan.checks.clone(),
            // What no cluster can change is said before it is read.
            None if action.state == ActionState::Denied => check::ask_before(&Case {
                action,
                rule: self.rules.iter().find(|rule| rule.name == action.rule),
                facts: None,
                rehearsal: None,
                book: ledger.book(),
                world: &world(action),
                limits: self.limits,
                now,
            }),
            None => vec![Checked {
                check: PLAN.into(),
                verdict: CheckVerdict::Wait,
                why: why.into(),
            }],
        };
        let judged = match action.mode {
            Mode::Observe => Mode::Auto,
            mode @ (Mode::Suggest | Mode::Approve | Mode::Auto) => mode,
        };
        let deciding = check::deciding(&checks, judged).into_iter();
        Ended {
            rule: action.rule.clone(),
            outcome: outcome_of(action),
            why: why.to_owned(),
            checks: deciding.cloned().collect(),
        }
    }

    /// The action as the rule would have asked for it then, whether or not this anomaly fits it. `None` where
    /// there is no such rule, or the records do not name its target.
    fn earlier(&self, scene: &Scene<'_>, earlier: &Earlier, place: usize) -> Option<Action> {
        let rule = self.rules.iter().find(|rule| rule.name == earlier.rule)?;
        let any = Rule {
            kinds: Vec::new(),
            services: Vec::new(),
            score_min: 0.0,
            ..rule.clone()
        };
        let then = scene.at.minus(earlier.ago);
        let mut action = ask(from_ref(&any), &scene.anomaly, then).pop()?;
        action.id = format!("{EARLIER}{place}").into();
        action.state = earlier.state;
        let own = format!("{INCIDENT}-{place}");
        match earlier.kin {
            Kin::This => action.incident = Some(INCIDENT.into()),
            Kin::Before => action.incident = Some(own.into()),
            Kin::Other => {
                action.stream = StreamKey::named(&own);
                action.target = other_than(&action.target, &own);
                action.fingerprint = own.as_str().into();
                action.incident = Some(own.into());
            }
        }
        let is_no = matches!(earlier.state, ActionState::Denied | ActionState::Expired);
        action.acted_at = (!is_no).then_some(then);
        let end = match earlier.state.is_over() && !is_no {
            true => then.plus(rule.stabilise).min(scene.at),
            false => then,
        };
        let step = |at, state, by: &str| Step {
            at,
            state,
            by: by.into(),
            why: "the case says so".into(),
        };
        action.steps = vec![
            step(then, ActionState::Asked, "knothole"),
            step(end, earlier.state, "somebody"),
        ];
        Some(action)
    }
}

/// Another workload of the namespace, and another pod.
fn other_than(target: &Target, name: &str) -> Target {
    let workload = target.workload.as_ref();
    Target {
        namespace: target.namespace.clone(),
        workload: workload.map(|(kind, _)| (kind.clone(), name.into())),
        pod: target.pod.as_ref().map(|_| name.into()),
        pod_uid: target.pod_uid.as_ref().map(|_| name.into()),
    }
}

fn outcome_of(action: &Action) -> Outcome {
    match action.state {
        ActionState::Proposed => Outcome::Proposed,
        ActionState::Observed => Outcome::Observed,
        // A hook is told by being approved.
        ActionState::Approved if action.remedy == Remedy::Webhook && action.was_sent() => {
            Outcome::Done
        }
        ActionState::Sending
        | ActionState::Unsettled
        | ActionState::Accepted
        | ActionState::Done
        | ActionState::Effective
        | ActionState::Ineffective
        | ActionState::Harmful
        | ActionState::Inconclusive => Outcome::Done,
        ActionState::Asked
        | ActionState::Blocked
        | ActionState::Approved
        | ActionState::Failed
        | ActionState::Denied
        | ActionState::Expired => Outcome::Blocked,
    }
}

fn nothing(rule: &Rule, why: String) -> Ended {
    Ended {
        rule: rule.name.clone(),
        outcome: Outcome::Nothing,
        why,
        checks: Vec::new(),
    }
}

/// Why `rule` asks for nothing.
fn unasked(rule: &Rule, scene: &Scene<'_>, asked: &[Action]) -> String {
    let anomaly = &scene.anomaly;
    if !rule.asks_on(anomaly) {
        let stream = anomaly.stream.to_string();
        let is_listed = rule.services.iter().any(|it| **it == *stream);
        return if !rule.kinds.is_empty() && !rule.kinds.contains(&anomaly.kind) {
            format!("it is not for anomalies of the kind {}", anomaly.kind)
        } else if !rule.services.is_empty() && !is_listed {
            format!("it is not for the service {stream}")
        } else {
            let (score, least) = (anomaly.score, rule.score_min);
            format!("the score is {score:.3} and must be {least:.3}")
        };
    }
    let kind = rule.remedy.kind();
    let is_named = !ask(from_ref(rule), anomaly, scene.at).is_empty();
    if !is_named {
        return format!("the resource does not name, in full, what {kind} is done to");
    }
    if !asked.iter().any(|it| it.rule == rule.name) {
        return format!("a rule before it asks for the same {kind}");
    }
    let this = |it: &&Earlier| it.kin == Kin::This && it.rule == rule.name;
    match scene.earlier.iter().filter(this).min_by_key(|it| it.ago) {
        Some(it) if !it.state.is_over() => {
            "the same is under way for this incident already".to_owned()
        }
        Some(it) => format!(
            "the same was asked for in this incident {} s ago ({}), and it rests until it asks again",
            it.ago.as_secs(),
            it.state.name()
        ),
        None => "the same is under way already".to_owned(),
    }
}
