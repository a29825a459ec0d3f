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
        is_fresh: false,
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
fn right_after_a_start_it_is_not_known_how_a_service_is_judged() {
    for (is_fresh, is_unknown) in [(true, true), (false, false)] {
        let here = Here {
            is_fresh,
            ..here(None)
        };
        let world = here.world(&action(), &Opinions::default(), NOW);
        assert_eq!(world.is_unknown, is_unknown);
    }
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

#[test]
fn services_that_somebody_makes_up_or_that_are_long_gone_do_not_dilute_a_storm() {
    let heard = |state, secs| is_judged(state, NOW.minus(Duration::from_secs(secs)), NOW);
    assert!(heard(State::Active, 0) && heard(State::Active, 3_600));
    assert!(!heard(State::Active, 3_601));
    assert!(!heard(State::Learning, 0) && !heard(State::Training, 0));
}

/// What holds an action for a pod in `shop` back, of a sender that calls its namespace otherwise.
fn frozen_by(matchers: &str, is_known: bool, now: Timestamp) -> Option<Box<str>> {
    let text = format!(
        "remediation: {{ freeze: [{{ name: release, from: '2025-11-21T00:00', until: '2025-11-22T00:00', \
         matchers: [{matchers}] }}] }}"
    );
    let freezes = from_text("x", &text, &[]).unwrap().freezes();
    let mut action = action();
    action.stream.namespace = "of-the-sender".into();
    action.anomaly = action.anomaly.filter(|_| is_known);
    frozen(&freezes, &action, now)
}

#[test]
fn a_window_holds_for_the_namespace_of_the_target_whatever_the_sender_calls_its_own() {
    for held in [
        "namespace=shop",
        "namespace=of-the-sender",
        "namespace=shop, pod=cart-1",
        "namespace!=of-the-sender, pod=cart-1",
    ] {
        assert!(frozen_by(held, true, NOW).is_some(), "{held}");
    }
    for other in ["namespace=bank", "namespace=shop, pod=cart-2"] {
        assert_eq!(frozen_by(other, true, NOW), None, "{other}");
    }
}

#[test]
fn what_is_not_known_any_more_is_frozen_by_every_window_that_is_open() {
    assert!(frozen_by("pod=cart-2", false, NOW).is_some());
    assert_eq!(frozen_by("pod=cart-2", false, NOW.plus(2 * DAY)), None);
}
