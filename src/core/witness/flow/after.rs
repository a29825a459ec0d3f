//! What comes after one template.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FlowBreak, Heard};
use crate::core::record::{TemplateId, Timestamp};
use crate::core::witness::Finding;
use crate::core::witness::restless::Bursts;
use crate::core::witness::share::Share;

/// Most followers of a template that are told apart.
const FOLLOWERS_MAX: usize = 24;
/// Nothing is said of a template before so many of it were learned …
const LEARNED_MIN: u64 = 12;
/// … nor before so many are there to be judged.
const JUDGED_MIN: u64 = 4;
/// What comes in at least this share of the cases always comes.
const ALWAYS: f64 = 0.9;
/// What comes in at most this share never comes.
const NEVER: f64 = 0.1;
/// What differs in fewer of the cases is not told: one odd request is not an incident.
const DIFFERENCE_MIN: f64 = 0.25;
/// Surprises of so many nats are told.
const TOLD_NATS: f64 = 12.0;
/// What is broken for less long is over before anybody could look.
const LASTS_MIN: Duration = Duration::from_secs(20);
/// A break that goes on is told again so often.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// What is broken for so many stretches is how things are now.
const ACCEPTED_AFTER: u32 = 60;
/// When so many cases were learned, all counts are halved: what was long ago counts less.
const CASES_MAX: u64 = 100_000;

/// The followers of one template, or of the beginning of a trace.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct After {
    past: u64,
    now: u64,
    followers: Vec<Follower>,
    told: Option<Duration>,
    /// The first case that showed what is broken, over all stretches that it lasts.
    since: Option<Heard>,
    is_broken: bool,
    broken_stretches: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Follower {
    /// `None` is the end of the trace.
    then: Option<TemplateId>,
    past: u64,
    now: u64,
    bursts: Bursts,
    /// It always comes, by what was learned until this stretch.
    is_always: bool,
    odd: Option<Odd>,
}

/// The cases of now that break the habit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Odd {
    first: Heard,
    last: Timestamp,
}

impl After {
    /// Counts a case: the record `heard` is `then`, or the last one where nothing comes any more.
    pub(super) fn count(&mut self, then: Option<TemplateId>, heard: Heard) {
        self.now += 1;
        let is_learned = self.past >= LEARNED_MIN;
        let mut is_known = false;
        for follower in &mut self.followers {
            if follower.then == then {
                is_known = true;
                follower.now += 1;
                if is_learned && Share::new(follower.past, self.past).ratio() <= NEVER {
                    follower.see(heard);
                }
            } else if follower.is_always {
                follower.see(heard);
            }
        }
        if !is_known && self.followers.len() < FOLLOWERS_MAX {
            let mut follower = Follower {
                then,
                past: 0,
                now: 1,
                bursts: Bursts::default(),
                is_always: false,
                odd: None,
            };
            follower.see(heard);
            self.followers.push(follower);
        }
    }

    /// The gravest break, where it is due to be told.
    pub(super) fn judge(
        &mut self,
        after: Option<TemplateId>,
        uptime: Duration,
    ) -> Option<FlowBreak> {
        if self.past < LEARNED_MIN || self.now < JUDGED_MIN {
            return None;
        }
        let judged = self.followers.iter().filter_map(|follower| {
            let (past, now) = (
                Share::new(follower.past, self.past),
                Share::new(follower.now, self.now),
            );
            let fell = past.ratio() >= ALWAYS && past.ratio() - now.ratio() >= DIFFERENCE_MIN;
            let rose = past.ratio() <= NEVER && now.ratio() >= DIFFERENCE_MIN;
            let weight = follower.bursts.surprise(now, past);
            ((fell || rose) && weight >= TOLD_NATS).then_some((follower, weight, fell))
        });
        // What stays away is told before what comes in its place, which is named with it.
        let most = judged.max_by(|a, b| a.2.cmp(&b.2).then(a.1.total_cmp(&b.1)));
        let (follower, weight, _) = most?;
        let odd = follower.odd?;
        self.is_broken = true;
        let first = *self.since.get_or_insert(odd.first);
        if odd.last.since(first.time) < LASTS_MIN {
            return None;
        }
        let is_due = self
            .told
            .is_none_or(|told| uptime.saturating_sub(told) >= TOLD_EVERY);
        is_due.then(|| self.told = Some(uptime))?;
        Some(FlowBreak {
            after,
            then: follower.then,
            before: (follower.past, self.past),
            now: (follower.now, self.now),
            instead: self.instead(follower),
            weight: weight.min(Finding::WEIGHT_MAX),
            first_seen: first.time,
            last_seen: odd.last,
            trace: first.trace,
            place: first.place,
        })
    }

    /// Ends a stretch: learns from it unless a habit was broken in it.
    pub(super) fn fold(&mut self, learns_all: bool) {
        self.broken_stretches = if self.is_broken {
            self.broken_stretches + 1
        } else {
            0
        };
        if learns_all || !self.is_broken || self.broken_stretches >= ACCEPTED_AFTER {
            let is_known = self.past >= LEARNED_MIN && self.now >= JUDGED_MIN;
            for follower in self.followers.iter_mut().filter(|_| is_known) {
                let now = Share::new(follower.now, self.now);
                follower
                    .bursts
                    .learn(now, Share::new(follower.past, self.past));
            }
            self.past += self.now;
            for follower in &mut self.followers {
                follower.past += follower.now;
            }
            if self.past > CASES_MAX {
                self.past /= 2;
                self.followers
                    .iter_mut()
                    .for_each(|follower| follower.past /= 2);
            }
            self.told = None;
            self.since = None;
        }
        self.next_stretch();
    }

    /// Forgets what goes on.
    pub(super) fn rest(&mut self) {
        self.told = None;
        self.since = None;
        self.broken_stretches = 0;
        self.next_stretch();
    }

    fn next_stretch(&mut self) {
        self.now = 0;
        self.is_broken = false;
        self.followers.retain(|follower| follower.past > 0);
        for follower in &mut self.followers {
            follower.now = 0;
            follower.odd = None;
            let share = Share::new(follower.past, self.past);
            follower.is_always = self.past >= LEARNED_MIN && share.ratio() >= ALWAYS;
        }
    }

    /// Gives the counts of a follower to the one it became.
    pub(super) fn rename(&mut self, from: TemplateId, to: TemplateId) {
        let Some(place) = self.followers.iter().position(|one| one.then == Some(from)) else {
            return;
        };
        let old = self.followers.swap_remove(place);
        self.add(Follower {
            then: Some(to),
            ..old
        });
    }

    /// Takes the counts of `other`.
    pub(super) fn absorb(&mut self, other: &mut Self) {
        self.past += other.past;
        self.now += other.now;
        for follower in other.followers.drain(..) {
            self.add(follower);
        }
    }

    fn add(&mut self, new: Follower) {
        let known = self.followers.iter_mut().find(|one| one.then == new.then);
        if let Some(known) = known {
            known.past += new.past;
            known.now += new.now;
        } else if self.followers.len() < FOLLOWERS_MAX {
            self.followers.push(new);
        }
    }

    /// What comes more often now than it did, and most often.
    fn instead(&self, broken: &Follower) -> Option<TemplateId> {
        let more = self.followers.iter().filter(|one| {
            let (past, now) = (
                Share::new(one.past, self.past),
                Share::new(one.now, self.now),
            );
            one.then != broken.then && now.ratio() > past.ratio()
        });
        more.max_by_key(|one| (one.now, one.then))
            .and_then(|one| one.then)
    }
}

impl Follower {
    fn see(&mut self, heard: Heard) {
        let odd = self.odd.get_or_insert(Odd {
            first: heard,
            last: heard.time,
        });
        odd.last = odd.last.max(heard.time);
        if heard.time < odd.first.time {
            odd.first = heard;
        }
    }
}
