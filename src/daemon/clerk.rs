//! What the scribe does with its notes.
//!
//! One turn is one transaction: what was found, the incidents that it makes, what was ordered and the
//! messages for the sinks are on disk together before any of it goes out. After a crash all of a turn
//! is there, or what made it comes again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::announce::Road;
use super::orders::{self, silence_json, silence_of};
use super::scribe::{Note, Seen, send_again};
use super::showing::said;
use crate::core::desk::{Desk, DeskSettings, Told};
use crate::core::event::{Anomaly, Event, Incident, IncidentEvent};
use crate::core::record::{Change, StreamKey, Timestamp};
use crate::core::redact::{Redaction, Redactor};
use crate::core::respond::propose;
use crate::core::silence::{SILENCES_MAX, Silence, Silences};
use crate::core::topology::LinkSource;
use crate::edge::api::{Applied, Refusal};
use crate::edge::catalog::Listing;
use crate::edge::notify::{Undelivered, event_json};
use crate::edge::receive::Observed;
use crate::edge::store::{Control, Document, Kind, OutboxRow, ToldEvent};

/// How often what spans, metrics and traffic show is written.
const EVIDENCE_EVERY: Duration = Duration::from_secs(60);
/// How often is looked for messages that somebody wants sent again.
const RAISED_EVERY: Duration = Duration::from_secs(2);
/// How often is looked for stale silences.
const STALE_EVERY: Duration = Duration::from_secs(5 * 60);
/// Records that are judged so long after they came are too late to be seen with their spans.
const RECORDS_LATE: Duration = Duration::from_secs(8);
/// The ids of the parts of a desk, as documents.
const BOOKS: &str = "books";
const EVIDENCE: &str = "evidence";

/// Where messages go that are written down.
pub(super) trait Outlet: Send {
    /// What `event` becomes for each sink that asked for it.
    fn prepare(&self, event: &Event, now: Timestamp) -> Vec<Undelivered>;

    /// Sends what is on disk by now. Never waits.
    fn send(&self, prepared: Vec<Undelivered>, now: Timestamp);
}

impl Outlet for Arc<Road> {
    fn prepare(&self, event: &Event, now: Timestamp) -> Vec<Undelivered> {
        self.dispatcher.load().prepare(event, now)
    }

    fn send(&self, prepared: Vec<Undelivered>, now: Timestamp) {
        self.dispatcher.load().send(prepared, now);
    }
}

/// Works off the scribe's notes.
pub(super) struct Clerk {
    pub(super) desk: Desk,
    pub(super) road: Arc<Road>,
    outlet: Box<dyn Outlet>,
    pub(super) control: Arc<Control>,
    /// As the file has them.
    pub(super) settings: DeskSettings,
    /// Silences that were made through the api.
    pub(super) silences: Vec<Silence>,
    /// What a catalog says.
    listing: Arc<Listing>,
    redactor: Arc<Redactor>,
    redaction: Redaction,
    /// The number of the last entry of the audit.
    audited: u64,
    /// What is to be written with the next turn.
    pub(super) documents: Vec<Document>,
    /// The state of incidents that changed and are not written yet.
    changed: BTreeMap<Box<str>, Arc<Incident>>,
    evidence_due: Timestamp,
    stale_due: Timestamp,
    raised_due: Timestamp,
}

/// What becomes of an order.
type Answer = Result<Applied, Refusal>;

/// The notes of one turn that are answered when it is written.
#[derive(Default)]
struct Waiting {
    done: Vec<(Box<str>, Box<str>)>,
    dead: Vec<(Box<str>, Box<str>, Box<str>)>,
    orders: Vec<(Answer, Sender<Answer>)>,
    flushed: Vec<Sender<()>>,
}

impl Clerk {
    /// A clerk who goes on where the last one stopped.
    pub(super) fn new(
        settings: DeskSettings,
        redactor: Arc<Redactor>,
        (road, control): (Arc<Road>, Arc<Control>),
        now: Timestamp,
    ) -> Self {
        let mut clerk = Self {
            desk: restored(settings.clone(), &control),
            silences: silences(&control, now),
            audited: audited(&control),
            settings,
            outlet: Box::new(Arc::clone(&road)),
            road,
            control,
            listing: Arc::default(),
            redactor,
            redaction: Redaction::default(),
            documents: Vec::new(),
            changed: BTreeMap::new(),
            evidence_due: Timestamp::ZERO,
            stale_due: Timestamp::ZERO,
            raised_due: Timestamp::ZERO,
        };
        clerk.reconfigure(now);
        clerk.show();
        clerk
    }

    /// Has the desk work by the settings of the file and the silences of the api.
    pub(super) fn reconfigure(&mut self, now: Timestamp) {
        self.silences.retain(|silence| !silence.is_over(now));
        let of_file = &self.settings.silences;
        let all = of_file.silences().iter().chain(&self.silences).cloned();
        let silences = Silences::new(all, of_file.windows().to_vec());
        let shown = |made_in| move |silence| silence_json(silence, made_in);
        let own = self.silences.iter().map(shown("api"));
        let shown = of_file.silences().iter().map(shown("file")).chain(own);
        self.road.board.set_silences(shown.collect());
        self.desk.reconfigure(DeskSettings {
            silences,
            ..self.settings.clone()
        });
    }

    /// The number of the next entry of the audit.
    pub(super) const fn next_audit(&mut self) -> u64 {
        self.audited += 1;
        self.audited
    }

    /// When [`work_off`](Self::work_off) is to be called at the latest.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.desk.next_deadline()
    }

    /// One turn.
    pub(super) fn work_off(&mut self, notes: Vec<Note>, now: Timestamp) {
        let mut found = Vec::new();
        let mut waiting = Waiting::default();
        for note in notes {
            match note {
                Note::Found(anomaly) => found.push(anomaly),
                Note::Sign(sign) => self.desk.sign(sign, now),
                Note::Observed(observed) => self.observe(observed, now),
                Note::Trail(waiting) => self.desk.trail(waiting.trail(), now),
                Note::Lost => self.desk.some_is_lost(),
                Note::Seen(seen) => self.see(seen),
                Note::Order(order, reply) => {
                    // What came before it counts for it.
                    self.tell(std::mem::take(&mut found), now);
                    let (order, caller) = *order;
                    let applied = orders::apply(self, order, &caller, now);
                    waiting.orders.push((applied, reply));
                }
                Note::Listed(listing) => self.listing = listing,
                Note::Configure(settings) => {
                    let (desk, redactor) = *settings;
                    self.settings = desk;
                    self.reconfigure(now);
                    self.redactor = redactor;
                    self.redaction.forget();
                }
                Note::Done(sink, id) => waiting.done.push((sink, id)),
                Note::Dead(sink, id, why) => waiting.dead.push((sink, id, why)),
                Note::Flush(reply) => waiting.flushed.push(reply),
                Note::Save => self.evidence_due = Timestamp::ZERO,
                Note::End => {}
            }
        }
        if self.road.board.take_lag() > RECORDS_LATE {
            self.desk.records_are_late();
        }
        self.look_around(now);
        self.tell(found, now);
        self.answer(waiting, now);
    }

    fn observe(&mut self, observed: Observed, now: Timestamp) {
        let Observed {
            mut spans,
            mut metrics,
            hold,
        } = observed;
        for spans in &mut spans {
            self.redaction.spans(&self.redactor, spans);
            self.desk.spans(spans, now);
        }
        for metric in &mut metrics {
            self.redaction.metric(&self.redactor, metric);
            self.desk.metric(metric, now);
        }
        drop(hold);
    }

    fn see(&mut self, seen: Vec<Seen>) {
        for seen in seen {
            let resource = self.redaction.shared(&self.redactor, &seen.resource);
            self.desk
                .seen((&seen.stream, &resource), seen.records, seen.at);
        }
    }

    /// What is done every minute or so.
    fn look_around(&mut self, now: Timestamp) {
        if now >= self.raised_due {
            self.raised_due = now.plus(RAISED_EVERY);
            let raised = said(self.control.raised());
            if !raised.is_empty() {
                tracing::info!(
                    count = raised.len(),
                    "Messages that were given up are sent again."
                );
                send_again(&self.road, raised, now);
            }
        }
        if now >= self.stale_due {
            self.stale_due = now.plus(STALE_EVERY);
            // Nobody tells who is there.
            self.desk.look_for_stale(now, |_| true);
        }
        if now >= self.evidence_due {
            self.evidence_due = now.plus(EVIDENCE_EVERY);
            self.look_up(now);
            match self.desk.saved_evidence() {
                Ok(body) => self.documents.push(desk_document(EVIDENCE, body)),
                Err(error) => tracing::error!(%error, "Evidence cannot be written."),
            }
        }
    }

    /// Has the desk know what the catalog says of the services there are.
    fn look_up(&mut self, now: Timestamp) {
        let known = self.road.board.status().into_iter().map(|it| it.stream);
        let known: Vec<StreamKey> = known.collect();
        for link in self.listing.dependencies(&known) {
            let topology = self.desk.topology_mut();
            topology.link(&link.caller, &link.callee, now, LinkSource::Catalog);
        }
        let owners = known.into_iter().filter_map(|stream| {
            let owner = self.listing.owner_of(&stream)?.into();
            Some((stream, owner))
        });
        self.desk.set_owners(owners.collect());
    }

    /// Judges what was found with all else that is known, writes what is to be told, and tells it.
    fn tell(&mut self, found: Vec<Arc<Anomaly>>, now: Timestamp) {
        let news = self.untold(found, |anomaly: &Anomaly| &anomaly.id);
        let mut events: Vec<Event> = Vec::new();
        let rules = self.road.rules.load();
        for anomaly in news {
            self.desk.anomaly(&anomaly, now);
            let proposals = propose(&rules, &anomaly, now).into_iter();
            events.push(Event::Anomaly(anomaly));
            events.extend(proposals.map(|proposal| Event::Proposal(Arc::new(proposal))));
        }
        self.desk.advance(now);
        let changes = self.desk.take_changes();
        let documents = changes.iter().filter_map(|change| change_document(change));
        self.documents.extend(documents);
        let changes = self.untold(changes, |change: &Change| &change.id);
        events.extend(changes.into_iter().map(Event::Change));
        let mut shown = Vec::new();
        for told in self.desk.take(now) {
            match told {
                Told::Incident { event, is_sent } => {
                    let id = event.incident.id.clone();
                    self.changed.insert(id, Arc::clone(&event.incident));
                    if is_sent {
                        events.push(Event::Incident(Arc::clone(&event)));
                    }
                    shown.push(event);
                }
                Told::Digest(digest) => events.push(Event::Digest(digest)),
                Told::Stale(warning) => {
                    let (id, owner) = (&warning.silence.id, &warning.silence.owner);
                    tracing::warn!(silence = %id, %owner, says = %warning.says, "A silence needs a look.");
                }
            }
        }
        if !events.is_empty() || !shown.is_empty() || !self.documents.is_empty() {
            self.write_and_send(&events, &shown, now);
        }
    }

    /// Those of `found` that were not told before, each once. Known before anything is prepared: what was
    /// told must not use up the share of what is new.
    fn untold<T>(&self, found: Vec<Arc<T>>, id: impl Fn(&T) -> &str) -> Vec<Arc<T>> {
        let ids: Vec<&str> = found.iter().map(|it| id(it)).collect();
        let were_told = self.control.were_told(&ids).unwrap_or_else(|error| {
            tracing::error!(%error, "What was told before cannot be read; some may be told again.");
            vec![false; ids.len()]
        });
        let mut seen = HashSet::new();
        let all = found.iter().zip(were_told);
        let untold = all.filter(|(it, was_told)| !was_told && seen.insert(id(it).to_owned()));
        untold.map(|(it, _)| Arc::clone(it)).collect()
    }

    fn write_and_send(&mut self, events: &[Event], shown: &[Arc<IncidentEvent>], now: Timestamp) {
        let outlet = &self.outlet;
        let prepared = events.iter().flat_map(|event| outlet.prepare(event, now));
        let prepared: Vec<Undelivered> = prepared.collect();
        let told: Vec<ToldEvent> = events.iter().map(|event| told(event, now)).collect();
        let rows: Vec<OutboxRow> = prepared.iter().map(|it| row(it, now)).collect();
        let objects: Vec<(&Event, serde_json::Value)> = events
            .iter()
            .map(|event| (event, event_json(event)))
            .collect();
        let anomalies = objects.iter().filter_map(|(event, object)| match event {
            Event::Anomaly(anomaly) => Some(anomaly_document(anomaly, object)),
            _ => None,
        });
        let mut documents: Vec<Document> = anomalies.collect();
        documents.append(&mut self.documents);
        documents.extend(self.changed.values().filter_map(|it| incident_document(it)));
        if self.desk.is_dirty() {
            match self.desk.saved() {
                Ok(body) => documents.push(desk_document(BOOKS, body)),
                Err(error) => tracing::error!(%error, "The incidents cannot be written."),
            }
        }
        match self.control.tell(&told, &rows, &documents) {
            Ok(_) => {
                self.changed.clear();
                self.desk.is_saved();
            }
            Err(error) => {
                tracing::error!(%error, "What was found could not be written down; it is told all the same, and may be told again after a crash.");
            }
        }
        for (event, object) in objects {
            match event {
                Event::Anomaly(anomaly) => {
                    self.road.board.count_anomaly(anomaly.kind.name());
                    self.road.board.recent.push(object);
                }
                Event::Proposal(_) | Event::Incident(_) | Event::Digest(_) | Event::Change(_) => {}
            }
        }
        for event in shown {
            self.road.board.count_incident(event);
            let object = event_json(&Event::Incident(Arc::clone(event)));
            let kind = format!("knothole.incident.{}", event.stage.name());
            self.road.feed.tell(&event.id, &kind, &object);
        }
        self.show();
        self.outlet.send(prepared, now);
    }

    /// Puts the incidents that go on where the api finds them.
    fn show(&mut self) {
        let live = self.desk.live().map(Arc::new).collect();
        self.road.board.set_live(live);
    }

    fn answer(&self, waiting: Waiting, now: Timestamp) {
        if !waiting.done.is_empty() {
            let done = waiting.done.iter().map(|(sink, id)| (&**sink, &**id));
            let done: Vec<(&str, &str)> = done.collect();
            if let Err(error) = self.control.settled(&done) {
                tracing::warn!(%error, "Deliveries could not be written down; they are sent again after the next start.");
            }
        }
        if !waiting.dead.is_empty() {
            let dead = waiting.dead.iter();
            let dead: Vec<(&str, &str, &str)> = dead
                .map(|(sink, id, why)| (&**sink, &**id, &**why))
                .collect();
            if let Err(error) = self.control.bury(&dead, now) {
                tracing::warn!(%error, "Messages that were given up could not be put aside; they are tried again after the next start.");
            }
        }
        for (answer, reply) in waiting.orders {
            // Whoever asked may have given up.
            let _ = reply.send(answer);
        }
        for reply in waiting.flushed {
            let _ = reply.send(());
        }
    }
}

/// A desk as it was left, or a new one.
fn restored(settings: DeskSettings, control: &Control) -> Desk {
    let read = |id| match control.document(Kind::Desk, id) {
        Ok(found) => found.map(|found| found.document.body),
        Err(error) => {
            tracing::error!(%error, "What is known of incidents cannot be read.");
            None
        }
    };
    let mut desk = match read(BOOKS).map(|saved| Desk::restored(settings.clone(), &saved)) {
        Some(Ok(desk)) => desk,
        Some(Err(error)) => {
            tracing::error!(%error, "What is known of incidents cannot be used; those that go on are opened anew.");
            Desk::new(settings)
        }
        None => Desk::new(settings),
    };
    if let Some(Err(error)) = read(EVIDENCE).map(|saved| desk.restore_evidence(&saved)) {
        tracing::warn!(%error, "What spans and metrics showed cannot be used; it is learned again.");
    }
    desk
}

/// The silences that were made through the api and are not over.
fn silences(control: &Control, now: Timestamp) -> Vec<Silence> {
    let found = said(control.newest(Kind::Silence, None, SILENCES_MAX));
    let found = found
        .iter()
        .filter_map(|it| silence_of(&it.document.body, now));
    found.filter(|silence| !silence.is_over(now)).collect()
}

fn audited(control: &Control) -> u64 {
    let newest = said(control.newest(Kind::Audit, None, 1));
    let number = newest.first().and_then(|it| it.document.id.parse().ok());
    number.unwrap_or(0)
}

fn told(event: &Event, at: Timestamp) -> ToldEvent {
    ToldEvent {
        id: event.id().into(),
        at,
    }
}

fn row(undelivered: &Undelivered, at: Timestamp) -> OutboxRow {
    OutboxRow {
        sink: undelivered.sink().into(),
        kind: undelivered.kind().into(),
        id: undelivered.id().into(),
        message: undelivered.message(),
        at,
    }
}

fn anomaly_document(anomaly: &Anomaly, object: &serde_json::Value) -> Document {
    Document {
        kind: Kind::Anomaly,
        id: anomaly.id.clone(),
        at: anomaly.first_seen,
        body: object.to_string().into_bytes(),
    }
}

/// `None` where it cannot be written, which is not known to be.
fn incident_document(incident: &Incident) -> Option<Document> {
    Some(Document {
        kind: Kind::Incident,
        id: incident.id.clone(),
        at: incident.detected,
        body: serde_json::to_vec(incident).ok()?,
    })
}

fn change_document(change: &Change) -> Option<Document> {
    Some(Document {
        kind: Kind::Change,
        id: change.id.clone(),
        at: change.at,
        body: serde_json::to_vec(change).ok()?,
    })
}

fn desk_document(id: &str, body: Vec<u8>) -> Document {
    Document {
        kind: Kind::Desk,
        id: id.into(),
        at: Timestamp::ZERO,
        body,
    }
}

#[cfg(test)]
mod tests;
