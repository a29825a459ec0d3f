//! File, environment, flags → checked [`Settings`], or all that is wrong with them at once.
//!
//! A flag beats an environment variable, and that beats the file. Every setting has a default.

mod check;
mod derive;
mod hand;
mod memory;
mod problem;
mod read;
mod remedies;
mod restart;
mod rule_tests;
mod settings;
mod silence_tests;
mod incidents;
mod silences;
mod systems;
mod tree;
mod units;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use hand::{hand_from_text, load_hand};
pub use incidents::{ApiSettings, ApiToken, CatalogEntry, IncidentSettings};
pub use memory::HostMemory;
pub use problem::{PROBLEMS_MAX, Problem, Problems};
pub use remedies::{ActionRule, LimitSettings, RemediationSettings};
pub use rule_tests::{Expected, RuleCase, RuleTests, load_rule_tests, rule_tests_from_text};
pub use settings::{
    Learn, Listen, Model, Receive, Redact, RedactPattern, Sequence, ServiceBundle, Settings,
    Telemetry, Templates,
};
pub use silence_tests::{SilenceCase, load_silence_cases, silence_cases_from_text};
pub use silences::{BudgetSettings, SilenceEntry, TeamEntry, WindowEntry};
pub(crate) use systems::is_namespace;
pub use systems::{ArgoEntry, FluxEntry, JenkinsEntry, KubernetesEntry, PolicyEntry};
pub use tree::Origin;
pub use units::{ByteSize, MemoryLimit, Period};

use crate::core::redact::{RedactSpec, Redactor};
use tree::{Malformed, Node};

/// A file that says what the defaults say, with a comment on each setting.
pub const DEFAULT_FILE: &str = include_str!("default.yaml");

/// Largest settings file that is read, in bytes.
const FILE_LEN_MAX: u64 = 4 << 20;

/// The environment variables that are read, and the setting each gives. The list is closed:
/// Kubernetes sets `KNOTHOLE_PORT` and others of its own beside a service called knothole.
pub const ENVIRONMENT: [(&str, &str); 8] = [
    ("KNOTHOLE_LISTEN_OTLP_GRPC", "listen.otlp_grpc"),
    ("KNOTHOLE_LISTEN_OTLP_HTTP", "listen.otlp_http"),
    ("KNOTHOLE_LISTEN_API", "listen.api"),
    (
        "KNOTHOLE_LISTEN_ALLOW_NON_LOOPBACK",
        "listen.allow_non_loopback",
    ),
    ("KNOTHOLE_STATE_DIR", "state_dir"),
    ("KNOTHOLE_MEMORY_LIMIT", "memory_limit"),
    ("KNOTHOLE_TELEMETRY_ENDPOINT", "telemetry.endpoint"),
    ("KNOTHOLE_LOG", "telemetry.log_level"),
];

/// A setting given outside the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The variable or flag, as a complaint should call it (`--state-dir`).
    pub name: Box<str>,
    /// The setting (`state_dir`).
    pub path: &'static str,
    /// Its value, as it would stand in the file.
    pub value: String,
}

impl Override {
    /// A flag of the command line.
    pub fn flag(name: &str, path: &'static str, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path,
            value: value.into(),
        }
    }

    /// The variables of [`ENVIRONMENT`] that `lookup` finds; an empty one counts as not set.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Vec<Self> {
        let set = |(name, path): &(&str, &'static str)| {
            let value = lookup(name).filter(|value| !value.is_empty())?;
            Some(Self::flag(name, path, value))
        };
        ENVIRONMENT.iter().filter_map(set).collect()
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was read, and this is wrong with it.
    #[error("{0}")]
    Problems(Problems),
}

/// Reads `file` (none: the defaults) and puts `overrides` over it, the later over the earlier.
///
/// # Errors
/// The file cannot be read, or anything in it or in `overrides` is wrong: then all of it.
pub fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Settings, ConfigError> {
    let (name, text) = named(file)?;
    from_text(&name, &text, overrides).map_err(ConfigError::Problems)
}

/// The same for whoever is not the daemon and need not have its tokens and certificates: those are not read.
///
/// # Errors
/// The file cannot be read, or anything in it is wrong: then all of it.
pub fn load_without_secrets(file: Option<&Path>) -> Result<Settings, ConfigError> {
    let (name, text) = named(file)?;
    checked(&name, &text, parse(&text, &[], check::check)).map_err(ConfigError::Problems)
}

/// What complaints call the file, and its text.
fn named(file: Option<&Path>) -> Result<(String, String), ConfigError> {
    let Some(path) = file else {
        return Ok(("settings".to_owned(), String::new()));
    };
    let read = read_file(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    });
    Ok((path.display().to_string(), read?))
}

/// Reads `text`, which complaints call `name`, and puts `overrides` over it.
///
/// # Errors
/// All that is wrong with it.
pub fn from_text(name: &str, text: &str, overrides: &[Override]) -> Result<Settings, Problems> {
    checked(name, text, parse(text, overrides, check::check_all))
}

fn checked(
    name: &str,
    text: &str,
    (settings, problems): (Settings, Vec<Problem>),
) -> Result<Settings, Problems> {
    match Problems::new(name, text, problems) {
        None => Ok(settings),
        Some(problems) => Err(problems),
    }
}

fn parse(
    text: &str,
    overrides: &[Override],
    check: fn(&Settings) -> Vec<check::Finding>,
) -> (Settings, Vec<Problem>) {
    let mut tree = match Node::parse(text) {
        Ok(tree) => tree,
        Err(reason) => return (Settings::default(), vec![malformed(reason)]),
    };
    for given in overrides {
        let origin = Origin::Outside(given.name.clone());
        tree.put(given.path, Node::scalar(&given.value, origin));
    }
    let (mut settings, mut problems) = read::read::<Settings>(&mut tree);
    problems.extend(read_by_hand(&mut settings, &tree));
    problems.extend(make_redactor(&mut settings, &tree));
    problems.extend(check(&settings).into_iter().map(|(path, finding)| Problem {
        origin: tree.origin_of(&path),
        message: format!("{path}: {finding}"),
        path,
    }));
    (settings, problems)
}

/// Makes what redacts; what is wrong with its settings.
fn make_redactor(settings: &mut Settings, tree: &Node) -> Vec<Problem> {
    let redact = &mut settings.redact;
    let patterns = redact.patterns.iter();
    let spec = RedactSpec {
        defaults: redact.defaults,
        except: redact.except.clone(),
        patterns: patterns
            .map(|pattern| (pattern.name.clone(), pattern.regex.clone()))
            .collect(),
    };
    let problems = match Redactor::new(&spec) {
        Ok(redactor) => {
            redact.redactor = Arc::new(redactor);
            return Vec::new();
        }
        Err(problems) => problems,
    };
    let placed = problems.into_iter().map(|problem| {
        let path = format!("redact.{}", problem.path);
        Problem {
            origin: tree.origin_of(&path),
            message: format!("{path}: {}", problem.message),
            path,
        }
    });
    placed.collect()
}

/// Reads the file of templates by hand that the settings name; what is wrong with it.
fn read_by_hand(settings: &mut Settings, tree: &Node) -> Vec<Problem> {
    const PATH: &str = "templates.by_hand";
    let Some(file) = &settings.templates.by_hand else {
        return Vec::new();
    };
    let problem = |message: String| Problem {
        origin: tree.origin_of(PATH),
        message: format!("{PATH}: {message}"),
        path: PATH.to_owned(),
    };
    match load_hand(file) {
        Ok(hand) => {
            settings.templates.hand = Arc::new(hand);
            Vec::new()
        }
        Err(ConfigError::Problems(problems)) => {
            let told = problems.list().iter().map(|inner| {
                let place = inner.origin.in_file(&file.display().to_string());
                problem(format!("{place}  {}", inner.message))
            });
            told.collect()
        }
        Err(ConfigError::Unreadable { path, source }) => {
            vec![problem(format!("cannot read {}: {source}", path.display()))]
        }
    }
}

fn malformed(malformed: Malformed) -> Problem {
    Problem {
        origin: malformed.origin,
        path: String::new(),
        message: format!("not readable as YAML: {}", malformed.reason),
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long from one that just fits; the length
    // that a device or a pipe claims tells nothing.
    let file = File::open(path)?;
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        let message = format!("too long for a settings file (at most {FILE_LEN_MAX} bytes)");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests;
