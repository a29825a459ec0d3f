//! What people and other systems want done: carried out, and written into the audit.

use std::sync::Arc;

use serde_json::{Value, json};

use super::audit::Audit;
use super::clerk::Clerk;
use super::config::SilenceEntry;
use super::opinions;
use super::scribe::Scribe;
use super::switch::Switch;
use crate::core::desk::Deed;
use crate::core::event::{Action, Mark};
use crate::core::incident::IncidentError;
use crate::core::record::{Change, Timestamp};
use crate::core::remedy::ledger::LedgerError;
use crate::core::silence::{SILENCES_MAX, Silence};
use crate::edge::api::{self, Alert, Applied, Caller, Feedback, IncidentView, Order, Refusal};
use crate::edge::notify::{action_json, incident_json, rfc3339};
use crate::edge::store::{Document, Filing, Kind};

/// Longest owner or reason of a silence that is made through the api, in bytes: each event of what it
/// mutes has them.
const TEXT_LEN_MAX: usize = 1_000;

/// Who takes orders: the scribe's thread carries them out.
pub(super) struct Orders {
    pub(super) scribe: Scribe,
    pub(super) switch: Arc<Switch>,
}

impl api::Desk for Orders {
    fn apply(&self, order: Order, by: &Caller) -> Result<Applied, Refusal> {
        self.scribe.order(order, by.clone())
    }

    fn stop_at_once(&self) {
        self.switch.is_ordered();
    }
}

/// Carries out `order`; what is to be written with it waits at the clerk's.
pub(super) fn apply(
    clerk: &mut Clerk,
    order: Order,
    by: &Caller,
    now: Timestamp,
) -> Result<Applied, Refusal> {
    let audit = Audit::of(&order, by, now);
    let applied = carry_out(clerk, order, by, now);
    let outcome = match &applied {
        Ok(_) => "done".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    clerk.filings.push(audit.ended(outcome).filing());
    applied
}

fn carry_out(
    clerk: &mut Clerk,
    order: Order,
    by: &Caller,
    now: Timestamp,
) -> Result<Applied, Refusal> {
    let mark = |note: Option<Box<str>>| Mark {
        at: now,
        by: by.name.as_ref().into(),
        note,
    };
    match order {
        Order::Acknowledge { incident, note } => {
            deed(clerk, &incident, Deed::Acknowledge(mark(note)))
        }
        Order::Resolve { incident, note } => deed(clerk, &incident, Deed::Resolve(mark(note))),
        Order::Accept { incident, note } => deed(clerk, &incident, Deed::Accept(mark(note))),
        Order::Done {
            incident,
            action,
            helped,
        } => deed(clerk, &incident, Deed::Done { action, helped }),
        Order::Feedback(said) => Ok(feedback(clerk, &said, by, now)),
        Order::Change(change) => Ok(changed(clerk, change)),
        Order::Alerts(alerts) => Ok(alerted(clerk, alerts, now)),
        Order::Silence(posted) => silence(clerk, posted, now),
        Order::EndSilence { id } => end_silence(clerk, &id, now),
        Order::Approve { action, plan, note } => {
            let by = (&*by.name, note.as_deref().unwrap_or_default());
            let ledger = &mut clerk.remediation.ledger;
            let approved = ledger.approve(&action, &plan, by, now);
            acted(clerk, &action, approved)
        }
        Order::Deny { action, note } => {
            let by = (&*by.name, note.as_deref().unwrap_or_default());
            let denied = clerk.remediation.ledger.deny(&action, by, now);
            acted(clerk, &action, denied)
        }
        Order::Report {
            action,
            status,
            note,
        } => {
            let by = (&*by.name, note.as_deref().unwrap_or("without a note"));
            let taken = clerk.remediation.ledger.hooked(&action, status, by, now);
            acted(clerk, &action, taken)
        }
        Order::Stop { why } => {
            let why = format!("{}: {why}", by.name);
            tracing::warn!(%why, "All actions are stopped.");
            let stopped = switched(clerk, |switch| switch.stop(&why));
            clerk.remediation.switch().is_carried_out();
            stopped
        }
        Order::Release { why } => {
            tracing::warn!(by = %by.name, %why, "Actions are allowed again.");
            switched(clerk, Switch::release)
        }
    }
}

/// The action as it is after somebody said something of it.
fn acted(clerk: &Clerk, id: &str, taken: Result<(), LedgerError>) -> Result<Applied, Refusal> {
    let action = clerk.remediation.ledger.get(id);
    taken.map_err(|error| refused(&error, id, action))?;
    let action = action.ok_or(Refusal::Unknown("action"))?;
    Ok(Applied::Action(action_json(action)))
}

/// Why a word on an action was not taken, and what would do.
fn refused(error: &LedgerError, id: &str, action: Option<&Action>) -> Refusal {
    let rule = action.map_or("", |action| &*action.rule);
    let mut plan = None;
    let hint = match error {
        LedgerError::Unknown => return Refusal::Unknown("action that is not over"),
        LedgerError::Past(_) | LedgerError::NotOpen(_) => {
            format!("GET /v1/actions/{id} tells what became of it")
        }
        LedgerError::Mode(_) => format!(
            "set mode: approve at the rule {rule} in actions of the settings and send SIGHUP, which what \
             is open takes at once; or do it by hand, and POST /v1/actions/{id}/report what came of it"
        ),
        LedgerError::Plan { present, .. } => {
            plan = Some(present.clone());
            format!("read GET /v1/actions/{id} again, and approve the plan {present}")
        }
        LedgerError::NoPlan(_) => "wait until the target could be looked at".to_owned(),
        LedgerError::NoCluster => {
            "set remediation.kubernetes in the settings, and start knothole again".to_owned()
        }
    };
    let says = error.to_string();
    Refusal::Standing { says, hint, plan }
}

fn switched(
    clerk: &Clerk,
    change: impl FnOnce(&Switch) -> std::io::Result<()>,
) -> Result<Applied, Refusal> {
    let switch = clerk.remediation.switch();
    change(switch).map_err(|error| {
        let file = switch.file().display();
        let now = match switch.stopped() {
            Some(_) => "they are stopped until this process ends",
            None => "nothing changed",
        };
        Refusal::Busy(format!("{file} cannot be written: {error}; {now}"))
    })?;
    Ok(Applied::Switch(switch_json(switch)))
}

/// How the kill switch stands, as the api shows it.
pub(super) fn switch_json(switch: &Switch) -> Value {
    let why = switch.stopped();
    json!({ "stopped": why.is_some(), "why": why, "file": switch.file() })
}

fn deed(clerk: &mut Clerk, id: &str, deed: Deed) -> Result<Applied, Refusal> {
    clerk.desk.deed(id, deed).map_err(|error| match error {
        IncidentError::Unknown => Refusal::Unknown("incident that goes on"),
        IncidentError::Over => Refusal::Conflict(error.to_string()),
    })?;
    let incident = clerk.desk.incident(id);
    let incident = incident.ok_or(Refusal::Unknown("incident"))?;
    let object = incident_json(&incident);
    Ok(Applied::Incident(Box::new(IncidentView {
        incident: Arc::new(incident),
        object,
    })))
}

fn feedback(clerk: &mut Clerk, said: &Feedback, by: &Caller, now: Timestamp) -> Applied {
    let (subject, verdict) = (said.subject.id(), said.verdict.name());
    clerk.road.board.count_feedback(verdict);
    let fingerprints = opinions::fingerprints(said, &clerk.desk, clerk.control());
    let body = json!({
        "subject": subject, "verdict": verdict, "note": said.note, "by": by.name, "at": rfc3339(now),
        "fingerprints": fingerprints,
    });
    // What one person says of one thing last is what they say of it.
    let id: Box<str> = format!("{subject} {}", by.name).into();
    let opinions = &mut clerk.remediation.opinions;
    opinions.hear(id.clone(), fingerprints, said.verdict);
    let said = Document {
        kind: Kind::Verdict,
        id,
        at: now,
        body: body.to_string().into_bytes(),
    };
    clerk.filings.push(said.into());
    Applied::Taken { is_new: true }
}

fn changed(clerk: &mut Clerk, mut change: Change) -> Applied {
    let redactor = &clerk.redactor;
    redactor.stream(&mut change.stream);
    let redacted = |text: Box<str>| redactor.text(&text).into_owned().into();
    change.reference = change.reference.map(redacted);
    change.url = change.url.map(redacted);
    let is_new = clerk.desk.change(Arc::new(change));
    Applied::Taken { is_new }
}

fn alerted(clerk: &mut Clerk, alerts: Vec<Alert>, now: Timestamp) -> Applied {
    // That one is over shows by its silence.
    for Alert { mut sign, .. } in alerts.into_iter().filter(|alert| !alert.is_over) {
        let Clerk {
            redactor,
            redaction,
            ..
        } = clerk;
        redactor.stream(&mut sign.stream);
        sign.says = redactor.text(&sign.says).into_owned().into();
        sign.resource = redaction.shared(redactor, &sign.resource);
        clerk.sign(Arc::new(sign), now);
    }
    Applied::Taken { is_new: true }
}

fn silence(clerk: &mut Clerk, posted: Value, now: Timestamp) -> Result<Applied, Refusal> {
    let entry: SilenceEntry =
        serde_json::from_value(posted).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let silence = entry.silence(now).map_err(Refusal::Invalid)?;
    let texts = [("owner", &silence.owner), ("reason", &silence.reason)];
    if let Some((name, _)) = texts.iter().find(|(_, text)| text.len() > TEXT_LEN_MAX) {
        let said = format!("{name}: it is too long; at most {TEXT_LEN_MAX} bytes are taken");
        return Err(Refusal::Invalid(said));
    }
    if silence.is_over(now) {
        let said = "expires: it would be over already; write a time to come";
        return Err(Refusal::Invalid(said.to_owned()));
    }
    clerk.silences.retain(|other| other.id != silence.id);
    let of_file = clerk.settings.silences.silences().len();
    if of_file + clerk.silences.len() >= SILENCES_MAX {
        // Those that are over make room.
        clerk.silences.retain(|other| !other.is_over(now));
    }
    if of_file + clerk.silences.len() >= SILENCES_MAX {
        let said = format!("there are {SILENCES_MAX} silences, and no more are taken; end some");
        return Err(Refusal::Conflict(said));
    }
    let shown = silence_json(&silence, "api");
    let kept = Document {
        kind: Kind::Silence,
        id: silence.id.clone(),
        at: silence.created,
        body: shown.to_string().into_bytes(),
    };
    clerk.filings.push(kept.into());
    clerk.silences.push(silence);
    clerk.reconfigure(now);
    Ok(Applied::Silence(shown))
}

fn end_silence(clerk: &mut Clerk, id: &str, now: Timestamp) -> Result<Applied, Refusal> {
    let of_file = clerk.settings.silences.silences();
    if of_file.iter().any(|silence| *silence.id == *id) {
        return Err(Refusal::Conflict(
            "this silence is in the settings file; take it out there".to_owned(),
        ));
    }
    let found = clerk.silences.iter().position(|silence| *silence.id == *id);
    let place = found.ok_or(Refusal::Unknown("silence"))?;
    let id = clerk.silences.remove(place).id;
    clerk.filings.push(Filing::Remove {
        kind: Kind::Silence,
        id,
    });
    clerk.reconfigure(now);
    Ok(Applied::Taken { is_new: true })
}

/// A silence as the api shows it and takes it; `made_in` is `file` or `api`.
pub(super) fn silence_json(silence: &Silence, made_in: &str) -> Value {
    let matchers: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
    json!({
        "id": silence.id, "matchers": matchers, "owner": silence.owner, "reason": silence.reason,
        "created": rfc3339(silence.created), "expires": rfc3339(silence.expires), "made_in": made_in,
    })
}

/// A silence that was written by [`silence_json`].
pub(super) fn silence_of(body: &[u8], now: Timestamp) -> Option<Silence> {
    let mut shown: Value = serde_json::from_slice(body).ok()?;
    let fields = shown.as_object_mut()?;
    for extra in ["id", "made_in"] {
        fields.remove(extra);
    }
    let entry: SilenceEntry = serde_json::from_value(shown).ok()?;
    entry.silence(now).ok()
}
