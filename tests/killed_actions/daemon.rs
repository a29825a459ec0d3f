//! A daemon: a ledger, its disk, and whoever carries out its tasks, in the order of `daemon::clerk`: what came in, time
//! passes, all of it is written at once, and only then tasks are handed out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use knothole::core::event::Action;
use knothole::core::record::Timestamp;
use knothole::core::remedy::case::World;
use knothole::core::remedy::ledger::{
    Changed, Errand, Incidence, Ledger, Report, Reported, Task, WorldOf,
};
use knothole::core::remedy::rule::{Limits, Rule};

use crate::net::{Moment, Net, Wire};

/// What comes in.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    Asked(Box<Action>),
    Report(Report),
    /// A person approves the action with this plan, or says no where there is none.
    Word(Box<str>, Option<Box<str>>),
}

type Work = Pin<Box<dyn Future<Output = Option<Reported>>>>;

/// A process that runs.
pub(crate) struct Daemon {
    pub(crate) number: usize,
    /// A process of its own after each start.
    pub(crate) life: u64,
    pub(crate) ledger: Ledger,
    /// When it wakes up by itself, in true time.
    pub(crate) wakes_at: Option<Timestamp>,
    unwritten: BTreeMap<Box<str>, Changed>,
    waiting: Vec<Task>,
    work: BTreeMap<u64, (Box<str>, Work)>,
    net: Rc<RefCell<Net>>,
}

/// What rules and limits are like.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) rules: Vec<Rule>,
    pub(crate) limits: Limits,
}

impl Daemon {
    /// One that goes on with what is on its disk.
    pub(crate) fn start(
        number: usize,
        life: u64,
        settings: &Settings,
        net: &Rc<RefCell<Net>>,
    ) -> Self {
        let Settings { rules, limits } = settings.clone();
        let mut ledger = Ledger::new(rules, limits, true);
        let (actions, now) = {
            let net = net.borrow();
            (net.disks[net.hosts[number].0].all(), net.clock(number))
        };
        for action in actions {
            ledger.restore(action, now);
        }
        Self {
            number,
            life,
            ledger,
            wakes_at: None,
            unwritten: BTreeMap::new(),
            waiting: Vec::new(),
            work: BTreeMap::new(),
            net: Rc::clone(net),
        }
    }

    fn clock(&self) -> Timestamp {
        self.net.borrow().clock(self.number)
    }

    fn moment(&self, moment: Moment) {
        self.net.borrow_mut().moments.push((self.number, moment));
    }

    /// Takes what came in, lets time pass, and gathers what is to be written. Not on disk yet.
    pub(crate) fn turn(&mut self, note: Option<Note>) {
        let now = self.clock();
        let world = self.world();
        let world: WorldOf<'_> = &|_| world.clone();
        match note {
            Some(Note::Asked(action)) => {
                let incident = action.incident.clone().unwrap_or_default();
                let incidence = Incidence {
                    id: &incident,
                    fingerprint: &incident,
                };
                self.ledger.heard(&action.stream, now);
                self.ledger.asked(*action, Some(incidence), now);
            }
            Some(Note::Report(report)) => self.ledger.report(report, world, now),
            Some(Note::Word(id, Some(plan))) => {
                let approved = self.ledger.approve(&id, &plan, ("ana", "go"), now);
                let known = &mut self.net.borrow_mut().approved;
                known.extend(approved.is_ok().then_some((id, plan)));
            }
            Some(Note::Word(id, None)) => {
                let _ = self.ledger.deny(&id, ("ana", "no"), now);
            }
            None => {}
        }
        self.ledger.advance(world, now);
        for changed in self.ledger.take_changed() {
            match self.unwritten.get_mut(&changed.action.id) {
                Some(known) => {
                    known.action = changed.action;
                    known.steps.extend(changed.steps);
                }
                None => {
                    self.unwritten.insert(changed.action.id.clone(), changed);
                }
            }
        }
        self.waiting.extend(self.ledger.take_tasks());
        if !self.unwritten.is_empty() {
            self.moment(Moment::BeforeCommit);
        }
    }

    fn world(&self) -> World {
        let net = self.net.borrow();
        World {
            stopped: net.is_stopped.then(|| "a person".into()),
            services: (10, 1),
            model_age: Some(Duration::ZERO),
            goes_on: true,
            hearing_since: Some(Timestamp::ZERO),
            is_authenticated: true,
            ..World::default()
        }
    }

    /// Writes what changed, together with what is told of it.
    pub(crate) fn commit(&mut self) {
        let events = self.ledger.take_events();
        let mut net = self.net.borrow_mut();
        let disk = net.hosts[self.number].0;
        let had_changes = !self.unwritten.is_empty();
        if net.disks[disk].commit(&self.unwritten, &events) {
            self.unwritten.clear();
            if had_changes {
                net.moments.push((self.number, Moment::AfterCommit));
            }
        }
    }

    /// Where all that changed is on disk, what belongs to it is done.
    pub(crate) fn hand_out(&mut self) {
        if !self.unwritten.is_empty() {
            return;
        }
        for task in std::mem::take(&mut self.waiting) {
            if matches!(task.errand, Errand::Note { .. }) {
                continue;
            }
            let errand = self.net.borrow_mut().count();
            let wire = Wire {
                net: Rc::clone(&self.net),
                daemon: self.number,
                errand,
            };
            let work = Box::pin(wire.carry_out(task.errand));
            self.work.insert(errand, (task.id, work));
            self.go_on(errand);
        }
    }

    /// An answer came: the errand goes on. When it is at its end its report is on its way.
    pub(crate) fn go_on(&mut self, errand: u64) {
        let Some((_, work)) = self.work.get_mut(&errand) else {
            return;
        };
        let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let std::task::Poll::Ready(reported) = polled else {
            return;
        };
        let Some((id, _)) = self.work.remove(&errand) else {
            return;
        };
        let Some(reported) = reported else { return };
        if matches!(reported, Reported::Answered(_)) {
            self.moment(Moment::Answered);
        }
        self.send_back(Report { id, reported });
    }

    fn send_back(&self, report: Report) {
        let mut net = self.net.borrow_mut();
        let weather = net.weather;
        if net.dice.percent(weather.forgotten) {
            return;
        }
        let mut times = vec![net.dice.millis(0, 50)];
        if net.dice.percent(weather.doubled) {
            times.push(net.dice.millis(0, 120_000));
        }
        for after in times {
            let note = Note::Report(report.clone());
            let happening = crate::world::Happening::Note(self.number, self.life, note);
            net.at(after, crate::net::Due::World(happening));
        }
    }

    /// Whether this is when it was to wake up.
    pub(crate) fn wakes(&mut self, now: Timestamp) -> bool {
        let is_due = self.wakes_at.is_some_and(|at| at <= now);
        if is_due {
            self.wakes_at = None;
        }
        is_due
    }

    /// When something is due next, in true time.
    pub(crate) fn next_turn(&self) -> Option<Timestamp> {
        let due = self.ledger.next_deadline()?;
        let ahead = self.net.borrow().hosts[self.number].1;
        Some(due.minus(Duration::from_millis(ahead)))
    }

    /// Whether the disk did not take all.
    pub(crate) fn is_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }
}
