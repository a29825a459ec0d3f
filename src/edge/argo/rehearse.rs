//! Rehearsing: whether the token may do it, and, where the owner wants that, Argo CD's own dry run.

use serde::Deserialize;
use serde_json::Value;

use super::application::Application;
use super::error::why;
use super::operation::{Ours, Shown};
use super::send::{Asked, Reading, begun};
use super::wire::{Argo, Unread, answered};
use crate::core::event::Request;
use crate::core::remedy::facts::Answer;
use crate::edge::outgoing::{Gate, Reply};

/// What a token may.
#[derive(Deserialize)]
struct CanI {
    #[serde(default)]
    value: String,
}

/// What came of having an operation tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// How it ended; or that nobody knows, and it is not tried again.
    Over(Result<(), Box<str>>),
    /// Nothing was begun for certain; why.
    NotBegun(Box<str>),
}

impl Argo {
    /// Whether the token may do what `request` asks for. `None` where nothing is against it so far: what comes of an
    /// operation only a [trial](Self::try_out) tells, and what comes of the action of a resource nothing does.
    pub async fn rehearse(&self, request: &Request) -> Option<Result<(), Box<str>>> {
        let Some(reading) = Reading::of(request) else {
            return Some(Err("this is no request that Argo CD is sent".into()));
        };
        if reading.asked == Asked::Resource {
            return None;
        }
        self.may_sync(&reading).await.err().map(Err)
    }

    /// Whether the owner has set [`dry_run`](super::ArgoSettings::dry_run), and `request` can be tried.
    pub fn is_tried(&self, request: &Request) -> bool {
        let reading = Reading::of(request);
        self.dry_run && reading.is_some_and(|it| it.asked != Asked::Resource)
    }

    /// Has the operation of `request` tried, unless `gate` forbids it, and waits for how that ends. It is an operation
    /// like any other: it takes the application's place for operations, and is shown and told as the last one.
    pub async fn try_out(&self, request: &Request, gate: Gate<'_>) -> Trial {
        let Some(reading) = Reading::of(request) else {
            return Trial::NotBegun("this is no request that Argo CD is sent".into());
        };
        let Some((trial, id)) = dry(request) else {
            return Trial::NotBegun("the request cannot be tried".into());
        };
        let signed = match self.peer.rendered(&trial) {
            Ok(rendered) => self.signed(rendered).await,
            Err(why) => return Trial::NotBegun(why.into()),
        };
        if let Some(Answer::Refused(_, why)) = gate() {
            return Trial::NotBegun(why);
        }
        let asked = match signed {
            Ok(signed) => answered(signed).await,
            Err(silence) => Err(silence),
        };
        match asked {
            Ok(reply) if reply.status.as_u16() == 200 => {
                Trial::Over(self.tried(&reading, &id, &reply).await)
            }
            Ok(reply) if reply.status.is_server_error() => Trial::Over(Err(why(&reply).into())),
            Ok(reply) => Trial::NotBegun(why(&reply).into()),
            Err(silence) => {
                let why = format!("Argo CD did not answer: {}", silence.why).into();
                match silence.was_sent {
                    true => Trial::Over(Err(why)),
                    false => Trial::NotBegun(why),
                }
            }
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

    /// How the trial ends that `reply` shows as asked for.
    async fn tried(&self, reading: &Reading<'_>, id: &str, reply: &Reply) -> Result<(), Unread> {
        let application: Application = reply.json()?;
        let ours = Ours {
            id,
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
