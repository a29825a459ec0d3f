//! What the api shows: of the running daemon from the board, of the past from the control database.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::Value;

use super::audit::Audit;
use super::board::Board;
use super::clock;
use super::orders::switch_json;
use super::router::Router;
use super::shard_thread::Command;
use super::switch::Switch;
use crate::core::event::{Action, Incident};
use crate::core::parse::Template;
use crate::core::record::StreamKey;
use crate::edge::api::{
    ActionQuery, AuditEntry, Dora, IncidentQuery, IncidentView, Lookup, ServiceView, TemplateView,
    View,
};
use crate::edge::notify::{action_json, incident_json};
use crate::edge::store::{Control, Document, Kind, StoreError};

/// Most templates that are shown of a service: as many as the api gives.
const TEMPLATES_MAX: usize = 10_000;
/// How long a shard may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Documents read at once.
const PAGE: usize = 100;

/// Everything the api shows.
pub(super) struct Showing {
    pub(super) board: Arc<Board>,
    pub(super) control: Arc<Control>,
    pub(super) router: Arc<Router>,
    pub(super) switch: Arc<Switch>,
}

impl View for Showing {
    fn ready(&self) -> Result<(), String> {
        self.board.ready()
    }

    fn services(&self) -> Vec<ServiceView> {
        self.board.services()
    }

    fn metrics(&self) -> String {
        self.board.set_stopped(self.switch.stopped().is_some());
        self.board.metrics()
    }

    fn anomalies(&self, limit: usize) -> Vec<Value> {
        self.board.recent.newest(limit)
    }

    fn anomaly(&self, prefix: &str) -> Lookup<Value> {
        let found = said(self.control.beginning(Kind::Anomaly, prefix, 2));
        Lookup::of(
            found
                .iter()
                .filter_map(|it| serde_json::from_slice(&it.body).ok()),
        )
    }

    fn incidents(&self, query: &IncidentQuery) -> Vec<Arc<Incident>> {
        if query.is_of_live() {
            return query.select(&self.board.live(""));
        }
        let mut found: Vec<Arc<Incident>> = Vec::new();
        for page in pages(&self.control, Kind::Incident) {
            let oldest = page.last().map(|document| document.at);
            found.extend(page.iter().filter_map(incident).map(Arc::new));
            found = query.select(&found);
            // Of those that were opened at one moment the order is another one here.
            let last_wanted = found.last().map(|incident| incident.detected);
            if found.len() >= query.limit && oldest < last_wanted {
                break;
            }
        }
        found
    }

    fn incident(&self, prefix: &str) -> Lookup<IncidentView> {
        let live = self.board.live(prefix);
        let found = said(self.control.beginning(Kind::Incident, prefix, 2));
        let found = found.iter().filter_map(|document| {
            // What goes on is known better than when it was last told.
            let live = live.iter().find(|it| it.id == document.id);
            live.cloned().or_else(|| incident(document).map(Arc::new))
        });
        Lookup::of(found.map(|incident| IncidentView {
            object: incident_json(&incident),
            incident,
        }))
    }

    fn templates(&self, service: &str) -> Lookup<Vec<TemplateView>> {
        let streams = self.board.status().into_iter().map(|it| it.stream);
        let is_meant = |it: &StreamKey| *it.name == *service || it.to_string() == service;
        let stream = match Lookup::of(streams.filter(is_meant)) {
            Lookup::Found(stream) => stream,
            Lookup::Several => return Lookup::Several,
            Lookup::Nothing | Lookup::Busy => return Lookup::Nothing,
        };
        match self.templates_of(stream) {
            Some(templates) => Lookup::Found(templates.into_iter().map(template).collect()),
            None => Lookup::Busy,
        }
    }

    fn silences(&self) -> Vec<Value> {
        self.board.silences(clock::now())
    }

    fn audit(&self, before: Option<u64>, limit: usize) -> Vec<AuditEntry> {
        let rows = said(self.control.audit_newest(before, limit));
        rows.iter().map(Audit::read).collect()
    }

    fn actions(&self, query: &ActionQuery) -> Vec<Arc<Action>> {
        let open = self.board.open_actions("");
        if query.is_of_open() {
            return query.select(&open);
        }
        let mut found: Vec<Arc<Action>> = Vec::new();
        for page in pages(&self.control, Kind::Action) {
            let oldest = page.last().map(|document| document.at);
            found.extend(page.iter().filter_map(|it| action(it, &open)));
            found = query.select(&found);
            // Of those that were asked for at one moment the order is another one here.
            let last_wanted = found.last().map(|action| action.asked_at);
            if found.len() >= query.limit && oldest < last_wanted {
                break;
            }
        }
        found
    }

    fn action(&self, prefix: &str) -> Lookup<Value> {
        let open = self.board.open_actions(prefix);
        let found = said(self.control.beginning(Kind::Action, prefix, 2));
        let found = found.iter().filter_map(|it| action(it, &open));
        Lookup::of(found.map(|action| action_json(&action)))
    }

    fn switch(&self) -> Value {
        switch_json(&self.switch)
    }

    fn dora(&self, window: Duration) -> Dora {
        super::dora::dora(&self.control, window, clock::now())
    }
}

impl Showing {
    /// `None` where its shard does not answer in time.
    fn templates_of(&self, stream: StreamKey) -> Option<Vec<Template>> {
        let shard = self.router.shard_of(&stream)?;
        let (reply, answer) = mpsc::channel();
        shard.send(Command::Templates {
            stream,
            max: TEMPLATES_MAX,
            reply,
        });
        answer.recv_timeout(ANSWER_WITHIN).ok()
    }
}

fn template(template: Template) -> TemplateView {
    TemplateView {
        id: template.id.to_string().into(),
        text: template.text,
        records: template.count,
    }
}

/// All documents of a kind, newest first. Between two pages whoever writes gets a turn.
pub(super) fn pages(control: &Control, kind: Kind) -> impl Iterator<Item = Vec<Document>> {
    let mut after = None;
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let page = said(control.newest(kind, after, PAGE));
        is_over = page.len() < PAGE;
        after = page.last().map(|last| (last.document.at, last.nth));
        Some(page.into_iter().map(|it| it.document).collect())
    })
}

/// The incident that a document holds; `None` where it holds none.
pub(super) fn incident(document: &Document) -> Option<Incident> {
    serde_json::from_slice(&document.body).ok()
}

/// The action that a document holds, as it is now where it is one of `open`; `None` where it holds none.
fn action(document: &Document, open: &[Arc<Action>]) -> Option<Arc<Action>> {
    // What a check says of it is written with the next step only.
    let now = open.iter().find(|it| it.id == document.id);
    let read = || serde_json::from_slice(&document.body).ok().map(Arc::new);
    now.cloned().or_else(read)
}

/// What was read; nothing, and a complaint, where it cannot be.
pub(super) fn said<T: Default>(read: Result<T, StoreError>) -> T {
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "What the api asks for cannot be read.");
        T::default()
    })
}
