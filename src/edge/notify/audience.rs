//! Which incidents a sink hears of.

use std::collections::VecDeque;

use crate::core::event::{Incident, IncidentEvent};

/// How many incidents are remembered to have been told.
const TOLD_MAX: usize = 10_000;

/// A sink that hears only of incidents that page also hears what becomes of those, whether they
/// page then or not.
#[derive(Debug)]
pub(super) struct Audience {
    pages_only: bool,
    /// The oldest first.
    told: VecDeque<Box<str>>,
}

impl Audience {
    /// Nothing told yet.
    pub(super) fn new(pages_only: bool) -> Self {
        Self {
            pages_only,
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
            return place.and_then(|at| self.told.remove(at)).is_some();
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

    fn remember(&mut self, incident: &Incident) {
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
        let mut audience = Audience::new(true);
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
        assert!(Audience::new(false).hears(&event(Stage::Opened, false)));
    }

    #[test]
    fn after_a_restart_the_end_is_heard_of_what_was_told_before() {
        let mut audience = Audience::new(true);
        let mut before = sample::incident();
        before.route.pages = true;
        assert!(audience.restore(&before));
        assert!(audience.hears(&event(Stage::Resolved, false)));
    }

    #[test]
    fn however_many_there_are_only_so_many_are_remembered() {
        let mut audience = Audience::new(true);
        let mut incident = sample::incident();
        incident.route.pages = true;
        for n in 0..TOLD_MAX + 10 {
            incident.id = n.to_string().into();
            audience.restore(&incident);
        }
        assert_eq!(audience.told.len(), TOLD_MAX);
    }
}
