//! How often a team is woken: so many pages a day, critical ones aside. The rest is told in one digest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::core::event::{Cause, Digest, Gravity, Incident};
use crate::core::record::Timestamp;

/// Settings of a [`Budget`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSettings {
    /// Pages that a team gets in a day, critical ones aside.
    pub pages_max: u64,
    /// The same of teams that have a number of their own.
    pub pages_max_of: BTreeMap<Box<str>, u64>,
    /// So many incidents that page nobody are a storm, whose digest does not wait for the next day.
    pub storm_incidents: u64,
    /// How long a storm has to be over before its digest is told.
    pub storm_quiet: Duration,
}

impl BudgetSettings {
    fn pages_max(&self, team: Option<&str>) -> u64 {
        let own = team.and_then(|team| self.pages_max_of.get(team));
        own.copied().unwrap_or(self.pages_max)
    }
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            pages_max: 10,
            pages_max_of: BTreeMap::new(),
            storm_incidents: 20,
            storm_quiet: Duration::from_mins(30),
        }
    }
}

/// Decides which incidents page, and gathers the others for their team's digest. Its own snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    settings: BudgetSettings,
    teams: BTreeMap<Box<str>, Team>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Team {
    /// Pages by day.
    days: BTreeMap<i64, Pages>,
    /// Days up to this one are over, whatever the clock says: what was paged on them is forgotten.
    over: Option<i64>,
    /// Incidents that go on and page, the oldest first.
    paging: VecDeque<Box<str>>,
    gathered: Gathered,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pages {
    charged: u64,
    critical: u64,
}

/// What goes into the next digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Gathered {
    incidents: BTreeMap<Box<str>, Arc<Incident>>,
    /// Incidents that there was no room for.
    more: u64,
    /// The end of the last digest; the first incident before there was one.
    since: Option<Timestamp>,
    /// When, and on which day, it began to gather, and when something was last added.
    day: i64,
    latest: Timestamp,
}

impl Budget {
    /// Most teams that have a budget of their own; the others share that of who has no team.
    pub const TEAMS_MAX: usize = 1_024;
    /// Most days that are remembered of a team. Whoever goes back further has no pages but critical
    /// ones.
    pub const DAYS_MAX: usize = 32;
    /// Most incidents of a team that go on and have paged. Who forgets one charges it again.
    pub const PAGING_MAX: usize = 1_024;
    /// Most incidents that are gathered for a digest; it lists the gravest of them.
    pub const GATHERED_MAX: usize = 1_000;

    /// A budget of which nothing is used.
    pub fn new(settings: BudgetSettings) -> Self {
        Self {
            settings,
            teams: BTreeMap::new(),
        }
    }

    /// Takes other settings; what was charged stays charged.
    pub fn reconfigure(&mut self, settings: BudgetSettings) {
        self.settings = settings;
    }

    /// Decides about an incident that is about to be told. Where it would page and the budget of its
    /// team (`route.team`) is used up, it does not, and `route.why` says so. Only the first page of an
    /// incident is charged: until it is over, further events of it are free. Critical ones always page
    /// and are not charged. What does not page, was not paged before and is not muted goes into the
    /// next digest.
    ///
    /// `day` is the number of the day in the team's time zone, for instance days since the epoch.
    pub fn decide(&mut self, incident: &mut Incident, day: i64, now: Timestamp) {
        let pages_max = self.settings.pages_max(incident.route.team.as_deref());
        let team = self.team(incident.route.team.as_deref());
        let place = team.paging.iter().position(|id| *id == incident.id);
        if !incident.is_live() {
            if let Some(place) = place {
                team.paging.remove(place);
            } else if team.gathered.incidents.contains_key(&incident.id) {
                team.gathered.add(incident, day, now);
            }
            return;
        }
        if incident.route.pages && place.is_none() {
            if team.may_page(incident.severity, day, pages_max) {
                // Somebody is woken after all.
                team.gathered.incidents.remove(&incident.id);
                team.paging.push_back(incident.id.clone());
                if team.paging.len() > Self::PAGING_MAX {
                    team.paging.pop_front();
                }
            } else {
                incident.route.pages = false;
                incident.route.why = format!(
                    "the team had its {pages_max} pages of the day; it goes into the digest"
                )
                .into();
            }
        }
        if !incident.route.pages && place.is_none() && incident.route.muted_by.is_none() {
            team.gathered.add(incident, day, now);
        }
    }

    /// The digests that are due: of teams whose day (`day_of` a team) is another than when they began
    /// to gather, and of those that had a storm that is over.
    pub fn digests(&mut self, day_of: impl Fn(Option<&str>) -> i64, now: Timestamp) -> Vec<Digest> {
        let (settings, mut due) = (&self.settings, Vec::new());
        for (name, team) in &mut self.teams {
            let gathered = &team.gathered;
            let name = Some(&**name).filter(|name| !name.is_empty());
            let is_storm = gathered.count() >= settings.storm_incidents
                && now.since(gathered.latest) >= settings.storm_quiet;
            if gathered.count() > 0 && (is_storm || day_of(name) != gathered.day) {
                let pages = team.days.get(&gathered.day).copied().unwrap_or_default();
                let pages_max = settings.pages_max(name);
                let pages = (pages.charged + pages.critical, pages_max);
                due.push(team.gathered.digest(name, pages, now));
            }
        }
        due
    }

    fn team(&mut self, name: Option<&str>) -> &mut Team {
        let name = name.unwrap_or_default();
        let has_room = self.teams.len() < Self::TEAMS_MAX || self.teams.contains_key(name);
        let name = if has_room { name } else { "" };
        self.teams.entry(name.into()).or_default()
    }
}

impl Team {
    fn may_page(&mut self, gravity: Gravity, day: i64, pages_max: u64) -> bool {
        let is_over = self.over.is_some_and(|over| day <= over);
        if !is_over && !self.days.contains_key(&day) {
            self.days.insert(day, Pages::default());
            if self.days.len() > Budget::DAYS_MAX {
                self.over = self.days.pop_first().map(|(day, _)| day).max(self.over);
            }
        }
        let pages = self.days.get_mut(&day);
        match (gravity, pages) {
            (Gravity::Critical, pages) => {
                if let Some(pages) = pages {
                    pages.critical += 1;
                }
                true
            }
            (_, Some(pages)) if pages.charged < pages_max => {
                pages.charged += 1;
                true
            }
            _ => false,
        }
    }
}

impl Gathered {
    fn count(&self) -> u64 {
        self.incidents.len() as u64 + self.more
    }

    fn add(&mut self, incident: &Incident, day: i64, now: Timestamp) {
        if self.count() == 0 {
            self.day = day;
            self.since.get_or_insert(now);
        }
        let is_known = self.incidents.contains_key(&incident.id);
        if is_known || self.incidents.len() < Budget::GATHERED_MAX {
            self.incidents
                .insert(incident.id.clone(), Arc::new(outline(incident)));
        } else {
            self.more += 1;
        }
        if !is_known {
            self.latest = now;
        }
    }

    fn digest(&mut self, team: Option<&str>, pages: (u64, u64), now: Timestamp) -> Digest {
        let from = self.since.unwrap_or(now);
        let incident_count = self.count();
        let mut incidents: Vec<_> = std::mem::take(&mut self.incidents).into_values().collect();
        incidents.sort_by(|a, b| {
            let (left, right) = ((b.severity, a.began, &a.id), (a.severity, b.began, &b.id));
            left.cmp(&right)
        });
        incidents.truncate(Digest::INCIDENTS_MAX);
        self.more = 0;
        self.since = Some(now);
        Digest {
            id: id(team, from),
            team: team.map(Into::into),
            from,
            to: now,
            incidents,
            incident_count,
            pages,
        }
    }
}

/// An incident without what a digest leaves out: it is kept many times over.
fn outline(incident: &Incident) -> Incident {
    Incident {
        parts: incident.parts.iter().take(1).cloned().collect(),
        signs: Vec::new(),
        cause: Cause::default(),
        before: None,
        acknowledged: None,
        ..incident.clone()
    }
}

/// The same digest, told again after a crash, has the same id.
fn id(team: Option<&str>, from: Timestamp) -> Box<str> {
    let sum = Sha256::new()
        .chain_update("digest")
        .chain_update(from.as_nanos().to_le_bytes())
        .chain_update(team.unwrap_or_default())
        .finalize();
    let digits = sum.iter().take(16).map(|byte| format!("{byte:02x}"));
    digits.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::core::event::{Class, IncidentState, Route};

    const DAY: Duration = Duration::from_hours(24);

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + second * 1000)
    }

    fn incident(number: u64, severity: Gravity) -> Incident {
        Incident {
            id: format!("{number:032x}").into(),
            fingerprint: "f".into(),
            revision: 1,
            state: IncidentState::Open,
            severity,
            class: Class::Error,
            title: "".into(),
            began: at(number),
            detected: at(number),
            last_seen: at(number),
            acknowledged: None,
            ended: None,
            parts: Vec::new(),
            signs: Vec::new(),
            sign_count: 1,
            cause: Cause::default(),
            before: None,
            route: Route {
                team: Some("shop".into()),
                pages: true,
                why: "something is broken".into(),
                muted_by: None,
            },
        }
    }

    /// Whether it paged.
    fn told(budget: &mut Budget, mut incident: Incident, day: i64) -> bool {
        let now = incident.began;
        budget.decide(&mut incident, day, now);
        incident.route.pages
    }

    #[test]
    fn a_team_is_woken_so_often_and_the_rest_is_in_one_digest() {
        let mut budget = Budget::new(BudgetSettings::default());
        let paged = (0..15).filter(|n| told(&mut budget, incident(*n, Gravity::Error), 7));
        assert_eq!(paged.count(), 10);
        assert!(told(&mut budget, incident(90, Gravity::Critical), 7));
        assert!(budget.digests(|_| 7, at(100)).is_empty());
        let digests = budget.digests(|_| 8, at(200));
        assert_eq!(digests.len(), 1);
        let digest = &digests[0];
        assert_eq!((digest.incident_count, digest.pages), (5, (11, 10)));
        assert_eq!(digest.team.as_deref(), Some("shop"));
        assert_eq!((digest.from, digest.to), (at(10), at(200)));
        assert!(budget.digests(|_| 9, at(300)).is_empty());
        assert!(told(&mut budget, incident(91, Gravity::Error), 8));
    }

    #[test]
    fn an_incident_is_charged_once_while_it_goes_on() {
        let settings = BudgetSettings {
            pages_max: 1,
            ..BudgetSettings::default()
        };
        let mut budget = Budget::new(settings);
        assert!(told(&mut budget, incident(1, Gravity::Error), 7));
        assert!(told(&mut budget, incident(1, Gravity::Error), 7));
        assert!(!told(&mut budget, incident(2, Gravity::Error), 7));
        // It comes back after its end: that would be a second page.
        let mut over = incident(1, Gravity::Error);
        over.state = IncidentState::Resolved;
        told(&mut budget, over, 7);
        assert!(!told(&mut budget, incident(1, Gravity::Error), 7));
    }

    #[test]
    fn a_storm_is_told_when_it_is_over_and_not_only_the_next_day() {
        let mut budget = Budget::new(BudgetSettings::default());
        for n in 0..40 {
            told(&mut budget, incident(n, Gravity::Error), 7);
        }
        assert!(budget.digests(|_| 7, at(40 + 29 * 60)).is_empty());
        let digests = budget.digests(|_| 7, at(40 + 30 * 60));
        assert_eq!(digests[0].incident_count, 30);
        assert!(budget.digests(|_| 7, at(80_000)).is_empty());
    }

    #[test]
    fn what_gets_critical_after_the_budget_pages_and_is_no_part_of_what_woke_nobody() {
        let settings = BudgetSettings {
            pages_max: 0,
            ..BudgetSettings::default()
        };
        let mut budget = Budget::new(settings);
        assert!(!told(&mut budget, incident(1, Gravity::Error), 7));
        assert!(!told(&mut budget, incident(2, Gravity::Error), 7));
        assert!(told(&mut budget, incident(1, Gravity::Critical), 7));
        let digest = budget.digests(|_| 8, at(9)).remove(0);
        assert_eq!(digest.incident_count, 1);
        assert_eq!(*digest.incidents[0].id, *incident(2, Gravity::Error).id);
    }

    #[test]
    fn what_is_muted_is_not_in_the_digest() {
        let mut budget = Budget::new(BudgetSettings::default());
        let mut muted = incident(1, Gravity::Error);
        muted.route.pages = false;
        muted.route.muted_by = Some("deploys".into());
        told(&mut budget, muted, 7);
        assert!(budget.digests(|_| 8, at(9)).is_empty());
    }

    #[test]
    fn a_digest_names_the_gravest_and_counts_all() {
        let mut budget = Budget::new(BudgetSettings::default());
        for n in 0..2_000 {
            let gravity = [Gravity::Info, Gravity::Warning, Gravity::Error][n as usize % 3];
            let mut quiet = incident(n, gravity);
            quiet.route.pages = false;
            told(&mut budget, quiet, 7);
        }
        let digest = budget.digests(|_| 8, at(9)).remove(0);
        assert_eq!(digest.incident_count, 2_000);
        assert_eq!(digest.incidents.len(), Digest::INCIDENTS_MAX);
        assert!(
            digest
                .incidents
                .iter()
                .all(|incident| incident.severity == Gravity::Error)
        );
        let again = id(Some("shop"), digest.from);
        assert_eq!((digest.id.len(), &digest.id), (32, &again));
    }

    #[test]
    fn a_clock_that_goes_back_further_than_we_remember_brings_no_new_pages() {
        let settings = BudgetSettings {
            pages_max: 1,
            ..BudgetSettings::default()
        };
        let mut budget = Budget::new(settings);
        for day in 0..100 {
            assert!(told(&mut budget, incident(day, Gravity::Error), day as i64));
        }
        assert!(!told(&mut budget, incident(200, Gravity::Error), 0));
        assert!(told(&mut budget, incident(201, Gravity::Critical), 0));
        assert!(told(&mut budget, incident(202, Gravity::Error), 100));
    }

    #[test]
    fn teams_beyond_the_bound_share_one_budget() {
        let mut budget = Budget::new(BudgetSettings::default());
        for n in 0..5_000 {
            let mut other = incident(n, Gravity::Error);
            other.route.team = Some(format!("team{n}").into());
            told(&mut budget, other, 7);
        }
        assert!(budget.teams.len() <= Budget::TEAMS_MAX + 1);
    }

    proptest! {
        /// Whatever comes, whatever the clock does, and however often we are restarted.
        #[test]
        fn no_day_has_more_pages_than_it_may(
            steps in prop::collection::vec(
                (0_u64..200, -400_i64..400, 0_u8..4, any::<bool>(), any::<bool>()), 1..600),
            pages_max in 0_u64..4,
        ) {
            let settings = BudgetSettings { pages_max, ..BudgetSettings::default() };
            let mut budget = Budget::new(settings);
            let mut paged: BTreeMap<i64, BTreeSet<(u64, u64)>> = BTreeMap::new();
            let mut spells: BTreeMap<u64, u64> = BTreeMap::new();
            let mut first: BTreeSet<(u64, u64)> = BTreeSet::new();
            for (number, day, gravity, over, restart) in steps {
                // Half of the steps stay near one day, so that days fill up.
                let day = if restart { day } else { day % 3 };
                let gravity = [Gravity::Info, Gravity::Warning, Gravity::Error, Gravity::Critical]
                    [usize::from(gravity)];
                let mut told = incident(number, gravity);
                if over {
                    told.state = IncidentState::Resolved;
                    *spells.entry(number).or_default() += 1;
                }
                let now = Timestamp::ZERO.plus(DAY * u32::try_from(day + 400).unwrap());
                budget.decide(&mut told, day, now);
                let spell = (number, spells.get(&number).copied().unwrap_or_default());
                if !over && told.route.pages && first.insert(spell) && gravity != Gravity::Critical {
                    paged.entry(day).or_default().insert(spell);
                }
                if restart {
                    let bytes = postcard::to_allocvec(&budget).unwrap();
                    let restored: Budget = postcard::from_bytes(&bytes).unwrap();
                    prop_assert_eq!(&restored, &budget);
                    budget = restored;
                    budget.digests(|_| day, now);
                }
            }
            for (day, paged) in paged {
                prop_assert!(paged.len() as u64 <= pages_max, "{} on day {}", paged.len(), day);
            }
        }
    }
}
