//! Silences and maintenance windows: who asked not to be told of what, when, and why.
//!
//! Nothing is forgotten on their account: what they mute is tracked as ever, and is told when they end
//! and it is still there ([`Silences::next_change`]).

mod cron;
mod entry;
mod freeze;
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
pub use freeze::{FOREIGN_LABELS, frozen};
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
        let facets = &subject.facets;
        // For each facet, what mutes it for longest.
        let mut muting: Vec<Option<&By>> = vec![None; facets.len()];
        let matched: Vec<(By, Vec<bool>)> = self.matching(facets, now).collect();
        for (by, fits) in matched.iter().filter(|(by, _)| by.mode.mutes()) {
            for (longest, _) in muting.iter_mut().zip(fits).filter(|(_, fits)| **fits) {
                if longest.is_none_or(|longest| by.until > longest.until) {
                    *longest = Some(by);
                }
            }
        }
        let all: Option<Vec<&By>> = muting.into_iter().collect();
        // It is muted as a whole for as long as each part is.
        let until = all.iter().flatten().map(|by| by.until).min();
        let first = all.and_then(|all| all.first().copied().cloned());
        let muted_by = first.zip(until).map(|(by, until)| By { until, ..by });
        let matched: Vec<By> = matched.into_iter().map(|(by, _)| by).collect();
        Verdict {
            muted_by,
            no_learn: matched.iter().any(|by| by.mode.stops_learning()),
            matched,
        }
    }

    /// A window that is open, whatever it is about.
    pub fn open_window(&self, now: Timestamp) -> Option<By> {
        let mut windows = self.windows.iter();
        windows.find_map(|window| By::window(window, now))
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

    /// What is for at least one of the facets, silences first, and for which of them it is. Whether a
    /// window is open is asked last, and once: it takes a look at the calendar.
    fn matching(
        &self,
        facets: &[Labels<'_>],
        now: Timestamp,
    ) -> impl Iterator<Item = (By, Vec<bool>)> {
        let fits = move |matchers: &[Matcher]| {
            let fits: Vec<bool> = facets.iter().map(|labels| labels.fit(matchers)).collect();
            fits.contains(&true).then_some(fits)
        };
        let silences = self
            .silences
            .iter()
            .filter(move |silence| !silence.is_over(now));
        let silences =
            silences.filter_map(move |silence| Some((By::from(silence), fits(&silence.matchers)?)));
        let windows = self.windows.iter().filter_map(move |window| {
            let fits = fits(&window.matchers)?;
            Some((By::window(window, now)?, fits))
        });
        silences.chain(windows)
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
    /// A window, where it is open.
    fn window(window: &Window, now: Timestamp) -> Option<Self> {
        if !window.schedule.is_open(now) {
            return None;
        }
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
