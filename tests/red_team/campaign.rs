//! A strategy is carried out while the town goes about its business.

use std::time::Duration;

use knothole::core::desk::Desk;
use knothole::core::event::{Action, Mode};
use knothole::core::incident::Correlator;
use knothole::core::remedy::book::Book;
use knothole::core::remedy::ledger::Ledger;

use crate::dice::Dice;
use crate::strategy::{Strategy, Voice, rules};
use crate::town::{Effect, Town, is_allowed};
use crate::traffic::request;
use crate::world::{START, Seen, World};

/// The services that handle requests all the while.
const BUSY: [(&str, &str); 3] = [("shop", "cart"), ("shop", "pay"), ("shop", "web")];

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) seen: Seen,
    pub(crate) effects: Vec<Effect>,
}

impl Outcome {
    /// What was done without a person.
    pub(crate) fn automatic(&self) -> Vec<&Effect> {
        self.effects.iter().filter(|it| it.is_automatic).collect()
    }
}

/// Carries `strategy` out in a town where all is well.
pub(crate) fn attack(strategy: &Strategy) -> Outcome {
    let mode = if strategy.is_trusted {
        Mode::Approve
    } else {
        Mode::Auto
    };
    let rules_of = |mode| rules(strategy.rules, mode);
    let mut world = World::new(Town::new(), rules_of(mode), strategy.is_authenticated);
    world.is_approved = strategy.is_trusted;
    let half = strategy.lasts / 2;
    let mut play = Play::new(strategy);
    while play.at < half {
        play.step(&mut world, &strategy.voices);
    }
    if strategy.is_trusted {
        world.is_approved = false;
        world.reconfigure(rules_of(Mode::Auto));
    }
    while play.at < strategy.lasts {
        play.step(&mut world, &strategy.voices);
    }
    finish(world)
}

/// Whatever else happens is up to the caller.
pub(crate) struct Play {
    pub(crate) at: Duration,
    step: Duration,
    request_every: Duration,
    dice: Dice,
    real: (Vec<u8>, Vec<u8>),
}

impl Play {
    pub(crate) fn new(strategy: &Strategy) -> Self {
        Self {
            at: Duration::ZERO,
            step: strategy.step,
            request_every: strategy.request_every,
            dice: Dice::new(strategy.seed),
            real: (vec![1; 16], vec![1; 8]),
        }
    }

    /// The town goes on by a step, and `voices` speak.
    pub(crate) fn step(&mut self, world: &mut World, voices: &[Voice]) {
        self.at += self.step;
        let now = START.plus(self.at);
        if self.at.as_secs() % self.request_every.as_secs() < self.step.as_secs() {
            for service in BUSY {
                let (sent, ids) = request(&world.town, service, now, &mut self.dice);
                sent.iter().for_each(|it| world.take(it));
                if service == BUSY[0] {
                    self.real = ids;
                }
            }
        }
        for voice in voices {
            let said = voice.speak((now, self.step), &world.town, &self.real, &mut self.dice);
            said.iter().for_each(|it| world.take(it));
        }
        world.advance(now);
        if self.at.as_secs() % 60 < self.step.as_secs() {
            bounded(world);
        }
    }
}

/// What came of it, and what should not have been done even by a person's word.
pub(crate) fn finish(mut world: World) -> Outcome {
    for effect in &world.town.effects {
        if !is_allowed(&effect.namespace, &effect.workload, true) {
            let wrong = format!("done outside of what may be touched: {effect:?}");
            world.seen.wrong.push(wrong);
        }
    }
    Outcome {
        effects: world.town.effects,
        seen: world.seen,
    }
}

/// Nothing grows beyond its bound, whatever is sent.
fn bounded(world: &mut World) {
    let (ledger, desk): (&Ledger, &Desk) = (&world.ledger, &world.desk);
    let is_short = |it: &Action| {
        it.steps.len() <= Action::STEPS_MAX
            && it.evidence.kinds.len() <= 16
            && it.evidence.detectors.len() <= 16
    };
    let is_bounded = ledger.open().count() <= Ledger::OPEN_MAX
        && ledger.open().all(is_short)
        && ledger.book().iter().count() <= Book::LEN_MAX
        && desk.live().count() <= Correlator::INCIDENTS_LIVE_MAX;
    if !is_bounded {
        world.seen.wrong.push("a bound does not hold".to_owned());
    }
}
