//! Which team something concerns, and when that team's day begins.

use jiff::civil::{Date, Time};

use super::matcher::Matcher;
use super::subject::Labels;
use super::zone::{Reading, Zone};
use crate::core::record::Timestamp;

/// Whose services are whose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Teams {
    teams: Vec<Team>,
    rest: Day,
}

/// Some people and what is theirs.
#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    /// What it is called. Unique among teams.
    pub name: Box<str>,
    /// What is theirs: all of these hold.
    pub matchers: Vec<Matcher>,
    /// Their day.
    pub day: Day,
}

/// The day of a team.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Where they are.
    pub zone: Zone,
    /// When it begins, and their digest comes.
    pub begins: Time,
    /// Most pages in it, critical ones aside.
    pub pages_max: u64,
}

/// Most teams.
pub const TEAMS_MAX: usize = 1_000;

impl Default for Day {
    fn default() -> Self {
        Self {
            zone: Zone::UTC,
            begins: Time::constant(9, 0, 0, 0),
            pages_max: 10,
        }
    }
}

impl Teams {
    /// These teams, of which the first that fits has it, and the day of what no team has.
    pub fn new(mut teams: Vec<Team>, rest: Day) -> Self {
        teams.truncate(TEAMS_MAX);
        Self { teams, rest }
    }

    /// The team that has what `labels` are of.
    pub fn team_of(&self, labels: &Labels<'_>) -> Option<&str> {
        let found = self.teams.iter().find(|team| labels.fit(&team.matchers))?;
        Some(&found.name)
    }

    /// All teams.
    pub fn iter(&self) -> impl Iterator<Item = &Team> {
        self.teams.iter()
    }

    /// The day of `team`, or of what no team has.
    pub fn day(&self, team: Option<&str>) -> &Day {
        let found = self.teams.iter().find(|one| Some(&*one.name) == team);
        found.map_or(&self.rest, |team| &team.day)
    }
}

impl Day {
    /// The number of the day that `now` lies in, where the first of 1970 is 0. It never goes back unless
    /// `now` does, whatever is done to the clocks on the wall.
    pub fn number(&self, now: Timestamp) -> i64 {
        let date = self.zone.local(now).date();
        let number = number_of(date);
        let begins = match self.zone.read(date.to_datetime(self.begins)) {
            Some(Reading::Once(moment) | Reading::Twice(moment, _)) => moment,
            Some(Reading::Never { jump, .. }) => jump,
            None => Timestamp::ZERO,
        };
        if now < begins { number - 1 } else { number }
    }
}

fn number_of(date: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    date.since(epoch)
        .map_or(0, |span| i64::from(span.get_days()))
}
