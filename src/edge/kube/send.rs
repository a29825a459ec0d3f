//! Sending a plan: once, and only while the object is the one that was planned for.
//!
//! ```text
//!  may we? ─▶ claim the workload ─▶ is it still the object? ─▶ may we? ─▶ the requests, in order, each once
//! ```

use std::time::Duration;

use http::Method;

use super::Kube;
use super::answer;
use super::claim::{ClaimOf, Held};
use super::kinds::{Kind, path_of};
use super::objects::Plain;
use super::wire::{Ask, JSON};
use crate::core::event::{Object, Plan, Request, System};
use crate::core::remedy::facts::{Answer, Refused};

/// Most requests of a plan.
pub(super) const REQUESTS_MAX: usize = 8;
/// Requests that precede the first of a plan: the claim is written, the object is read, and that much more.
const BEFORE_MAX: u32 = 3;

impl Kube {
    /// Carries out `plan` for the action `id`. `gate` is asked before anything is written and again before each
    /// request: where it answers, that is what came of it, and nothing more is sent.
    ///
    /// A workload that this very action has claimed before may have been sent to: that is
    /// [`Answer::Unknown`], and has to be [settled](Self::settle). Where it was refused for certain the claim is
    /// given back, and the same action may be sent again.
    pub async fn send(
        &self,
        id: &str,
        plan: &Plan,
        claim: &ClaimOf,
        gate: &(dyn Fn() -> Option<Answer> + Send + Sync),
    ) -> Answer {
        let subject = match checked(plan) {
            Ok(subject) => subject,
            Err(why) => return Answer::Refused(Refused::Never, why.into()),
        };
        if let Some(stopped) = gate() {
            return stopped;
        }
        let held = match self.take(id, claim).await {
            Ok(held) => held,
            Err(answer) => return answer,
        };
        let answer = match self.changed(subject).await {
            Some(answer) => answer,
            None => self.act(plan, &held, gate).await,
        };
        if matches!(answer, Answer::Refused(..)) {
            self.give_back(&held).await;
        }
        answer
    }

    /// Has `act` done for the action `id` while its workload is claimed: what another system carries out. Nothing of
    /// it begins before the claim is ours, and where `subject` is not as it was when that was planned; where it comes
    /// to nothing for certain the claim is given back.
    ///
    /// A workload that this very action has claimed before may have been acted on: that is [`Answer::Unknown`], and
    /// `act` is not begun.
    pub async fn claiming(
        &self,
        id: &str,
        claim: &ClaimOf,
        subject: Option<&Object>,
        act: impl Future<Output = Answer> + Send,
    ) -> Answer {
        let held = match self.take(id, claim).await {
            Ok(held) => held,
            Err(answer) => return answer,
        };
        let changed = match subject {
            Some(subject) => self.changed(subject).await,
            None => None,
        };
        let answer = match changed {
            Some(answer) => answer,
            None => act.await,
        };
        if matches!(answer, Answer::Refused(..)) {
            self.give_back(&held).await;
        }
        answer
    }

    async fn act(
        &self,
        plan: &Plan,
        held: &Held,
        gate: &(dyn Fn() -> Option<Answer> + Send + Sync),
    ) -> Answer {
        let mut done = Answer::Refused(Refused::Never, "there is nothing to send".into());
        for (sent, request) in plan.requests.iter().enumerate() {
            let stopped = gate().or_else(|| self.late(held, sent));
            let answer = match stopped {
                Some(stopped) => stopped,
                None => self.request(request).await,
            };
            match answer {
                Answer::Done(_) => done = answer,
                _ if sent == 0 => return answer,
                Answer::Refused(_, why) | Answer::Unknown(why) => {
                    let of = plan.requests.len();
                    let why = format!("{sent} of {of} requests were carried out, then: {why}");
                    return Answer::Unknown(why.into());
                }
            }
        }
        done
    }

    /// One request, once, which was allowed just now.
    pub(super) async fn request(&self, request: &Request) -> Answer {
        let Ok(method) = request.method.parse::<Method>() else {
            return Answer::Refused(Refused::Never, "its method is none".into());
        };
        let ask = Ask {
            method,
            path: &request.path,
            content_type: &request.content_type,
            body: request.body.as_bytes().to_vec(),
            accept: JSON,
        };
        match self.wire.act(ask).await {
            Ok(reply) => answer::of_reply(&reply),
            Err(fault) => answer::of_fault(fault),
        }
    }

    /// Whether the object is not the one that was planned for. It is asked before the server is, since an eviction
    /// that it refuses for the pod's uid has used up the disruption budget for two minutes.
    async fn changed(&self, subject: &Object) -> Option<Answer> {
        let refused = |refused, why: &str| Some(Answer::Refused(refused, why.into()));
        let (Some(path), Some(kind)) = (path_of(subject), Kind::of(&subject.kind)) else {
            return refused(Refused::Never, "its object is none that is acted on");
        };
        let doing = kind.doing("get", &subject.namespace);
        let meta = match self.wire.get::<Plain>(&path, &doing).await {
            Err(error) => return Some(answer::of_error(&error)),
            Ok(None) => return refused(Refused::Changed, "the object is gone"),
            Ok(Some(object)) => object.metadata,
        };
        if meta.uid.as_deref() != Some(&*subject.uid) {
            return refused(Refused::Changed, "the object was made anew since");
        }
        if meta.deletion_timestamp.is_some() {
            return refused(Refused::Changed, "the object is being deleted");
        }
        if subject.generation != 0 && meta.generation != Some(subject.generation) {
            return refused(Refused::Changed, "the object was changed since");
        }
        None
    }

    /// Whoever was held up for longer than requests take may not send any more: what is settled meanwhile goes by
    /// it.
    fn late(&self, held: &Held, sent: usize) -> Option<Answer> {
        let now = (self.clock)();
        (now.since(held.at) > self.send_within(sent)).then(|| {
            let why = "sending was held up for too long".into();
            Answer::Refused(Refused::NotNow(None), why)
        })
    }

    /// How long after its claim a request may be sent at the latest, by how many were sent before it.
    pub(super) fn send_within(&self, sent: usize) -> Duration {
        let before = u32::try_from(sent.min(REQUESTS_MAX)).unwrap_or_default();
        self.wire.timeout() * (BEFORE_MAX + before)
    }
}

/// The object of a plan that can be sent: every request is for that very object.
pub(super) fn checked(plan: &Plan) -> Result<&Object, &'static str> {
    let subject = plan.subject.as_ref().ok_or("its plan has no object")?;
    let path = path_of(subject).ok_or("its object is none that is acted on")?;
    if subject.uid.is_empty() {
        return Err("its object has no uid");
    }
    if plan.requests.is_empty() || plan.requests.len() > REQUESTS_MAX {
        return Err("its plan has no requests, or too many");
    }
    let is_ours = |request: &Request| {
        let rest = request.path.strip_prefix(&*path);
        request.system == System::Kubernetes
            && matches!(&*request.method, "POST" | "PATCH" | "PUT")
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    if plan.requests.iter().all(is_ours) {
        Ok(subject)
    } else {
        Err("its plan has a request that is not for its object")
    }
}
