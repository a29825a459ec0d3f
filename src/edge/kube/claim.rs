//! A claim on a workload: a Lease that names the action. Whoever acts has it first, so that two instances of
//! knothole do not act on one workload at a time, and so that after a crash it is known that something may have
//! been sent.
//!
//! ```text
//!  none, expired, given back ── take ──▶ names us ── sent, or not known ──▶ runs out
//!        ▲                                  │
//!        └──── give back: refused for certain
//! ```

use std::time::Duration;

use http::{Method, StatusCode};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use serde_json::{Value, json};

use super::Kube;
use super::answer;
use super::error::{KubeError, bounded};
use super::kinds::{Kind, doing, name};
use super::objects::{INSTANCE, annotation, timestamp_of};
use super::read::parsed;
use super::wire::{Ask, Fault, Reply};
use crate::core::event::Object;
use crate::core::record::Timestamp;
use crate::core::remedy::facts::{Answer, Claim, Refused};
use crate::core::remedy::plan::ACTION_ANNOTATION;

/// What is claimed, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimOf {
    /// The namespace of the workload.
    pub namespace: Box<str>,
    /// The name of the Lease.
    pub name: Box<str>,
    /// How long nobody else may act on the workload.
    pub lasts: Duration,
    /// The workload, where it is known: the cluster collects the Lease when it is gone.
    pub owner: Option<Object>,
}

/// The most by which our clock and the API server's may be apart: by clocks it is told whether a Lease is over,
/// that of another by ours and ours by another's.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(30);

/// Which attempt to claim it was: two instances may ask for one action.
const ATTEMPT: &str = "knothole.dev/attempt";

/// A claim that we have.
pub(super) struct Held {
    path: String,
    id: Box<str>,
    attempt: String,
    claim: ClaimOf,
    version: Option<String>,
    /// Whose the Lease is; of one that was there as it was, since to change that takes more rights in some clusters.
    owners: Value,
    /// When it was taken, by our clock.
    pub(super) at: Timestamp,
}

/// What a Lease says of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It names the action, since then.
    Ours(Timestamp),
    /// The action had it and gave it back: nothing was sent.
    GivenBack,
    /// Neither.
    Other,
}

impl Kube {
    /// Claims the workload for the action `id`.
    ///
    /// # Errors
    /// What becomes of the action instead.
    pub(super) async fn take(&self, id: &str, claim: &ClaimOf) -> Result<Held, Answer> {
        let at = (self.clock)();
        let lease = self.lease(claim).await;
        let lease = lease.map_err(|e| answer::of_error(&e))?;
        if let Some(lease) = &lease {
            may_take(lease, id, at)?;
        }
        let owners = match &lease {
            Some(lease) => json!(lease.metadata.owner_references),
            None => owners(claim),
        };
        let version = lease.and_then(|it| it.metadata.resource_version);
        let path = lease_path(&claim.namespace, &claim.name);
        let mut held = Held {
            path: path.map_err(|e| answer::of_error(&e))?,
            id: id.into(),
            attempt: format!("{:016x}", rand::random::<u64>()),
            claim: claim.clone(),
            version,
            owners,
            at,
        };
        match self.write(&held, Some(id)).await {
            Ok(reply) if reply.status == StatusCode::CONFLICT => Err(Answer::Refused(
                Refused::Claimed,
                "somebody else has just claimed the workload".into(),
            )),
            Ok(reply) if reply.status.is_success() => {
                let there = reply.date;
                // One that cannot be read only cannot be given back.
                let written = parsed::<Lease>(reply, "claim").await.ok();
                held.version = written.and_then(|it| it.metadata.resource_version);
                match there.and_then(|there| is_off(at, there)) {
                    Some(why) => {
                        self.give_back(&held).await;
                        Err(Answer::Refused(Refused::NotNow(None), why.into()))
                    }
                    None => Ok(held),
                }
            }
            Ok(reply) => Err(self.untaken(held, answer::of_reply(&reply)).await),
            Err(fault) => Err(self.untaken(held, answer::of_fault(fault)).await),
        }
    }

    /// Gives the claim back, so that the action can be tried again. Where that fails it runs out.
    pub(super) async fn give_back(&self, held: &Held) {
        if held.version.is_some() {
            // Whoever has it since did not get it from us.
            let _ = self.write(held, None).await;
        }
    }

    /// How the action `id` stands with the workload.
    pub(super) async fn standing(&self, id: &str, claim: &ClaimOf) -> Result<Standing, KubeError> {
        let lease = self.lease(claim).await?;
        Ok(lease.map_or(Standing::Other, |lease| standing(&lease, id)))
    }

    /// The Lease, where there is one.
    pub(super) async fn lease(&self, claim: &ClaimOf) -> Result<Option<Lease>, KubeError> {
        let path = lease_path(&claim.namespace, &claim.name)?;
        let doing = doing("get", "leases", "coordination.k8s.io", &claim.namespace);
        self.wire.get(&path, &doing).await
    }

    /// The claim was not taken, or that is not known: then it is looked, since without a claim the action can be
    /// tried again at once.
    async fn untaken(&self, mut held: Held, answer: Answer) -> Answer {
        if matches!(answer, Answer::Unknown(_))
            && let Ok(Some(lease)) = self.lease(&held.claim).await
            && annotation(&lease.metadata, ATTEMPT) == Some(&*held.attempt)
        {
            held.version = lease.metadata.resource_version;
            self.give_back(&held).await;
        }
        answer::before(answer)
    }

    /// Writes the Lease with this holder, as it was when it was read.
    async fn write(&self, held: &Held, holder: Option<&str>) -> Result<Reply, Fault> {
        let body = self.body(held, holder);
        let manager = &self.field_manager;
        match &held.version {
            Some(_) => {
                let path = format!("{}?fieldManager={manager}", held.path);
                self.wire.ask(Ask::json(Method::PUT, &path, &body)).await
            }
            None => {
                let list = held.path.rsplit_once('/').map_or("", |it| it.0);
                let path = format!("{list}?fieldManager={manager}");
                self.wire.ask(Ask::json(Method::POST, &path, &body)).await
            }
        }
    }

    fn body(&self, held: &Held, holder: Option<&str>) -> Value {
        let at = micros(held.at);
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": held.claim.name,
                "namespace": held.claim.namespace,
                "resourceVersion": held.version,
                "ownerReferences": held.owners,
                "annotations": {
                    ACTION_ANNOTATION: held.id,
                    INSTANCE: self.instance,
                    ATTEMPT: held.attempt,
                },
            },
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": seconds(held.claim.lasts),
                "acquireTime": at,
                "renewTime": at,
            },
        })
    }
}

/// What the Lease goes with: the workload, where its uid is known, and in its own namespace alone.
fn owners(claim: &ClaimOf) -> Value {
    let owner = claim.owner.as_ref();
    let owner = owner.filter(|it| it.namespace == claim.namespace && !it.uid.is_empty());
    let owner = owner.and_then(|owner| Some((owner, Kind::of(&owner.kind)?)));
    let owner = owner.map(|(owner, kind)| {
        json!({
            "apiVersion": kind.api_version(),
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
        })
    });
    owner.into_iter().collect()
}

/// Where a Lease is.
pub(super) fn lease_path(namespace: &str, lease: &str) -> Result<String, KubeError> {
    let (namespace, lease) = (name(namespace)?, name(lease)?);
    Ok(format!(
        "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{lease}"
    ))
}

/// What a Lease claims; none where it was given back.
pub(super) fn of_lease(lease: &Lease) -> Option<Claim> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.as_deref()?;
    if holder.is_empty() {
        return None;
    }
    let at = spec.renew_time.as_ref().or(spec.acquire_time.as_ref());
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Some(Claim {
        action: bounded(holder).into(),
        at: at.and_then(|it| timestamp_of(it.0)).unwrap_or_default(),
        lasts: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
    })
}

fn may_take(lease: &Lease, id: &str, now: Timestamp) -> Result<(), Answer> {
    let Some(claim) = of_lease(lease) else {
        return Ok(());
    };
    if *claim.action == *id {
        return Err(Answer::Unknown(
            "this action has claimed the workload before, so it may have been sent".into(),
        ));
    }
    // A clock that was put back makes it last longer, never shorter.
    if claim.at.plus(claim.lasts) > now {
        let why = format!("action {} has claimed the workload", claim.action);
        return Err(Answer::Refused(Refused::Claimed, why.into()));
    }
    Ok(())
}

/// Why nothing may be claimed at `ours`, where the API server says that it is `there`.
fn is_off(ours: Timestamp, there: Timestamp) -> Option<String> {
    let (ahead, behind) = (ours.since(there), there.since(ours));
    let (by, how) = match ahead > behind {
        true => (ahead, "ahead of"),
        false => (behind, "behind"),
    };
    let why = || {
        format!(
            "the clock of this host is {} s {how} the API server's",
            by.as_secs()
        )
    };
    (by > CLOCKS_APART_MAX).then(why)
}

fn standing(lease: &Lease, id: &str) -> Standing {
    match of_lease(lease) {
        Some(claim) if *claim.action == *id => Standing::Ours(claim.at),
        None if annotation(&lease.metadata, ACTION_ANNOTATION) == Some(id) => Standing::GivenBack,
        Some(_) | None => Standing::Other,
    }
}

/// As Kubernetes writes times with fractions.
pub(super) fn micros(at: Timestamp) -> MicroTime {
    let nanos = i128::from(at.as_nanos());
    // All times of ours are within what it can tell.
    MicroTime(jiff::Timestamp::from_nanosecond(nanos).unwrap_or_default())
}

/// At least one, or the server refuses it.
fn seconds(lasts: Duration) -> i32 {
    i32::try_from(lasts.as_secs()).unwrap_or(i32::MAX).max(1)
}
