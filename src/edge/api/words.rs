//! What an incident says, in sentences. They hold log text as it is: whoever shows them makes it
//! inert.

use std::sync::Arc;

use super::time::{clock, date, fine_clock, lasting};
use crate::core::event::{
    Action, Before, Done, Incident, IncidentState, Lift, Mark, NearChange, Part, Relation, Sign,
    Suspect, Verdict,
};
use crate::core::record::{ChangeKind, Timestamp};

/// Most actions of an incident that are told.
pub(super) const ACTIONS_SHOWN: usize = 5;
/// Digits of an id that are enough to name something.
const SHORT_ID_LEN: usize = 8;

/// As much of an id as people take.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT_ID_LEN).unwrap_or(id)
}

/// Where each of `actions` stands and how to see more of it; `incident` is the short id of what they are for.
pub(super) fn actions(actions: &[Arc<Action>], incident: &str) -> Vec<String> {
    let told = actions.iter().take(ACTIONS_SHOWN).map(|action| {
        let (kind, target) = (action.remedy.kind(), &action.target);
        let (state, id) = (action.state.name(), short(&action.id));
        // The command comes first, where no line breaks within it.
        format!("knothole actions show {id}: {kind} {target}, {state}")
    });
    let mut told: Vec<String> = told.collect();
    if actions.len() > ACTIONS_SHOWN {
        told.push(format!(
            "knothole actions --incident {incident}: more of them"
        ));
    }
    told
}

/// Since when, and until when.
pub(super) fn duration(incident: &Incident) -> String {
    let began = incident.began;
    let since = format!("{} {} UTC", date(began), clock(began));
    match &incident.ended {
        Some(mark) => format!(
            "from {since} to {} ({})",
            near(mark.at, began),
            lasting(mark.at.since(began))
        ),
        None if incident.is_live() => format!(
            "since {since}, still going, last sign {}",
            near(incident.last_seen, began)
        ),
        None => format!(
            "from {since}, last sign {}",
            near(incident.last_seen, began)
        ),
    }
}

/// What is thought of the cause as a whole.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotEnoughEvidence => "not enough evidence to name one",
        Verdict::Possible => "possible",
        Verdict::Likely => "likely",
    }
}

/// A suspect and its share of the suspicion.
pub(super) fn suspect(suspect: &Suspect) -> String {
    let mut name = suspect.stream.to_string();
    if let Some(pod) = &suspect.pod {
        name = format!("{name}, pod {pod}");
    }
    if let Some(component) = &suspect.component {
        name = format!("{name}, in {component}");
    }
    format!("{name} ({:.0} % of the suspicion)", suspect.share * 100.0)
}

/// What was changed, when, and how long before.
pub(super) fn change(near_change: &NearChange, began: Timestamp) -> String {
    let change = &near_change.change;
    let what = match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{} {from} → {to}", change.stream),
        (None, Some(to)) => format!("{} {to}", change.stream),
        (Some(from), None) => format!("{}, which was {from}", change.stream),
        (None, None) => change.stream.to_string(),
    };
    let distance = match change.at > began {
        true => format!("{} after the first sign", lasting(change.at.since(began))),
        false => format!("{} before the first sign", lasting(near_change.before)),
    };
    let reference = change.reference.as_ref();
    let reference = reference.map_or(String::new(), |it| format!(" ({it})"));
    let kind = match change.kind {
        ChangeKind::Version => "new version",
        ChangeKind::Rollout => "rolled out",
        ChangeKind::Posted => "told by its deployer",
    };
    let at = near(change.at, began);
    format!("{what}, {kind} at {at}, {distance}{reference}")
}

/// An attribute that what is abnormal has in common.
pub(super) fn lift(lift: &Lift) -> String {
    let (with, all) = lift.abnormal;
    let (normal_with, normal_all) = lift.normal;
    let of = |with, all| format!("{} of {}", grouped(with), grouped(all));
    let (abnormal, normal) = (of(with, all), of(normal_with, normal_all));
    let Lift {
        attribute, value, ..
    } = lift;
    format!("{attribute}={value} in {abnormal} abnormal and {normal} normal")
}

/// A service that takes part, and why it is counted in.
pub(super) fn part(part: &Part) -> String {
    let why = match part.relation {
        Relation::First => "has the first sign",
        Relation::Trace => "shares a trace",
        Relation::Topology => "calls it or is called",
        Relation::Time => "at the same time",
    };
    let signs = counted(part.signs, "sign", "signs");
    format!("{} ({signs}, {why})", part.stream)
}

/// Where a sign was seen: its service, and the pod or host where one is known.
pub(super) fn place(sign: &Sign) -> String {
    let known = ["k8s.pod.name", "service.instance.id", "host.name"];
    let pod = known.iter().find_map(|name| sign.resource.get(name));
    match pod {
        Some(pod) => format!("{} on {pod}", sign.stream),
        None => sign.stream.to_string(),
    }
}

/// When a sign was seen, to the millisecond.
pub(super) fn moment(sign: &Sign) -> String {
    fine_clock(sign.first_seen)
}

/// How often it was there, and what helped.
pub(super) fn before(before: &Before) -> String {
    let times = often(before.times);
    let last = before
        .last
        .map_or(String::new(), |last| format!(", last on {}", date(last)));
    let lasts = before.usually_lasts.map_or(String::new(), |lasts| {
        format!(", mostly over within {}", lasting(lasts))
    });
    format!("seen {times}{last}{lasts}")
}

/// What was done about it earlier.
pub(super) fn done(done: &Done) -> String {
    let Done {
        action,
        times,
        helped,
    } = done;
    match helped {
        0 => format!("{action}: done {}, did not help", often(*times)),
        helped if helped == times => format!("{action}: done {}, helped each time", often(*times)),
        helped => format!(
            "{action}: done {}, helped {}",
            often(*times),
            often(*helped)
        ),
    }
}

/// Who did something to it, when, and what they wrote.
pub(super) fn mark(what: &str, mark: &Mark, began: Timestamp) -> String {
    let note = mark.note.as_ref();
    let note = note.map_or(String::new(), |note| format!(": {note}"));
    let at = near(mark.at, began);
    format!("{what} by {} at {at}{note}", mark.by)
}

/// What its end is called.
pub(super) const fn ending(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Accepted => "accepted as normal",
        IncidentState::Resolved | IncidentState::Open | IncidentState::Acknowledged => "resolved",
    }
}

/// Whether somebody is woken, and why.
pub(super) fn paging(incident: &Incident) -> String {
    let route = &incident.route;
    let pages = if route.pages { "pages" } else { "wakes nobody" };
    let team = route.team.as_ref();
    let team = team.map_or(String::new(), |team| format!(" for team {team}"));
    let muted = route.muted_by.as_ref();
    let muted = muted.map_or(String::new(), |by| format!("; muted by {by}"));
    match route.why.as_ref() {
        "" => format!("{pages}{team}{muted}"),
        why => format!("{pages}{team}: {why}{muted}"),
    }
}

/// The time of day; with the date, where it is another than that of `began`.
pub(super) fn near(time: Timestamp, began: Timestamp) -> String {
    match date(time) == date(began) {
        true => clock(time),
        false => format!("{} {}", date(time), clock(time)),
    }
}

/// `1 sign`, `2 signs`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{} {many}", grouped(number)),
    }
}

/// `once`, `twice`, `3 times`.
fn often(times: u64) -> String {
    match times {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        times => format!("{} times", grouped(times)),
    }
}

/// A number with its thousands set apart: `85,981`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
