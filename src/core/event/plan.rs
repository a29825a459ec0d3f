//! What would be sent for an action, and what every check says of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::record::Timestamp;

/// What would be done exactly, and what every check says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Over what is done and to what ([`requests`](Self::requests) and [`subject`](Self::subject)). 32 hex
    /// digits. An approval names it.
    pub hash: Box<str>,
    /// The very object that is acted on.
    pub subject: Option<Object>,
    /// The workload that is claimed for the action, and for how long nobody else acts on it.
    pub claims: Option<(Object, Duration)>,
    /// What is sent, in order, byte for byte.
    pub requests: Vec<Request>,
    /// How it is undone, where it can be.
    pub undo: Vec<Request>,
    /// What every check says, in the order in which they are asked.
    pub checks: Vec<Checked>,
    /// When it was looked at.
    pub at: Timestamp,
}

/// One object of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// `Pod`, `Deployment`, …
    pub kind: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
    /// `metadata.generation`: it rises with every change of what is wanted. 0 where there is none.
    pub generation: i64,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// A Kubernetes API server.
    Kubernetes,
    /// The API of Argo CD.
    ArgoCd,
    /// Jenkins.
    Jenkins,
    /// The notification controller of Flux.
    Flux,
    /// A hook of the owner, through the sinks.
    Hook,
}

/// One request that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Who is asked.
    pub system: System,
    /// `POST`, `PATCH` or `PUT`.
    pub method: Box<str>,
    /// The path, below the address of the system.
    pub path: Box<str>,
    /// What the body is.
    pub content_type: Box<str>,
    /// The body.
    pub body: Box<str>,
}

/// What one check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The name of the check.
    pub check: Box<str>,
    /// What it says.
    pub verdict: CheckVerdict,
    /// Why, in one sentence.
    pub why: Box<str>,
}

/// What a check can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// Nothing against it.
    Pass,
    /// A person may allow it; a rule may not.
    Ask,
    /// Not now.
    Wait,
    /// What it goes by is not known; nobody acts on that.
    Unknown,
    /// No.
    Stop,
}

impl CheckVerdict {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Ask => "ask",
            Self::Wait => "wait",
            Self::Unknown => "unknown",
            Self::Stop => "stop",
        }
    }
}
