//! Silences and maintenance windows: who asked not to be told of what, when, and why.
//!
//! Nothing is forgotten on their account: what they mute is tracked as ever, and is told when they end
//! and it is still there ([`Silences::next_change`]).

mod cron;
mod entry;
mod matcher;
mod schedule;
mod stale;
mod subject;
mod team;
mod window;
mod zone;

#[cfg(test)]
mod tests;

use std::fmt;

pub use entry::{LASTS_MAX, MATCHERS_MAX, SILENCES_MAX, Silence, SilenceError, check_matchers};
pub use matcher::{Matcher, MatcherError, Op};
pub use schedule::{ONCE_MAX, OPEN_MAX, Schedule, ScheduleError, Stretch, clock};
pub use stale::{StaleAfter, Warning, Watch, Why};
pub use subject::{LABELS, Labels, Subject};
pub use team::{Day, TEAMS_MAX, Team, Teams};
pub use window::{Mode, WINDOWS_MAX, Window, WindowError};
pub use zone::{MomentError, Zone, ZoneError};

use crate::core::record::Timestamp;

/// All silences and windows there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Silences {
    silences: Vec<Silence>,
    windows: Vec<Window>,
}

/// What silences and windows say about a subject at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What mutes all of it, if anything does: of several the one that lasts longest.
    pub muted_by: Option<By>,
    /// Whether nothing is to be learned from it.
    pub no_learn: bool,
    /// All that is for it or for a part of it, silences first, each once.
    pub matched: Vec<By>,
}

/// A silence or a window, as a verdict names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Whether it is a silence or a window.
    pub sort: Sort,
    /// The id of the silence or the name of the window.
    pub name: Box<str>,
    /// Whose silence, and why.
    pub owner_and_reason: Option<(Box<str>, Box<str>)>,
    /// Until when.
    pub until: Timestamp,
    /// What is not done.
    pub mode: Mode,
}

/// A silence or a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A silence.
    Silence,
    /// A window.
    Window,
}

impl Silences {
    /// These silences and windows. Of silences with one id the first counts, and no more than
    /// [`SILENCES_MAX`] and [`WINDOWS_MAX`] are kept.
    pub fn new(silences: impl IntoIterator<Item = Silence>, mut windows: Vec<Window>) -> Self {
        let mut kept: Vec<Silence> = Vec::new();
        for silence in silences {
            if kept.len() < SILENCES_MAX && kept.iter().all(|other| other.id != silence.id) {
                kept.push(silence);
            }
        }
        windows.truncate(WINDOWS_MAX);
        Self {
            silences: kept,
            windows,
        }
    }

    /// The silences, also those that are over.
    pub fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// The windows.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// What they say about `subject` at `now`.
    pub fn verdict(&self, subject: &Subject<'_>, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::default();
        let mut whole: Option<By> = None;
        let mut is_all_muted = !subject.facets.is_empty();
        for labels in &subject.facets {
            let found = self.matching(labels, now);
            verdict.no_learn |= found.iter().any(|by| by.mode.stops_learning());
            let muting = found.iter().filter(|by| by.mode.mutes());
            let longest =
                muting.reduce(|one, other| if other.until > one.until { other } else { one });
            match (longest, &mut whole) {
                (None, _) => is_all_muted = false,
                (Some(by), None) => whole = Some(by.clone()),
                // It is muted as a whole for as long as each part is.
                (Some(by), Some(first)) => first.until = first.until.min(by.until),
            }
            for by in found {
                if !verdict.matched.contains(&by) {
                    verdict.matched.push(by);
                }
            }
        }
        verdict.matched.sort_by_key(|by| by.sort);
        verdict.muted_by = whole.filter(|_| is_all_muted);
        verdict
    }

    /// The next moment after `now` at which a verdict may differ; `None` where none comes. What is muted
    /// is to be looked at again then.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let running = self.silences.iter().filter(|silence| !silence.is_over(now));
        let ends = running.map(|silence| silence.expires);
        let turns = self.windows.iter().filter_map(|window| {
            let stretch = window.schedule.stretch(now)?;
            Some(if stretch.holds(now) {
                stretch.until
            } else {
                stretch.from
            })
        });
        ends.chain(turns).min()
    }

    fn matching(&self, labels: &Labels<'_>, now: Timestamp) -> Vec<By> {
        let silences = self.silences.iter().filter(|silence| !silence.is_over(now));
        let silences = silences.filter(|silence| labels.fit(&silence.matchers));
        let windows = self
            .windows
            .iter()
            .filter(|window| window.schedule.is_open(now));
        let windows = windows.filter(|window| labels.fit(&window.matchers));
        let windows = windows.filter_map(|window| By::window(window, now));
        silences.map(By::from).chain(windows).collect()
    }
}

impl From<&Silence> for By {
    fn from(silence: &Silence) -> Self {
        Self {
            sort: Sort::Silence,
            name: silence.id.clone(),
            owner_and_reason: Some((silence.owner.clone(), silence.reason.clone())),
            until: silence.expires,
            mode: Mode::Mute,
        }
    }
}

impl By {
    fn window(window: &Window, now: Timestamp) -> Option<Self> {
        Some(Self {
            sort: Sort::Window,
            name: window.name.clone(),
            owner_and_reason: None,
            until: window.schedule.stretch(now)?.until,
            mode: window.mode,
        })
    }
}

impl fmt::Display for By {
    /// `silence 3f9a2c01 of ana (INC-12, fixed in 2.9.8)` or `window backup`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner_and_reason {
            Some((owner, reason)) => {
                let short = self.name.get(..8).unwrap_or(&self.name);
                write!(f, "silence {short} of {owner} ({reason})")
            }
            None => write!(f, "window {}", self.name),
        }
    }
}
