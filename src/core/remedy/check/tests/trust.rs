use crate::core::event::{Action, ActionState, Incident, Remedy, Step};
use crate::core::remedy::check::fixture::{
    ASK, NONE, NOW, PASS, STOP, Scene, WAIT, mins, secs, table,
};
use crate::core::remedy::rule::Limits;

const POD: Remedy = Remedy::RestartPod;
use ActionState::{
    Accepted, Done, Effective, Failed, Harmful, Inconclusive, Ineffective, Sending, Unsettled,
};

/// Actions against the same trouble, the latest at last, the last of them so many seconds ago and one
/// each five minutes before it.
fn history(it: &mut Scene, latest: u64, states: &[ActionState]) {
    for (at, state) in states.iter().rev().enumerate() {
        let ago = secs(latest) + mins(5) * u32::try_from(at).unwrap();
        it.past(ago, *state, |_| {});
    }
}

fn elsewhere(past: &mut Action) {
    past.target.workload = Some(("Deployment".into(), "ledger".into()));
    past.target.pod = Some("ledger-1".into());
}

#[test]
fn three_actions_in_vain_open_the_breaker_of_a_trouble_for_an_hour() {
    table(
        "breaker",
        &POD,
        &[
            ("nothing was done", PASS, |_| {}),
            ("two were", PASS, |it| {
                history(it, 60, &[Failed, Ineffective])
            }),
            ("three were", STOP, |it| {
                history(it, 60, &[Failed, Ineffective, Harmful])
            }),
            ("just within the hour", STOP, |it| {
                history(it, 3_599, &[Failed; 3])
            }),
            ("after it one more is tried", PASS, |it| {
                history(it, 3_600, &[Failed; 3])
            }),
            ("one helped in between", PASS, |it| {
                history(it, 60, &[Failed, Effective, Failed, Failed]);
            }),
            ("one helped before", STOP, |it| {
                history(it, 60, &[Effective, Failed, Failed, Failed]);
            }),
            ("what is not known does not close it", STOP, |it| {
                history(it, 60, &[Failed, Failed, Failed, Inconclusive, Done]);
            }),
            ("another text each time, on the same workload", STOP, |it| {
                history(it, 60, &[Failed, Ineffective, Harmful]);
                it.action.fingerprint = "ffffffffffffffff".into();
            }),
            ("another text, and another remedy", PASS, |it| {
                history(it, 60, &[Failed, Ineffective, Harmful]);
                it.action.fingerprint = "ffffffffffffffff".into();
                it.action.remedy = Remedy::RestartWorkload;
            }),
            ("on another workload, of the same trouble", STOP, |it| {
                (0..3).for_each(|_| it.past(mins(1), Failed, elsewhere));
            }),
            ("another trouble's do not count", PASS, |it| {
                (0..3).for_each(|_| it.past_elsewhere(mins(1), Failed));
            }),
        ],
    );
}

#[test]
fn when_half_of_what_was_done_in_an_hour_was_in_vain_all_stops() {
    fn hour(it: &mut Scene, helped: u64, in_vain: u64) {
        (0..helped).for_each(|_| it.past_elsewhere(mins(10), Effective));
        (0..in_vain).for_each(|_| it.past_elsewhere(mins(20), Ineffective));
    }
    /// One of which no answer came.
    fn lost(it: &mut Scene, since: &[ActionState]) {
        it.past(mins(15), Inconclusive, |past| {
            let step = past.steps[0].clone();
            let steps = since.iter().map(|state| Step {
                state: *state,
                ..step.clone()
            });
            past.steps = steps.collect();
        });
    }
    table(
        "cluster_breaker",
        &POD,
        &[
            ("nothing was done", PASS, |_| {}),
            ("3 of 6", STOP, |it| hour(it, 3, 3)),
            ("3 of 7", PASS, |it| hour(it, 4, 3)),
            ("5 of 5 are too few to tell", PASS, |it| hour(it, 0, 5)),
            ("6 of 6", STOP, |it| hour(it, 0, 6)),
            ("an hour later", PASS, |it| {
                hour(it, 0, 6);
                it.now = NOW.plus(mins(60));
            }),
            ("3 of 6, of which nobody knows of 3", STOP, |it| {
                hour(it, 3, 0);
                for _ in 0..3 {
                    lost(it, &[Unsettled, Inconclusive]);
                }
            }),
            ("3 that are known to have taken place", PASS, |it| {
                hour(it, 3, 0);
                for _ in 0..3 {
                    lost(it, &[Unsettled, Done, Inconclusive]);
                }
            }),
            ("what is not known does not count", PASS, |it| {
                hour(it, 2, 3);
                it.past_elsewhere(mins(1), Inconclusive);
                it.past_elsewhere(mins(1), Unsettled);
            }),
            ("six ended, and nobody knows how", STOP, |it| {
                ended_after(it, 6, Unsettled)
            }),
            ("six hooks never said what became of it", STOP, |it| {
                ended_after(it, 6, Accepted)
            }),
            (
                "six took place, and whether they helped is open",
                PASS,
                |it| ended_after(it, 6, Done),
            ),
        ],
    );
}

/// So many that came from `before` to an end of which nobody knows what it is.
fn ended_after(it: &mut Scene, times: usize, before: ActionState) {
    for _ in 0..times {
        it.past(mins(10), Inconclusive, |past| {
            past.fingerprint = "ffffffffffffffff".into();
            let mut step = past.steps[0].clone();
            step.state = before;
            past.steps.insert(0, step);
        });
    }
}

#[test]
fn when_much_is_in_trouble_nothing_is_done_until_a_while_after() {
    table(
        "storm",
        &POD,
        &[
            ("1 of 10", PASS, |_| {}),
            ("3 of 10", STOP, |it| it.world.services = (10, 3)),
            ("3 of 11", PASS, |it| it.world.services = (11, 3)),
            ("2 of 2 are too few to tell", PASS, |it| {
                it.world.services = (2, 2)
            }),
            ("9 of 1,000", PASS, |it| it.world.services = (1_000, 9)),
            ("10 are one, however many are heard of", STOP, |it| {
                it.world.services = (1_000, 10)
            }),
            ("3 of nobody knows how many", STOP, |it| {
                it.world.services = (0, 3)
            }),
            ("10 of a thousand are one by their number", STOP, |it| {
                it.world.services = (1_000, 10)
            }),
            ("9 of a thousand", PASS, |it| it.world.services = (1_000, 9)),
            ("the owner has many, and 10 of them", PASS, |it| {
                it.limits.storm_services_max = 50;
                it.world.services = (1_000, 10);
            }),
            ("just after", WAIT, |it| {
                it.world.storm_at = Some(NOW.minus(secs(599)))
            }),
            ("ten minutes after", PASS, |it| {
                it.world.storm_at = Some(NOW.minus(mins(10)))
            }),
            ("the clock was put back", WAIT, |it| {
                it.world.storm_at = Some(NOW.plus(mins(1)))
            }),
        ],
    );
}

#[test]
fn a_storm_is_seen_in_the_services_of_one_incident() {
    let most = usize::try_from(Limits::default().storm_services_max);
    assert!(most.is_ok_and(|it| it <= Incident::PARTS_MAX));
}

#[test]
fn what_many_depend_on_takes_a_person() {
    table(
        "dependants",
        &POD,
        &[
            ("four do", PASS, |it| it.world.dependants = 4),
            ("five do", ASK, |it| it.world.dependants = 5),
        ],
    );
}

#[test]
fn trouble_that_keeps_coming_back_takes_a_person() {
    table(
        "recurrence",
        &POD,
        &[
            ("four times", PASS, |it| history(it, 60, &[Effective; 4])),
            ("five times", ASK, |it| history(it, 60, &[Effective; 5])),
            ("five times, one of them longer ago", PASS, |it| {
                history(it, 13_200, &[Effective; 5]);
            }),
            ("other trouble does not count", PASS, |it| {
                (0..6).for_each(|_| it.past_elsewhere(mins(1), Effective));
            }),
            ("another text each time, on the same workload", ASK, |it| {
                history(it, 60, &[Effective; 5]);
                it.action.fingerprint = "ffffffffffffffff".into();
            }),
            ("another text, and another remedy", PASS, |it| {
                history(it, 60, &[Effective; 5]);
                it.action.fingerprint = "ffffffffffffffff".into();
                it.action.remedy = Remedy::RestartWorkload;
            }),
        ],
    );
}

#[test]
fn a_rule_waits_for_those_it_comes_after_to_have_been_in_vain() {
    fn after(it: &mut Scene) {
        it.rule().after = vec!["evict".into(), "restart".into()];
    }
    fn tried(it: &mut Scene, rule: &str, state: ActionState) {
        after(it);
        it.past(mins(10), state, |past| past.rule = rule.into());
    }
    table(
        "ladder",
        &POD,
        &[
            ("it comes after none", NONE, |_| {}),
            ("none was tried", WAIT, after),
            ("one was in vain", PASS, |it| {
                tried(it, "restart", Ineffective)
            }),
            ("one made it worse", PASS, |it| tried(it, "evict", Harmful)),
            ("one failed", PASS, |it| tried(it, "evict", Failed)),
            ("one helped", WAIT, |it| tried(it, "evict", Effective)),
            ("one is under way", WAIT, |it| tried(it, "evict", Sending)),
            ("whether one helped cannot be said", ASK, |it| {
                tried(it, "evict", Inconclusive)
            }),
            ("another rule was in vain", WAIT, |it| {
                tried(it, "scale", Ineffective)
            }),
            ("it itself was", WAIT, |it| tried(it, "cart", Ineffective)),
            ("the latest counts", WAIT, |it| {
                tried(it, "evict", Ineffective);
                it.past(mins(1), Effective, |past| past.rule = "restart".into());
            }),
            ("it was in another incident", WAIT, |it| {
                tried(it, "evict", Ineffective);
                it.action.incident = Some("another".into());
            }),
            (
                "there is no incident, and it was against the same trouble",
                PASS,
                |it| {
                    tried(it, "evict", Ineffective);
                    it.action.incident = None;
                },
            ),
            (
                "there is no incident, and it was against other trouble",
                WAIT,
                |it| {
                    tried(it, "evict", Ineffective);
                    it.action.incident = None;
                    it.action.fingerprint = "ffffffffffffffff".into();
                },
            ),
            ("it was long ago", WAIT, |it| {
                after(it);
                it.past(mins(240), Ineffective, |past| past.rule = "evict".into());
            }),
        ],
    );
}

#[test]
fn a_remedy_gets_its_chances_and_takes_a_person_once_it_is_likely_useless() {
    fn record(it: &mut Scene, helped: u64, in_vain: u64) {
        (0..helped).for_each(|at| it.past(mins(2_000 + at), Effective, |_| {}));
        (0..in_vain).for_each(|at| it.past(mins(1_000 + at), Ineffective, |_| {}));
    }
    table(
        "track_record",
        &POD,
        &[
            ("it was never tried", PASS, |_| {}),
            ("0 of 1", PASS, |it| record(it, 0, 1)),
            // 0.936.
            ("0 of 2", PASS, |it| record(it, 0, 2)),
            // 0.9744.
            ("0 of 3", ASK, |it| record(it, 0, 3)),
            // 0.91296.
            ("1 of 4", PASS, |it| record(it, 1, 3)),
            // 0.95904.
            ("1 of 5", ASK, |it| record(it, 1, 4)),
            ("100 of 100", PASS, |it| record(it, 100, 0)),
            ("of the latest 100 outcomes none", ASK, |it| {
                record(it, 100, 100)
            }),
            ("what failed to take place does not count", PASS, |it| {
                (0..9).for_each(|at| it.past(mins(100 + at), Failed, |_| {}));
            }),
            ("what was not verified does not count", PASS, |it| {
                (0..9).for_each(|at| it.past(mins(100 + at), Inconclusive, |_| {}));
            }),
            ("another remedy's does not count", PASS, |it| {
                record(it, 0, 3);
                it.action.remedy = Remedy::RestartWorkload;
            }),
            ("against other trouble, on another workload", PASS, |it| {
                (0..3).for_each(|at| it.past_elsewhere(mins(1_000 + at), Ineffective));
            }),
            ("on the same workload, whatever it was against", ASK, |it| {
                record(it, 0, 3);
                it.action.fingerprint = "ffffffffffffffff".into();
            }),
            ("against the same trouble, on another workload", ASK, |it| {
                (0..3).for_each(|at| {
                    it.past(mins(1_000 + at), Ineffective, elsewhere);
                });
            }),
            ("the owner is content with less", PASS, |it| {
                record(it, 0, 3);
                it.limits.success_min = 0.1;
            }),
        ],
    );
}
