//! Whether it may be touched at all: the rule, the switch, the target and the label.

use std::time::Duration;

use super::{Says, needs_person, pass, span, stop, unknown, unread};
use crate::core::event::{Mode, Remedy, Target};
use crate::core::remedy::ask::is_object_name;
use crate::core::remedy::case::{Case, Reach};
use crate::core::remedy::facts::{Facts, PodFacts, WorkloadFacts};

/// How far ahead of ours a clock may be before what it says is not believed.
const SKEW_MAX: Duration = Duration::from_secs(60);

/// The rule is still there, asks for the same, and may still go as far.
pub(super) fn rule(case: &Case<'_>) -> Option<Says> {
    let (name, mode) = (&case.action.rule, case.action.mode);
    let Some(rule) = case.rule else {
        return Some(stop(format!("rule {name} is not there any more")));
    };
    Some(if rule.remedy != case.action.remedy {
        stop(format!("rule {name} asks for something else since"))
    } else if rule.mode >= mode {
        pass(format!("rule {name} asks for it"))
    } else if mode == Mode::Auto && rule.mode == Mode::Approve {
        needs_person(format!("rule {name} is set to approve since"))
    } else {
        let mode = rule.mode.name();
        stop(format!("rule {name} is set to {mode} since"))
    })
}

/// The action's time is not up. A clock that was put back does not give it more.
pub(super) fn in_time(case: &Case<'_>) -> Option<Says> {
    let (asked, expires, now) = (case.action.asked_at, case.action.expires_at, case.now);
    Some(if now > expires {
        let late = span(now.since(expires));
        stop(format!("its time was up {late} ago"))
    } else if asked > now.plus(SKEW_MAX) {
        let ahead = span(asked.since(now));
        stop(format!(
            "it was asked for {ahead} from now: the clock was put back"
        ))
    } else {
        pass(format!("its time is up in {}", span(expires.since(now))))
    })
}

/// Nobody has stopped all actions.
pub(super) fn switch(case: &Case<'_>) -> Option<Says> {
    Some(match &case.world.stopped {
        Some(why) => stop(format!("all actions are stopped: {why}")),
        None => pass("actions are not stopped"),
    })
}

/// The namespace is not one that is never touched.
pub(super) fn forbidden_namespace(case: &Case<'_>) -> Option<Says> {
    let namespace = &case.action.target.namespace;
    let limits = case.limits;
    Some(if namespace.starts_with("kube-") {
        stop(format!("{namespace} belongs to Kubernetes itself"))
    } else if limits.own_namespace.as_ref() == Some(namespace) {
        stop(format!("knothole itself runs in {namespace}"))
    } else if limits.deny_namespaces.contains(namespace) {
        stop(format!("{namespace} is never to be touched"))
    } else {
        pass(format!("{namespace} may be touched"))
    })
}

/// The cluster was read, and lately.
pub(super) fn read(case: &Case<'_>) -> Option<Says> {
    let Some(facts) = case.facts else {
        return Some(unread(case, "how things stand there"));
    };
    let (age, most) = (case.now.since(facts.at), case.limits.facts_age_max);
    Some(if age > most || facts.at > case.now.plus(SKEW_MAX) {
        unknown("the cluster was not read lately")
    } else {
        pass(format!("the cluster was read {} ago", span(age)))
    })
}

/// What was read is what the records name, and is there.
pub(super) fn target(case: &Case<'_>) -> Option<Says> {
    let target = &case.action.target;
    if let Some(missing) = missing(target, case.reach()) {
        return Some(stop(missing));
    }
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether the target is there"));
    };
    // A rollout is read by the name that the rule says, whoever has the pod.
    if case.reach() != Reach::Rollout
        && let Some(why) = stranger(target, facts)
    {
        return Some(stop(why));
    }
    Some(match case.reach() {
        Reach::Pod => pod(target, facts.pod.as_ref()),
        Reach::Workload | Reach::Argo => workload(target, facts.workload.as_ref()),
        Reach::Rollout => rollout(case, facts.workload.as_ref()),
        Reach::Route => match &facts.route {
            None => stop("there is no such route"),
            Some(it) if it.object.namespace != target.namespace => {
                stop("the route that was read is in another namespace")
            }
            Some(_) => pass("the route is there"),
        },
        Reach::Elsewhere => pass(format!("{target} is named")),
    })
}

/// Why a target is not one thing with a name: nobody may read it as "all".
fn missing(target: &Target, reach: Reach) -> Option<String> {
    let named = |name: &str| is_object_name(name);
    let pod = target.pod.as_deref().is_some_and(named);
    let workload = target.workload.as_ref().map(|(_, name)| named(name));
    if !named(&target.namespace) {
        Some("no namespace is named".to_owned())
    } else if workload == Some(false) || (target.pod.is_some() && !pod) {
        Some("a name is no name of an object".to_owned())
    } else {
        let is_named = match reach {
            Reach::Pod => pod,
            Reach::Workload | Reach::Rollout | Reach::Route | Reach::Argo => workload.is_some(),
            Reach::Elsewhere => pod || workload.is_some(),
        };
        (!is_named).then(|| "neither a pod nor a workload is named".to_owned())
    }
}

/// The pod that the records name belongs to another workload than the one they name: one of the two is
/// somebody else's.
fn stranger(target: &Target, facts: &Facts) -> Option<String> {
    let (kind, name) = target.workload.as_ref()?;
    let (pod, workload) = (facts.pod.as_ref()?, facts.workload.as_ref()?);
    (!is_named(workload, (kind, name))).then(|| {
        let (pod, owner) = (&pod.object.name, &workload.object);
        format!(
            "pod {pod} belongs to {}/{}, not to {kind}/{name}",
            owner.kind, owner.name
        )
    })
}

/// Senders that guess the Deployment from the name of the ReplicaSet call a Rollout so.
fn is_named(workload: &WorkloadFacts, (kind, name): (&str, &str)) -> bool {
    let object = &workload.object;
    let is_kind = *object.kind == *kind || (*object.kind == *"Rollout" && kind == "Deployment");
    is_kind && *object.name == *name
}

fn pod(target: &Target, pod: Option<&PodFacts>) -> Says {
    let Some(pod) = pod else {
        return stop("the pod is gone");
    };
    let name = &pod.object.name;
    if pod.object.namespace != target.namespace || target.pod.as_ref() != Some(name) {
        stop(format!("pod {name} was read, which is not the one named"))
    } else if target
        .pod_uid
        .as_ref()
        .is_some_and(|uid| *uid != pod.object.uid)
    {
        stop(format!(
            "pod {name} is another one of the same name since: its uid differs"
        ))
    } else if pod.object.uid.is_empty() {
        unknown(format!("pod {name} was read without its uid"))
    } else if pod.is_deleting {
        stop(format!("pod {name} is being deleted already"))
    } else {
        pass(format!("pod {name} is there"))
    }
}

fn workload(target: &Target, workload: Option<&WorkloadFacts>) -> Says {
    let Some(workload) = workload else {
        return stop(format!("{target} is gone"));
    };
    let object = &workload.object;
    let is_named = target
        .workload
        .as_ref()
        .is_some_and(|(kind, name)| is_named(workload, (kind, name)));
    let (kind, name) = (&object.kind, &object.name);
    if object.namespace != target.namespace || !is_named {
        stop(format!(
            "{kind}/{name} was read, which is not the one named"
        ))
    } else if object.uid.is_empty() {
        unknown(format!("{kind}/{name} was read without its uid"))
    } else if workload.is_deleting {
        stop(format!("{kind}/{name} is being deleted"))
    } else {
        pass(format!("{kind}/{name} is there"))
    }
}

/// The rollout is the one that the rule names. Where the records name a workload of another name, a person
/// says whether it is theirs.
fn rollout(case: &Case<'_>, rollout: Option<&WorkloadFacts>) -> Says {
    let (target, named) = (&case.action.target, &case.action.remedy);
    let Some(object) = rollout.map(|it| &it.object) else {
        return stop("there is no such rollout");
    };
    let is_named = matches!(named, Remedy::AbortRollout { rollout } if *rollout == object.name);
    let name = &object.name;
    if *object.kind != *"Rollout" || object.namespace != target.namespace || !is_named {
        stop(format!(
            "{}/{name} was read, which is not the one named",
            object.kind
        ))
    } else if object.uid.is_empty() {
        unknown(format!("rollout {name} was read without its uid"))
    } else if target.workload.as_ref().is_some_and(|it| it.1 == *name) {
        pass(format!("rollout {name} is there"))
    } else {
        needs_person(format!(
            "nothing says that rollout {name} is that of {target}"
        ))
    }
}

/// The namespace is there and not being deleted.
pub(super) fn namespace(case: &Case<'_>) -> Option<Says> {
    let name = &case.action.target.namespace;
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether the namespace is there"));
    };
    Some(match &facts.namespace {
        // It may be one of another cluster, of which the other system knows.
        None if case.reach() == Reach::Elsewhere => {
            needs_person(format!("there is no namespace {name} in this cluster"))
        }
        None => stop(format!("there is no namespace {name}")),
        Some(it) if it.name != *name => stop(format!("namespace {} was read instead", it.name)),
        Some(it) if it.is_terminating => stop(format!("namespace {name} is being deleted")),
        Some(_) => pass(format!("namespace {name} is there")),
    })
}

/// A label lets the namespace or the workload be touched. One with another value forbids it: on the workload
/// or the pod whatever the namespace says. What another system does may be proposed without a label.
pub(super) fn opted_in(case: &Case<'_>) -> Option<Says> {
    let Some(facts) = case.facts else {
        return Some(unread(case, "whether the owner lets it be touched"));
    };
    let (key, value) = &case.limits.label;
    let of = |labels: &[(Box<str>, Box<str>)]| {
        let mut found = labels.iter().filter(|(name, _)| name == key);
        found.next().map(|(_, said)| said == value)
    };
    let namespace = facts.namespace.as_ref().and_then(|it| of(&it.labels));
    let workload = facts.workload.as_ref().and_then(|it| of(&it.labels));
    let pod = facts.pod.as_ref().and_then(|it| of(&it.labels));
    let target = &case.action.target;
    Some(if workload == Some(false) || pod == Some(false) {
        stop(format!("{target} is labelled {key} with another value"))
    } else if workload == Some(true) {
        pass(format!("{target} is labelled {key}={value}"))
    } else if namespace == Some(true) {
        let name = &target.namespace;
        pass(format!("namespace {name} is labelled {key}={value}"))
    } else if namespace == Some(false) {
        let name = &target.namespace;
        stop(format!(
            "namespace {name} is labelled {key} with another value"
        ))
    } else {
        let why = format!("neither the namespace nor the workload is labelled {key}={value}");
        match case.reach() {
            Reach::Elsewhere => needs_person(why),
            Reach::Pod | Reach::Workload | Reach::Rollout | Reach::Route | Reach::Argo => stop(why),
        }
    })
}
