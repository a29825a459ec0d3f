//! Silences, windows, teams and the budget of pages: what the file says → what the core asks.

use serde::Deserialize;

use super::check::Finding;
use super::problem::closest;
use super::settings::Settings;
use super::units::Period;
use crate::core::record::Timestamp;
use crate::core::silence::{
    Day, FOREIGN_LABELS, LABELS, Matcher, Mode, SILENCES_MAX, Schedule, Silence, Silences,
    TEAMS_MAX, Team, Teams, WINDOWS_MAX, Window, Zone, check_matchers, clock,
};

/// Somebody does not want to hear of something for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceEntry {
    /// What it is for, as `service="cart"`, with `=`, `!=`, `=~` or `!~`; all of these hold.
    pub matchers: Vec<String>,
    /// Whose it is.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Until when: a date or a time, in UTC unless it has an offset.
    pub expires: String,
    /// When it was made; left out, when the file is read.
    #[serde(default)]
    pub created: Option<String>,
}

/// A time at which what is odd is no news.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowEntry {
    /// What it is called.
    pub name: String,
    /// What it is for; all of these hold.
    pub matchers: Vec<String>,
    /// When, every week: `Sat 22:00-02:00`, `Mon-Fri 12:00-13:00`, `daily 03:00-04:00`.
    #[serde(default)]
    pub every: Option<String>,
    /// When it begins, by the five fields of cron; with `lasts`.
    #[serde(default)]
    pub cron: Option<String>,
    /// For how long, with `cron`.
    #[serde(default)]
    pub lasts: Option<Period>,
    /// When it begins, where it comes once; with `until`.
    #[serde(default)]
    pub from: Option<String>,
    /// When it ends, where it comes once.
    #[serde(default)]
    pub until: Option<String>,
    /// Where its times are those of clocks on the wall: `Europe/Berlin`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// `mute`, `no_learn` or `both`.
    #[serde(default)]
    pub mode: Mode,
}

/// Some people, what is theirs, and how often they may be woken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamEntry {
    /// What it is called.
    pub name: String,
    /// What is theirs; all of these hold. Of several teams the first that fits has it.
    pub matchers: Vec<String>,
    /// Most pages a day, critical ones aside; left out, as in `budget`.
    #[serde(default)]
    pub pages_per_day: Option<u64>,
    /// Where they are; left out, as in `budget`.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// When their day begins and their digest comes; left out, as in `budget`.
    #[serde(default)]
    pub digest_at: Option<String>,
}

/// How often those may be woken whose team says nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// Most pages a day, critical ones aside.
    pub pages_per_day: u64,
    /// Where they are.
    pub time_zone: String,
    /// When their day begins and their digest comes.
    pub digest_at: String,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            pages_per_day: 10,
            time_zone: utc(),
            digest_at: "09:00".to_owned(),
        }
    }
}

fn utc() -> String {
    Zone::UTC.name().to_owned()
}

impl Settings {
    /// The silences and windows of the file, also those that are over. A silence that does not say since
    /// when it is there is there since `now`.
    pub fn silences(&self, now: Timestamp) -> Silences {
        let mut reader = Reader::default();
        let windows = reader.windows("windows", &self.windows);
        Silences::new(reader.silences(self, now), windows)
    }

    /// When nothing is to be done to what.
    pub fn freezes(&self) -> Silences {
        let mut reader = Reader::default();
        let entries = self.remediation.freeze.iter().cloned();
        let entries: Vec<WindowEntry> = entries
            .map(|entry| WindowEntry {
                mode: Mode::Mute,
                ..entry
            })
            .collect();
        let windows = reader.windows(FREEZES, &entries);
        Silences::new([], windows)
    }

    /// Whose services are whose, and how often each team may be woken.
    pub fn teams(&self) -> Teams {
        let mut reader = Reader::default();
        let rest = reader.budget(&self.budget);
        Teams::new(reader.teams(self, &rest), rest)
    }
}

impl SilenceEntry {
    /// The silence that somebody asks for at `now`.
    ///
    /// # Errors
    /// Everything that is wrong with it, in one text.
    pub fn silence(&self, now: Timestamp) -> Result<Silence, String> {
        let mut reader = Reader::default();
        let silence = reader.silence(0, self, now);
        let findings = reader.findings.into_iter();
        let said: Vec<String> = findings
            .map(|(path, message)| match path.strip_prefix("silences[0].") {
                Some(field) => format!("{field}: {message}"),
                None => message,
            })
            .collect();
        silence.ok_or_else(|| said.join("; "))
    }
}

/// Where the windows are in which nothing is done.
const FREEZES: &str = "remediation.freeze";

/// Everything wrong with silences, windows, teams and the budget, read at `now`. That a silence is over
/// is not wrong: it must not keep a daemon from its start.
pub(super) fn check(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let mut reader = Reader::default();
    reader.count("silences", settings.silences.len(), SILENCES_MAX);
    reader.count("windows", settings.windows.len(), WINDOWS_MAX);
    reader.count("teams", settings.teams.len(), TEAMS_MAX);
    let silences = reader.silences(settings, now);
    reader.twice(&silences);
    reader.windows("windows", &settings.windows);
    let freezes = reader.windows(FREEZES, &settings.remediation.freeze);
    reader.only_of_targets(&freezes);
    reader.count(FREEZES, settings.remediation.freeze.len(), WINDOWS_MAX);
    let rest = reader.budget(&settings.budget);
    reader.teams(settings, &rest);
    let windows = settings.windows.iter().map(|entry| entry.name.as_str());
    reader.names("windows", windows.collect());
    let teams = settings.teams.iter().map(|entry| entry.name.as_str());
    reader.names("teams", teams.collect());
    reader.findings
}

/// Reads entries and notes what is wrong with them.
#[derive(Default)]
struct Reader {
    findings: Vec<Finding>,
}

impl Reader {
    fn say(&mut self, path: impl Into<String>, message: impl ToString) {
        self.findings.push((path.into(), message.to_string()));
    }

    /// The value of `read`, or its error noted at `path`.
    fn take<T, E: ToString>(&mut self, path: String, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.say(path, error)).ok()
    }

    fn silences(&mut self, settings: &Settings, now: Timestamp) -> Vec<Silence> {
        let entries = settings.silences.iter().enumerate();
        let read = entries.map(|(index, entry)| self.silence(index, entry, now));
        read.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn silence(&mut self, index: usize, entry: &SilenceEntry, now: Timestamp) -> Option<Silence> {
        let path = format!("silences[{index}]");
        let matchers = self.matchers(&path, &entry.matchers);
        let expires = self.take(format!("{path}.expires"), Zone::UTC.moment(&entry.expires));
        let created = match &entry.created {
            // What is dated ahead is there already, and ends no later for it.
            Some(text) => self
                .take(format!("{path}.created"), Zone::UTC.moment(text))
                .map(|created| created.min(now)),
            None => Some(now),
        };
        let silence = Silence::new(matchers?, &entry.owner, &entry.reason, created?, expires?);
        let wrong = silence.as_ref().err().map(|error| error.field());
        self.take(format!("{path}.{}", wrong.unwrap_or_default()), silence)
    }

    fn windows(&mut self, list: &str, entries: &[WindowEntry]) -> Vec<Window> {
        let entries = entries.iter().enumerate();
        let read = entries.map(|(index, entry)| self.window(format!("{list}[{index}]"), entry));
        read.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Nothing that is asked for by what is not known of a target would ever be frozen.
    fn only_of_targets(&mut self, freezes: &[Window]) {
        for (index, window) in freezes.iter().enumerate() {
            let mut names = window.matchers.iter().map(Matcher::name);
            if let Some(name) = names.find(|name| FOREIGN_LABELS.contains(name)) {
                let path = format!("{FREEZES}[{index}].matchers");
                self.say(
                    path,
                    format!(
                        "{name} says nothing of what is acted on; use service, namespace, environment, pod, \
                         node, version or a resource attribute"
                    ),
                );
            }
        }
    }

    fn window(&mut self, path: String, entry: &WindowEntry) -> Option<Window> {
        let matchers = self.matchers(&path, &entry.matchers);
        let zone = self.take(format!("{path}.time_zone"), Zone::named(&entry.time_zone));
        let schedule = self.schedule(&path, entry, zone?);
        let window = Window::new(&entry.name, matchers?, schedule?, entry.mode);
        self.take(format!("{path}.matchers"), window)
    }

    fn schedule(&mut self, path: &str, entry: &WindowEntry, zone: Zone) -> Option<Schedule> {
        let times = (
            entry.every.as_deref(),
            (entry.cron.as_deref(), entry.lasts),
            (entry.from.as_deref(), entry.until.as_deref()),
        );
        match times {
            (Some(every), (None, None), (None, None)) => {
                self.take(format!("{path}.every"), Schedule::weekly(every, zone))
            }
            (None, (Some(cron), Some(lasts)), (None, None)) => {
                let schedule = Schedule::cron(cron, lasts.get(), zone);
                self.take(format!("{path}.cron"), schedule)
            }
            (None, (None, None), (Some(from), Some(until))) => {
                let from = self.take(format!("{path}.from"), zone.moment(from));
                let until = self.take(format!("{path}.until"), zone.moment(until));
                self.take(format!("{path}.until"), Schedule::once(from?, until?))
            }
            _ => {
                self.say(
                    path,
                    "say once when it is: every: Sat 22:00-02:00, or cron: \"0 22 * * sat\" and \
                     lasts: 4h, or from: 2026-12-01T22:00 and until: 2026-12-02T02:00",
                );
                None
            }
        }
    }

    fn teams(&mut self, settings: &Settings, rest: &Day) -> Vec<Team> {
        let entries = settings.teams.iter().enumerate();
        let read = entries.map(|(index, entry)| self.team(index, entry, rest));
        read.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn team(&mut self, index: usize, entry: &TeamEntry, rest: &Day) -> Option<Team> {
        let path = format!("teams[{index}]");
        let matchers = self.matchers(&path, &entry.matchers);
        let mut day = Day {
            pages_max: entry.pages_per_day.unwrap_or(rest.pages_max),
            ..rest.clone()
        };
        if let Some(zone) = &entry.time_zone {
            day.zone = self.zone(&format!("{path}.time_zone"), zone);
        }
        if let Some(digest_at) = &entry.digest_at {
            self.begin(&mut day, &format!("{path}.digest_at"), digest_at);
        }
        let matchers = matchers?;
        self.take(format!("{path}.matchers"), check_matchers(&matchers))?;
        Some(Team {
            name: entry.name.as_str().into(),
            matchers,
            day,
        })
    }

    fn budget(&mut self, budget: &BudgetSettings) -> Day {
        let mut day = Day {
            zone: self.zone("budget.time_zone", &budget.time_zone),
            pages_max: budget.pages_per_day,
            ..Day::default()
        };
        self.begin(&mut day, "budget.digest_at", &budget.digest_at);
        day
    }

    fn zone(&mut self, path: &str, name: &str) -> Zone {
        let zone = self.take(path.to_owned(), Zone::named(name));
        zone.unwrap_or(Zone::UTC)
    }

    fn begin(&mut self, day: &mut Day, path: &str, text: &str) {
        match clock(text) {
            Some(begins) => day.begins = begins,
            None => self.say(
                path,
                format!("{text:?} is no time of a day; write \"09:00\""),
            ),
        }
    }

    /// `None` where any of them is wrong.
    fn matchers(&mut self, path: &str, texts: &[String]) -> Option<Vec<Matcher>> {
        let mut matchers = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let path = format!("{path}.matchers[{index}]");
            let Some(matcher) = self.take(path.clone(), text.parse::<Matcher>()) else {
                continue;
            };
            match misspelt(matcher.name()) {
                Some(meant) => self.say(
                    path,
                    format!(
                        "there is no label {:?}; did you mean {meant:?}?",
                        matcher.name()
                    ),
                ),
                None => matchers.push(matcher),
            }
        }
        (matchers.len() == texts.len()).then_some(matchers)
    }

    fn count(&mut self, path: &str, count: usize, most: usize) {
        if count > most {
            self.say(path, format!("there are {count}; at most {most} are taken"));
        }
    }

    fn twice(&mut self, silences: &[Silence]) {
        for (index, silence) in silences.iter().enumerate() {
            let mut earlier = silences.iter().take(index);
            if earlier.any(|other| other.id == silence.id) {
                self.say(
                    format!("silences[{index}]"),
                    "an earlier silence is the same; take one of them out",
                );
            }
        }
    }

    fn names(&mut self, list: &str, names: Vec<&str>) {
        for (index, name) in names.iter().enumerate() {
            if name.trim().is_empty() || names.iter().take(index).any(|earlier| earlier == name) {
                self.say(
                    format!("{list}[{index}].name"),
                    format!("{name:?} does not tell it from others; give each its own name"),
                );
            }
        }
    }
}

/// The label that `name` was probably meant to be. Names of attributes mostly have a dot.
fn misspelt(name: &str) -> Option<&'static str> {
    if LABELS.contains(&name) || name.contains('.') {
        return None;
    }
    closest(name, &LABELS)
}

#[cfg(test)]
mod tests;
