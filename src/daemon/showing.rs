//! What the api shows: of the running daemon from the board, of the past from the control database.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::Value;

use super::board::Board;
use super::clock;
use super::orders::Audit;
use super::router::Router;
use super::shard_thread::Command;
use crate::core::event::Incident;
use crate::core::parse::Template;
use crate::core::record::Timestamp;
use crate::edge::api::{
    AuditEntry, Dora, IncidentQuery, IncidentView, Lookup, ServiceView, TemplateView, View,
};
use crate::edge::notify::incident_json;
use crate::edge::store::{Control, Document, Kind, Numbered, StoreError};

/// Most templates that are shown of a service.
const TEMPLATES_MAX: usize = 1_000;
/// How long a shard may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Documents read at once.
const PAGE: usize = 100;

/// Everything the api shows.
pub(super) struct Showing {
    pub(super) board: Arc<Board>,
    pub(super) control: Arc<Control>,
    pub(super) router: Arc<Router>,
}

impl View for Showing {
    fn ready(&self) -> Result<(), String> {
        self.board.ready()
    }

    fn services(&self) -> Vec<ServiceView> {
        self.board.services()
    }

    fn metrics(&self) -> String {
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
        let mut found: Vec<Arc<Incident>> = Vec::new();
        let mut after: Option<(Timestamp, i64)> = None;
        let mut last_wanted = None;
        loop {
            let page = said(self.control.newest(Kind::Incident, after, PAGE));
            let Some(Numbered { nth, document }) = page.last() else {
                break;
            };
            after = Some((document.at, *nth));
            let incidents = page.iter().filter_map(|it| incident(&it.document));
            found.extend(incidents.map(Arc::new));
            let chosen = query.select(&found);
            // Of those that were opened at one moment the order is another one here.
            let is_whole = last_wanted.is_some_and(|wanted| document.at < wanted);
            if is_whole || page.len() < PAGE {
                return chosen;
            }
            found = chosen;
            if found.len() >= query.limit {
                last_wanted = found.last().map(|incident| incident.detected);
            }
        }
        query.select(&found)
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

    fn templates(&self, service: &str) -> Option<Vec<TemplateView>> {
        let mut streams = self.board.status().into_iter().map(|it| it.stream);
        let stream = streams.find(|it| *it.name == *service || it.to_string() == service)?;
        let (reply, answer) = mpsc::channel();
        let ask = Command::Templates {
            stream: stream.clone(),
            max: TEMPLATES_MAX,
            reply,
        };
        self.router.shard_of(&stream)?.send(ask);
        let templates = answer.recv_timeout(ANSWER_WITHIN).ok()?.into_iter();
        let view = |it: Template| TemplateView {
            id: it.id.to_string().into(),
            text: it.text,
            records: it.count,
        };
        Some(templates.map(view).collect())
    }

    fn silences(&self) -> Vec<Value> {
        self.board.silences()
    }

    fn audit(&self, before: Option<u64>, limit: usize) -> Vec<AuditEntry> {
        let before = before.and_then(|number| {
            let id = format!("{number:020}");
            said(self.control.document(Kind::Audit, &id))
        });
        let after = before.map(|it| (it.document.at, it.nth));
        let entries = said(self.control.newest(Kind::Audit, after, limit));
        let entries = entries.iter();
        entries.filter_map(|it| Audit::read(&it.document)).collect()
    }

    fn dora(&self, window: Duration) -> Dora {
        super::dora::dora(&self.control, window, clock::now())
    }
}

/// The incident that a document holds; `None` where it holds none.
pub(super) fn incident(document: &Document) -> Option<Incident> {
    serde_json::from_slice(&document.body).ok()
}

/// What was read; nothing, and a complaint, where it cannot be.
pub(super) fn said<T: Default>(read: Result<T, StoreError>) -> T {
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "What the api asks for cannot be read.");
        T::default()
    })
}
