//! What came back from outside.

use std::sync::Arc;
use std::time::Duration;

use super::deciding::task_of;
use super::entry::unplanned;
use super::{Ledger, SETTLE_AGAIN, WorldOf};
use crate::core::event::{Action, ActionState, CheckVerdict, Checked, Unrest};
use crate::core::record::{StreamKey, Timestamp};
use crate::core::remedy::case::World;
use crate::core::remedy::facts::{Answer, Facts, Refused, Rehearsal, Settlement, WorkloadFacts};
use crate::core::remedy::plan::by_hand;
use crate::core::remedy::verify::{Measured, Seen, verify};

/// What became of a [`Task`](super::Task).
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The task's id.
    pub id: Box<str>,
    /// What came back.
    pub reported: Reported,
}

/// What came back from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Reported {
    /// What was read, or why it could not be.
    Looked(Result<Box<Facts>, Box<str>>),
    /// What a rehearsal showed.
    Rehearsed(Box<Rehearsal>),
    /// What came of sending it.
    Answered(Answer),
    /// Whether it took place.
    Settled(Settlement),
}

/// How soon something is tried again that was not done for want of room.
const NOT_NOW: Duration = Duration::from_secs(10);

impl Ledger {
    /// Takes what came back. What nobody waits for any more is let go.
    pub fn report(&mut self, report: Report, world: WorldOf<'_>, now: Timestamp) {
        self.is_touched = true;
        let Some((id, number)) = task_of(&report.id) else {
            return;
        };
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        if entry.under_way.is_none_or(|task| task.number != number) {
            self.unawaited((id, number), report.reported, now);
            return;
        }
        entry.under_way = None;
        let state = entry.action.state;
        match (report.reported, state) {
            (Reported::Looked(Ok(facts)), ActionState::Done) => {
                self.reviewed(id, Some(*facts), world, now);
            }
            (Reported::Looked(Err(_)), ActionState::Done) => {
                // The cluster cannot be read: it is judged by what is known when a while has passed.
                let due = self.review_due(id).plus(Duration::from_secs(60));
                match now >= due {
                    true => self.reviewed(id, None, world, now),
                    false => self.again(id, SETTLE_AGAIN, now),
                }
            }
            (
                Reported::Looked(looked),
                ActionState::Asked
                | ActionState::Blocked
                | ActionState::Proposed
                | ActionState::Approved,
            ) => match looked {
                Ok(facts) => self.looked(id, Some(*facts), world, now),
                Err(why) => self.unread(id, &why, now),
            },
            (
                Reported::Rehearsed(rehearsal),
                ActionState::Asked
                | ActionState::Blocked
                | ActionState::Proposed
                | ActionState::Approved,
            ) => {
                entry.rehearsal = Some(*rehearsal);
                self.rehearsed(id, world, now);
            }
            (Reported::Answered(answer), ActionState::Sending) => self.answered(id, answer, now),
            (Reported::Settled(settlement), ActionState::Unsettled) => {
                self.settled(id, settlement, now);
            }
            // It stands somewhere else by now.
            _ => entry.due = now,
        }
    }

    /// Something comes back that was given up, or comes twice. What came of sending is still worth to be known.
    fn unawaited(&mut self, (id, number): (&str, u64), reported: Reported, now: Timestamp) {
        let Some(entry) = self.open.get_mut(id) else {
            return;
        };
        match (reported, entry.action.state) {
            (
                Reported::Answered(answer @ (Answer::Done(_) | Answer::Refused(..))),
                ActionState::Unsettled,
            ) if entry.sent_by == Some(number) => {
                entry.under_way = None;
                self.answered(id, answer, now);
            }
            _ => {}
        }
    }

    fn again(&mut self, id: &str, after: Duration, now: Timestamp) {
        if let Some(entry) = self.open.get_mut(id) {
            entry.due = now.plus(after);
        }
    }

    fn review_due(&self, id: &str) -> Timestamp {
        let entry = self.open.get(id);
        entry.map_or(Timestamp::ZERO, |entry| self.review_at(&entry.action))
    }

    /// Nothing is done to what cannot be read.
    fn unread(&mut self, id: &str, why: &str, now: Timestamp) {
        let why = format!("it cannot be looked at: {why}");
        if let Some(entry) = self.open.get_mut(id) {
            let checks = vec![Checked {
                check: "cluster".into(),
                verdict: CheckVerdict::Unknown,
                why: why.as_str().into(),
            }];
            match &mut entry.action.plan {
                Some(plan) if entry.action.approved.is_some() => plan.checks = checks,
                _ => entry.revise(unplanned(checks, now)),
            }
        }
        self.put_off(id, (&why, "cluster"), None, now);
    }

    fn answered(&mut self, id: &str, answer: Answer, now: Timestamp) {
        match answer {
            Answer::Done(said) => self.took_place(id, &said, now),
            Answer::Unknown(why) => {
                self.step(id, ActionState::Unsettled, ("knothole", &why), now);
                self.again(id, Duration::ZERO, now);
            }
            Answer::Refused(refused, why) => {
                // It did not take place: it counts for nothing and may be done later.
                if let Some(entry) = self.open.get_mut(id) {
                    entry.action.acted_at = None;
                    entry.action.before = None;
                    entry.action.unrest = None;
                }
                self.book.forget(id);
                self.refused_with(id, refused, &why, now);
            }
        }
    }

    fn refused_with(&mut self, id: &str, refused: Refused, why: &str, now: Timestamp) {
        match refused {
            Refused::NotNow(after) => {
                let until = now.plus(after.unwrap_or(NOT_NOW));
                self.put_off(id, (why, why), Some(until), now);
            }
            Refused::Changed | Refused::Claimed | Refused::Switched => {
                self.put_off(id, (why, why), None, now);
            }
            Refused::Late => self.finish(id, ActionState::Expired, why, now),
            Refused::Never => self.finish(id, ActionState::Failed, why, now),
        }
    }

    pub(super) fn took_place(&mut self, id: &str, said: &str, now: Timestamp) {
        self.step(id, ActionState::Done, ("knothole", said), now);
        let due = self.review_due(id);
        if let Some(entry) = self.open.get_mut(id) {
            entry.due = due;
        }
    }

    fn settled(&mut self, id: &str, settlement: Settlement, now: Timestamp) {
        match settlement {
            Settlement::Done => {
                let said = "no answer came, but it can be seen that it took place";
                self.took_place(id, said, now);
            }
            Settlement::NotDone => {
                let said = "no answer came, and it can be seen that it did not take place";
                self.finish(id, ActionState::Failed, said, now);
            }
            Settlement::Unclear => self.again(id, SETTLE_AGAIN, now),
        }
    }

    /// The time to judge has come: did it help?
    pub(super) fn reviewed(
        &mut self,
        id: &str,
        facts: Option<Facts>,
        world: WorldOf<'_>,
        now: Timestamp,
    ) {
        let Some(entry) = self.open.get(id) else {
            return;
        };
        let action = entry.action.clone();
        let measured = self.measured(&action, facts.as_ref(), &world(&action), now);
        let (state, mut why) = verify(&measured);
        if state == ActionState::Harmful {
            why.push_str(&how_to_undo(&action));
        }
        self.finish(id, state, &why, now);
        if let Some(action) = self.past.back().filter(|it| *it.id == *id) {
            self.verified.push(Arc::clone(action));
        }
    }

    /// How much trouble there was until `now`, which is when it is done. None where it is not known who is
    /// involved, or where this process has not been there for so long.
    pub(super) fn unrest(&self, id: &str, now: Timestamp) -> Option<Unrest> {
        let entry = self.open.get(id)?;
        let involved = entry.involved.as_ref()?;
        let from = now.minus(self.judged_for(&entry.action));
        let is_remembered = self.restored_at.is_none_or(|at| at <= from);
        is_remembered.then(|| self.counted(&entry.action, involved, (from, now)))
    }

    fn counted(
        &self,
        action: &Action,
        involved: &[StreamKey],
        (from, to): (Timestamp, Timestamp),
    ) -> Unrest {
        let mut involved = involved.to_vec();
        involved.push(action.stream.clone());
        Unrest {
            own: self.signs.of(&action.stream, from, to),
            others: self.signs.besides(&involved, from, to),
        }
    }

    fn measured(
        &self,
        action: &Action,
        facts: Option<&Facts>,
        standing: &World,
        now: Timestamp,
    ) -> Measured {
        let calm = self.calm_at(action);
        let heard = standing.hearing_since;
        Measured {
            health_before: action.before,
            seen: match facts {
                Some(facts) => seen(action, facts),
                None if self.can_act => Seen::Unread,
                None => Seen::Records,
            },
            restarts: facts.map_or(0, |facts| restarts_since(action, facts)),
            before: action.unrest,
            after: self.counted(action, &standing.involved, (calm, now)),
            was_heard: heard.is_some_and(|since| since <= calm),
        }
    }
}

/// Longest commands that a reason quotes, in bytes; longer ones are shown with the action.
const COMMANDS_LEN_MAX: usize = 1_000;

/// What a person sends to undo what made things worse: by one copy and paste. Nothing where it cannot be undone.
fn how_to_undo(action: &Action) -> String {
    let undo = action.plan.as_ref().map_or(&[][..], |plan| &plan.undo);
    if undo.is_empty() {
        return "; it cannot be undone".to_owned();
    }
    let commands: Option<Vec<String>> = undo.iter().map(by_hand).collect();
    match commands.map(|it| it.join(" && ")) {
        Some(commands) if commands.len() <= COMMANDS_LEN_MAX => format!("; to undo it: {commands}"),
        _ => format!("; knothole actions show {} tells how to undo it", action.id),
    }
}

/// How the workload is. One that was made anew since is another.
fn seen(action: &Action, facts: &Facts) -> Seen {
    let claimed = action.plan.as_ref().and_then(|plan| plan.claims.as_ref());
    let is_another = |it: &WorkloadFacts| {
        claimed.is_some_and(|(was, _)| {
            let is_named = was.kind == it.object.kind && was.name == it.object.name;
            is_named && !was.uid.is_empty() && was.uid != it.object.uid
        })
    };
    match facts.health() {
        Some(_) if facts.workload.as_ref().is_some_and(is_another) => Seen::Gone,
        Some(health) => Seen::Is(health),
        None if action.before.is_some() => Seen::Gone,
        None => Seen::Records,
    }
}

/// How often containers of the pod that is named were restarted since; of one that took its place, ever.
fn restarts_since(action: &Action, facts: &Facts) -> u32 {
    let (Some(pod), Some(before)) = (&facts.pod, action.before) else {
        return 0;
    };
    let subject = action.plan.as_ref().and_then(|plan| plan.subject.as_ref());
    let subject = subject.filter(|it| *it.kind == *"Pod").map(|it| &it.uid);
    let was = subject.or(action.target.pod_uid.as_ref());
    match was {
        Some(uid) if *uid != pod.object.uid => pod.restarts,
        // It counts from zero, so it is another one.
        _ if pod.restarts < before.restarts => pod.restarts,
        _ => pod.restarts.saturating_sub(before.restarts),
    }
}
