//! The ledger in the daemon: what it is told by the clerk's desk, and who carries its tasks out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::board::Board;
use super::opinions::Opinions;
use super::switch::Switch;
use crate::core::desk::Desk;
use crate::core::engine::{State, Status};
use crate::core::event::{Action, Anomaly};
use crate::core::record::{StreamKey, Timestamp};
use crate::core::remedy::ask::ask;
use crate::core::remedy::case::World;
use crate::core::remedy::ledger::{Changed, Incidence, Ledger, Report, Task};
use crate::core::remedy::rule::{Limits, Rule};
use crate::core::remedy::standing::{Standing, Trouble};
use crate::core::silence::{Silences, frozen};

/// How long no record may come until a service is not heard any more.
const GAP: Duration = Duration::from_secs(120);
/// A service that nothing came from for so long is none of those that a storm is a share of.
const HEARD_LATELY: Duration = Duration::from_secs(3_600);
/// So long after a start a service that is not judged may be judged any moment: models are loaded, and what was
/// acknowledged before is gone through again.
const FRESH: Duration = Duration::from_secs(60);
/// Most services whose records are watched for gaps.
const HEARD_MAX: usize = 10_000;

/// What rules, limits and senders are like.
#[derive(Clone, Debug)]
pub(super) struct RemedySettings {
    pub(super) rules: Vec<Rule>,
    pub(super) limits: Limits,
    /// When nothing is to be done to what.
    pub(super) freezes: Silences,
    /// Whether there is anything to act with.
    pub(super) can_act: bool,
    /// Whether senders have to show who they are.
    pub(super) is_authenticated: bool,
}

/// The ledger, and what it goes by.
pub(super) struct Remediation {
    pub(super) ledger: Ledger,
    settings: RemedySettings,
    switch: Arc<Switch>,
    heard: BTreeMap<StreamKey, Heard>,
    pub(super) storm_at: Option<Timestamp>,
    /// What people said of trouble.
    pub(super) opinions: Opinions,
    /// When this process began: what came before is not known.
    began: Timestamp,
    /// What changed and is not on disk yet.
    pub(super) unwritten: BTreeMap<Box<str>, Changed>,
    /// What is handed out once all of `unwritten` is on disk.
    waiting: Vec<Task>,
    hands: mpsc::UnboundedSender<Task>,
}

/// Since when records of a service come without a gap, and the last of them.
#[derive(Clone, Copy, Debug)]
struct Heard {
    since: Timestamp,
    last: Timestamp,
}

impl Remediation {
    /// One that goes on with `actions`, which are on disk.
    pub(super) fn new(
        settings: RemedySettings,
        switch: Arc<Switch>,
        hands: mpsc::UnboundedSender<Task>,
        (actions, now): (Vec<Action>, Timestamp),
    ) -> Self {
        let RemedySettings {
            rules,
            limits,
            can_act,
            ..
        } = settings.clone();
        let mut ledger = Ledger::new(rules, limits, can_act);
        for action in actions {
            ledger.restore(action, now);
        }
        Self {
            ledger,
            settings,
            switch,
            heard: BTreeMap::new(),
            storm_at: None,
            opinions: Opinions::default(),
            began: now,
            unwritten: BTreeMap::new(),
            waiting: Vec::new(),
            hands,
        }
    }

    pub(super) fn reconfigure(&mut self, settings: RemedySettings, now: Timestamp) {
        let RemedySettings {
            rules,
            limits,
            can_act,
            ..
        } = settings.clone();
        self.ledger.reconfigure((rules, limits), can_act, now);
        self.settings = settings;
    }

    /// Records of `stream` came.
    pub(super) fn hear(&mut self, stream: &StreamKey, now: Timestamp) {
        if let Some(heard) = self.heard.get_mut(stream) {
            if now.since(heard.last) > GAP {
                heard.since = now;
            }
            heard.last = now;
            return;
        }
        if self.heard.len() >= HEARD_MAX {
            self.heard.retain(|_, heard| now.since(heard.last) <= GAP);
        }
        if self.heard.len() < HEARD_MAX {
            let heard = Heard {
                since: now,
                last: now,
            };
            self.heard.insert(stream.clone(), heard);
        }
    }

    /// Has the rules ask on account of `anomalies`, and lets time pass.
    pub(super) fn turn(
        &mut self,
        anomalies: &[Arc<Anomaly>],
        (desk, board): (&Desk, &Board),
        now: Timestamp,
    ) {
        for anomaly in anomalies {
            self.ledger.heard(&anomaly.stream, now);
        }
        let nobody_asks = anomalies.is_empty() || self.settings.rules.is_empty();
        if nobody_asks && self.ledger.next_deadline().is_none_or(|due| now < due) {
            return;
        }
        let standing = self.standing(desk, board, now);
        for anomaly in anomalies {
            for action in ask(&self.settings.rules, anomaly, now) {
                let trouble = standing.troubles.trouble_of(anomaly);
                let incident = trouble.map(|trouble| Incidence {
                    id: &trouble.id,
                    fingerprint: &trouble.fingerprint,
                });
                self.ledger.asked(action, incident, now);
            }
        }
        let opinions = &self.opinions;
        self.ledger
            .advance(&|action| standing.world(action, opinions, now), now);
    }

    /// Takes what came back from outside.
    pub(super) fn report(
        &mut self,
        report: Report,
        (desk, board): (&Desk, &Board),
        now: Timestamp,
    ) {
        let standing = self.standing(desk, board, now);
        let opinions = &self.opinions;
        let world = |action: &Action| standing.world(action, opinions, now);
        self.ledger.report(report, &world, now);
    }

    /// The kill switch.
    pub(super) fn switch(&self) -> &Switch {
        &self.switch
    }

    /// The actions that are not over, where they may be others than at the last call.
    pub(super) fn take_open(&mut self) -> Option<Vec<Arc<Action>>> {
        let is_touched = self.ledger.take_touched();
        is_touched.then(|| self.ledger.open().cloned().map(Arc::new).collect())
    }

    /// Whether anything waits to be written or done.
    pub(super) fn has_news(&self) -> bool {
        !(self.unwritten.is_empty() && self.waiting.is_empty())
    }

    /// Takes what changed, to be written, and what is to be done when it is.
    pub(super) fn gather(&mut self) {
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
    }

    /// All that changed is on disk: what belongs to it is done.
    pub(super) fn is_written(&mut self) {
        self.unwritten.clear();
        for task in self.waiting.drain(..) {
            // Where nobody carries tasks out any more, knothole is stopping: what was being sent is
            // settled after the next start.
            let _ = self.hands.send(task);
        }
    }

    /// How many services a storm is a share of.
    fn judged(&self, status: &[Status], now: Timestamp) -> u32 {
        let judged = status.iter().filter(|it| {
            let last = self.heard.get(&it.stream).map(|heard| heard.last);
            is_judged(it.state, last.unwrap_or(self.began), now)
        });
        count(judged.count())
    }

    fn standing(&mut self, desk: &Desk, board: &Board, now: Timestamp) -> Here {
        let status = board.status();
        let live = desk.live();
        let mut troubles = Standing {
            live: live.filter_map(|it| Trouble::at(&it, now)).collect(),
            heard: self.judged(&status, now),
            storm_at: self.storm_at,
            is_authenticated: self.settings.is_authenticated,
        };
        if troubles.is_storm(&self.settings.limits) {
            self.storm_at = Some(now);
            troubles.storm_at = self.storm_at;
        }
        let callers = troubles.live.iter().flat_map(|it| &it.services);
        let callers = callers.map(|service| {
            let callers = desk.topology().callers(service);
            (service.clone(), count(callers.count()))
        });
        Here {
            callers: callers.collect(),
            stopped: self.switch.stopped(),
            heard: self.heard.clone(),
            freezes: self.settings.freezes.clone(),
            is_fresh: now.since(self.began) < FRESH,
            status,
            troubles,
        }
    }
}

/// Whether a service is judged and was heard of lately. One that is new is not, so that nobody dilutes a storm by
/// making services up.
fn is_judged(state: State, last: Timestamp, now: Timestamp) -> bool {
    state == State::Active && now.since(last) <= HEARD_LATELY
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// How things stand in one turn, with what only the daemon knows.
struct Here {
    troubles: Standing,
    status: Vec<Status>,
    callers: BTreeMap<StreamKey, u32>,
    stopped: Option<Box<str>>,
    heard: BTreeMap<StreamKey, Heard>,
    freezes: Silences,
    /// Whether this process began just now.
    is_fresh: bool,
}

impl Here {
    fn world(&self, action: &Action, opinions: &Opinions, now: Timestamp) -> World {
        let stream = &action.stream;
        let status = self.status.iter().find(|it| it.stream == *stream);
        let model = status.and_then(|it| it.model.as_ref());
        let trained_at = model.and_then(|it| it.trained_at);
        let heard = self.heard.get(stream);
        let heard = heard.filter(|heard| now.since(heard.last) <= GAP);
        World {
            stopped: self.stopped.clone(),
            frozen: frozen(&self.freezes, action, now),
            model_age: trained_at.map(|at| now.since(at)),
            is_unknown: self.is_fresh && status.is_none_or(|it| it.state != State::Active),
            is_learning: status.is_some_and(|it| it.state != State::Active),
            dependants: self.callers.get(stream).copied().unwrap_or(0),
            feedback: opinions.of(&action.fingerprint),
            hearing_since: heard.map(|heard| heard.since),
            ..self.troubles.world(action)
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
