//! The ledger in the daemon: what it is told by the clerk's desk, and who carries its tasks out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::board::Board;
use super::switch::Switch;
use crate::core::desk::Desk;
use crate::core::engine::{State, Status};
use crate::core::event::{Action, Anomaly, Incident};
use crate::core::record::{Resource, StreamKey, Timestamp};
use crate::core::remedy::ask::ask;
use crate::core::remedy::case::World;
use crate::core::remedy::ledger::{Changed, Incidence, Ledger, Report, Task};
use crate::core::remedy::rule::{Limits, Rule};
use crate::core::silence::{Silences, Subject};

/// How long no record may come until a service is not heard any more.
const GAP: Duration = Duration::from_secs(120);
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
    storm_at: Option<Timestamp>,
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
            unwritten: BTreeMap::new(),
            waiting: Vec::new(),
            hands,
        }
    }

    pub(super) fn reconfigure(&mut self, settings: RemedySettings) {
        let RemedySettings {
            rules,
            limits,
            can_act,
            ..
        } = settings.clone();
        self.ledger.reconfigure(rules, limits, can_act);
        self.settings = settings;
    }

    /// Records of `stream` came.
    pub(super) fn hear(&mut self, stream: &StreamKey, now: Timestamp) {
        let has_room = self.heard.len() < HEARD_MAX;
        match self.heard.get_mut(stream) {
            Some(heard) => {
                if now.since(heard.last) > GAP {
                    heard.since = now;
                }
                heard.last = now;
            }
            None if has_room => {
                let heard = Heard {
                    since: now,
                    last: now,
                };
                self.heard.insert(stream.clone(), heard);
            }
            None => {}
        }
    }

    /// Has the rules ask on account of `anomalies`, and lets time pass.
    pub(super) fn turn(
        &mut self,
        anomalies: &[Arc<Anomaly>],
        (desk, board): (&Desk, &Board),
        now: Timestamp,
    ) {
        let is_idle =
            anomalies.is_empty() && self.ledger.next_deadline().is_none_or(|due| now < due);
        if is_idle {
            return;
        }
        let standing = self.standing(desk, board, now);
        for anomaly in anomalies {
            self.ledger.heard(&anomaly.stream, now);
            for action in ask(&self.settings.rules, anomaly, now) {
                let incident = standing.incident_of(anomaly);
                let incident = incident.map(|incident| Incidence {
                    id: &incident.id,
                    fingerprint: &incident.fingerprint,
                });
                self.ledger.asked(action, incident, now);
            }
        }
        self.ledger
            .advance(&|action| standing.world(action, now), now);
    }

    /// Takes what came back from outside.
    pub(super) fn report(
        &mut self,
        report: Report,
        (desk, board): (&Desk, &Board),
        now: Timestamp,
    ) {
        let standing = self.standing(desk, board, now);
        let world = |action: &Action| standing.world(action, now);
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

    fn standing(&mut self, desk: &Desk, board: &Board, now: Timestamp) -> Standing {
        let live: Vec<Incident> = desk.live().collect();
        let status = board.status();
        let mut troubled: Vec<&StreamKey> = live
            .iter()
            .flat_map(|incident| incident.parts.iter().map(|part| &part.stream))
            .collect();
        troubled.sort_unstable();
        troubled.dedup();
        let services = (
            count(status.len().max(troubled.len())),
            count(troubled.len()),
        );
        if self.settings.limits.is_storm(services) {
            self.storm_at = Some(now);
        }
        let callers = live.iter().flat_map(|incident| &incident.parts);
        let callers = callers.map(|part| {
            let callers = desk.topology().callers(&part.stream);
            (part.stream.clone(), count(callers.count()))
        });
        Standing {
            callers: callers.collect(),
            stopped: self.switch.stopped(),
            services,
            storm_at: self.storm_at,
            heard: self.heard.clone(),
            freezes: self.settings.freezes.clone(),
            is_authenticated: self.settings.is_authenticated,
            status,
            live,
        }
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// How things stand in one turn.
struct Standing {
    live: Vec<Incident>,
    status: Vec<Status>,
    callers: BTreeMap<StreamKey, u32>,
    stopped: Option<Box<str>>,
    services: (u32, u32),
    storm_at: Option<Timestamp>,
    heard: BTreeMap<StreamKey, Heard>,
    freezes: Silences,
    is_authenticated: bool,
}

impl Standing {
    /// The incident that `anomaly` is a sign of.
    fn incident_of(&self, anomaly: &Anomaly) -> Option<&Incident> {
        let has_sign = |it: &&Incident| it.signs.iter().any(|sign| sign.id == anomaly.id);
        let has_part = |it: &&Incident| it.parts.iter().any(|part| part.stream == anomaly.stream);
        let found = self.live.iter().find(has_sign);
        found.or_else(|| self.live.iter().find(has_part))
    }

    fn world(&self, action: &Action, now: Timestamp) -> World {
        let stream = &action.stream;
        let incident = self.live.iter().find(|it| match &action.incident {
            Some(id) => it.id == *id,
            None => it.parts.iter().any(|part| part.stream == *stream),
        });
        let status = self.status.iter().find(|it| it.stream == *stream);
        let heard = self.heard.get(stream);
        let heard = heard.filter(|heard| now.since(heard.last) <= GAP);
        World {
            stopped: self.stopped.clone(),
            frozen: self.frozen(action, now),
            services: self.services,
            storm_at: self.storm_at,
            model_age: status.and_then(|it| it.model.as_ref().map(|_| Duration::ZERO)),
            is_learning: status.is_some_and(|it| it.state != State::Active),
            goes_on: incident.is_some(),
            corroborated: incident.and_then(|it| self.corroborated(it, stream)),
            dependants: self.callers.get(stream).copied().unwrap_or(0),
            involved: incident.map_or_else(Vec::new, |it| {
                it.parts.iter().map(|part| part.stream.clone()).collect()
            }),
            feedback: (0, 0),
            hearing_since: heard.map(|heard| heard.since),
            is_authenticated: self.is_authenticated,
        }
    }

    /// The window in which nothing is to be done to the target.
    fn frozen(&self, action: &Action, now: Timestamp) -> Option<Box<str>> {
        let nothing = Resource::default();
        let anomaly = action.anomaly.as_ref();
        let resource = anomaly.map_or(&nothing, |anomaly| &anomaly.resource);
        let subject = Subject::of_stream(&action.stream, resource, None);
        let verdict = self.freezes.verdict(&subject, now);
        verdict.muted_by.map(|by| by.to_string().into())
    }

    /// What a span or a metric says of the service, whatever was logged, where its sender had to show who it is.
    fn corroborated(&self, incident: &Incident, stream: &StreamKey) -> Option<Box<str>> {
        if !self.is_authenticated {
            return None;
        }
        let mut signs = incident.signs.iter();
        let sign = signs.find(|sign| sign.stream == *stream && sign.is_measured())?;
        Some(format!("a {} says so too", sign.source.name()).into())
    }
}
