//! Templates that were not seen before: how many, and how often they come again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tally::Tally;
use super::watched::Watched;
use crate::core::record::{TemplateId, Timestamp};

/// How long a template counts as new.
pub(super) const YOUTH: Duration = Duration::from_secs(1800);
/// What comes in the first buckets of a stream founds it and is not new.
pub(super) const FOUNDING_BUCKETS: u32 = 10;

/// One line of a kind that was never seen is nothing in a log that keeps bringing such; what counts
/// is how many kinds there are in a bucket, and how often they come again. How usual both are is
/// learned like any rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Young {
    /// First records of new templates.
    pub(super) births: Watched,
    /// Further records of young templates.
    pub(super) repeats: Watched,
    /// Which templates.
    templates: Tally,
}

impl Young {
    pub(super) fn new() -> Self {
        Self {
            births: Watched::new(None),
            repeats: Watched::new(None),
            templates: Tally::default(),
        }
    }

    /// A template came for the first time.
    pub(super) fn born(&mut self, template: TemplateId, time: Timestamp, place: u32) {
        self.births.hear(time, place, time);
        self.templates.add(template.0);
    }

    /// A young template came again.
    pub(super) fn again(&mut self, template: TemplateId, time: Timestamp, place: u32) {
        self.repeats.hear(time, place, time);
        self.templates.add(template.0);
    }

    /// The most frequent new templates of late.
    pub(super) fn templates(&self) -> Vec<(TemplateId, u32)> {
        let sorted = self.templates.sorted().into_iter();
        sorted.map(|(id, count)| (TemplateId(id), count)).collect()
    }

    /// Forgets which templates came, unless an episode lasts.
    pub(super) fn close(&mut self) {
        if !self.births.is_in_episode() && !self.repeats.is_in_episode() {
            self.templates.clear();
        }
    }
}
