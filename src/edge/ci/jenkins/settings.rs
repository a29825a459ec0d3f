//! Where Jenkins is, and how it is asked.

use std::path::PathBuf;
use std::time::Duration;

use crate::edge::outgoing::{Egress, Problem, SecretRef, trusted_address_problem};

/// How Jenkins is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JenkinsSettings {
    /// The address: `https://ci.example.net`, with the context path where it has one.
    pub url: String,
    /// The user. It needs `Job/Read`, `Job/Build` and `Overall/Read`.
    pub user: String,
    /// The user's API token, or its password. It is read anew for each request.
    pub token: SecretRef,
    /// Whether `token` is a password: then Jenkins wants a crumb, and the session that got it. With an API
    /// token it wants none.
    pub crumb: bool,
    /// The longest that one request takes.
    pub timeout: Duration,
    /// For how long [`send`](super::Jenkins::send) follows a job. With the requests it stays below the time after which
    /// the ledger takes a task for lost.
    pub wait: Duration,
    /// How often it is asked how the job is.
    pub poll: Duration,
    /// So many of a job's latest builds are looked through for one whose answer was lost.
    pub builds_max: u32,
    /// Whether a private address will do.
    pub allow_private: bool,
    /// A PEM file with authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl JenkinsSettings {
    /// The longest that sending may wait for a build.
    pub const WAIT_MAX: Duration = Duration::from_secs(60);
    /// The longest that one request may take: one for a crumb and one for the job come before the wait.
    pub const TIMEOUT_MAX: Duration = Duration::from_secs(10);
    /// Most builds that are looked through.
    pub const BUILDS_LIMIT: u32 = 100;

    /// Of the Jenkins at `url`, with defaults.
    pub fn of(url: &str, user: &str, token: SecretRef) -> Self {
        Self {
            url: url.to_owned(),
            user: user.to_owned(),
            token,
            crumb: false,
            timeout: Self::TIMEOUT_MAX,
            wait: Duration::from_secs(45),
            poll: Duration::from_secs(2),
            builds_max: 50,
            allow_private: false,
            ca_file: None,
        }
    }

    /// What is wrong with them, where they stand at `path` of the configuration file. Pure: nothing is
    /// looked up.
    pub fn check(&self, path: &str, egress: &Egress) -> Vec<Problem> {
        let at = |field: &str| format!("{path}.{field}");
        let address = trusted_address_problem(&at("url"), &self.url, self.allow_private, egress);
        let mut found: Vec<Problem> = address.into_iter().collect();
        let mut wrong = |is_wrong: bool, field: &str, message: &str, hint| {
            if is_wrong {
                found.push(Problem {
                    path: at(field),
                    message: message.to_owned(),
                    hint,
                });
            }
        };
        let is_user = !self.user.is_empty()
            && !self.user.contains(':')
            && !self.user.contains(char::is_control);
        wrong(
            !is_user,
            "user",
            "is no name of a user",
            "write the id of the user whose token it is",
        );
        let bounds = [
            ("timeout", self.timeout, Self::TIMEOUT_MAX),
            ("wait", self.wait, Self::WAIT_MAX),
            ("poll", self.poll, Self::WAIT_MAX),
        ];
        for (field, value, most) in bounds {
            let is_wrong = value.is_zero() || value > most;
            let message = format!("is not between 1ms and {} seconds", most.as_secs());
            wrong(is_wrong, field, &message, "write a duration such as 10s");
        }
        wrong(
            self.builds_max == 0 || self.builds_max > Self::BUILDS_LIMIT,
            "builds_max",
            "is not between 1 and 100",
            "choose a number in that range",
        );
        found
    }
}
