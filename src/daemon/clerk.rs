//! What the scribe does with its notes.
//!
//! One turn is one transaction: what was found, the incidents that it makes, what was ordered and the
//! messages for the sinks are on disk together before any of it goes out. After a crash all of a turn
//! is there, or what made it comes again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::announce::Road;
use super::audit;
use super::directory::{Directory, Known};
use super::opinions::Opinions;
use super::orders::{self, silence_json};
use super::remediation::Remediation;
use super::scribe::{Note, Seen, send_again};
use super::showing::said;
use crate::core::desk::{Desk, DeskSettings, Told};
use crate::core::event::{Anomaly, Event, Incident, IncidentEvent, Sign};
use crate::core::record::{Change, Timestamp};
use crate::core::redact::{Redaction, Redactor};
use crate::core::remedy::ledger::Report;
use crate::core::silence::{Silence, Silences};
use crate::core::topology::LinkSource;
use crate::edge::notify::{Undelivered, event_json};
use crate::edge::receive::Observed;
use crate::edge::store::{Control, Filing, OutboxRow, ToldEvent};

mod remedied;
mod restored;
mod rows;
mod waiting;

pub(super) use restored::actions;
use waiting::Waiting;

/// How often what spans, metrics and traffic show is written.
const EVIDENCE_EVERY: Duration = Duration::from_secs(60);
/// How often is looked for messages that somebody wants sent again.
const RAISED_EVERY: Duration = Duration::from_secs(2);
/// How often is looked for stale silences.
const STALE_EVERY: Duration = Duration::from_secs(5 * 60);
/// Most filings, and most messages, that wait for the next turn where the disk takes none.
const FILINGS_MAX: usize = 4_096;
/// Records that are judged so long after they came are too late to be seen with their spans.
const RECORDS_LATE: Duration = Duration::from_secs(8);

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

/// What a clerk works with.
pub(super) struct Desktop {
    pub(super) road: Arc<Road>,
    pub(super) control: Arc<Control>,
    /// Held while messages are made and sent: the sinks are not exchanged meanwhile.
    pub(super) sinks: Arc<Mutex<()>>,
    pub(super) directory: Directory,
    pub(super) redactor: Arc<Redactor>,
    pub(super) remediation: Remediation,
}

/// Works off the scribe's notes.
pub(super) struct Clerk {
    pub(super) desk: Desk,
    pub(super) road: Arc<Road>,
    outlet: Box<dyn Outlet>,
    control: Arc<Control>,
    sinks: Arc<Mutex<()>>,
    directory: Directory,
    pub(super) remediation: Remediation,
    /// As the file has them.
    pub(super) settings: DeskSettings,
    /// Silences that were made through the api.
    pub(super) silences: Vec<Silence>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) redaction: Redaction,
    /// What is to be written with the next turn.
    pub(super) filings: Vec<Filing>,
    /// Messages that somebody acts on, for sinks; they are not on disk yet.
    kept_back: Vec<Undelivered>,
    /// The state of incidents that changed and are not written yet.
    changed: BTreeMap<Box<str>, Arc<Incident>>,
    /// Whether what spans, metrics and traffic show is to be written, too.
    has_evidence: bool,
    evidence_due: Timestamp,
    stale_due: Timestamp,
    raised_due: Timestamp,
}

impl Clerk {
    /// A clerk who goes on where the last one stopped.
    pub(super) fn new(settings: DeskSettings, desktop: Desktop, now: Timestamp) -> Self {
        let Desktop {
            road,
            control,
            sinks,
            directory,
            redactor,
            remediation,
        } = desktop;
        let mut clerk = Self {
            desk: restored::desk(settings.clone(), &control),
            silences: restored::silences(&control, now),
            settings,
            outlet: Box::new(Arc::clone(&road)),
            road,
            control,
            sinks,
            directory,
            remediation,
            redactor,
            redaction: Redaction::default(),
            filings: Vec::new(),
            kept_back: Vec::new(),
            changed: BTreeMap::new(),
            has_evidence: false,
            evidence_due: Timestamp::ZERO,
            stale_due: Timestamp::ZERO,
            raised_due: Timestamp::ZERO,
        };
        clerk.remediation.opinions = Opinions::kept(&clerk.control);
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
        let shown =
            |made_in| move |silence: &Silence| (silence.expires, silence_json(silence, made_in));
        let own = self.silences.iter().map(shown("api"));
        let shown = of_file.silences().iter().map(shown("file")).chain(own);
        self.road.board.set_silences(shown.collect());
        self.desk.reconfigure(DeskSettings {
            silences,
            ..self.settings.clone()
        });
    }

    /// Where it writes.
    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// When [`work_off`](Self::work_off) is to be called at the latest.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let due = [
            self.desk.next_deadline(),
            self.remediation.ledger.next_deadline(),
        ];
        due.into_iter().flatten().min()
    }

    /// One turn.
    pub(super) fn work_off(&mut self, notes: Vec<Note>, now: Timestamp) {
        let mut found = Vec::new();
        let mut waiting = Waiting::default();
        for note in notes {
            match note {
                Note::Found(anomaly) => found.push(anomaly),
                Note::Sign(sign) => self.sign(sign, now),
                Note::Observed(observed) => self.observe(observed, now),
                Note::Trail(waiting) => self.desk.trail(waiting.trail(), now),
                Note::Lost => self.desk.some_is_lost(),
                Note::Seen(seen) => self.see(seen, now),
                Note::Order(order, reply) => {
                    // What came before it counts for it.
                    self.tell(std::mem::take(&mut found), now);
                    let (order, caller) = *order;
                    let applied = orders::apply(self, order, &caller, now);
                    waiting.orders.push((applied, reply));
                }
                Note::Listed(listing) => self.directory.listed(listing),
                Note::Configure(settings) => {
                    let (desk, redactor, remedies) = *settings;
                    self.settings = desk;
                    self.reconfigure(now);
                    self.redactor = redactor;
                    self.redaction.forget();
                    self.remediation.reconfigure(remedies, now);
                }
                Note::Report(report) => self.reported(*report, now),
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
        waiting.answer(&self.control, now);
    }

    fn observe(&mut self, observed: Observed, now: Timestamp) {
        let Observed {
            mut spans,
            mut metrics,
            hold,
        } = observed;
        for spans in &mut spans {
            self.redaction.spans(&self.redactor, spans);
            self.directory.meet(&spans.stream);
            self.desk.spans(spans, now);
        }
        for metric in &mut metrics {
            self.redaction.metric(&self.redactor, metric);
            self.directory.meet(&metric.stream);
            self.desk.metric(metric, now);
        }
        drop(hold);
    }

    fn see(&mut self, seen: Vec<Seen>, now: Timestamp) {
        for seen in seen {
            self.directory.meet(&seen.stream);
            self.remediation.hear(&seen.stream, now);
            let resource = self.redaction.shared(&self.redactor, &seen.resource);
            self.desk
                .seen((&seen.stream, &resource), seen.records, seen.at, now);
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
                let _turn = self.sinks.blocking_lock();
                send_again(&self.road, raised, now);
            }
        }
        if now >= self.stale_due {
            self.stale_due = now.plus(STALE_EVERY);
            let (directory, teams) = (&self.directory, &self.settings.teams);
            let is_known = |owner: &str| directory.is_known(owner, teams);
            self.desk.look_for_stale(now, is_known);
        }
        if now >= self.evidence_due {
            self.evidence_due = now.plus(EVIDENCE_EVERY);
            // Links are kept by when they were last confirmed.
            self.confirm(self.directory.known(), now);
            self.has_evidence = true;
        }
    }

    /// Takes a sign that others found: what a catalog says of its service is known before.
    pub(super) fn sign(&mut self, sign: Arc<Sign>, now: Timestamp) {
        self.directory.meet(&sign.stream);
        self.look_up(now);
        self.desk.sign(sign, now);
    }

    /// Has the desk know what the catalog says, where that is news.
    fn look_up(&mut self, now: Timestamp) {
        if let Some(known) = self.directory.look_up() {
            self.confirm(known, now);
        }
    }

    fn confirm(&mut self, known: Known, now: Timestamp) {
        for link in known.dependencies {
            let topology = self.desk.topology_mut();
            topology.link(&link.caller, &link.callee, now, LinkSource::Catalog);
        }
        self.desk.set_owners(known.owners);
    }

    /// Judges what was found with all else that is known, writes what is to be told, and tells it.
    fn tell(&mut self, found: Vec<Arc<Anomaly>>, now: Timestamp) {
        let news = self.untold(found, |anomaly: &Anomaly| &anomaly.id);
        for anomaly in &news {
            self.directory.meet(&anomaly.stream);
        }
        self.look_up(now);
        let mut events: Vec<Event> = Vec::new();
        for anomaly in &news {
            self.desk.anomaly(anomaly, now);
            events.push(Event::Anomaly(Arc::clone(anomaly)));
        }
        self.desk.advance(now);
        let told_by = (&self.desk, &*self.road.board);
        self.remediation.turn(&news, told_by, now);
        events.extend(self.remedied(now));
        let changes = self.desk.take_changes();
        self.filings
            .extend(changes.iter().filter_map(|it| rows::change(it)));
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
        let has_news = !events.is_empty()
            || !shown.is_empty()
            || !self.filings.is_empty()
            || self.remediation.has_news();
        if has_news || self.has_evidence {
            self.write_and_send(&events, &shown, now);
        }
        self.show_actions();
    }

    /// Takes what came back from outside.
    fn reported(&mut self, report: Report, now: Timestamp) {
        let told_by = (&self.desk, &*self.road.board);
        self.remediation.report(report, told_by, now);
    }

    /// What became of actions; the incidents they belong to hear of it too.
    fn remedied(&mut self, now: Timestamp) -> Vec<Event> {
        for action in self.remediation.ledger.take_verified() {
            remedied::verified(&mut self.desk, &action, now);
        }
        self.remediation.gather();
        let events = self.remediation.ledger.take_events().into_iter();
        events.map(|event| Event::Action(Arc::new(event))).collect()
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
        let sinks = Arc::clone(&self.sinks);
        let _turn = sinks.blocking_lock();
        let outlet = &self.outlet;
        let mut prepared = std::mem::take(&mut self.kept_back);
        prepared.extend(events.iter().flat_map(|event| outlet.prepare(event, now)));
        let objects: Vec<(&Event, serde_json::Value)> = events
            .iter()
            .map(|event| (event, event_json(event)))
            .collect();
        if !self.write(&objects, &prepared, now) {
            self.keep_back(&mut prepared);
        }
        for (event, object) in objects {
            match event {
                Event::Anomaly(anomaly) => {
                    self.road.board.count_anomaly(anomaly.kind.name());
                    self.road.board.recent.push(object);
                }
                Event::Action(event) => {
                    self.road.board.count_action(event);
                    let kind = format!("knothole.action.{}", event.stage.name());
                    self.road.feed.tell(&event.id, &kind, &object);
                }
                Event::Incident(_) | Event::Digest(_) | Event::Change(_) => {}
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

    /// Keeps back what somebody acts on: nothing may be done of which the disk does not know.
    fn keep_back(&mut self, prepared: &mut Vec<Undelivered>) {
        let all = std::mem::take(prepared).into_iter();
        (self.kept_back, *prepared) = all.partition(Undelivered::is_acted_on);
        let over = self.kept_back.len().saturating_sub(FILINGS_MAX);
        self.kept_back.drain(..over);
    }

    /// Writes all of a turn at once; whether it was. What the disk does not take is tried again with the next
    /// turn.
    fn write(
        &mut self,
        objects: &[(&Event, serde_json::Value)],
        prepared: &[Undelivered],
        now: Timestamp,
    ) -> bool {
        let events = objects.iter().map(|(event, _)| rows::told(event, now));
        let events: Vec<ToldEvent> = events.collect();
        let messages: Vec<OutboxRow> = prepared.iter().map(|it| rows::message(it, now)).collect();
        self.filings
            .extend(objects.iter().filter_map(|(event, object)| match event {
                Event::Anomaly(anomaly) => Some(rows::anomaly(anomaly, object)),
                _ => None,
            }));
        let kept = self.filings.len();
        let unwritten = self.remediation.unwritten.values();
        self.filings.extend(unwritten.flat_map(remedied::rows));
        let changed = self.changed.values();
        self.filings
            .extend(changed.filter_map(|it| rows::incident(it)));
        if self.desk.is_dirty() {
            match self.desk.saved() {
                Ok(parts) => self.filings.extend(parts.into_iter().map(rows::desk)),
                Err(error) => tracing::error!(%error, "The incidents cannot be written."),
            }
        }
        if self.has_evidence {
            match self.desk.saved_evidence() {
                Ok(part) => self.filings.push(rows::desk(part)),
                Err(error) => tracing::error!(%error, "Evidence cannot be written."),
            }
        }
        let written = self.control.tell(&events, &messages, &self.filings);
        let is_written = written.is_ok();
        match written {
            Ok(written) => {
                audit::log(&self.filings, &written.audited);
                self.filings.clear();
                self.changed.clear();
                self.remediation.is_written();
                self.has_evidence = false;
                self.desk.is_saved();
            }
            Err(error) => {
                tracing::error!(%error, "What was found could not be written down; it is told all the same, and may be told again after a crash.");
                // What stands behind these is made anew by then; what was found or ordered is not.
                self.filings.truncate(kept);
                let over = self.filings.len().saturating_sub(FILINGS_MAX);
                if over > 0 {
                    tracing::error!(
                        dropped = over,
                        "More waits to be written than may; the oldest was dropped, entries of the audit among it."
                    );
                }
                self.filings.drain(..over);
            }
        }
        is_written
    }

    /// Puts the incidents that go on where the api finds them.
    fn show(&mut self) {
        let live = self.desk.live().map(Arc::new).collect();
        self.road.board.set_live(live);
        self.show_actions();
    }

    /// The same of the actions that are not over: what a check says of one is no step that would be written.
    fn show_actions(&mut self) {
        if let Some(open) = self.remediation.take_open() {
            self.road.board.set_open_actions(open);
        }
    }
}

#[cfg(test)]
mod tests;
