//! kill -9 and the kill switch around actions: a real API server's audit log says that nothing was done twice,
//! that nothing was forgotten, and that nothing was done while the switch was thrown.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Deployment};
use crate::knothole::{Knothole, knothole};
use crate::otlp::{Client, request};
use crate::process::{SOON, until};
use crate::remedies::{BROKEN, Scene, USER, knothole_at};
use crate::shop::{WELL, steps_of};

/// How often it is killed, and how often the switch is thrown; `KNOTHOLE_KILLS` names another number.
const TIMES: u64 = 10;
/// So many daemons are at it at the same time, each with a namespace and a state folder of its own.
const SCENES_MAX: u64 = 10;
/// A kill comes so long after an approval was posted at the latest: by then it has been carried out.
const KILLED_WITHIN: Duration = Duration::from_millis(90);
/// So long after a start it is known of everything what became of it, or that nobody can say: a minute, and the
/// time between two looks at the cluster.
const SETTLED_WITHIN: Duration = Duration::from_secs(66);
/// The switch is thrown so long after the first approval at the latest.
const THROWN_WITHIN: Duration = Duration::from_millis(150);
/// So long after the switch was thrown nothing more is done.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);
/// What is sent again where it was not enough.
const SEND_AGAIN: Duration = Duration::from_secs(3);

const SETTINGS: &str = "  limits: { per_workload: 1000, per_namespace: 1000, per_hour: 1000, cool_down: 1s, \
    storm_share: 1.0, storm_services_max: 1000 }\napi: { tokens: [{ name: ana, role: approver, token_env: ANA }] }\n";
const RULE: &str = "  - { name: restart, action: restart_workload, mode: approve, stabilise: 1s }";
const ANA: &str = "a token of the approver ana";

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: Duration) -> Duration {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let micros = u64::try_from(limit.as_micros()).unwrap();
        Duration::from_micros(mixed % micros)
    }
}

/// A daemon that may restart Deployments once somebody approves it.
struct Stage {
    scene: Scene,
    settings: String,
    /// Which of those that play at the same time it is.
    place: u64,
    chance: Chance,
    /// The next request that is logged.
    number: u64,
    /// What became of what was approved, for whoever reads the output.
    tally: BTreeMap<String, u64>,
    slowest: Duration,
}

impl Stage {
    fn new(cluster: &'static Cluster, (seed, place): (u64, u64)) -> Self {
        let scene = Scene::new(cluster);
        let settings = scene.settings(RULE, SETTINGS);
        Self {
            scene,
            settings,
            place,
            chance: Chance(seed + place),
            number: 0,
            tally: BTreeMap::new(),
            slowest: Duration::ZERO,
        }
    }

    fn serve(&self) -> Knothole {
        let knothole = self.scene.place.serve_with(&self.settings, &[("ANA", ANA)]);
        knothole.with_token(ANA)
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }

    /// A Deployment that nothing was done to yet: so no claim and no cool-down of before is waited for.
    fn deploy(&self, name: &str) {
        let deployment = Deployment {
            replicas: 3,
            labels: &[("knothole.dev/remediate", "true")],
            ..Deployment::default()
        };
        let scene = &self.scene;
        scene.cluster.deploy(&scene.namespace, name, &deployment);
    }

    /// Logs requests as `service`, in pods of `deployment`.
    fn log(&mut self, client: &mut Client, (service, deployment): (&str, &str), all: &[&[usize]]) {
        let resource = [
            ("service.name", service),
            ("k8s.namespace.name", self.scene.namespace.as_str()),
            ("k8s.deployment.name", deployment),
        ];
        let first = self.number;
        let steps = all.iter().zip(first..);
        let records = steps.flat_map(|(it, nth)| steps_of(nth, it, Duration::from_secs(1)));
        client
            .export(request(&resource, records.collect()))
            .unwrap();
        self.number += all.len() as u64;
    }

    fn learn(&mut self, knothole: &Knothole, services: &[&str]) {
        let mut client = Client::connect(knothole.grpc);
        for service in services {
            for _ in 0..9 {
                self.log(&mut client, (service, "cart"), &[WELL.as_slice(); 50]);
            }
            knothole.wait_for_state(service, "active");
        }
    }

    /// Has each of these services fail in its Deployment; the actions that wait for a person on account of it.
    fn propose(&mut self, knothole: &Knothole, failing: &[(&str, String)]) -> Vec<Value> {
        let mut client = Client::connect(knothole.grpc);
        let mut sent: Option<Instant> = None;
        let actions = until(SOON, "the proposals", || {
            if sent.is_none_or(|at| at.elapsed() >= SEND_AGAIN) {
                for (service, deployment) in failing {
                    self.log(&mut client, (service, deployment), &BROKEN);
                }
                sent = Some(Instant::now());
            }
            let (_, body) = knothole.get("/v1/actions?state=proposed");
            let body: Value = serde_json::from_str(&body).ok()?;
            let all = body["actions"].as_array()?;
            let of = |(_, deployment): &(&str, String)| {
                let target = format!("{}/Deployment/{deployment}", self.scene.namespace);
                let action = all.iter().find(|it| it["target"] == *target)?;
                Some(look(knothole, id(action)))
            };
            failing.iter().map(of).collect::<Option<Vec<Value>>>()
        });
        // What is found afterwards would be held against the action.
        until(SOON, "all to be judged", || {
            (knothole.ledger().pending == 0).then_some(())
        });
        actions
    }

    /// The requests that restarted something, by the action that they name.
    fn restarts(&self) -> BTreeMap<String, u64> {
        let mut restarts = BTreeMap::new();
        for write in self.scene.cluster.audit_of(&self.scene.namespace) {
            if write["user"] == USER && write["verb"] == "patch" && is_change(&write) {
                let mut changes = write["body"].as_array().unwrap().iter();
                let id = changes.find_map(|it| it["value"]["knothole.dev/action-id"].as_str());
                let id = id.unwrap_or_else(|| panic!("it names no action: {write}"));
                *restarts.entry(id.to_owned()).or_default() += 1;
            }
        }
        restarts
    }

    fn restarts_of(&self, action: &Value) -> u64 {
        self.restarts().get(id(action)).copied().unwrap_or(0)
    }

    /// Kills the daemon at some moment after an approval was posted, starts it again, and waits until it is
    /// known what became of the action.
    fn kill(&mut self, mut knothole: Knothole, nth: u64) -> Knothole {
        let deployment = format!("cart-{nth}");
        self.deploy(&deployment);
        let action = self.propose(&knothole, &[("cart", deployment)]).remove(0);
        let after = self.chance.below(KILLED_WITHIN);
        let is_answered = std::thread::scope(|scope| {
            let answer = scope.spawn(|| approve(&knothole, &action));
            std::thread::sleep(after);
            knothole.process.signal(Signal::KILL);
            answer.join().unwrap() == 200
        });
        knothole.process.wait_at_most(SOON);
        let was_sent = self.restarts_of(&action) > 0;
        let next = self.serve();
        let began = look(&next, id(&action));
        let stood = began["state"].as_str().unwrap().to_owned();
        let started = Instant::now();
        until(SETTLED_WITHIN, "it to be known what became of it", || {
            let now = look(&next, id(&action));
            if now["state"] == "proposed" {
                assert!(!is_answered, "an approval was forgotten: {now:#}");
                approve(&next, &action);
            }
            (is_over(&now) || now["state"] == "done").then_some(())
        });
        self.slowest = self.slowest.max(started.elapsed());
        let over = until(SOON, "its end", || {
            let now = look(&next, id(&action));
            is_over(&now).then_some(now)
        });
        let sent = self.restarts_of(&action);
        let is_done = has_step(&over, "done");
        let expected = if is_done { 1..=1 } else { 0..=1 };
        assert!(expected.contains(&sent), "sent {sent} times: {over:#}");
        let lost = ["denied", "expired"].contains(&over["state"].as_str().unwrap());
        assert!(!lost, "{over:#}");
        let known = if is_done { "done" } else { "told as unknown" };
        let (sent, answered) = (u8::from(was_sent), u8::from(is_answered));
        self.count(format!(
            "answered {answered}, sent {sent}, found {stood}: {known}"
        ));
        next
    }
}

fn id(action: &Value) -> &str {
    action["id"].as_str().unwrap()
}

/// The whole of an action, as it is now.
fn look(knothole: &Knothole, id: &str) -> Value {
    let (status, body) = knothole.get(&format!("/v1/actions/{id}"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The status of the answer; 0 where none came.
fn approve(knothole: &Knothole, action: &Value) -> u16 {
    let path = format!("/v1/actions/{}/approve", id(action));
    let plan = json!({ "plan": action["plan"]["hash"], "note": "go on" });
    knothole
        .try_post(&path, &plan)
        .map_or(0, |(status, _)| status)
}

fn has_step(action: &Value, state: &str) -> bool {
    let mut steps = action["steps"].as_array().unwrap().iter();
    steps.any(|step| step["state"] == state)
}

fn is_over(action: &Value) -> bool {
    let over = [
        "effective",
        "ineffective",
        "harmful",
        "inconclusive",
        "failed",
        "denied",
        "expired",
    ];
    over.contains(&action["state"].as_str().unwrap())
}

/// Whether a request changes what runs, and is not only a trial or an Event that tells of it.
fn is_change(write: &Value) -> bool {
    let text = |name: &str| write[name].as_str().unwrap_or_default();
    !text("query").contains("dryRun") && !text("path").contains("/events")
}

/// A daemon on a state folder that another one has is told so.
fn second_is_refused(scene: &Scene) {
    let config = scene.place.path("knothole.yaml");
    let mut command = knothole(&["serve", "--config", config.to_str().unwrap()]);
    let second = command.env("ANA", ANA).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success(), "{said}");
    assert!(said.contains("state") && !said.contains("ready "), "{said}");
}

/// Has several stages play at the same time; gives what each of them counted.
fn on_stages(cluster: &'static Cluster, seed: u64, play: impl Fn(&mut Stage, u64) + Sync) {
    let times = std::env::var("KNOTHOLE_KILLS").map_or(TIMES, |text| text.parse().unwrap());
    let stages = times.div_ceil(2).clamp(1, SCENES_MAX);
    let (mut tally, mut slowest) = (BTreeMap::<String, u64>::new(), Duration::ZERO);
    std::thread::scope(|scope| {
        let play = &play;
        let run = |nth: u64| {
            scope.spawn(move || {
                let mut stage = Stage::new(cluster, (seed, nth));
                play(&mut stage, times / stages + u64::from(nth < times % stages));
                stage
            })
        };
        let running: Vec<_> = (0..stages).map(run).collect();
        for stage in running {
            let stage = stage.join().unwrap();
            for (what, count) in stage.tally {
                *tally.entry(what).or_default() += count;
            }
            slowest = slowest.max(stage.slowest);
        }
    });
    eprintln!("{times} times on {stages} stages, the slowest known after {slowest:?}: {tally:#?}");
}

#[test]
fn whenever_it_is_killed_what_was_approved_is_done_once_or_told_to_be_unknown() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    on_stages(cluster, 1, |stage, kills| {
        let mut knothole = stage.serve();
        stage.learn(&knothole, &["cart"]);
        second_is_refused(&stage.scene);
        for nth in 0..kills {
            knothole = stage.kill(knothole, nth);
        }
        // Also what was given up long ago has arrived by now.
        let restarts = stage.restarts();
        assert!(restarts.values().all(|times| *times == 1), "{restarts:?}");
        let verified = knothole_at(&stage.scene, &["audit", "verify"]);
        assert!(verified.status.success(), "{verified:?}");
    });
}

/// The three ways to stop everything.
#[derive(Clone, Copy, Debug)]
enum Throw {
    File,
    Api,
    Signal,
}

impl Throw {
    const ALL: [Self; 3] = [Self::File, Self::Api, Self::Signal];

    fn stop(self, scene: &Scene, knothole: &Knothole) {
        match self {
            Self::File => std::fs::write(switch_file(scene), "too much").unwrap(),
            Self::Api => switch(knothole, true),
            Self::Signal => knothole.process.signal(Signal::USR1),
        }
    }

    fn release(self, scene: &Scene, knothole: &Knothole) {
        match self {
            Self::File => std::fs::remove_file(switch_file(scene)).unwrap(),
            Self::Api | Self::Signal => switch(knothole, false),
        }
    }
}

fn switch_file(scene: &Scene) -> std::path::PathBuf {
    scene.place.path("state/actions.stopped")
}

fn switch(knothole: &Knothole, stopped: bool) {
    let order = json!({ "stopped": stopped, "why": "too much" });
    let (status, answer) = knothole.post("/v1/switch", &order);
    assert_eq!(status, 200, "{answer}");
}

/// Whether the action waits for the switch, by a look at it since that moment.
fn is_held(action: &Value, since: Timestamp) -> bool {
    let plan = &action["plan"];
    let at = plan["at"].as_str().and_then(|at| at.parse().ok());
    let mut checks = plan["checks"].as_array().into_iter().flatten();
    let is_on = checks.any(|it| it["check"] == "switch" && it["verdict"] != "pass");
    action["state"] == "approved" && at.is_some_and(|at: Timestamp| at >= since) && is_on
}

impl Stage {
    /// Throws the switch while several actions are being approved.
    fn throw(&mut self, knothole: &Knothole, nth: u64) {
        const SERVICES: [&str; 3] = ["cart", "mail", "bank"];
        let failing = SERVICES.map(|service| (service, format!("{service}-{nth}")));
        for (_, deployment) in &failing {
            self.deploy(deployment);
        }
        let actions = self.propose(knothole, &failing);
        let (later, sooner) = actions.split_last().unwrap();
        let throw = Throw::ALL[usize::try_from((self.place + nth) % 3).unwrap()];
        let after = self.chance.below(THROWN_WITHIN);
        let thrown = std::thread::scope(|scope| {
            let thrown = scope.spawn(|| {
                std::thread::sleep(after);
                throw.stop(&self.scene, knothole);
                Instant::now()
            });
            for action in sooner {
                assert_eq!(approve(knothole, action), 200);
            }
            thrown.join().unwrap()
        });
        until(SOON, "a second to pass", || {
            (thrown.elapsed() >= STOPPED_WITHIN).then_some(())
        });
        let cluster = self.scene.cluster;
        let (mark, since) = (cluster.audit_mark(), Timestamp::now());
        assert_eq!(approve(knothole, later), 200);
        let held = until(SOON, "the others to be held", || {
            let now = actions.iter().map(|it| look(knothole, id(it)));
            let (sent, rest): (Vec<Value>, Vec<Value>) = now.partition(|it| has_step(it, "done"));
            let is_settled = rest.iter().all(|it| is_held(it, since));
            is_settled.then_some((sent.len(), rest.len()))
        });
        assert!(held.1 > 0, "{throw:?}: what was approved since is done");
        let mut changes = cluster.audit_since(mark);
        changes.retain(|it| it["namespace"] == self.scene.namespace && it["user"] == USER);
        changes.retain(is_change);
        assert!(changes.is_empty(), "{throw:?}: {changes:#?}");
        throw.release(&self.scene, knothole);
        until(SOON, "what was approved to go on", || {
            let mut now = actions.iter().map(|it| look(knothole, id(it)));
            now.all(|it| has_step(&it, "done") && is_over(&it))
                .then_some(())
        });
        for action in &actions {
            assert_eq!(self.restarts_of(action), 1, "{action:#}");
        }
        self.count(format!(
            "{throw:?}: {} sent before, {} held",
            held.0, held.1
        ));
    }
}

#[test]
fn a_second_after_the_switch_was_thrown_nothing_is_done_until_it_is_released() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    on_stages(cluster, 1_000, |stage, times| {
        let knothole = stage.serve();
        // One that is well, or everything would be in trouble: then nothing is done anyway.
        stage.learn(&knothole, &["cart", "mail", "bank", "till"]);
        for nth in 0..times {
            stage.throw(&knothole, nth);
        }
    });
}
