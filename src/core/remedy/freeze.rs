//! Windows in which nothing is done.

use crate::core::event::Action;
use crate::core::record::{Resource, StreamKey, Timestamp};
use crate::core::silence::{Silences, Subject};

/// The labels that say nothing of what is acted on: a window that asks for one would never hold.
pub const FOREIGN_LABELS: [&str; 6] = [
    "team",
    "kind",
    "class",
    "severity",
    "template",
    "fingerprint",
];

/// The one of `windows` in which nothing is to be done to the target of `action`. `namespace` is both what
/// the service calls its own and that of the target. Where it is not known any more what the service said of
/// itself (after a restart), every window holds.
pub fn frozen(windows: &Silences, action: &Action, now: Timestamp) -> Option<Box<str>> {
    let Some(anomaly) = &action.anomaly else {
        return windows.open_window(now).map(|by| by.to_string().into());
    };
    let holds = |stream: &StreamKey, resource: &Resource| {
        let subject = Subject::of_stream(stream, resource, None);
        windows.verdict(&subject, now).muted_by
    };
    let target = StreamKey {
        namespace: action.target.namespace.clone(),
        ..action.stream.clone()
    };
    let by = holds(&action.stream, &anomaly.resource).or_else(|| holds(&target, &anomaly.resource));
    by.map(|by| by.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::Remedy;
    use crate::core::remedy::ask::tests::anomaly;
    use crate::core::remedy::check::fixture::Scene;
    use crate::core::silence::{Matcher, Mode, Schedule, Window};

    const NOW: Timestamp = Timestamp::from_millis(1_763_700_000_000);

    fn windows(matchers: &str) -> Silences {
        let matchers = Matcher::parse_all(matchers).unwrap();
        let (from, until) = (NOW.minus(HOUR), NOW.plus(HOUR));
        let always = Schedule::once(from, until).unwrap();
        let window = Window::new("release", matchers, always, Mode::Mute).unwrap();
        Silences::new([], vec![window])
    }

    const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

    fn action() -> Action {
        let mut action = Scene::healthy(Remedy::RestartPod).action;
        action.anomaly = Some(anomaly(&[("k8s.node.name", "n1")]));
        action.stream.namespace = "of-the-sender".into();
        action.target.namespace = "shop".into();
        action
    }

    #[test]
    fn a_window_holds_for_the_namespace_of_the_target_whatever_the_sender_calls_its_own() {
        let action = action();
        for held in [
            "namespace=shop",
            "namespace=of-the-sender",
            "namespace=shop, node=n1",
            "namespace!=of-the-sender",
        ] {
            assert!(frozen(&windows(held), &action, NOW).is_some(), "{held}");
        }
        for other in ["namespace=bank", "namespace=shop, node=n2"] {
            assert_eq!(frozen(&windows(other), &action, NOW), None, "{other}");
        }
    }

    #[test]
    fn what_is_not_known_any_more_is_frozen_by_every_window_that_is_open() {
        let action = Action {
            anomaly: None,
            ..action()
        };
        assert!(frozen(&windows("node=n2"), &action, NOW).is_some());
        let later = NOW.plus(HOUR);
        assert_eq!(frozen(&windows("node=n2"), &action, later), None);
    }
}
