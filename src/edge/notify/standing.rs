//! Which alerts stand: an Alertmanager forgets one that it does not hear of again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::render::alertmanager::{Alert, AlertNote, SEVERITY};
use super::render::rfc3339;
use crate::core::record::Timestamp;

/// Most incidents that are kept standing. What comes on top is told once and not again.
const STANDING_MAX: usize = 10_000;
/// How many incidents are remembered to be over.
const ENDED_MAX: usize = 10_000;
/// How long what is resolved is said again, for those that did not hear it.
const RESOLVED_FOR: Duration = Duration::from_secs(5 * 60);

/// The alerts of one sink, by incident.
#[derive(Debug)]
pub(crate) struct Standing {
    since: Timestamp,
    book: Mutex<Book>,
    /// Something stands that nobody was told of by this sink.
    restored: Notify,
}

#[derive(Debug, Default)]
struct Book {
    held: BTreeMap<Box<str>, Held>,
    /// What was over, with its revision, when it was let go; the oldest first.
    ended: VecDeque<(Box<str>, u64)>,
}

#[derive(Debug)]
struct Held {
    revision: u64,
    alert: Alert,
    /// It is over, and said again until then.
    until: Option<Instant>,
    /// Alerts with labels that the incident had before, resolved, and until when that is said.
    replaced: Vec<(Alert, Instant)>,
}

impl Standing {
    /// Nothing stands at `since`, when the sink starts.
    pub(crate) fn new(since: Timestamp) -> Self {
        Self {
            since,
            book: Mutex::default(),
            restored: Notify::new(),
        }
    }

    /// What goes on already when the sink starts.
    pub(crate) fn restore(&self, notes: impl Iterator<Item = AlertNote>) {
        let mut book = self.locked();
        for note in notes.filter(|note| note.is_live).take(STANDING_MAX) {
            let incident = note.incident.clone();
            book.held
                .entry(incident)
                .or_insert_with(|| Held::new(note, Instant::now()));
        }
        self.restored.notify_one();
    }

    /// Ends when something was restored.
    pub(crate) async fn restored(&self) {
        self.restored.notified().await;
    }

    /// Takes `note` and gives the alerts to send at `now`, which is `tick`: its own, and
    /// those it takes the place of. Nothing for a note that a later one has overtaken.
    pub(crate) fn note(&self, note: AlertNote, now: Timestamp, tick: Instant) -> Vec<Alert> {
        let mut book = self.locked();
        if let Some(known) = book.held.get_mut(&note.incident) {
            known.take(note, now, tick);
            return known.alerts(tick);
        }
        let is_over = |(incident, revision): &(Box<str>, u64)| {
            *incident == note.incident && *revision >= note.revision
        };
        if note.is_live && book.ended.iter().any(is_over) {
            return Vec::new();
        }
        // One from before the start, of an incident that is not among those that went on then: it
        // has ended since. It is told, but does not stand.
        let is_late = note.is_live && note.made_at < self.since;
        let alert = note.alert.clone();
        if !is_late && book.held.len() < STANDING_MAX {
            book.held
                .insert(note.incident.clone(), Held::new(note, tick));
        }
        vec![alert]
    }

    /// Everything to say at `now`. Lets go of what was said for long enough.
    pub(crate) fn due(&self, now: Instant) -> Vec<Alert> {
        let mut book = self.locked();
        let Book { held, ended } = &mut *book;
        held.retain(|incident, it| {
            let is_kept = it.until.is_none_or(|until| until > now);
            if !is_kept {
                ended.push_back((incident.clone(), it.revision));
            }
            is_kept
        });
        let too_many = ended.len().saturating_sub(ENDED_MAX);
        ended.drain(..too_many);
        held.values_mut().flat_map(|it| it.alerts(now)).collect()
    }

    fn locked(&self) -> MutexGuard<'_, Book> {
        // A panic while the lock was held left nothing half done that matters here.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn new(note: AlertNote, tick: Instant) -> Self {
        Self {
            revision: note.revision,
            until: (!note.is_live).then(|| tick + RESOLVED_FOR),
            alert: note.alert,
            replaced: Vec::new(),
        }
    }

    /// Goes over to `note`, unless a later one came before it. An alert with other labels is another
    /// alert to whoever gets it, so the labels stay what they were at first. Only the severity
    /// changes, since it decides who is told; then the alert with the old one is resolved.
    fn take(&mut self, note: AlertNote, now: Timestamp, tick: Instant) {
        if note.revision <= self.revision {
            return;
        }
        let until = tick + RESOLVED_FOR;
        let mut labels = self.alert.labels.clone();
        if let Some(severity) = note.alert.labels.get(SEVERITY) {
            labels.insert(SEVERITY.to_owned(), severity.clone());
        }
        self.replaced.retain(|(alert, _)| alert.labels != labels);
        if self.alert.labels != labels && self.alert.ends_at.is_none() {
            let mut old = self.alert.clone();
            old.ends_at = Some(rfc3339(now));
            self.replaced.push((old, until));
        }
        self.revision = note.revision;
        self.until = (!note.is_live).then_some(until);
        self.alert = Alert {
            labels,
            ..note.alert
        };
    }

    /// What it replaced, as long as that is said, and its own.
    fn alerts(&mut self, now: Instant) -> Vec<Alert> {
        self.replaced.retain(|(_, until)| *until > now);
        let replaced = self.replaced.iter().map(|(alert, _)| alert.clone());
        replaced.chain([self.alert.clone()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_763_700_000_000 + seconds * 1000)
    }

    fn note(revision: u64, severity: &str, is_live: bool) -> AlertNote {
        let labels = [("severity".to_owned(), severity.to_owned())];
        AlertNote {
            incident: "a".into(),
            revision,
            is_live,
            made_at: at(revision),
            alert: Alert {
                labels: labels.into(),
                annotations: BTreeMap::new(),
                starts_at: rfc3339(at(0)),
                ends_at: (!is_live).then(|| rfc3339(at(9))),
                generator_url: None,
            },
        }
    }

    fn said(alerts: &[Alert]) -> Vec<(&str, bool)> {
        let all = alerts.iter();
        all.map(|it| (it.labels["severity"].as_str(), it.ends_at.is_none()))
            .collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_goes_on_is_said_again_and_what_is_over_for_five_minutes() {
        let (standing, t) = (Standing::new(at(0)), Instant::now());
        let first = standing.note(note(1, "error", true), at(1), t);
        assert_eq!(said(&first), [("error", true)]);
        let t = t + seconds(86_400);
        assert_eq!(said(&standing.due(t)), [("error", true)]);
        standing.note(note(2, "error", false), at(2), t);
        for later in [0, 299] {
            let due = standing.due(t + seconds(later));
            assert_eq!(said(&due), [("error", false)], "{later}");
        }
        assert_eq!(standing.due(t + seconds(300)), []);
    }

    #[test]
    fn an_alert_whose_labels_changed_is_resolved_under_the_old_ones() {
        let (standing, t) = (Standing::new(at(0)), Instant::now());
        standing.note(note(1, "warning", true), at(1), t);
        let graver = standing.note(note(2, "critical", true), at(2), t);
        let both = [("warning", false), ("critical", true)];
        assert_eq!(said(&graver), both);
        assert_eq!(said(&standing.due(t)), both);
        // Back again: nothing says any more that the first one is over.
        let back = standing.note(note(3, "warning", true), at(3), t);
        assert_eq!(said(&back), [("critical", false), ("warning", true)]);
        assert_eq!(said(&standing.due(t + RESOLVED_FOR)), [("warning", true)]);
    }

    #[test]
    fn an_incident_that_is_seen_otherwise_later_is_the_same_alert_to_its_end() {
        let (standing, t) = (Standing::new(at(0)), Instant::now());
        let named = |revision, service: &str, is_live| {
            let mut note = note(revision, "error", is_live);
            note.alert
                .labels
                .insert("service".to_owned(), service.to_owned());
            note
        };
        let first = standing.note(named(1, "cart", true), at(1), t);
        let second = standing.note(named(2, "payments", true), at(2), t);
        let last = standing.note(named(3, "payments", false), at(3), t);
        assert_eq!([second.len(), last.len()], [1, 1]);
        assert_eq!(first[0].labels, second[0].labels);
        assert_eq!(first[0].labels, last[0].labels);
        assert!(last[0].ends_at.is_some());
    }

    #[test]
    fn what_is_over_never_stands_up_again() {
        let (standing, t) = (Standing::new(at(0)), Instant::now());
        standing.note(note(1, "error", true), at(1), t);
        standing.note(note(2, "error", false), at(2), t);
        // An earlier message that was sent again by hand.
        let again = standing.note(note(1, "error", true), at(3), t);
        assert_eq!(said(&again), [("error", false)]);
        assert_eq!(standing.due(t + RESOLVED_FOR), []);
        let again = standing.note(note(1, "error", true), at(4), t + RESOLVED_FOR);
        assert_eq!(again, []);
        // The same that came back does.
        standing.note(note(3, "error", true), at(5), t + RESOLVED_FOR);
        assert_eq!(said(&standing.due(t + RESOLVED_FOR)), [("error", true)]);
    }

    #[test]
    fn after_a_restart_only_what_goes_on_stands() {
        let (standing, t) = (Standing::new(at(20)), Instant::now());
        let mut live = note(3, "error", true);
        live.incident = "b".into();
        standing.restore([live].into_iter());
        // What was made before the start, of an incident that is not among those, is told once.
        let late = standing.note(note(1, "warning", true), at(21), t);
        assert_eq!(said(&late), [("warning", true)]);
        assert_eq!(said(&standing.due(t)), [("error", true)]);
    }
}
