//! What a ledger does with an action, from the asking to the outcome, by what somebody would see of it: the
//! tasks it hands out, what it tells, and where the action stands.

mod approving;
mod asking;
mod hooks;
mod restoring;
mod sending;
mod settling;
mod verifying;

use super::*;
use crate::core::event::Mode;
use crate::core::remedy::case::World;
use crate::core::remedy::check::fixture::{NOW, Scene, mins, secs};
use crate::core::remedy::facts::{Answer, Facts, Refused, Rehearsal, Settlement};

/// The incident that everything belongs to, unless a test says otherwise.
const INCIDENT: Incidence<'static> = Incidence {
    id: "0a0b0c",
    fingerprint: "0011223344556677",
};

/// A ledger, a cluster in which every check passes, and the time.
struct Bench {
    ledger: Ledger,
    scene: Scene,
    now: Timestamp,
    /// Tasks that nobody has answered, oldest first.
    tasks: VecDeque<Task>,
    told: Vec<ActionEvent>,
    changed: Vec<Changed>,
    /// What the cluster answers to a plan.
    answer: Answer,
    settlement: Settlement,
    /// How many plans were sent.
    sent: u32,
    /// All that came back, with the tasks.
    reports: Vec<(Box<str>, Reported)>,
    /// The only incident that goes on, where the scene does not say it of all.
    live: Option<&'static str>,
}

impl Bench {
    fn new(remedy: Remedy, mode: Mode) -> Self {
        let mut scene = Scene::healthy(remedy);
        scene.action.mode = mode;
        scene.rule().mode = mode;
        Self {
            ledger: Ledger::new(vec![scene.rule().clone()], scene.limits.clone(), true),
            now: NOW,
            scene,
            tasks: VecDeque::new(),
            told: Vec::new(),
            changed: Vec::new(),
            answer: Answer::Done("it is evicted".into()),
            settlement: Settlement::Unclear,
            sent: 0,
            reports: Vec::new(),
            live: None,
        }
    }

    /// The same without a cluster.
    fn without_cluster(remedy: Remedy, mode: Mode) -> Self {
        let mut bench = Self::new(remedy, mode);
        let rules = bench.ledger.rules().to_vec();
        bench.ledger = Ledger::new(rules, bench.scene.limits.clone(), false);
        bench
    }

    /// What a rule asks for now.
    fn action(&self) -> Action {
        let mut action = self.scene.action.clone();
        action.asked_at = self.now;
        action.expires_at = self.now.plus(mins(15));
        action.evidence.first_seen = self.now.minus(mins(3));
        action.evidence.last_seen = self.now;
        // Its anomalies come for as long as the rule wants.
        action.evidence.heard_at = self.now.plus(mins(1));
        action
    }

    /// The rule asks; its action's id.
    fn ask(&mut self) -> Box<str> {
        let action = self.action();
        self.ledger.heard(&action.stream, self.now);
        self.ask_of(action)
    }

    fn ask_of(&mut self, action: Action) -> Box<str> {
        let target = action.target.clone();
        self.ledger.asked(action, Some(INCIDENT), self.now);
        let mut open = self.ledger.open().filter(|it| it.target == target);
        open.next().expect("it was taken").id.clone()
    }

    fn world(&self) -> impl Fn(&Action) -> World + 'static {
        let (world, live) = (self.scene.world.clone(), self.live);
        move |action| World {
            goes_on: live.map_or(world.goes_on, |id| action.incident.as_deref() == Some(id)),
            ..world.clone()
        }
    }

    /// One turn of the daemon: time passes, what changed is written, then tasks are taken.
    fn turn(&mut self) {
        let world = self.world();
        self.ledger.advance(&world, self.now);
        self.write();
    }

    fn write(&mut self) {
        self.changed.extend(self.ledger.take_changed());
        self.told.extend(self.ledger.take_events());
        self.tasks.extend(self.ledger.take_tasks());
    }

    fn report(&mut self, task: &str, reported: Reported) {
        let world = self.world();
        self.reports.push((task.into(), reported.clone()));
        let report = Report {
            id: task.into(),
            reported,
        };
        self.ledger.report(report, &world, self.now);
        self.write();
    }

    /// Whoever talks to the cluster answers the oldest task.
    fn work_one(&mut self) -> bool {
        let Some(task) = self.tasks.pop_front() else {
            return false;
        };
        let reported = match task.errand {
            Errand::Look { .. } => Reported::Looked(self.facts()),
            Errand::Rehearse { .. } => Reported::Rehearsed(Box::new(self.rehearsal())),
            Errand::Send { .. } => {
                self.sent += 1;
                Reported::Answered(self.answer.clone())
            }
            Errand::Settle { .. } => Reported::Settled(self.settlement),
            Errand::Note { .. } => return true,
        };
        self.report(&task.id, reported);
        true
    }

    /// All that came back comes back again.
    fn repeat_reports(&mut self) {
        for (task, reported) in self.reports.clone() {
            self.report(&task, reported);
        }
        self.reports.truncate(self.reports.len() / 2);
    }

    fn facts(&self) -> Result<Box<Facts>, Box<str>> {
        let mut facts = self.scene.facts.clone().ok_or("no route to host")?;
        facts.at = self.now;
        if let Some(pod) = &mut facts.pod {
            pod.last_ended = Some(self.now.minus(mins(3)));
        }
        Ok(Box::new(facts))
    }

    fn rehearsal(&self) -> Rehearsal {
        self.scene.rehearsal.clone().unwrap_or_default()
    }

    /// Time passes second by second, and everything that is asked is answered at once.
    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.settle_down();
            self.now = self.now.plus(secs(1));
        }
        self.settle_down();
    }

    /// The same while the rule keeps asking.
    fn pass_in_trouble(&mut self, time: Duration) {
        for _ in 0..time.as_secs() / 30 {
            let action = self.action();
            self.ledger.asked(action, Some(INCIDENT), self.now);
            self.pass(secs(30));
        }
    }

    fn settle_down(&mut self) {
        self.turn();
        while self.work_one() {}
    }

    /// Asks, and answers until nothing more is asked. Its id.
    fn run(&mut self) -> Box<str> {
        let id = self.ask();
        self.settle_down();
        id
    }

    fn state(&self, id: &str) -> ActionState {
        self.get(id).state
    }

    fn get(&self, id: &str) -> &Action {
        self.ledger.get(id).expect("it is known")
    }

    fn hash(&self, id: &str) -> Box<str> {
        self.get(id).plan.as_ref().unwrap().hash.clone()
    }

    fn why(&self, id: &str) -> &str {
        &self.get(id).steps.last().unwrap().why
    }

    fn stages(&self) -> Vec<ActionStage> {
        self.told.iter().map(|event| event.stage).collect()
    }

    /// The process dies, and another goes on with what was written.
    fn restart(&mut self) {
        let mut on_disk: BTreeMap<Box<str>, Arc<Action>> = BTreeMap::new();
        for changed in &self.changed {
            on_disk.insert(changed.action.id.clone(), Arc::clone(&changed.action));
        }
        let rules = self.ledger.rules().to_vec();
        self.ledger = Ledger::new(rules, self.scene.limits.clone(), true);
        self.tasks.clear();
        for action in on_disk.into_values() {
            let text = serde_json::to_vec(&*action).unwrap();
            let read = serde_json::from_slice(&text).unwrap();
            self.ledger.restore(read, self.now);
        }
        self.write();
    }

    /// The pod is another one of the same name, so that what would be done is something else.
    fn replace_pod(&mut self) {
        self.scene.pod().object.uid = "uid-of-another".into();
        self.scene.action.target.pod_uid = None;
    }
}

#[test]
fn nothing_is_done_where_nobody_asks() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.pass(mins(1));
    assert_eq!(bench.ledger.next_deadline(), None);
    assert!(!bench.ledger.has_news());
    assert_eq!((bench.sent, bench.told.len()), (0, 0));
}
