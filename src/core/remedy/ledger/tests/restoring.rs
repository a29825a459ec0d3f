use super::*;

#[test]
fn what_was_being_sent_is_settled_and_not_sent_again() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.turn();
    bench.work_one();
    bench.work_one();
    assert_eq!(bench.state(&id), ActionState::Sending);
    bench.now = bench.now.plus(mins(2));
    bench.restart();
    assert_eq!(bench.state(&id), ActionState::Unsettled);
    assert_eq!(bench.why(&id), "knothole ended while it was being sent");
    bench.pass(secs(30));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Unsettled, 0));
    bench.settlement = Settlement::Done;
    bench.pass(secs(6));
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 0));
    assert_eq!(
        bench.stages(),
        [ActionStage::Approved, ActionStage::Executed]
    );
}

#[test]
fn soon_after_the_restart_it_is_told_that_nobody_knows() {
    for ahead in [mins(0), mins(600)] {
        let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
        bench.answer = Answer::Unknown("the connection was lost".into());
        let id = bench.run();
        // Whoever wrote it had a clock that was ahead.
        bench.now = bench.now.minus(ahead);
        bench.restart();
        bench.pass(secs(151));
        assert_eq!(bench.state(&id), ActionState::Inconclusive, "{ahead:?}");
    }
}

#[test]
fn limits_hold_across_a_restart() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.run();
    bench.pass(mins(6));
    assert_eq!(
        bench.stages().last(),
        Some(&ActionStage::Verified),
        "it is over"
    );
    bench.restart();
    bench.pass_in_trouble(mins(23));
    assert_eq!(bench.sent, 1);
    bench.pass_in_trouble(mins(2));
    assert_eq!(bench.sent, 2);
}

#[test]
fn what_took_place_is_verified_after_a_restart() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.run();
    bench.pass(mins(2));
    bench.restart();
    bench.pass(mins(3));
    assert_eq!(bench.state(&id), ActionState::Effective);
    assert_eq!(
        bench.stages(),
        [
            ActionStage::Approved,
            ActionStage::Executed,
            ActionStage::Verified
        ]
    );
}

#[test]
fn what_was_asked_for_goes_on_and_what_was_proposed_waits() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.write();
    bench.restart();
    bench.settle_down();
    assert_eq!((bench.state(&id), bench.sent), (ActionState::Done, 1));

    let mut bench = Bench::new(Remedy::RestartPod, Mode::Suggest);
    let id = bench.run();
    bench.restart();
    bench.pass(mins(14));
    assert_eq!(bench.state(&id), ActionState::Proposed);
    bench.pass(mins(1));
    assert_eq!(bench.state(&id), ActionState::Expired);
}

#[test]
fn what_was_not_written_never_was() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.restart();
    assert_eq!(bench.ledger.get(&id), None);
    assert_eq!(bench.run(), id, "asked for again it is the same");
}

#[test]
fn after_a_long_time_away_the_cluster_is_read_before_it_is_told_that_nobody_knows() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    bench.answer = Answer::Unknown("the connection was lost".into());
    let id = bench.run();
    bench.now = bench.now.plus(mins(10));
    bench.settlement = Settlement::Done;
    bench.restart();
    bench.settle_down();
    assert_eq!(bench.state(&id), ActionState::Done);
}

#[test]
fn what_is_told_again_after_a_crash_has_the_same_id() {
    let mut bench = Bench::new(Remedy::RestartPod, Mode::Auto);
    let id = bench.ask();
    bench.turn();
    bench.work_one();
    bench.work_one();
    let written = bench.changed.clone();
    let (changed, before) = (written.len(), bench.told.len());
    bench.settlement = Settlement::Done;
    bench.work_one();
    assert_eq!(bench.state(&id), ActionState::Done);
    // That it took place was told, and could not be written.
    bench.changed.truncate(changed);
    bench.restart();
    bench.settle_down();
    assert_eq!(bench.state(&id), ActionState::Done);
    let told: Vec<&str> = bench.told[before..].iter().map(|it| &*it.id).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], told[1]);
}
