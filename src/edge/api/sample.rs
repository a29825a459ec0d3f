//! Made-up incidents and actions for the tests of this room.

use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{
    Action, ActionState, Before, Cause, CheckVerdict, Checked, Class, ContextLine, Done, Evidence,
    Gravity, Grounds, Incident, IncidentState, Lift, Mark, Mode, NearChange, Part, Plan, Relation,
    Remedy, Request, Route, Sign, Source, Step, Suspect, System, Target, Verdict,
};
use crate::core::record::{Change, ChangeKind, Resource, Severity, StreamKey, Timestamp};

/// 2026-08-01 02:51:07.412 UTC.
const BEGAN: Timestamp = Timestamp::from_millis(1_785_552_667_412);

fn at(seconds: u64) -> Timestamp {
    BEGAN.plus(Duration::from_secs(seconds))
}

pub(super) fn stream(name: &str) -> StreamKey {
    StreamKey {
        environment: "prod".into(),
        namespace: "shop".into(),
        name: name.into(),
    }
}

fn resource(pod: &str) -> Arc<Resource> {
    Arc::new(Resource::new(vec![("k8s.pod.name".into(), pod.into())]))
}

fn line(seconds: u64, text: &str) -> ContextLine {
    ContextLine {
        time: BEGAN.minus(Duration::from_secs(seconds)),
        text: text.into(),
    }
}

fn sign(name: &str, pod: &str, seconds: u64, says: &str) -> Sign {
    Sign {
        id: "5e1f".repeat(8).into(),
        fingerprint: "5e1f".repeat(4).into(),
        source: Source::Log,
        kind: "sequence".into(),
        class: Class::Error,
        severity: Severity::Error,
        score: 0.9999,
        first_seen: at(seconds),
        last_seen: at(seconds),
        count: 1,
        stream: stream(name),
        resource: resource(pod),
        trace: None,
        says: says.into(),
        template: None,
        lines: Vec::new(),
        expected: None,
        stack: None,
    }
}

fn part(name: &str, relation: Relation, seconds: u64, signs: u64) -> Part {
    Part {
        stream: stream(name),
        resource: resource("a-pod"),
        relation,
        first_seen: at(seconds),
        signs,
    }
}

/// One that goes on, with all that can be known of it.
pub(super) fn incident() -> Incident {
    let mut first = sign(
        "checkout",
        "checkout-7d9f-x2l",
        0,
        "came \"payment retry 3\" in place of the end of the order",
    );
    first.expected = Some("\"cart lock released\" (93 %)".into());
    first.lines = vec![
        line(2, "cart lock taken for order 81"),
        line(1, "payment sent for order 81"),
        line(0, "payment retry 3 for order 81"),
    ];
    let mut second = sign("payments", "payments-5c-q1", 14, "p99 0.4 s → 6.1 s");
    second.source = Source::Span;
    Incident {
        id: "9f3c".repeat(8).into(),
        fingerprint: "9f3c".repeat(4).into(),
        revision: 2,
        state: IncidentState::Acknowledged,
        severity: Gravity::Critical,
        class: Class::Error,
        title: "checkout stopped releasing cart locks after 2.9.7 went out on 3 of 5 pods".into(),
        began: BEGAN,
        detected: at(11),
        last_seen: at(2_280),
        acknowledged: Some(Mark {
            at: at(243),
            by: "anna".into(),
            note: Some("looking at it".into()),
        }),
        ended: None,
        parts: vec![
            part("checkout", Relation::First, 0, 41),
            part("payments", Relation::Trace, 14, 14),
            part("frontend", Relation::Topology, 20, 1),
        ],
        signs: vec![Arc::new(first), Arc::new(second)],
        sign_count: 56,
        cause: cause(),
        before: Some(Before {
            times: 2,
            last: Some(at(0).minus(Duration::from_secs(9 * 86_400))),
            usually_lasts: Some(Duration::from_secs(180)),
            done: vec![
                Done {
                    action: "roll back".into(),
                    times: 2,
                    helped: 2,
                },
                Done {
                    action: "restart".into(),
                    times: 1,
                    helped: 0,
                },
            ],
        }),
        route: Route {
            team: Some("shop".into()),
            pages: true,
            why: "it is critical".into(),
            muted_by: None,
        },
    }
}

fn cause() -> Cause {
    let change = Change {
        id: "c1".into(),
        kind: ChangeKind::Version,
        stream: stream("checkout"),
        from: Some("2.9.6".into()),
        to: Some("2.9.7".into()),
        at: BEGAN.minus(Duration::from_secs(72)),
        reference: None,
        url: Some("https://ci.example.net/71".into()),
    };
    let evidence = |source, says: &str, weight| Evidence {
        source,
        says: says.into(),
        weight,
        at: BEGAN,
    };
    let suspect = |name: &str, pod: Option<&str>, share, evidence| Suspect {
        stream: stream(name),
        pod: pod.map(Into::into),
        component: None,
        share,
        evidence,
    };
    Cause {
        verdict: Verdict::Likely,
        suspects: vec![
            suspect(
                "checkout",
                None,
                0.81,
                vec![
                    evidence(
                        Source::Log,
                        "its sequences broke first, 14 s before any other",
                        6.0,
                    ),
                    evidence(
                        Source::Span,
                        "every call of payments that fails comes from it",
                        3.5,
                    ),
                ],
            ),
            suspect("payments", Some("payments-5c-q1"), 0.12, Vec::new()),
        ],
        changes: vec![NearChange {
            change: Arc::new(change),
            before: Duration::from_secs(72),
        }],
        lifts: vec![Lift {
            attribute: "service.version".into(),
            value: "2.9.7".into(),
            abnormal: (41, 41),
            normal: (0, 1_930),
            lift: 900.0,
            p_value: 1e-12,
        }],
        unknown: vec!["no metrics from payments since 02:40, so its part is from logs only".into()],
    }
}

/// One that is over, of which hardly anything is known.
pub(super) fn quiet() -> Incident {
    let mut incident = incident();
    incident.id = "0a1b".repeat(8).into();
    incident.title = "cart is not heard of any more".into();
    incident.state = IncidentState::Resolved;
    incident.severity = Gravity::Warning;
    incident.class = Class::Availability;
    incident.detected = at(4);
    incident.acknowledged = None;
    incident.ended = Some(Mark {
        at: at(600),
        by: "knothole".into(),
        note: None,
    });
    incident.parts = vec![part("cart", Relation::First, 0, 1)];
    incident.signs = vec![Arc::new(sign("cart", "cart-1", 0, "nothing for 5 min"))];
    incident.sign_count = 1;
    incident.cause = Cause::default();
    incident.before = None;
    incident.route = Route {
        why: "warnings wait for the digest".into(),
        ..Route::default()
    };
    incident
}

/// `incident` with `text` wherever somebody else's text can be.
pub(super) fn told_by(text: &str) -> Incident {
    let hostile = || -> Box<str> { text.into() };
    let mut incident = incident();
    let key = StreamKey::named(text);
    incident.title = hostile();
    incident.acknowledged = Some(Mark {
        at: at(5),
        by: hostile(),
        note: Some(hostile()),
    });
    for part in &mut incident.parts {
        part.stream = key.clone();
    }
    for shared in &mut incident.signs {
        let sign = Arc::make_mut(shared);
        sign.says = hostile();
        sign.expected = Some(hostile());
        sign.stream = key.clone();
        sign.resource = resource(text);
        sign.lines = vec![line(1, text), line(0, text)];
    }
    let cause = &mut incident.cause;
    for suspect in &mut cause.suspects {
        suspect.stream = key.clone();
        suspect.pod = Some(hostile());
        suspect.component = Some(hostile());
        for evidence in &mut suspect.evidence {
            evidence.says = hostile();
        }
    }
    for near in &mut cause.changes {
        let change = Arc::make_mut(&mut near.change);
        change.stream = key.clone();
        change.from = Some(hostile());
        change.to = Some(hostile());
        change.reference = Some(hostile());
        change.url = Some(hostile());
    }
    for lift in &mut cause.lifts {
        lift.attribute = hostile();
        lift.value = hostile();
    }
    cause.unknown = vec![hostile()];
    if let Some(before) = &mut incident.before {
        for done in &mut before.done {
            done.action = hostile();
        }
    }
    incident.route = Route {
        team: Some(hostile()),
        pages: true,
        why: hostile(),
        muted_by: Some(hostile()),
    };
    incident
}

/// One that waits for a person, with all that can be known of it.
pub(super) fn action() -> Action {
    let step = |seconds, state, why: &str| Step {
        at: at(seconds),
        state,
        by: "knothole".into(),
        why: why.into(),
    };
    let reason = "prod/shop/checkout left the order its records normally come in (score 0.997), \
                  which rule checkout-pod answers with this action";
    Action {
        id: "7c41".repeat(8).into(),
        rule: "checkout-pod".into(),
        mode: Mode::Auto,
        remedy: Remedy::RestartPod,
        target: Target {
            namespace: "shop".into(),
            workload: Some(("Deployment".into(), "checkout".into())),
            pod: Some("checkout-7d9f-x2l".into()),
            pod_uid: Some("5ee0c7d8-9f0e-4d53-9f6e-000000000001".into()),
        },
        incident: Some("9f3c".repeat(8).into()),
        fingerprint: "9f3c".repeat(4).into(),
        stream: stream("checkout"),
        reason: reason.into(),
        asked_at: at(11),
        expires_at: at(911),
        evidence: Grounds {
            kinds: vec!["sequence".into(), "count".into()],
            detectors: vec!["order".into(), "precedence".into()],
            score: 0.997,
            first_seen: at(0),
            last_seen: at(64),
            heard_at: at(64),
            anomalies: 4,
            model: "4be1".into(),
        },
        plan: Some(plan()),
        approved: None,
        state: ActionState::Proposed,
        acted_at: None,
        before: None,
        unrest: None,
        steps: vec![
            step(11, ActionState::Asked, reason),
            step(
                13,
                ActionState::Blocked,
                "checkout-pdb allows no disruption now",
            ),
            step(72, ActionState::Proposed, DEPENDANTS),
        ],
        anomaly: None,
    }
}

const DEPENDANTS: &str = "7 services call it, more than the 5 that may without a person";

fn plan() -> Plan {
    let check = |check: &str, verdict, why: &str| Checked {
        check: check.into(),
        verdict,
        why: why.into(),
    };
    Plan {
        hash: "d41d8cd9".repeat(4).into(),
        subject: None,
        claims: None,
        requests: vec![eviction()],
        undo: Vec::new(),
        checks: vec![
            check("switch", CheckVerdict::Pass, "nobody has stopped actions"),
            check(
                "budget",
                CheckVerdict::Wait,
                "checkout-pdb allows no disruption now",
            ),
            check("dependants", CheckVerdict::Ask, DEPENDANTS),
            check(
                "policy",
                CheckVerdict::Unknown,
                "the policy did not answer in 2 s",
            ),
            check(
                "storm",
                CheckVerdict::Stop,
                "6 of 9 services are in trouble",
            ),
        ],
        at: at(70),
    }
}

fn eviction() -> Request {
    Request {
        system: System::Kubernetes,
        method: "POST".into(),
        path: "/api/v1/namespaces/shop/pods/checkout-7d9f-x2l/eviction".into(),
        content_type: "application/json".into(),
        body: r#"{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"checkout-7d9f-x2l"}}"#.into(),
    }
}

/// One that is over, of which hardly anything is known.
pub(super) fn quiet_action() -> Action {
    let mut action = action();
    action.id = "0a1b".repeat(8).into();
    action.remedy = Remedy::Scale { by: 1, max: 5 };
    action.mode = Mode::Observe;
    action.state = ActionState::Observed;
    action.asked_at = at(4);
    action.incident = None;
    action.stream = stream("cart");
    action.plan = None;
    action.target.pod = None;
    action.target.pod_uid = None;
    action.steps.truncate(1);
    action
}

/// `action` with `text` wherever somebody else's text can be.
pub(super) fn action_told_by(text: &str) -> Action {
    let hostile = || -> Box<str> { text.into() };
    let mut action = action();
    action.rule = hostile();
    action.reason = hostile();
    action.stream = StreamKey::named(text);
    action.remedy = Remedy::JenkinsJob { job: hostile() };
    if let Some(plan) = &mut action.plan {
        for request in &mut plan.requests {
            request.path = hostile();
            request.body = hostile();
        }
        for check in &mut plan.checks {
            check.why = hostile();
        }
    }
    for step in &mut action.steps {
        step.by = hostile();
        step.why = hostile();
    }
    action
}
