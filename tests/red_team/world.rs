//! The product from the receiver's decoder to the ledger, as `serve` puts it together, in a town.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use knothole::core::desk::{Desk, DeskSettings, Told};
use knothole::core::engine::{self, Learn, Output, Saved, Shard, State, Status, Templates};
use knothole::core::event::{Action, ActionState, Anomaly, CheckVerdict, Remedy, Stage};
use knothole::core::incident::SavedPart;
use knothole::core::model::Bundle;
use knothole::core::record::{StreamKey, Timestamp};
use knothole::core::remedy::ask::ask;
use knothole::core::remedy::case::World as HowThingsStand;
use knothole::core::remedy::ledger::{Incidence, Ledger, Report};
use knothole::core::remedy::rule::{Limits, Rule};
use knothole::core::remedy::standing::{Standing, Trouble};
use knothole::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use knothole::core::train::{TrainSettings, train};
use knothole::edge::receive::{self, Reopen, Sent};

use crate::dice::Dice;
use crate::town::{LABEL, OWN, Town, VAULT, is_allowed, stream};
use crate::traffic;

/// When the attack begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_763_700_000_000);
/// How long the town was listened to before.
const LEARNED_FOR: Duration = Duration::from_secs(1_500);

/// What is said of a namespace that is never touched.
const FORBIDDEN: [&str; 3] = [
    "belongs to Kubernetes itself",
    "knothole itself runs in",
    "is never to be touched",
];

/// What was learned before the attack: of every service what it writes, and of one the model, which is all of theirs.
struct Learned {
    saved: Saved,
    model: Arc<Bundle>,
    books: Vec<SavedPart>,
    evidence: SavedPart,
}

/// What was seen of a run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) anomalies: u64,
    pub(crate) incidents: u64,
    pub(crate) asked: BTreeSet<Box<str>>,
    pub(crate) proposed: BTreeSet<Box<str>>,
    /// Checks that ever held an action back.
    pub(crate) held_by: BTreeSet<Box<str>>,
    /// What must never be.
    pub(crate) wrong: Vec<String>,
}

/// A daemon and a town.
pub(crate) struct World {
    open: Reopen,
    shard: Shard,
    pub(crate) desk: Desk,
    pub(crate) ledger: Ledger,
    rules: Vec<Rule>,
    pub(crate) town: Town,
    pub(crate) now: Timestamp,
    pub(crate) seen: Seen,
    is_authenticated: bool,
    /// Whether a person approves whatever is proposed.
    pub(crate) is_approved: bool,
    storm_at: Option<Timestamp>,
    found: Vec<Arc<Anomaly>>,
}

impl World {
    /// One in which all services of `town` have been listened to for long.
    pub(crate) fn new(town: Town, rules: Vec<Rule>, is_authenticated: bool) -> Self {
        static LEARNED: OnceLock<Learned> = OnceLock::new();
        let learned = LEARNED.get_or_init(learn);
        let mut shard = Shard::new(settings());
        for (space, name) in town.workloads() {
            let model = Some(Arc::clone(&learned.model));
            shard
                .restore(&stream(space, name), &learned.saved, model, START)
                .unwrap();
        }
        shard.take_outputs();
        let mut desk = Desk::restored(desk_settings(), &learned.books).unwrap();
        desk.restore_evidence(&learned.evidence).unwrap();
        Self {
            open: Reopen::of_anybody(receive::Settings::of_instance("red")),
            shard,
            desk,
            ledger: Ledger::new(rules.clone(), limits(), true),
            rules,
            town,
            now: START,
            seen: Seen::default(),
            is_authenticated,
            is_approved: false,
            storm_at: None,
            found: Vec::new(),
        }
    }

    /// Goes by other rules from now on.
    pub(crate) fn reconfigure(&mut self, rules: Vec<Rule>) {
        self.ledger
            .reconfigure((rules.clone(), limits()), true, self.now);
        self.rules = rules;
    }

    /// A request came.
    pub(crate) fn take(&mut self, sent: &Sent) {
        // What cannot be decoded is refused, and its sender is told so.
        let Ok(decoded) = self.open.open(sent) else {
            return;
        };
        for spans in &decoded.spans {
            self.desk.spans(spans, self.now);
        }
        for batch in decoded.batches {
            let seen = (&batch.stream, &*batch.resource);
            self.desk.seen(seen, batch.len() as u64, self.now, self.now);
            self.shard.push(batch, self.now);
        }
    }

    /// Time passes until `now`, in one step.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = now;
        self.shard.tick(now);
        self.hear();
        self.desk.advance(now);
        self.turn();
        for told in self.desk.take(now) {
            if let Told::Incident { event, .. } = told
                && event.stage == Stage::Opened
            {
                self.seen.incidents += 1;
            }
        }
    }

    fn hear(&mut self) {
        for output in self.shard.take_outputs() {
            match output {
                Output::Anomaly(anomaly) => {
                    self.desk.anomaly(&anomaly, self.now);
                    self.found.push(anomaly);
                }
                Output::Sign(sign) => self.desk.sign(sign, self.now),
                Output::Trail(trail) => self.desk.trail(&trail, self.now),
                Output::State { .. } | Output::TrainingDue { .. } | Output::Unjudged { .. } => {}
            }
        }
    }

    /// What `daemon::remediation` does in a turn.
    fn turn(&mut self) {
        let found = std::mem::take(&mut self.found);
        self.seen.anomalies += found.len() as u64;
        let due = self.ledger.next_deadline();
        if found.is_empty() && due.is_none_or(|due| self.now < due) {
            return;
        }
        let (standing, status) = self.standing();
        let now = self.now;
        for anomaly in &found {
            self.ledger.heard(&anomaly.stream, now);
            for action in ask(&self.rules, anomaly, now) {
                let incident = standing.trouble_of(anomaly).map(|it| Incidence {
                    id: &it.id,
                    fingerprint: &it.fingerprint,
                });
                self.ledger.asked(action, incident, now);
            }
        }
        let dependants = |stream: &StreamKey| self.desk.topology().callers(stream).count();
        let dependants: BTreeMap<StreamKey, usize> = self
            .ledger
            .open()
            .map(|it| (it.stream.clone(), dependants(&it.stream)))
            .collect();
        let world = |action: &Action| stands(&standing, &status, &dependants, action, now);
        self.ledger.advance(&world, now);
        // An action has three errands at most in one moment.
        loop {
            self.note();
            let tasks = self.ledger.take_tasks();
            if tasks.is_empty() {
                break;
            }
            for task in tasks {
                if let Some(reported) = self.town.carry_out(&task.errand, now) {
                    let id = task.id;
                    self.ledger.report(Report { id, reported }, &world, now);
                }
            }
        }
        if self.is_approved {
            self.approve();
        }
    }

    fn standing(&mut self) -> (Standing, Vec<Status>) {
        let status = self.shard.status();
        let mut standing = Standing {
            live: self
                .desk
                .live()
                .filter_map(|it| Trouble::at(&it, self.now))
                .collect(),
            heard: u32::try_from(status.len()).unwrap(),
            storm_at: None,
            is_authenticated: self.is_authenticated,
        };
        if standing.is_storm(&limits()) {
            self.storm_at = Some(self.now);
        }
        standing.storm_at = self.storm_at;
        (standing, status)
    }

    /// A person who believes all they are told.
    fn approve(&mut self) {
        let waits = |it: &&Action| it.state == ActionState::Proposed;
        let plan = |it: &Action| Some((it.id.clone(), it.plan.as_ref()?.hash.clone()));
        let waiting = self.ledger.open().filter(waits).filter_map(plan);
        for (id, hash) in waiting.collect::<Vec<_>>() {
            let _ = self.ledger.approve(&id, &hash, ("ana", "go"), self.now);
        }
        self.note();
    }

    /// Looks at what changed, as whoever writes it down.
    fn note(&mut self) {
        self.ledger.take_events();
        self.ledger.take_verified();
        for changed in self.ledger.take_changed() {
            let action = &*changed.action;
            self.seen.asked.insert(action.id.clone());
            let checks = action.plan.iter().flat_map(|it| &it.checks);
            let held = checks.filter(|it| it.verdict != CheckVerdict::Pass);
            self.seen.held_by.extend(held.map(|it| it.check.clone()));
            // What is forbidden for good has no plan of which it could be said.
            let said = action.steps.last().map_or("", |it| &*it.why);
            if action.plan.is_none() && FORBIDDEN.iter().any(|it| said.contains(it)) {
                self.seen.held_by.insert("forbidden_namespace".into());
            }
            for step in &changed.steps {
                if matches!(
                    step.state,
                    ActionState::Proposed | ActionState::Approved | ActionState::Sending
                ) {
                    self.seen.proposed.insert(action.id.clone());
                    let wrong = outside(action, &self.rules, &self.town);
                    self.seen.wrong.extend(wrong);
                }
            }
        }
    }
}

/// Why an action should not even have been proposed.
fn outside(action: &Action, rules: &[Rule], town: &Town) -> Option<String> {
    let target = &action.target;
    if action.remedy == Remedy::Webhook {
        return outside_for_hooks(action);
    }
    let may_be_stateful = rules.iter().any(|it| it.name == action.rule && it.stateful);
    let name = match (&target.pod, &target.workload) {
        (Some(pod), _) => {
            let key = (target.namespace.clone(), pod.clone());
            town.pods.get(&key).map(|it| &*it.workload)
        }
        (None, Some((_, name))) => Some(&**name),
        (None, None) => None,
    };
    let named = target.workload.as_ref().map(|it| &*it.1);
    let (namespace, state) = (&*target.namespace, action.state.name());
    let uid = action.plan.as_ref().and_then(|it| it.subject.as_ref());
    match name.or(named) {
        Some(name) if !is_allowed(namespace, name, may_be_stateful) => {
            Some(format!("{target} is not to be touched: {state}"))
        }
        None => Some(format!("{target} is nothing: {state}")),
        Some(_) => match uid {
            Some(subject) if *subject.kind == *"Pod" && target.pod_uid.is_some() => {
                let is_same = target.pod_uid.as_ref() == Some(&subject.uid);
                let wrong = || format!("{target} has the uid of another pod: {state}");
                (!is_same).then(wrong)
            }
            Some(subject) if town.knows(&subject.uid) => None,
            subject => Some(format!("{target} is planned for {subject:?}: {state}")),
        },
    }
}

/// What a hook does is the hook's, so it is told of what has no label too; but not of everything, and not without a
/// person.
fn outside_for_hooks(action: &Action) -> Option<String> {
    let (target, space) = (&action.target, &*action.target.namespace);
    let is_forbidden = space.starts_with("kube-") || space == OWN || space == VAULT;
    let is_alone = action.was_sent() && action.steps.iter().all(|it| *it.by == *"knothole");
    (is_forbidden || is_alone)
        .then(|| format!("a hook is told of {target}: {}", action.state.name()))
}

fn stands(
    standing: &Standing,
    status: &[Status],
    dependants: &BTreeMap<StreamKey, usize>,
    action: &Action,
    now: Timestamp,
) -> HowThingsStand {
    let status = status.iter().find(|it| it.stream == action.stream);
    let dependants = dependants.get(&action.stream).copied().unwrap_or_default();
    HowThingsStand {
        model_age: status.and_then(|it| it.model.as_ref().map(|_| Duration::ZERO)),
        is_learning: status.is_some_and(|it| it.state != State::Active),
        hearing_since: Some(now.minus(LEARNED_FOR)),
        dependants: u32::try_from(dependants).unwrap(),
        ..standing.world(action)
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        label: (LABEL.into(), "true".into()),
        deny_namespaces: vec![VAULT.into()],
        own_namespace: Some(OWN.into()),
        has_policy: false,
        ..Limits::default()
    }
}

fn settings() -> engine::Settings {
    let settings = engine::Settings::new(KeyFinder::new(DEFAULT_BODY_IDS).unwrap());
    engine::Settings {
        idle_timeout: Duration::from_secs(20),
        learn: Learn {
            sequences_min: usize::MAX,
            warm_up: Duration::ZERO,
            ..settings.learn.clone()
        },
        ..settings
    }
}

fn desk_settings() -> DeskSettings {
    DeskSettings {
        warm_up: Duration::ZERO,
        ..DeskSettings::default()
    }
}

/// Listens to the town while all is well.
fn learn() -> Learned {
    let town = Town::new();
    let from = START.minus(LEARNED_FOR);
    let open = Reopen::of_anybody(receive::Settings::of_instance("red"));
    let mut shard = Shard::new(settings());
    let mut desk = Desk::new(DeskSettings {
        warm_up: Duration::MAX,
        ..desk_settings()
    });
    let mut dice = Dice::new(7);
    for second in (0..LEARNED_FOR.as_secs()).step_by(5) {
        let now = from.plus(Duration::from_secs(second));
        for (space, name) in [("shop", "cart"), ("shop", "pay")] {
            let (requests, _) = traffic::request(&town, (space, name), now, &mut dice);
            for sent in requests {
                let decoded = open.open(&sent).unwrap();
                decoded.spans.iter().for_each(|it| desk.spans(it, now));
                decoded
                    .batches
                    .into_iter()
                    .for_each(|it| shard.push(it, now));
            }
        }
        shard.tick(now);
        for output in shard.take_outputs() {
            if let Output::Trail(trail) = output {
                desk.trail(&trail, now);
            }
        }
        desk.advance(now);
        desk.take(now);
    }
    shard.tick(START);
    shard.take_outputs();
    let cart = stream("shop", "cart");
    let corpus = shard.corpus(&cart).unwrap();
    let settings = TrainSettings {
        epochs_max: 12,
        ..TrainSettings::default()
    };
    let model = train(&corpus, &settings, &mut |_| ControlFlow::Continue(())).unwrap();
    let mut snapshots = shard.snapshots(&[cart.clone()].into()).into_iter();
    let snapshot = snapshots.find(|it| it.stream == cart).unwrap();
    let templates = match snapshot.templates {
        Templates::Whole(bytes) | Templates::Changes(bytes) => vec![bytes],
        Templates::Unchanged => Vec::new(),
    };
    Learned {
        saved: Saved {
            templates,
            rest: Some(snapshot.rest),
        },
        model: Arc::new(model),
        books: desk.saved().unwrap(),
        evidence: desk.saved_evidence().unwrap(),
    }
}
