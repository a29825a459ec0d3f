//! Events for the tests of this module.

use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{
    ActionKind, Anomaly, AnomalyKind, Class, ContextLine, Event, Expected, Explanation, Observed,
    Opinion, Proposal, Target, TemplateRef,
};
use crate::core::record::{Resource, Severity, SpanId, StreamKey, TemplateId, Timestamp, TraceId};

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
pub(super) fn proposal() -> Proposal {
    Proposal {
        id: "c0ffee00c0ffee00c0ffee00c0ffee00".into(),
        anomaly: Arc::new(anomaly()),
        action: ActionKind::RestartPod,
        target: Target {
            namespace: "shop".into(),
            workload: Some(("Deployment", "cart".into())),
            pod: Some("cart-7d9f-x2l".into()),
            pod_uid: None,
        },
        reason: "cart left the order its records normally come in (score 0.970), which rule cart \
                 answers with this action"
            .into(),
        rule: "cart".into(),
        expires_at: Timestamp::from_millis(1_763_700_901_000),
    }
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
