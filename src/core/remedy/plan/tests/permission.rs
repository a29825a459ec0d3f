use super::*;

fn names(remedy: Remedy) -> Vec<String> {
    let scene = Scene::healthy(remedy);
    let all = permissions_of(&scene.action, scene.facts.as_ref().unwrap());
    let here = |it: &Permission| it.to_string().replace(" in namespace shop", "");
    all.iter().map(here).collect()
}

#[test]
fn an_eviction_takes_exactly_these_permissions() {
    assert_eq!(
        names(Remedy::RestartPod),
        [
            "get namespaces",
            "get pods",
            "create pods/eviction",
            "get deployments.apps",
            "get replicasets.apps",
            "create leases.coordination.k8s.io",
            "get leases.coordination.k8s.io",
            "update leases.coordination.k8s.io",
            "create events.events.k8s.io",
            "list poddisruptionbudgets.policy",
        ]
    );
}

#[test]
fn each_remedy_takes_besides_what_it_alone_does() {
    let shared = names(Remedy::RestartPod);
    let besides = |remedy| {
        let mut all = names(remedy);
        all.retain(|it| !shared.contains(it));
        all
    };
    let none: [&str; 0] = [];
    assert_eq!(besides(Remedy::RestartWorkload), ["patch deployments.apps"]);
    assert_eq!(
        besides(SCALE),
        [
            "patch deployments.apps/scale",
            "list horizontalpodautoscalers.autoscaling",
        ]
    );
    assert_eq!(
        besides(Remedy::RollBack),
        ["patch deployments.apps", "list replicasets.apps"]
    );
    assert_eq!(
        besides(abort()),
        [
            "get rollouts.argoproj.io",
            "patch rollouts.argoproj.io/status"
        ]
    );
    assert_eq!(
        besides(gateway(0)),
        [
            "get httproutes.gateway.networking.k8s.io",
            "patch httproutes.gateway.networking.k8s.io",
        ]
    );
    for remedy in remedies() {
        let is_other = ["argo", "jenkins", "flux"]
            .iter()
            .any(|it| remedy.kind().name().starts_with(it));
        if is_other {
            assert_eq!(besides(remedy.clone()), none);
            // What is done elsewhere takes no writing of ours but the claim, and the event that tells of it.
            let mut writes = names(remedy);
            writes.retain(|it| !it.starts_with("get") && !it.starts_with("list"));
            let around = [
                "create leases.coordination.k8s.io",
                "update leases.coordination.k8s.io",
                "create events.events.k8s.io",
            ];
            assert_eq!(writes, around);
        }
    }
    let hook = names(Remedy::Webhook);
    assert!(hook.iter().all(|it| it.starts_with("get")), "{hook:?}");
}

#[test]
fn every_permission_that_writes_is_one_that_a_request_of_the_plan_uses() {
    for remedy in remedies() {
        let plan = plan(&Scene::healthy(remedy.clone()));
        let of_plan = plan.requests.iter();
        let to_cluster = of_plan.filter(|it| it.system == System::Kubernetes).count();
        let mut writes = names(remedy);
        writes.retain(|it| !it.starts_with("get") && !it.starts_with("list"));
        writes.retain(|it| !it.contains("leases") && !it.contains("events"));
        assert_eq!(writes.len(), to_cluster, "{writes:?}");
    }
}

#[test]
fn roles_are_for_every_kind_that_a_remedy_is_for_and_argos_are_in_its_namespace() {
    let scope = Scope {
        namespace: "shop",
        kind: None,
        argo_namespace: Some("argocd"),
    };
    let of = |remedy: &Remedy| -> Vec<String> {
        let all = permissions(remedy, scope);
        all.iter().map(ToString::to_string).collect()
    };
    let restart = of(&Remedy::RestartWorkload);
    for kind in ["deployments", "statefulsets"] {
        assert!(
            restart.contains(&format!("patch {kind}.apps in namespace shop")),
            "{restart:?}"
        );
    }
    let back = of(&Remedy::RollBack);
    assert!(
        back.iter().all(|it| !it.contains("statefulsets")),
        "{back:?}"
    );
    let sync = of(&remedies()[4]);
    for it in [
        "get applications.argoproj.io in namespace argocd",
        "patch applications.argoproj.io in namespace argocd",
        "create leases.coordination.k8s.io in namespace shop",
        "create events.events.k8s.io in namespace argocd",
    ] {
        assert!(sync.contains(&it.to_owned()), "{it}: {sync:?}");
    }
    assert!(
        !restart.iter().any(|it| it.contains("argocd")),
        "{restart:?}"
    );
    let wished = permissions_wished();
    assert_eq!(wished[0].to_string(), "list nodes");
}

#[test]
fn a_rollout_is_read_by_its_own_name_and_no_other_workload_is() {
    let scene = Scene::healthy(abort());
    for facts in [scene.facts.clone().unwrap(), Facts::default()] {
        let all = permissions_of(&scene.action, &facts);
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert!(all.contains(&"get rollouts.argoproj.io in namespace shop".to_owned()));
        assert!(!all.iter().any(|it| it.contains("deployments")), "{all:?}");
    }
}
