//! In what a plan differs from one that somebody saw before.

use std::collections::VecDeque;

use crate::core::event::{Object, Plan};

/// So many differences are told.
const TOLD_MAX: usize = 4;

/// In what `present` is another than the plan with the hash `seen`, one of `former`.
pub(super) fn changed(former: &VecDeque<Plan>, present: &Plan, seen: &str) -> String {
    if seen.is_empty() {
        return "an approval names the plan that it is for".to_owned();
    }
    match former.iter().find(|plan| *plan.hash == *seen) {
        Some(was) => told(&differences(was, present)),
        None => "nothing is known of a plan with that hash".to_owned(),
    }
}

fn told(differences: &[String]) -> String {
    match differences {
        [] => "it was looked at again".to_owned(),
        few => few
            .get(..TOLD_MAX)
            .map_or_else(|| few.join("; "), |first| first.join("; ")),
    }
}

fn differences(was: &Plan, is: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    match (&was.subject, &is.subject) {
        (Some(was), Some(is)) => found.extend(of_object(was, is)),
        (None, None) => {}
        (None, Some(_)) => found.push("it is known what is acted on".to_owned()),
        (Some(_), None) => found.push("it is not known what is acted on any more".to_owned()),
    }
    let (before, now) = (was.requests.len(), is.requests.len());
    if before != now {
        found.push(format!("{now} requests are sent, {before} were to be"));
    }
    let both = was.requests.iter().zip(&is.requests);
    for (number, (was, is)) in both.enumerate() {
        let number = number + 1;
        if (was.system, &was.method, &was.path) != (is.system, &is.method, &is.path) {
            found.push(format!("request {number} goes elsewhere"));
        } else if (&was.content_type, &was.body) != (&is.content_type, &is.body) {
            found.push(format!("request {number} has another body"));
        }
    }
    found
}

fn of_object(was: &Object, is: &Object) -> Option<String> {
    let (kind, name) = (&is.kind, &is.name);
    if (&was.kind, &was.namespace, &was.name) != (kind, &is.namespace, name) {
        let (old_kind, old) = (&was.kind, &was.name);
        return Some(format!(
            "it is done to {kind} {name}, it was {old_kind} {old}"
        ));
    }
    if was.uid != is.uid {
        return Some(format!("{kind} {name} was made anew"));
    }
    (was.generation != is.generation).then(|| {
        let (before, now) = (was.generation, is.generation);
        format!("{kind} {name} was changed meanwhile (generation {before}, now {now})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::{Request, System};
    use crate::core::record::Timestamp;

    fn plan(hash: &str, generation: i64, body: &str) -> Plan {
        Plan {
            hash: hash.into(),
            subject: Some(Object {
                kind: "Deployment".into(),
                namespace: "shop".into(),
                name: "cart".into(),
                uid: "5ee0c7d8".into(),
                generation,
            }),
            claims: None,
            requests: vec![Request {
                system: System::Kubernetes,
                method: "PATCH".into(),
                path: "/apis/apps/v1/namespaces/shop/deployments/cart".into(),
                content_type: "application/json-patch+json".into(),
                body: body.into(),
            }],
            undo: Vec::new(),
            checks: Vec::new(),
            at: Timestamp::ZERO,
        }
    }

    fn says(was: &Plan, is: &Plan) -> String {
        changed(&VecDeque::from([was.clone()]), is, &was.hash)
    }

    #[test]
    fn what_changed_since_it_was_seen_is_said() {
        let was = plan("a1", 7, "{}");
        assert_eq!(
            says(&was, &plan("b2", 8, "[]")),
            "Deployment cart was changed meanwhile (generation 7, now 8); request 1 has another body"
        );
        let mut anew = plan("b2", 1, "{}");
        anew.subject.as_mut().unwrap().uid = "0b1c".into();
        assert_eq!(says(&was, &anew), "Deployment cart was made anew");
        let mut elsewhere = plan("b2", 7, "{}");
        elsewhere.requests[0].path = "/x".into();
        assert_eq!(says(&was, &elsewhere), "request 1 goes elsewhere");
        let mut more = plan("b2", 7, "{}");
        more.requests.push(more.requests[0].clone());
        assert_eq!(says(&was, &more), "2 requests are sent, 1 were to be");
    }

    #[test]
    fn a_plan_that_nobody_made_is_told_from_one_that_was_there() {
        let is = plan("b2", 8, "[]");
        let none = VecDeque::new();
        assert!(changed(&none, &is, "").contains("names the plan"));
        assert!(changed(&none, &is, "0123").contains("nothing is known"));
    }
}
