//! Rehearsing: whether the token may do it, and, where the owner wants that, Argo CD's own dry run.

use serde::Deserialize;
use serde_json::Value;

use super::application::Application;
use super::error::why;
use super::operation::{Ours, Shown};
use super::send::{Asked, Reading, begun};
use super::wire::{Argo, Unread};
use crate::core::event::Request;

/// What a token may.
#[derive(Deserialize)]
struct CanI {
    #[serde(default)]
    value: String,
}

impl Argo {
    /// Whether Argo CD would do what `request` asks for. `None` where it knows no way to tell: then nothing is
    /// against it so far.
    ///
    /// An operation is tried as a dry run only where the owner has set
    /// [`dry_run`](super::ArgoSettings::dry_run); the action of a resource cannot be.
    pub async fn rehearse(&self, request: &Request) -> Option<Result<(), Box<str>>> {
        let Some(reading) = Reading::of(request) else {
            return Some(Err("this is no request that Argo CD is sent".into()));
        };
        if reading.asked == Asked::Resource {
            return None;
        }
        match self.may_sync(&reading).await {
            Ok(()) if self.dry_run => Some(self.tried(&reading, request).await),
            Ok(()) => None,
            Err(why) => Some(Err(why)),
        }
    }

    /// Whether the token may sync the application, which is what a rollback takes too.
    async fn may_sync(&self, reading: &Reading<'_>) -> Result<(), Unread> {
        let application = self.application(reading.application).await?;
        let application = application.ok_or("Argo CD knows no such application")?;
        let (project, name) = (application.project(), reading.application);
        let object = match &self.app_namespace {
            Some(namespace) => format!("{project}/{namespace}/{name}"),
            None => format!("{project}/{name}"),
        };
        let path = format!("/api/v1/account/can-i/applications/sync/{object}");
        let answer: Option<CanI> = self.read(&path, &[]).await?;
        match answer.as_ref().map(|it| &*it.value) {
            Some("yes") => Ok(()),
            Some("no") => Err(format!("the token may not sync {name} of project {project}").into()),
            Some(_) | None => Err("Argo CD does not say what the token may".into()),
        }
    }

    /// Has the operation tried, and waits for how that ends.
    async fn tried(&self, reading: &Reading<'_>, request: &Request) -> Result<(), Unread> {
        let (trial, id) = dry(request).ok_or("the request cannot be tried")?;
        let rendered = self.peer.rendered(&trial)?;
        let reply = self.asked(rendered).await;
        let reply = reply.map_err(|silence| format!("Argo CD did not answer: {}", silence.why))?;
        if reply.status.as_u16() != 200 {
            return Err(why(&reply).into());
        }
        let application: Application = reply.json()?;
        let ours = Ours {
            id: &id,
            is_dry: true,
            back_to: reading.back_to,
            begun: begun(&application),
        };
        match self.ended(reading.application, &ours).await {
            Some(Shown::Over(said)) if said.starts_with("Succeeded") => Ok(()),
            Some(Shown::Over(said)) => Err(format!("the dry run ended so: {said}").into()),
            Some(Shown::Running(said)) => Err(format!("the dry run has not ended: {said}").into()),
            Some(Shown::Pending) | None => Err("the dry run has not begun".into()),
        }
    }
}

/// The same request as a dry run, and by what it is known.
fn dry(request: &Request) -> Option<(Request, String)> {
    let mut body: Value = serde_json::from_str(&request.body).ok()?;
    let fields = body.as_object_mut()?;
    fields.insert("dryRun".to_owned(), true.into());
    let infos = fields.get("infos").and_then(Value::as_array);
    let id = infos.and_then(|infos| infos.first()?.get("value")?.as_str());
    let id = id.unwrap_or_default().to_owned();
    let trial = Request {
        body: body.to_string().into(),
        ..request.clone()
    };
    Some((trial, id))
}
