//! An action as somebody reads it who has to decide about it at three in the morning: 80 columns.

use serde::Deserialize as _;
use serde_json::Value;

use super::age;
use crate::cli::incidents::short_id;
use crate::cli::terminal::grouped;
use crate::core::event::Request;
use crate::core::record::{Timestamp, inert};
use crate::core::remedy::plan::by_hand;
use crate::edge::api::{Page, lasting, parsed};

/// All about `action`, as the API shows it. Nothing that somebody else wrote acts on the terminal.
pub(super) fn page(action: &Value, now: Timestamp) -> String {
    let mut page = Page::default();
    page.plain(&what(action));
    state(action, now, &mut page);
    let (rule, mode) = (text(&action["rule"]), text(&action["mode"]));
    let asked = moment(&action["asked_at"]);
    page.line("asked", &format!("{asked} by the rule {rule}, mode {mode}"));
    page.line("why", text(&action["reason"]));
    page.line("service", text(&action["service"]));
    if let Some(incident) = action["incident"].as_str() {
        let short = incident.get(..8).unwrap_or(incident);
        page.line("incident", &format!("{short}; knothole explain {short}"));
    }
    evidence(&action["evidence"], &mut page);
    plan(&action["plan"], &mut page);
    for step in listed(&action["steps"]) {
        let (at, state) = (clock(&step["at"]), text(&step["state"]));
        let (by, why) = (text(&step["by"]), text(&step["why"]));
        let colon = if why.is_empty() { "" } else { ": " };
        page.line("steps", &format!("{at} {state} by {by}{colon}{why}"));
    }
    next(action, &mut page);
    format!("{}{}", page.text(), undo(action))
}

/// What undoes what was sent, a command in one line each however long it is, so that it can be copied.
fn undo(action: &Value) -> String {
    if action["acted_at"].is_null() {
        return String::new();
    }
    let requests = listed(&action["plan"]["undo"]).iter();
    let requests = requests.filter_map(|it| Request::deserialize(it).ok());
    // To a viewer bodies are withheld, and without its body there is no command.
    let requests = requests.filter(|it| serde_json::from_str::<Value>(&it.body).is_ok());
    let commands = requests.filter_map(|it| by_hand(&it));
    let lines: String = commands.map(|it| format!("\n  {}", inert(&it))).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\nto undo it:{lines}\n"),
    }
}

/// What is to be done, and to what: `scale shop/Deployment/cart (by=1, max=5)`.
pub(super) fn what(action: &Value) -> String {
    let target = &action["target"];
    let object = match (&target["workload"], target["pod"].as_str()) {
        (Value::Object(workload), _) => {
            let part = |name: &str| workload.get(name).map_or("", text);
            format!("{}/{}", part("kind"), part("name"))
        }
        (_, Some(pod)) => format!("Pod/{pod}"),
        (_, None) => String::new(),
    };
    let mut what = format!(
        "{} {}/{object}",
        text(&action["action"]),
        text(&target["namespace"])
    );
    let pod = target["pod"].as_str();
    if let Some(pod) = pod.filter(|_| target["workload"].is_object()) {
        what.push_str(&format!(", pod {pod}"));
    }
    let parameters = action["parameters"].as_object().into_iter().flatten();
    let parameters: Vec<String> = parameters
        .map(|(name, value)| match value.as_str() {
            Some(value) => format!("{name}={value}"),
            None => format!("{name}={value}"),
        })
        .collect();
    match parameters.is_empty() {
        true => what,
        false => format!("{what} ({})", parameters.join(", ")),
    }
}

fn state(action: &Value, now: Timestamp, page: &mut Page) {
    let steps = listed(&action["steps"]);
    let since = steps.last().map_or(&action["asked_at"], |step| &step["at"]);
    let (state, age) = (text(&action["state"]), age(since, now));
    let id = short_id(action);
    page.line("state", &format!("{state}, for {age}; {id}"));
    if let Some(last) = steps.last() {
        page.line("because", text(&last["why"]));
    }
    let Some(until) = action["expires_at"].as_str().and_then(parsed) else {
        return;
    };
    // What is under way or over has no time to run out.
    if matches!(state, "asked" | "blocked" | "proposed" | "approved") {
        let left = until.since(now);
        let left = match left.is_zero() {
            true => "its time is up".to_owned(),
            false => format!("{} left", lasting(left)),
        };
        let until = clock(&action["expires_at"]);
        page.line("good until", &format!("{until} UTC, {left}"));
    }
}

fn evidence(evidence: &Value, page: &mut Page) {
    let names = |value: &Value| {
        let names = listed(value).iter().map(text);
        names.collect::<Vec<&str>>().join(", ")
    };
    let anomalies = evidence["anomalies"].as_u64().unwrap_or_default();
    let score = evidence["score"].as_f64().unwrap_or_default();
    let told = format!(
        "{} by {}; score {score:.3}, {}, from {} to {}",
        names(&evidence["kinds"]),
        names(&evidence["detectors"]),
        counted(anomalies),
        clock(&evidence["first_seen"]),
        clock(&evidence["last_seen"]),
    );
    page.line("evidence", &told);
}

fn counted(anomalies: u64) -> String {
    match anomalies {
        1 => "1 anomaly".to_owned(),
        number => format!("{} anomalies", grouped(number)),
    }
}

fn plan(plan: &Value, page: &mut Page) {
    if !plan.is_object() {
        page.line("plan", "it was not looked at yet");
        return;
    }
    checks(listed(&plan["checks"]), page);
    let hash = text(&plan["hash"]);
    if hash.is_empty() {
        let at = clock(&plan["at"]);
        page.line(
            "plan",
            &format!("none; the target was last asked for at {at}"),
        );
        return;
    }
    page.line("plan", hash);
    page.line("looked at", &format!("{} UTC", clock(&plan["at"])));
    let requests = listed(&plan["requests"]);
    if requests.is_empty() {
        page.line("request", "none: knothole sends nothing itself");
    }
    for request in requests {
        let (system, method) = (text(&request["system"]), text(&request["method"]));
        let kind = text(&request["content_type"]);
        page.exact("request", &format!("{method} to {system}, {kind}"));
        page.exact("path", text(&request["path"]));
        page.exact("body", text(&request["body"]));
    }
    if !requests.is_empty() {
        let undo = match plan["can_be_undone"].as_bool() {
            Some(true) => "it can be undone",
            Some(false) | None => "it cannot be undone",
        };
        page.line("undo", undo);
    }
}

/// Every check, those that speak against it first.
fn checks(checks: &[Value], page: &mut Page) {
    let passing = checks.iter().filter(|it| it["verdict"] == "pass").count();
    let all = checks.len();
    page.line("checks", &format!("{passing} of {all} pass"));
    // Gravest first; those that say the same stay in their order.
    for verdict in ["stop", "unknown", "wait", "ask", "pass"] {
        for check in checks.iter().filter(|it| it["verdict"] == verdict) {
            let (mark, about) = match verdict {
                "stop" => ("✗", ""),
                "unknown" => ("?", " is not known"),
                "wait" => ("…", " says not now"),
                "ask" => ("?", " leaves it to a person"),
                _ => ("✓", ""),
            };
            let (name, why) = (text(&check["check"]), text(&check["why"]));
            page.line("checks", &format!("{mark} {name}{about}: {why}"));
        }
    }
}

/// What whoever reads this may want to do.
fn next(action: &Value, page: &mut Page) {
    let id = short_id(action);
    let state = text(&action["state"]);
    let waits = matches!(state, "proposed" | "blocked");
    let has_plan = !text(&action["plan"]["hash"]).is_empty();
    match text(&action["mode"]) {
        "approve" | "auto" if waits || state == "approved" => {
            if waits && has_plan {
                page.line("next", &format!("knothole actions approve {id}"));
            }
            page.line("next", &format!("knothole actions deny {id} --note WHY"));
        }
        "suggest" if waits => {
            let said = "the rule only suggests: do it yourself or have a hook do it, or write mode: \
                        approve";
            page.line("next", said);
        }
        _ => {}
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn listed(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The date and time of day: `2026-08-01 02:51:18 UTC`.
fn moment(time: &Value) -> String {
    let time = text(time);
    let (date, clock) = (time.get(..10), time.get(11..19));
    format!(
        "{} {} UTC",
        date.unwrap_or_default(),
        clock.unwrap_or_default()
    )
}

/// The time of day.
fn clock(time: &Value) -> &str {
    text(time).get(11..19).unwrap_or_default()
}
