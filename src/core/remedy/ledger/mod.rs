//! Every action from the moment it is asked for to the moment it is known whether it helped.
//!
//! The ledger is pure: it is told what happened and the time, and gives back what changed, what is to be
//! told, and tasks for whoever talks to clusters. **A task is handed out only after what it belongs to is on
//! disk** ([`Ledger::take_tasks`]); an action that was being sent when the process died is never sent again,
//! but settled by reading the cluster.

mod asking;
mod entry;
mod deciding;
mod reasons;
mod way;
mod results;
mod revised;
mod verdicts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub use asking::Incidence;
pub use results::{Report, Reported};
pub use verdicts::{HookStatus, LedgerError};

use entry::Entry;

use super::ask::hex_of;
use super::book::Book;
use super::case::World;
use super::plan::Permission;
use super::rule::{Limits, Rule};
use super::signs::Signs;
use crate::core::event::{
    Action, ActionEvent, ActionKind, ActionStage, ActionState, Remedy, Step, Target,
};
use crate::core::record::{StreamKey, Timestamp};

/// How soon something that is blocked is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How soon it is written down that something else is against it.
const SAID_AGAIN: Duration = Duration::from_secs(60);
/// How soon a cluster that shows nothing yet is read again.
const SETTLE_AGAIN: Duration = Duration::from_secs(5);
/// After so long it is told that nobody can say whether something took place: an API server may go on for more
/// than a minute with a request that was given up, and people are not to wait for that.
const SETTLE_MAX: Duration = Duration::from_secs(55);
/// The shortest time for which a workload is claimed: longer than a request that was sent late
/// ([`Ledger::SEND_WITHIN`]) and is gone on with by a server after it was given up.
const CLAIM_MIN: Duration = Duration::from_secs(200);

/// How long Argo CD or Flux may take until what they were told is in the cluster.
///
/// Source: remediation specification, item 15.
const GITOPS_DELAY: Duration = Duration::from_secs(3 * 60);

/// Something to be done outside; the answer is a [`Report`] with the same id.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What it is known by: the action, and which of its tasks it is.
    pub id: Box<str>,
    /// What.
    pub errand: Errand,
}

impl Task {
    /// The id of the action that it is for.
    pub fn action(&self) -> &str {
        deciding::task_of(&self.id).map_or(&*self.id, |(action, _)| action)
    }
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Errand {
    /// Read the target.
    Look {
        /// What is to be done to it.
        remedy: Remedy,
        /// The target.
        target: Target,
    },
    /// Ask for rights, make a dry run, ask the policy. Changes nothing.
    Rehearse {
        /// The action, with its plan.
        action: Arc<Action>,
        /// What the cluster has to permit.
        permissions: Vec<Permission>,
        /// What a policy is asked about.
        input: Box<Value>,
    },
    /// Carry it out. It is on disk that this may happen.
    Send {
        /// The action, with its plan.
        action: Arc<Action>,
    },
    /// Find out whether it took place.
    Settle {
        /// The action, with its plan.
        action: Arc<Action>,
    },
    /// Tell the cluster what became of it: an Event on the object.
    Note {
        /// What became of it.
        event: Arc<ActionEvent>,
    },
}

/// An action that changed, and the steps that are new.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// As it is since.
    pub action: Arc<Action>,
    /// What became of it since the last call.
    pub steps: Vec<Step>,
}

/// How things stand for one action.
pub type WorldOf<'a> = &'a dyn Fn(&Action) -> World;

/// All actions that are not over, and what is remembered of those that are.
#[derive(Debug)]
pub struct Ledger {
    rules: Vec<Rule>,
    limits: Limits,
    /// Whether there is anything to act with.
    can_act: bool,
    open: BTreeMap<Box<str>, Entry>,
    book: Book,
    /// Those that are over, oldest first.
    past: VecDeque<Arc<Action>>,
    signs: Signs,
    changed: BTreeMap<Box<str>, Changed>,
    events: Vec<ActionEvent>,
    tasks: Vec<Task>,
    /// How many tasks there were, of which something comes back.
    handed_out: u64,
    /// Asked for, and not taken for want of room.
    refused: u64,
    /// What was verified, for the incident it belongs to.
    verified: Vec<Arc<Action>>,
    /// When it took up what was written before; anomalies of before that are forgotten.
    restored_at: Option<Timestamp>,
    /// Whether an open action may be another than when [`take_touched`](Ledger::take_touched) was asked.
    is_touched: bool,
}

impl Ledger {
    /// Most actions that are not over.
    pub const OPEN_MAX: usize = 500;
    /// Most of them of one service: what one sender says leaves room for the others.
    pub const OPEN_OF_SERVICE_MAX: usize = 20;
    /// A task that has not come back after so long never will.
    pub const TASK_MAX: Duration = Duration::from_secs(90);
    /// What is to be sent leaves within so long after [`Action::acted_at`], or is refused as
    /// [`NotNow`](super::facts::Refused::NotNow): later the cluster may have been read for whether it took place.
    pub const SEND_WITHIN: Duration = Duration::from_secs(30);
    /// How long a hook may take from when it took an action on.
    pub const HOOK_MAX: Duration = Duration::from_secs(30 * 60);
    /// Most actions that are remembered after they are over.
    pub const PAST_MAX: usize = 2_000;

    /// A ledger in which nothing is written.
    pub fn new(rules: Vec<Rule>, limits: Limits, can_act: bool) -> Self {
        Self {
            rules,
            limits,
            can_act,
            open: BTreeMap::new(),
            book: Book::default(),
            past: VecDeque::new(),
            signs: Signs::default(),
            changed: BTreeMap::new(),
            events: Vec::new(),
            tasks: Vec::new(),
            handed_out: 0,
            refused: 0,
            verified: Vec::new(),
            restored_at: None,
            is_touched: false,
        }
    }

    /// Works by other rules from now on. What was asked for stays, and is judged by them: what nobody has
    /// approved yet may go as far as its rule may now.
    pub fn reconfigure(
        &mut self,
        (rules, limits): (Vec<Rule>, Limits),
        can_act: bool,
        now: Timestamp,
    ) {
        self.rules = rules;
        self.limits = limits;
        self.can_act = can_act;
        let mut moved = Vec::new();
        for (id, entry) in &mut self.open {
            let action = &mut entry.action;
            let waits = matches!(
                action.state,
                ActionState::Asked | ActionState::Blocked | ActionState::Proposed
            );
            let rule = self.rules.iter().find(|rule| rule.name == action.rule);
            let mode = rule.map_or(action.mode, |rule| rule.mode);
            if waits && mode != action.mode {
                action.mode = mode;
                entry.due = Timestamp::ZERO;
                moved.push((id.clone(), mode));
            }
        }
        for (id, mode) in moved {
            let why = format!("the mode of its rule is now {}", mode.name());
            self.step(&id, ActionState::Asked, ("knothole", &why), now);
        }
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Takes up an action that was written before this process began. What was being sent is settled by
    /// reading the cluster.
    pub fn restore(&mut self, action: Action, now: Timestamp) {
        self.is_touched = true;
        self.restored_at = Some(now);
        let action = Arc::new(action);
        self.book.put(Arc::clone(&action));
        if action.is_over() {
            self.remember(action);
            return;
        }
        let mut entry = Entry::new(Action::clone(&action), now);
        if action.state == ActionState::Sending {
            let why = "knothole ended while it was being sent";
            entry.due = now;
            self.open.insert(action.id.clone(), entry);
            self.step(&action.id, ActionState::Unsettled, ("knothole", why), now);
        } else {
            if action.state == ActionState::Done {
                entry.due = self.review_at(&action);
            }
            self.open.insert(action.id.clone(), entry);
        }
    }

    /// When [`advance`](Self::advance) is to be called at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.open.values().map(|entry| entry.due).min()
    }

    /// An anomaly of any service: what helps and what does not is measured by these.
    pub fn heard(&mut self, stream: &StreamKey, at: Timestamp) {
        self.signs.add(stream, at);
    }

    /// The actions that are not over, by id.
    pub fn open(&self) -> impl Iterator<Item = &Action> {
        self.open.values().map(|entry| &entry.action)
    }

    /// Whether what [`open`](Self::open) shows may have changed since the last call: also by what is no
    /// step, such as what a check says.
    pub const fn take_touched(&mut self) -> bool {
        std::mem::replace(&mut self.is_touched, false)
    }

    /// The action with this id, if it is not over or ended lately.
    pub fn get(&self, id: &str) -> Option<&Action> {
        let open = self.open.get(id).map(|entry| &entry.action);
        open.or_else(|| {
            self.past
                .iter()
                .rev()
                .map(AsRef::as_ref)
                .find(|it| *it.id == *id)
        })
    }

    /// What was done before.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// How many were asked for and not taken, since there were [`OPEN_MAX`](Self::OPEN_MAX) already, or
    /// [`OPEN_OF_SERVICE_MAX`](Self::OPEN_OF_SERVICE_MAX) of the service.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// What changed since the last call: to be written before any task is taken.
    pub fn take_changed(&mut self) -> Vec<Changed> {
        let all = std::mem::take(&mut self.changed);
        all.into_values().collect()
    }

    /// What is to be told, in order.
    pub fn take_events(&mut self) -> Vec<ActionEvent> {
        std::mem::take(&mut self.events)
    }

    /// The actions of which it became known whether they helped.
    pub fn take_verified(&mut self) -> Vec<Arc<Action>> {
        std::mem::take(&mut self.verified)
    }

    /// What is to be done outside. Only to be taken when what changed is on disk.
    pub fn take_tasks(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.tasks)
    }

    /// Whether anything waits to be written, told or done.
    pub fn has_news(&self) -> bool {
        !(self.changed.is_empty() && self.events.is_empty() && self.tasks.is_empty())
    }

    fn rule_of(&self, action: &Action) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == action.rule)
    }

    /// For how long a workload is claimed. Where one action on it is allowed at a time, nobody else does
    /// another either.
    fn claim_lasts(&self) -> Duration {
        let limits = &self.limits;
        let least = limits.cool_down.max(CLAIM_MIN);
        match limits.workload_max {
            0 | 1 => least.max(limits.workload_period),
            _ => least,
        }
    }

    /// When is looked whether it helped.
    fn review_at(&self, action: &Action) -> Timestamp {
        let calm = self.calm_at(action);
        calm.plus(self.judged_for(action))
    }

    /// From when on anomalies are held against it: what was in the air when it was done is not.
    fn calm_at(&self, action: &Action) -> Timestamp {
        let acted = action.acted_at.unwrap_or(action.asked_at);
        acted
            .plus(delay_of(action.remedy.kind()))
            .plus(self.stabilise(action) / 3)
    }

    /// How long a time is compared, before and after.
    fn judged_for(&self, action: &Action) -> Duration {
        let stabilise = self.stabilise(action);
        stabilise.saturating_sub(stabilise / 3)
    }

    fn stabilise(&self, action: &Action) -> Duration {
        let rule = self.rule_of(action);
        rule.map_or(Rule::STABILISE_DEFAULT, |rule| rule.stabilise)
    }

    /// Writes down that the action stands somewhere else now; tells it where somebody wants to know.
    fn step(&mut self, id: &str, state: ActionState, (by, why): (&str, &str), now: Timestamp) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        self.is_touched = true;
        let was = entry.action.state;
        entry.action.state = state;
        let step = Step {
            at: now,
            state,
            by: by.into(),
            why: why.into(),
        };
        let is_repeated =
            entry.action.steps.last().is_some_and(|last| {
                last.state == state && last.why == step.why && last.by == step.by
            });
        if is_repeated {
            return;
        }
        entry.push(step.clone());
        let action = Arc::new(entry.action.clone());
        self.book.put(Arc::clone(&action));
        if let Some(stage) = stage_of(was, &action) {
            self.tell(stage, &action, now);
        }
        if state.is_over() {
            self.open.remove(id);
            self.remember(Arc::clone(&action));
        }
        let changed = self.changed.entry(id.into()).or_insert_with(|| Changed {
            action: Arc::clone(&action),
            steps: Vec::new(),
        });
        changed.action = action;
        changed.steps.push(step);
    }

    fn tell(&mut self, stage: ActionStage, action: &Arc<Action>, now: Timestamp) {
        let event = ActionEvent {
            id: event_id(action, stage),
            stage,
            at: now,
            action: Arc::clone(action),
        };
        let is_seen = matches!(
            stage,
            ActionStage::Executed | ActionStage::Verified | ActionStage::Failed
        );
        if is_seen && self.can_act && action.was_sent() {
            self.tasks.push(Task {
                id: action.id.clone(),
                errand: Errand::Note {
                    event: Arc::new(event.clone()),
                },
            });
        }
        self.events.push(event);
    }

    /// Of too many the oldest goes that is not a person's no: whoever has much asked for does not undo it.
    fn remember(&mut self, action: Arc<Action>) {
        self.past.push_back(action);
        if self.past.len() > Self::PAST_MAX {
            let mut all = self.past.iter();
            let other = all.position(|it| !asking::is_denied_by_person(it));
            self.past.remove(other.unwrap_or_default());
        }
    }
}

/// How long it takes until what an action changes shows in the cluster at all.
const fn delay_of(kind: ActionKind) -> Duration {
    match kind {
        ActionKind::ArgoSync
        | ActionKind::ArgoRollBack
        | ActionKind::ArgoAction
        | ActionKind::FluxReceiver => GITOPS_DELAY,
        ActionKind::RestartPod
        | ActionKind::RestartWorkload
        | ActionKind::Scale
        | ActionKind::RollBack
        | ActionKind::JenkinsJob
        | ActionKind::AbortRollout
        | ActionKind::GatewayWeight
        | ActionKind::Webhook => Duration::ZERO,
    }
}

/// What those outside hear of when an action gets where it is from `was`.
fn stage_of(was: ActionState, action: &Action) -> Option<ActionStage> {
    match action.state {
        ActionState::Proposed => Some(ActionStage::Proposed),
        ActionState::Approved => is_approved_anew(action).then_some(ActionStage::Approved),
        // What the checks forbid for good was never told to anybody.
        ActionState::Denied if was == ActionState::Asked || was == ActionState::Blocked => None,
        ActionState::Denied => Some(ActionStage::Denied),
        ActionState::Done => Some(ActionStage::Executed),
        ActionState::Effective
        | ActionState::Ineffective
        | ActionState::Harmful
        | ActionState::Inconclusive => Some(ActionStage::Verified),
        ActionState::Failed => Some(ActionStage::Failed),
        // What nobody heard of ends without a word.
        ActionState::Expired => {
            let was_told = action
                .steps
                .iter()
                .any(|step| stage_is_told(step.state) && step.state != ActionState::Expired);
            (was_told && was != ActionState::Expired).then_some(ActionStage::Failed)
        }
        ActionState::Asked
        | ActionState::Blocked
        | ActionState::Sending
        | ActionState::Unsettled
        | ActionState::Accepted
        | ActionState::Observed => None,
    }
}

/// Whether it was not approved before. What was refused for now is tried again without another word. A hook
/// acts on being told, so it is told by the step that asked all checks.
fn is_approved_anew(action: &Action) -> bool {
    if action.remedy == Remedy::Webhook {
        return action.was_sent();
    }
    let earlier = action.steps.iter().rev().skip(1);
    let mut earlier = earlier.take_while(|step| !entry::begins_anew(step));
    !earlier.any(|step| step.state == ActionState::Approved)
}

fn stage_is_told(state: ActionState) -> bool {
    matches!(state, ActionState::Proposed | ActionState::Approved)
}

/// The same whenever the same is told again, also where a crash made it take another way there: it goes by how
/// often the action came to stand there.
fn event_id(action: &Action, stage: ActionStage) -> Box<str> {
    use sha2::{Digest as _, Sha256};
    let same = action.steps.iter().filter(|it| it.state == action.state);
    let (id, nth) = (&action.id, same.count());
    let text = format!("{id} {} {nth}", stage.name());
    hex_of(&Sha256::digest(text.as_bytes())[..16])
}
