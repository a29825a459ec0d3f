use super::*;
use crate::core::engine::{ModelStatus, Shard};
use crate::core::event::{AnomalyKind, Class, Explanation, Observed};
use crate::core::record::{Resource, Severity};
use crate::core::remedy::standing::Standing;
use crate::daemon::config::from_text;
use crate::edge::api::FeedbackVerdict;

const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);
const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(in crate::daemon) fn anomaly() -> Anomaly {
    let attributes = [("k8s.namespace.name", "shop"), ("k8s.pod.name", "cart-1")];
    let attributes = attributes.map(|(name, value)| (name.into(), value.into()));
    Anomaly {
        id: "1".into(),
        fingerprint: "f".into(),
        kind: AnomalyKind::Sequence,
        class: Class::Error,
        severity: Severity::Error,
        score: 0.99,
        p_value: 0.01,
        first_seen: NOW,
        last_seen: NOW,
        count: 1,
        stream: StreamKey::named("cart"),
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
        detectors: vec!["order"],
        model: "m".into(),
    }
}

fn action() -> Action {
    let settings = from_text("x", "actions: [{ name: pod, action: restart_pod }]", &[]).unwrap();
    ask(&settings.rules(), &Arc::new(anomaly()), NOW).remove(0)
}

/// A service whose model was trained at a time, where that is known; none where it has none.
fn here(model: Option<Option<Timestamp>>) -> Here {
    let mut shard = Shard::new(from_text("x", "", &[]).unwrap().engine().unwrap());
    shard.training_failed(&StreamKey::named("cart"), NOW);
    let mut status = shard.status();
    status[0].model = model.map(|trained_at| ModelStatus {
        version: "m".into(),
        trained_on: Default::default(),
        trained_at,
    });
    Here {
        troubles: Standing::default(),
        status,
        callers: BTreeMap::new(),
        stopped: None,
        heard: BTreeMap::new(),
        freezes: Silences::default(),
    }
}

#[test]
fn a_model_is_as_old_as_it_is_and_of_unknown_age_where_nobody_knows() {
    let age = |model| {
        here(model)
            .world(&action(), &Opinions::default(), NOW)
            .model_age
    };
    assert_eq!(age(Some(Some(NOW.minus(9 * DAY)))), Some(9 * DAY));
    assert_eq!(age(Some(None)), None);
    assert_eq!(age(None), None);
}

#[test]
fn what_people_said_of_this_trouble_counts_for_its_actions() {
    let mut opinions = Opinions::default();
    opinions.hear(
        "1 ana".into(),
        vec!["f".into()],
        FeedbackVerdict::FalsePositive,
    );
    opinions.hear(
        "2 ana".into(),
        vec!["f".into()],
        FeedbackVerdict::TruePositive,
    );
    opinions.hear(
        "3 ana".into(),
        vec!["g".into()],
        FeedbackVerdict::TruePositive,
    );
    let world = here(None).world(&action(), &opinions, NOW);
    assert_eq!(world.feedback, (1, 2));
}
