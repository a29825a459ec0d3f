//! Other systems' alerts find their cases.

use std::sync::Arc;
use std::time::Duration;

use super::burst::Burst;
use super::case::Case;
use super::clock::{Moment, When};
use super::company::is_near;
use super::correlator::Correlator;
use super::foreign::Verdict;
use crate::core::event::{Incident, Relation, Sign};
use crate::core::record::{Severity, StreamKey};
use crate::core::topology::Topology;

/// Something goes on at a service if there was a sign of it within this.
const GOES_ON: Duration = Duration::from_secs(15);

impl Correlator {
    /// How long the incident lasts that gathers a day's unusual alerts.
    pub(super) const REST_LASTS: Duration = Duration::from_hours(24);
    /// Why it does not page.
    pub(super) const REST_WHY: &str =
        "it gathers alerts of a day that are unusual, but no more than others of late";

    /// Another system's alert: it joins what we ourselves see at its service, or what goes on under its
    /// name, if it is of that very service or surprising where it is. Else it opens an incident if its
    /// system calls it an error, or if its burst is worth one. What comes anyway is counted, with an
    /// incident nearby if there is one.
    pub(super) fn alert(&mut self, sign: &Arc<Sign>, topology: &Topology, at: When) -> Option<u64> {
        let now = self.clock.now().moment;
        let surprise = self.foreign.hear(sign, now);
        let home = match surprise > 0.0 {
            true => self.places.home(sign, &self.cases),
            false => self.places.home_here(sign, &self.cases),
        };
        let belongs = home.is_some()
            || sign.severity >= Severity::Error
            || self.returned(sign, at.moment).is_some();
        if belongs {
            return Some(self.join(sign, topology, at));
        }
        if surprise > 0.0 {
            self.gather(sign, surprise, (at, now));
            return None;
        }
        self.accompany(sign, (at, now))
    }

    /// Decides upon the burst that gathers, if it is over.
    pub(super) fn end_burst(&mut self, now: Moment) {
        let burst = self.foreign.burst.as_ref();
        let is_over = burst.is_some_and(|burst| burst.ends() <= now);
        if is_over && let Some(burst) = self.foreign.burst.take() {
            self.decide(burst);
        }
    }

    /// Adds a surprising alert to its burst. It counts as background until that is decided upon.
    fn gather(&mut self, sign: &Arc<Sign>, surprise: f64, (at, now): (When, Moment)) {
        let other = |burst: &mut Burst| !burst.takes(&sign.stream, now);
        if let Some(burst) = self.foreign.burst.take_if(other) {
            self.decide(burst);
        }
        let burst = self.foreign.burst.get_or_insert_with(|| Burst::new(now));
        burst.push(sign, surprise, (at, now));
        self.counts.background += 1;
    }

    /// Counts an alert that comes anyway: with what goes on at its service, or with the latest trouble
    /// of its place, or as background.
    fn accompany(&mut self, sign: &Arc<Sign>, (at, now): (When, Moment)) -> Option<u64> {
        let here = self.places.at_service(sign);
        if let Some(case) = here.and_then(|home| self.cases.get_mut(&home)) {
            case.accompany(sign, at);
            self.counts.joined += 1;
            return here;
        }
        let near = self.trouble_near(&sign.stream, now);
        if let Some(case) = near.and_then(|home| self.cases.get_mut(&home))
            && case.keep_company(sign)
        {
            self.counts.joined += 1;
            return near;
        }
        self.counts.background += 1;
        self.lately.push(sign, now);
        None
    }

    /// The latest trouble of other systems that goes on near a service; the day's remaining incident
    /// if there is none, for as long after its signs as any other would go on.
    fn trouble_near(&self, stream: &StreamKey, now: Moment) -> Option<u64> {
        let is_near = |case: &Case| {
            let mut services = case.parts.keys().take(Incident::PARTS_MAX);
            let goes_on = case.is_live() && now < case.heard.plus(self.quiet_for(case));
            goes_on && !case.is_ours && services.any(|service| is_near(service, stream))
        };
        let near = self.cases.iter().filter(|(_, case)| is_near(case));
        let latest = near.max_by_key(|(key, case)| (!case.is_rest, **key));
        latest.map(|(key, _)| *key)
    }

    fn decide(&mut self, burst: Burst) {
        let goes_on = self.goes_on(&burst);
        let opened_max = self.settings.alert_incidents_max;
        let verdict = self.foreign.judge(&burst, goes_on.is_some(), opened_max);
        let home = match verdict {
            Verdict::Opens => self.open(&burst),
            Verdict::Joins => goes_on,
            Verdict::Rest => self.rest(&burst),
            Verdict::Nothing => None,
        };
        for (sign, at) in &burst.signs {
            if let Some(home) = home {
                self.counts.background = self.counts.background.saturating_sub(1);
                self.put(sign, *at, (home, Relation::Time));
            } else {
                self.lately.push(sign, burst.last());
            }
        }
    }

    /// The latest case of which there was a sign just now where a burst is.
    fn goes_on(&self, burst: &Burst) -> Option<u64> {
        let is_here = |case: &Case| {
            let mut services = burst.services().iter();
            let side = |service| case.parts.get(service).map(|side| side.last);
            services.any(|it| side(it).is_some_and(|last| burst.began().since(last) <= GOES_ON))
        };
        let mut live = self.cases.iter().rev();
        let here = live.find(|(_, case)| case.is_live() && !case.is_rest && is_here(case));
        here.map(|(key, _)| *key)
    }

    /// A case for a burst, with what came near it before.
    fn open(&mut self, burst: &Burst) -> Option<u64> {
        let (sign, at) = burst.signs.first()?;
        let key = match self.cases.len() >= Self::INCIDENTS_LIVE_MAX {
            true => self.crowd(*at).0,
            false => self.begin(*at),
        };
        let case = self.cases.get_mut(&key)?;
        case.opened = case.opened.min(burst.began());
        let moved = self.lately.join(&sign.stream, &mut case.company);
        case.sign_count += moved;
        self.counts.joined += moved;
        self.counts.background = self.counts.background.saturating_sub(moved);
        Some(key)
    }

    /// The case that gathers what was unusual in the day of a burst; none if it was closed.
    fn rest(&mut self, burst: &Burst) -> Option<u64> {
        let today = self.foreign.day(burst.began());
        if let Some((key, _)) = self.foreign.rest.filter(|(_, day)| *day == today) {
            let case = self.cases.get(&key)?;
            return (case.is_live() && case.is_rest).then_some(key);
        }
        if self.cases.len() >= Self::INCIDENTS_LIVE_MAX {
            return None;
        }
        let (_, at) = burst.signs.first()?;
        let key = self.begin(*at);
        self.cases.get_mut(&key)?.is_rest = true;
        self.foreign.rest = Some((key, today));
        Some(key)
    }
}
