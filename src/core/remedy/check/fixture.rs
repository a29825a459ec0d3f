//! A healthy case that every check passes, for each remedy, and what spoils it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{AFTER, BEFORE, Says};
use crate::core::event::{
    Action, ActionState, CheckVerdict, Grounds, Mode, Object, Remedy, Step, Target,
};
use crate::core::record::{StreamKey, Timestamp};
use crate::core::remedy::book::Book;
use crate::core::remedy::case::{Case, World};
use crate::core::remedy::facts::{
    ArgoFacts, BackendFacts, BudgetFacts, Facts, Manager, NamespaceFacts, PodFacts, Rehearsal,
    Revision, RouteFacts, TemplateFacts, WorkloadFacts,
};
use crate::core::remedy::plan::permissions_of;
use crate::core::remedy::rule::{Limits, Rule};

pub(in crate::core::remedy) const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

pub(in crate::core::remedy) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(in crate::core::remedy) const fn mins(mins: u64) -> Duration {
    Duration::from_secs(mins * 60)
}

/// All that a case looks at, to be changed.
#[derive(Clone)]
pub(in crate::core::remedy) struct Scene {
    pub(in crate::core::remedy) action: Action,
    pub(in crate::core::remedy) rule: Option<Rule>,
    pub(in crate::core::remedy) facts: Option<Facts>,
    pub(in crate::core::remedy) rehearsal: Option<Rehearsal>,
    pub(in crate::core::remedy) book: Book,
    pub(in crate::core::remedy) world: World,
    pub(in crate::core::remedy) limits: Limits,
    pub(in crate::core::remedy) now: Timestamp,
}

impl Scene {
    /// Four Ready pods of a Deployment, of which one was restarted three minutes ago.
    pub(in crate::core::remedy) fn healthy(remedy: Remedy) -> Self {
        let action = action(remedy);
        let facts = facts(&action);
        let access = permissions_of(&action, &facts);
        let access = access.iter().map(|it| (it.to_string().into(), true));
        Self {
            rule: Some(rule(&action)),
            rehearsal: Some(Rehearsal {
                access: access.collect(),
                dry_run: Some(Ok(())),
                policy: None,
            }),
            facts: Some(facts),
            action,
            book: Book::default(),
            world: World {
                is_unknown: false,
                involved: vec![],
                stopped: None,
                frozen: None,
                services: (10, 1),
                storm_at: None,
                model_age: Some(mins(60)),
                is_learning: false,
                goes_on: true,
                incident: None,
                corroborated: None,
                dependants: 1,
                feedback: (0, 0),
                hearing_since: Some(NOW.minus(mins(60))),
                is_authenticated: true,
            },
            limits: Limits {
                has_policy: false,
                ..Limits::default()
            },
            now: NOW,
        }
    }

    pub(in crate::core::remedy) fn case(&self) -> Case<'_> {
        Case {
            action: &self.action,
            rule: self.rule.as_ref(),
            facts: self.facts.as_ref(),
            rehearsal: self.rehearsal.as_ref(),
            book: &self.book,
            world: &self.world,
            limits: &self.limits,
            now: self.now,
        }
    }

    /// What the check of this name says.
    pub(in crate::core::remedy) fn says(&self, name: &str) -> Option<Says> {
        let mut all = BEFORE.iter().chain(AFTER);
        let check = all
            .find(|it| it.name == name)
            .expect("there is such a check");
        (check.says)(&self.case())
    }

    pub(in crate::core::remedy) fn rule(&mut self) -> &mut Rule {
        self.rule.as_mut().unwrap()
    }

    pub(in crate::core::remedy) fn facts(&mut self) -> &mut Facts {
        self.facts.as_mut().unwrap()
    }

    pub(in crate::core::remedy) fn pod(&mut self) -> &mut PodFacts {
        self.facts().pod.as_mut().unwrap()
    }

    pub(in crate::core::remedy) fn workload(&mut self) -> &mut WorkloadFacts {
        self.facts().workload.as_mut().unwrap()
    }

    pub(in crate::core::remedy) fn rehearsal(&mut self) -> &mut Rehearsal {
        self.rehearsal.as_mut().unwrap()
    }

    /// A past action, sent so long ago: the same as this one but for its id and what `change` does.
    pub(in crate::core::remedy) fn past(
        &mut self,
        ago: Duration,
        state: ActionState,
        change: impl FnOnce(&mut Action),
    ) {
        let mut past = self.action.clone();
        past.id = format!("past {} {state:?}", self.book.iter().count()).into();
        past.acted_at = Some(self.now.minus(ago));
        past.state = state;
        past.steps = vec![Step {
            at: self.now.minus(ago),
            state,
            by: "knothole".into(),
            why: "".into(),
        }];
        change(&mut past);
        self.book.put(Arc::new(past));
    }

    /// The same on another workload, in another namespace, against other trouble.
    pub(in crate::core::remedy) fn past_elsewhere(&mut self, ago: Duration, state: ActionState) {
        self.past(ago, state, |it| {
            it.target.namespace = "bank".into();
            it.target.workload = Some(("Deployment".into(), "ledger".into()));
            it.target.pod = Some("ledger-1".into());
            it.stream = StreamKey::named("ledger");
            it.fingerprint = "ffffffffffffffff".into();
            it.incident = Some("another".into());
        });
    }
}

/// How the verdicts are called in tables. `None` is a check that has nothing to say.
pub(super) const PASS: Option<CheckVerdict> = Some(CheckVerdict::Pass);
pub(super) const ASK: Option<CheckVerdict> = Some(CheckVerdict::Ask);
pub(super) const WAIT: Option<CheckVerdict> = Some(CheckVerdict::Wait);
pub(super) const UNKNOWN: Option<CheckVerdict> = Some(CheckVerdict::Unknown);
pub(super) const STOP: Option<CheckVerdict> = Some(CheckVerdict::Stop);
pub(super) const NONE: Option<CheckVerdict> = None;

/// What spoils a case, and what the check says of it then.
pub(super) type Row = (&'static str, Option<CheckVerdict>, fn(&mut Scene));

/// Asserts what `check` says of each row's case, starting from a healthy one for `remedy`.
pub(super) fn table(check: &str, remedy: &Remedy, rows: &[Row]) {
    for (what, expected, spoil) in rows {
        let mut scene = Scene::healthy(remedy.clone());
        spoil(&mut scene);
        let said = scene.says(check);
        assert_eq!(
            said.as_ref().map(|it| it.0),
            *expected,
            "{check} of {} where {what}: {said:?}",
            remedy.kind()
        );
    }
}

/// One remedy of each kind.
pub(in crate::core::remedy) fn remedies() -> [Remedy; 12] {
    [
        Remedy::RestartPod,
        Remedy::RestartWorkload,
        SCALE,
        Remedy::RollBack,
        Remedy::ArgoSync {
            application: "cart".into(),
        },
        Remedy::ArgoRollBack {
            application: "cart".into(),
        },
        argo_action("restart"),
        Remedy::JenkinsJob {
            job: "ops/restart".into(),
        },
        Remedy::FluxReceiver {
            path: "/hook/0a1b".into(),
        },
        abort(),
        gateway(10),
        Remedy::Webhook,
    ]
}

pub(in crate::core::remedy) const SCALE: Remedy = Remedy::Scale { by: 1, max: 6 };

pub(in crate::core::remedy) fn argo_action(action: &str) -> Remedy {
    Remedy::ArgoAction {
        application: "cart".into(),
        action: action.into(),
    }
}

pub(in crate::core::remedy) fn abort() -> Remedy {
    Remedy::AbortRollout {
        rollout: "cart".into(),
    }
}

pub(in crate::core::remedy) fn gateway(weight: u32) -> Remedy {
    Remedy::GatewayWeight {
        route: "shop".into(),
        backend: "cart-canary".into(),
        weight,
    }
}

fn action(remedy: Remedy) -> Action {
    Action {
        id: "00112233445566778899aabbccddeeff".into(),
        rule: "cart".into(),
        mode: Mode::Auto,
        remedy,
        target: Target {
            namespace: "shop".into(),
            workload: Some(("Deployment".into(), "cart".into())),
            pod: Some("cart-1".into()),
            pod_uid: Some("uid-of-cart-1".into()),
        },
        incident: Some("0a0b0c".into()),
        fingerprint: "0011223344556677".into(),
        stream: StreamKey::named("cart"),
        reason: "cart does something".into(),
        asked_at: NOW.minus(mins(1)),
        expires_at: NOW.plus(mins(14)),
        evidence: Grounds {
            kinds: vec!["sequence".into()],
            detectors: vec!["order".into(), "unseen".into()],
            score: 0.97,
            first_seen: NOW.minus(mins(3)),
            last_seen: NOW.minus(secs(20)),
            heard_at: NOW,
            anomalies: 3,
            model: "m".into(),
        },
        plan: None,
        approved: None,
        state: ActionState::Asked,
        acted_at: None,
        before: None,
        unrest: None,
        steps: vec![],
        anomaly: None,
    }
}

fn rule(action: &Action) -> Rule {
    Rule {
        name: action.rule.clone(),
        mode: action.mode,
        remedy: action.remedy.clone(),
        kinds: vec![],
        services: vec![],
        score_min: 0.9,
        ttl: Rule::TTL_DEFAULT,
        persist: Rule::PERSIST_DEFAULT,
        pod_age_min: Rule::POD_AGE_DEFAULT,
        stabilise: Rule::STABILISE_DEFAULT,
        after: vec![],
        stateful: false,
    }
}

pub(in crate::core::remedy) fn object(kind: &str, name: &str) -> Object {
    Object {
        kind: kind.into(),
        namespace: "shop".into(),
        name: name.into(),
        uid: format!("uid-of-{name}").into(),
        generation: 7,
    }
}

fn facts(action: &Action) -> Facts {
    let is_argo = action.remedy.kind().name().starts_with("argo");
    let mut workload = workload();
    if is_argo {
        workload.managed_by = Some(Manager::ArgoCd(Some("cart".into())));
    }
    if action.remedy == abort() {
        workload.object.kind = "Rollout".into();
        workload.phase = "Progressing".into();
    }
    Facts {
        at: NOW.minus(secs(2)),
        is_upgrading: Some(false),
        namespace: Some(NamespaceFacts {
            name: "shop".into(),
            labels: vec![("knothole.dev/remediate".into(), "true".into())],
            is_terminating: false,
        }),
        pod: Some(PodFacts {
            object: Object {
                generation: 0,
                ..object("Pod", "cart-1")
            },
            labels: vec![("app".into(), "cart".into())],
            created: Some(NOW.minus(mins(600))),
            is_ready: true,
            ready_since: Some(NOW.minus(mins(2))),
            restarts: 2,
            last_ended: Some(NOW.minus(mins(3))),
            controller: Some("ReplicaSet".into()),
            ..PodFacts::default()
        }),
        workload: Some(workload),
        budgets: vec![BudgetFacts {
            name: "cart".into(),
            allowed: 1,
            is_observed: true,
        }],
        argo: is_argo.then(|| ArgoFacts {
            is_closed: Some(false),
            previous: Some(4),
            replaced_at: Some(NOW.minus(mins(20))),
            project: "default".into(),
            namespace: "argocd".into(),
            ..ArgoFacts::default()
        }),
        route: Some(RouteFacts {
            object: object("HTTPRoute", "shop"),
            backends: vec![backend(0, 0, "cart", 90), backend(0, 1, "cart-canary", 20)],
            ..RouteFacts::default()
        }),
        ..Facts::default()
    }
}

pub(in crate::core::remedy) fn backend(
    rule: u32,
    place: u32,
    service: &str,
    weight: u32,
) -> BackendFacts {
    BackendFacts {
        rule,
        place,
        service: service.into(),
        weight,
    }
}

fn workload() -> WorkloadFacts {
    WorkloadFacts {
        object: object("Deployment", "cart"),
        replicas: 4,
        ready: 4,
        updated: 4,
        is_observed: true,
        template: Some(TemplateFacts::default()),
        away_max: Some(1),
        previous: Some(Revision {
            number: 3,
            name: "cart-5f".into(),
            template: json!({"metadata": {"labels": {"app": "cart"}}, "spec": {}}),
            replaced_at: Some(NOW.minus(mins(20))),
        }),
        ..WorkloadFacts::default()
    }
}
