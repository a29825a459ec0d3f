use super::*;
use crate::core::event::Anomaly;
use crate::core::record::StreamKey;
use crate::core::remedy::ask::tests::anomaly;

#[test]
fn more_of_the_same_trouble_is_evidence_for_the_action_that_is_there() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.run();
    let mut more = bench.action();
    more.evidence.kinds = vec!["burst".into()];
    more.evidence.detectors = vec!["rare".into()];
    more.evidence.score = 0.99;
    more.evidence.anomalies = 2;
    bench.now = bench.now.plus(secs(30));
    more.evidence.last_seen = bench.now;
    assert_eq!(bench.ask_of(more), id);
    assert_eq!(bench.ledger.open().count(), 1);
    let evidence = &bench.get(&id).evidence;
    assert_eq!(evidence.kinds, ["sequence".into(), "burst".into()]);
    assert_eq!(evidence.detectors.len(), 3);
    assert_eq!((evidence.score, evidence.anomalies), (0.99, 5));
    assert_eq!(evidence.first_seen, NOW.minus(mins(3)));
    assert_eq!(evidence.last_seen, bench.now);
}

/// A bench in which a second rule asks for the same on weaker grounds and further anomalies, and what it asks
/// for.
fn two_rules(first: Mode, second: Mode) -> (Bench, Action) {
    let mut bench = Bench::new(Remedy::RestartPod, first);
    bench.scene.rule().score_min = 0.99;
    bench.scene.action.evidence.score = 0.99;
    let mut weak = bench.scene.rule().clone();
    weak.name = "weak".into();
    weak.mode = second;
    weak.score_min = 0.3;
    let rules = vec![bench.scene.rule().clone(), weak];
    bench.ledger = Ledger::new(rules, bench.scene.limits.clone(), true);
    let mut asked = bench.action();
    asked.rule = "weak".into();
    asked.mode = second;
    asked.evidence.score = 0.97;
    asked.evidence.detectors = vec!["rare".into()];
    asked.anomaly = Some(anomaly(&[]));
    (bench, asked)
}

#[test]
fn what_another_rule_goes_by_is_no_evidence_for_this_one() {
    let (mut bench, weak) = two_rules(Mode::Auto, Mode::Suggest);
    bench.scene.action.evidence.detectors = vec!["order".into()];
    let id = bench.run();
    assert_eq!(
        bench.state(&id),
        ActionState::Proposed,
        "{}",
        bench.why(&id)
    );
    assert_eq!(
        bench.ask_of(weak.clone()),
        id,
        "there is one for one workload"
    );
    bench.pass(secs(11));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
    assert_eq!(bench.get(&id).evidence.detectors, ["order".into()]);
    // What its own rule would ask on as well does speak for it.
    let mut strong = weak;
    let mut seen = Anomaly::clone(strong.anomaly.as_ref().unwrap());
    seen.score = 0.995;
    strong.anomaly = Some(Arc::new(seen));
    assert_eq!(bench.ask_of(strong), id);
    bench.pass(secs(11));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
}

#[test]
fn a_rule_that_only_observes_keeps_no_other_from_acting() {
    let (mut bench, weak) = two_rules(Mode::Auto, Mode::Observe);
    let shown = bench.ask_of(weak.clone());
    bench.settle_down();
    assert_eq!(bench.state(&shown), ActionState::Observed);
    bench.now = bench.now.plus(secs(30));
    let id = bench.run();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
    // It is not shown again for a while itself, nor while the other goes on.
    let of_the_weak = |bench: &Bench| {
        let all = bench.changed.iter().map(|it| &it.action);
        let ids = all.filter(|it| *it.rule == *"weak").map(|it| it.id.clone());
        ids.collect::<std::collections::BTreeSet<_>>().len()
    };
    bench.pass(mins(20));
    bench.ledger.asked(weak, Some(INCIDENT), bench.now);
    bench.settle_down();
    assert_eq!(of_the_weak(&bench), 1);
}

#[test]
fn what_a_person_denied_is_denied_to_every_rule() {
    let (mut bench, weak) = two_rules(Mode::Approve, Mode::Suggest);
    let id = bench.run();
    bench.ledger.deny(&id, ("ana", "no"), bench.now).unwrap();
    bench.pass(mins(90));
    bench.ledger.asked(weak, Some(INCIDENT), bench.now);
    assert_eq!(bench.ledger.open().count(), 0);
}

#[test]
fn of_many_names_that_evidence_gathers_only_some_are_kept() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.ask();
    for name in 0..100 {
        let mut more = bench.action();
        more.evidence.detectors = vec![format!("detector {name}").into()];
        bench.ask_of(more);
    }
    assert_eq!(bench.get(&id).evidence.detectors.len(), 16);
}

#[test]
fn there_is_room_for_so_many_and_the_others_are_counted() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    bench.scene.facts = None;
    for nth in 0..Ledger::OPEN_MAX + 3 {
        let mut action = bench.action();
        action.target.pod = Some(format!("other-{nth}").into());
        action.stream = StreamKey::named(&format!("service-{}", nth / 20));
        bench.ledger.asked(action, Some(INCIDENT), bench.now);
    }
    assert_eq!(bench.ledger.open().count(), Ledger::OPEN_MAX);
    assert_eq!(bench.ledger.refused(), 3);
    bench.pass(mins(16));
    assert_eq!(bench.ledger.open().count(), 0);
    let id = bench.ask();
    assert_eq!(bench.state(&id), ActionState::Asked);
}

#[test]
fn what_one_service_asks_for_leaves_room_for_the_others() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    bench.scene.facts = None;
    for nth in 0..Ledger::OPEN_MAX {
        let mut action = bench.action();
        action.target.pod = Some(format!("forged-{nth}").into());
        action.stream = StreamKey::named("forger");
        bench.ledger.asked(action, Some(INCIDENT), bench.now);
    }
    assert_eq!(bench.ledger.open().count(), Ledger::OPEN_OF_SERVICE_MAX);
    let id = bench.ask();
    assert_eq!(bench.state(&id), ActionState::Asked);
}

#[test]
fn what_is_blocked_is_looked_at_again_and_goes_once_nothing_is_against_it() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.facts().budgets[0].allowed = 0;
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Blocked);
    assert_eq!(bench.why(&id), "disruption budget cart allows none now");
    bench.pass_in_trouble(mins(2));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Blocked, 0));
    // That it is still so is written once.
    assert_eq!(bench.get(&id).steps.len(), 2);
    bench.scene.facts().budgets[0].allowed = 1;
    bench.pass(secs(11));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
}

#[test]
fn what_is_against_it_is_written_once_however_often_it_is_looked_at() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    // The reason says how long ago that was, which is another time at each look.
    bench.scene.world.storm_at = Some(NOW);
    let id = bench.run();
    bench.pass_in_trouble(mins(5));
    assert_eq!(bench.get(&id).steps.len(), 2);
    bench.scene.world.stopped = Some("ana".into());
    bench.pass_in_trouble(mins(1));
    assert_eq!(bench.get(&id).steps.len(), 3);
    // Something that comes and goes is told once in a while.
    for nth in 0..60 {
        bench.scene.world.stopped = (nth % 2 == 0).then(|| "ana".into());
        bench.pass(secs(5));
    }
    assert!(
        bench.get(&id).steps.len() < 10,
        "{:?}",
        bench.get(&id).steps
    );
}

#[test]
fn what_stays_blocked_expires_without_a_word() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.world.frozen = Some("the window nightly".into());
    let id = bench.run();
    bench.pass(mins(14));
    assert_eq!(bench.state(&id), ActionState::Blocked);
    bench.pass(mins(1));
    assert_eq!(bench.state(&id), ActionState::Expired);
    assert_eq!(bench.stages(), []);
    // Its time is up for good: what it went by is asked for anew, after a rest.
    bench.scene.world.frozen = None;
    bench.pass(mins(1));
    assert_eq!(bench.sent, 0);
}

#[test]
fn what_never_heals_is_over_at_once_and_nobody_hears_of_it() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.pod().controller = Some("DaemonSet".into());
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Denied);
    assert_eq!(bench.why(&id), "pod cart-1 belongs to a DaemonSet");
    bench.pass_in_trouble(mins(30));
    assert_eq!((bench.changed.len(), bench.told.len()), (2, 0));
}

#[test]
fn what_the_checks_forbade_is_asked_for_again_after_an_hour() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.pod().controller = Some("DaemonSet".into());
    bench.run();
    bench.scene.pod().controller = Some("ReplicaSet".into());
    bench.pass_in_trouble(mins(59));
    assert_eq!(bench.sent, 0);
    bench.pass_in_trouble(mins(2));
    assert_eq!(bench.sent, 1);
}

#[test]
fn an_observing_rule_shows_what_it_would_have_done_and_tells_nobody() {
    type Spoil = fn(&mut Scene);
    let cases: [(Spoil, &str); 3] = [
        (|_| {}, "it would have been done"),
        (
            |it| it.world.is_learning = true,
            "a person would have been asked: the service is being learned anew",
        ),
        (
            |it| it.world.stopped = Some("a test".into()),
            "it would not have been done: all actions are stopped: a test",
        ),
    ];
    for (spoil, expected) in cases {
        let mut bench = Bench::new(Remedy::RestartPod, Mode::Observe);
        spoil(&mut bench.scene);
        let id = bench.run();
        assert_eq!(bench.state(&id), ActionState::Observed);
        assert_eq!(bench.why(&id), expected);
        bench.pass_in_trouble(mins(20));
        assert_eq!((bench.sent, bench.told.len()), (0, 0));
    }
}

#[test]
fn an_action_whose_rule_was_taken_back_is_over() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.world.frozen = Some("the window nightly".into());
    let blocked = bench.run();
    bench
        .ledger
        .reconfigure((vec![], bench.scene.limits.clone()), true, bench.now);
    bench.pass(secs(11));
    assert_eq!(bench.state(&blocked), ActionState::Denied);
    assert!(
        bench
            .why(&blocked)
            .starts_with("rule cart is not there any more")
    );
    assert_eq!(bench.stages(), []);
}

#[test]
fn whoever_approved_what_its_rule_does_not_ask_for_any_more_hears_of_it() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
    let id = bench.run();
    bench
        .ledger
        .reconfigure((vec![], bench.scene.limits.clone()), true, bench.now);
    let hash = bench.hash(&id);
    bench
        .ledger
        .approve(&id, &hash, ("ana", ""), bench.now)
        .unwrap();
    bench.settle_down();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Denied, 0));
    assert_eq!(
        bench.stages(),
        [
            ActionStage::Proposed,
            ActionStage::Approved,
            ActionStage::Denied
        ]
    );
}

#[test]
fn a_rule_that_may_go_less_far_since_is_asked_as_it_is_now() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.world.frozen = Some("the window nightly".into());
    let id = bench.run();
    bench.scene.rule().mode = Mode::Approve;
    let rules = vec![bench.scene.rule().clone()];
    bench
        .ledger
        .reconfigure((rules, bench.scene.limits.clone()), true, bench.now);
    bench.write();
    assert_eq!(bench.why(&id), "the mode of its rule is now approve");
    // That it may not go as far any more is on disk, whatever the rules are after a restart.
    bench.restart();
    assert_eq!(bench.get(&id).mode, Mode::Approve);
    bench.scene.world.frozen = None;
    bench.pass(secs(11));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
}

#[test]
fn the_same_trouble_is_answered_again_only_after_a_rest_and_by_another_action() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.limits.workload_max = 9;
    let rules = bench.ledger.rules().to_vec();
    bench
        .ledger
        .reconfigure((rules, bench.scene.limits.clone()), true, bench.now);
    bench.answer = Answer::Refused(Refused::Never, "forbidden".into());
    let first = bench.run();
    assert_eq!(bench.state(&first), ActionState::Failed);
    bench.pass_in_trouble(mins(4));
    assert_eq!(bench.sent, 1);
    bench.pass_in_trouble(mins(2));
    assert_eq!(bench.sent, 2);
    let ids: std::collections::BTreeSet<&str> =
        bench.changed.iter().map(|it| &*it.action.id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn whoever_has_much_asked_for_gives_no_action_the_id_of_one_that_was_sent() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let first = bench.run();
    bench.pass(mins(6));
    assert_eq!(bench.state(&first), ActionState::Effective);
    flood(&mut bench);
    bench.scene = Scene::healthy(Remedy::RestartPod);
    bench.pass(mins(10));
    let second = bench.ask();
    assert_ne!(first, second);
    assert!(bench.ledger.book().iter().any(|it| it.id == first));
}

/// The next trouble of the same service.
const NEXT: Incidence<'static> = Incidence {
    id: "0d0e0f",
    fingerprint: "8899aabbccddeeff",
};

/// The next incident asks for the same a minute later, before a task is given up; `live` is the one that goes on.
fn ask_for_the_next(bench: &mut Bench, live: &'static str) {
    bench.live = Some(live);
    bench.now = bench.now.plus(mins(1));
    let mut action = bench.action();
    action.evidence.anomalies = 7;
    bench.ledger.asked(action, Some(NEXT), bench.now);
    bench.turn();
}

#[test]
fn an_open_proposal_answers_the_next_incident_and_is_not_doubled() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Proposed);
    ask_for_the_next(&mut bench, NEXT.id);
    bench.settle_down();
    assert_eq!(bench.ledger.open().count(), 1);
    let action = bench.get(&id);
    assert_eq!(action.incident.as_deref(), Some(NEXT.id));
    assert_eq!(&*action.fingerprint, NEXT.fingerprint);
    // What spoke for it in the incident that is over does not count, and its time begins anew.
    assert_eq!(action.evidence.anomalies, 7);
    assert_eq!(action.expires_at, bench.now.plus(mins(15)));
    assert_eq!(action.state, ActionState::Proposed);
    // Whoever looks at the new incident hears of it, and it is on disk that it belongs there.
    assert_eq!(
        bench.stages(),
        [ActionStage::Proposed, ActionStage::Proposed]
    );
    assert_ne!(bench.told[0].id, bench.told[1].id);
    let written = &bench.changed.last().unwrap().action;
    assert_eq!(written.incident.as_deref(), Some(NEXT.id));
}

#[test]
fn another_incident_of_the_workload_is_more_of_the_same_while_the_first_goes_on() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.run();
    for _ in 0..3 {
        ask_for_the_next(&mut bench, INCIDENT.id);
        bench.settle_down();
    }
    assert_eq!(bench.ledger.open().count(), 1);
    let action = bench.get(&id);
    assert_eq!(action.incident.as_deref(), Some(INCIDENT.id));
    assert_eq!(action.evidence.anomalies, 3 + 3 * 7);
    assert_eq!(bench.stages(), [ActionStage::Proposed]);
}

#[test]
fn an_automatic_action_that_is_blocked_goes_for_the_next_incident_once_that_has_lasted() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.world.frozen = Some("the window nightly".into());
    let id = bench.run();
    bench.live = Some(NEXT.id);
    bench.scene.world.frozen = None;
    let mut young = bench.action();
    young.evidence.first_seen = bench.now;
    bench.ledger.asked(young, Some(NEXT), bench.now);
    bench.pass(secs(30));
    // The first one had gone on for minutes.
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Blocked, 0));
    bench.pass(secs(40));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
    assert_eq!(bench.ledger.open().count(), 1);
}

#[test]
fn what_was_approved_for_an_incident_that_is_over_is_asked_of_people_again() {
    for does_crash in [false, true] {
        let mut bench = Bench::new(Remedy::RestartPod, Mode::Approve);
        let id = bench.run();
        bench.scene.world.frozen = Some("the window nightly".into());
        let hash = bench.hash(&id);
        let ana = ("ana", "");
        bench.ledger.approve(&id, &hash, ana, bench.now).unwrap();
        bench.settle_down();
        assert_eq!(bench.state(&id), ActionState::Approved);
        bench.scene.world.frozen = None;
        ask_for_the_next(&mut bench, NEXT.id);
        if does_crash {
            bench.restart();
        }
        bench.pass(secs(30));
        assert_eq!((bench.state(&id), bench.sent), (ActionState::Proposed, 0));
        assert_eq!(bench.stages().last(), Some(&ActionStage::Proposed));
        bench.ledger.approve(&id, &hash, ana, bench.now).unwrap();
        bench.settle_down();
        assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
    }
}

#[test]
fn what_a_policy_said_of_the_incident_that_is_over_does_not_count_for_the_next() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.ask();
    bench.turn();
    bench.work_one();
    let [rehearse] = &Vec::from(std::mem::take(&mut bench.tasks))[..] else {
        panic!("one task")
    };
    assert!(matches!(rehearse.errand, Errand::Rehearse { .. }));
    ask_for_the_next(&mut bench, NEXT.id);
    let said = Reported::Rehearsed(Box::new(bench.rehearsal()));
    bench.report(&rehearse.id, said);
    assert_eq!(bench.state(&id), ActionState::Asked);
    bench.settle_down();
    assert_eq!(bench.state(&id), ActionState::Proposed);
}

#[test]
fn what_was_sent_stays_the_answer_to_its_own_incident() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Done);
    ask_for_the_next(&mut bench, NEXT.id);
    bench.settle_down();
    assert_eq!(bench.get(&id).incident.as_deref(), Some(INCIDENT.id));
    // The other one is there, and waits until the first is known to have helped or not.
    assert_eq!((bench.ledger.open().count(), bench.sent), (2, 1));
}

#[test]
fn what_is_forbidden_whatever_the_cluster_shows_says_only_why_and_reads_nothing() {
    for (mode, state, said) in [
        (Mode::Auto, ActionState::Denied, ""),
        (
            Mode::Observe,
            ActionState::Observed,
            "it would not have been done: ",
        ),
    ] {
        let mut bench = Bench::new(Remedy::RestartPod, mode);
        bench.scene.action.target.namespace = "kube-system".into();
        let id = bench.run();
        assert_eq!(bench.state(&id), state);
        let action = bench.get(&id);
        let [only] = &action.plan.as_ref().unwrap().checks[..] else {
            panic!("{:?}", action.plan)
        };
        assert_eq!(&*only.check, "forbidden_namespace");
        assert_eq!(bench.why(&id), format!("{said}{}", only.why));
        assert_eq!(bench.reports.len(), 0);
    }
}

/// So many are asked for, and forbidden, that all else is forgotten.
pub(super) fn flood(bench: &mut Bench) {
    bench.scene.facts().pod = None;
    for nth in 0..Ledger::PAST_MAX + 1 {
        let mut action = bench.action();
        action.target.pod = Some(format!("forged-{nth}").into());
        bench.ledger.asked(action, Some(INCIDENT), bench.now);
        bench.settle_down();
    }
}
