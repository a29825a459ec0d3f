//! Which alerts of other systems are worth an incident, and which are always there.
//!
//! Alerts that come close together are one burst. The surprise of a burst is the sum over what it is
//! made of: how seldom alerts of this name come at all, and how seldom they come from this service. A
//! burst opens an incident if ones as surprising came at most [`CALM`] a day of late. Trouble comes in
//! company: for [`ALERT_FOR`] after the most surprising there ever is, [`ALERT`] a day are enough.
//! Nothing is known beforehand of any name, and nothing is looked at that comes later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::{Moment, When};
use crate::core::event::Sign;
use crate::core::record::StreamKey;

/// As often as this, in a day, something may come and still open an incident.
const CALM: f64 = 1.5;
/// The same, shortly after something very surprising: one an hour.
const ALERT: f64 = 24.0;
/// What comes less often than this, in a day, is very surprising.
const VERY: f64 = 0.6;
/// How long it counts that there was something very surprising.
const ALERT_FOR: Duration = Duration::from_hours(1);
/// A burst is over when nothing surprising came for so long.
const BURST_GAP: Duration = Duration::from_secs(10);
/// Alerts of one name and service that come within this of each other are one spell.
const SPELL_GAP: Duration = Duration::from_mins(10);
/// Until then everything is new, and nothing is told.
const LEARNING: Duration = Duration::from_hours(24);
/// What is past: the latest hours are left out, so that a trouble does not get usual while it lasts.
const LATEST: Duration = Duration::from_hours(6);
/// How far back the past goes.
const PAST: Duration = Duration::from_hours(72);
/// Less surprise than this, in nats, is none: it comes several times an hour, or from everywhere.
const SURPRISE_MIN: f64 = 1.0;

/// What is known of other systems' alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Foreign {
    began: Option<Moment>,
    names: BTreeMap<Box<str>, Name>,
    /// Bursts: when, and how surprising.
    past: VecDeque<(Moment, f64)>,
    burst: Option<Burst>,
    /// When there was something very surprising.
    alert: Option<Moment>,
    /// When incidents were opened.
    opened: VecDeque<Moment>,
}

/// What is known of the alerts of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Name {
    spells: u64,
    last: Moment,
    services: BTreeMap<StreamKey, (u64, Moment)>,
}

/// The surprising alerts that came close together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Burst {
    last: Moment,
    surprise: f64,
    /// What came until it opened an incident.
    signs: Vec<(Arc<Sign>, When)>,
    case: Option<u64>,
}

/// What an alert comes to.
#[derive(Debug)]
pub(super) enum Weighed {
    /// Nothing: it comes anyway.
    Background,
    /// Nothing yet: it counts if its burst opens an incident.
    Waits,
    /// It belongs to the burst that opened this case.
    Joins(u64),
    /// It opens an incident, together with those before it in its burst.
    Opens(Vec<(Arc<Sign>, When)>),
}

impl Foreign {
    /// Most names that are known.
    const NAMES_MAX: usize = 4_096;
    /// Most services that are known of a name.
    const SERVICES_MAX: usize = 1_024;
    /// Most bursts that are remembered.
    const PAST_MAX: usize = 4_096;
    /// Most alerts that are kept of a burst.
    const BURST_MAX: usize = 64;

    /// Notes an alert that came at `now`. How surprising it is, in nats; 0 if its spell goes on.
    pub(super) fn hear(&mut self, sign: &Sign, now: Moment) -> f64 {
        let began = *self.began.get_or_insert(now);
        if self.names.len() >= Self::NAMES_MAX && !self.names.contains_key(&sign.kind) {
            let oldest = self
                .names
                .iter()
                .min_by_key(|(name, known)| (known.last, *name));
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.names.remove(&oldest);
            }
        }
        let hours = (now.since(began).as_secs_f64() / 3600.0).max(1.0);
        let name = self.names.entry(sign.kind.clone()).or_default();
        name.hear(&sign.stream, now, hours)
    }

    /// What an alert comes to that is surprising by so much and belongs to nothing that goes on. At
    /// most `opened_max` incidents are opened within a day.
    pub(super) fn weigh(
        &mut self,
        sign: &Arc<Sign>,
        surprise: f64,
        at: When,
        (now, opened_max): (Moment, usize),
    ) -> Weighed {
        if surprise <= SURPRISE_MIN {
            return Weighed::Background;
        }
        self.add(sign, surprise, at, now);
        let Some(surprise) = self.burst.as_ref().map(|burst| burst.surprise) else {
            return Weighed::Waits;
        };
        let daily = self.as_surprising(surprise, now);
        let case = self.burst.as_ref().and_then(|burst| burst.case);
        let is_alert = self
            .alert
            .is_some_and(|alert| now.since(alert) <= ALERT_FOR);
        let may_open = daily <= if is_alert { ALERT } else { CALM };
        while self
            .opened
            .front()
            .is_some_and(|at| now.since(*at) >= LEARNING)
        {
            self.opened.pop_front();
        }
        if case.is_none() && (!may_open || self.opened.len() >= opened_max) {
            return Weighed::Waits;
        }
        if daily <= VERY {
            self.alert = Some(now);
        }
        if let Some(case) = case {
            return Weighed::Joins(case);
        }
        self.opened.push_back(now);
        let signs = self
            .burst
            .as_mut()
            .map(|burst| std::mem::take(&mut burst.signs));
        Weighed::Opens(signs.unwrap_or_default())
    }

    /// The burst that goes on has opened a case.
    pub(super) fn opened(&mut self, case: u64) {
        if let Some(burst) = &mut self.burst {
            burst.case = Some(case);
        }
    }

    /// How many bursts a day were as surprising as this, this one included; no fewer than one in the
    /// whole time that is known. Without bound while everything is new.
    fn as_surprising(&self, surprise: f64, now: Moment) -> f64 {
        let known = self.began.map_or(Duration::ZERO, |began| now.since(began));
        if known < LEARNING {
            return f64::INFINITY;
        }
        let days = known.saturating_sub(LATEST).min(PAST).as_secs_f64() / 86_400.0;
        let is_past = |at: &Moment| now.since(*at) >= LATEST && now.since(*at) <= PAST;
        let past = self.past.iter().filter(|(at, _)| is_past(at));
        let as_much = past.filter(|(_, other)| *other >= surprise).count();
        (as_much + 1) as f64 / days
    }

    fn add(&mut self, sign: &Arc<Sign>, surprise: f64, at: When, now: Moment) {
        let goes_on = |burst: &&mut Burst| now.since(burst.last) <= BURST_GAP;
        let more = surprise - SURPRISE_MIN;
        if let Some(burst) = self.burst.as_mut().filter(goes_on) {
            burst.last = now;
            burst.surprise += more;
            if burst.signs.len() < Self::BURST_MAX {
                burst.signs.push((Arc::clone(sign), at));
            }
            if let Some((_, all)) = self.past.back_mut() {
                *all = burst.surprise;
            }
            return;
        }
        if self.past.len() >= Self::PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back((now, more));
        self.burst = Some(Burst {
            last: now,
            surprise: more,
            signs: vec![(Arc::clone(sign), at)],
            case: None,
        });
    }
}

impl Name {
    fn hear(&mut self, stream: &StreamKey, now: Moment, hours: f64) -> f64 {
        let has_room = self.services.len() < Foreign::SERVICES_MAX;
        let is_new = self.spells == 0;
        let of_all = self.spells as f64 + 0.5 * self.services.len() as f64;
        let (here, last) = self.services.get(stream).copied().unwrap_or_default();
        let goes_on = |spells: u64, last: Moment| spells > 0 && now.since(last) < SPELL_GAP;
        let here_goes_on = goes_on(here, last);
        // Half a time more than it came: what never came may come.
        let seldom = -((self.spells as f64 + 0.5) / hours).ln();
        let not_here = if is_new {
            0.0
        } else {
            -((here as f64 + 0.5) / of_all).ln()
        };
        if !goes_on(self.spells, self.last) {
            self.spells += 1;
        }
        self.last = now;
        if has_room || here > 0 {
            let here = here + u64::from(!here_goes_on);
            self.services.insert(stream.clone(), (here, now));
        }
        if here_goes_on {
            0.0
        } else {
            seldom + not_here.max(0.0)
        }
    }
}
