//! Who carries out the ledger's tasks, as `daemon::hands` and `edge::kube` do it, request by request: claim by a Lease
//! with compare and swap, look whether the object is the one that was planned for, send once, settle by reading.

use std::time::Duration;

use knothole::core::event::{Action, Plan, Request};
use knothole::core::record::Timestamp;
use knothole::core::remedy::facts::{Answer, Refused, Rehearsal, Settlement};
use knothole::core::remedy::ledger::{Errand, Ledger, Reported};
use knothole::core::remedy::plan::claim_name;
use serde_json::Value;

use crate::cluster::{Ask, Body, Lease, Reply};
use crate::net::{Fault, Moment, TIMEOUT, Wire};

/// Requests that precede the first of a plan: the claim is written, the object is read, and that much more.
const BEFORE_MAX: u32 = 3;
/// How long an API server may go on with what its client has given up.
const SERVER_MAX: Duration = Duration::from_secs(75);

/// A claim that we have.
struct Held {
    lease: Lease,
    name: String,
    is_known: bool,
    at: Timestamp,
}

/// What the object shows of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Done,
    Nothing,
    Neither,
}

enum Standing {
    Ours(Timestamp),
    GivenBack,
    Other,
}

impl Wire {
    pub(crate) async fn carry_out(self, errand: Errand) -> Option<Reported> {
        match errand {
            Errand::Look { remedy, target } => {
                let reply = self.ask(Ask::Facts(remedy, target)).await;
                Some(Reported::Looked(match reply.map(|it| it.body) {
                    Ok(Body::Facts(mut facts)) => {
                        facts.at = self.clock();
                        Ok(facts)
                    }
                    Ok(_) => Err("the cluster answers 500".into()),
                    Err(_) => Err("no answer".into()),
                }))
            }
            Errand::Rehearse {
                action,
                permissions,
                ..
            } => {
                let plan = action.plan.as_ref()?;
                let dry_run = self.ask(Ask::DryRun(plan.requests[0].clone())).await;
                let dry_run = match dry_run {
                    Ok(reply) if reply.status < 300 => Ok(()),
                    Ok(reply) => Err(format!("{}", reply.status).into()),
                    Err(_) => Err("no answer".into()),
                };
                let access = permissions.iter().map(|it| (it.to_string().into(), true));
                Some(Reported::Rehearsed(Box::new(Rehearsal {
                    access: access.collect(),
                    dry_run: Some(dry_run),
                    policy: None,
                })))
            }
            Errand::Send { action } => Some(Reported::Answered(self.send(&action).await)),
            Errand::Settle { action } => {
                let settlement = self.settle(&action).await;
                Some(Reported::Settled(settlement.unwrap_or(Settlement::Unclear)))
            }
            Errand::Note { .. } => None,
        }
    }

    fn clock(&self) -> Timestamp {
        self.net.borrow().clock(self.daemon)
    }

    /// Why nothing may be sent at this very moment.
    fn forbidden(&self, action: &Action) -> Option<Answer> {
        if self.net.borrow().is_stopped {
            return Some(Answer::Refused(Refused::Switched, "stopped".into()));
        }
        let now = self.clock();
        if now >= action.expires_at {
            return Some(Answer::Refused(Refused::Late, "its time was up".into()));
        }
        let is_stale = now >= action.acted_at?.plus(Ledger::SEND_WITHIN);
        is_stale.then(|| Answer::Refused(Refused::NotNow(None), "held up for too long".into()))
    }

    async fn send(&self, action: &Action) -> Answer {
        self.hold_up(100).await;
        let plan = action.plan.as_ref().unwrap();
        if let Some(stopped) = self.forbidden(action) {
            return stopped;
        }
        let held = match self.take(&action.id, plan).await {
            Ok(held) => held,
            Err(answer) => return answer,
        };
        let answer = match self.changed(plan).await {
            Some(answer) => answer,
            None => self.act(action, &plan.requests[0], &held).await,
        };
        if matches!(answer, Answer::Refused(..)) {
            self.give_back(held).await;
        }
        answer
    }

    async fn act(&self, action: &Action, request: &Request, held: &Held) -> Answer {
        self.hold_up(40).await;
        if let Some(stopped) = self.forbidden(action) {
            return stopped;
        }
        if self.clock().since(held.at) > send_within(0) {
            let why = "sending was held up for too long";
            return Answer::Refused(Refused::NotNow(None), why.into());
        }
        let change = Ask::Change(request.clone(), (action.id.clone(), self.daemon));
        match self.ask(change).await {
            Ok(reply) => of_reply(&reply),
            Err(fault) => of_fault(fault),
        }
    }

    /// A process that has no time does nothing for a while.
    async fn hold_up(&self, secs: u64) {
        let time = {
            let mut net = self.net.borrow_mut();
            let is_held_up = {
                let chance = net.weather.held_up;
                net.dice.percent(chance)
            };
            is_held_up.then(|| net.dice.millis(100, secs * 1_000))
        };
        if let Some(time) = time {
            self.sleep(time).await;
        }
    }

    async fn take(&self, id: &str, plan: &Plan) -> Result<Held, Answer> {
        let at = self.clock();
        let (object, lasts) = plan.claims.as_ref().unwrap();
        let name = claim_name(object);
        let known = self.lease(&name).await.map_err(of_error)?;
        if let Some(claim) = known.as_ref().and_then(Lease::claim) {
            if *claim.action == *id {
                let why = "this action has claimed the workload before, so it may have been sent";
                return Err(Answer::Unknown(why.into()));
            }
            if claim.at.plus(claim.lasts) > at {
                let why = format!("action {} has claimed the workload", claim.action);
                return Err(Answer::Refused(Refused::Claimed, why.into()));
            }
        }
        let lease = Lease {
            version: known.map_or(0, |it| it.version),
            holder: Some(id.into()),
            action: id.into(),
            attempt: self.net.borrow_mut().dice.number(),
            at,
            lasts: *lasts,
        };
        let written = self
            .ask(Ask::Claim(name.as_str().into(), lease.clone()))
            .await;
        let mut held = Held {
            lease,
            name,
            is_known: true,
            at,
        };
        match written {
            Ok(reply) if reply.status == 409 => {
                let why = "somebody else has just claimed the workload";
                Err(Answer::Refused(Refused::Claimed, why.into()))
            }
            Ok(reply) if reply.status < 300 => {
                match reply.body {
                    Body::Lease(written) => held.lease.version = written.version,
                    _ => held.is_known = false,
                }
                Ok(held)
            }
            Ok(reply) => Err(self.untaken(held, of_reply(&reply)).await),
            Err(fault) => Err(self.untaken(held, of_fault(fault)).await),
        }
    }

    /// The claim was not taken, or that is not known: then it is looked.
    async fn untaken(&self, mut held: Held, answer: Answer) -> Answer {
        if matches!(answer, Answer::Unknown(_))
            && let Ok(Some(lease)) = self.lease(&held.name).await
            && lease.attempt == held.lease.attempt
        {
            held.lease.version = lease.version;
            self.give_back(held).await;
        }
        match answer {
            Answer::Unknown(why) => Answer::Refused(Refused::NotNow(None), why),
            known @ (Answer::Done(_) | Answer::Refused(..)) => known,
        }
    }

    async fn give_back(&self, held: Held) {
        if held.is_known {
            let lease = Lease {
                holder: None,
                ..held.lease
            };
            let _ = self.ask(Ask::Claim(held.name.as_str().into(), lease)).await;
        }
    }

    async fn lease(&self, name: &str) -> Result<Option<Lease>, Refused> {
        match self.get(Ask::Lease(name.into())).await? {
            Some(Body::Lease(lease)) => Ok(Some(lease)),
            _ => Ok(None),
        }
    }

    /// Reads an object; none where there is none.
    async fn get(&self, ask: Ask) -> Result<Option<Body>, Refused> {
        match self.ask(ask).await {
            Ok(reply) if reply.status == 200 => Ok(Some(reply.body)),
            Ok(reply) if reply.status == 404 => Ok(None),
            Ok(_) | Err(_) => Err(Refused::NotNow(None)),
        }
    }

    /// Whether the object is not the one that was planned for.
    async fn changed(&self, plan: &Plan) -> Option<Answer> {
        let subject = plan.subject.as_ref().unwrap();
        let changed = |why: &str| Some(Answer::Refused(Refused::Changed, why.into()));
        let (object, is_deleting) = match self.get(of_subject(plan)).await {
            Err(refused) => return Some(of_error(refused)),
            Ok(Some(Body::Pod(pod))) => (pod.object.clone(), pod.deleting.is_some()),
            Ok(Some(Body::Workload(workload))) => (workload.object, false),
            Ok(_) => return changed("the object is gone"),
        };
        if object.uid != subject.uid {
            return changed("the object was made anew since");
        }
        if is_deleting {
            return changed("the object is being deleted");
        }
        if subject.generation != 0 && object.generation != subject.generation {
            return changed("the object was changed since");
        }
        None
    }

    async fn settle(&self, action: &Action) -> Result<Settlement, Refused> {
        let plan = action.plan.as_ref().unwrap();
        {
            let daemon = self.daemon;
            self.net
                .borrow_mut()
                .moments
                .push((daemon, Moment::Settling));
        }
        let (object, _) = plan.claims.as_ref().unwrap();
        let lease = self.lease(&claim_name(object)).await?;
        let standing = lease.map_or(Standing::Other, |lease| standing(&lease, &action.id));
        let shows = self.shows(action, plan).await?;
        let is_over = match standing {
            Standing::Ours(since) => {
                self.clock() > since.plus(send_within(1) + TIMEOUT + SERVER_MAX)
            }
            Standing::GivenBack => true,
            Standing::Other => false,
        };
        Ok(match shows {
            Shows::Done => Settlement::Done,
            Shows::Nothing if is_over => Settlement::NotDone,
            Shows::Nothing | Shows::Neither => Settlement::Unclear,
        })
    }

    async fn shows(&self, action: &Action, plan: &Plan) -> Result<Shows, Refused> {
        let subject = plan.subject.as_ref().unwrap();
        let request = &plan.requests[0];
        Ok(match self.get(of_subject(plan)).await? {
            Some(Body::Pod(pod)) if pod.object.uid == subject.uid => match pod.deleting {
                Some(_) => Shows::Done,
                None => Shows::Nothing,
            },
            Some(Body::Workload(workload)) => {
                let is_it = workload.object.uid == subject.uid;
                let is_done = if request.path.ends_with("/scale") {
                    wanted_replicas(&request.body) == Some(u64::from(workload.replicas))
                } else {
                    workload.annotated.as_ref() == Some(&action.id)
                };
                match (is_it && is_done, workload.object == *subject) {
                    (true, _) => Shows::Done,
                    (false, true) => Shows::Nothing,
                    (false, false) => Shows::Neither,
                }
            }
            // The pod is gone, or another one.
            _ if &*subject.kind == "Pod" => Shows::Done,
            _ => Shows::Neither,
        })
    }
}

fn of_subject(plan: &Plan) -> Ask {
    let subject = plan.subject.as_ref().unwrap();
    match &*subject.kind {
        "Pod" => Ask::Pod(subject.name.clone()),
        _ => Ask::Workload(subject.name.clone()),
    }
}

fn send_within(sent: u32) -> Duration {
    TIMEOUT * (BEFORE_MAX + sent)
}

fn standing(lease: &Lease, id: &str) -> Standing {
    match lease.claim() {
        Some(claim) if *claim.action == *id => Standing::Ours(claim.at),
        None if *lease.action == *id => Standing::GivenBack,
        Some(_) | None => Standing::Other,
    }
}

fn of_reply(reply: &Reply) -> Answer {
    let said = reply.status.to_string().into();
    let refused = match reply.status {
        200..300 => return Answer::Done(said),
        429 => Refused::NotNow(reply.retry_after),
        404 | 409 | 422 => Refused::Changed,
        300..500 => Refused::Never,
        _ => return Answer::Unknown(said),
    };
    Answer::Refused(refused, said)
}

fn of_fault(fault: Fault) -> Answer {
    match fault {
        Fault::NotSent => Answer::Refused(Refused::NotNow(None), "no connection".into()),
        Fault::Lost => Answer::Unknown("no answer".into()),
    }
}

fn of_error(refused: Refused) -> Answer {
    Answer::Refused(refused, "the cluster cannot be read".into())
}

fn wanted_replicas(patch: &str) -> Option<u64> {
    let patch: Value = serde_json::from_str(patch).ok()?;
    let mut changes = patch.as_array()?.iter();
    let change = changes.find(|it| it["op"] == "replace" && it["path"] == "/spec/replicas")?;
    change["value"].as_u64()
}
