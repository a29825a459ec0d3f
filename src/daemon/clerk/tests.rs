//! Kills the daemon at every step of its work on incidents, and starts it again.

mod turns;

use std::path::Path;
use std::sync::Mutex;

use arc_swap::ArcSwap;

use super::*;
use crate::core::event::{Class, Sign, Source};
use crate::core::record::{Severity, StreamKey};
use crate::daemon::board::Board;
use crate::daemon::memory::Memory;
use crate::daemon::switch::Switch;
use crate::daemon::{scribe, trainer};
use crate::edge::api::{Alert, Caller, Feed, Gate, Order, Role};
use crate::edge::notify::Dispatcher;
use crate::edge::store::{ControlSettings, Limits, Store};

/// Scripts, each of which is killed at each of its steps.
const SCRIPTS: u64 = 24;
/// Steps of a script.
const STEPS: u64 = 16;
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The world outside: what arrived there, and the disk at each moment it might have been killed.
struct World {
    folder: tempfile::TempDir,
    /// Sent and not there yet: a death loses them.
    under_way: Vec<Undelivered>,
    arrived: Vec<Arrived>,
    deaths: Vec<Death>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrived {
    id: String,
    incident: String,
    revision: u64,
}

/// The disk and what had arrived when it died during a step.
struct Death {
    disk: Vec<(String, Vec<u8>)>,
    arrived: usize,
    step: u64,
}

/// Takes messages to deliver them in the next step, and a picture of the disk before and after.
struct Outside {
    world: Arc<Mutex<World>>,
    step: Arc<Mutex<u64>>,
}

impl Outlet for Outside {
    fn prepare(&self, event: &Event, now: Timestamp) -> Vec<Undelivered> {
        let Event::Incident(event) = event else {
            return Vec::new();
        };
        let incident = &event.incident;
        let body = format!("{} {} {}", event.id, incident.id, incident.revision);
        let message = serde_json::json!({
            "id": event.id, "body": body.into_bytes(), "offered_at": now.as_nanos(),
            "expires_at": null,
        });
        let message = message.to_string();
        Undelivered::from_parts("hook", "webhook", message.as_bytes())
            .into_iter()
            .collect()
    }

    fn send(&self, prepared: Vec<Undelivered>, _: Timestamp) {
        let step = *self.step.lock().unwrap();
        let mut world = self.world.lock().unwrap();
        world.may_die(step);
        world.under_way.extend(prepared);
        world.may_die(step);
    }
}

impl World {
    fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            folder: tempfile::tempdir().unwrap(),
            under_way: Vec::new(),
            arrived: Vec::new(),
            deaths: Vec::new(),
        }))
    }

    fn may_die(&mut self, step: u64) {
        let files = ["control.db", "control.db-wal"];
        let read = |name: &str| std::fs::read(self.folder.path().join(name)).ok();
        let disk = files.into_iter();
        let disk = disk.filter_map(|name| Some((name.to_owned(), read(name)?)));
        self.deaths.push(Death {
            disk: disk.collect(),
            arrived: self.arrived.len(),
            step,
        });
    }

    fn arrive(&mut self, prepared: &[Undelivered]) {
        for undelivered in prepared {
            let message: serde_json::Value =
                serde_json::from_slice(&undelivered.message()).unwrap();
            let body: Vec<u8> = serde_json::from_value(message["body"].clone()).unwrap();
            let body = String::from_utf8(body).unwrap();
            let parts: Vec<&str> = body.split(' ').collect();
            self.arrived.push(Arrived {
                id: parts[0].to_owned(),
                incident: parts[1].to_owned(),
                revision: parts[2].parse().unwrap(),
            });
        }
    }
}

/// A daemon's half that matters here.
struct Alive {
    clerk: Clerk,
    control: Arc<Control>,
    step: Arc<Mutex<u64>>,
    world: Arc<Mutex<World>>,
}

impl Alive {
    fn start(world: &Arc<Mutex<World>>, now: Timestamp) -> Self {
        let limits = Limits {
            bytes_max: 1 << 20,
            streams_max: std::num::NonZeroUsize::MIN,
        };
        let root = world.lock().unwrap().folder.path().to_owned();
        let store = Store::open(&root, limits).unwrap();
        let control = Arc::new(store.control(ControlSettings::default()).unwrap());
        let step = Arc::new(Mutex::new(0));
        let desktop = desktop(Arc::clone(&control));
        let mut clerk = Clerk::new(DeskSettings::default(), desktop, now);
        clerk.outlet = Box::new(Outside {
            world: Arc::clone(world),
            step: Arc::clone(&step),
        });
        let alive = Self {
            clerk,
            control,
            step,
            world: Arc::clone(world),
        };
        // What waited when it died goes out first.
        let pending = alive.control.pending().unwrap();
        let read = |row: OutboxRow| Undelivered::from_parts(&row.sink, &row.kind, &row.message);
        let pending: Vec<Undelivered> = pending.into_iter().filter_map(read).collect();
        alive.world.lock().unwrap().under_way.extend(pending);
        alive
    }

    /// One step of a script: what is found, what is ordered, and time that passes.
    fn step(&mut self, script: u64, step: u64) {
        *self.step.lock().unwrap() = step;
        self.deliver();
        self.world.lock().unwrap().may_die(step);
        let now = START.plus(Duration::from_secs(step * 40));
        self.clerk.work_off(notes(script, step, now), now);
        self.world.lock().unwrap().may_die(step);
    }

    /// What is under way arrives, and is known to have.
    fn deliver(&self) {
        let step = *self.step.lock().unwrap();
        let mut world = self.world.lock().unwrap();
        let delivered = std::mem::take(&mut world.under_way);
        world.arrive(&delivered);
        world.may_die(step);
        let done: Vec<(&str, &str)> = delivered.iter().map(|it| (it.sink(), it.id())).collect();
        self.control.settled(&done).unwrap();
    }
}

fn desktop(control: Arc<Control>) -> Desktop {
    Desktop {
        road: road(),
        control,
        sinks: Arc::default(),
        directory: Directory::new(Gate::default(), Arc::default()),
        redactor: Arc::default(),
        remediation: remediation(),
    }
}

/// Without rules, so that nothing is ever asked for.
fn remediation() -> Remediation {
    let settings = crate::daemon::config::from_text("x", "", &[]).unwrap();
    let switch = Arc::new(Switch::new(settings.stop_file()));
    let (hands, _) = tokio::sync::mpsc::unbounded_channel();
    Remediation::new(settings.remedies(), switch, hands, (Vec::new(), START))
}

fn road() -> Arc<Road> {
    let (trainer, _) = trainer::queue();
    Arc::new(Road {
        dispatcher: ArcSwap::from_pointee(Dispatcher::none(Arc::new(scribe::scribe().0))),
        board: Arc::new(Board::new(1, Arc::new(Memory::default()))),
        feed: Feed::new(),
        trainer,
        watcher: None,
    })
}

/// The same for the same script and step.
fn notes(script: u64, step: u64, now: Timestamp) -> Vec<Note> {
    let draw = |salt: u64| {
        let mixed = (script * 1_000 + step * 10 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 33) as usize
    };
    let alerts: Vec<Alert> = (0..draw(1) % 3)
        .map(|nth| Alert {
            sign: sign(draw(2 + nth as u64) % 5, step, now),
            is_over: false,
        })
        .collect();
    let (reply, _) = std::sync::mpsc::channel();
    let caller = Caller {
        name: "ana".into(),
        role: Role::Operator,
        address: None,
    };
    vec![Note::Order(
        Box::new((Order::Alerts(alerts), caller)),
        reply,
    )]
}

fn sign(service: usize, step: u64, now: Timestamp) -> Sign {
    let name = format!("service-{service}");
    Sign {
        id: format!("{service:016x}{step:016x}").into(),
        fingerprint: format!("{service:016x}").into(),
        source: Source::Log,
        kind: "sequence".into(),
        class: Class::Error,
        severity: Severity::Error,
        score: 0.999,
        first_seen: now,
        last_seen: now,
        count: 1,
        stream: StreamKey::named(&name),
        resource: Arc::default(),
        trace: None,
        says: format!("{name} broke").into(),
        template: None,
        lines: Vec::new(),
        expected: None,
        stack: None,
    }
}

fn run(world: &Arc<Mutex<World>>, script: u64, from: u64) {
    let mut alive = Alive::start(world, START.plus(Duration::from_secs(from * 40)));
    for step in from..STEPS {
        alive.step(script, step);
    }
    alive.deliver();
    let audit = alive.control.verify_audit(None).unwrap();
    assert!(audit.is_whole() && audit.entries > 0, "{audit:?}");
}

fn ids(arrived: &[Arrived]) -> BTreeMap<&str, u64> {
    let mut ids = BTreeMap::new();
    for arrived in arrived {
        *ids.entry(arrived.id.as_str()).or_default() += 1;
    }
    ids
}

fn write(folder: &Path, disk: &[(String, Vec<u8>)]) {
    for (name, bytes) in disk {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn wherever_it_is_killed_each_alert_arrives_in_order_and_none_is_invented() {
    let mut points = 0;
    let mut told = 0;
    for script in 0..SCRIPTS {
        let reference = World::new();
        run(&reference, script, 0);
        let reference = reference.lock().unwrap();
        told += reference.arrived.len();
        let expected = ids(&reference.arrived);
        assert!(expected.values().all(|times| *times == 1));
        for death in &reference.deaths {
            let world = World::new();
            {
                let mut world = world.lock().unwrap();
                write(world.folder.path(), &death.disk);
                world.arrived = reference.arrived[..death.arrived].to_vec();
            }
            // The journal has what came in the step again; what was written of it is known by then.
            run(&world, script, death.step);
            let world = world.lock().unwrap();
            let found = ids(&world.arrived);
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                expected.keys().collect::<Vec<_>>(),
                "script {script}, step {}",
                death.step
            );
            in_order(&world.arrived);
            points += 1;
        }
    }
    assert!(points >= 1_000, "{points} points");
    assert!(told >= 100, "{told} events");
}

/// Of one incident each event comes for the first time after those before it.
fn in_order(arrived: &[Arrived]) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = HashSet::new();
    for arrived in arrived.iter().filter(|it| seen.insert(it.id.clone())) {
        let last = last.entry(&arrived.incident).or_default();
        assert_eq!(arrived.revision, *last + 1, "{arrived:?}");
        *last = arrived.revision;
    }
}
