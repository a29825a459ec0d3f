//! What a cluster answers → what came of it.

use std::time::Duration;

use http::StatusCode;

use super::error::KubeError;
use super::wire::{Fault, Reply};
use crate::core::remedy::facts::{Answer, Refused};

/// What the eviction of a pod with several disruption budgets is answered with, and never with anything else.
const SEVERAL_BUDGETS: &str = "more than one PodDisruptionBudget";

/// What came of a request that changes something.
pub(super) fn of_reply(reply: &Reply) -> Answer {
    let said = reply.said().into();
    let refused = match reply.status {
        status if status.is_success() => return Answer::Done(said),
        StatusCode::TOO_MANY_REQUESTS => Refused::NotNow(retry_after(reply)),
        StatusCode::UNAUTHORIZED => Refused::NotNow(None),
        StatusCode::NOT_FOUND | StatusCode::CONFLICT => Refused::Changed,
        // A `test` of a JSON patch that failed names no cause; a field with a bad value does.
        StatusCode::UNPROCESSABLE_ENTITY if has_causes(reply) => Refused::Never,
        StatusCode::UNPROCESSABLE_ENTITY => Refused::Changed,
        StatusCode::REQUEST_TIMEOUT => return Answer::Unknown(said),
        StatusCode::INTERNAL_SERVER_ERROR if has_several_budgets(reply) => Refused::Never,
        status if status.is_client_error() || status.is_redirection() => Refused::Never,
        _ => return Answer::Unknown(said),
    };
    Answer::Refused(refused, said)
}

/// What came of a request to which there is no answer.
pub(super) fn of_fault(fault: Fault) -> Answer {
    match fault {
        Fault::NotSent(why) => Answer::Refused(Refused::NotNow(None), why.into()),
        Fault::Lost(why) => Answer::Unknown(why.into()),
    }
}

/// What becomes of an action that could not be prepared: nothing of it was sent.
pub(super) fn of_error(error: &KubeError) -> Answer {
    let refused = match error {
        KubeError::Settings(_) | KubeError::Forbidden { .. } | KubeError::Name(_) => Refused::Never,
        // A token that has just run out is renewed by somebody else, and read anew.
        KubeError::Unauthenticated { .. }
        | KubeError::Unreachable { .. }
        | KubeError::Refused { .. }
        | KubeError::Malformed { .. }
        | KubeError::TooMany { .. } => Refused::NotNow(None),
    };
    Answer::Refused(refused, error.to_string().into())
}

/// The same of what came of a request that prepares.
pub(super) fn before(answer: Answer) -> Answer {
    match answer {
        Answer::Unknown(why) => Answer::Refused(Refused::NotNow(None), why),
        known @ (Answer::Done(_) | Answer::Refused(..)) => known,
    }
}

/// By the body or else by the header. A disruption budget that is used up says neither.
fn retry_after(reply: &Reply) -> Option<Duration> {
    let details = reply.as_status().details;
    let said = details.and_then(|it| it.retry_after_seconds);
    said.filter(|seconds| *seconds > 0)
        .map(Duration::from_secs)
        .or(reply.retry_after)
}

fn has_causes(reply: &Reply) -> bool {
    let details = reply.as_status().details;
    details
        .and_then(|it| it.causes)
        .is_some_and(|causes| !causes.is_empty())
}

fn has_several_budgets(reply: &Reply) -> bool {
    let message = reply.as_status().message;
    message.is_some_and(|it| it.contains(SEVERAL_BUDGETS))
}
