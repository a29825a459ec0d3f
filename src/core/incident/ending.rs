//! Cases end, come back, and become part of the past.

use std::time::Duration;

use super::case::Case;
use super::clock::Moment;
use super::correlator::Correlator;
use super::past::Over;
use crate::core::event::{IncidentState, Mark, Stage};

impl Correlator {
    pub(super) fn quiet_for(&self, case: &Case) -> Duration {
        let factor = 1_u32.checked_shl(case.returns).unwrap_or(u32::MAX);
        let doubled = self.settings.quiet_for.saturating_mul(factor);
        doubled.min(self.settings.quiet_for_max.max(self.settings.quiet_for))
    }

    /// When a case is over, if no sign comes any more.
    pub(super) fn ends(&self, case: &Case) -> Moment {
        if case.is_rest {
            case.opened.plus(Self::REST_LASTS)
        } else {
            case.heard.plus(self.quiet_for(case))
        }
    }

    pub(super) fn end(&mut self, key: u64, state: IncidentState, mark: Mark) {
        let now = self.clock.now().moment;
        if let Some(case) = self.cases.get_mut(&key) {
            case.state = state;
            case.ended = Some((now, mark));
            self.places.leave(key, case);
        }
        self.tell(
            key,
            match state {
                IncidentState::Accepted => Stage::Accepted,
                _ => Stage::Resolved,
            },
        );
    }

    pub(super) fn open_again(&mut self, key: u64) {
        let Some(case) = self.cases.get_mut(&key) else {
            return;
        };
        case.state = match case.acknowledged {
            Some(_) => IncidentState::Acknowledged,
            None => IncidentState::Open,
        };
        case.ended = None;
        case.returns = case.returns.saturating_add(1);
        self.places.enter_all(key, case);
        self.tell(key, Stage::Updated);
    }

    /// A case that is over for so long that it cannot come back.
    pub(super) fn bury(&mut self, key: u64) {
        let Some(case) = self.cases.get(&key) else {
            return;
        };
        // What became part of another incident was not a trouble of its own.
        let is_own = !case.keys.is_empty() && !case.is_rest;
        if let Some(told) = case.told.as_ref().filter(|_| is_own) {
            self.past.learn(&Over {
                fingerprint: &told.fingerprint,
                began: case.began,
                lasted: case.lasted(),
                done: &case.what_helped(),
            });
        }
        if let Some(case) = self.cases.remove(&key) {
            self.places.leave(key, &case);
        }
    }

    pub(super) fn ourselves(&self, note: Option<String>) -> Mark {
        Mark {
            at: self.clock.now().time,
            by: Self::OURSELVES.into(),
            note: note.map(Into::into),
        }
    }
}
