//! The one place that calls knothole's miner.

use std::hint::black_box;

use knothole::core::parse::{BIRTHS_PER_MINUTE_MAX, Limits, Miner};
use knothole::core::record::{TemplateId, Timestamp};

/// The daemon's miner with its defaults: masks, ids and bounds.
pub(crate) struct Knothole(Miner);

impl Knothole {
    pub(crate) fn new() -> Self {
        Self(Miner::default())
    }

    /// With the bounds that a service has in the daemon.
    pub(crate) fn in_daemon() -> Self {
        Self(Miner::new(Limits {
            births_per_minute_max: Some(BIRTHS_PER_MINUTE_MAX),
            ..Limits::default()
        }))
    }

    /// With room for `count` templates, and as many forms.
    pub(crate) fn with_room_for(count: usize) -> Self {
        let limits = Limits::default();
        Self(Miner::new(Limits {
            templates_max: count.max(limits.templates_max),
            forms_max: (2 * count).max(limits.forms_max),
            ..limits
        }))
    }

    pub(crate) fn feed(&mut self, lines: &[String]) {
        for line in lines {
            black_box(self.0.parse(line, Timestamp::ZERO));
            black_box(self.0.params());
        }
    }

    pub(crate) fn id(&mut self, line: &str) -> TemplateId {
        self.0.parse(line, Timestamp::ZERO).id
    }

    /// The text of a template as it is by now.
    pub(crate) fn text(&self, id: TemplateId) -> String {
        let template = self.0.resolve(id);
        template.map_or_else(String::new, |template| template.text.to_string())
    }

    /// The texts of all templates.
    pub(crate) fn texts(&self) -> Vec<String> {
        let templates = self.0.templates();
        templates
            .map(|template| template.text.to_string())
            .collect()
    }

    /// Does what waits for the end of a stream.
    pub(crate) fn settle(&mut self) {
        self.0.settle();
    }

    pub(crate) fn templates(&self) -> usize {
        self.0.templates().count()
    }

    /// Records, less those counted for a template or as overflow; 0 when nothing is lost.
    pub(crate) fn lost(&self) -> i64 {
        let counted: u64 = self.0.templates().map(|template| template.count).sum();
        self.0.records() as i64 - counted as i64 - self.0.overflow() as i64
    }

    pub(crate) fn overflow(&self) -> u64 {
        self.0.overflow()
    }
}
