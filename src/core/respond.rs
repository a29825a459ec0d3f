//! Anomaly and the owner's rules → an action to propose. Nothing is executed here.
//!
//! The log text has no say: a rule's author chooses the action, and the target comes from the
//! resource attributes alone. What a sender wrote into a log line can at most cause a proposal for
//! the sender's own pod or workload.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::core::event::{ActionKind, Anomaly, AnomalyKind, Proposal, Target};
use crate::core::record::{Resource, Timestamp};

/// What the owner wants proposed, and on account of which anomalies.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The owner's name for it; a proposal carries it.
    pub name: Box<str>,
    /// What to propose.
    pub action: ActionKind,
    /// The kinds of anomaly that ask for it; empty means all.
    pub kinds: Vec<AnomalyKind>,
    /// The streams it is for, as they are displayed (`environment/namespace/name`); empty means
    /// all.
    pub services: Vec<Box<str>>,
    /// The lowest score that asks for it, between 0 and 1.
    pub score_min: f64,
    /// How long a proposal is good for.
    pub ttl: Duration,
}

impl Rule {
    /// How long a proposal is good for when the owner says nothing: 15 minutes. An action that
    /// comes later answers a situation that is no longer there.
    pub const TTL_DEFAULT: Duration = Duration::from_secs(15 * 60);

    fn asks_on(&self, anomaly: &Anomaly) -> bool {
        let stream = anomaly.stream.to_string();
        (self.kinds.is_empty() || self.kinds.contains(&anomaly.kind))
            && (self.services.is_empty() || self.services.iter().any(|name| **name == *stream))
            && anomaly.score >= self.score_min
    }
}

/// The proposals that `rules` ask for on account of `anomaly`, in the order of the rules. Two rules
/// that ask for one action on one target give one proposal, in the name of the first.
///
/// A rule whose target the resource does not name gives none: `restart_pod` needs the namespace and
/// the pod, the other actions need the namespace and a workload of a kind that can do it.
pub fn propose(rules: &[Rule], anomaly: &Arc<Anomaly>, now: Timestamp) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.asks_on(anomaly)) {
        let Some(target) = target_of(rule.action, &anomaly.resource) else {
            continue;
        };
        let id = id_of(anomaly, rule.action, &target);
        if proposals.iter().any(|earlier| earlier.id == id) {
            continue;
        }
        proposals.push(Proposal {
            id,
            anomaly: Arc::clone(anomaly),
            action: rule.action,
            reason: reason_of(rule, anomaly),
            rule: rule.name.clone(),
            expires_at: now.plus(rule.ttl),
            target,
        });
    }
    proposals
}

/// `None` where the resource does not name, in full, what `action` needs.
fn target_of(action: ActionKind, resource: &Resource) -> Option<Target> {
    let named = |key: &str| resource.get(key).filter(|value| is_object_name(value));
    let workload = resource
        .workload()
        .filter(|(_, name)| is_object_name(name))
        .map(|(kind, name)| (kind, name.into()));
    let pod = named("k8s.pod.name");
    let is_named = match (action, &workload) {
        (ActionKind::RestartPod, _) => pod.is_some(),
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
fn is_object_name(text: &str) -> bool {
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

/// A finished Job has nothing to restart, and a DaemonSet has no replicas to add.
fn can_do(workload_kind: &str, action: ActionKind) -> bool {
    match action {
        ActionKind::RestartPod => true,
        ActionKind::RestartWorkload | ActionKind::RollBack => {
            matches!(workload_kind, "Deployment" | "StatefulSet" | "DaemonSet")
        }
        ActionKind::Scale => matches!(workload_kind, "Deployment" | "StatefulSet"),
    }
}

fn id_of(anomaly: &Anomaly, action: ActionKind, target: &Target) -> Box<str> {
    let (workload_kind, workload) = match &target.workload {
        Some((kind, name)) => (*kind, name.as_ref()),
        None => ("", ""),
    };
    let parts = [
        anomaly.id.as_ref(),
        action.name(),
        &target.namespace,
        workload_kind,
        workload,
        target.pod.as_deref().unwrap_or_default(),
        target.pod_uid.as_deref().unwrap_or_default(),
    ];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut id = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id.into()
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
mod tests {
    use super::*;
    use crate::core::event::{Class, Explanation, Observed};
    use crate::core::record::{Severity, StreamKey};

    const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);
    const POD: [(&str, &str); 4] = [
        ("k8s.namespace.name", "shop"),
        ("k8s.deployment.name", "cart"),
        ("k8s.pod.name", "cart-7d9f-x2l"),
        ("k8s.pod.uid", "5ee0c7d8-9f0e-4d53-9f6e-000000000001"),
    ];

    fn rule(action: ActionKind) -> Rule {
        Rule {
            name: "cart".into(),
            action,
            kinds: vec![],
            services: vec![],
            score_min: 0.9,
            ttl: Rule::TTL_DEFAULT,
        }
    }

    fn anomaly(attributes: &[(&str, &str)]) -> Arc<Anomaly> {
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
        let found = propose(&[rule(ActionKind::RestartPod)], &anomaly(&POD), NOW);
        let [proposal] = found.as_slice() else {
            panic!("one proposal, not {found:?}")
        };
        assert_eq!(proposal.target.namespace.as_ref(), "shop");
        assert_eq!(proposal.target.pod.as_deref(), Some("cart-7d9f-x2l"));
        assert_eq!(proposal.expires_at.since(NOW), Duration::from_secs(900));
        assert_eq!(proposal.id.len(), 32);
        assert_eq!(
            proposal.reason.as_ref(),
            "cart left the order its records normally come in (score 0.970), which rule cart \
             answers with this action"
        );
    }

    #[test]
    fn a_target_that_the_resource_does_not_name_in_full_is_never_guessed() {
        for missing in ["k8s.namespace.name", "k8s.pod.name"] {
            let rest: Vec<_> = POD.into_iter().filter(|(key, _)| *key != missing).collect();
            assert_eq!(
                propose(&[rule(ActionKind::RestartPod)], &anomaly(&rest), NOW),
                []
            );
        }
        for action in [
            ActionKind::RestartWorkload,
            ActionKind::Scale,
            ActionKind::RollBack,
        ] {
            let no_workload = [POD[0], POD[2]];
            assert_eq!(propose(&[rule(action)], &anomaly(&no_workload), NOW), []);
            assert_eq!(propose(&[rule(action)], &anomaly(&POD), NOW).len(), 1);
        }
        for bad in ["", "*", "all pods", "../kube-system", "Cart", "-a"] {
            let mut attributes = POD;
            attributes[0].1 = bad;
            assert_eq!(
                propose(&[rule(ActionKind::Scale)], &anomaly(&attributes), NOW),
                [],
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_workload_that_cannot_do_the_action_is_not_asked_to() {
        let job = [POD[0], ("k8s.job.name", "migrate")];
        assert_eq!(
            propose(&[rule(ActionKind::RollBack)], &anomaly(&job), NOW),
            []
        );
        let daemon = [POD[0], ("k8s.daemonset.name", "agent")];
        assert_eq!(
            propose(&[rule(ActionKind::Scale)], &anomaly(&daemon), NOW),
            []
        );
    }

    #[test]
    fn a_rule_asks_only_for_its_services_kinds_and_scores() {
        let ask = |change: fn(&mut Rule)| {
            let mut rule = rule(ActionKind::RestartPod);
            change(&mut rule);
            propose(&[rule], &anomaly(&POD), NOW).len()
        };
        assert_eq!(ask(|rule| rule.services = vec!["cart".into()]), 1);
        assert_eq!(ask(|rule| rule.services = vec!["car".into()]), 0);
        assert_eq!(ask(|rule| rule.kinds = vec![AnomalyKind::NewTemplate]), 0);
        assert_eq!(ask(|rule| rule.score_min = 0.98), 0);
        assert_eq!(ask(|rule| rule.score_min = 0.97), 1);
    }

    #[test]
    fn the_same_input_gives_the_same_id_and_two_rules_do_not_ask_twice() {
        let mut other = rule(ActionKind::RestartPod);
        other.name = "again".into();
        let rules = [
            rule(ActionKind::RestartPod),
            other,
            rule(ActionKind::RestartWorkload),
        ];
        let first = propose(&rules, &anomaly(&POD), NOW);
        assert_eq!(first.len(), 2);
        assert_eq!(first[0].rule.as_ref(), "cart");
        assert_ne!(first[0].id, first[1].id);
        let later = propose(&rules, &anomaly(&POD), NOW.plus(Duration::from_secs(5)));
        assert_eq!(first[0].id, later[0].id);
    }

    #[test]
    fn what_the_log_says_does_not_reach_target_or_reason() {
        for proposal in propose(&[rule(ActionKind::RestartPod)], &anomaly(&POD), NOW) {
            let said = format!("{:?} {}", proposal.target, proposal.reason);
            assert!(!said.contains("victim") && !said.contains("kube-system"));
        }
    }
}
