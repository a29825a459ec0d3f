use super::*;

#[test]
fn an_automatic_rule_sends_once_every_check_passes() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.run();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));
    assert_eq!(
        bench.stages(),
        [ActionStage::Approved, ActionStage::Executed]
    );
    let checks = &bench.get(&id).plan.as_ref().unwrap().checks;
    assert!(checks.len() > 40, "{}", checks.len());
    // It is not done a second time, however long the rule keeps asking.
    bench.pass_in_trouble(mins(29));
    assert_eq!(bench.sent, 1);
}

#[test]
fn what_is_to_be_sent_is_written_first() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    while bench.sent == 0 {
        bench.turn();
        let task = bench.tasks.front().unwrap().clone();
        if let Errand::Send { action } = &task.errand {
            let written = bench.changed.iter().rev().find(|it| it.action.id == id);
            let written = &written.unwrap().action;
            assert_eq!(written.state, ActionState::Sending);
            assert_eq!((&written.plan, written.acted_at), (&action.plan, Some(NOW)));
        }
        bench.work_one();
    }
}

#[test]
fn a_rehearsal_that_shows_something_against_it_keeps_it_from_being_sent() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.rehearsal().dry_run = Some(Err("denied by webhook".into()));
    let id = bench.run();
    bench.pass_in_trouble(mins(2));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Blocked, 0));
}

#[test]
fn nothing_is_sent_while_the_switch_is_thrown() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.scene.world.stopped = Some("ana: not now".into());
    let id = bench.run();
    bench.pass_in_trouble(mins(5));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Blocked, 0));
    bench.scene.world.stopped = None;
    bench.pass(secs(11));
    assert_eq!(bench.sent, 1);
}

#[test]
fn what_the_switch_stopped_at_the_last_moment_goes_once_it_is_released() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.answer = Answer::Refused(Refused::Switched, "all actions are stopped: ana".into());
    let id = bench.run();
    assert_eq!(bench.state(&id), ActionState::Blocked);
    bench.answer = Answer::Done("it is evicted".into());
    bench.pass(secs(11));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 2));
}

#[test]
fn not_now_waits_for_as_long_as_the_server_says_and_then_goes() {
    // A disruption budget that is used up does not say when to come again.
    for (said, waits) in [(Some(secs(40)), 40), (Some(secs(1)), 1), (None, 10)] {
        let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
        bench.answer = Answer::Refused(Refused::NotNow(said), "too many requests".into());
        let id = bench.run();
        assert_eq!((bench.state(&id), bench.sent), (ActionState::Blocked, 1));
        assert_eq!(bench.get(&id).acted_at, None, "it counts for nothing");
        bench.answer = Answer::Done("it is evicted".into());
        bench.pass(secs(waits - 1));
        assert_eq!(bench.sent, 1, "{said:?}");
        bench.pass(secs(1));
        assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 2));
        assert_eq!(
            bench.stages(),
            [ActionStage::Approved, ActionStage::Executed],
            "that it is tried again is told to nobody"
        );
    }
}

#[test]
fn not_now_beyond_its_time_is_never() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.answer = Answer::Refused(Refused::NotNow(Some(mins(60))), "come later".into());
    let id = bench.run();
    bench.pass(mins(15));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Expired, 1));
    assert_eq!(bench.stages(), [ActionStage::Approved, ActionStage::Failed]);
}

#[test]
fn what_comes_back_twice_or_uncalled_for_does_not_cut_a_wait_short() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.answer = Answer::Refused(Refused::NotNow(Some(secs(40))), "busy".into());
    let id = bench.run();
    for _ in 0..30 {
        bench.repeat_reports();
        bench.report(&id, Reported::Settled(Settlement::NotDone));
        bench.report("none#1", Reported::Settled(Settlement::Done));
        bench.pass(secs(1));
    }
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Blocked, 1));
}

#[test]
fn an_object_that_changed_or_was_claimed_is_looked_at_again() {
    for refused in [Refused::Changed, Refused::Claimed] {
        let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
        bench.answer = Answer::Refused(refused, "not any more".into());
        let id = bench.run();
        assert_eq!(bench.state(&id), ActionState::Blocked, "{refused:?}");
        bench.answer = Answer::Done("it is evicted".into());
        bench.pass(secs(11));
        assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 2));
    }
}

#[test]
fn what_is_refused_for_good_or_came_too_late_is_over() {
    for (refused, expected) in [
        (Refused::Never, ActionState::Failed),
        (Refused::Late, ActionState::Expired),
    ] {
        let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
        bench.answer = Answer::Refused(refused, "no".into());
        let id = bench.run();
        bench.pass(mins(4));
        assert_eq!((bench.state(&id), bench.sent), (expected, 1));
        assert_eq!(bench.stages(), [ActionStage::Approved, ActionStage::Failed]);
        // It did not take place, so others are not kept waiting for it.
        assert_eq!(bench.ledger.book().iter().count(), 0);
    }
}

#[test]
fn a_report_that_comes_twice_changes_nothing() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.turn();
    for _ in 0..3 {
        let task = bench.tasks.pop_front().unwrap();
        let reported = match task.errand {
            Errand::Look { .. } => Reported::Looked(bench.facts()),
            Errand::Rehearse { .. } => Reported::Rehearsed(Box::new(bench.rehearsal())),
            Errand::Send { .. } => Reported::Answered(bench.answer.clone()),
            errand => panic!("{errand:?}"),
        };
        bench.report(&task.id, reported.clone());
        let (steps, tasks) = (bench.get(&id).steps.len(), bench.tasks.len());
        bench.report(&task.id, reported);
        bench.turn();
        assert_eq!(bench.get(&id).steps.len(), steps);
        assert_eq!(bench.tasks.len(), tasks);
    }
    assert_eq!(bench.state(&id), ActionState::Done);
    assert_eq!(
        bench.stages(),
        [ActionStage::Approved, ActionStage::Executed]
    );
}

#[test]
fn a_look_that_never_comes_back_is_taken_again() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.ask();
    bench.turn();
    bench.tasks.clear();
    bench.pass(secs(89));
    assert_eq!(bench.sent, 0);
    bench.pass(secs(1));
    assert_eq!(bench.sent, 1);
}

#[test]
fn a_cluster_that_cannot_be_read_is_left_alone() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let facts = bench.scene.facts.take();
    let id = bench.run();
    bench.pass(mins(1));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Blocked, 0));
    assert_eq!(bench.why(&id), "it cannot be looked at: no route to host");
    bench.scene.facts = facts;
    bench.pass(secs(11));
    assert_eq!(bench.sent, 1);
}

#[test]
fn a_claim_outlasts_the_request_and_the_time_in_which_nothing_more_may_be_done() {
    for (most, period, cool_down, expected) in [
        (1, mins(30), mins(5), mins(30)),
        (9, mins(30), mins(5), mins(5)),
        (9, mins(30), secs(1), secs(200)),
        (1, secs(1), secs(1), secs(200)),
    ] {
        let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
        bench.scene.limits.workload_max = most;
        bench.scene.limits.workload_period = period;
        bench.scene.limits.cool_down = cool_down;
        let rules = bench.ledger.rules().to_vec();
        bench.ledger = Ledger::new(rules, bench.scene.limits.clone(), true);
        let id = bench.run();
        let plan = bench.get(&id).plan.as_ref().unwrap();
        assert_eq!(plan.claims.as_ref().unwrap().1, expected);
    }
}

#[test]
fn a_second_action_on_the_workload_waits_for_the_first() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let first = bench.run();
    let mut other = bench.action();
    other.target.pod = Some("cart-2".into());
    other.target.pod_uid = Some("uid-of-cart-2".into());
    bench.scene.pod().object.name = "cart-2".into();
    bench.scene.pod().object.uid = "uid-of-cart-2".into();
    let second = bench.ask_of(other);
    bench.settle_down();
    assert_eq!(bench.state(&first), ActionState::Done);
    assert_eq!(bench.state(&second), ActionState::Blocked);
    assert_eq!(bench.sent, 1);
}
