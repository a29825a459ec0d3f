//! An incident: what broke, since when, why probably, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Class, Sign, Source};
use crate::core::record::{Change, Resource, StreamKey, Timestamp};

/// One trouble, however many signs of it there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Derived from the fingerprint and the first sign. 32 hex digits.
    pub id: Box<str>,
    /// The same whenever this trouble comes back. 16 hex digits.
    pub fingerprint: Box<str>,
    /// Rises by one with everything that is told of it, from 1 on.
    pub revision: u64,
    /// Where it stands.
    pub state: IncidentState,
    /// How grave it is.
    pub severity: Gravity,
    /// What it is about.
    pub class: Class,
    /// What broke, in one sentence. May quote what was logged: untrusted.
    pub title: Box<str>,
    /// Time of the first abnormal record.
    pub began: Timestamp,
    /// When it was opened, so when it could first be told.
    pub detected: Timestamp,
    /// Time of the latest sign.
    pub last_seen: Timestamp,
    /// Who took it on, and when.
    pub acknowledged: Option<Mark>,
    /// When it ended, and by whose word; `by` is `knothole` where it went quiet.
    pub ended: Option<Mark>,
    /// The services that take part, the one with the first sign first. At most
    /// [`Incident::PARTS_MAX`].
    pub parts: Vec<Part>,
    /// The first signs and the gravest, by time; behind them, of other systems' alerts that come on
    /// other days too, what came along: one for each name and service, with how many. At most
    /// [`Incident::SIGNS_MAX`].
    pub signs: Vec<Arc<Sign>>,
    /// All signs, also those that are not kept.
    pub sign_count: u64,
    /// What probably caused it.
    pub cause: Cause,
    /// What is known of the times it was there before.
    pub before: Option<Before>,
    /// Whom it concerns, and whether they are to be woken.
    pub route: Route,
}

impl Incident {
    /// Most services an incident names.
    pub const PARTS_MAX: usize = 64;
    /// Most signs an incident keeps.
    pub const SIGNS_MAX: usize = 64;

    /// Whether it goes on.
    pub const fn is_live(&self) -> bool {
        matches!(
            self.state,
            IncidentState::Open | IncidentState::Acknowledged
        )
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// It goes on and nobody has it.
    Open,
    /// It goes on and somebody has it.
    Acknowledged,
    /// It is over.
    Resolved,
    /// Somebody said that this is normal; it will not be told again.
    Accepted,
}

impl IncidentState {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Accepted => "accepted",
        }
    }
}

/// How grave an incident is, in the words of PagerDuty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// Good to know.
    Info,
    /// To be looked at in working hours.
    Warning,
    /// Something is broken.
    Error,
    /// Much is broken, or something is gone.
    Critical,
}

impl Gravity {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Something somebody did to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// Who, as the API knows them. Untrusted.
    pub by: Box<str>,
    /// What they wrote. Untrusted.
    pub note: Option<Box<str>>,
}

/// A service's part in an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The service.
    pub stream: StreamKey,
    /// Where its first sign came from.
    pub resource: Arc<Resource>,
    /// Why it was counted in.
    pub relation: Relation,
    /// Its first sign.
    pub first_seen: Timestamp,
    /// How many signs it has.
    pub signs: u64,
}

/// Why a service is part of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It has the first sign.
    First,
    /// It shares a trace with it.
    Trace,
    /// It calls, or is called by, one that is part of it.
    Topology,
    /// It broke at the same time as many others.
    Time,
}

impl Relation {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Trace => "trace",
            Self::Topology => "topology",
            Self::Time => "time",
        }
    }
}

/// What probably caused an incident, with its evidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// How sure.
    pub verdict: Verdict,
    /// The services and pods it may lie in, most probable first. At most [`Cause::SUSPECTS_MAX`].
    pub suspects: Vec<Suspect>,
    /// Changes shortly before: those of services that take part or of which something is said first,
    /// then the nearest. At most [`Cause::CHANGES_MAX`].
    pub changes: Vec<NearChange>,
    /// Attributes that what is abnormal has more often than what is not, strongest first. At most
    /// [`Cause::LIFTS_MAX`].
    pub lifts: Vec<Lift>,
    /// What could not be known, one sentence each: `no metrics from payments since 02:40`.
    pub unknown: Vec<Box<str>>,
}

impl Cause {
    /// Most suspects.
    pub const SUSPECTS_MAX: usize = 5;
    /// Most changes.
    pub const CHANGES_MAX: usize = 5;
    /// Most attributes.
    pub const LIFTS_MAX: usize = 5;
}

/// How sure a cause is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing stands out.
    #[default]
    NotEnoughEvidence,
    /// One suspect is ahead.
    Possible,
    /// One suspect is far ahead, and more than one source says so.
    Likely,
}

impl Verdict {
    /// The name used on every wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotEnoughEvidence => "not_enough_evidence",
            Self::Possible => "possible",
            Self::Likely => "likely",
        }
    }
}

/// A service, or one pod of it, that an incident may have begun in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// The service.
    pub stream: StreamKey,
    /// The pod, where it is one and not the others.
    pub pod: Option<Box<str>>,
    /// The part of the service, where one is named: a module, a class, an operation. Untrusted.
    pub component: Option<Box<str>>,
    /// Its share of the suspicion, between 0 and 1.
    pub share: f64,
    /// Why, the strongest first. At most [`Suspect::EVIDENCE_MAX`].
    pub evidence: Vec<Evidence>,
}

impl Suspect {
    /// Most pieces of evidence.
    pub const EVIDENCE_MAX: usize = 5;
}

/// One reason to suspect something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who saw it.
    pub source: Source,
    /// One sentence in an operator's words. May quote what was logged: untrusted.
    pub says: Box<str>,
    /// How much it weighs, in nats.
    pub weight: f64,
    /// When it was first seen.
    pub at: Timestamp,
}

/// A change shortly before an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearChange {
    /// The change.
    pub change: Arc<Change>,
    /// How long before the first abnormal record it was; zero where it came after.
    pub before: Duration,
}

/// An attribute value that what is abnormal has more often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lift {
    /// The attribute: `service.version`.
    pub attribute: Box<str>,
    /// Its value. Untrusted.
    pub value: Box<str>,
    /// Abnormal sequences or records with it, and all abnormal ones.
    pub abnormal: (u64, u64),
    /// Normal sequences or records with it, and all normal ones.
    pub normal: (u64, u64),
    /// How many times more frequent it is among the abnormal.
    pub lift: f64,
    /// The chance of that by accident, corrected for how many were looked at.
    pub p_value: f64,
}

/// What is known of earlier incidents with the same fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// How often it was there.
    pub times: u64,
    /// When it last began.
    pub last: Option<Timestamp>,
    /// How long it mostly took until it was over: the median.
    pub usually_lasts: Option<Duration>,
    /// What was done, the most frequent first. At most [`Before::DONE_MAX`].
    pub done: Vec<Done>,
}

impl Before {
    /// Most actions it tells of.
    pub const DONE_MAX: usize = 5;
}

/// Something that was done about an incident, and whether it helped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What: the name of an action, or what somebody noted. Untrusted.
    pub action: Box<str>,
    /// How often.
    pub times: u64,
    /// How often it helped.
    pub helped: u64,
}

/// Whom an incident concerns, and whether they are to be woken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The team, where one is known. Untrusted.
    pub team: Option<Box<str>>,
    /// Whether it pages.
    pub pages: bool,
    /// Why it pages, or why it does not, in one sentence.
    pub why: Box<str>,
    /// The silence or window that mutes it.
    pub muted_by: Option<Box<str>>,
}

/// Something that became of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// Derived from the incident and its revision. 32 hex digits.
    pub id: Box<str>,
    /// What became of it.
    pub stage: Stage,
    /// When.
    pub at: Timestamp,
    /// As it is since.
    pub incident: Arc<Incident>,
}

/// What can become of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is new.
    Opened,
    /// Something of weight changed: graver, wider, another cause, or it came back.
    Updated,
    /// Somebody took it on.
    Acknowledged,
    /// It is over.
    Resolved,
    /// It is normal.
    Accepted,
}

impl Stage {
    /// The name used on every wire: `knothole.incident.opened`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Accepted => "accepted",
        }
    }
}

/// What happened to a team's services and woke nobody, in one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Derived from the team and the period. 32 hex digits.
    pub id: Box<str>,
    /// The team, where one is known. Untrusted.
    pub team: Option<Box<str>>,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// The incidents, gravest first, then oldest first. At most [`Digest::INCIDENTS_MAX`], each without
    /// its signs, its cause and all services but the first.
    pub incidents: Vec<Arc<Incident>>,
    /// All of them, also those that are not listed.
    pub incident_count: u64,
    /// How many pages there were, and how many there may be in a day.
    pub pages: (u64, u64),
}

impl Digest {
    /// Most incidents a digest lists.
    pub const INCIDENTS_MAX: usize = 50;
}
