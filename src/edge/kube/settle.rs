//! Settling: whether something of which no answer came took place, by what the cluster shows.

use std::time::Duration;

use serde_json::Value;

use super::Kube;
use super::claim::{ClaimOf, Standing};
use super::error::KubeError;
use super::facts::of_workload;
use super::kinds::{Kind, path_of};
use super::objects::{Plain, Scale, Workload};
use super::send::checked;
use crate::core::event::{Object, Plan, Request};
use crate::core::remedy::facts::Settlement;

/// How long an API server may go on with a request that its client has given up: 60 seconds by default
/// (`--request-timeout`), and a quarter for clocks and queues.
const SERVER_MAX: Duration = Duration::from_secs(75);

/// What the object shows of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// That it took place.
    Done,
    /// That it did not, so far.
    Nothing,
    /// Neither: somebody else has changed the object since.
    Neither,
}

impl Kube {
    /// Whether `plan` took place for the action `id`. That it did not is said only of an object that is unchanged,
    /// where the claim still names the action and nothing that was sent can be under way any more, or where the
    /// action gave its claim back.
    pub async fn settle(&self, id: &str, plan: &Plan, claim: &ClaimOf) -> Settlement {
        let Ok(subject) = checked(plan) else {
            return Settlement::Unclear;
        };
        // The claim first: what it says then still holds for what is read after it.
        let Ok(standing) = self.standing(id, claim).await else {
            return Settlement::Unclear;
        };
        let mut is_untouched = true;
        let mut is_done = true;
        for request in &plan.requests {
            let Ok(shows) = self.shows(id, subject, request).await else {
                return Settlement::Unclear;
            };
            is_done &= shows == Shows::Done;
            is_untouched &= shows == Shows::Nothing;
        }
        let is_over = match standing {
            Standing::Ours(since) => {
                let last = self.send_within(plan.requests.len());
                let until = since.plus(last + self.wire.timeout() + SERVER_MAX);
                (self.clock)() > until
            }
            Standing::GivenBack => true,
            Standing::Other => false,
        };
        match (is_done, is_untouched && is_over) {
            (true, _) => Settlement::Done,
            (false, true) => Settlement::NotDone,
            (false, false) => Settlement::Unclear,
        }
    }

    async fn shows(
        &self,
        id: &str,
        subject: &Object,
        request: &Request,
    ) -> Result<Shows, KubeError> {
        let (path, _) = request.path.split_once('?').unwrap_or((&request.path, ""));
        match path.rsplit('/').next() {
            Some("eviction") => self.shows_eviction(subject).await,
            Some("scale") => self.shows_scale(subject, request).await,
            _ => self.shows_annotation(id, subject).await,
        }
    }

    async fn shows_eviction(&self, subject: &Object) -> Result<Shows, KubeError> {
        let pod: Option<Plain> = self.read(subject, "").await?;
        Ok(match pod {
            Some(pod) if pod.metadata.uid.as_deref() == Some(&*subject.uid) => {
                match pod.metadata.deletion_timestamp {
                    Some(_) => Shows::Done,
                    None => Shows::Nothing,
                }
            }
            Some(_) | None => Shows::Done,
        })
    }

    async fn shows_scale(&self, subject: &Object, request: &Request) -> Result<Shows, KubeError> {
        let wanted = serde_json::from_str::<Value>(&request.body).ok();
        let wanted = wanted.and_then(|it| it.pointer("/spec/replicas")?.as_u64());
        let scale: Option<Scale> = self.read(subject, "/scale").await?;
        let (Some(wanted), Some(scale)) = (wanted, scale) else {
            return Ok(Shows::Neither);
        };
        let replicas = scale.spec.and_then(|it| it.replicas).unwrap_or_default();
        let is_it = scale.metadata.uid.as_deref() == Some(&*subject.uid);
        if is_it && u64::from(replicas) == wanted {
            return Ok(Shows::Done);
        }
        self.unchanged(subject).await
    }

    /// All else is written down on the object, in the same request.
    async fn shows_annotation(&self, id: &str, subject: &Object) -> Result<Shows, KubeError> {
        let Some(kind) = Kind::of(&subject.kind) else {
            return Ok(Shows::Neither);
        };
        let workload: Option<Workload> = self.read(subject, "").await?;
        let Some(workload) = workload else {
            return Ok(Shows::Neither);
        };
        let facts = of_workload(kind, &workload);
        let names = [&facts.annotated, &facts.template_annotated];
        let is_it = facts.object.uid == subject.uid;
        Ok(match is_it {
            true if names.into_iter().any(|it| it.as_deref() == Some(id)) => Shows::Done,
            true if facts.object.generation == subject.generation => Shows::Nothing,
            true | false => Shows::Neither,
        })
    }

    /// Nothing of what is wanted of an object has changed where its generation is the same.
    async fn unchanged(&self, subject: &Object) -> Result<Shows, KubeError> {
        let object: Option<Plain> = self.read(subject, "").await?;
        let meta = object.map(|it| it.metadata).unwrap_or_default();
        let is_same = meta.uid.as_deref() == Some(&*subject.uid)
            && meta.generation == Some(subject.generation);
        Ok(if is_same {
            Shows::Nothing
        } else {
            Shows::Neither
        })
    }

    async fn read<T>(&self, subject: &Object, below: &str) -> Result<Option<T>, KubeError>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let path = path_of(subject).ok_or_else(|| KubeError::Name(subject.name.to_string()))?;
        let doing = format!(
            "get {}{below} in namespace {}",
            subject.kind, subject.namespace
        );
        self.wire.get(&format!("{path}{below}"), &doing).await
    }
}
