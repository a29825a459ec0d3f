//! Where everything about incidents comes together: what shards, spans, metrics, people and the
//! settings say goes in; what is to be told comes out.
//!
//! ```text
//! anomalies ─┐                               ┌ cause: witness, traffic, changes, topology
//! findings ──┼─ Sign ─ Correlator ─ Incident ┤
//! alerts ────┘                               └ route: team, silences, budget ─▶ Told
//! ```
//!
//! One desk per daemon. It is pure and deterministic: the shell gives the time, and keeps its two
//! snapshots, the one with every write and the other every minute.

mod evidence;
mod saved;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evidence::Evidence;

use crate::core::budget::{Budget, BudgetSettings};
use crate::core::cause::title;
use crate::core::event::{Anomaly, Digest, Incident, IncidentEvent, Mark, Sign, Source, Stage};
use crate::core::incident::{self, Correlator, IncidentError};
use crate::core::record::{Change, Metric, Resource, Spans, StreamKey, Timestamp, Trail};
use crate::core::silence::{Labels, Silences, StaleAfter, Subject, Teams, Warning, Watch};
use crate::core::topology::Topology;
use crate::core::witness::WARM_UP;

/// How often is looked whether what is muted still is.
const MUTED_EVERY: Duration = Duration::from_secs(10);
/// How far behind or ahead of now the time of a record is believed.
const BELIEVED: Duration = Duration::from_secs(3_600);

/// Settings of a [`Desk`].
#[derive(Clone, Debug)]
pub struct DeskSettings {
    /// How long spans and metrics are only learned from.
    pub warm_up: Duration,
    /// How signs are joined, and when an incident is over.
    pub incidents: incident::Settings,
    /// What is not told, and when.
    pub silences: Silences,
    /// When a silence is stale.
    pub stale: StaleAfter,
    /// Whose services are whose, and how often each team may be woken.
    pub teams: Teams,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            warm_up: WARM_UP,
            incidents: incident::Settings::default(),
            silences: Silences::default(),
            stale: StaleAfter::default(),
            teams: Teams::default(),
        }
    }
}

impl DeskSettings {
    fn budget(&self) -> BudgetSettings {
        let teams = self.teams.iter();
        BudgetSettings {
            pages_max: self.teams.day(None).pages_max,
            pages_max_of: teams
                .map(|team| (team.name.clone(), team.day.pages_max))
                .collect(),
            ..BudgetSettings::default()
        }
    }
}

/// Something that is to be told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Something became of an incident.
    Incident {
        /// What.
        event: Arc<IncidentEvent>,
        /// Whether it goes to the sinks: what is muted is shown, but not sent.
        is_sent: bool,
    },
    /// What woke nobody.
    Digest(Arc<Digest>),
    /// A silence is stale.
    Stale(Warning),
}

/// What somebody does to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Takes it on.
    Acknowledge(Mark),
    /// Says that it is over.
    Resolve(Mark),
    /// Says that it is normal.
    Accept(Mark),
    /// Says what was done.
    Note(Mark),
    /// Says what was done, and whether it helped.
    Done {
        /// What: the name of an action.
        action: Box<str>,
        /// Whether it helped.
        helped: bool,
    },
}

/// Joins, explains and routes.
#[derive(Debug)]
pub struct Desk {
    settings: DeskSettings,
    correlator: Correlator,
    budget: Budget,
    watch: Watch,
    /// Whose each service is, by a catalog.
    owners: BTreeMap<StreamKey, Box<str>>,
    /// The incidents that somebody outside was told of and that go on.
    outside: BTreeSet<Box<str>>,
    /// The incidents that are muted and go on, and when these are looked at again.
    muted: BTreeSet<Box<str>>,
    muted_due: Timestamp,
    evidence: Evidence,
    stale: Vec<Warning>,
    /// Whether anything changed since it was last kept.
    is_dirty: bool,
}

impl Desk {
    /// A desk that has seen nothing.
    pub fn new(settings: DeskSettings) -> Self {
        Self {
            correlator: Correlator::new(settings.incidents.clone()),
            budget: Budget::new(settings.budget()),
            watch: Watch::default(),
            owners: BTreeMap::new(),
            outside: BTreeSet::new(),
            muted: BTreeSet::new(),
            muted_due: Timestamp::ZERO,
            evidence: Evidence::default(),
            stale: Vec::new(),
            is_dirty: false,
            settings,
        }
    }

    /// Takes other settings; what is known stays.
    pub fn reconfigure(&mut self, settings: DeskSettings) {
        self.correlator.reconfigure(settings.incidents.clone());
        self.budget.reconfigure(settings.budget());
        self.settings = settings;
        self.muted_due = Timestamp::ZERO;
        self.is_dirty = true;
    }

    /// Takes an anomaly of the logs.
    pub fn anomaly(&mut self, anomaly: &Anomaly, now: Timestamp) {
        self.sign(Arc::new(Sign::from(anomaly)), now);
    }

    /// Takes a sign, such as another system's alert.
    pub fn sign(&mut self, sign: Arc<Sign>, now: Timestamp) {
        self.is_dirty = true;
        self.correlator.sign(sign, &self.evidence.topology, now);
    }

    /// Takes spans.
    pub fn spans(&mut self, spans: &Spans, now: Timestamp) {
        self.evidence.witness.spans(spans, now);
        let at = spans.spans.iter().find_map(|span| span.start);
        self.seen(
            (&spans.stream, &spans.resource),
            spans.spans.len() as u64,
            at.unwrap_or(now),
            now,
        );
    }

    /// Takes records within traces.
    pub fn trail(&mut self, trail: &Trail, now: Timestamp) {
        self.evidence.witness.trail(trail, now);
    }

    /// Records come too late to be seen with their spans.
    pub fn records_are_late(&mut self) {
        self.evidence.witness.records_are_late();
    }

    /// Spans or records were let go before they came here.
    pub fn some_is_lost(&mut self) {
        self.evidence.witness.some_is_lost();
    }

    /// Takes points of a metric.
    pub fn metric(&mut self, metric: &Metric, now: Timestamp) {
        self.evidence.witness.metric(metric, now);
    }

    /// Counts records, the first of which was logged `at` some time, and which are judged elsewhere: by
    /// them versions and odd nodes are seen.
    pub fn seen(
        &mut self,
        (stream, resource): (&StreamKey, &Resource),
        records: u64,
        at: Timestamp,
        now: Timestamp,
    ) {
        let off = at.since(now).max(now.since(at));
        let at = if off <= BELIEVED { at } else { now };
        self.evidence.seen(stream, resource, (records, at));
    }

    /// Takes a change that somebody tells of; whether it is new.
    pub fn change(&mut self, change: Arc<Change>) -> bool {
        self.evidence.change(change)
    }

    /// Does something to the incident with this id.
    ///
    /// # Errors
    /// If there is none, or it is over.
    pub fn deed(&mut self, id: &str, deed: Deed) -> Result<(), IncidentError> {
        self.is_dirty = true;
        match deed {
            Deed::Acknowledge(mark) => self.correlator.acknowledge(id, mark),
            Deed::Resolve(mark) => self.correlator.resolve(id, mark),
            Deed::Accept(mark) => self.correlator.accept(id, mark),
            Deed::Note(mark) => self.correlator.note(id, &mark),
            Deed::Done { action, helped } => self.correlator.done(id, &action, helped),
        }
    }

    /// Whose each service is, by a catalog: of services that the settings give to no team.
    pub fn set_owners(&mut self, owners: BTreeMap<StreamKey, Box<str>>) {
        self.owners = owners;
    }

    /// Lets time pass until `now`.
    pub fn advance(&mut self, now: Timestamp) {
        let (warm_up, silences) = (self.settings.warm_up, &self.settings.silences);
        for sign in self.evidence.advance(now, warm_up, silences) {
            self.sign(Arc::new(sign), now);
        }
        self.correlator.advance(now);
        self.unmute(now);
    }

    /// What is to be told, in order; to be called after [`advance`](Self::advance).
    pub fn take(&mut self, now: Timestamp) -> Vec<Told> {
        let Self {
            settings,
            correlator,
            budget,
            watch,
            evidence,
            owners,
            ..
        } = self;
        let explain = |incident: &mut Incident| {
            incident.cause = evidence.cause(incident, now);
            incident.title = title(incident).into();
        };
        let route = |incident: &mut Incident, _: Stage| {
            incident.route.team = team_of(&settings.teams, owners, incident);
            let verdict = settings
                .silences
                .verdict(&Subject::of_incident(incident), now);
            watch.note(&verdict);
            incident.route.muted_by = verdict.muted_by.as_ref().map(|by| by.to_string().into());
            if let Some(by) = verdict.muted_by {
                incident.route.pages = false;
                incident.route.why = format!("muted by {by}").into();
            } else if incident.route.pages
                && incident.signs.iter().all(|it| it.source == Source::Alert)
            {
                incident.route.pages = false;
                incident.route.why = "another system told of it already".into();
            }
            let day = settings.teams.day(incident.route.team.as_deref());
            budget.decide(incident, day.number(now), now);
        };
        let events = correlator.take(explain, route);
        let teams = &settings.teams;
        let digests = budget.digests(|team| teams.day(team).number(now), now);
        self.is_dirty |= !events.is_empty() || !digests.is_empty();
        let mut told: Vec<Told> = events.into_iter().map(|event| self.told(event)).collect();
        told.extend(digests.into_iter().map(|it| Told::Digest(Arc::new(it))));
        told.extend(std::mem::take(&mut self.stale).into_iter().map(Told::Stale));
        told
    }

    /// Looks for stale silences; to be called every few minutes. `is_known` tells whether there is
    /// somebody of this name.
    pub fn look_for_stale(&mut self, now: Timestamp, is_known: impl Fn(&str) -> bool) {
        let found = self
            .watch
            .look(&self.settings.silences, now, self.settings.stale, is_known);
        self.is_dirty |= !found.is_empty();
        self.stale.extend(found);
    }

    /// When [`advance`](Self::advance) is to be called at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.correlator.next_deadline()
    }

    /// The incidents that go on, oldest first.
    pub fn live(&self) -> impl Iterator<Item = Incident> {
        self.correlator.live()
    }

    /// The incident with this id, if it goes on or ended lately.
    pub fn incident(&self, id: &str) -> Option<Incident> {
        self.correlator.get(id)
    }

    /// The same with its cause by all that is known at `now`, which may be more than when it was told.
    pub fn explained(&self, id: &str, now: Timestamp) -> Option<Incident> {
        let mut incident = self.correlator.get(id)?;
        incident.cause = self.evidence.cause(&incident, now);
        incident.title = title(&incident).into();
        Some(incident)
    }

    /// Who calls whom.
    pub const fn topology(&self) -> &Topology {
        &self.evidence.topology
    }

    /// The same, to be told by a catalog.
    pub const fn topology_mut(&mut self) -> &mut Topology {
        &mut self.evidence.topology
    }

    /// The changes that came or were seen since the last call.
    pub fn take_changes(&mut self) -> Vec<Arc<Change>> {
        std::mem::take(&mut self.evidence.fresh)
    }

    /// Whether there is something to be kept that was not when [`is_saved`](Self::is_saved) was called.
    pub const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// What was muted and is not any more is told, if it still goes on.
    fn unmute(&mut self, now: Timestamp) {
        // A clock that was put back must not put this off.
        if now < self.muted_due && self.muted_due.since(now) <= MUTED_EVERY {
            return;
        }
        self.muted_due = now.plus(MUTED_EVERY);
        for id in std::mem::take(&mut self.muted) {
            let Some(incident) = self.correlator.get(&id).filter(Incident::is_live) else {
                continue;
            };
            let subject = Subject::of_incident(&incident);
            let verdict = self.settings.silences.verdict(&subject, now);
            self.watch.note(&verdict);
            if verdict.muted_by.is_some() {
                self.muted.insert(id);
            } else if self.correlator.tell_again(&id).is_ok() {
                self.is_dirty = true;
            }
        }
    }

    fn told(&mut self, mut event: IncidentEvent) -> Told {
        let incident = &event.incident;
        let (id, is_muted) = (incident.id.clone(), incident.route.muted_by.is_some());
        let was_told = self.outside.contains(&id);
        if incident.is_live() {
            if is_muted {
                self.muted.insert(id);
            } else {
                self.muted.remove(&id);
                self.outside.insert(id);
                if !was_told {
                    // Those outside hear of it for the first time, whatever became of it meanwhile.
                    event.stage = Stage::Opened;
                }
            }
        } else {
            self.muted.remove(&id);
            self.outside.remove(&id);
        }
        // Whoever was told that it began is told that it ended; nobody else is.
        let is_sent = if event.incident.is_live() {
            !is_muted
        } else {
            was_told
        };
        Told::Incident {
            event: Arc::new(event),
            is_sent,
        }
    }
}

/// The team of the first service that has one, by the settings or by a catalog.
fn team_of(
    teams: &Teams,
    owners: &BTreeMap<StreamKey, Box<str>>,
    incident: &Incident,
) -> Option<Box<str>> {
    let parts = incident.parts.iter();
    let mut found = parts.filter_map(|part| {
        let labels = Labels::of_stream(&part.stream, &part.resource, None);
        let team = teams.team_of(&labels).map(Into::into);
        team.or_else(|| owners.get(&part.stream).cloned())
    });
    found.next()
}
