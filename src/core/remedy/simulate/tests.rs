use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::core::event::{
    ActionKind, AnomalyKind, Cause, Class, Explanation, Gravity, Incident, IncidentState, Mark,
    Mode, Observed, Part, Relation, Route, Sign, Source,
};
use crate::core::record::{Resource, Severity, StreamKey};
use crate::core::remedy::standing::Trouble;

const NIGHT: Timestamp = Timestamp::from_millis(1_763_700_000_000);

const fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(1_763_700_000_000 + secs * 1_000)
}

fn rule(name: &str, mode: Mode, remedy: Remedy) -> Rule {
    Rule {
        name: name.into(),
        mode,
        remedy,
        kinds: vec![AnomalyKind::Sequence],
        services: vec![],
        score_min: 0.9,
        ttl: Rule::TTL_DEFAULT,
        persist: Duration::from_secs(10),
        pod_age_min: Rule::POD_AGE_DEFAULT,
        stabilise: Rule::STABILISE_DEFAULT,
        after: vec![],
        stateful: false,
    }
}

fn restart() -> Rule {
    rule("restart", Mode::Auto, Remedy::RestartPod)
}

/// An anomaly of `service`, whose first pod says it, found at `secs`.
fn anomaly(service: &str, secs: u64) -> (Timestamp, Arc<Anomaly>) {
    let attributes = [
        ("k8s.namespace.name", "shop".to_owned()),
        ("k8s.deployment.name", service.to_owned()),
        ("k8s.pod.name", format!("{service}-1")),
        ("k8s.pod.uid", format!("uid-of-{service}-1")),
    ];
    let attributes = attributes.map(|(name, value)| (name.into(), value.into()));
    let anomaly = Anomaly {
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
    };
    (at(secs), Arc::new(anomaly))
}

/// An incident of `services` from one time to another, in seconds.
fn incident(id: &str, services: &[&str], (from, to): (u64, u64)) -> Incident {
    let part = |service: &&str| Part {
        stream: StreamKey::named(service),
        resource: Arc::default(),
        relation: Relation::First,
        first_seen: at(from),
        signs: 1,
    };
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
        parts: services.iter().map(part).collect(),
        signs: vec![],
        sign_count: 1,
        cause: Cause::default(),
        before: None,
        route: Route::default(),
    }
}

fn simulated(rules: Vec<Rule>, past: Past, pod_is_ready: bool) -> Simulated {
    let frozen = |action: &Action, now: Timestamp| {
        let is_frozen = action.stream.name == "web".into() && now < at(30);
        is_frozen.then(|| "window freeze".into())
    };
    let assumed = Assumed { pod_is_ready };
    past.play(Simulation::new(rules, Limits::default(), &frozen, assumed))
}

/// Trouble of `cart` for 10 minutes, and again half a minute after it was over: too soon for a second
/// restart. Trouble of `stock` that is over before it has lasted.
fn night() -> Past {
    Past {
        anomalies: vec![
            anomaly("cart", 0),
            anomaly("cart", 10),
            anomaly("stock", 30),
            anomaly("cart", 640),
        ],
        incidents: vec![
            incident("i1", &["cart"], (5, 610)),
            incident("i2", &["stock"], (31, 34)),
            incident("i3", &["cart"], (641, 2_000)),
        ],
        heard: 20,
        is_authenticated: false,
    }
}

/// done, proposed, blocked.
fn fates(rule: &RuleTally) -> (u64, u64, u64) {
    (rule.done, rule.proposed, rule.blocked)
}

fn check<'a>(rule: &'a RuleTally, name: &str) -> &'a Tallied {
    &rule.checks[name]
}

#[test]
fn a_night_gives_the_table_that_was_worked_out_by_hand() {
    let simulated = simulated(vec![restart()], night(), false);
    let rule = &simulated.rules[0];
    assert_eq!((rule.fits, rule.untargeted, rule.shadowed), (4, 0, 0));
    // The first two of cart are one action; the third is another one, of another incident.
    assert_eq!(rule.asked, 3);
    assert_eq!(fates(rule), (1, 0, 2));
    // At 0 s there is no incident yet; at 10 s there is one, and the trouble has lasted for 10 s.
    let done = &simulated.actions[0];
    assert_eq!((done.fate, done.at), (Fate::Done, at(10)));
    assert_eq!((done.anomalies, done.incident.as_deref()), (2, Some("i1")));
    assert_eq!(&*done.why, "every check passed");
    assert_eq!(done.target.to_string(), "shop/Deployment/cart");
    // It was 5 min after it that the records were heard as calm: one anomaly before, none since.
    assert_eq!(done.outcome, Some(ActionState::Effective));
    let held = |action: &Tried| {
        let held = action.held.iter();
        held.map(|it| (it.check.to_string(), it.times))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        held(done),
        [("incident".to_owned(), 1), ("persisted".to_owned(), 1)]
    );
    // It was looked at every ten seconds, from 30 s to 920 s; its time was up at 930 s. When it was an incident,
    // from 31 s to 34 s, it was not looked at. Until 40 s more might have come to show that it lasts, and from
    // 340 s on it did not show.
    let stock = &simulated.actions[1];
    assert_eq!(stock.fate, Fate::Blocked);
    assert_eq!(
        held(stock),
        [("incident".to_owned(), 90), ("persisted".to_owned(), 61)]
    );
    // From 640 s to 1530 s; at 640 s it was no incident yet.
    let again = &simulated.actions[2];
    assert_eq!(again.fate, Fate::Blocked);
    assert_eq!(held(again)[0], ("workload_rate".to_owned(), 90));
    assert!(held(again).contains(&("incident".to_owned(), 1)));
    assert_eq!(
        &*again.why,
        "1 action on shop/Deployment/cart within 30 min and at most 1 may be"
    );
    assert_eq!(check(rule, "workload_rate").blocked, 1);
    assert_eq!(check(rule, "incident").blocked, 1);
    assert_eq!(check(rule, "incident").held, 3);
}

#[test]
fn where_only_records_speak_for_it_a_person_is_asked() {
    let simulated = simulated(vec![restart()], night(), true);
    let rule = &simulated.rules[0];
    // The proposal is still open when cart has trouble again, which is then more of the same.
    assert_eq!(fates(rule), (0, 1, 1));
    for name in ["other_signal", "sender"] {
        assert_eq!(check(rule, name).to_person, 1, "{name}");
    }
    assert_eq!(
        &*check(rule, "other_signal").first,
        "only logs speak for it"
    );
    assert_eq!(simulated.actions[0].anomalies, 3);
    assert!(!rule.checks.contains_key("workload_rate"));
}

#[test]
fn an_open_proposal_is_the_answer_to_the_next_incident_too() {
    let past = Past {
        anomalies: vec![anomaly("cart", 10), anomaly("cart", 400)],
        incidents: vec![
            incident("i1", &["cart"], (5, 300)),
            incident("i2", &["cart"], (390, 2_000)),
        ],
        heard: 20,
        is_authenticated: false,
    };
    let tell = rule("tell", Mode::Suggest, Remedy::RestartPod);
    let simulated = simulated(vec![tell], past, false);
    // One question to a person: with two they could say yes twice.
    let rule = &simulated.rules[0];
    assert_eq!((rule.asked, fates(rule)), (1, (0, 1, 0)));
    let only = &simulated.actions[0];
    assert_eq!((only.at, only.incident.as_deref()), (at(10), Some("i2")));
}

#[test]
fn what_is_forbidden_for_good_is_counted_although_nothing_is_read() {
    let limits = Limits {
        deny_namespaces: vec!["shop".into()],
        ..Limits::default()
    };
    for (mode, expected) in [(Mode::Auto, (2, 0)), (Mode::Observe, (0, 2))] {
        let assumed = Assumed {
            pod_is_ready: false,
        };
        let rules = vec![rule("r", mode, Remedy::RestartPod)];
        let simulated = night().play(Simulation::new(
            rules,
            limits.clone(),
            &|_, _| None,
            assumed,
        ));
        // Of cart it is asked for once: after a no of the checks there is an hour of rest.
        let rule = &simulated.rules[0];
        assert_eq!((rule.asked, (rule.blocked, rule.observed)), (2, expected));
        let names: Vec<&str> = rule.checks.keys().map(AsRef::as_ref).collect();
        assert_eq!(names, ["forbidden_namespace"]);
        let said = check(rule, "forbidden_namespace");
        assert_eq!((said.held, said.blocked), (2, expected.0));
        assert!(simulated.actions[0].why.ends_with(&*said.first));
    }
}

#[test]
fn a_storm_gives_nothing_also_for_a_while_after_it() {
    let services = ["cart", "stock", "web"];
    let mut past = Past {
        incidents: vec![incident("i1", &services, (1, 120))],
        heard: 5,
        ..Past::default()
    };
    let all = services
        .iter()
        .flat_map(|service| [2_u64, 60, 118].map(|secs| anomaly(service, secs)));
    past.anomalies = all.collect();
    let mut suggest = rule("tell", Mode::Suggest, Remedy::RestartWorkload);
    suggest.ttl = Duration::from_secs(300);
    let mut restart = restart();
    restart.ttl = Duration::from_secs(300);
    let simulated = simulated(vec![restart, suggest], past, false);
    for rule in &simulated.rules {
        assert_eq!(rule.asked, 3, "{}", rule.name);
        assert_eq!(fates(rule), (0, 0, 3), "{}", rule.name);
        assert!(check(rule, "storm").held == 3);
    }
    assert_eq!(
        &*check(&simulated.rules[0], "storm").first,
        "3 of 5 services are in trouble: what they share is the cause"
    );
}

#[test]
fn the_same_past_gives_the_same_whatever_order_it_is_kept_in() {
    let mut turned = night();
    turned.anomalies.reverse();
    turned.incidents.reverse();
    let rules = vec![
        restart(),
        rule("tell", Mode::Suggest, Remedy::RestartWorkload),
    ];
    let first = simulated(rules.clone(), night(), false);
    assert_eq!(first, simulated(rules, turned, false));
    // What was done to cart holds back what would be proposed for it.
    assert_eq!((first.rules[1].asked, first.rules[1].blocked), (2, 2));
}

#[test]
fn anomalies_that_ask_in_vain_are_told_apart() {
    let mut past = night();
    let (_, nameless) = &mut past.anomalies[2];
    *nameless = Arc::new(Anomaly {
        resource: Arc::default(),
        ..Anomaly::clone(nameless)
    });
    let mut other = restart();
    other.name = "restart too".into();
    let simulated = simulated(vec![restart(), other], past, false);
    let [first, second] = &simulated.rules[..] else {
        panic!("two rules")
    };
    assert_eq!((first.fits, first.untargeted, first.shadowed), (4, 1, 0));
    assert_eq!((second.fits, second.untargeted, second.shadowed), (4, 1, 3));
    assert_eq!(second.asked, 0);
}

#[test]
fn what_a_span_says_of_the_service_counts_where_its_sender_is_known() {
    let with_span = |is_authenticated| {
        let mut past = night();
        let sign = Sign {
            source: Source::Span,
            ..Sign::from(&*past.anomalies[0].1)
        };
        past.incidents[0].signs = vec![Arc::new(sign)];
        past.is_authenticated = is_authenticated;
        simulated(vec![restart()], past, true).rules[0].done
    };
    assert_eq!((with_span(false), with_span(true)), (0, 1));
}

#[test]
fn every_remedy_is_done_once_in_a_past_that_speaks_for_it_but_a_weight_that_waits_for_a_person() {
    let text = |text: &str| text.into();
    let remedies = [
        Remedy::RestartPod,
        Remedy::RestartWorkload,
        Remedy::Scale { by: 1, max: 2 },
        Remedy::RollBack,
        Remedy::ArgoSync {
            application: text("cart"),
        },
        Remedy::ArgoRollBack {
            application: text("cart"),
        },
        Remedy::ArgoAction {
            application: text("cart"),
            action: text("restart"),
        },
        Remedy::JenkinsJob { job: text("a/b") },
        Remedy::FluxReceiver {
            path: text("/hook/0a"),
        },
        Remedy::AbortRollout {
            rollout: text("cart"),
        },
        Remedy::GatewayWeight {
            route: text("shop"),
            backend: text("cart"),
            weight: 0,
        },
        Remedy::Webhook,
    ];
    for remedy in remedies {
        let kind = remedy.kind();
        let simulated = simulated(vec![rule("r", Mode::Auto, remedy)], night(), false);
        let fate = match kind {
            ActionKind::GatewayWeight => Fate::Proposed,
            _ => Fate::Done,
        };
        let done = simulated.actions.iter().find(|it| it.fate == fate);
        let held = &simulated.actions[0].held;
        let checks = &simulated.rules[0].checks;
        assert!(done.is_some(), "{kind}: {held:?} {checks:?}");
    }
}

#[test]
fn a_window_that_forbids_actions_holds_them_back_until_it_is_over() {
    let past = Past {
        anomalies: [0_u64, 15, 35].map(|at| anomaly("web", at)).into(),
        incidents: vec![incident("i1", &["web"], (5, 610))],
        heard: 20,
        is_authenticated: false,
    };
    let simulated = simulated(vec![restart()], past, false);
    let done = &simulated.actions[0];
    assert_eq!((done.fate, done.at), (Fate::Done, at(30)));
    assert_eq!(
        &*check(&simulated.rules[0], "frozen").first,
        "window freeze forbids actions now"
    );
}

#[test]
fn a_rule_that_observes_is_counted_apart() {
    let observe = rule("look", Mode::Observe, Remedy::RestartPod);
    let simulated = simulated(vec![observe], night(), false);
    let rule = &simulated.rules[0];
    assert_eq!((rule.observed, rule.asked), (2, 2));
    assert_eq!(fates(rule), (0, 0, 0));
}

#[test]
fn an_incident_that_is_not_told_yet_or_is_over_does_not_go_on() {
    let incident = incident("i", &["cart"], (10, 20));
    let goes_on = |secs| Trouble::at(&incident, at(secs)).is_some();
    assert_eq!([9, 10, 19, 20].map(goes_on), [false, true, true, false]);
    assert!(NIGHT < at(1));
}

#[test]
fn a_past_without_anomalies_ends_at_once() {
    let past = Past {
        incidents: vec![incident("i1", &["cart"], (5, 610))],
        ..Past::default()
    };
    assert_eq!(simulated(vec![restart()], past, false).actions, []);
}
