//! The same as one JSON object.

use serde_json::{Map, Value, json};

use super::marks::{Counts, Judged, Marks};
use super::report::{Column, Labels, Report};
use crate::core::event::ActionState;
use crate::core::remedy::rule::Rule;
use crate::core::remedy::simulate::{RuleTally, Tried};
use crate::edge::notify::rfc3339;

pub(super) fn object(report: &Report, lists_actions: bool) -> Value {
    let columns = report
        .columns
        .iter()
        .map(|of| column(report, of, lists_actions));
    json!({
        "played": report.played,
        "sent": 0,
        "faults": report.labels.as_ref().map(|it| it.faults),
        "fault_free": report.labels.as_ref().map(|it| it.fault_free),
        "columns": columns.collect::<Vec<_>>(),
        "unknown": report.unknown,
    })
}

fn column(report: &Report, column: &Column, lists_actions: bool) -> Value {
    let rules = report.rules.iter().filter_map(|of| {
        let mut all = column.simulated.rules.iter();
        let tally = all.find(|it| it.name == of.name)?;
        let labels = report.labels.as_ref();
        Some(rule(of, tally, labels.zip(Some(column.marks_of(&of.name)))))
    });
    let mut object = json!({
        "pod": column.readiness.name(),
        "assumed": column.readiness.assumed().says(),
        "rules": rules.collect::<Vec<_>>(),
        "refused": column.simulated.refused,
    });
    if let (true, Value::Object(fields)) = (lists_actions, &mut object) {
        let actions = column
            .actions()
            .map(|(tried, judged)| action(tried, judged));
        fields.insert("actions".to_owned(), actions.collect());
        fields.insert("unlisted".to_owned(), column.simulated.unlisted.into());
    }
    object
}

fn rule(rule: &Rule, tally: &RuleTally, labels: Option<(&Labels, Marks)>) -> Value {
    let checks: Map<String, Value> = tally
        .checks
        .iter()
        .map(|(name, it)| {
            let said = json!({
                "blocked": it.blocked,
                "to_person": it.to_person,
                "held": it.held,
                "first": it.first,
            });
            (name.to_string(), said)
        })
        .collect();
    let labels = labels.map(|(labels, marks)| {
        json!({
            "done": counts(marks.done),
            "proposed": counts(marks.proposed),
            "without_fault": { "done": marks.without_fault.0, "proposed": marks.without_fault.1 },
            "faults_done": marks.faults_done,
            "faults_met": marks.faults_met,
            "faults_missed": labels.faults - marks.faults_met,
        })
    });
    json!({
        "rule": rule.name,
        "action": rule.remedy.kind().name(),
        "mode": rule.mode.name(),
        "fits": tally.fits,
        "untargeted": tally.untargeted,
        "shadowed": tally.shadowed,
        "asked": tally.asked,
        "done": tally.done,
        "proposed": tally.proposed,
        "observed": tally.observed,
        "blocked": tally.blocked,
        "went_on": tally.went_on,
        "checks": checks,
        "labels": labels,
    })
}

fn counts(counts: Counts) -> Value {
    json!({ "right": counts.right, "near": counts.near, "wrong": counts.wrong })
}

fn action(tried: &Tried, judged: Option<Judged>) -> Value {
    let workload = tried.target.workload.as_ref();
    let held = tried.held.iter().map(|it| {
        json!({ "check": it.check, "says": it.verdict.name(), "times": it.times, "why": it.why })
    });
    json!({
        "id": tried.id,
        "rule": tried.rule,
        "action": tried.kind.name(),
        "mode": tried.mode.name(),
        "service": tried.service.to_string(),
        "target": {
            "namespace": tried.target.namespace,
            "workload": workload.map(|(kind, name)| json!({ "kind": kind, "name": name })),
            "pod": tried.target.pod,
        },
        "incident": tried.incident,
        "anomalies": tried.anomalies,
        "asked_at": rfc3339(tried.asked_at),
        "fate": tried.fate.name(),
        "at": rfc3339(tried.at),
        "why": tried.why,
        "records_afterwards": tried.outcome.map(ActionState::name),
        "held": held.collect::<Vec<_>>(),
        "label": judged.map(Judged::name),
    })
}
