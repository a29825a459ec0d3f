//! One run: trouble, bad weather, people, and kills, until all is calm and everything is over.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::time::Duration;

use knothole::core::event::{Action, ActionState, Grounds, Mode, Remedy, Target};
use knothole::core::record::{StreamKey, Timestamp};
use knothole::core::remedy::rule::{Limits, Rule};

use crate::cluster::NAMESPACE;
use crate::daemon::{Daemon, Note, Settings};
use crate::disk::Disk;
use crate::net::{Due, Moment, Net, Weather};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_763_700_000_000);
/// Trouble and bad weather last for so long.
const ROUGH: Duration = Duration::from_secs(12 * 60);
/// By then everything is over.
const END: Duration = Duration::from_secs(40 * 60);
/// How soon it is written again what a disk did not take.
const WRITE_AGAIN: Duration = Duration::from_secs(10);
const WORKLOADS: [&str; 3] = ["cart", "web", "mail"];

/// What happens besides requests.
#[derive(Debug)]
pub(crate) enum Happening {
    Note(usize, u64, Note),
    /// A daemon wakes up by itself.
    Turn(usize, u64),
    Start(usize),
    /// Rules ask on account of what is broken.
    Trouble,
    /// People look at what is proposed.
    People,
    /// Something in the world becomes different.
    Turmoil,
    Calm,
}

/// What is different from run to run.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    /// 1, or 2 with a state of their own each.
    pub(crate) daemons: usize,
    /// Whether both know an incident by one id.
    pub(crate) shares_incidents: bool,
    pub(crate) weather: Weather,
    /// How many kills there are in all.
    pub(crate) kills: u32,
    pub(crate) has_turmoil: bool,
    pub(crate) mode: Mode,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) net: Net,
    pub(crate) kills: BTreeMap<Moment, u32>,
    pub(crate) history: u64,
    /// Actions that were not over at the end.
    pub(crate) left: Vec<String>,
    /// The longest time for which it was not known whether something took place, while the daemon lived.
    pub(crate) unsettled_max: Duration,
}

pub(crate) struct Run {
    script: Script,
    settings: Settings,
    net: Rc<RefCell<Net>>,
    daemons: Vec<Option<Daemon>>,
    lives: u64,
    kills: BTreeMap<Moment, u32>,
    /// At which moment a daemon is killed next, after so many of them.
    plans: Vec<(Moment, u64)>,
    history: DefaultHasher,
    remedies: Vec<Remedy>,
    unsettled: BTreeMap<(usize, Box<str>), (u64, Timestamp)>,
    unsettled_max: Duration,
    is_calm: bool,
}

impl Run {
    pub(crate) fn new(script: Script) -> Self {
        let mut net = Net::new(script.seed, START);
        net.weather = script.weather;
        for name in WORKLOADS {
            net.cluster.deploy(name, START);
        }
        let mut remedies = Vec::new();
        for nth in 0..script.daemons {
            net.disks.push(Disk::default());
            let ahead = net.dice.below(2_000);
            net.hosts.push((nth, ahead));
        }
        for _ in WORKLOADS {
            remedies.push(match net.dice.below(4) {
                0 => Remedy::RestartWorkload,
                1 => Remedy::Scale { by: 1, max: 9 },
                _ => Remedy::RestartPod,
            });
        }
        let mut run = Self {
            settings: settings(script.mode),
            daemons: (0..script.daemons).map(|_| None).collect(),
            plans: Vec::new(),
            net: Rc::new(RefCell::new(net)),
            script,
            lives: 0,
            kills: BTreeMap::new(),
            history: DefaultHasher::new(),
            remedies,
            unsettled: BTreeMap::new(),
            unsettled_max: Duration::ZERO,
            is_calm: false,
        };
        run.plan_out();
        run
    }

    fn plan_out(&mut self) {
        for nth in 0..self.script.daemons {
            let plan = self.next_kill();
            self.plans.push(plan);
            self.at(Duration::ZERO, Happening::Start(nth));
        }
        for second in (1..ROUGH.as_secs()).step_by(20) {
            self.at(Duration::from_secs(second), Happening::Trouble);
            self.at(Duration::from_secs(second + 7), Happening::People);
            if self.script.has_turmoil {
                self.at(Duration::from_secs(second + 3), Happening::Turmoil);
            }
        }
        self.at(ROUGH, Happening::Calm);
        // Whoever approves is there also when it is calm.
        for second in (ROUGH.as_secs()..END.as_secs()).step_by(60) {
            self.at(Duration::from_secs(second), Happening::People);
        }
    }

    fn at(&self, after: Duration, happening: Happening) {
        self.net.borrow_mut().at(after, Due::World(happening));
    }

    fn next_kill(&mut self) -> (Moment, u64) {
        let mut net = self.net.borrow_mut();
        let moment = Moment::ALL[net.dice.index(Moment::ALL.len())];
        let most = match moment {
            Moment::BeforeCommit | Moment::AfterCommit => 6,
            _ => 2,
        };
        (moment, net.dice.below(most))
    }

    /// Goes on until everything is over.
    pub(crate) fn go(mut self) -> Outcome {
        loop {
            let due = self.net.borrow_mut().next();
            let Some(due) = due else { break };
            if self.net.borrow().now >= START.plus(END) {
                break;
            }
            self.note_down(&due);
            let now = self.net.borrow().now;
            match due {
                Due::Arrives {
                    call,
                    ask,
                    instead,
                    after,
                } => self.net.borrow_mut().arrives(call, &ask, instead, after),
                Due::Returns { call, answer } => {
                    let errand = self.net.borrow_mut().returns(call, answer);
                    self.go_on(errand);
                }
                Due::Wakes { call } => {
                    let errand = self.net.borrow_mut().wakes(call);
                    self.go_on(errand);
                }
                Due::World(happening) => self.happen(happening),
            }
            self.kill_where_due();
            self.watch_unsettled(now);
        }
        self.finish()
    }

    fn note_down(&mut self, due: &Due) {
        let now = self.net.borrow().now;
        let what = match due {
            Due::Arrives { call, instead, .. } => (0, *call, instead.is_some()),
            Due::Returns { call, answer } => (1, *call, answer.is_ok()),
            Due::Wakes { call } => (2, *call, true),
            Due::World(Happening::Note(daemon, ..)) => (3, *daemon as u64, true),
            Due::World(_) => (4, 0, true),
        };
        (now.as_nanos(), what).hash(&mut self.history);
    }

    fn go_on(&mut self, errand: Option<u64>) {
        let Some(errand) = errand else { return };
        for daemon in self.daemons.iter_mut().flatten() {
            daemon.go_on(errand);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Note(daemon, life, note) => self.turn(daemon, Some(life), Some(note)),
            Happening::Turn(daemon, life) => {
                let now = self.net.borrow().now;
                let known = self.daemons[daemon].as_mut();
                let is_due = known.is_some_and(|it| it.life == life && it.wakes(now));
                if is_due {
                    self.turn(daemon, Some(life), None);
                }
            }
            Happening::Start(nth) => {
                self.lives += 1;
                let started = Daemon::start(nth, self.lives, &self.settings, &self.net);
                self.daemons[nth] = Some(started);
                self.turn(nth, None, None);
            }
            Happening::Trouble => self.trouble(),
            Happening::People => self.people(),
            Happening::Turmoil => self.turmoil(),
            Happening::Calm => {
                self.is_calm = true;
                let mut net = self.net.borrow_mut();
                net.weather = Weather::default();
                net.cut_off = vec![false; 2];
                net.is_stopped = false;
                net.disks.iter_mut().for_each(|disk| disk.is_full = false);
                let workloads = net.cluster.workloads.values_mut();
                workloads.for_each(|it| it.budget_cut = 0);
            }
        }
    }

    /// One turn of a daemon, which may be killed in it.
    fn turn(&mut self, nth: usize, life: Option<u64>, note: Option<Note>) {
        let is_it = |daemon: &&mut Daemon| life.is_none_or(|life| daemon.life == life);
        let Some(daemon) = self.daemons[nth].as_mut().filter(is_it) else {
            return;
        };
        daemon.turn(note);
        if self.kill_where_due() {
            return;
        }
        let Some(daemon) = self.daemons[nth].as_mut() else {
            return;
        };
        daemon.commit();
        if self.kill_where_due() {
            return;
        }
        let Some(daemon) = self.daemons[nth].as_mut() else {
            return;
        };
        daemon.hand_out();
        let (life, next) = (daemon.life, daemon.next_turn());
        let now = self.net.borrow().now;
        // What could not be written is tried again.
        let again = daemon.is_unwritten().then(|| now.plus(WRITE_AGAIN));
        if let Some(next) = [next, again].into_iter().flatten().min() {
            let at = next.max(now.plus(Duration::from_millis(1)));
            if daemon.wakes_at.is_none_or(|known| at < known) {
                daemon.wakes_at = Some(at);
                self.at(at.since(now), Happening::Turn(nth, life));
            }
        }
    }

    /// Kills the daemons whose moment has come; whether there were any.
    fn kill_where_due(&mut self) -> bool {
        let moments = std::mem::take(&mut self.net.borrow_mut().moments);
        let mut any = false;
        for (nth, moment) in moments {
            let all: u32 = self.kills.values().sum();
            if self.is_calm || all >= self.script.kills || self.daemons[nth].is_none() {
                continue;
            }
            let (at, after) = &mut self.plans[nth];
            if *at != moment {
                continue;
            }
            if *after > 0 {
                *after -= 1;
                continue;
            }
            any = true;
            *self.kills.entry(moment).or_default() += 1;
            self.daemons[nth] = None;
            self.plans[nth] = self.next_kill();
            let after = {
                let mut net = self.net.borrow_mut();
                net.forget(nth);
                // Another host may go on with the state: its clock is another one.
                net.hosts[nth].1 = net.dice.below(2_000);
                match net.dice.percent(80) {
                    true => net.dice.millis(200, 10_000),
                    false => net.dice.millis(10_000, 120_000),
                }
            };
            self.at(after, Happening::Start(nth));
        }
        any
    }

    /// Rules ask for something to be done to what is broken.
    fn trouble(&mut self) {
        let mut asked = Vec::new();
        {
            let mut net = self.net.borrow_mut();
            let now = net.now;
            net.cluster.advance(now);
            for (nth, name) in WORKLOADS.iter().enumerate() {
                if net.dice.percent(30) {
                    net.cluster.break_pod(name);
                }
                let heals = net.dice.percent(80);
                if let Some(workload) = net.cluster.workloads.get_mut(*name) {
                    workload.heals = heals;
                }
                let pods = net.cluster.pods.values();
                let broken = pods
                    .filter(|pod| &*pod.workload == *name && pod.deleting.is_none())
                    .find(|pod| pod.ready_at.is_none());
                let Some(pod) = broken.map(|pod| pod.object.clone()) else {
                    continue;
                };
                for daemon in 0..self.script.daemons {
                    let mut action = action(name, &self.remedies[nth], now);
                    action.mode = self.script.mode;
                    action.target.pod = Some(pod.name.clone());
                    action.target.pod_uid = Some(pod.uid.clone());
                    let owner = if self.script.shares_incidents {
                        0
                    } else {
                        daemon
                    };
                    let hour = now.as_nanos() / 400_000_000_000;
                    action.incident = Some(format!("{name} {owner} {hour}").into());
                    asked.push((daemon, action));
                }
            }
        }
        for (daemon, action) in asked {
            self.turn(daemon, None, Some(Note::Asked(Box::new(action))));
        }
    }

    /// People approve what they see, what they saw, or say no.
    fn people(&mut self) {
        if self.script.mode != Mode::Approve {
            return;
        }
        for nth in 0..self.script.daemons {
            let Some(daemon) = &self.daemons[nth] else {
                continue;
            };
            let seen: Vec<(Box<str>, Box<str>)> = daemon
                .ledger
                .open()
                .filter_map(|it| Some((it.id.clone(), it.plan.as_ref()?.hash.clone())))
                .collect();
            for (id, hash) in seen {
                let (life, after, word) = {
                    let mut net = self.net.borrow_mut();
                    let word = match net.dice.below(10) {
                        0 => None,
                        1 => Some("00000000000000000000000000000000".into()),
                        _ => Some(hash),
                    };
                    // What they look at is some seconds old.
                    (daemon.life, net.dice.millis(0, 30_000), word)
                };
                let note = Note::Word(id, word);
                self.at(after, Happening::Note(nth, life, note));
            }
        }
    }

    /// Other writers, budgets, partitions, the switch, a full disk.
    fn turmoil(&mut self) {
        let mut net = self.net.borrow_mut();
        let now = net.now;
        let name = WORKLOADS[net.dice.index(WORKLOADS.len())];
        let daemon = net.dice.index(self.script.daemons);
        match net.dice.below(12) {
            0 => net.cluster.change_workload(name, now),
            1 => {
                let pod = net.cluster.pods.keys().next().cloned();
                if let Some(pod) = pod {
                    net.cluster.delete_pod(&pod, now);
                }
            }
            2 | 3 => {
                let cut = i32::from(net.dice.percent(50));
                if let Some(workload) = net.cluster.workloads.get_mut(name) {
                    workload.budget_cut = cut;
                }
            }
            4 | 5 => net.cut_off[daemon] = true,
            6 | 7 => net.cut_off = vec![false; 2],
            8 => net.is_stopped = true,
            9 => net.is_stopped = false,
            10 => net.disks[daemon].is_full = true,
            _ => net.disks.iter_mut().for_each(|disk| disk.is_full = false),
        }
    }

    /// For how long a daemon that lives does not know whether something took place.
    fn watch_unsettled(&mut self, now: Timestamp) {
        let mut still = BTreeMap::new();
        for daemon in self.daemons.iter().flatten() {
            for action in daemon.ledger.open() {
                if action.state != ActionState::Unsettled {
                    continue;
                }
                let key = (daemon.number, action.id.clone());
                let known = self.unsettled.get(&key).copied();
                let known = known.filter(|(life, _)| *life == daemon.life);
                let (life, since) = known.unwrap_or((daemon.life, now));
                self.unsettled_max = self.unsettled_max.max(now.since(since));
                still.insert(key, (life, since));
            }
        }
        self.unsettled = still;
    }

    fn finish(self) -> Outcome {
        let mut left = Vec::new();
        for daemon in self.daemons.iter().flatten() {
            for action in daemon.ledger.open() {
                left.push(format!("{}: {:?}", action.id, action.state));
            }
        }
        let history = self.history.finish();
        drop(self.daemons);
        let Ok(net) = Rc::try_unwrap(self.net) else {
            panic!("somebody still waits")
        };
        Outcome {
            net: net.into_inner(),
            kills: self.kills,
            history,
            left,
            unsettled_max: self.unsettled_max,
        }
    }
}

fn settings(mode: Mode) -> Settings {
    let rule = |remedy: Remedy| Rule {
        name: remedy.kind().name().into(),
        mode,
        remedy,
        kinds: vec![],
        services: vec![],
        score_min: 0.9,
        ttl: Duration::from_secs(300),
        persist: Duration::from_secs(5),
        pod_age_min: Duration::from_secs(10),
        stabilise: Duration::from_secs(30),
        after: vec![],
        stateful: false,
    };
    let limits = Limits {
        workload_period: COOL_DOWN,
        cool_down: COOL_DOWN,
        cool_down_max: COOL_DOWN,
        namespace_hourly_max: 1_000,
        hourly_max: 1_000,
        namespace_in_flight_max: 10,
        in_flight_max: 10,
        ready_share_min: 0.4,
        breaker_max: 1_000,
        failure_actions_min: 1_000,
        recurrences_max: 1_000,
        success_min: 0.0,
        pods_share_max: 0.5,
        has_policy: false,
        ..Limits::default()
    };
    Settings {
        rules: vec![
            rule(Remedy::RestartPod),
            rule(Remedy::RestartWorkload),
            rule(Remedy::Scale { by: 1, max: 9 }),
        ],
        limits,
    }
}

/// How long nothing is done to a workload after an action.
pub(crate) const COOL_DOWN: Duration = Duration::from_secs(90);

fn action(workload: &str, remedy: &Remedy, now: Timestamp) -> Action {
    Action {
        id: "".into(),
        rule: remedy.kind().name().into(),
        mode: Mode::Auto,
        remedy: remedy.clone(),
        target: Target {
            namespace: NAMESPACE.into(),
            workload: Some(("Deployment".into(), workload.into())),
            pod: None,
            pod_uid: None,
        },
        incident: None,
        fingerprint: "".into(),
        stream: StreamKey::named(workload),
        reason: "it is broken".into(),
        asked_at: now,
        expires_at: now.plus(Duration::from_secs(300)),
        evidence: Grounds {
            kinds: vec!["sequence".into()],
            detectors: vec!["order".into(), "unseen".into()],
            score: 0.97,
            first_seen: now.minus(Duration::from_secs(30)),
            last_seen: now,
            // They came for as long as the rule wants.
            heard_at: now.plus(Duration::from_secs(5)),
            anomalies: 1,
            model: "m".into(),
        },
        plan: None,
        approved: None,
        state: ActionState::Asked,
        acted_at: None,
        before: None,
        unrest: None,
        steps: vec![],
        anomaly: None,
    }
}
