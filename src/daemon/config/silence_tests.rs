//! The file of cases that `knothole silence test` tries: YAML → cases, or all that is wrong with it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::problem::{Problem, Problems};
use super::tree::Node;
use super::{ConfigError, malformed, read, read_file};
use crate::core::record::Timestamp;
use crate::core::silence::{MomentError, Zone};

/// What is expected of silences and windows for some labels at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceCase {
    /// What it is called.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The moment.
    pub at: Timestamp,
    /// Whether nobody is told; `None` does not matter.
    pub muted: Option<bool>,
    /// What mutes it: the name of a window, or the id or the owner of a silence; `None` does not matter.
    pub by: Option<String>,
    /// Whether it is learned from; `None` does not matter.
    pub learns: Option<bool>,
}

/// Reads a file of cases.
///
/// # Errors
/// The file cannot be read, or anything in it is wrong: then all of it.
pub fn load_silence_cases(path: &Path) -> Result<Vec<SilenceCase>, ConfigError> {
    let text = read_file(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    silence_cases_from_text(&path.display().to_string(), &text).map_err(ConfigError::Problems)
}

/// Reads `text`, which complaints call `name`.
///
/// # Errors
/// All that is wrong with it.
pub fn silence_cases_from_text(name: &str, text: &str) -> Result<Vec<SilenceCase>, Problems> {
    let mut problems = Vec::new();
    let mut cases = Vec::new();
    match Node::parse(text) {
        Err(reason) => problems.push(malformed(reason)),
        Ok(mut tree) => {
            let (file, wrong) = read::read::<CaseFile>(&mut tree);
            problems = wrong;
            for (index, entry) in file.silence_tests.into_iter().enumerate() {
                let entry_path = format!("silence_tests[{index}].");
                if problems
                    .iter()
                    .any(|told| told.path.starts_with(&entry_path))
                {
                    // What was wrong is not told again as missing.
                    continue;
                }
                match SilenceCase::try_from(entry) {
                    Ok(case) => cases.push(case),
                    Err((field, message)) => {
                        let path = entry_path + field;
                        problems.push(Problem {
                            origin: tree.origin_of(&path),
                            message: format!("{path}: {message}"),
                            path,
                        });
                    }
                }
            }
        }
    }
    match Problems::new(name, text, problems) {
        Some(problems) => Err(problems),
        None => Ok(cases),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseFile {
    silence_tests: Vec<CaseEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseEntry {
    name: String,
    labels: BTreeMap<String, String>,
    at: String,
    #[serde(default)]
    muted: Option<bool>,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    learns: Option<bool>,
}

impl TryFrom<CaseEntry> for SilenceCase {
    type Error = (&'static str, String);

    fn try_from(entry: CaseEntry) -> Result<Self, Self::Error> {
        let at = Zone::UTC.moment(&entry.at);
        let at = at.map_err(|error: MomentError| ("at", error.to_string()))?;
        if (&entry.muted, &entry.by, entry.learns) == (&None, &None, None) {
            let way_out = "it expects nothing; write muted: true, by: backup or learns: false";
            return Err(("name", way_out.to_owned()));
        }
        if entry.muted == Some(false) && entry.by.is_some() {
            let message = "what is not muted is muted by nothing; leave one of the two out";
            return Err(("by", message.to_owned()));
        }
        Ok(Self {
            name: entry.name,
            labels: entry.labels,
            at,
            muted: entry.muted,
            by: entry.by,
            learns: entry.learns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read() {
        let text = "silence_tests:\n- { name: a, labels: {service: cart}, at: 2026-11-22T03:00, muted: true }\n";
        let cases = silence_cases_from_text("x", text).unwrap();
        assert_eq!(cases[0].labels["service"], "cart");
        assert_eq!((cases[0].muted, cases[0].learns), (Some(true), None));
        assert_eq!(silence_cases_from_text("x", "").unwrap(), []);
    }

    #[test]
    fn mistakes_in_cases_are_told_with_their_place() {
        let text = "silence_tests:\n- { name: a, labels: {service: cart}, at: noon, muted: true }\n\
                    - { name: b, labels: {}, at: 2026-11-22 }\n\
                    - { name: c, labels: {}, at: 2026-11-22, muted: false, by: backup }\n\
                    - { name: d, labels: {}, at: 2026-11-22, mutd: true }\n";
        let told = silence_cases_from_text("cases.yaml", text)
            .unwrap_err()
            .to_string();
        for expected in [
            "cases.yaml:2:43  silence_tests[0].at: \"noon\" is no time",
            "cases.yaml:3:11  silence_tests[1].name: it expects nothing",
            "cases.yaml:4:60  silence_tests[2].by: what is not muted is muted by nothing",
            "cases.yaml:5:42  unknown setting \"mutd\" in silence_tests[3]; did you mean \"muted\"?",
        ] {
            assert!(
                told.contains(expected),
                "{expected}\n--- not in ---\n{told}"
            );
        }
        assert!(
            told.ends_with("4 problems; serve would refuse this"),
            "{told}"
        );
    }
}
