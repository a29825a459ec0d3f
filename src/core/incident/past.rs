//! What is known of troubles that are over: how often they came, how long they lasted, what helped, and
//! which of them are normal.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::{Moment, When};
use crate::core::event::{Before, Done, Gravity};
use crate::core::record::Timestamp;

/// What is remembered, by fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    known: BTreeMap<Box<str>, Recurrent>,
    normal: BTreeMap<Box<str>, Normal>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Recurrent {
    times: u64,
    last: Timestamp,
    spells: VecDeque<Spell>,
    done: Vec<Done>,
}

/// One time that it was there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Spell {
    began: Moment,
    lasted: Duration,
}

/// What somebody said is normal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Normal {
    gravity: Gravity,
    /// Signs in an hour that are normal.
    hourly: f64,
    hour: Moment,
    in_hour: u64,
    since: Moment,
}

/// An incident that is over.
pub(super) struct Over<'a> {
    pub(super) fingerprint: &'a str,
    pub(super) began: When,
    pub(super) lasted: Duration,
    /// What was done, and whether it helped.
    pub(super) done: &'a [(Box<str>, bool)],
}

impl Past {
    /// Most fingerprints that are remembered.
    pub(super) const KNOWN_MAX: usize = 10_000;
    /// Most kinds of sign that are remembered as normal.
    pub(super) const NORMAL_MAX: usize = 10_000;
    /// Most spells that are remembered of one.
    const SPELLS_MAX: usize = 32;
    /// Most actions that are remembered of one.
    const DONE_MAX: usize = 16;
    /// What counts as of late.
    const WEEK: Duration = Duration::from_hours(7 * 24);
    /// So many times as often as what is normal is not normal.
    const TOO_OFTEN: f64 = 3.0;

    /// Whether a trouble was there before.
    pub(super) fn knows(&self, fingerprint: &str) -> bool {
        self.known.contains_key(fingerprint)
    }

    /// What is known of the times before; `None` if there were none.
    pub(super) fn before(&self, fingerprint: &str) -> Option<Before> {
        let recurrent = self.known.get(fingerprint)?;
        let mut done = recurrent.done.clone();
        done.sort_by(|a, b| (b.times, b.helped, &a.action).cmp(&(a.times, a.helped, &b.action)));
        done.truncate(Before::DONE_MAX);
        Some(Before {
            times: recurrent.times,
            last: Some(recurrent.last),
            usually_lasts: recurrent.quantile(0.5),
            done,
        })
    }

    /// How often it came in the seven days before `now`.
    pub(super) fn of_late(&self, fingerprint: &str, now: Moment) -> u64 {
        let spells = self.known.get(fingerprint).map(|known| &known.spells);
        let late = |spell: &&Spell| now.since(spell.began) <= Self::WEEK;
        spells.map_or(0, |spells| spells.iter().filter(late).count() as u64)
    }

    /// How long 95 % of the times lasted at most.
    pub(super) fn mostly_lasted(&self, fingerprint: &str) -> Duration {
        let recurrent = self.known.get(fingerprint);
        recurrent
            .and_then(|recurrent| recurrent.quantile(0.95))
            .unwrap_or_default()
    }

    /// Remembers an incident that is over.
    pub(super) fn learn(&mut self, over: &Over<'_>) {
        if self.known.len() >= Self::KNOWN_MAX && !self.knows(over.fingerprint) {
            let longest_ago = self
                .known
                .iter()
                .min_by_key(|(name, known)| (known.began(), *name));
            if let Some(name) = longest_ago.map(|(name, _)| name.clone()) {
                self.known.remove(&name);
            }
        }
        let recurrent = self.known.entry(over.fingerprint.into()).or_default();
        recurrent.times += 1;
        recurrent.last = over.began.time;
        if recurrent.spells.len() >= Self::SPELLS_MAX {
            recurrent.spells.pop_front();
        }
        recurrent.spells.push_back(Spell {
            began: over.began.moment,
            lasted: over.lasted,
        });
        for (action, helped) in over.done {
            recurrent.did(action, *helped);
        }
    }

    /// Takes a kind of sign for normal, as grave and as frequent as it was.
    pub(super) fn accept(&mut self, key: &str, gravity: Gravity, hourly: f64, now: Moment) {
        if self.normal.len() >= Self::NORMAL_MAX && !self.normal.contains_key(key) {
            let oldest = self
                .normal
                .iter()
                .min_by_key(|(name, normal)| (normal.since, *name));
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.normal.remove(&name);
            }
        }
        let normal = Normal {
            gravity,
            hourly,
            hour: now,
            in_hour: 0,
            since: now,
        };
        self.normal.insert(key.into(), normal);
    }

    /// Whether a sign is one of those that are normal, and no graver and no more frequent than that.
    pub(super) fn is_normal(&mut self, key: &str, gravity: Gravity, now: Moment) -> bool {
        let Some(normal) = self.normal.get_mut(key) else {
            return false;
        };
        if now.since(normal.hour) >= Duration::from_hours(1) {
            (normal.hour, normal.in_hour) = (now, 0);
        }
        normal.in_hour += 1;
        gravity <= normal.gravity && normal.in_hour as f64 <= Self::TOO_OFTEN * normal.hourly
    }
}

impl Recurrent {
    fn began(&self) -> Option<Moment> {
        self.spells.back().map(|spell| spell.began)
    }

    fn quantile(&self, share: f64) -> Option<Duration> {
        let mut lasted: Vec<Duration> = self.spells.iter().map(|spell| spell.lasted).collect();
        lasted.sort_unstable();
        let place = (share * (lasted.len().saturating_sub(1)) as f64).round();
        lasted.get(place as usize).copied()
    }

    fn did(&mut self, action: &str, helped: bool) {
        let known = self.done.iter_mut().find(|done| *done.action == *action);
        if let Some(done) = known {
            done.times += 1;
            done.helped += u64::from(helped);
        } else if self.done.len() < Past::DONE_MAX {
            self.done.push(Done {
                action: action.into(),
                times: 1,
                helped: u64::from(helped),
            });
        }
    }
}
