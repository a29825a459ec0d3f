//! Settling: whether something of which no answer came took place, by what the cluster shows.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Kube;
use super::argo::is_asked;
use super::claim::{ClaimOf, Standing};
use super::error::KubeError;
use super::kinds::{Kind, path_of};
use super::objects::{Application, Plain, Workload, annotation};
use super::send::checked;
use crate::core::event::{Object, Plan, Request};
use crate::core::remedy::facts::Settlement;
use crate::core::remedy::plan::ACTION_ANNOTATION;

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
                let sent = self.send_within(plan.requests.len());
                let until = since.plus(sent + self.wire.timeout() + SERVER_MAX);
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
        match (path.rsplit('/').next(), &*subject.kind) {
            (Some("eviction"), _) => self.shows_eviction(subject).await,
            (Some("scale"), _) => self.shows_scale(subject, request).await,
            (Some("status"), "Rollout") => self.shows_abort(subject).await,
            (_, "Application") => self.shows_operation(id, subject).await,
            _ => self.shows_annotation(id, subject).await,
        }
    }

    async fn shows_eviction(&self, subject: &Object) -> Result<Shows, KubeError> {
        let pod: Option<Plain> = self.read(subject).await?;
        let Some(Plain { metadata }) = pod else {
            return Ok(Shows::Done);
        };
        Ok(match metadata.uid.as_deref() {
            Some(uid) if uid != &*subject.uid => Shows::Done,
            Some(_) if metadata.deletion_timestamp.is_some() => Shows::Done,
            Some(_) => Shows::Nothing,
            None => Shows::Neither,
        })
    }

    /// By the workload, which may be read, and not by its scale, which may only be patched.
    async fn shows_scale(&self, subject: &Object, request: &Request) -> Result<Shows, KubeError> {
        let workload: Option<Workload> = self.read(subject).await?;
        let workload = workload.unwrap_or_default();
        let replicas = workload.spec.as_ref().and_then(|it| it.replicas);
        let is_it = workload.metadata.uid.as_deref() == Some(&*subject.uid);
        let is_wanted = replicas.is_some() && replicas == wanted_replicas(&request.body);
        Ok(match is_it && is_wanted {
            true => Shows::Done,
            false => untouched(subject, &workload.metadata),
        })
    }

    async fn shows_abort(&self, subject: &Object) -> Result<Shows, KubeError> {
        let rollout: Option<Workload> = self.read(subject).await?;
        let rollout = rollout.unwrap_or_default();
        let is_it = rollout.metadata.uid.as_deref() == Some(&*subject.uid);
        let is_aborted = rollout.status.and_then(|it| it.abort).unwrap_or_default();
        Ok(match is_it && is_aborted {
            true => Shows::Done,
            false => untouched(subject, &rollout.metadata),
        })
    }

    async fn shows_operation(&self, id: &str, subject: &Object) -> Result<Shows, KubeError> {
        let application: Option<Application> = self.read(subject).await?;
        let application = application.unwrap_or_default();
        let is_it = application.metadata.uid.as_deref() == Some(&*subject.uid);
        Ok(match is_it && is_asked(&application, id) {
            true => Shows::Done,
            // Whether it was asked for something else since is not kept.
            false => Shows::Neither,
        })
    }

    /// All else is written down on the object, in the same request.
    async fn shows_annotation(&self, id: &str, subject: &Object) -> Result<Shows, KubeError> {
        let object: Option<Workload> = self.read(subject).await?;
        let object = object.unwrap_or_default();
        let meta = &object.metadata;
        let template = object.spec.as_ref().and_then(|it| it.template.as_ref());
        let template = template
            .and_then(|it| it.pointer("/metadata/annotations")?.get(ACTION_ANNOTATION))
            .and_then(Value::as_str);
        let is_named = [annotation(meta, ACTION_ANNOTATION), template].contains(&Some(id));
        let is_it = meta.uid.as_deref() == Some(&*subject.uid);
        Ok(match is_it && is_named {
            true => Shows::Done,
            false => untouched(subject, meta),
        })
    }

    async fn read<T>(&self, subject: &Object) -> Result<Option<T>, KubeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let (Some(kind), Some(path)) = (Kind::of(&subject.kind), path_of(subject)) else {
            return Err(KubeError::Name(subject.name.to_string()));
        };
        let doing = kind.doing("get", &subject.namespace);
        self.wire.get(&path, &doing).await
    }
}

/// Nothing of what is wanted of an object has changed where its generation is the same.
fn untouched(subject: &Object, meta: &ObjectMeta) -> Shows {
    let is_same =
        meta.uid.as_deref() == Some(&*subject.uid) && meta.generation == Some(subject.generation);
    if is_same {
        Shows::Nothing
    } else {
        Shows::Neither
    }
}

/// How many replicas a JSON patch of a scale asks for.
fn wanted_replicas(patch: &str) -> Option<u32> {
    let patch: Value = serde_json::from_str(patch).ok()?;
    let mut changes = patch.as_array()?.iter();
    let change = changes.find(|it| it["op"] == "replace" && it["path"] == "/spec/replicas")?;
    u32::try_from(change["value"].as_u64()?).ok()
}
