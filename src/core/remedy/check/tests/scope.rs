use crate::core::event::{Mode, Remedy};
use crate::core::remedy::case::Reach;
use crate::core::remedy::check::fixture::{
    ASK, NOW, PASS, Row, SCALE, STOP, Scene, UNKNOWN, abort, argo_action, gateway, mins, remedies,
    secs, table,
};

const POD: Remedy = Remedy::RestartPod;
const RESTART: Remedy = Remedy::RestartWorkload;

#[test]
fn an_action_goes_no_further_than_its_rule_does_now() {
    table(
        "rule",
        &POD,
        &[
            ("it is as it was", PASS, |_| {}),
            ("it is gone", STOP, |it| it.rule = None),
            ("it asks for something else", STOP, |it| {
                it.rule().remedy = RESTART
            }),
            ("it asks for more of the same", STOP, |it| {
                it.action.remedy = SCALE;
                it.rule().remedy = Remedy::Scale { by: 5, max: 50 };
            }),
            ("it is set to approve", ASK, |it| {
                it.rule().mode = Mode::Approve
            }),
            ("it is set to suggest", STOP, |it| {
                it.rule().mode = Mode::Suggest
            }),
            ("it is set to observe", STOP, |it| {
                it.rule().mode = Mode::Observe
            }),
            ("approve became suggest", STOP, |it| {
                it.action.mode = Mode::Approve;
                it.rule().mode = Mode::Suggest;
            }),
            ("it may go further", PASS, |it| {
                it.action.mode = Mode::Suggest
            }),
        ],
    );
}

#[test]
fn an_action_whose_time_is_up_is_never_done_also_where_the_clock_is_put_back() {
    table(
        "in_time",
        &POD,
        &[
            ("it is young", PASS, |_| {}),
            ("the last moment", PASS, |it| it.now = it.action.expires_at),
            ("just after", STOP, |it| {
                it.now = it.action.expires_at.plus(secs(1));
            }),
            ("the clock differs by little", PASS, |it| {
                it.now = it.action.asked_at.minus(secs(60));
            }),
            ("the clock was put back", STOP, |it| {
                it.now = it.action.asked_at.minus(secs(61));
            }),
        ],
    );
}

#[test]
fn the_kill_switch_stops_every_remedy() {
    for remedy in remedies() {
        let rows: &[Row] = &[
            ("nobody pulled it", PASS, |_| {}),
            ("somebody did", STOP, |it| {
                it.world.stopped = Some("anna: release".into())
            }),
        ];
        table("switch", &remedy, rows);
    }
}

#[test]
fn namespaces_that_are_never_touched_are_not_for_any_remedy() {
    for remedy in remedies() {
        let rows: &[Row] = &[
            ("it is the shop's", PASS, |_| {}),
            ("it is kube-system", STOP, |it| {
                it.action.target.namespace = "kube-system".into()
            }),
            ("it is kube-public", STOP, |it| {
                it.action.target.namespace = "kube-public".into()
            }),
            ("it begins alike", PASS, |it| {
                it.action.target.namespace = "kubeflow".into()
            }),
            ("it is our own", STOP, |it| {
                it.limits.own_namespace = Some("shop".into())
            }),
            ("the owner named it", STOP, |it| {
                it.limits.deny_namespaces = vec!["shop".into()]
            }),
            ("the owner named another", PASS, |it| {
                it.limits.deny_namespaces = vec!["shop-2".into()];
            }),
        ];
        table("forbidden_namespace", &remedy, rows);
    }
}

#[test]
fn what_was_read_long_ago_is_not_known() {
    table(
        "read",
        &POD,
        &[
            ("just now", PASS, |_| {}),
            ("a minute ago", PASS, |it| {
                it.facts().at = NOW.minus(mins(1))
            }),
            ("longer ago", UNKNOWN, |it| {
                it.facts().at = NOW.minus(secs(61))
            }),
            ("a clock is a minute ahead", PASS, |it| {
                it.facts().at = NOW.plus(secs(60));
            }),
            ("in the future", UNKNOWN, |it| {
                it.facts().at = NOW.plus(secs(61))
            }),
            ("never", UNKNOWN, |it| it.facts = None),
        ],
    );
    table(
        "read",
        &Remedy::Webhook,
        &[("never", ASK, |it| it.facts = None)],
    );
}

#[test]
fn a_pod_is_the_one_the_records_name_down_to_its_uid() {
    table(
        "target",
        &POD,
        &[
            ("it is", PASS, |_| {}),
            ("the records name no uid", PASS, |it| {
                it.action.target.pod_uid = None
            }),
            ("it is gone", STOP, |it| it.facts().pod = None),
            ("it was made anew", STOP, |it| {
                it.pod().object.uid = "another".into()
            }),
            ("its uid was not read", UNKNOWN, |it| {
                it.action.target.pod_uid = None;
                it.pod().object.uid = "".into();
            }),
            ("another was read", STOP, |it| {
                it.pod().object.name = "cart-2".into()
            }),
            ("one of another namespace was read", STOP, |it| {
                it.pod().object.namespace = "bank".into();
            }),
            ("it is being deleted", STOP, |it| {
                it.pod().is_deleting = true
            }),
            ("it belongs to another workload", STOP, |it| {
                it.workload().object.name = "ledger".into();
            }),
            ("it belongs to another kind", STOP, |it| {
                it.workload().object.kind = "StatefulSet".into();
            }),
            ("senders call its rollout a Deployment", PASS, |it| {
                it.workload().object.kind = "Rollout".into();
            }),
            ("they name no workload", PASS, |it| {
                it.action.target.workload = None
            }),
            ("nothing was read", UNKNOWN, |it| it.facts = None),
        ],
    );
}

#[test]
fn a_target_without_a_name_is_never_read_as_all() {
    let rows: &[Row] = &[
        ("no namespace", STOP, |it| {
            it.action.target.namespace = "".into()
        }),
        ("any namespace", STOP, |it| {
            it.action.target.namespace = "*".into()
        }),
        ("no pod", STOP, |it| it.action.target.pod = Some("".into())),
        ("any pod", STOP, |it| {
            it.action.target.pod = Some("*".into())
        }),
        ("no workload", STOP, |it| {
            it.action.target.workload = Some(("Deployment".into(), "".into()));
        }),
        ("neither", STOP, |it| {
            (it.action.target.pod, it.action.target.workload) = (None, None);
        }),
        ("nothing was read either", STOP, |it| {
            it.action.target.namespace = "".into();
            it.facts = None;
        }),
    ];
    for remedy in remedies() {
        table("target", &remedy, rows);
    }
    table(
        "target",
        &POD,
        &[("no pod", STOP, |it| it.action.target.pod = None)],
    );
    for remedy in [RESTART, SCALE, Remedy::RollBack] {
        let row: Row = ("no workload", STOP, |it| it.action.target.workload = None);
        table("target", &remedy, &[row]);
    }
}

#[test]
fn what_is_left_to_another_system_names_a_pod_or_a_workload() {
    table(
        "target",
        &Remedy::Webhook,
        &[
            ("only a pod", PASS, |it| it.action.target.workload = None),
            ("only a workload", PASS, |it| it.action.target.pod = None),
        ],
    );
}

#[test]
fn a_workload_is_the_one_the_records_name() {
    for remedy in [RESTART, SCALE, Remedy::RollBack, argo_action("restart")] {
        table(
            "target",
            &remedy,
            &[
                ("it is", PASS, |_| {}),
                ("their pod is gone", PASS, |it| it.facts().pod = None),
                ("it is gone", STOP, |it| it.facts().workload = None),
                ("their pod is somebody else's", STOP, |it| {
                    it.workload().object.name = "ledger".into();
                }),
                ("another was read", STOP, |it| {
                    it.facts().pod = None;
                    it.workload().object.name = "ledger".into();
                }),
                ("one of another namespace was read", STOP, |it| {
                    it.workload().object.namespace = "bank".into();
                }),
                ("its uid was not read", UNKNOWN, |it| {
                    it.workload().object.uid = "".into()
                }),
                ("it is being deleted", STOP, |it| {
                    it.workload().is_deleting = true
                }),
            ],
        );
    }
}

#[test]
fn a_rollout_and_a_route_are_those_the_rule_names() {
    table(
        "target",
        &abort(),
        &[
            ("it is", PASS, |_| {}),
            ("it is gone", STOP, |it| it.facts().workload = None),
            ("another was read", STOP, |it| {
                it.workload().object.name = "ledger".into()
            }),
            ("a Deployment was read", STOP, |it| {
                it.workload().object.kind = "Deployment".into();
            }),
            ("one of another namespace was read", STOP, |it| {
                it.workload().object.namespace = "bank".into();
            }),
            ("its uid was not read", UNKNOWN, |it| {
                it.workload().object.uid = "".into()
            }),
            ("the records name another", ASK, |it| {
                it.action.target.workload = Some(("Deployment".into(), "ledger".into()));
            }),
        ],
    );
    table(
        "target",
        &gateway(0),
        &[
            ("it is", PASS, |_| {}),
            ("it is gone", STOP, |it| it.facts().route = None),
            ("one of another namespace was read", STOP, |it| {
                it.facts().route.as_mut().unwrap().object.namespace = "bank".into();
            }),
        ],
    );
}

#[test]
fn a_namespace_that_goes_is_left_alone() {
    for remedy in remedies() {
        let gone = match Reach::of(remedy.kind()) {
            Reach::Elsewhere => ASK,
            _ => STOP,
        };
        let rows: &[Row] = &[
            ("it is there", PASS, |_| {}),
            ("it is gone", gone, |it| it.facts().namespace = None),
            ("it is being deleted", STOP, |it| {
                it.facts().namespace.as_mut().unwrap().is_terminating = true;
            }),
            ("another was read", STOP, |it| {
                it.facts().namespace.as_mut().unwrap().name = "bank".into();
            }),
        ];
        table("namespace", &remedy, rows);
    }
    table(
        "namespace",
        &POD,
        &[("nothing was read", UNKNOWN, |it| it.facts = None)],
    );
}

#[test]
fn only_what_its_owner_labelled_is_touched() {
    fn unlabel(it: &mut Scene) {
        it.facts().namespace.as_mut().unwrap().labels.clear();
    }
    for remedy in remedies() {
        let without = match Reach::of(remedy.kind()) {
            Reach::Elsewhere => ASK,
            _ => STOP,
        };
        let rows: &[Row] = &[
            ("the namespace is labelled", PASS, |_| {}),
            ("nothing is", without, unlabel),
            ("the namespace has another value", STOP, |it| {
                it.facts().namespace.as_mut().unwrap().labels[0].1 = "yes".into();
            }),
            ("the workload is", PASS, |it| {
                unlabel(it);
                it.workload().labels = vec![("knothole.dev/remediate".into(), "true".into())];
            }),
            ("only the pod is", without, |it| {
                unlabel(it);
                it.pod().labels = vec![("knothole.dev/remediate".into(), "true".into())];
            }),
            ("the workload forbids it", STOP, |it| {
                it.workload().labels = vec![("knothole.dev/remediate".into(), "false".into())];
            }),
            ("the pod forbids it", STOP, |it| {
                it.pod().labels = vec![("knothole.dev/remediate".into(), "false".into())];
            }),
            ("the owner chose another label", without, |it| {
                it.limits.label.0 = "ours".into()
            }),
        ];
        table("opted_in", &remedy, rows);
    }
    table(
        "opted_in",
        &POD,
        &[("nothing was read", UNKNOWN, |it| it.facts = None)],
    );
    table(
        "opted_in",
        &Remedy::Webhook,
        &[("nothing was read", ASK, |it| it.facts = None)],
    );
}
