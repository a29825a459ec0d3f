//! Which incidents a sink hears of.

use std::collections::VecDeque;

use crate::core::event::{Incident, IncidentEvent};
use crate::core::record::Timestamp;

/// How many incidents are remembered to have been told.
const TOLD_MAX: usize = 10_000;

/// A sink that hears only of incidents that page also hears what becomes of those, whether they
/// page then or not.
#[derive(Debug)]
pub(super) struct Audience {
    pages_only: bool,
    since: Timestamp,
    /// The oldest first.
    told: VecDeque<Box<str>>,
}

impl Audience {
    /// Nothing told yet at `since`.
    pub(super) fn new(pages_only: bool, since: Timestamp) -> Self {
        Self {
            pages_only,
            since,
            told: VecDeque::new(),
        }
    }

    /// Whether it hears of `event`.
    pub(super) fn hears(&mut self, event: &IncidentEvent) -> bool {
        let incident = &event.incident;
        if !self.pages_only {
            return true;
        }
        let place = self.told.iter().position(|id| *id == incident.id);
        if !incident.is_live() {
            // It may come back, and then has to page anew.
            let was_told = place.and_then(|at| self.told.remove(at)).is_some();
            return was_told || self.may_have_been_told(incident);
        }
        if place.is_none() && incident.route.pages {
            self.remember(incident);
        }
        place.is_some() || incident.route.pages
    }

    /// Was told of `incident` before the sink was started.
    pub(super) fn restore(&mut self, incident: &Incident) -> bool {
        let was_told = !self.pages_only || incident.route.pages;
        if was_told && self.pages_only {
            self.remember(incident);
        }
        was_told
    }

    /// What has paged and was silenced then does not say any more that it paged. Whoever was woken
    /// before this sink was started hears the end of it all the same; to others it says nothing.
    fn may_have_been_told(&self, incident: &Incident) -> bool {
        incident.route.muted_by.is_some() && incident.detected < self.since
    }

    /// Whether it hears only of incidents that page.
    pub(super) const fn pages_only(&self) -> bool {
        self.pages_only
    }

    fn remember(&mut self, incident: &Incident) {
        if self.told.contains(&incident.id) {
            return;
        }
        if self.told.len() >= TOLD_MAX {
            self.told.pop_front();
        }
        self.told.push_back(incident.id.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::event::{IncidentState, Stage};
    use crate::edge::notify::sample;

    const SINCE: Timestamp = Timestamp::from_millis(1_763_700_000_000);

    fn event(stage: Stage, pages: bool) -> IncidentEvent {
        let mut incident = sample::incident();
        incident.route.pages = pages;
        incident.state = match stage {
            Stage::Resolved => IncidentState::Resolved,
            _ => IncidentState::Open,
        };
        IncidentEvent {
            stage,
            incident: Arc::new(incident),
            ..sample::opened()
        }
    }

    #[test]
    fn who_hears_of_pages_only_hears_of_no_other_incident_but_of_each_page_to_its_end() {
        let mut audience = Audience::new(true, SINCE);
        assert!(!audience.hears(&event(Stage::Opened, false)));
        assert!(
            !audience.hears(&event(Stage::Resolved, false)),
            "nobody was told it began"
        );
        assert!(!audience.hears(&event(Stage::Opened, false)));
        assert!(audience.hears(&event(Stage::Updated, true)), "it pages now");
        assert!(audience.hears(&event(Stage::Updated, false)));
        assert!(audience.hears(&event(Stage::Resolved, false)));
        assert!(!audience.hears(&event(Stage::Updated, false)), "it is over");
        assert!(Audience::new(false, SINCE).hears(&event(Stage::Opened, false)));
    }

    #[test]
    fn after_a_restart_the_end_is_heard_of_what_was_told_before() {
        let mut audience = Audience::new(true, SINCE);
        let mut before = sample::incident();
        before.route.pages = true;
        assert!(audience.restore(&before) && audience.restore(&before));
        assert!(audience.hears(&event(Stage::Resolved, false)));
        assert!(!audience.hears(&event(Stage::Updated, false)), "it is over");
    }

    #[test]
    fn who_was_woken_hears_the_end_also_if_it_was_silenced_before_a_restart() {
        let mut told = event(Stage::Resolved, false);
        let incident = Arc::make_mut(&mut told.incident);
        incident.route.muted_by = Some("a silence of ana".into());
        incident.detected = SINCE.minus(std::time::Duration::from_secs(1));
        let later = SINCE.minus(std::time::Duration::from_secs(60));
        assert!(Audience::new(true, SINCE).hears(&told));
        assert!(
            !Audience::new(true, later).hears(&told),
            "it began after that"
        );
        Arc::make_mut(&mut told.incident).route.muted_by = None;
        assert!(!Audience::new(true, SINCE).hears(&told), "it never paged");
    }

    #[test]
    fn however_many_there_are_only_so_many_are_remembered() {
        let mut audience = Audience::new(true, SINCE);
        let mut incident = sample::incident();
        incident.route.pages = true;
        for n in 0..TOLD_MAX + 10 {
            incident.id = n.to_string().into();
            audience.restore(&incident);
        }
        assert_eq!(audience.told.len(), TOLD_MAX);
    }
}
