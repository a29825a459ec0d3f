//! How things stand in a moment, as far as the incidents tell: for checks that ask whether the trouble goes
//! on, who says so too, and whether not everything is in trouble.

use super::case::World;
use super::rule::Limits;
use crate::core::event::{Action, Anomaly, Incident, Source};
use crate::core::record::{StreamKey, Timestamp};

/// An incident that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Its id.
    pub id: Box<str>,
    /// What stays the same when it comes back.
    pub fingerprint: Box<str>,
    /// The services that take part.
    pub services: Vec<StreamKey>,
    /// The ids of its signs, as far as they are kept.
    pub signs: Vec<Box<str>>,
    /// The services of which a span or a metric says so too, whatever was logged, and which of the two.
    pub measured: Vec<(StreamKey, Source)>,
}

impl Trouble {
    /// What was known of `incident` at `now`: who took part by then. `None` where it was not told yet, or
    /// was over.
    pub fn at(incident: &Incident, now: Timestamp) -> Option<Self> {
        let is_over = incident.ended.as_ref().is_some_and(|mark| mark.at <= now);
        if is_over || now < incident.detected {
            return None;
        }
        let parts = incident.parts.iter().filter(|part| part.first_seen <= now);
        let signs = || incident.signs.iter().filter(|sign| sign.first_seen <= now);
        let measured = signs().filter(|sign| sign.is_measured());
        Some(Self {
            id: incident.id.clone(),
            fingerprint: incident.fingerprint.clone(),
            services: parts.map(|part| part.stream.clone()).collect(),
            signs: signs().map(|sign| sign.id.clone()).collect(),
            measured: measured
                .map(|sign| (sign.stream.clone(), sign.source))
                .collect(),
        })
    }
}

/// How things stand in a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The incidents that go on, oldest first.
    pub live: Vec<Trouble>,
    /// How many services are judged and were heard of lately: what a storm is a share of. A name that somebody
    /// has made up just now is none of them.
    pub heard: u32,
    /// When there was last a storm.
    pub storm_at: Option<Timestamp>,
    /// Whether senders have to show who they are, so that what spans and metrics say counts.
    pub is_authenticated: bool,
}

impl Standing {
    /// Services that are heard of, and those with an incident that goes on.
    pub fn services(&self) -> (u32, u32) {
        let mut troubled: Vec<&StreamKey> = self.live.iter().flat_map(|it| &it.services).collect();
        troubled.sort_unstable();
        troubled.dedup();
        let troubled = u32::try_from(troubled.len()).unwrap_or(u32::MAX);
        (self.heard.max(troubled), troubled)
    }

    /// Whether so many services are in trouble that what they share is the cause.
    pub fn is_storm(&self, limits: &Limits) -> bool {
        limits.is_storm(self.services())
    }

    /// The incident that `anomaly` is a sign of, or else the one that its service is part of.
    pub fn trouble_of(&self, anomaly: &Anomaly) -> Option<&Trouble> {
        let has_sign = |it: &&Trouble| it.signs.contains(&anomaly.id);
        let found = self.live.iter().find(has_sign);
        found.or_else(|| self.live.iter().find(|it| has(it, &anomaly.stream)))
    }

    /// What the incidents tell a check about `action`; what is known from elsewhere is left as it is by
    /// default.
    pub fn world(&self, action: &Action) -> World {
        let trouble = self.live.iter().find(|it| match &action.incident {
            Some(id) => it.id == *id,
            None => has(it, &action.stream),
        });
        let measured = trouble
            .into_iter()
            .flat_map(|it| &it.measured)
            .find(|(stream, _)| self.is_authenticated && *stream == action.stream);
        World {
            services: self.services(),
            storm_at: self.storm_at,
            goes_on: trouble.is_some(),
            incident: trouble.map(|it| (it.id.clone(), it.fingerprint.clone())),
            corroborated: measured
                .map(|(_, source)| format!("a {} says so too", source.name()).into()),
            involved: trouble.map_or_else(Vec::new, |it| it.services.clone()),
            is_authenticated: self.is_authenticated,
            ..World::default()
        }
    }
}

fn has(trouble: &Trouble, stream: &StreamKey) -> bool {
    trouble.services.contains(stream)
}
