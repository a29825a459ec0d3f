//! Silences that outlived their reason.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Silence, Silences, Sort, Verdict};
use crate::core::record::Timestamp;

/// Something that the owner of a silence should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The silence.
    pub silence: Silence,
    /// What is to be known.
    pub why: Why,
    /// The same in one sentence. Owner and reason are as somebody wrote them: untrusted.
    pub says: Box<str>,
}

/// What the owner of a silence should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It ends soon.
    EndsSoon,
    /// It is over, and may be taken out of the file.
    Over,
    /// It has muted nothing for long.
    Unused,
    /// Nobody is known by the name of its owner.
    OwnerGone,
}

/// When silences are stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleAfter {
    /// Having muted nothing for so long.
    pub unused: Duration,
    /// So long before they end.
    pub ends_soon: Duration,
}

impl Default for StaleAfter {
    fn default() -> Self {
        Self {
            unused: 7 * DAY,
            ends_soon: DAY,
        }
    }
}

/// Remembers what silences muted and what was told of them. Kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    known: BTreeMap<Box<str>, Known>,
    /// When it last looked.
    looked: Timestamp,
}

/// How often the same thing is told of a silence.
const DAY: Duration = Duration::from_secs(86_400);
/// The most that passes between two looks: beyond it the clock was put forward, or nobody looked.
const LOOK_MAX: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// How long it has muted nothing.
    unused: Duration,
    told: BTreeMap<Why, Timestamp>,
}

impl Watch {
    /// Notes what a verdict rests on.
    pub fn note(&mut self, verdict: &Verdict) {
        let matched = verdict.matched.iter();
        for by in matched.filter(|by| by.sort == Sort::Silence) {
            if let Some(known) = self.known.get_mut(&by.name) {
                known.unused = Duration::ZERO;
            }
        }
    }

    /// What is to be told of `silences` at `now`: the same thing once a day, and of one that is over
    /// once. To be called every few minutes; what is not in `silences` any more is forgotten.
    pub fn look(
        &mut self,
        silences: &Silences,
        now: Timestamp,
        after: StaleAfter,
        is_known: impl Fn(&str) -> bool,
    ) -> Vec<Warning> {
        let silences = silences.silences();
        let is_there = |id: &str| silences.iter().any(|silence| *silence.id == *id);
        self.known.retain(|id, _| is_there(id));
        let passed = now.since(self.looked).min(LOOK_MAX);
        self.looked = now;
        let mut warnings = Vec::new();
        for silence in silences {
            let known = match self.known.get_mut(&silence.id) {
                Some(known) => {
                    known.unused += passed;
                    known
                }
                None => self.known.entry(silence.id.clone()).or_default(),
            };
            let is_over = silence.is_over(now);
            let ends_soon = silence.expires.since(now) <= after.ends_soon;
            let checks = [
                (Why::Over, is_over),
                (Why::EndsSoon, !is_over && ends_soon),
                (Why::Unused, !is_over && known.unused >= after.unused),
                (Why::OwnerGone, !is_over && !is_known(&silence.owner)),
            ];
            for (why, _) in checks.into_iter().filter(|(_, is_so)| *is_so) {
                warnings.extend(known.tell(why, silence, now));
            }
        }
        warnings
    }
}

impl Known {
    fn tell(&mut self, why: Why, silence: &Silence, now: Timestamp) -> Option<Warning> {
        let is_news = self.told.get(&why).is_none_or(|told| {
            // Either way round: the clock may have been put back since.
            why != Why::Over && now.since(*told).max(told.since(now)) >= DAY
        });
        is_news.then(|| {
            self.told.insert(why, now);
            Warning {
                silence: silence.clone(),
                why,
                says: sentence(why, silence, self.unused, now),
            }
        })
    }
}

fn sentence(why: Why, silence: &Silence, unused: Duration, now: Timestamp) -> Box<str> {
    let short = silence.id.get(..8).unwrap_or(&silence.id);
    let (owner, reason) = (&silence.owner, &silence.reason);
    let what = match why {
        Why::EndsSoon => {
            let hours = silence.expires.since(now).as_secs().div_ceil(3_600);
            format!("ends within {hours} h; what is still wrong then will be told")
        }
        Why::Over => "is over and can be taken out of the file".to_owned(),
        Why::Unused => {
            let days = unused.as_secs() / 86_400;
            format!("has muted nothing for {days} days; it can probably go")
        }
        Why::OwnerGone => {
            format!("belongs to {owner}, whom nobody knows here; give it another owner")
        }
    };
    format!("silence {short} of {owner} ({reason}) {what}").into()
}
