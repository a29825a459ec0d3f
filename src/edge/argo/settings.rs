//! Where Argo CD is, and how it is asked.

use std::path::PathBuf;
use std::time::Duration;

use crate::edge::outgoing::{Egress, Problem, SecretRef, trusted_address_problem};

/// How Argo CD is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgoSettings {
    /// The address: `https://argocd.example.net`, with the root path where it has one.
    pub url: String,
    /// A token: of a role of a project, or of an account with `apiKey`. It is read anew for each request.
    pub token: SecretRef,
    /// The project of the applications. Without it, Argo CD does not tell an application that is not there
    /// from one that the token may not see.
    pub project: Option<Box<str>>,
    /// The namespace of the applications, where it is not Argo CD's own.
    pub app_namespace: Option<Box<str>>,
    /// Whether operations that may be carried out are tried with `dryRun` first. Argo CD's dry run is an operation like any other: it
    /// takes the application's place for operations, takes the place of the last one in its status, and is told
    /// to those who have subscribed to operations.
    pub dry_run: bool,
    /// The longest that one request takes.
    pub timeout: Duration,
    /// For how long [`send`](super::Argo::send) follows an operation that Argo CD has taken on.
    pub follow: Duration,
    /// How often it is asked how the operation is.
    pub poll: Duration,
    /// Whether a private address will do.
    pub allow_private: bool,
    /// A PEM file with authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl ArgoSettings {
    /// Within so long a request is answered when the owner says nothing.
    pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
    /// So long an operation is followed when the owner says nothing. With the requests it stays below the
    /// time after which the ledger takes a task for lost.
    pub const FOLLOW_DEFAULT: Duration = Duration::from_secs(45);
    /// The longest that it may be followed.
    pub const FOLLOW_MAX: Duration = Duration::from_secs(50);

    /// Of the Argo CD at `url`, with defaults.
    pub fn of(url: &str, token: SecretRef) -> Self {
        Self {
            url: url.to_owned(),
            token,
            project: None,
            app_namespace: None,
            dry_run: false,
            timeout: Self::TIMEOUT_DEFAULT,
            follow: Self::FOLLOW_DEFAULT,
            poll: Duration::from_secs(2),
            allow_private: false,
            ca_file: None,
        }
    }

    /// What is wrong with them, where they stand at `path` of the configuration file. Pure: nothing is
    /// looked up.
    pub fn check(&self, path: &str, egress: &Egress) -> Vec<Problem> {
        let at = |field: &str| format!("{path}.{field}");
        let mut found: Vec<Problem> =
            trusted_address_problem(&at("url"), &self.url, self.allow_private, egress)
                .into_iter()
                .collect();
        let mut wrong = |field: &str, message: &str, hint| {
            found.push(Problem {
                path: at(field),
                message: message.to_owned(),
                hint,
            });
        };
        if self.timeout.is_zero() || self.timeout > Self::TIMEOUT_DEFAULT {
            wrong(
                "timeout",
                "is not between 1ms and 10s",
                "write a duration such as 10s",
            );
        }
        if self.follow > Self::FOLLOW_MAX {
            wrong(
                "follow",
                "is more than 50 seconds",
                "write a duration such as 45s; an operation goes on without being followed",
            );
        }
        if self.poll.is_zero() {
            wrong("poll", "is zero", "write a duration such as 2s");
        }
        found
    }
}
