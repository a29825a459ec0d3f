//! The one who joins signs, and says what became of each incident.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Settings;
use super::burst::Burst;
use super::case::Case;
use super::clock::Clock;
use super::company::{self, Lately};
use super::foreign::Foreign;
use super::gravity;
use super::heard::Heard;
use super::kept::{Kept, KeptMap};
use super::past::Past;
use super::places::Places;
use crate::core::event::{Incident, IncidentEvent, IncidentState, Mark, Sign, Source, Stage};
use crate::core::record::Timestamp;
use crate::core::topology::Topology;

/// Joins the signs of all services into incidents and follows each to its end.
///
/// Call [`take`](Self::take) after every other call: it hands out what is to be told. What changed is
/// kept in parts ([`changed_parts`](Self::changed_parts)).
#[derive(Clone, Debug, PartialEq)]
pub struct Correlator {
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) cases: KeptMap<Case>,
    pub(super) next_case: u64,
    pub(super) places: Places,
    pub(super) past: Kept<Past>,
    pub(super) foreign: Kept<Foreign>,
    pub(super) lately: Kept<Lately>,
    pub(super) heard: Heard,
    pub(super) pending: VecDeque<Pending>,
    pub(super) counts: Counts,
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
pub(super) struct Pending {
    pub(super) case: u64,
    pub(super) stage: Stage,
    pub(super) at: Timestamp,
    pub(super) incident: Incident,
}

impl Default for Correlator {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Correlator {
    /// Most incidents that go on, or ended so lately that they may be opened again. When there are
    /// more, signs of further services join the one that began last.
    pub const INCIDENTS_LIVE_MAX: usize = 1_024;
    /// Most signs whose coming again is noticed.
    pub const HEARD_MAX: usize = Heard::IDS_MAX;
    /// The most that one call moves the clock on. Whoever is not called that often is late in closing
    /// incidents, never early.
    pub const STEP_MAX: Duration = Clock::STEP_MAX;
    /// Who ends an incident that went quiet.
    pub const OURSELVES: &str = "knothole";
    /// How the note begins with which an incident ends that turned out to be part of another; the id
    /// of that one follows.
    pub const PART_OF: &str = "it is part of incident ";
    /// How a sign of another system's alerts begins that came along and is no evidence: one of its name
    /// comes from its service on other days too.
    pub const CAME_ALONG: &str = company::CAME_ALONG;

    /// A correlator that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            clock: Clock::new(),
            cases: KeptMap::default(),
            next_case: 0,
            places: Places::default(),
            past: Kept::default(),
            foreign: Kept::default(),
            lately: Kept::default(),
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
    /// counted again. Gives the number of the case that it is part of, in this correlator, if it is
    /// part of any.
    pub fn sign(&mut self, sign: Arc<Sign>, topology: &Topology, now: Timestamp) -> Option<u64> {
        self.advance(now);
        if self.heard.is_known(&sign.id) {
            self.counts.repeated += 1;
            return self.again(&sign);
        }
        self.heard.push(&sign.id);
        let now = self.clock.now().moment;
        if self
            .past
            .is_normal(&sign.fingerprint, gravity::of_sign(&sign), now)
        {
            self.counts.normal += 1;
            return None;
        }
        let at = self.clock.when(sign.first_seen);
        if sign.source == Source::Alert {
            return self.alert(&sign, topology, at);
        }
        Some(self.join(&sign, topology, at))
    }

    /// Lets time pass until `now`: opens what has settled and ends what is quiet.
    pub fn advance(&mut self, now: Timestamp) {
        self.clock.advance(now);
        let now = self.clock.now().moment;
        self.places.advance(now);
        if self.lately.is_due(now) {
            self.lately.advance(now);
        }
        self.end_burst(now);
        let all: Vec<u64> = self.cases.keys().copied().collect();
        for key in all {
            let Some(case) = self.cases.get(&key) else {
                continue;
            };
            if case.told.is_none() && now.since(case.opened) >= self.settings.settle {
                self.tell_first(key);
            } else if case.is_live() && now >= self.ends(case) {
                let note = case.is_rest.then(|| Self::REST_WHY.to_owned());
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
        for (sign, count) in &case.keys {
            let hourly = case.hourly(*count, now);
            self.past.accept(sign, case.gravity(), hourly, now);
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
        while let Some(mut pending) = self.pending.pop_front() {
            let case = self.cases.get(&pending.case);
            if let Some(known) = case.and_then(|case| case.told.as_ref()) {
                pending.incident.title.clone_from(&known.title);
                pending.incident.cause.clone_from(&known.cause);
            }
            if matches!(pending.stage, Stage::Opened | Stage::Updated) {
                cause(&mut pending.incident);
            }
            told.push(self.finish(pending, &mut route));
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
        live.filter_map(|case| self.known(case))
    }

    /// The incident with this id, as it is now, if it goes on or may come back.
    pub fn get(&self, id: &str) -> Option<Incident> {
        let key = self.case(id).ok()?;
        self.known(self.cases.get(&key)?)
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
            None => self.ends(case),
        });
        let burst = self.foreign.burst.as_ref().map(Burst::ends);
        self.clock.deadline(due.chain(burst).min())
    }

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
            let action: String = action.chars().take(Case::DONE_LEN_MAX).collect();
            case.done.push((action.into(), now, helped));
        }
        Ok(())
    }
}
