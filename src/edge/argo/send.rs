//! Sending: the very request of the plan, once. What Argo CD took on is followed for a while.

use std::time::Duration;

use serde::Deserialize;

use super::application::Application;
use super::error::of_refusal;
use super::operation::{Begun, OperationState, Ours, Shown};
use super::wire::{Argo, answered};
use crate::core::event::{Request, System};
use crate::core::remedy::facts::{Answer, Refused};
use crate::edge::outgoing::Gate;

/// What is asked of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To be synced.
    Sync,
    /// To go back.
    Rollback,
    /// To have an action of one of its resources run.
    Resource,
}

/// What of a request's body is gone by.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    /// A rollback's.
    id: Option<i64>,
    /// A sync's.
    infos: Vec<Info>,
}

#[derive(Debug, Deserialize)]
struct Info {
    value: String,
}

/// A request, read again.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) application: &'a str,
    pub(super) asked: Asked,
    /// Where a rollback leads.
    pub(super) back_to: Option<i64>,
    infos: Vec<String>,
}

impl<'a> Reading<'a> {
    /// `None` for what Argo CD is not asked by plans.
    pub(super) fn of(request: &'a Request) -> Option<Self> {
        if request.system != System::ArgoCd || &*request.method != "POST" {
            return None;
        }
        let path = request.path.strip_prefix("/api/v1/applications/")?;
        let (application, what) = path.split_once('/')?;
        let asked = match what {
            "sync" => Asked::Sync,
            "rollback" => Asked::Rollback,
            "resource/actions/v2" => Asked::Resource,
            _ => return None,
        };
        let body: Body = serde_json::from_str(&request.body).ok()?;
        let back_to = body.id.filter(|_| asked == Asked::Rollback);
        if asked == Asked::Rollback && back_to.is_none() {
            return None;
        }
        Some(Self {
            application,
            asked,
            back_to,
            infos: body.infos.into_iter().map(|it| it.value).collect(),
        })
    }
}

impl Argo {
    /// Sends `request`, once, unless `gate` forbids it: that is asked when all else is ready. An operation that Argo CD takes on takes place; what is said of it is how it
    /// ended, or how far it is after [`follow`](super::ArgoSettings::follow).
    pub async fn send(&self, request: &Request, gate: Gate<'_>) -> Answer {
        let Some(reading) = Reading::of(request) else {
            let why = "this is no request that Argo CD is sent";
            return Answer::Refused(Refused::Never, why.into());
        };
        let rendered = match self.peer.rendered(request) {
            Ok(rendered) => rendered,
            Err(why) => return Answer::Refused(Refused::Never, why.into()),
        };
        let signed = match self.signed(rendered).await {
            Ok(signed) => signed,
            Err(silence) => return silence.answer(),
        };
        if let Some(forbidden) = gate() {
            return forbidden;
        }
        let reply = match answered(signed).await {
            Ok(reply) => reply,
            Err(silence) => return silence.answer(),
        };
        if reply.status.as_u16() != 200 {
            return of_refusal(&reply, self.project.is_some());
        }
        // Whoever answers with a page for a browser is not the API.
        if reply.body.first() != Some(&b'{') {
            let why = "something answered 200, but not as Argo CD does: is its url right?";
            return Answer::Unknown(why.into());
        }
        if reading.asked == Asked::Resource {
            return Answer::Done("Argo CD has run the resource's action".into());
        }
        let said = match reply.json::<Application>() {
            Ok(application) => self.followed(&reading, &application).await,
            Err(_) => "Argo CD has taken it on".to_owned(),
        };
        Answer::Done(said.into())
    }

    /// How the operation ends that `answer` shows as asked for, or how far it gets.
    async fn followed(&self, reading: &Reading<'_>, answer: &Application) -> String {
        let ours = Ours {
            id: reading.infos.first().map_or("", |it| it),
            is_dry: false,
            back_to: reading.back_to,
            begun: begun(answer),
        };
        match self.ended(reading.application, &ours).await {
            Some(Shown::Over(said)) => format!("Argo CD has carried it out: {said}"),
            Some(Shown::Running(said)) => format!("Argo CD is carrying it out: {said}"),
            Some(Shown::Pending) | None => "Argo CD has taken it on, and not begun yet".to_owned(),
        }
    }

    /// What the application shows of `ours` when it is over, or in the end.
    pub(super) async fn ended(&self, application: &str, ours: &Ours<'_>) -> Option<Shown> {
        let mut shown = None;
        let following = async {
            loop {
                tokio::time::sleep(self.poll).await;
                if let Ok(Some(found)) = self.application(application).await {
                    shown = ours.shown(&found).or(shown.take());
                    if matches!(shown, Some(Shown::Over(_))) {
                        return;
                    }
                }
            }
        };
        // What was seen last is as good as can be.
        let _ = tokio::time::timeout(self.follow, following).await;
        shown
    }
}

/// Who began the operation that `answer` shows as asked for. It begins after the one that was last under way,
/// whose time has seconds only.
pub(super) fn begun(answer: &Application) -> Option<Begun> {
    let by = answer.operation.as_ref()?.initiated_by.as_ref()?;
    let username = by.username.clone()?;
    let last = answer.status.operation_state.as_ref();
    let last = last.and_then(OperationState::began);
    Some(Begun {
        username,
        from: last.map_or_else(Default::default, |last| last.plus(Duration::from_secs(1))),
    })
}
