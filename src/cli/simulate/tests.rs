use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::report::Column;
use super::*;
use crate::core::event::{
    Anomaly, AnomalyKind, Cause, Class, Event, Explanation, Gravity, Incident, IncidentState, Mark,
    Observed, Part, Relation, Route,
};
use crate::core::record::{Resource, Severity, StreamKey};
use crate::core::silence::Zone;
use crate::daemon::config::from_text;
use crate::daemon::history::History;
use crate::edge::notify::event_json;
use crate::edge::store::{ControlSettings, Document, Filing, Kind, Limits, Store, ToldEvent};

const RULES: &str = include_str!("../../../examples/rules.yaml");

fn at(secs: u64) -> Timestamp {
    let midnight = Zone::UTC.moment("2026-11-22T00:00:00Z").unwrap();
    midnight.plus(Duration::from_secs(secs))
}

fn rules(text: &str, columns: &[Readiness]) -> Rules {
    let settings = from_text("rules.yaml", text, &[]).unwrap();
    Rules {
        rules: settings.rules(),
        limits: settings.limits(),
        freezes: settings.freezes(),
        is_authenticated: settings.senders_are_known(),
        columns: columns.to_vec(),
    }
}

fn anomaly(service: &str, secs: u64) -> Anomaly {
    let attributes = [
        ("service.name", service.to_owned()),
        ("k8s.namespace.name", "shop".to_owned()),
        ("k8s.deployment.name", service.to_owned()),
        ("k8s.pod.name", format!("{service}-1")),
        ("k8s.pod.uid", format!("uid-of-{service}-1")),
    ];
    let attributes = attributes.map(|(name, value)| (name.into(), value.into()));
    Anomaly {
        id: format!("{service}-{secs}").into(),
        fingerprint: format!("of-{service}").into(),
        kind: AnomalyKind::Sequence,
        class: Class::Error,
        severity: Severity::Error,
        score: 0.97,
        p_value: 0.03,
        first_seen: at(secs),
        last_seen: at(secs),
        count: 1,
        stream: StreamKey::named(service),
        resource: Arc::new(Resource::new(attributes.into())),
        sequence: "a".into(),
        trace_id: None,
        span_id: None,
        template: None,
        sent_template: None,
        explanation: Explanation {
            reason: "".into(),
            expected: vec![],
            observed: Observed::End,
            probability: 0.0,
            opinions: vec![],
            context: vec![],
        },
        stack: None,
        detectors: vec!["order", "unseen"],
        model: "m".into(),
    }
}

fn incident(id: &str, service: &str, (from, to): (u64, u64)) -> Incident {
    Incident {
        id: id.into(),
        fingerprint: format!("again-{id}").into(),
        revision: 1,
        state: IncidentState::Resolved,
        severity: Gravity::Error,
        class: Class::Error,
        title: "".into(),
        began: at(from),
        detected: at(from),
        last_seen: at(from),
        acknowledged: None,
        ended: Some(Mark {
            at: at(to),
            by: "knothole".into(),
            note: None,
        }),
        parts: vec![Part {
            stream: StreamKey::named(service),
            resource: Arc::default(),
            relation: Relation::First,
            first_seen: at(from),
            signs: 1,
        }],
        signs: vec![],
        sign_count: 1,
        cause: Cause::default(),
        before: None,
        route: Route::default(),
    }
}

/// A state folder in which cart had trouble for ten minutes, and stock for three seconds. Of the second
/// anomaly of cart it is not remembered when it was found.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        bytes_max: 1 << 30,
        streams_max: std::num::NonZeroUsize::MIN,
    };
    let store = Store::open(folder.path(), limits).unwrap();
    let control = store.control(ControlSettings::default()).unwrap();
    let anomalies = [("cart", 0), ("cart", 20), ("stock", 30)];
    let mut filings = Vec::new();
    let mut told = Vec::new();
    for (service, secs) in anomalies {
        let anomaly = anomaly(service, secs);
        let (id, first_seen) = (anomaly.id.clone(), anomaly.first_seen);
        let object = event_json(&Event::Anomaly(Arc::new(anomaly)));
        filings.push(document(Kind::Anomaly, &id, first_seen, object.to_string()));
        if secs != 20 {
            // It took two seconds to find it.
            let at = first_seen.plus(Duration::from_secs(2));
            told.push(ToldEvent { id, at });
        }
    }
    for incident in [
        incident("i1", "cart", (5, 610)),
        incident("i2", "stock", (31, 34)),
    ] {
        let body = serde_json::to_string(&incident).unwrap();
        filings.push(document(
            Kind::Incident,
            &incident.id,
            incident.detected,
            body,
        ));
    }
    control.tell(&told, &[], &filings).unwrap();
    folder
}

fn document(kind: Kind, id: &str, at: Timestamp, body: String) -> Filing {
    Filing::Put(Document {
        kind,
        id: id.into(),
        at,
        body: body.into_bytes(),
    })
}

fn played(folder: &Path, rules: &Rules, (from, to): (u64, u64)) -> Report {
    let span = (at(from), at(to));
    let history = History::read(folder, span).unwrap();
    kept::report(&history, rules, span)
}

fn text(report: &Report) -> String {
    let mut out = Vec::new();
    report.write(&mut out, true).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_past_is_told_as_a_table_with_reasons_assumptions_and_what_it_does_not_tell() {
    let folder = folder();
    let rules = rules(RULES, &Readiness::BOTH);
    let text = text(&played(folder.path(), &rules, (0, 3_600)));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "Played 3 anomalies and 2 incidents of 2 services, from 2026-11-22T00:00:00.000000000Z to \
         2026-11-22T01:00:00.000000000Z. Nothing was sent."
    );
    for expected in [
        "| rule             | action           | mode    | if the pod is | fits | asked | done | proposed | blocked | why not",
        "| restart-pod      | restart_pod      | auto    | not Ready     | 3    | 2     | 1    | 0        | 1       | incident 1",
        "| restart-pod      | restart_pod      | auto    | Ready         | 3    | 2     | 0    | 1        | 1       |",
        "  incident           1 blocked: the trouble is over, or is not an incident yet",
        "  other_signal       1 to a person: only logs speak for it",
        "2026-11-22T00:00:02Z  done      restart-pod  restart_pod shop/Deployment/cart pod cart-1  \
         every check passed after 20 s; the records were calm afterwards",
        "2026-11-22T00:00:32Z  blocked   restart-pod  restart_pod shop/Deployment/stock pod stock-1  \
         incident: the trouble is over, or is not an incident yet",
        "- The pod that the records name is not Ready until it is acted on.",
        "- When 1 of the anomalies were found (it is remembered for 7 days)",
    ] {
        assert!(
            text.contains(expected),
            "{expected}\n--- not in ---\n{text}"
        );
    }
}

#[test]
fn scripts_get_the_same_as_json_and_actions_where_they_ask_for_them() {
    let folder = folder();
    let rules = rules(RULES, &[Readiness::NotReady]);
    let report = played(folder.path(), &rules, (0, 3_600));
    let object = view::object(&report, true);
    let column = &object["columns"][0];
    assert_eq!(
        (&column["pod"], &object["sent"]),
        (&"not Ready".into(), &0.into())
    );
    let rule = &column["rules"][0];
    let counts = ["fits", "asked", "done", "proposed", "blocked"].map(|it| rule[it].as_u64());
    assert_eq!(counts, [3, 2, 1, 0, 1].map(Some));
    assert_eq!(rule["checks"]["incident"]["blocked"], 1);
    let action = &column["actions"][0];
    assert_eq!(action["fate"], "done");
    assert_eq!(action["asked_at"], "2026-11-22T00:00:02.000000000Z");
    assert_eq!(action["target"]["workload"]["name"], "cart");
    assert_eq!(
        view::object(&report, false)["columns"][0]["actions"],
        Value::Null
    );
}

#[test]
fn only_what_was_found_in_the_time_that_is_asked_for_is_played() {
    let folder = folder();
    let rules = rules(RULES, &[Readiness::NotReady]);
    let fits = |span| {
        played(folder.path(), &rules, span).columns[0]
            .simulated
            .rules[0]
            .fits
    };
    // Found at 2, 32 and, as far as is remembered, 20 s.
    assert_eq!([(0, 2), (0, 3), (3, 32), (3, 33)].map(fits), [0, 1, 1, 2]);
}

#[test]
fn the_mode_of_every_rule_may_be_assumed_to_be_another() {
    let folder = folder();
    let mut rules = rules(RULES, &[Readiness::NotReady]);
    for rule in &mut rules.rules {
        rule.mode = Mode::Suggest;
    }
    let report = played(folder.path(), &rules, (0, 3_600));
    let tally = &report.columns[0].simulated.rules[0];
    // Where a person decides they are not kept waiting until the trouble has lasted: that of stock was an
    // incident when it was found.
    assert_eq!((tally.asked, tally.done, tally.proposed), (2, 0, 2));
}

#[test]
fn a_folder_without_a_database_and_settings_without_rules_are_errors_that_say_so() {
    let empty = tempfile::tempdir().unwrap();
    let error = History::read(empty.path(), (at(0), at(1))).unwrap_err();
    assert!(error.to_string().contains("control.db"), "{error}");
    let settings = from_text("x", "actions: []", &[]).unwrap();
    let args = SimulateArgs {
        config: "rules.yaml".into(),
        state_dir: None,
        from: None,
        to: None,
        assume: None,
        mode: None,
        actions: false,
        json: false,
        layout: None,
        set: SetArgs {
            train: None,
            test: None,
            epochs: None,
        },
    };
    let error = Rules::of(&settings, &args).err();
    let Some(Failure::Use(error)) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        error.to_string(),
        "rules.yaml has no rules: there is nothing under actions"
    );
    assert!(labelled::Set::of(&args.set).is_err());
}

#[test]
fn names_of_the_past_cannot_drive_the_terminal() {
    let rules = rules(RULES, &[Readiness::NotReady]);
    let mut history = History::default();
    let mut hostile = anomaly("cart", 0);
    hostile.stream = StreamKey::named("ca\u{1b}[2Jrt");
    let found = (at(0), Arc::new(hostile));
    history.past.anomalies.push(found);
    let text = text(&kept::report(&history, &rules, (at(0), at(60))));
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn marks_count_what_is_right_and_the_faults_that_are_met() {
    let folder = folder();
    let mut rules = rules(RULES, &[Readiness::NotReady]);
    // Of cart it is done; of stock, which was in trouble for three seconds, it is blocked.
    rules.rules.truncate(1);
    let simulated = || {
        let report = played(folder.path(), &rules, (0, 3_600));
        let mut columns = report.columns;
        let column: Column = columns.remove(0);
        column.simulated
    };
    let mut all = marks::AllMarks::new();
    let right = |_: &_| marks::Judged::Right;
    let judged = marks::add(&mut all, &simulated(), Some(&right));
    assert_eq!(judged.iter().flatten().count(), 1);
    marks::add(&mut all, &simulated(), None);
    let marks = &all["restart-pod"];
    assert_eq!((marks.done.right, marks.done.wrong), (1, 1));
    assert_eq!(marks.without_fault, (1, 0));
    assert_eq!((marks.faults_done, marks.faults_met), (1, 1));
}
