//! Rehearsing: may we, and what does the server say to the very requests. Nothing is changed by it.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::Kube;
use super::error::KubeError;
use super::read::parsed;
use super::send::checked;
use super::wire::Ask;
use crate::core::event::{Plan, Request};
use crate::core::remedy::facts::{Answer, Rehearsal};

/// Most permissions that are asked for.
const PERMISSIONS_MAX: usize = 32;
/// Where the server is asked what we may do.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// Something that we may do or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The API group; nothing for the core.
    pub group: Box<str>,
    /// `pods`.
    pub resource: Box<str>,
    /// `eviction`; nothing where it is the object itself.
    pub subresource: Box<str>,
    /// `create`.
    pub verb: Box<str>,
    /// The namespace.
    pub namespace: Box<str>,
    /// The object; none is all of them.
    pub name: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Review {
    status: Option<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    allowed: bool,
}

impl std::fmt::Display for Permission {
    /// `create pods/eviction in namespace shop`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        write!(f, " in namespace {}", self.namespace)
    }
}

impl Kube {
    /// What we may do of `permissions`, and what the server says to the requests of `plan` as a dry run. A
    /// question to which there is no answer counts as no, and stands in the dry run.
    pub async fn rehearse(&self, plan: &Plan, permissions: &[Permission]) -> Rehearsal {
        let mut rehearsal = Rehearsal::default();
        let mut dry_run: Result<(), Box<str>> = match checked(plan) {
            Ok(_) if permissions.len() > PERMISSIONS_MAX => {
                Err("it needs too many permissions".into())
            }
            Ok(_) => Ok(()),
            Err(why) => Err(why.into()),
        };
        for permission in permissions.iter().take(PERMISSIONS_MAX) {
            let may = self.may(permission).await;
            if let (Ok(()), Err(error)) = (&dry_run, &may) {
                dry_run = Err(error.to_string().into());
            }
            let may = may.unwrap_or_default();
            rehearsal.access.push((permission.to_string().into(), may));
        }
        if dry_run.is_ok() {
            for request in &plan.requests {
                dry_run = self.dry_run(request).await;
                if dry_run.is_err() {
                    break;
                }
            }
        }
        rehearsal.dry_run = Some(dry_run);
        rehearsal
    }

    async fn may(&self, permission: &Permission) -> Result<bool, KubeError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": permission.group,
                "resource": permission.resource,
                "subresource": permission.subresource,
                "verb": permission.verb,
                "namespace": permission.namespace,
                "name": permission.name,
            }},
        });
        let doing = format!("ask whether we may {permission}");
        let reply = self
            .wire
            .ask(Ask::json(Method::POST, REVIEWS, &review))
            .await;
        let reply = reply.map_err(|fault| KubeError::lost(&doing, fault))?;
        if !reply.status.is_success() {
            return Err(KubeError::of(&doing, &reply));
        }
        let review: Review = parsed(reply, &doing).await?;
        Ok(review.status.is_some_and(|it| it.allowed))
    }

    /// One request of which the server is told that nothing may come of it.
    async fn dry_run(&self, request: &Request) -> Result<(), Box<str>> {
        let path = &request.path;
        let joint = if path.contains('?') { '&' } else { '?' };
        let request = Request {
            path: format!("{path}{joint}dryRun=All").into(),
            ..request.clone()
        };
        match self.request(&request).await {
            Answer::Done(_) => Ok(()),
            Answer::Refused(_, why) | Answer::Unknown(why) => Err(why),
        }
    }
}
