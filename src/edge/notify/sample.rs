//! Events for the tests of this module.

use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{
    Action, ActionEvent, ActionStage, ActionState, Anomaly, AnomalyKind, Before, Cause,
    CheckVerdict, Checked, Class, ContextLine, Digest, Done, Event, Evidence, Expected,
    Explanation, Gravity, Grounds, Incident, IncidentEvent, IncidentState, Lift, Mark, Mode,
    NearChange, Observed, Opinion, Part, Plan, Relation, Remedy, Request, Route, Sign, Source,
    Stage, Step, Suspect, System, Target, TemplateRef, Verdict,
};
use crate::core::record::{
    Change, ChangeKind, Resource, Severity, SpanId, StreamKey, TemplateId, Timestamp, TraceId,
};

/// What an attacker would log.
pub(super) const HOSTILE_TEXT: &str = "\u{1b}[31mred\n<!channel> \u{202e}txt.exe \u{200b}\"}]\r\n{\"type\":\"forged\"}\u{1b}]8;;http://evil\u{7} \u{9b}2J <script>alert(1)</script> =cmd|' /C calc'!A0 ```";

/// An anomaly of the service `cart`.
pub(super) fn anomaly() -> Anomaly {
    let first_seen = Timestamp::from_nanos(1_763_700_000_000_000_042);
    let template = |id: u64, text: &str| TemplateRef {
        id: TemplateId(id),
        text: text.into(),
    };
    let line = |seconds: u64, text: &str| ContextLine {
        time: first_seen.minus(Duration::from_secs(seconds)),
        text: text.into(),
    };
    let attributes = [
        ("deployment.environment.name", "prod"),
        ("k8s.deployment.name", "cart"),
        ("k8s.namespace.name", "shop"),
        ("k8s.pod.name", "cart-7d9f-x2l"),
        ("service.name", "cart"),
        ("service.namespace", "shop"),
    ];
    let resource = attributes.map(|(key, value)| (key.into(), value.into()));
    Anomaly {
        id: "5f0e3b0c9d8a4f6e8d1c2b3a49586776".into(),
        fingerprint: "9f3c5b7d11223344".into(),
        kind: AnomalyKind::Sequence,
        class: Class::Error,
        severity: Severity::Error,
        score: 0.97,
        p_value: 0.03,
        first_seen,
        last_seen: first_seen,
        count: 1,
        stream: StreamKey {
            environment: "prod".into(),
            namespace: "shop".into(),
            name: "cart".into(),
        },
        resource: Arc::new(Resource::new(resource.into())),
        sequence: "5b8efff798038103d269b633813fc60c".into(),
        trace_id: TraceId::from_bytes(&[0x5b; 16]),
        span_id: SpanId::from_bytes(&[0xee; 8]),
        template: Some(template(3, "payment retry <num>")),
        sent_template: None,
        explanation: Explanation {
            reason: "expected \"cart lock released\" (93 %), came \"payment retry 3\" \
                     (3 in 100,000)"
                .into(),
            expected: vec![
                Expected {
                    template: Some(template(1, "cart lock released")),
                    probability: 0.93,
                },
                Expected {
                    template: Some(template(2, "cart lock <word>")),
                    probability: 0.05,
                },
            ],
            observed: Observed::Record("payment retry 3".into()),
            probability: 0.00003,
            opinions: vec![Opinion {
                detector: "order",
                p_value: 0.00002,
                says: "after \"cart lock taken\" comes \"cart lock released\" (93 %); \
                       \"payment retry <num>\" came, expected once in 33,000"
                    .into(),
            }],
            context: vec![line(2, "cart lock taken"), line(0, "payment retry 3")],
        },
        stack: None,
        detectors: vec!["order"],
        model: "sha256:ab12".into(),
    }
}

/// A restart of the pod of [`anomaly`].
pub(super) fn proposed() -> Event {
    proposed_as(action())
}

pub(super) fn proposed_as(action: Action) -> Event {
    told_as(ActionStage::Proposed, action)
}

pub(super) fn told_as(stage: ActionStage, action: Action) -> Event {
    Event::Action(Arc::new(ActionEvent {
        id: "facade00facade00facade00facade00".into(),
        stage,
        at: Timestamp::from_millis(1_763_700_001_000),
        action: Arc::new(action),
    }))
}

pub(super) fn action() -> Action {
    let anomaly = Arc::new(anomaly());
    let at = Timestamp::from_millis(1_763_700_001_000);
    Action {
        id: "c0ffee00c0ffee00c0ffee00c0ffee00".into(),
        rule: "cart".into(),
        mode: Mode::Approve,
        remedy: Remedy::RestartPod,
        target: Target {
            namespace: "shop".into(),
            workload: Some(("Deployment".into(), "cart".into())),
            pod: Some("cart-7d9f-x2l".into()),
            pod_uid: None,
        },
        incident: Some("1c1de700000000000000000000000001".into()),
        fingerprint: anomaly.fingerprint.clone(),
        stream: anomaly.stream.clone(),
        reason: "cart left the order its records normally come in (score 0.970), which rule cart \
                 answers with this action"
            .into(),
        asked_at: at,
        expires_at: Timestamp::from_millis(1_763_700_901_000),
        evidence: Grounds {
            kinds: vec!["sequence".into()],
            detectors: vec!["order".into()],
            score: 0.97,
            first_seen: anomaly.first_seen,
            last_seen: anomaly.last_seen,
            heard_at: anomaly.last_seen,
            anomalies: 1,
            model: anomaly.model.clone(),
        },
        plan: Some(Plan {
            hash: "0123456789abcdef0123456789abcdef".into(),
            subject: None,
            claims: None,
            requests: vec![Request {
                system: System::Kubernetes,
                method: "POST".into(),
                path: "/api/v1/namespaces/shop/pods/cart-7d9f-x2l/eviction".into(),
                content_type: "application/json".into(),
                body: r#"{"apiVersion":"policy/v1","kind":"Eviction"}"#.into(),
            }],
            undo: vec![],
            checks: vec![Checked {
                check: "opt_in".into(),
                verdict: CheckVerdict::Pass,
                why: "the Deployment has the label knothole.dev/remediate=true".into(),
            }],
            at,
        }),
        approved: None,
        state: ActionState::Proposed,
        acted_at: None,
        before: None,
        unrest: None,
        steps: vec![Step {
            at,
            state: ActionState::Proposed,
            by: "knothole".into(),
            why: "every check passed; a person has to approve it".into(),
        }],
        anomaly: Some(anomaly),
    }
}

/// An incident of the services `cart` and `checkout`, with something in every place.
pub(super) fn incident() -> Incident {
    let began = Timestamp::from_nanos(1_763_700_000_000_000_042);
    let later = |seconds: u64| began.plus(Duration::from_secs(seconds));
    let cart = anomaly().stream;
    let checkout = StreamKey {
        name: "checkout".into(),
        ..cart.clone()
    };
    let part = |stream: &StreamKey, relation, seconds| Part {
        stream: stream.clone(),
        resource: anomaly().resource,
        relation,
        first_seen: later(seconds),
        signs: 2,
    };
    Incident {
        id: "1bc1de4700c0ffee00c0ffee00c0ffee".into(),
        fingerprint: "aa3c5b7d11223344".into(),
        revision: 1,
        state: IncidentState::Open,
        severity: Gravity::Error,
        class: Class::Error,
        title: "cart: payment retry 3 came where \"cart lock released\" comes".into(),
        began,
        detected: later(10),
        last_seen: later(30),
        acknowledged: None,
        ended: None,
        parts: vec![
            part(&cart, Relation::First, 0),
            part(&checkout, Relation::Trace, 4),
        ],
        signs: vec![Arc::new(sign())],
        sign_count: 4,
        cause: cause(&cart, began),
        before: Some(Before {
            times: 2,
            last: Some(began.minus(Duration::from_secs(86_400))),
            usually_lasts: Some(Duration::from_millis(90_500)),
            done: vec![Done {
                action: "roll_back".into(),
                times: 2,
                helped: 1,
            }],
        }),
        route: Route {
            team: Some("payments".into()),
            pages: true,
            why: "an error in 2 services".into(),
            muted_by: None,
        },
    }
}

/// The first sign of [`incident`].
pub(super) fn sign() -> Sign {
    Sign::from(&anomaly())
}

/// The change before [`incident`].
pub(super) fn change() -> Change {
    Change {
        id: "deploy-77".into(),
        kind: ChangeKind::Version,
        stream: anomaly().stream,
        from: Some("2.9.6".into()),
        to: Some("2.9.7".into()),
        at: Timestamp::from_nanos(1_763_700_000_000_000_042).minus(Duration::from_secs(120)),
        reference: Some("4f9d2c1".into()),
        url: None,
    }
}

/// A change with `text` wherever a sender has a say.
pub(super) fn hostile_change(text: &str) -> Change {
    Change {
        stream: StreamKey::named(text),
        from: Some(text.into()),
        to: Some(text.into()),
        reference: Some(text.into()),
        url: Some(text.into()),
        ..change()
    }
}

fn cause(stream: &StreamKey, began: Timestamp) -> Cause {
    Cause {
        verdict: Verdict::Likely,
        suspects: vec![Suspect {
            stream: stream.clone(),
            pod: Some("cart-7d9f-x2l".into()),
            component: Some("PaymentClient".into()),
            share: 0.82,
            evidence: vec![Evidence {
                source: Source::Span,
                says: "its calls fail, those of others do not".into(),
                weight: 3.5,
                at: began,
            }],
        }],
        changes: vec![NearChange {
            change: Arc::new(change()),
            before: Duration::from_secs(120),
        }],
        lifts: vec![Lift {
            attribute: "service.version".into(),
            value: "2.9.7".into(),
            abnormal: (9, 10),
            normal: (100, 1000),
            lift: 9.0,
            p_value: 0.0001,
        }],
        unknown: vec!["no metrics from checkout since 02:40".into()],
    }
}

/// The first that is told of [`incident`].
pub(super) fn opened() -> IncidentEvent {
    told(Stage::Opened, incident())
}

/// Something that became of `incident`.
pub(super) fn told(stage: Stage, incident: Incident) -> IncidentEvent {
    IncidentEvent {
        id: format!("{:0>28}{:04}", stage.name().len(), incident.revision).into(),
        stage,
        at: incident.detected,
        incident: Arc::new(incident),
    }
}

/// A digest with [`incident`] in it.
pub(super) fn digest() -> Digest {
    let mut quiet = incident();
    quiet.route.pages = false;
    Digest {
        id: "d19e5700d19e5700d19e5700d19e5700".into(),
        team: Some("payments".into()),
        from: quiet.began,
        to: quiet.began.plus(Duration::from_secs(86_400)),
        incidents: vec![Arc::new(quiet)],
        incident_count: 3,
        pages: (2, 5),
    }
}

/// An incident with `text` wherever a sender has a say.
pub(super) fn hostile_incident(text: &str) -> Incident {
    let mut incident = incident();
    let stream = StreamKey {
        environment: "".into(),
        namespace: text.into(),
        name: text.into(),
    };
    incident.title = text.into();
    for part in &mut incident.parts {
        part.stream = stream.clone();
    }
    let mut sign = sign();
    sign.stream = stream.clone();
    sign.says = text.into();
    sign.kind = text.into();
    for line in &mut sign.lines {
        line.text = text.into();
    }
    incident.signs = vec![Arc::new(sign)];
    for suspect in &mut incident.cause.suspects {
        suspect.stream = stream.clone();
        suspect.pod = Some(text.into());
        suspect.component = Some(text.into());
        for evidence in &mut suspect.evidence {
            evidence.says = text.into();
        }
    }
    for near in &mut incident.cause.changes {
        let change = Arc::make_mut(&mut near.change);
        change.to = Some(text.into());
        change.reference = Some(text.into());
    }
    incident.route.team = Some(text.into());
    incident.route.why = text.into();
    incident.acknowledged = Some(Mark {
        at: incident.began,
        by: text.into(),
        note: Some(text.into()),
    });
    incident
}

/// A digest with `text` wherever a sender has a say.
pub(super) fn hostile_digest(text: &str) -> Digest {
    Digest {
        team: Some(text.into()),
        incidents: vec![Arc::new(hostile_incident(text))],
        ..digest()
    }
}

/// An anomaly with `text` wherever a sender has a say.
pub(super) fn hostile_anomaly(text: &str) -> Anomaly {
    let mut anomaly = anomaly();
    anomaly.stream = StreamKey::named(text);
    anomaly.sequence = text.into();
    anomaly.sent_template = Some(text.into());
    anomaly.resource = Arc::new(Resource::new(vec![("service.name".into(), text.into())]));
    let explanation = &mut anomaly.explanation;
    explanation.reason = text.into();
    explanation.observed = Observed::Record(text.into());
    for line in &mut explanation.context {
        line.text = text.into();
    }
    for opinion in &mut explanation.opinions {
        opinion.says = text.into();
    }
    let expected = explanation.expected.iter_mut();
    let expected = expected.filter_map(|it| it.template.as_mut());
    for template in expected.chain(&mut anomaly.template) {
        template.text = text.into();
    }
    anomaly
}

/// An anomaly with hostile text wherever a sender has a say.
pub(super) fn hostile() -> Event {
    let mut anomaly = anomaly();
    let huge = "A".repeat(100_000);
    anomaly.stream = StreamKey::named("sh\u{202e}op");
    anomaly.sequence = "\u{e0041}seq\u{9b}31m".into();
    anomaly.explanation.reason = format!("expected {HOSTILE_TEXT} {huge}").into();
    anomaly.explanation.observed = Observed::Record(HOSTILE_TEXT.into());
    for line in &mut anomaly.explanation.context {
        line.text = HOSTILE_TEXT.into();
    }
    Event::Anomaly(Arc::new(anomaly))
}
