//! What became of what the rules asked for, counted by rule and by check.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::event::{
    Action, ActionKind, ActionState, Anomaly, CheckVerdict, Mode, Step, Target,
};
use crate::core::record::{StreamKey, Timestamp};
use crate::core::remedy::ask::ask;
use crate::core::remedy::ledger::{Changed, Ledger};
use crate::core::remedy::rule::Rule;

/// What would have been done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Simulated {
    /// By rule, in the order of the rules.
    pub rules: Vec<RuleTally>,
    /// Each action, in the order in which they were asked for. At most [`Simulated::ACTIONS_MAX`].
    pub actions: Vec<Tried>,
    /// Actions that are counted and not listed.
    pub unlisted: u64,
    /// Asked for and not taken, since too many were open.
    pub refused: u64,
}

impl Simulated {
    /// Most actions that are listed.
    pub const ACTIONS_MAX: usize = 10_000;

    /// Adds what the same rules would have done at another time.
    pub fn add(&mut self, other: Self) {
        if self.rules.is_empty() {
            *self = other;
            return;
        }
        for rule in other.rules {
            if let Some(same) = self.rules.iter_mut().find(|it| it.name == rule.name) {
                same.add(rule);
            }
        }
        let room = Self::ACTIONS_MAX.saturating_sub(self.actions.len());
        self.unlisted += other.actions.len().saturating_sub(room) as u64 + other.unlisted;
        self.actions.extend(other.actions.into_iter().take(room));
        self.refused += other.refused;
    }
}

/// What became of what one rule asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleTally {
    /// The rule.
    pub name: Box<str>,
    /// Anomalies that ask for it.
    pub fits: u64,
    /// Those of them that do not name, in full, what it would be done to.
    pub untargeted: u64,
    /// Those for which an earlier rule asked for the same.
    pub shadowed: u64,
    /// Actions that it asked for: anomalies of one incident about one target ask for one.
    pub asked: u64,
    /// Actions that would have been done.
    pub done: u64,
    /// Actions that would have been proposed to a person and done by none.
    pub proposed: u64,
    /// Actions of a rule that only observes.
    pub observed: u64,
    /// Actions that would have been neither.
    pub blocked: u64,
    /// Of those done, how often the records went on, or not, as if nothing had been done.
    pub went_on: u64,
    /// What checks said against them, by name.
    pub checks: BTreeMap<Box<str>, Tallied>,
}

/// What one check said against the actions of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallied {
    /// Blocked actions that it held back, and no other check for longer.
    pub blocked: u64,
    /// Actions that it sent to a person.
    pub to_person: u64,
    /// Actions that it ever held back, whatever became of them.
    pub held: u64,
    /// What it said first.
    pub first: Box<str>,
}

/// One action.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Its id.
    pub id: Box<str>,
    /// The rule that asked.
    pub rule: Box<str>,
    /// How far the rule may go.
    pub mode: Mode,
    /// What is to be done.
    pub kind: ActionKind,
    /// To what.
    pub target: Target,
    /// The service.
    pub service: StreamKey,
    /// The incident it answers, where there was one.
    pub incident: Option<Box<str>>,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// How many anomalies asked for it.
    pub anomalies: u64,
    /// What became of it.
    pub fate: Fate,
    /// Since when.
    pub at: Timestamp,
    /// Why, in one sentence.
    pub why: Box<str>,
    /// What verification would have said, where its time came.
    pub outcome: Option<ActionState>,
    /// The checks that held it back, the one that did so most often first.
    pub held: Vec<Held>,
}

/// What would have become of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It would have been done.
    Done,
    /// A person would have been asked.
    Proposed,
    /// Its rule only observes.
    Observed,
    /// Nothing.
    Blocked,
}

impl Fate {
    /// The name used in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Proposed => "proposed",
            Self::Observed => "observed",
            Self::Blocked => "blocked",
        }
    }
}

/// A check that held an action back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The check.
    pub check: Box<str>,
    /// The gravest that it said.
    pub verdict: CheckVerdict,
    /// How often it was asked and said so.
    pub times: u64,
    /// What it said first.
    pub why: Box<str>,
}

/// What is known of an action while it is open.
#[derive(Debug)]
struct Open {
    tried: Tried,
    /// Checks that asked for a person when it was proposed, and what they said.
    asking: Vec<(Box<str>, Box<str>)>,
}

/// Counts.
#[derive(Debug)]
pub(super) struct Tally {
    rules: Vec<RuleTally>,
    /// As many as the ledger has open, and those that ended in this turn.
    open: BTreeMap<Box<str>, Open>,
    ended: Vec<Tried>,
    unlisted: u64,
}

/// What stands for a plan that could not be drawn up, among the checks.
pub(super) const PLAN: &str = "plan";

impl Tally {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let tally = |rule: &Rule| RuleTally {
            name: rule.name.clone(),
            ..RuleTally::default()
        };
        Self {
            rules: rules.iter().map(tally).collect(),
            open: BTreeMap::new(),
            ended: Vec::new(),
            unlisted: 0,
        }
    }

    /// Counts the rules that `anomaly` fits, of which `asked` came.
    pub(super) fn fits(&mut self, rules: &[Rule], anomaly: &Arc<Anomaly>, asked: &[Action]) {
        for (rule, tally) in rules.iter().zip(&mut self.rules) {
            if !rule.asks_on(anomaly) {
                continue;
            }
            tally.fits += 1;
            if asked.iter().any(|action| action.rule == rule.name) {
                continue;
            }
            match ask(std::slice::from_ref(rule), anomaly, Timestamp::ZERO).is_empty() {
                true => tally.untargeted += 1,
                false => tally.shadowed += 1,
            }
        }
    }

    /// The checks were asked about `action` at `now`.
    pub(super) fn looked(&mut self, action: &Action, now: Timestamp) {
        let open = self
            .open
            .entry(action.id.clone())
            .or_insert_with(|| Open::of(action));
        open.looked(action, now);
    }

    /// Something became of an action.
    pub(super) fn changed(&mut self, changed: &Changed) {
        let action = &*changed.action;
        let open = self.open.entry(action.id.clone());
        let open = open.or_insert_with(|| Open::of(action));
        for step in &changed.steps {
            open.step(step);
        }
        open.tried.anomalies = action.evidence.anomalies;
        open.tried.incident.clone_from(&action.incident);
        if action.is_over()
            && let Some(open) = self.open.remove(&action.id)
        {
            self.close(open);
        }
    }

    pub(super) fn end(mut self, refused: u64) -> Simulated {
        for open in std::mem::take(&mut self.open).into_values() {
            self.close(open);
        }
        self.ended
            .sort_by(|a, b| (a.asked_at, &a.id).cmp(&(b.asked_at, &b.id)));
        Simulated {
            rules: self.rules,
            actions: self.ended,
            unlisted: self.unlisted,
            refused,
        }
    }

    fn close(&mut self, open: Open) {
        let Open { mut tried, asking } = open;
        let by_weight = |it: &Held| std::cmp::Reverse((it.times, it.verdict));
        tried.held.sort_by_key(by_weight);
        if let (Fate::Blocked, Some(main)) = (tried.fate, tried.held.first()) {
            tried.why = main.why.clone();
        }
        if let Some(rule) = self.rules.iter_mut().find(|it| it.name == tried.rule) {
            rule.count(&tried, &asking);
        }
        match self.ended.len() < Simulated::ACTIONS_MAX {
            true => self.ended.push(tried),
            false => self.unlisted += 1,
        }
    }
}

impl RuleTally {
    fn add(&mut self, other: Self) {
        self.fits += other.fits;
        self.untargeted += other.untargeted;
        self.shadowed += other.shadowed;
        self.asked += other.asked;
        self.done += other.done;
        self.proposed += other.proposed;
        self.observed += other.observed;
        self.blocked += other.blocked;
        self.went_on += other.went_on;
        for (name, more) in other.checks {
            let check = self.check(&name, &more.first);
            check.blocked += more.blocked;
            check.to_person += more.to_person;
            check.held += more.held;
        }
    }

    fn count(&mut self, tried: &Tried, asking: &[(Box<str>, Box<str>)]) {
        self.asked += 1;
        match tried.fate {
            Fate::Done => self.done += 1,
            Fate::Proposed => self.proposed += 1,
            Fate::Observed => self.observed += 1,
            Fate::Blocked => self.blocked += 1,
        }
        let went_on = matches!(
            tried.outcome,
            Some(ActionState::Ineffective | ActionState::Harmful)
        );
        self.went_on += u64::from(went_on);
        for (place, held) in tried.held.iter().enumerate() {
            let check = self.check(&held.check, &held.why);
            check.held += 1;
            check.blocked += u64::from(tried.fate == Fate::Blocked && place == 0);
        }
        if tried.fate == Fate::Proposed {
            for (name, why) in asking {
                self.check(name, why).to_person += 1;
            }
        }
    }

    fn check(&mut self, name: &str, why: &str) -> &mut Tallied {
        let check = self.checks.entry(name.into()).or_default();
        if check.first.is_empty() {
            check.first = why.into();
        }
        check
    }
}

impl Open {
    fn of(action: &Action) -> Self {
        let tried = Tried {
            id: action.id.clone(),
            rule: action.rule.clone(),
            mode: action.mode,
            kind: action.remedy.kind(),
            target: action.target.clone(),
            service: action.stream.clone(),
            incident: action.incident.clone(),
            asked_at: action.asked_at,
            anomalies: action.evidence.anomalies,
            fate: Fate::Blocked,
            at: action.asked_at,
            why: "".into(),
            outcome: None,
            held: Vec::new(),
        };
        Self {
            tried,
            asking: Vec::new(),
        }
    }

    fn looked(&mut self, action: &Action, now: Timestamp) {
        // What is looked at later is whether it helped, or whether no person is needed any more.
        if action.state.is_in_flight() || self.tried.fate != Fate::Blocked {
            return;
        }
        let plan = action.plan.as_ref().filter(|plan| plan.at == now);
        let Some(plan) = plan else {
            let why = action.steps.last().map_or("", |step| &*step.why);
            self.held_by(PLAN, CheckVerdict::Wait, why);
            return;
        };
        let asking = plan
            .checks
            .iter()
            .filter(|it| it.verdict == CheckVerdict::Ask);
        self.asking = asking
            .map(|it| (it.check.clone(), it.why.clone()))
            .collect();
        for it in &plan.checks {
            match it.verdict {
                CheckVerdict::Pass | CheckVerdict::Ask => {}
                CheckVerdict::Wait | CheckVerdict::Unknown | CheckVerdict::Stop => {
                    self.held_by(&it.check, it.verdict, &it.why);
                }
            }
        }
    }

    fn held_by(&mut self, check: &str, verdict: CheckVerdict, why: &str) {
        let known = self.tried.held.iter_mut().find(|it| *it.check == *check);
        if let Some(held) = known {
            held.times += 1;
            held.verdict = held.verdict.max(verdict);
            return;
        }
        self.tried.held.push(Held {
            check: check.into(),
            verdict,
            times: 1,
            why: why.into(),
        });
    }

    fn step(&mut self, step: &Step) {
        let tried = &mut self.tried;
        let fate = match step.state {
            ActionState::Sending | ActionState::Accepted | ActionState::Done => Fate::Done,
            ActionState::Proposed => Fate::Proposed,
            ActionState::Observed => Fate::Observed,
            ActionState::Asked | ActionState::Blocked | ActionState::Denied => Fate::Blocked,
            ActionState::Effective
            | ActionState::Ineffective
            | ActionState::Harmful
            | ActionState::Inconclusive => {
                tried.outcome = Some(step.state);
                return;
            }
            ActionState::Approved
            | ActionState::Unsettled
            | ActionState::Failed
            | ActionState::Expired => return,
        };
        // What was done or proposed once stays so; of what blocks it the last word counts.
        let is_last_word = fate == Fate::Blocked && tried.fate == Fate::Blocked;
        if fate < tried.fate || is_last_word {
            tried.fate = fate;
            tried.at = step.at;
            tried.why = step.why.clone();
        }
    }
}

const _: () = assert!(Ledger::OPEN_MAX <= Simulated::ACTIONS_MAX);
