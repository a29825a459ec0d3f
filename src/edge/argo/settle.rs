//! Settling: whether something of which no answer came took place, by what Argo CD shows.

use std::time::Duration;

use super::operation::{Begun, OperationState, Ours, Shown};
use super::send::{Asked, Reading};
use super::wire::Argo;
use crate::core::event::Request;
use crate::core::record::Timestamp;
use crate::core::remedy::facts::Settlement;

/// How long after it was sent a request may still be under way somewhere. Nothing is said not to have taken
/// place before. The ledger asks for less than a minute, so that only where it was long before it noticed that no
/// answer came it still hears this; all else nobody can say.
pub(super) const GRACE: Duration = Duration::from_secs(50);
/// So much the clocks of Argo CD's cluster and ours may differ.
pub(super) const SKEW: Duration = Duration::from_secs(30);

/// Whether it took place, and why that is known.
pub(super) type Settled = (Settlement, Box<str>);

pub(super) fn unclear(why: impl Into<Box<str>>) -> Settled {
    (Settlement::Unclear, why.into())
}

impl Argo {
    /// Whether `request`, which was sent for the action `id` at `sent_at`, took place; and why that is known.
    /// That it did not is said only once it cannot be under way any more, and where nothing else happened to
    /// the application that may have taken its place in what Argo CD shows.
    pub async fn settle(
        &self,
        id: &str,
        request: &Request,
        sent_at: Timestamp,
        now: Timestamp,
    ) -> (Settlement, Box<str>) {
        let Some(reading) = Reading::of(request) else {
            return unclear("this is no request that Argo CD is sent");
        };
        let is_over = now.since(sent_at) >= GRACE;
        match reading.asked {
            Asked::Resource => self.settle_resource(request, sent_at, is_over).await,
            Asked::Sync | Asked::Rollback => {
                let from = sent_at.minus(SKEW);
                self.settle_operation(id, &reading, from, is_over).await
            }
        }
    }

    async fn settle_operation(
        &self,
        id: &str,
        reading: &Reading<'_>,
        from: Timestamp,
        is_over: bool,
    ) -> Settled {
        let username = match self.username().await {
            Ok(username) => Some(username),
            // A sync carries the id of its action.
            Err(_) if reading.asked == Asked::Sync => None,
            Err(why) => return unclear(why),
        };
        let ours = Ours {
            id,
            is_dry: false,
            back_to: reading.back_to,
            begun: username.map(|username| Begun { username, from }),
        };
        let found = match self.application(reading.application).await {
            Ok(Some(found)) => found,
            Ok(None) => return unclear("Argo CD knows no such application any more"),
            Err(why) => return unclear(why),
        };
        let done = |said: String| (Settlement::Done, said.into());
        match ours.shown(&found) {
            Some(Shown::Pending) => return done("Argo CD has taken it on".to_owned()),
            Some(Shown::Running(said)) => return done(format!("Argo CD carries it out: {said}")),
            Some(Shown::Over(said)) => return done(format!("Argo CD has carried it out: {said}")),
            None => {}
        }
        let latest = found.status.operation_state.as_ref();
        let is_quiet = found.operation.is_none() || latest.is_some_and(OperationState::is_running);
        let nothing_since = match latest {
            None => true,
            // One whose time cannot be read may be of any time.
            Some(latest) => latest.began().is_some_and(|began| began < from),
        };
        match (is_quiet && nothing_since, is_over) {
            (true, true) => (
                Settlement::NotDone,
                "no operation of the application has begun since".into(),
            ),
            (true, false) => unclear("Argo CD shows nothing of it yet"),
            (false, _) => unclear("another operation of the application has begun since"),
        }
    }
}
