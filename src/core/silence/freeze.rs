//! Windows in which nothing is done about trouble.

use super::{Silences, Subject};
use crate::core::event::Action;
use crate::core::record::{Resource, StreamKey, Timestamp};

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
