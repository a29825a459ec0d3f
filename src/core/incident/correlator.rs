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
use super::newcomers::Newcomers;
use super::past::{Over, Past};
use crate::core::event::{
    Incident, IncidentEvent, IncidentState, Mark, Relation, Route, Sign, Stage,
};
use crate::core::record::{StreamKey, Timestamp, TraceId};
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
    by_service: BTreeMap<StreamKey, u64>,
    by_trace: BTreeMap<TraceId, u64>,
    newcomers: Newcomers,
    past: Past,
    history: VecDeque<Arc<Incident>>,
    heard: Heard,
    pending: VecDeque<(u64, IncidentEvent)>,
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
            by_service: BTreeMap::new(),
            by_trace: BTreeMap::new(),
            newcomers: Newcomers::default(),
            past: Past::default(),
            history: VecDeque::new(),
            heard: Heard::default(),
            pending: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes a sign in, at the time `now`.
    pub fn sign(&mut self, sign: Arc<Sign>, topology: &Topology, now: Timestamp) {
        self.advance(now);
        let _ = (sign, topology);
    }

    /// Lets time pass until `now`: opens what has settled and ends what is quiet.
    pub fn advance(&mut self, now: Timestamp) {
        self.clock.advance(now);
    }

    /// Somebody took an incident on.
    ///
    /// # Errors
    /// If there is no such incident, or it is over.
    pub fn acknowledge(&mut self, id: &str, mark: Mark) -> Result<(), IncidentError> {
        let _ = (id, mark);
        Ok(())
    }

    /// Somebody says that an incident is over.
    ///
    /// # Errors
    /// If there is no such incident, or it is over.
    pub fn resolve(&mut self, id: &str, mark: Mark) -> Result<(), IncidentError> {
        let _ = (id, mark);
        Ok(())
    }

    /// Somebody says that an incident is normal. Its signs make no incident any more, unless they get
    /// graver than it was, or three times as frequent.
    ///
    /// # Errors
    /// If there is no such incident, or it is over for longer than it could come back.
    pub fn accept(&mut self, id: &str, mark: Mark) -> Result<(), IncidentError> {
        let _ = (id, mark);
        Ok(())
    }

    /// Somebody wrote what was done about an incident. It is taken to have helped if no sign came
    /// after it.
    ///
    /// # Errors
    /// If there is no such incident, or it is over for longer than it could come back.
    pub fn note(&mut self, id: &str, mark: &Mark) -> Result<(), IncidentError> {
        let _ = (id, mark);
        Ok(())
    }

    /// An action was done about an incident, and it is known whether it helped.
    ///
    /// # Errors
    /// If there is no such incident, or it is over for longer than it could come back.
    pub fn done(&mut self, id: &str, action: &str, helped: bool) -> Result<(), IncidentError> {
        let _ = (id, action, helped);
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
        let _ = (&mut cause, &mut route);
        Vec::new()
    }

    /// The incidents that go on and were told, as they are now, oldest first.
    pub fn live(&self) -> impl Iterator<Item = Incident> {
        std::iter::empty()
    }

    /// The incident with this id, if it goes on or is kept.
    pub fn get(&self, id: &str) -> Option<Incident> {
        let _ = id;
        None
    }

    /// The incidents that are over and cannot come back, the one that ended last at the end.
    pub fn history(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.history.iter()
    }

    /// What became of the signs.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// When [`advance`](Self::advance) is to be called at the latest; `None` before anything was heard.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.clock.deadline(None)
    }
}
