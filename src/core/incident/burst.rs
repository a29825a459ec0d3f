//! Surprising alerts of other systems that come close together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::{Moment, When};
use crate::core::event::Sign;
use crate::core::record::StreamKey;

/// Alerts of one service that come within this of each other have one cause.
const GAP: Duration = Duration::from_secs(6);
/// Those of different services: several watch one thing and see it within moments.
const TOGETHER: Duration = Duration::from_secs(2);
/// Then it is decided upon, whatever may still come.
const LENGTH_MAX: Duration = Duration::from_secs(11);

/// A burst of surprises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Burst {
    began: Moment,
    last: Moment,
    surprise: f64,
    services: BTreeSet<StreamKey>,
    /// All of them, also those that are not kept.
    pub(super) count: u64,
    pub(super) signs: Vec<(Arc<Sign>, When)>,
}

impl Burst {
    /// Most alerts that are kept of one.
    const SIGNS_MAX: usize = 64;
    /// Most services that are told apart.
    const SERVICES_MAX: usize = 64;

    /// A burst that begins at `now`.
    pub(super) const fn new(now: Moment) -> Self {
        Self {
            began: now,
            last: now,
            surprise: 0.0,
            services: BTreeSet::new(),
            count: 0,
            signs: Vec::new(),
        }
    }

    /// Takes an alert in that came at `now`, and is surprising by so much.
    pub(super) fn push(&mut self, sign: &Arc<Sign>, surprise: f64, (at, now): (When, Moment)) {
        self.last = now;
        self.surprise += surprise;
        self.count += 1;
        if self.services.len() < Self::SERVICES_MAX {
            self.services.insert(sign.stream.clone());
        }
        if self.signs.len() < Self::SIGNS_MAX {
            self.signs.push((Arc::clone(sign), at));
        }
    }

    /// Whether an alert of this service, at `now`, belongs to it.
    pub(super) fn takes(&self, stream: &StreamKey, now: Moment) -> bool {
        now < self.ends() && (self.services.contains(stream) || now.since(self.last) <= TOGETHER)
    }

    /// When it is over, if nothing more comes.
    pub(super) fn ends(&self) -> Moment {
        self.last.plus(GAP).min(self.began.plus(LENGTH_MAX))
    }

    /// When its first alert came.
    pub(super) const fn began(&self) -> Moment {
        self.began
    }

    /// When its latest alert came.
    pub(super) const fn last(&self) -> Moment {
        self.last
    }

    /// How surprising it is, in nats.
    pub(super) const fn surprise(&self) -> f64 {
        self.surprise
    }

    /// Where it came from.
    pub(super) const fn services(&self) -> &BTreeSet<StreamKey> {
        &self.services
    }

    /// Whether all of it came from one service.
    pub(super) fn is_of_one_service(&self) -> bool {
        self.services.len() == 1
    }
}
