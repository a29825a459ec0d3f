use crate::core::event::Remedy;
use crate::core::remedy::check::fixture::{
    ASK, NONE, PASS, Row, SCALE, STOP, Scene, UNKNOWN, abort, argo_action, gateway, remedies, table,
};
use crate::core::remedy::facts::{Manager, Storage};

const POD: Remedy = Remedy::RestartPod;
const RESTART: Remedy = Remedy::RestartWorkload;

#[test]
fn only_pods_that_a_deployment_a_statefulset_or_a_rollout_replaces_are_taken() {
    let controlled: [(&str, Row); 6] = [
        (
            "ReplicaSet",
            ("a ReplicaSet's", PASS, |it| owned(it, "ReplicaSet")),
        ),
        (
            "StatefulSet",
            ("a StatefulSet's", PASS, |it| owned(it, "StatefulSet")),
        ),
        (
            "DaemonSet",
            ("a DaemonSet's", STOP, |it| owned(it, "DaemonSet")),
        ),
        ("Job", ("a Job's", STOP, |it| owned(it, "Job"))),
        ("Node", ("static", STOP, |it| owned(it, "Node"))),
        (
            "CloneSet",
            ("of an unknown kind", STOP, |it| owned(it, "CloneSet")),
        ),
    ];
    fn owned(it: &mut Scene, kind: &str) {
        it.pod().controller = Some(kind.into());
    }
    for remedy in [
        POD,
        RESTART,
        SCALE,
        Remedy::RollBack,
        argo_action("restart"),
    ] {
        for (_, row) in controlled {
            table("owner", &remedy, &[row]);
        }
        table(
            "owner",
            &remedy,
            &[
                ("nobody's", STOP, |it| it.pod().controller = None),
                ("its workload is a DaemonSet", STOP, |it| {
                    it.workload().object.kind = "DaemonSet".into();
                }),
                ("its ReplicaSet is nobody's", STOP, |it| {
                    it.workload().object.kind = "ReplicaSet".into();
                }),
                ("its workload is not known", UNKNOWN, |it| {
                    it.facts().workload = None
                }),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    let rollout: fn(&mut Scene) = |it| it.workload().object.kind = "Rollout".into();
    table("owner", &POD, &[("a Rollout's", PASS, rollout)]);
    table("owner", &RESTART, &[("a Rollout", STOP, rollout)]);
    for remedy in [argo_action("pause"), abort(), gateway(0), Remedy::Webhook] {
        table(
            "owner",
            &remedy,
            &[("nobody's", NONE, |it| it.pod().controller = None)],
        );
    }
}

#[test]
fn statefulsets_are_touched_only_by_rules_that_may() {
    for remedy in [
        POD,
        RESTART,
        SCALE,
        Remedy::RollBack,
        argo_action("restart"),
    ] {
        table(
            "stateful",
            &remedy,
            &[
                ("it is none", NONE, |_| {}),
                ("the pod is one's", STOP, |it| {
                    it.pod().controller = Some("StatefulSet".into());
                }),
                ("it is one", STOP, |it| {
                    it.workload().object.kind = "StatefulSet".into()
                }),
                ("the rule may", PASS, |it| {
                    it.workload().object.kind = "StatefulSet".into();
                    it.rule().stateful = true;
                }),
            ],
        );
    }
}

#[test]
fn what_is_critical_to_the_system_is_left_alone() {
    for remedy in [POD, RESTART, Remedy::RollBack, argo_action("restart")] {
        table(
            "priority",
            &remedy,
            &[
                ("it is not", PASS, |_| {}),
                ("it is of another class", PASS, |it| {
                    it.pod().priority_class = Some("high".into());
                }),
                ("the pod is", STOP, |it| {
                    it.pod().priority_class = Some("system-node-critical".into());
                }),
                ("the template is", STOP, |it| {
                    let class = Some("system-cluster-critical".into());
                    it.workload().template.as_mut().unwrap().priority_class = class;
                }),
                ("the pod is gone", PASS, |it| it.facts().pod = None),
                ("the template was not read", PASS, |it| {
                    it.workload().template = None
                }),
                ("neither was read", UNKNOWN, |it| {
                    it.facts().pod = None;
                    it.workload().template = None;
                }),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
}

#[test]
fn pods_that_would_lose_data_are_left_alone() {
    fn claimed(it: &mut Scene) {
        it.pod().storage = Storage::Claimed;
        it.workload().template.as_mut().unwrap().storage = Storage::Claimed;
    }
    for remedy in [POD, RESTART, Remedy::RollBack, argo_action("restart")] {
        table(
            "storage",
            &remedy,
            &[
                ("they keep none", PASS, |_| {}),
                ("on the node", STOP, |it| it.pod().storage = Storage::Local),
                ("by the template", STOP, |it| {
                    it.workload().template.as_mut().unwrap().storage = Storage::Local;
                }),
                ("in a claim", STOP, claimed),
                (
                    "a Deployment's claim, where StatefulSets may be touched",
                    STOP,
                    |it| {
                        claimed(it);
                        it.rule().stateful = true;
                    },
                ),
                ("a StatefulSet's claim, where they may not", STOP, |it| {
                    claimed(it);
                    it.pod().controller = Some("StatefulSet".into());
                }),
                ("a StatefulSet's claim comes back", PASS, |it| {
                    claimed(it);
                    it.pod().controller = Some("StatefulSet".into());
                    it.rule().stateful = true;
                }),
                ("what is on the node does not", STOP, |it| {
                    it.pod().storage = Storage::Local;
                    it.pod().controller = Some("StatefulSet".into());
                    it.rule().stateful = true;
                }),
                ("the pod is gone", PASS, |it| it.facts().pod = None),
                ("the template was not read", PASS, |it| {
                    it.workload().template = None
                }),
                ("neither was read", UNKNOWN, |it| {
                    it.facts().pod = None;
                    it.workload().template = None;
                }),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    table(
        "storage",
        &SCALE,
        &[("on the node", NONE, |it| it.pod().storage = Storage::Local)],
    );
}

#[test]
fn what_a_gitops_tool_would_take_back_is_not_done_and_a_restart_is() {
    fn managed(it: &mut Scene, by: Manager) {
        it.workload().managed_by = Some(by);
    }
    for remedy in [SCALE, Remedy::RollBack] {
        table(
            "managed_by",
            &remedy,
            &[
                ("nobody", PASS, |_| {}),
                ("Argo CD", STOP, |it| managed(it, Manager::ArgoCd(None))),
                ("Flux", STOP, |it| managed(it, Manager::Flux)),
                ("nothing was read", UNKNOWN, |it| it.facts = None),
            ],
        );
    }
    table(
        "managed_by",
        &RESTART,
        &[
            ("nobody", PASS, |_| {}),
            ("Argo CD", PASS, |it| managed(it, Manager::ArgoCd(None))),
            ("Flux", PASS, |it| managed(it, Manager::Flux)),
        ],
    );
    table(
        "managed_by",
        &POD,
        &[("Flux", NONE, |it| managed(it, Manager::Flux))],
    );
    table(
        "managed_by",
        &gateway(0),
        &[
            ("nobody", PASS, |_| {}),
            ("the workload's does not matter", PASS, |it| {
                managed(it, Manager::Flux)
            }),
            ("Flux", STOP, |it| {
                it.facts().route.as_mut().unwrap().managed_by = Some(Manager::Flux);
            }),
        ],
    );
}

#[test]
fn the_owner_is_told_what_to_use_instead() {
    for (by, remedy, hint) in [
        (Manager::ArgoCd(None), Remedy::RollBack, "argo_roll_back"),
        (Manager::ArgoCd(None), SCALE, "argo_sync"),
        (Manager::Flux, SCALE, "flux_receiver"),
    ] {
        let mut scene = Scene::healthy(remedy);
        scene.workload().managed_by = Some(by);
        let why = scene.says("managed_by").unwrap().1;
        assert!(why.contains(hint), "{why}");
    }
}

#[test]
fn argo_is_asked_only_about_what_belongs_to_the_application() {
    for remedy in remedies()
        .into_iter()
        .filter(|it| it.kind().name().starts_with("argo"))
    {
        table(
            "managed_by",
            &remedy,
            &[
                ("it does", PASS, |_| {}),
                ("it belongs to another", STOP, |it| {
                    it.workload().managed_by = Some(Manager::ArgoCd(Some("bank".into())));
                }),
                ("to one nobody knows", ASK, |it| {
                    it.workload().managed_by = Some(Manager::ArgoCd(None));
                }),
                ("nobody knows to whom", ASK, |it| {
                    it.workload().managed_by = None
                }),
                ("to Flux", STOP, |it| {
                    it.workload().managed_by = Some(Manager::Flux)
                }),
            ],
        );
    }
}
