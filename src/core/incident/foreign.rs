//! Which alerts of other systems are worth an incident, and which are always there.
//!
//! Nothing is known beforehand of any name, and nothing is looked at that comes later.
//!
//! 1. **Surprise.** What came twice in three days, by its name and at its service, is usual; what came
//!    less often is surprising by the logarithm of how much less often. A rate is taken for half a time
//!    more than was counted (Jeffreys' prior of a Poisson rate), so that what never came may come.
//! 2. **Bursts.** Surprises that come close together are one [`Burst`]; its surprise is their sum.
//! 3. **How seldom.** A burst is worth what its rank among those of the last three days is worth: how
//!    many a day were as surprising. No threshold on the surprise itself could hold for every network.
//! 4. **Trouble comes in company.** What opens an incident by itself ([`CALM`]) makes
//!    [`ALERT`] a day enough for an hour. Where something goes on already, a burst is another matter
//!    only if it is nearly as seldom ([`OTHER`]); else it is more of the same.
//! 5. **The day's budget** is bounded; the last one is kept for what is seldom by itself (Littlewood's
//!    rule of protected capacity).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::burst::Burst;
use super::clock::Moment;
use crate::core::event::Sign;
use crate::core::record::StreamKey;

/// As often as this, in a day, something may come and still open an incident: twice in three days.
const CALM: f64 = 2.0 / 3.0;
/// The same where something goes on already.
const OTHER: f64 = 2.0;
/// The same elsewhere, shortly after something seldom: one an hour.
const ALERT: f64 = 24.0;
/// How long it counts that there was something seldom.
const ALERT_FOR: Duration = Duration::from_hours(1);
/// Of a day's incidents, so many are kept for what is seldom by itself.
const KEPT: usize = 1;
/// What comes so often in [`PAST`] is usual.
const USUAL: f64 = 2.0;
/// Alerts of one name and service that come within this of each other are one spell.
const SPELL_GAP: Duration = Duration::from_mins(10);
/// Until then everything is new, and nothing is told.
const LEARNING: Duration = Duration::from_hours(24);
/// What is past: the latest hours are left out, so that a trouble does not get usual while it lasts.
const LATEST: Duration = Duration::from_hours(6);
/// How far back the past goes.
const PAST: Duration = Duration::from_hours(72);
const DAY: Duration = Duration::from_hours(24);

/// What is known of other systems' alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Foreign {
    began: Option<Moment>,
    names: BTreeMap<Box<str>, Name>,
    /// Bursts: when, and how surprising.
    past: VecDeque<(Moment, f64)>,
    /// The one that gathers.
    pub(super) burst: Option<Burst>,
    /// When there was something seldom.
    alert: Option<Moment>,
    /// The day that it is, and how many incidents were opened in it.
    today: (u64, usize),
    /// The incident that gathers what is surprising and opens none, and its day.
    pub(super) rest: Option<(u64, u64)>,
}

/// What is known of the alerts of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Name {
    spells: u64,
    last: Moment,
    services: BTreeMap<StreamKey, (u64, Moment)>,
}

/// What becomes of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It opens an incident.
    Opens,
    /// It is more of what goes on at its services.
    Joins,
    /// It is unusual, but no more than others were: the day's remaining incident has it.
    Rest,
    /// Everything is new yet, or no incident may be opened.
    Nothing,
}

impl Foreign {
    /// Most names that are known.
    const NAMES_MAX: usize = 4_096;
    /// Most services that are known of a name.
    const SERVICES_MAX: usize = 1_024;
    /// Most bursts that are remembered.
    const PAST_MAX: usize = 4_096;

    /// Notes an alert that came at `now`. How surprising it is, in nats; 0 if it is usual or its spell
    /// goes on.
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
        let known = now.since(began).max(Duration::from_hours(1));
        let name = self.names.entry(sign.kind.clone()).or_default();
        name.hear(&sign.stream, now, PAST.div_duration_f64(known))
    }

    /// What becomes of a burst; `goes_on` says that something goes on at its services. At most
    /// `opened_max` incidents are opened in a day.
    pub(super) fn judge(&mut self, burst: &Burst, goes_on: bool, opened_max: usize) -> Verdict {
        let now = burst.began();
        let daily = self.as_surprising(burst);
        if self.past.len() >= Self::PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back((burst.began(), burst.surprise()));
        let today = self.day(now);
        if self.today.0 != today {
            self.today = (today, 0);
        }
        let is_seldom = daily <= CALM;
        let alert = self.alert.is_some_and(|at| now.since(at) <= ALERT_FOR);
        if is_seldom {
            self.alert = Some(now);
        }
        // The day's remaining incident counts too.
        let left = opened_max.saturating_sub(1 + self.today.1);
        let may_open = match goes_on {
            true => daily <= OTHER && burst.is_of_one_service(),
            false => is_seldom || alert && daily <= ALERT && left > KEPT,
        };
        if may_open && left > 0 {
            self.today.1 += 1;
            return Verdict::Opens;
        }
        match goes_on {
            true => Verdict::Joins,
            false if daily.is_finite() && opened_max > 0 => Verdict::Rest,
            false => Verdict::Nothing,
        }
    }

    /// The day that it is, counted from the first alert.
    pub(super) fn day(&self, now: Moment) -> u64 {
        let known = self.began.map_or(Duration::ZERO, |began| now.since(began));
        known.as_secs() / DAY.as_secs()
    }

    /// How many bursts a day were as surprising as this, itself included. A day in which there was no
    /// other is taken to have gone before. Without bound while everything is new.
    fn as_surprising(&self, burst: &Burst) -> f64 {
        let Some(learned) = self.began.map(|began| began.plus(LEARNING)) else {
            return f64::INFINITY;
        };
        let until = burst.last();
        let known = until.since(learned);
        if known < LATEST {
            return f64::INFINITY;
        }
        let days = known.saturating_sub(LATEST).min(PAST).div_duration_f64(DAY);
        let is_past =
            |at: Moment| at >= learned && until.since(at) >= LATEST && until.since(at) <= PAST;
        let past = self.past.iter().filter(|(at, _)| is_past(*at));
        let as_much = past.filter(|(_, other)| *other >= burst.surprise());
        (as_much.count() + 1) as f64 / (days + 1.0)
    }
}

impl Name {
    /// Counts an alert; `scale` makes of what was counted what comes in [`PAST`].
    fn hear(&mut self, stream: &StreamKey, now: Moment, scale: f64) -> f64 {
        let (here, last) = self.services.get(stream).copied().unwrap_or_default();
        let goes_on = |spells: u64, last: Moment| spells > 0 && now.since(last) < SPELL_GAP;
        let here_goes_on = goes_on(here, last);
        let surprise = if here_goes_on {
            0.0
        } else {
            self.surprise(here, scale)
        };
        if !goes_on(self.spells, self.last) {
            self.spells += 1;
        }
        self.last = now;
        if here > 0 || self.services.len() < Foreign::SERVICES_MAX {
            let here = here + u64::from(!here_goes_on);
            self.services.insert(stream.clone(), (here, now));
        }
        surprise
    }

    /// How surprising a spell is at a service where there were so many: how seldom its name comes at
    /// all, and how seldom it comes from here.
    fn surprise(&self, here: u64, scale: f64) -> f64 {
        let (spells, here) = (self.spells as f64 * scale, here as f64 * scale);
        let seldom = ((USUAL + 0.5) / (spells + 0.5)).ln();
        let of_all = spells + 0.5 * self.services.len() as f64;
        let not_here = match self.spells {
            0 => 0.0,
            _ => (of_all / (here + 0.5)).ln(),
        };
        (seldom + not_here.max(0.0)).max(0.0)
    }
}
