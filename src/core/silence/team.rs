//! Which team something concerns.

use super::matcher::Matcher;
use super::subject::Labels;

/// Whose services are whose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Teams {
    teams: Vec<(Box<str>, Vec<Matcher>)>,
}

/// Most teams.
pub const TEAMS_MAX: usize = 1_000;

impl Teams {
    /// Teams by name, each with what is theirs: all of the matchers hold.
    pub fn new(teams: Vec<(Box<str>, Vec<Matcher>)>) -> Self {
        Self { teams }
    }

    /// The first team that `labels` are for.
    pub fn team_of(&self, labels: &Labels<'_>) -> Option<&str> {
        let found = self.teams.iter().find(|(_, matchers)| {
            let mut matchers = matchers.iter();
            matchers.all(|matcher| matcher.holds(labels.values(matcher.name())))
        });
        found.map(|(name, _)| name.as_ref())
    }
}
