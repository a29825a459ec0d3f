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
use crate::core::remedy::plan::Permission;

/// Most permissions that are asked for.
const PERMISSIONS_MAX: usize = 32;
/// Where the server is asked what we may do.
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

#[derive(Deserialize)]
struct Review {
    status: Option<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    allowed: bool,
}

impl Kube {
    /// What we may do of `permissions`, and what the server says to the requests of `plan` as a dry run. A
    /// permission of which the server does not say is left out, and the dry run says why.
    pub async fn rehearse(&self, plan: &Plan, permissions: &[Permission]) -> Rehearsal {
        let rehearsal = self.access(permissions).await;
        let dry_run = match (checked(plan), rehearsal.dry_run) {
            (Err(why), _) => Err(why.into()),
            (Ok(_), Some(unasked)) => unasked,
            (Ok(_), None) => self.dry_runs(&plan.requests).await,
        };
        Rehearsal {
            dry_run: Some(dry_run),
            ..rehearsal
        }
    }

    /// What we may do of `permissions`. Where the server does not say, those that it did not are left out, and the
    /// dry run says why; else there is none.
    pub async fn access(&self, permissions: &[Permission]) -> Rehearsal {
        let mut rehearsal = Rehearsal::default();
        if permissions.len() > PERMISSIONS_MAX {
            rehearsal.dry_run = Some(Err("it needs too many permissions".into()));
        }
        for permission in permissions.iter().take(PERMISSIONS_MAX) {
            match self.may(permission).await {
                Ok(may) => rehearsal.access.push((permission.to_string().into(), may)),
                Err(error) => {
                    rehearsal.dry_run = Some(Err(error.to_string().into()));
                    break;
                }
            }
        }
        rehearsal
    }

    async fn may(&self, permission: &Permission) -> Result<bool, KubeError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": permission.group,
                "resource": permission.resource,
                "subresource": permission.subresource.unwrap_or_default(),
                "verb": permission.verb,
                "namespace": permission.namespace.as_deref().unwrap_or_default(),
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

    async fn dry_runs(&self, requests: &[Request]) -> Result<(), Box<str>> {
        for request in requests {
            self.dry_run(request).await?;
        }
        Ok(())
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
