//! The one who joins signs, and says what became of each incident.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Settings;
use super::case::{Case, Told};
use super::clock::{Clock, Moment, When};
use super::gravity::{self, Question};
use super::identity::{self, ID_LEN};
use super::past::{Over, Past};
use super::places::Places;
use crate::core::event::{
    Cause, Incident, IncidentEvent, IncidentState, Mark, Relation, Route, Sign, Source, Stage,
};
use crate::core::record::Timestamp;
use crate::core::topology::Topology;

/// Joins the signs of all services into incidents and follows each to its end.
///
/// Call [`take`](Self::take) after every other call: it hands out what is to be told. The whole of it
/// is its own snapshot (`serde`; map keys are not texts, so a binary format such as `postcard`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Correlator {
    settings: Settings,
    clock: Clock,
    cases: BTreeMap<u64, Case>,
    next_case: u64,
    places: Places,
    past: Past,
    history: VecDeque<Arc<Incident>>,
    heard: Heard,
    pending: VecDeque<Pending>,
    counts: Counts,
}

/// What became of the signs. Every sign is counted once: `joined + repeated + normal + background`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Signs that are part of an incident.
    pub joined: u64,
    /// Signs that came before, with the same id.
    pub repeated: u64,
    /// Signs of what somebody accepted as normal.
    pub normal: u64,
    /// Alerts of other systems that are always there.
    pub background: u64,
}

/// Why something could not be done to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IncidentError {
    /// There is none with this id, or it is over for so long that nothing can be done to it.
    #[error("no such incident")]
    Unknown,
    /// It is over.
    #[error("the incident is over")]
    Over,
}

/// Something to be told; the incident is as it was then, but for its route, title and cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    case: u64,
    stage: Stage,
    at: Timestamp,
    incident: Incident,
}

/// The ids of the latest signs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Heard {
    ids: BTreeSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl Correlator {
    /// Most incidents that go on, or ended so lately that they may be opened again. When there are
    /// more, signs of further services join the one that began last.
    pub const INCIDENTS_LIVE_MAX: usize = 1_024;
    /// Most incidents that are over and kept.
    pub const HISTORY_MAX: usize = 1_000;
    /// Most signs whose coming again is noticed.
    pub const HEARD_MAX: usize = 65_536;
    /// The most that one call moves the clock on. Whoever is not called that often is late in closing
    /// incidents, never early.
    pub const STEP_MAX: Duration = Clock::STEP_MAX;
    /// Who ends an incident that went quiet.
    pub const OURSELVES: &str = "knothole";

    /// A correlator that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            clock: Clock::new(),
            cases: BTreeMap::new(),
            next_case: 0,
            places: Places::default(),
            past: Past::default(),
            history: VecDeque::new(),
            heard: Heard::default(),
            pending: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes other settings; what is known stays.
    pub fn reconfigure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Takes a sign in, at the time `now`. One that came before keeps its incident going, and is not
    /// counted again.
    pub fn sign(&mut self, sign: Arc<Sign>, topology: &Topology, now: Timestamp) {
        self.advance(now);
        let now = self.clock.now().moment;
        if self.heard.is_known(&sign.id) {
            self.counts.repeated += 1;
            if let Some(case) = self
                .places
                .home(&sign, &self.cases)
                .and_then(|home| self.cases.get_mut(&home))
            {
                case.heard = now;
            }
            return;
        }
        self.heard.push(&sign.id);
        if self
            .past
            .is_normal(&sign.fingerprint, gravity::of_sign(&sign), now)
        {
            self.counts.normal += 1;
            return;
        }
        self.counts.joined += 1;
        let at = self.clock.when(sign.first_seen);
        let (home, relation) = match self.returned(&sign, at.moment) {
            Some(home) => {
                self.open_again(home);
                (home, Relation::Time)
            }
            None => self.home(&sign, topology, at),
        };
        if let Some(case) = self.cases.get_mut(&home) {
            case.push(&sign, at, now, relation);
            self.places.enter(home, case, &sign);
        }
    }

    /// Lets time pass until `now`: opens what has settled and ends what is quiet.
    pub fn advance(&mut self, now: Timestamp) {
        self.clock.advance(now);
        let now = self.clock.now().moment;
        self.places.advance(now);
        let all: Vec<u64> = self.cases.keys().copied().collect();
        for key in all {
            let Some(case) = self.cases.get(&key) else {
                continue;
            };
            if case.told.is_none() && now.since(case.opened) >= self.settings.settle {
                self.tell_first(key);
            } else if case.is_live() && now.since(case.heard) >= self.quiet_for(case) {
                let note = None;
                self.end(key, IncidentState::Resolved, self.ourselves(note));
            } else if case
                .ended
                .as_ref()
                .is_some_and(|(ended, _)| now.since(*ended) >= self.settings.reopen_within)
            {
                self.bury(key);
            }
        }
    }

    /// Somebody took an incident on.
    ///
    /// # Errors
    /// If there is no such incident, or it is over.
    pub fn acknowledge(&mut self, id: &str, mark: Mark) -> Result<(), IncidentError> {
        let key = self.live_case(id)?;
        if let Some(case) = self.cases.get_mut(&key) {
            case.state = IncidentState::Acknowledged;
            case.acknowledged = Some(mark);
        }
        self.tell(key, Stage::Acknowledged);
        Ok(())
    }

    /// Somebody says that an incident is over. It is opened again if its signs go on.
    ///
    /// # Errors
    /// If there is no such incident, or it is over.
    pub fn resolve(&mut self, id: &str, mark: Mark) -> Result<(), IncidentError> {
        let key = self.live_case(id)?;
        self.end(key, IncidentState::Resolved, mark);
        Ok(())
    }

    /// Somebody says that an incident is normal. Its signs make no incident any more, unless they get
    /// graver than it was, or three times as frequent.
    ///
    /// # Errors
    /// If there is no such incident, or it is over for longer than it could come back.
    pub fn accept(&mut self, id: &str, mark: Mark) -> Result<(), IncidentError> {
        let key = self.case(id)?;
        let now = self.clock.now().moment;
        let Some(case) = self.cases.get(&key) else {
            return Err(IncidentError::Unknown);
        };
        if case.state == IncidentState::Accepted {
            return Err(IncidentError::Over);
        }
        for sign in &case.keys {
            self.past
                .accept(sign, case.gravity(), case.hourly(now), now);
        }
        self.end(key, IncidentState::Accepted, mark);
        Ok(())
    }

    /// Somebody wrote what was done about an incident. It is taken to have helped if no sign came
    /// after it.
    ///
    /// # Errors
    /// If there is no such incident, or it is over for longer than it could come back.
    pub fn note(&mut self, id: &str, mark: &Mark) -> Result<(), IncidentError> {
        let note = mark.note.as_deref().unwrap_or_default();
        self.did(id, note, None)
    }

    /// An action was done about an incident, and it is known whether it helped.
    ///
    /// # Errors
    /// If there is no such incident, or it is over for longer than it could come back.
    pub fn done(&mut self, id: &str, action: &str, helped: bool) -> Result<(), IncidentError> {
        self.did(id, action, Some(helped))
    }

    /// Tells of an incident again as it is: what muted it is over.
    ///
    /// # Errors
    /// If there is no such incident, or it is over.
    pub fn tell_again(&mut self, id: &str) -> Result<(), IncidentError> {
        let key = self.live_case(id)?;
        self.tell(key, Stage::Updated);
        Ok(())
    }

    /// What is to be told, in order.
    ///
    /// `cause` gives an incident its title and its cause. It may be asked about one of which nothing is
    /// told in the end, since only the answer shows whether there is something new. `route` is asked
    /// once about each event, right before it is told: it may change the route, where `pages` and `why`
    /// come as class, spread and recurrence have it, and is the place to charge the budget. What both
    /// give is kept until they are asked again; they must leave all else alone.
    pub fn take(
        &mut self,
        mut cause: impl FnMut(&mut Incident),
        mut route: impl FnMut(&mut Incident, Stage),
    ) -> Vec<IncidentEvent> {
        let mut told = Vec::new();
        while let Some(Pending {
            case,
            stage,
            at,
            mut incident,
        }) = self.pending.pop_front()
        {
            if let Some(known) = self.cases.get(&case).and_then(|case| case.told.as_ref()) {
                incident.title.clone_from(&known.title);
                incident.cause.clone_from(&known.cause);
            }
            if matches!(stage, Stage::Opened | Stage::Updated) {
                cause(&mut incident);
            }
            told.push(self.finish(case, stage, at, incident, &mut route));
        }
        for key in self.to_look_at() {
            if let Some(event) = self.update(key, &mut cause, &mut route) {
                told.push(event);
            }
        }
        told
    }

    /// The incidents that go on and were told, as they are now, oldest first.
    pub fn live(&self) -> impl Iterator<Item = Incident> {
        let live = self.cases.values().filter(|case| case.is_live());
        live.filter_map(|case| self.incident(case))
    }

    /// The incident with this id, as it is now, if it goes on or is kept.
    pub fn get(&self, id: &str) -> Option<Incident> {
        let case = self.case(id).ok().and_then(|key| self.cases.get(&key));
        case.and_then(|case| self.incident(case)).or_else(|| {
            let kept = self
                .history
                .iter()
                .rev()
                .find(|incident| *incident.id == *id);
            kept.map(|incident| Incident::clone(incident))
        })
    }

    /// The incidents that are over and cannot come back, the one that ended last at the end.
    pub fn history(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.history.iter()
    }

    /// What became of the signs.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// When [`advance`](Self::advance) is to be called at the latest, [`Self::STEP_MAX`] ahead at most;
    /// `None` before anything was heard.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let due = self.cases.values().map(|case| match &case.ended {
            Some((ended, _)) => ended.plus(self.settings.reopen_within),
            None if case.told.is_none() => case.opened.plus(self.settings.settle),
            None => case.heard.plus(self.quiet_for(case)),
        });
        self.clock.deadline(due.min())
    }

    // ---- joining

    /// The case that has this very sign and is over, but not for long.
    fn returned(&self, sign: &Sign, at: Moment) -> Option<u64> {
        let back = |case: &Case| {
            let ended = case.ended.as_ref().map(|(ended, _)| *ended);
            case.state == IncidentState::Resolved
                && ended.is_some_and(|ended| at > ended)
                && case.keys.contains(&sign.fingerprint)
        };
        if self.places.home(sign, &self.cases).is_some() {
            return None;
        }
        let found = self.cases.iter().rev().find(|(_, case)| back(case));
        found.map(|(key, _)| *key)
    }

    /// The case that a sign belongs to, and why: an open one, or a new one.
    fn home(&mut self, sign: &Arc<Sign>, topology: &Topology, at: When) -> (u64, Relation) {
        let found = self
            .places
            .find(sign, at, (topology, &self.settings), &self.cases);
        let is_new_here = self.places.home(sign, &self.cases).is_none();
        let (home, relation) = match found.best {
            Some(best) => best,
            None if self.cases.len() >= Self::INCIDENTS_LIVE_MAX => self.crowd(at),
            None => (self.begin(at), Relation::First),
        };
        let is_alert = sign.source == Source::Alert;
        if is_new_here && !is_alert {
            self.places.newcomer(at.moment, home);
        }
        let home = self.join_storm(home, at.moment);
        let home = found
            .same
            .into_iter()
            .fold(home, |home, (other, why)| self.merge(home, other, why));
        (home, relation)
    }

    fn begin(&mut self, at: When) -> u64 {
        let key = self.next_case;
        self.next_case += 1;
        let now = self.clock.now().moment;
        self.cases.insert(key, Case::new(at, now));
        key
    }

    /// Where signs go when there are too many incidents.
    fn crowd(&mut self, at: When) -> (u64, Relation) {
        let live = self.cases.iter().rev().find(|(_, case)| case.is_live());
        match live.map(|(key, _)| *key) {
            Some(key) => (key, Relation::Time),
            None => {
                // All are over: the one that ended first makes room.
                if let Some(key) = self.cases.keys().next().copied() {
                    self.bury(key);
                }
                (self.begin(at), Relation::First)
            }
        }
    }

    /// Merges what broke at once with what broke at `at` in the case `home`. Gives where that is now.
    fn join_storm(&mut self, home: u64, at: Moment) -> u64 {
        let storm = self.places.storm(at, &self.settings, &self.cases);
        let storm = if storm.contains(&home) {
            storm
        } else {
            Vec::new()
        };
        storm
            .into_iter()
            .fold(home, |home, other| self.merge(home, other, Relation::Time))
    }

    /// Makes one of two cases that are one trouble, the one that began first. Gives its key. If the
    /// other was told, it is resolved, with a note that names the one it is part of.
    fn merge(&mut self, one: u64, other: u64, why: Relation) -> u64 {
        let began = |key| self.cases.get(&key).map(|case: &Case| case.seniority());
        let (Some(a), Some(b)) = (began(one), began(other)) else {
            return one;
        };
        if one == other {
            return one;
        }
        let (older, younger) = if (a, one) <= (b, other) {
            (one, other)
        } else {
            (other, one)
        };
        let Some(gone) = self.cases.remove(&younger) else {
            return older;
        };
        if let Some(case) = self.cases.get_mut(&older) {
            case.merge(&gone, why);
            self.places.merge((younger, &gone), (older, case));
        }
        if gone.told.is_some() && gone.is_live() {
            let into = self.cases.get(&older).and_then(|case| case.told.as_ref());
            let note = match into {
                Some(told) => format!("it is part of incident {}", told.id),
                None => "it is part of another incident".to_owned(),
            };
            self.cases.insert(younger, gone.emptied());
            self.end(younger, IncidentState::Resolved, self.ourselves(Some(note)));
        }
        older
    }

    // ---- telling

    /// The first word about a case that has settled.
    fn tell_first(&mut self, key: u64) {
        let now = self.clock.now();
        let Some(case) = self.cases.get_mut(&key) else {
            return;
        };
        let Some(first) = case.signs().next() else {
            return;
        };
        let fingerprint = recurrent_fingerprint(case, &self.past);
        case.told = Some(Told {
            id: identity::digest(&["incident", &fingerprint, &first.id], ID_LEN),
            fingerprint,
            revision: 0,
            detected: now.time,
            looked: now.moment,
            gravity: case.gravity(),
            services: case.parts.len(),
            pages: false,
            signs: 0,
            title: "".into(),
            cause: Cause::default(),
            route: Route::default(),
        });
        self.tell(key, Stage::Opened);
    }

    /// Queues what is to be told of a case as it is now.
    fn tell(&mut self, key: u64, stage: Stage) {
        let at = self.clock.now();
        if let Some(told) = self.cases.get_mut(&key).and_then(|case| case.told.as_mut()) {
            told.revision += 1;
        }
        let incident = self.cases.get(&key).and_then(|case| self.incident(case));
        if let Some(incident) = incident {
            self.noted(key, &incident);
            let at = at.time;
            self.pending.push_back(Pending {
                case: key,
                stage,
                at,
                incident,
            });
        }
    }

    /// Notes what is told of a case, so that only what is new is told later.
    fn noted(&mut self, key: u64, incident: &Incident) {
        let now = self.clock.now().moment;
        if let Some(case) = self.cases.get_mut(&key) {
            let (services, signs) = (case.parts.len(), case.sign_count);
            if let Some(told) = case.told.as_mut() {
                told.looked = now;
                told.gravity = incident.severity;
                told.services = services;
                told.signs = signs;
                told.pages = incident.route.pages;
            }
        }
    }

    fn finish(
        &mut self,
        key: u64,
        stage: Stage,
        at: Timestamp,
        mut incident: Incident,
        route: &mut impl FnMut(&mut Incident, Stage),
    ) -> IncidentEvent {
        route(&mut incident, stage);
        if let Some(told) = self.cases.get_mut(&key).and_then(|case| case.told.as_mut()) {
            told.title.clone_from(&incident.title);
            told.cause.clone_from(&incident.cause);
            told.route.clone_from(&incident.route);
        }
        let revision = incident.revision.to_string();
        IncidentEvent {
            id: identity::digest(&["event", &incident.id, &revision], ID_LEN),
            stage,
            at,
            incident: Arc::new(incident),
        }
    }

    /// The cases of which there may be something new to tell.
    fn to_look_at(&self) -> Vec<u64> {
        let now = self.clock.now().moment;
        let due = |case: &Case| {
            let Some(told) = case.told.as_ref().filter(|_| case.is_live()) else {
                return false;
            };
            let rested = now.since(told.looked) >= self.settings.update_every;
            case.gravity() > told.gravity
                || rested && (case.sign_count > told.signs || !told.pages && self.pages(case).0)
        };
        let cases = self.cases.iter().filter(|(_, case)| due(case));
        cases.map(|(key, _)| *key).collect()
    }

    /// Tells of a case if there is something of weight: it is graver or pages now, its services more
    /// than doubled, or the verdict or the first suspect is another.
    fn update(
        &mut self,
        key: u64,
        cause: &mut impl FnMut(&mut Incident),
        route: &mut impl FnMut(&mut Incident, Stage),
    ) -> Option<IncidentEvent> {
        let case = self.cases.get(&key)?;
        let told = case.told.as_ref()?;
        let mut incident = self.incident(case)?;
        let suspect = |incident: &Incident| {
            let first = incident.cause.suspects.first();
            (
                incident.cause.verdict,
                first.map(|suspect| suspect.stream.clone()),
            )
        };
        let before = suspect(&incident);
        cause(&mut incident);
        let is_news = incident.severity > told.gravity
            || incident.route.pages && !told.pages
            || case.parts.len() > 2 * told.services
            || suspect(&incident) != before;
        if is_news {
            let at = self.clock.now().time;
            incident.revision += 1;
            self.noted(key, &incident);
            if let Some(told) = self.cases.get_mut(&key).and_then(|case| case.told.as_mut()) {
                told.revision = incident.revision;
            }
            return Some(self.finish(key, Stage::Updated, at, incident, route));
        }
        let now = self.clock.now().moment;
        let told = self.cases.get_mut(&key)?.told.as_mut()?;
        told.looked = now;
        None
    }

    /// A case as it is to be told, with what is known of the times before.
    fn incident(&self, case: &Case) -> Option<Incident> {
        let mut incident = case.incident()?;
        incident.before = self.past.before(&incident.fingerprint);
        let (pages, why) = self.pages(case);
        incident.route.pages = pages;
        incident.route.why = why;
        Some(incident)
    }

    fn pages(&self, case: &Case) -> (bool, Box<str>) {
        let now = self.clock.now().moment;
        let fingerprint = case.told.as_ref().map_or("", |told| &told.fingerprint);
        let of_late = self.past.of_late(fingerprint, now);
        gravity::pages(&Question {
            gravity: case.gravity(),
            class: case.class(),
            frequent: Some(of_late).filter(|times| *times >= self.settings.frequent),
            lasts: case.lasts(now),
            lasted: self.past.mostly_lasted(fingerprint),
        })
    }

    // ---- ending

    fn quiet_for(&self, case: &Case) -> Duration {
        let factor = 1_u32.checked_shl(case.returns).unwrap_or(u32::MAX);
        let doubled = self.settings.quiet_for.saturating_mul(factor);
        doubled.min(self.settings.quiet_for_max.max(self.settings.quiet_for))
    }

    fn end(&mut self, key: u64, state: IncidentState, mark: Mark) {
        let now = self.clock.now().moment;
        if let Some(case) = self.cases.get_mut(&key) {
            case.state = state;
            case.ended = Some((now, mark));
            self.places.leave(key, case);
        }
        self.tell(
            key,
            match state {
                IncidentState::Accepted => Stage::Accepted,
                _ => Stage::Resolved,
            },
        );
    }

    fn open_again(&mut self, key: u64) {
        let Some(case) = self.cases.get_mut(&key) else {
            return;
        };
        case.state = match case.acknowledged {
            Some(_) => IncidentState::Acknowledged,
            None => IncidentState::Open,
        };
        case.ended = None;
        case.returns = case.returns.saturating_add(1);
        self.places.enter_all(key, case);
        self.tell(key, Stage::Updated);
    }

    /// A case that is over for so long that it cannot come back.
    fn bury(&mut self, key: u64) {
        let Some(case) = self.cases.get(&key) else {
            return;
        };
        if let Some(incident) = self.incident(case) {
            // What became part of another incident was not a trouble of its own.
            if !case.keys.is_empty() {
                self.past.learn(&Over {
                    fingerprint: &incident.fingerprint,
                    began: case.began,
                    lasted: case.heard.since(case.began.moment),
                    done: &case.what_helped(),
                });
            }
            if self.history.len() >= Self::HISTORY_MAX {
                self.history.pop_front();
            }
            self.history.push_back(Arc::new(incident));
        }
        if let Some(case) = self.cases.remove(&key) {
            self.places.leave(key, &case);
        }
    }

    fn ourselves(&self, note: Option<String>) -> Mark {
        Mark {
            at: self.clock.now().time,
            by: Self::OURSELVES.into(),
            note: note.map(Into::into),
        }
    }

    // ---- finding

    fn case(&self, id: &str) -> Result<u64, IncidentError> {
        let is_it = |case: &Case| case.told.as_ref().is_some_and(|told| *told.id == *id);
        let found = self.cases.iter().find(|(_, case)| is_it(case));
        found.map(|(key, _)| *key).ok_or(IncidentError::Unknown)
    }

    fn live_case(&self, id: &str) -> Result<u64, IncidentError> {
        let key = self.case(id)?;
        let is_live = self.cases.get(&key).is_some_and(Case::is_live);
        is_live.then_some(key).ok_or(IncidentError::Over)
    }

    fn did(&mut self, id: &str, action: &str, helped: Option<bool>) -> Result<(), IncidentError> {
        let key = self.case(id)?;
        let now = self.clock.now().moment;
        if let Some(case) = self.cases.get_mut(&key)
            && case.done.len() < Case::DONE_MAX
            && !action.is_empty()
        {
            case.done.push((action.into(), now, helped));
        }
        Ok(())
    }
}

/// What recurs of a case: of what the service that broke first says, what was the lead before, or else
/// the gravest and first.
fn recurrent_fingerprint(case: &Case, past: &Past) -> Box<str> {
    let lead = case.signs().next().map(|first| first.stream.clone());
    let own = case
        .signs()
        .filter(|sign| Some(&sign.stream) == lead.as_ref());
    let mut candidates: Vec<_> = own.map(|sign| (gravity::of_sign(sign), sign)).collect();
    candidates.sort_by_key(|(gravity, _)| std::cmp::Reverse(*gravity));
    let names: Vec<Box<str>> = candidates
        .iter()
        .map(|(_, sign)| identity::fingerprint(sign))
        .collect();
    let known = names.iter().find(|name| past.knows(name));
    known.or(names.first()).cloned().unwrap_or_default()
}

impl Heard {
    fn is_known(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn push(&mut self, id: &str) {
        if self.order.len() >= Correlator::HEARD_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.ids.insert(id.into());
        self.order.push_back(id.into());
    }
}
