use crate::core::event::Remedy;
use crate::core::remedy::check::fixture::{
    ASK, NONE, NOW, PASS, Row, SCALE, STOP, Scene, UNKNOWN, WAIT, abort, argo_action, backend,
    gateway, mins, remedies, secs, table,
};
use crate::core::remedy::check::{Decide, Says, ask_all, decision};
use crate::core::remedy::facts::BudgetFacts;

const POD: Remedy = Remedy::RestartPod;
const RESTART: Remedy = Remedy::RestartWorkload;

/// So many wanted, so many Ready, and whether the pod in question is one of those.
fn pods(it: &mut Scene, wanted: u32, ready: u32, is_ready: bool) {
    (it.workload().replicas, it.workload().updated) = (wanted, wanted);
    it.workload().ready = ready;
    it.pod().is_ready = is_ready;
}

#[test]
fn a_window_that_forbids_actions_holds_back_every_remedy() {
    for remedy in remedies() {
        let rows: &[Row] = &[
            ("there is none", PASS, |_| {}),
            ("there is one", WAIT, |it| {
                it.world.frozen = Some("window sale".into())
            }),
        ];
        table("frozen", &remedy, rows);
    }
}

#[test]
fn during_an_upgrade_a_person_decides() {
    table(
        "upgrade",
        &POD,
        &[
            ("there is none", PASS, |_| {}),
            ("there is one", ASK, |it| {
                it.facts().is_upgrading = Some(true)
            }),
            ("nobody may look", PASS, |it| it.facts().is_upgrading = None),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
}

#[test]
fn an_upgrade_that_nobody_looked_for_is_not_said_not_to_be_there() {
    let mut scene = Scene::healthy(POD);
    scene.facts().is_upgrading = None;
    let Says(_, why) = scene.says("upgrade").unwrap();
    assert!(why.starts_with("not looked"), "{why}");
}

#[test]
fn an_eviction_waits_for_its_disruption_budget() {
    fn budget(allowed: i32, is_observed: bool) -> BudgetFacts {
        BudgetFacts {
            name: "cart".into(),
            allowed,
            is_observed,
        }
    }
    table(
        "budget",
        &POD,
        &[
            ("there is none", PASS, |it| it.facts().budgets.clear()),
            ("it allows one", PASS, |_| {}),
            ("it allows none", WAIT, |it| {
                it.facts().budgets = vec![budget(0, true)]
            }),
            ("it is overdrawn", WAIT, |it| {
                it.facts().budgets = vec![budget(-1, true)]
            }),
            ("it was changed just now", WAIT, |it| {
                it.facts().budgets = vec![budget(1, false)];
            }),
            ("there are two, and the server answers 500", STOP, |it| {
                it.facts().budgets = vec![budget(1, true), budget(1, true)];
            }),
            ("it allows none, of a pod that is not Ready", PASS, |it| {
                it.facts().budgets = vec![budget(0, true)];
                it.pod().is_ready = false;
            }),
            (
                "it was changed just now, of a pod that is not Ready",
                WAIT,
                |it| {
                    it.facts().budgets = vec![budget(0, false)];
                    it.pod().is_ready = false;
                },
            ),
            ("the pod is not known", WAIT, |it| {
                it.facts().budgets = vec![budget(0, true)];
                it.facts().pod = None;
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
    let row: Row = ("it allows none", NONE, |it| {
        it.facts().budgets = vec![budget(0, true)]
    });
    table("budget", &RESTART, &[row]);
}

#[test]
fn enough_pods_stay_ready_when_one_is_evicted() {
    table(
        "ready_stay",
        &POD,
        &[
            ("3 of 4 stay, and must", PASS, |it| pods(it, 4, 4, true)),
            ("2 of 4 would", WAIT, |it| pods(it, 4, 3, true)),
            ("2 of 3 stay, and must", PASS, |it| pods(it, 3, 3, true)),
            ("1 of 3 would", WAIT, |it| pods(it, 3, 2, true)),
            ("1 of 2 would", WAIT, |it| pods(it, 2, 2, true)),
            ("none of 1 would", WAIT, |it| pods(it, 1, 1, true)),
            ("51 of 100 stay, and must", PASS, |it| {
                pods(it, 100, 52, true)
            }),
            ("50 of 100 would", WAIT, |it| pods(it, 100, 51, true)),
            ("the owner wants 1", PASS, |it| {
                pods(it, 2, 2, true);
                (it.limits.ready_min, it.limits.ready_share_min) = (1, 0.5);
            }),
            ("the only pod is not Ready", PASS, |it| {
                pods(it, 1, 0, false)
            }),
            ("none is Ready", PASS, |it| pods(it, 4, 0, false)),
            ("the workload is not known", UNKNOWN, |it| {
                it.facts().workload = None
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
}

#[test]
fn enough_pods_stay_ready_by_the_workloads_own_strategy_when_it_is_rolled_out() {
    for remedy in [RESTART, Remedy::RollBack, argo_action("restart")] {
        table(
            "ready_stay",
            &remedy,
            &[
                ("one of 4 goes", PASS, |_| {}),
                ("two of 4 go", WAIT, |it| it.workload().away_max = Some(2)),
                ("all go", WAIT, |it| it.workload().away_max = Some(4)),
                ("none goes before its successor is Ready", PASS, |it| {
                    pods(it, 1, 1, true);
                    it.workload().away_max = Some(0);
                }),
                ("the only one goes", WAIT, |it| {
                    pods(it, 1, 1, true);
                    it.workload().away_max = Some(1);
                }),
                ("all go, but none is Ready", PASS, |it| {
                    pods(it, 4, 0, false);
                    it.workload().away_max = Some(4);
                }),
                ("those that are not Ready go first", PASS, |it| {
                    pods(it, 4, 3, true)
                }),
                ("the strategy is not known", UNKNOWN, |it| {
                    it.workload().away_max = None
                }),
                ("the workload is not known", UNKNOWN, |it| {
                    it.facts().workload = None
                }),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    table(
        "ready_stay",
        &SCALE,
        &[("none is Ready", NONE, |it| pods(it, 4, 0, false))],
    );
}

#[test]
fn few_pods_are_away_at_once_the_one_in_question_among_them() {
    table(
        "pods_away",
        &POD,
        &[
            ("it is the only one", PASS, |it| pods(it, 4, 4, true)),
            ("it is the only one that is not Ready", PASS, |it| {
                pods(it, 3, 2, false)
            }),
            ("another is away", WAIT, |it| pods(it, 4, 3, true)),
            ("it is not Ready, and another is not", WAIT, |it| {
                pods(it, 3, 1, false)
            }),
            ("it is the only one there is", PASS, |it| {
                pods(it, 1, 0, false)
            }),
            ("2 of 20 would be", PASS, |it| pods(it, 20, 19, true)),
            ("2 of 19 would be", WAIT, |it| pods(it, 19, 18, true)),
            ("3 of 20 would be", WAIT, |it| pods(it, 20, 18, true)),
            ("more are Ready than wanted", PASS, |it| {
                pods(it, 4, 5, true)
            }),
            ("the owner allows half", PASS, |it| {
                pods(it, 4, 3, true);
                it.limits.pods_share_max = 0.5;
            }),
            ("the workload is not known", UNKNOWN, |it| {
                it.facts().workload = None
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
    table(
        "pods_away",
        &SCALE,
        &[("none is Ready", NONE, |it| pods(it, 4, 0, false))],
    );
}

#[test]
fn a_rollout_that_takes_many_pods_away_at_once_takes_a_person() {
    fn rollout(it: &mut Scene, wanted: u32, away: u32) {
        pods(it, wanted, wanted, true);
        it.workload().away_max = Some(away);
    }
    for remedy in [RESTART, Remedy::RollBack, argo_action("restart")] {
        table(
            "pods_away",
            &remedy,
            &[
                ("10 of 40", ASK, |it| rollout(it, 40, 10)),
                ("5 of 40", ASK, |it| rollout(it, 40, 5)),
                ("4 of 40", PASS, |it| rollout(it, 40, 4)),
                ("2 of 8", ASK, |it| rollout(it, 8, 2)),
                ("1 of 4", PASS, |it| rollout(it, 4, 1)),
                ("none", PASS, |it| rollout(it, 1, 0)),
                ("the owner allows a quarter", PASS, |it| {
                    rollout(it, 40, 10);
                    it.limits.pods_share_max = 0.25;
                }),
                ("the strategy is not known", UNKNOWN, |it| {
                    it.workload().away_max = None
                }),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    table(
        "pods_away",
        &argo_action("resume"),
        &[("10 of 40", NONE, |it| rollout(it, 40, 10))],
    );
}

#[test]
fn of_three_pods_the_one_that_is_not_ready_is_evicted_and_not_when_its_fellows_are_away_too() {
    let decided = |wanted, ready, is_ready| {
        let mut scene = Scene::healthy(POD);
        pods(&mut scene, wanted, ready, is_ready);
        // What the budget `minAvailable: 2` has left then.
        scene.facts().budgets[0].allowed = i32::try_from(ready).unwrap() - 2;
        let checked = ask_all(&scene.case());
        decision(&checked, scene.action.mode)
    };
    assert_eq!(decided(3, 2, false), Decide::Go);
    assert_eq!(decided(3, 2, true), Decide::Later);
    assert_eq!(decided(3, 1, false), Decide::Later);
    assert_eq!(decided(3, 3, true), Decide::Go);
}

#[test]
fn what_somebody_paused_is_not_rolled_out() {
    for remedy in [RESTART, Remedy::RollBack, argo_action("restart")] {
        table(
            "paused",
            &remedy,
            &[
                ("nobody did", PASS, |_| {}),
                ("somebody did", STOP, |it| it.workload().is_paused = true),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    for remedy in [POD, SCALE, argo_action("resume")] {
        table(
            "paused",
            &remedy,
            &[("somebody did", NONE, |it| it.workload().is_paused = true)],
        );
    }
}

#[test]
fn nothing_interferes_with_a_rollout() {
    for remedy in [POD, RESTART, SCALE, argo_action("restart")] {
        table(
            "rollout",
            &remedy,
            &[
                ("there is none", PASS, |_| {}),
                ("one has begun", WAIT, |it| it.workload().updated = 3),
                ("one is about to begin", WAIT, |it| {
                    it.workload().is_observed = false
                }),
                ("the last one failed", ASK, |it| {
                    it.workload().updated = 1;
                    it.workload().has_failed = true;
                }),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    table(
        "rollout",
        &Remedy::RollBack,
        &[
            ("there is none", PASS, |_| {}),
            ("one has begun, and may yet succeed", ASK, |it| {
                it.workload().updated = 3
            }),
            ("one is about to begin", WAIT, |it| {
                it.workload().is_observed = false
            }),
            ("the last one failed", PASS, |it| {
                it.workload().updated = 1;
                it.workload().has_failed = true;
            }),
        ],
    );
}

#[test]
fn only_a_rollout_that_is_under_way_is_aborted() {
    table(
        "rollout",
        &abort(),
        &[
            ("it is", PASS, |_| {}),
            ("it is paused at a step", PASS, |it| {
                it.workload().phase = "Paused".into()
            }),
            ("it is done", STOP, |it| {
                it.workload().phase = "Healthy".into()
            }),
            ("it failed", STOP, |it| {
                it.workload().phase = "Degraded".into()
            }),
            ("nobody knows", STOP, |it| it.workload().phase = "".into()),
            ("it is aborted", STOP, |it| it.workload().is_aborted = true),
            ("it is not known", UNKNOWN, |it| it.facts().workload = None),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
}

#[test]
fn replicas_that_an_autoscaler_sets_are_left_to_it() {
    table(
        "autoscaler",
        &SCALE,
        &[
            ("there is none", PASS, |_| {}),
            ("there is one", STOP, |it| {
                it.facts().autoscalers = vec!["cart".into()]
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
    let row: Row = ("there is one", NONE, |it| {
        it.facts().autoscalers = vec!["cart".into()]
    });
    table("autoscaler", &RESTART, &[row]);
}

#[test]
fn a_young_pod_is_left_to_start() {
    table(
        "pod_age",
        &POD,
        &[
            ("it is old", PASS, |_| {}),
            ("it is just old enough", PASS, |it| {
                it.pod().created = Some(NOW.minus(mins(5)))
            }),
            ("it is a second short of it", WAIT, |it| {
                it.pod().created = Some(NOW.minus(secs(299)));
            }),
            ("its clock is ahead", WAIT, |it| {
                it.pod().created = Some(NOW.plus(mins(5)))
            }),
            ("nobody knows", UNKNOWN, |it| it.pod().created = None),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
}

#[test]
fn argo_is_asked_when_it_can_do_it() {
    fn argo(it: &mut Scene) -> &mut crate::core::remedy::facts::ArgoFacts {
        it.facts().argo.as_mut().unwrap()
    }
    let back = remedies()[5].clone();
    for remedy in [remedies()[4].clone(), back.clone(), argo_action("restart")] {
        table(
            "argo",
            &remedy,
            &[
                ("it can", PASS, |_| {}),
                ("a window is closed", WAIT, |it| {
                    argo(it).is_closed = Some(true)
                }),
                ("nobody knows of windows", ASK, |it| {
                    argo(it).is_closed = None
                }),
                ("it is at work", WAIT, |it| argo(it).is_busy = true),
                ("it was not read", UNKNOWN, |it| it.facts().argo = None),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    table(
        "argo",
        &back,
        &[
            ("it syncs by itself", STOP, |it| {
                argo(it).is_automated = true
            }),
            ("there is nothing before", STOP, |it| {
                argo(it).previous = None
            }),
        ],
    );
    let row: Row = ("it syncs by itself", PASS, |it| {
        argo(it).is_automated = true
    });
    table("argo", &argo_action("restart"), &[row]);
}

#[test]
fn a_rule_of_a_route_keeps_a_backend_with_weight_and_where_requests_go_takes_a_person() {
    fn route(it: &mut Scene) -> &mut Vec<crate::core::remedy::facts::BackendFacts> {
        &mut it.facts().route.as_mut().unwrap().backends
    }
    table(
        "traffic",
        &gateway(0),
        &[
            ("another has some", ASK, |_| {}),
            ("it is alone", STOP, |it| {
                *route(it) = vec![backend(0, 0, "cart-canary", 20)]
            }),
            ("the others have none", STOP, |it| route(it)[0].weight = 0),
            ("it is alone in one of two rules", STOP, |it| {
                route(it).push(backend(1, 0, "cart-canary", 1));
            }),
            ("those of other rules do not count", STOP, |it| {
                route(it)[0].rule = 1
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
    let even: Row = ("another has as much", ASK, |it| route(it)[0].weight = 1);
    table("traffic", &gateway(1), &[even]);
    let alone: Row = ("it is alone", ASK, |it| route(it).truncate(0));
    table("traffic", &gateway(1), &[alone]);
    table(
        "traffic",
        &POD,
        &[("it is alone", NONE, |it| route(it).truncate(1))],
    );
}
