//! Which incidents and which actions are asked for.

use std::sync::Arc;

use crate::core::event::{Action, ActionState, Incident, IncidentState};
use crate::core::record::Timestamp;

/// Which incidents are asked for; they come newest first, by when they were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentQuery {
    /// In one of these states; none is any.
    pub states: Vec<IncidentState>,
    /// With this service among its parts: its name, or its whole key (`prod/shop/cart`).
    pub service: Option<Box<str>>,
    /// Of this team.
    pub team: Option<Box<str>>,
    /// With a sign at this time or later.
    pub since: Option<Timestamp>,
    /// After this one in the order of the answer: when it was opened, and its id.
    pub after: Option<(Timestamp, Box<str>)>,
    /// Most incidents to be given.
    pub limit: usize,
}

impl IncidentQuery {
    /// Most incidents of one answer.
    pub const LIMIT_MAX: usize = 500;

    /// Whether only incidents that go on are asked for.
    pub fn is_of_live(&self) -> bool {
        let is_live = |state: &IncidentState| {
            matches!(state, IncidentState::Open | IncidentState::Acknowledged)
        };
        !self.states.is_empty() && self.states.iter().all(is_live)
    }

    /// Whether `incident` is one of those that are asked for, whatever the place in the order.
    pub fn matches(&self, incident: &Incident) -> bool {
        let is_of = |name: &str| {
            let mut parts = incident.parts.iter().map(|part| &part.stream);
            parts.any(|stream| *stream.name == *name || stream.to_string() == name)
        };
        (self.states.is_empty() || self.states.contains(&incident.state))
            && self.service.as_deref().is_none_or(is_of)
            && (self.team.is_none() || self.team == incident.route.team)
            && self.since.is_none_or(|since| incident.last_seen >= since)
    }

    /// Of `incidents` those that are asked for, newest first, at most `limit`.
    pub fn select<'a>(
        &self,
        incidents: impl IntoIterator<Item = &'a Arc<Incident>>,
    ) -> Vec<Arc<Incident>> {
        let place = |incident: &Incident| (incident.detected, incident.id.clone());
        let is_after = |incident: &Incident| {
            let after = self.after.as_ref();
            after.is_none_or(|after| place(incident) < *after)
        };
        let mut chosen: Vec<Arc<Incident>> = incidents
            .into_iter()
            .filter(|incident| self.matches(incident) && is_after(incident))
            .cloned()
            .collect();
        chosen.sort_by_cached_key(|incident| std::cmp::Reverse(place(incident)));
        chosen.truncate(self.limit);
        chosen
    }
}

/// Which actions are asked for; they come newest first, by when they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionQuery {
    /// In one of these states; none is any.
    pub states: Vec<ActionState>,
    /// For the incident whose id begins so.
    pub incident: Option<Box<str>>,
    /// Of this service: its name, or its whole key (`prod/shop/cart`).
    pub service: Option<Box<str>>,
    /// With a step at this time or later.
    pub since: Option<Timestamp>,
    /// After this one in the order of the answer: when it was asked for, and its id.
    pub after: Option<(Timestamp, Box<str>)>,
    /// Most actions to be given.
    pub limit: usize,
}

impl ActionQuery {
    /// Most actions of one answer.
    pub const LIMIT_MAX: usize = 500;

    /// Whether only actions that are not over are asked for.
    pub fn is_of_open(&self) -> bool {
        !self.states.is_empty() && !self.states.iter().any(|state| state.is_over())
    }

    /// Whether `action` is one of those that are asked for, whatever the place in the order.
    pub fn matches(&self, action: &Action) -> bool {
        let (stream, last) = (&action.stream, action.steps.last());
        let is_of = |name: &str| *stream.name == *name || stream.to_string() == name;
        let is_for = |prefix: &str| {
            let incident = action.incident.as_deref();
            incident.is_some_and(|id| id.starts_with(prefix))
        };
        let at = last.map_or(action.asked_at, |step| step.at);
        (self.states.is_empty() || self.states.contains(&action.state))
            && self.incident.as_deref().is_none_or(is_for)
            && self.service.as_deref().is_none_or(is_of)
            && self.since.is_none_or(|since| at >= since)
    }

    /// Of `actions` those that are asked for, newest first, at most `limit`.
    pub fn select<'a>(
        &self,
        actions: impl IntoIterator<Item = &'a Arc<Action>>,
    ) -> Vec<Arc<Action>> {
        let place = |action: &Action| (action.asked_at, action.id.clone());
        let is_after = |action: &Action| {
            let after = self.after.as_ref();
            after.is_none_or(|after| place(action) < *after)
        };
        let mut chosen: Vec<Arc<Action>> = actions
            .into_iter()
            .filter(|action| self.matches(action) && is_after(action))
            .cloned()
            .collect();
        chosen.sort_by_cached_key(|action| std::cmp::Reverse(place(action)));
        chosen.truncate(self.limit);
        chosen
    }
}
