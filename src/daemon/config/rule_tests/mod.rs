//! The file of cases that `knothole rules test` tries: YAML → cases, or all that is wrong with it.

mod cluster;
mod scene;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::cluster::ClusterEntry;
use self::scene::{AnomalyEntry, EarlierEntry, WorldEntry};
use super::problem::{Problem, Problems, closest};
use super::tree::Node;
use super::{ConfigError, Settings, load, malformed, read, read_file};
use crate::core::event::Mode;
use crate::core::record::Timestamp;
use crate::core::remedy::simulate::{Bench, Ended, Outcome, check_names};
use crate::core::silence::{Zone, frozen};

/// A file of cases, with the settings that they are about.
#[derive(Clone, Debug)]
pub struct RuleTests {
    /// The settings with the rules.
    pub settings: Settings,
    /// The cases, in the order of the file.
    pub cases: Vec<RuleCase>,
}

/// What is expected of the rules about one anomaly.
#[derive(Clone, Debug)]
pub struct RuleCase {
    /// What it is called.
    pub name: String,
    /// What is expected. What is not named is neither done nor proposed.
    pub expected: Vec<Expected>,
    at: Timestamp,
    mode: Option<Mode>,
    anomaly: AnomalyEntry,
    world: WorldEntry,
    cluster: ClusterEntry,
    earlier: Vec<EarlierEntry>,
}

/// What is expected of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The rule.
    pub rule: String,
    /// What it comes to.
    pub outcome: Outcome,
    /// The checks that decide, in any order; none does not matter.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Most cases of one file.
const CASES_MAX: usize = 1_000;
/// The moment of a case that names none: noon of a Monday.
const AT: &str = "2026-01-05T12:00:00Z";

/// Reads a file of cases, and the settings that it names: from its own folder on, unless `config` takes their
/// place.
///
/// # Errors
/// A file cannot be read, or anything in it is wrong: then all of it.
pub fn load_rule_tests(path: &Path, config: Option<&Path>) -> Result<RuleTests, ConfigError> {
    let text = read_file(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    rule_tests_from_text((&path.display().to_string(), &text), |named| {
        load(Some(config.unwrap_or(&folder.join(named))), &[])
    })
}

/// Reads the text, which complaints call by the name given, and the settings that it names with `load`.
///
/// # Errors
/// The settings cannot be read, or all that is wrong with the text.
pub fn rule_tests_from_text(
    (name, text): (&str, &str),
    load: impl FnOnce(&Path) -> Result<Settings, ConfigError>,
) -> Result<RuleTests, ConfigError> {
    let one = |problem| ConfigError::Problems(Problems::one(name, text, problem));
    let all = |problems| match Problems::new(name, text, problems) {
        Some(problems) => Err(ConfigError::Problems(problems)),
        None => Ok(()),
    };
    let mut tree = Node::parse(text).map_err(|reason| one(malformed(reason)))?;
    // What cannot be read is taken out of the tree, and what comes after it in a list has another place then.
    let written = tree.clone();
    let (file, problems) = read::read::<TestFile>(&mut tree);
    all(problems)?;
    let placed = |path: String, message: String| Problem {
        origin: written.origin_of(&path),
        message: format!("{path}: {message}"),
        path,
    };
    let settings = match settings_of(file.config.as_deref(), load)? {
        Ok(settings) => settings,
        Err(message) => return Err(one(placed("config".to_owned(), message))),
    };
    if file.rule_tests.len() > CASES_MAX {
        let message = format!("there are too many cases; write {CASES_MAX} at most into one file");
        return Err(one(placed("rule_tests".to_owned(), message)));
    }
    let mut cases = Vec::new();
    let mut problems = Vec::new();
    for (index, entry) in file.rule_tests.into_iter().enumerate() {
        let found = entry.findings(&settings).into_iter();
        problems.extend(
            found.map(|(field, message)| placed(format!("rule_tests[{index}].{field}"), message)),
        );
        cases.extend(entry.case());
    }
    all(problems)?;
    Ok(RuleTests { settings, cases })
}

/// The settings that a file names, or what is wrong with how it names them.
fn settings_of(
    named: Option<&Path>,
    load: impl FnOnce(&Path) -> Result<Settings, ConfigError>,
) -> Result<Result<Settings, String>, ConfigError> {
    let Some(named) = named else {
        let way_out = "name the settings file with the rules, from the folder of this file on, such \
                       as config: knothole.yaml";
        return Ok(Err(way_out.to_owned()));
    };
    Ok(match load(named) {
        Ok(settings) if settings.actions.is_empty() => Err(format!(
            "{} has no rules: there is nothing under actions",
            named.display()
        )),
        Ok(settings) => Ok(settings),
        Err(ConfigError::Unreadable { path, source }) => {
            Err(format!("cannot read {}: {source}", path.display()))
        }
        Err(problems @ ConfigError::Problems(_)) => return Err(problems),
    })
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TestFile {
    config: Option<PathBuf>,
    rule_tests: Vec<CaseEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseEntry {
    name: String,
    at: Option<String>,
    mode: Option<Mode>,
    anomaly: AnomalyEntry,
    #[serde(default)]
    world: WorldEntry,
    cluster: Option<ClusterEntry>,
    #[serde(default)]
    earlier: Vec<EarlierEntry>,
    expect: Vec<Expected>,
}

impl CaseEntry {
    /// What is wrong with it: the field, and the way out.
    fn findings(&self, settings: &Settings) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut say = |field: String, message: String| found.push((field, message));
        if let Err(error) = Zone::UTC.moment(self.at.as_deref().unwrap_or(AT)) {
            say("at".to_owned(), error.to_string());
        }
        if self.cluster.is_some() && settings.remediation.kubernetes.is_none() {
            let way_out = "the settings name no cluster, so none is read; set remediation.kubernetes \
                           there, or leave this out";
            say("cluster".to_owned(), way_out.to_owned());
        }
        self.anomaly.check(&mut say);
        self.world.check(&mut say);
        for (index, earlier) in self.earlier.iter().enumerate() {
            let field = |name: &str| format!("earlier[{index}].{name}");
            if let Some(way_out) = no_rule(settings, &earlier.rule) {
                say(field("rule"), way_out);
            }
            if earlier.ago.get().is_zero() {
                say(
                    field("ago"),
                    "write how long ago it was, such as 10m".to_owned(),
                );
            }
        }
        for (index, expected) in self.expect.iter().enumerate() {
            expected.check(&self.expect[..index], settings, &mut |name, message| {
                say(format!("expect[{index}].{name}"), message);
            });
        }
        found
    }

    /// The case; none where its moment is none.
    fn case(self) -> Option<RuleCase> {
        Some(RuleCase {
            at: Zone::UTC.moment(self.at.as_deref().unwrap_or(AT)).ok()?,
            name: self.name,
            expected: self.expect,
            mode: self.mode,
            anomaly: self.anomaly,
            world: self.world,
            cluster: self.cluster.unwrap_or_default(),
            earlier: self.earlier,
        })
    }
}

impl Expected {
    fn check(&self, before: &[Self], settings: &Settings, say: &mut dyn FnMut(&str, String)) {
        if let Some(way_out) = no_rule(settings, &self.rule) {
            say("rule", way_out);
        }
        if before.iter().any(|it| it.rule == self.rule) {
            let message = format!("{:?} comes to one thing; say once what that is", self.rule);
            say("rule", message);
        }
        let is_decided = match self.outcome {
            Outcome::Done | Outcome::Nothing => false,
            Outcome::Proposed | Outcome::Observed | Outcome::Blocked => true,
        };
        if !is_decided && !self.by.is_empty() {
            let outcome = self.outcome.name();
            let message = format!("no check decides about {outcome}; leave by out");
            say("by", message);
        }
        let known: Vec<&str> = check_names().collect();
        for (place, name) in self.by.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                say(&format!("by[{place}]"), unknown("check", name, &known));
            }
        }
    }
}

/// That the settings have no rule `name`, where they have none.
fn no_rule(settings: &Settings, name: &str) -> Option<String> {
    let rules: Vec<&str> = settings.actions.iter().map(|it| it.name.as_str()).collect();
    (!rules.contains(&name)).then(|| unknown("rule", name, &rules))
}

/// That there is no `what` called `name`, and which was meant.
fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match closest(name, known) {
        Some(meant) => format!("there is no {what} {name:?}; did you mean {meant:?}?"),
        None => format!(
            "there is no {what} {name:?}; there are {}",
            known.join(", ")
        ),
    }
}

impl RuleCase {
    /// What each rule of `settings` comes to, in the order of the rules.
    pub fn play(&self, settings: &Settings) -> Vec<Ended> {
        let mut rules = settings.rules();
        for rule in &mut rules {
            rule.mode = self.mode.unwrap_or(rule.mode);
        }
        let (limits, freezes) = (settings.limits(), settings.freezes());
        let bench = Bench {
            rules: &rules,
            limits: &limits,
            can_act: settings.remediation.kubernetes.is_some(),
            frozen: &|action, now| frozen(&freezes, action, now),
        };
        let is_known = settings.senders_are_known();
        self.on(&bench, is_known)
    }
}
