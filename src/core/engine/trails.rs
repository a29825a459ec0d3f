//! What comes after what in the traces of a stream; and its records within traces, for whoever sees the
//! spans too.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::explain::template_ref;
use super::intake::Held;
use super::outbox::Outbox;
use super::stream::Stream;
use super::{Output, Settings};
use crate::core::parse::Miner;
use crate::core::record::{Resource, Step, StreamKey, TemplateId, Timestamp, Trail};
use crate::core::witness::{Flow, FlowBreak, Heard, event_of};

/// Most places in a program of which a template is known; the text of others is not.
const SITES_MAX: usize = 4_096;
/// Most resources that are kept to be named.
const RESOURCES_MAX: usize = 1_024;
/// Most events that are not named again; then all are, once more.
const NAMED_MAX: usize = 4_096;

/// The traces of a stream. There is one from its first record within a trace on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Trails {
    flow: Flow,
    /// The template of the first record of each place in a program.
    sites: BTreeMap<TemplateId, TemplateId>,
    /// By the hash that their place is known by.
    #[serde(skip)]
    resources: BTreeMap<u32, Arc<Resource>>,
    /// The events whose names went out.
    #[serde(skip)]
    named: FxHashSet<TemplateId>,
    /// What is to go out next.
    #[serde(skip)]
    trail: Trail,
    /// Whether nothing is heard now, for a maintenance window.
    #[serde(skip)]
    is_resting: bool,
}

impl Stream {
    /// Counts a record that is part of a trace.
    pub(super) fn walk(&mut self, time: Timestamp, held: &Held) {
        let (Some(trace), span) = held.trace else {
            return;
        };
        if self.is_resting || Miner::is_overflow(held.template) {
            return;
        }
        let template = self.miner.leads_to(held.template);
        let event = event_of(&held.text, template);
        let place = self.pulse.place(&held.resource);
        let trails = self.trails.get_or_insert_default();
        trails.meet(event, template, &self.miner);
        if trails.resources.len() < RESOURCES_MAX {
            let known = trails.resources.entry(place);
            known.or_insert_with(|| Arc::clone(&held.resource));
        }
        trails.flow.hear(Heard {
            trace,
            template: event,
            time,
            place,
        });
        trails.trail.steps.push(Step { trace, span, event });
    }

    /// What is known of a template goes to the one that it became.
    pub(super) fn follow_trails(&mut self, from: TemplateId, to: TemplateId) {
        let Some(trails) = &mut self.trails else {
            return;
        };
        trails.flow.follow(from, to);
        for template in trails.sites.values_mut().filter(|it| **it == from) {
            *template = to;
        }
        trails.named.remove(&from);
        trails.trail.moved.push((from, to));
    }

    /// Hands over the records that came within traces.
    pub(super) fn hand_over_trail(&mut self, out: &mut Outbox) {
        let Some(trails) = &mut self.trails else {
            return;
        };
        if !trails.trail.is_empty() {
            let mut trail = std::mem::take(&mut trails.trail);
            trail.stream = self.key.clone();
            out.push(Output::Trail(trail));
        }
    }

    /// Tells which habits are broken by `stream_time`.
    pub(super) fn tell_breaks(
        &mut self,
        stream_time: Timestamp,
        settings: &Settings,
        out: &mut Outbox,
    ) {
        let is_resting = self.is_resting;
        let Some(trails) = &mut self.trails else {
            return;
        };
        if std::mem::replace(&mut trails.is_resting, is_resting) != is_resting {
            trails.flow.rest();
        }
        let is_learning = trails.flow.age() < settings.learn.warm_up;
        trails.flow.learn_all(is_learning);
        let broken = trails.flow.advance(stream_time);
        if !is_learning {
            trails.tell(&broken, &self.key, &self.miner, out);
        }
    }

    /// Judges what came within traces as if all of them had ended: the input ends here.
    pub(super) fn finish_trails(&mut self, settings: &Settings, out: &mut Outbox) {
        let Some(trails) = &mut self.trails else {
            return;
        };
        let is_learning = trails.flow.age() < settings.learn.warm_up;
        let broken = trails.flow.finish();
        if !is_learning {
            trails.tell(&broken, &self.key, &self.miner, out);
        }
    }
}

impl Trails {
    /// Names `event` to whoever sees the spans, once.
    fn meet(&mut self, event: TemplateId, template: TemplateId, miner: &Miner) {
        if event != template && self.sites.len() < SITES_MAX {
            self.sites.entry(event).or_insert(template);
        }
        if self.named.contains(&event) {
            return;
        }
        if self.named.len() >= NAMED_MAX {
            self.named.clear();
        }
        self.named.insert(event);
        let name = self.text(event, miner);
        self.trail.names.push((event, name));
    }

    fn tell(&self, broken: &[FlowBreak], stream: &StreamKey, miner: &Miner, out: &mut Outbox) {
        for broken in broken {
            let resource = self.resources.get(&broken.place);
            let resource = resource.cloned().unwrap_or_else(|| {
                let name = ("service.name".into(), (*stream.name).into());
                Arc::new(Resource::new(vec![name]))
            });
            let sign = broken.sign(stream, &resource, |event| self.text(event, miner));
            out.push(Output::Sign(Arc::new(sign)));
        }
    }

    fn text(&self, event: TemplateId, miner: &Miner) -> Box<str> {
        let template = self.sites.get(&event).copied().unwrap_or(event);
        template_ref(miner, template).text
    }
}
