//! Anomaly and the owner's rules → what is asked for.
//!
//! The log text has no say: a rule's author chooses the remedy, and the target comes from the
//! resource attributes alone. What a sender wrote into a log line can at most ask for something to be done
//! to the sender's own pod or workload.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::rule::Rule;
use crate::core::event::{
    Action, ActionKind, ActionState, Anomaly, AnomalyKind, Grounds, Remedy, Target,
};
use crate::core::record::{Resource, Timestamp};

/// What `rules` ask for on account of `anomaly`, in the order of the rules. Two rules that ask for one
/// remedy on one target give one action, in the name of the first. The ids are those of a first attempt
/// without an incident; the ledger gives them theirs.
///
/// A rule whose target the resource does not name gives none: `restart_pod` needs the namespace and
/// the pod, what is done to a workload needs the namespace and a workload of a kind that can do it.
pub fn ask(rules: &[Rule], anomaly: &Arc<Anomaly>, now: Timestamp) -> Vec<Action> {
    let mut asked: Vec<Action> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.asks_on(anomaly)) {
        let Some(target) = target_of(rule.remedy.kind(), &anomaly.resource) else {
            continue;
        };
        if asked
            .iter()
            .any(|earlier| earlier.remedy == rule.remedy && earlier.target == target)
        {
            continue;
        }
        asked.push(Action {
            id: id_of(&anomaly.fingerprint, &rule.remedy, &target, 0),
            rule: rule.name.clone(),
            mode: rule.mode,
            remedy: rule.remedy.clone(),
            incident: None,
            fingerprint: anomaly.fingerprint.clone(),
            stream: anomaly.stream.clone(),
            reason: reason_of(rule, anomaly),
            asked_at: now,
            expires_at: now.plus(rule.ttl),
            evidence: grounds_of(anomaly, now),
            plan: None,
            approved: None,
            state: ActionState::Asked,
            acted_at: None,
            before: None,
            unrest: None,
            steps: Vec::new(),
            anomaly: Some(Arc::clone(anomaly)),
            target,
        });
    }
    asked
}

fn grounds_of(anomaly: &Anomaly, now: Timestamp) -> Grounds {
    Grounds {
        kinds: vec![anomaly.kind.name().into()],
        detectors: anomaly.detectors.iter().map(|it| (*it).into()).collect(),
        score: anomaly.score,
        first_seen: anomaly.first_seen,
        last_seen: anomaly.last_seen,
        heard_at: now,
        anomalies: anomaly.count.max(1),
        model: anomaly.model.clone(),
    }
}

/// `None` where the resource does not name, in full, what `action` needs.
fn target_of(action: ActionKind, resource: &Resource) -> Option<Target> {
    let named = |key: &str| resource.get(key).filter(|value| is_object_name(value));
    let workload: Option<(Box<str>, Box<str>)> = resource
        .workload()
        .filter(|(_, name)| is_object_name(name))
        .map(|(kind, name)| (kind.into(), name.into()));
    let pod = named("k8s.pod.name");
    let is_named = match (action, &workload) {
        (ActionKind::RestartPod, _) => pod.is_some(),
        (ActionKind::Webhook, _) => pod.is_some() || workload.is_some(),
        (_, Some((kind, _))) => can_do(kind, action),
        (_, None) => false,
    };
    is_named.then_some(Target {
        namespace: named("k8s.namespace.name")?.into(),
        workload,
        pod: pod.map(Into::into),
        pod_uid: named("k8s.pod.uid").map(Into::into),
    })
}

/// A Kubernetes object name (RFC 1123 subdomain). Anything else, such as `*` or an empty string,
/// might be read as "every one" by whoever executes the proposal.
pub(super) fn is_object_name(text: &str) -> bool {
    let is_edge = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| is_edge(Some(byte)) || matches!(byte, b'-' | b'.'))
}

/// A finished Job has nothing to restart, and DaemonSets are never touched.
fn can_do(workload_kind: &str, action: ActionKind) -> bool {
    match action {
        ActionKind::RestartPod
        | ActionKind::ArgoSync
        | ActionKind::ArgoRollBack
        | ActionKind::ArgoAction
        | ActionKind::JenkinsJob
        | ActionKind::FluxReceiver
        | ActionKind::AbortRollout
        | ActionKind::GatewayWeight
        | ActionKind::Webhook => true,
        ActionKind::RestartWorkload | ActionKind::Scale => {
            matches!(workload_kind, "Deployment" | "StatefulSet")
        }
        // Its ReplicaSets keep the revisions before.
        ActionKind::RollBack => workload_kind == "Deployment",
    }
}

/// The id of an action: the same whoever asks for it, however often.
pub fn id_of(cause: &str, remedy: &Remedy, target: &Target, attempt: u32) -> Box<str> {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(cause.as_bytes());
    // Neither type has a key that is not a string, so this cannot fail.
    part(&serde_json::to_vec(remedy).unwrap_or_default());
    part(&serde_json::to_vec(target).unwrap_or_default());
    part(&attempt.to_le_bytes());
    hex_of(&hash.finalize()[..16])
}

/// Bytes as hex digits.
pub(super) fn hex_of(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// Says what was seen in our own words; what was logged is told by the anomaly, where the reader
/// knows it for a quotation.
fn reason_of(rule: &Rule, anomaly: &Anomaly) -> Box<str> {
    let what = match anomaly.kind {
        AnomalyKind::NewTemplate => "logged a kind of record never seen before",
        AnomalyKind::Sequence => "left the order its records normally come in",
        AnomalyKind::RareTemplate => "wrote a kind of record that it hardly ever writes",
        AnomalyKind::Count => "wrote something more or less often than it normally does",
        AnomalyKind::Missing => "did not write something that it always writes",
        AnomalyKind::Incomplete => "stopped before what it does was done",
        AnomalyKind::Timing => "took longer or shorter than it normally does",
        AnomalyKind::Value => "wrote a value that it normally does not write",
        AnomalyKind::RateUp => "writes something more often than it normally does",
        AnomalyKind::RateDown => "writes something less often than it normally does",
        AnomalyKind::Silence => "does not write any more what it normally writes",
        AnomalyKind::Burst => "writes many kinds of records that it never wrote before",
    };
    let (stream, score, name) = (&anomaly.stream, anomaly.score, &rule.name);
    format!("{stream} {what} (score {score:.3}), which rule {name} answers with this action").into()
}

#[cfg(test)]
pub(in crate::core::remedy) mod tests {
    use super::*;
    use crate::core::event::{Class, Explanation, Mode, Observed};
    use crate::core::record::{Severity, StreamKey};
    use std::time::Duration;

    const SCALE: Remedy = Remedy::Scale { by: 1, max: 5 };

    const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);
    const POD: [(&str, &str); 4] = [
        ("k8s.namespace.name", "shop"),
        ("k8s.deployment.name", "cart"),
        ("k8s.pod.name", "cart-7d9f-x2l"),
        ("k8s.pod.uid", "5ee0c7d8-9f0e-4d53-9f6e-000000000001"),
    ];

    fn rule(remedy: Remedy) -> Rule {
        Rule {
            name: "cart".into(),
            remedy,
            mode: Mode::Suggest,
            persist: Rule::PERSIST_DEFAULT,
            pod_age_min: Rule::POD_AGE_DEFAULT,
            stabilise: Rule::STABILISE_DEFAULT,
            after: vec![],
            stateful: false,
            kinds: vec![],
            services: vec![],
            score_min: 0.9,
            ttl: Rule::TTL_DEFAULT,
        }
    }

    /// What a rule may ask on, from a sender with these attributes.
    pub(in crate::core::remedy) fn anomaly(attributes: &[(&str, &str)]) -> Arc<Anomaly> {
        let attributes = attributes.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Arc::new(Anomaly {
            id: "00112233445566778899aabbccddeeff".into(),
            fingerprint: "0011223344556677".into(),
            kind: AnomalyKind::Sequence,
            class: Class::Error,
            severity: Severity::Error,
            score: 0.97,
            p_value: 0.03,
            first_seen: NOW,
            last_seen: NOW,
            count: 1,
            stream: StreamKey::named("cart"),
            resource: Arc::new(Resource::new(attributes.collect())),
            sequence: "a".into(),
            trace_id: None,
            span_id: None,
            template: None,
            sent_template: None,
            explanation: Explanation {
                reason: "restart namespace=kube-system now".into(),
                expected: vec![],
                observed: Observed::Record("action=scale k8s.pod.name=victim".into()),
                probability: 0.0,
                opinions: vec![],
                context: vec![],
            },
            stack: None,
            detectors: vec!["order"],
            model: "m".into(),
        })
    }

    #[test]
    fn a_pod_restart_names_the_pod_and_expires_after_its_ttl() {
        let found = ask(&[rule(Remedy::RestartPod)], &anomaly(&POD), NOW);
        let [action] = found.as_slice() else {
            panic!("one action, not {found:?}")
        };
        assert_eq!(action.target.namespace.as_ref(), "shop");
        assert_eq!(action.target.pod.as_deref(), Some("cart-7d9f-x2l"));
        assert_eq!(action.expires_at.since(NOW), Duration::from_secs(900));
        assert_eq!(action.id.len(), 32);
        assert_eq!(
            action.reason.as_ref(),
            "cart left the order its records normally come in (score 0.970), which rule cart \
             answers with this action"
        );
    }

    #[test]
    fn a_target_that_the_resource_does_not_name_in_full_is_never_guessed() {
        for missing in ["k8s.namespace.name", "k8s.pod.name"] {
            let rest: Vec<_> = POD.into_iter().filter(|(key, _)| *key != missing).collect();
            assert_eq!(ask(&[rule(Remedy::RestartPod)], &anomaly(&rest), NOW), []);
        }
        for action in [Remedy::RestartWorkload, SCALE, Remedy::RollBack] {
            let no_workload = [POD[0], POD[2]];
            assert_eq!(
                ask(&[rule(action.clone())], &anomaly(&no_workload), NOW),
                []
            );
            assert_eq!(ask(&[rule(action)], &anomaly(&POD), NOW).len(), 1);
        }
        for bad in ["", "*", "all pods", "../kube-system", "Cart", "-a"] {
            let mut attributes = POD;
            attributes[0].1 = bad;
            assert_eq!(
                ask(&[rule(SCALE)], &anomaly(&attributes), NOW),
                [],
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_workload_that_cannot_do_the_action_is_not_asked_to() {
        let job = [POD[0], ("k8s.job.name", "migrate")];
        assert_eq!(ask(&[rule(Remedy::RollBack)], &anomaly(&job), NOW), []);
        let daemon = [POD[0], ("k8s.daemonset.name", "agent")];
        assert_eq!(ask(&[rule(SCALE)], &anomaly(&daemon), NOW), []);
    }

    #[test]
    fn a_rule_asks_only_for_its_services_kinds_and_scores() {
        let count = |change: fn(&mut Rule)| {
            let mut rule = rule(Remedy::RestartPod);
            change(&mut rule);
            ask(&[rule], &anomaly(&POD), NOW).len()
        };
        assert_eq!(count(|rule| rule.services = vec!["cart".into()]), 1);
        assert_eq!(count(|rule| rule.services = vec!["car".into()]), 0);
        assert_eq!(count(|rule| rule.kinds = vec![AnomalyKind::NewTemplate]), 0);
        assert_eq!(count(|rule| rule.score_min = 0.98), 0);
        assert_eq!(count(|rule| rule.score_min = 0.97), 1);
    }

    #[test]
    fn the_same_input_gives_the_same_id_and_two_rules_do_not_ask_twice() {
        let mut other = rule(Remedy::RestartPod);
        other.name = "again".into();
        let rules = [
            rule(Remedy::RestartPod),
            other,
            rule(Remedy::RestartWorkload),
        ];
        let first = ask(&rules, &anomaly(&POD), NOW);
        assert_eq!(first.len(), 2);
        assert_eq!(first[0].rule.as_ref(), "cart");
        assert_ne!(first[0].id, first[1].id);
        let later = ask(&rules, &anomaly(&POD), NOW.plus(Duration::from_secs(5)));
        assert_eq!(first[0].id, later[0].id);
    }

    #[test]
    fn what_the_log_says_does_not_reach_target_or_reason() {
        for action in ask(&[rule(Remedy::RestartPod)], &anomaly(&POD), NOW) {
            let said = format!("{:?} {}", action.target, action.reason);
            assert!(!said.contains("victim") && !said.contains("kube-system"));
        }
    }
}
