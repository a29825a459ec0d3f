use crate::core::event::{ActionState, Object, Plan, Remedy};
use crate::core::record::StreamKey;
use crate::core::remedy::check::fixture::{
    NONE, NOW, PASS, Row, STOP, Scene, UNKNOWN, WAIT, mins, object, remedies, secs, table,
};
use crate::core::remedy::facts::Claim;

const POD: Remedy = Remedy::RestartPod;
use ActionState::{
    Accepted, Approved, Blocked, Done, Effective, Expired, Failed, Harmful, Inconclusive,
    Ineffective, Sending, Unsettled,
};

#[test]
fn what_was_sent_is_not_sent_again() {
    fn same(it: &mut Scene, state: ActionState) {
        let id = it.action.id.clone();
        it.past(mins(1), state, |past| past.id = id);
    }
    for remedy in remedies() {
        table(
            "once",
            &remedy,
            &[
                ("it was not", PASS, |_| {}),
                ("another was", PASS, |it| it.past(mins(1), Sending, |_| {})),
                ("it is being sent", STOP, |it| same(it, Sending)),
                ("nobody knows what became of it", STOP, |it| {
                    same(it, Unsettled)
                }),
                ("it took place", STOP, |it| same(it, Done)),
                ("it helped", STOP, |it| same(it, Effective)),
                ("it failed", STOP, |it| same(it, Failed)),
                ("it was refused for certain and waits", PASS, |it| {
                    same(it, Blocked)
                }),
                ("it was refused for certain and is approved", PASS, |it| {
                    same(it, Approved)
                }),
            ],
        );
    }
}

#[test]
fn one_workload_is_acted_on_once_in_half_an_hour() {
    table(
        "workload_rate",
        &POD,
        &[
            ("never before", PASS, |_| {}),
            ("just now", WAIT, |it| it.past(secs(1), Effective, |_| {})),
            ("just within", WAIT, |it| {
                it.past(secs(1_799), Effective, |_| {})
            }),
            ("just before", PASS, |it| {
                it.past(mins(30), Effective, |_| {})
            }),
            ("by another remedy", WAIT, |it| {
                it.past(mins(10), Effective, |past| past.remedy = Remedy::RollBack);
            }),
            ("another pod of it", WAIT, |it| {
                it.past(mins(10), Effective, |past| {
                    past.target.pod = Some("cart-2".into());
                });
            }),
            ("another workload", PASS, |it| {
                it.past(mins(10), Effective, |past| {
                    past.target.workload = Some(("Deployment".into(), "ledger".into()));
                });
            }),
            ("one of the same name elsewhere", PASS, |it| {
                it.past(mins(10), Effective, |past| {
                    past.target.namespace = "bank".into()
                });
            }),
            ("after the clock was put back", WAIT, |it| {
                it.past(secs(1), Effective, |_| {});
                it.now = NOW.minus(mins(50));
            }),
            ("the owner allows two", PASS, |it| {
                it.limits.workload_max = 2;
                it.past(mins(10), Effective, |_| {});
            }),
            ("the owner allows two, and two were", WAIT, |it| {
                it.limits.workload_max = 2;
                it.past(mins(10), Effective, |_| {});
                it.past(mins(20), Effective, |_| {});
            }),
        ],
    );
}

#[test]
fn a_workload_that_one_of_two_actions_does_not_name_is_known_by_pod_cluster_or_service() {
    fn unnamed(it: &mut Scene, pod: &str, stream: &str) {
        it.past(mins(10), Effective, |past| {
            past.target.workload = None;
            past.target.pod = Some(pod.into());
            past.stream = StreamKey::named(stream);
        });
    }
    table(
        "workload_rate",
        &POD,
        &[
            ("the same pod", WAIT, |it| unnamed(it, "cart-1", "other")),
            ("another pod of the same service", WAIT, |it| {
                unnamed(it, "cart-2", "cart")
            }),
            ("another pod of another service", PASS, |it| {
                unnamed(it, "ledger-1", "ledger")
            }),
            ("this one names none, the cluster knows", WAIT, |it| {
                it.past(mins(10), Effective, |past| {
                    past.stream = StreamKey::named("other");
                    past.target.pod = Some("cart-2".into());
                });
                it.action.target.workload = None;
            }),
        ],
    );
}

#[test]
fn pods_of_one_workload_are_known_for_that_by_the_cluster_whatever_their_records_name() {
    /// On another pod, whose records name neither a workload nor the same service, of a workload of this uid.
    fn other_pod(it: &mut Scene, state: ActionState, uid: &str) {
        let plan = Plan {
            hash: "".into(),
            subject: None,
            claims: Some((
                Object {
                    uid: uid.into(),
                    ..object("Deployment", "cart")
                },
                mins(5),
            )),
            requests: vec![],
            undo: vec![],
            checks: vec![],
            at: NOW,
        };
        it.past(mins(2), state, |past| {
            past.target.workload = None;
            past.target.pod = Some("cart-2".into());
            past.stream = StreamKey::named("forged");
            past.plan = Some(plan);
        });
        it.action.target.workload = None;
    }
    for (check, state) in [
        ("workload_rate", Effective),
        ("cool_down", Effective),
        ("workload_in_flight", Done),
    ] {
        for (uid, expected) in [("uid-of-cart", WAIT), ("uid-of-ledger", PASS), ("", PASS)] {
            let mut scene = Scene::healthy(POD);
            other_pod(&mut scene, state, uid);
            let said = scene.says(check).map(|it| it.0);
            assert_eq!(said, expected, "{check} of workload {uid:?}");
        }
    }
    let mut scene = Scene::healthy(POD);
    other_pod(&mut scene, Effective, "uid-of-ledger");
    scene.action.stream = StreamKey::named("forged");
    assert_eq!(
        scene.says("workload_rate").map(|it| it.0),
        PASS,
        "two workloads of one service are two"
    );
}

#[test]
fn few_actions_an_hour_are_in_one_namespace_and_in_all() {
    fn elsewhere(it: &mut Scene, times: u64, namespace: &str) {
        for at in 0..times {
            it.past(mins(59 - at), Effective, |past| {
                past.target.namespace = namespace.into();
                past.target.workload = Some(("Deployment".into(), "ledger".into()));
            });
        }
    }
    table(
        "namespace_rate",
        &POD,
        &[
            ("two were", PASS, |it| elsewhere(it, 2, "shop")),
            ("three were", WAIT, |it| elsewhere(it, 3, "shop")),
            ("three were in another", PASS, |it| elsewhere(it, 3, "bank")),
            ("three were, an hour later", PASS, |it| {
                elsewhere(it, 3, "shop");
                it.now = NOW.plus(mins(60));
            }),
        ],
    );
    table(
        "cluster_rate",
        &POD,
        &[
            ("nine were", PASS, |it| elsewhere(it, 9, "bank")),
            ("ten were", WAIT, |it| elsewhere(it, 10, "bank")),
            ("ten were, an hour later", PASS, |it| {
                elsewhere(it, 10, "bank");
                it.now = NOW.plus(mins(60));
            }),
        ],
    );
}

#[test]
fn a_workload_is_left_alone_for_a_while_after_an_action_and_longer_after_vain_ones() {
    table(
        "cool_down",
        &POD,
        &[
            ("nothing was done", PASS, |_| {}),
            ("five minutes ago", PASS, |it| {
                it.past(mins(5), Effective, |_| {})
            }),
            ("just within", WAIT, |it| {
                it.past(secs(299), Effective, |_| {})
            }),
            ("it was heard of within", WAIT, |it| {
                it.past(mins(30), Effective, |past| {
                    past.steps[0].at = NOW.minus(secs(299))
                });
            }),
            ("in vain, ten minutes ago", PASS, |it| {
                it.past(mins(10), Ineffective, |_| {})
            }),
            ("in vain, within", WAIT, |it| {
                it.past(secs(599), Ineffective, |_| {})
            }),
            ("twice in vain", WAIT, |it| {
                it.past(mins(90), Failed, |_| {});
                it.past(secs(1_199), Harmful, |_| {});
            }),
            ("twice in vain, long enough", PASS, |it| {
                it.past(mins(90), Failed, |_| {});
                it.past(mins(20), Harmful, |_| {});
            }),
            ("in vain before it helped", PASS, |it| {
                it.past(mins(90), Failed, |_| {});
                it.past(mins(5), Effective, |_| {});
            }),
            ("never longer than an hour", PASS, |it| {
                (0..40).for_each(|at| it.past(mins(1_000 - at), Failed, |_| {}));
                it.past(mins(60), Failed, |_| {});
            }),
            ("as long as an hour", WAIT, |it| {
                (0..40).for_each(|at| it.past(mins(1_000 - at), Failed, |_| {}));
                it.past(secs(3_599), Failed, |_| {});
            }),
            ("an owner's longer one is not cut", WAIT, |it| {
                it.limits.cool_down = mins(120);
                it.past(mins(100), Effective, |_| {});
            }),
            ("on another workload", PASS, |it| {
                it.past_elsewhere(secs(1), Failed)
            }),
        ],
    );
}

#[test]
fn two_things_are_not_done_to_one_workload_at_once() {
    for state in [Sending, Unsettled, Accepted, Done] {
        let said = |ago| {
            let mut scene = Scene::healthy(POD);
            scene.past(ago, state, |_| {});
            scene.says("workload_in_flight").map(|it| it.0)
        };
        assert_eq!(said(mins(1)), WAIT, "{state:?}");
        assert_eq!(said(mins(10_000)), WAIT, "however long ago: {state:?}");
    }
    table(
        "workload_in_flight",
        &POD,
        &[
            ("nothing is", PASS, |_| {}),
            ("it is over", PASS, |it| {
                it.past(mins(1), Inconclusive, |_| {})
            }),
            ("on another", PASS, |it| it.past_elsewhere(mins(1), Done)),
        ],
    );
}

#[test]
fn few_things_are_done_at_once_in_one_namespace_and_in_all() {
    fn under_way(it: &mut Scene, times: u64, namespace: &str) {
        for at in 0..times {
            it.past(mins(60 + at), Done, |past| {
                past.target.namespace = namespace.into()
            });
        }
    }
    table(
        "namespace_in_flight",
        &POD,
        &[
            ("one is", PASS, |it| under_way(it, 1, "shop")),
            ("two are", WAIT, |it| under_way(it, 2, "shop")),
            ("two are in another", PASS, |it| under_way(it, 2, "bank")),
            ("two are over", PASS, |it| {
                it.past(mins(1), Effective, |_| {});
                it.past(mins(1), Expired, |_| {});
            }),
        ],
    );
    table(
        "cluster_in_flight",
        &POD,
        &[
            ("two are", PASS, |it| under_way(it, 2, "bank")),
            ("three are", WAIT, |it| under_way(it, 3, "bank")),
        ],
    );
}

#[test]
fn for_one_incident_one_action_goes_first_and_more_once_it_helped() {
    fn of_it(it: &mut Scene, under_way: usize, helped: usize) {
        (0..under_way).for_each(|_| it.past(mins(1), Done, |_| {}));
        (0..helped).for_each(|_| it.past(mins(9), Effective, |_| {}));
    }
    table(
        "ramp",
        &POD,
        &[
            ("it is the first", PASS, |_| {}),
            ("the first is under way", WAIT, |it| of_it(it, 1, 0)),
            ("the first helped", PASS, |it| of_it(it, 1, 1)),
            ("the first helped, and two are under way", WAIT, |it| {
                of_it(it, 2, 1)
            }),
            ("two helped, and three are under way", PASS, |it| {
                of_it(it, 3, 2)
            }),
            ("two helped, and four are under way", WAIT, |it| {
                of_it(it, 4, 2)
            }),
            ("the first failed", PASS, |it| {
                it.past(mins(1), Failed, |_| {})
            }),
            ("those are another incident's", PASS, |it| {
                it.past(mins(1), Done, |past| past.incident = Some("another".into()));
            }),
            ("there is no incident", NONE, |it| it.action.incident = None),
        ],
    );
}

#[test]
fn what_somebody_else_has_claimed_is_left_to_them() {
    fn claim(it: &mut Scene, action: &str, ago: u64) {
        it.facts().claim = Some(Claim {
            action: action.into(),
            at: NOW.minus(secs(ago)),
            lasts: secs(60),
        });
    }
    table(
        "claim",
        &POD,
        &[
            ("nobody has", PASS, |_| {}),
            ("somebody has", WAIT, |it| claim(it, "another", 59)),
            ("it has run out", PASS, |it| claim(it, "another", 60)),
            ("we have", PASS, |it| {
                let id = it.action.id.clone();
                claim(it, &id, 10);
            }),
            ("their clock is ahead", WAIT, |it| {
                claim(it, "another", 0);
                it.facts().claim.as_mut().unwrap().at = NOW.plus(mins(5));
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
    let row: Row = ("somebody has", NONE, |it| claim(it, "another", 59));
    table("claim", &Remedy::Webhook, &[row]);
}
