//! How many of the events that happened one sink gets to hear of.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{Anomaly, Event};
use crate::core::record::{ChangeKind, StreamKey, Timestamp};

use super::config::Limit;

const MINUTE: Duration = Duration::from_secs(60);

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    /// It goes out; an anomaly with the count of those that were held back before it.
    Send(Event),
    /// One like it went out a moment ago; this one is counted in the next.
    Folded,
    /// The sink had its share of this minute; this one is counted in the next like it.
    Limited,
}

/// Folds and limits the events of one sink.
#[derive(Debug)]
pub(super) struct Fold {
    limit: Limit,
    /// Bounded by `limit.fold_keys_max`.
    seen: HashMap<Key, Seen>,
    /// When the events of the last minute were sent. Bounded by `limit.per_minute`.
    sent: VecDeque<Timestamp>,
    swept: Timestamp,
}

/// Events with one key say the same thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The stream, the template (or the end) and the kind.
    Anomaly(Box<str>),
    /// The action and what it is for.
    /// The service: who makes up new versions keeps nothing else from being told.
    Change(StreamKey, ChangeKind),
}

#[derive(Debug, Default)]
struct Seen {
    sent: Option<Timestamp>,
    held_back: u64,
}

impl Fold {
    /// Nothing sent yet.
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            seen: HashMap::new(),
            sent: VecDeque::new(),
            swept: Timestamp::ZERO,
        }
    }

    /// Decides about `event` at `now`. A `now` before an earlier one counts as that earlier moment
    /// only until the clock has been put right: what was sent "later" is taken as sent just now.
    pub(super) fn decide(&mut self, event: &Event, now: Timestamp) -> Decision {
        let Some(key) = Key::of(event) else {
            return Decision::Send(event.clone());
        };
        let folds = self.limit.fold && self.tracks(&key, now);
        if folds && self.is_repeat(&key, now) {
            self.hold_back(key, event);
            return Decision::Folded;
        }
        if !self.may_send(now) {
            if folds {
                self.hold_back(key, event);
            }
            return Decision::Limited;
        }
        let held_back = if folds {
            let seen = self.seen.entry(key).or_default();
            seen.sent = Some(now);
            std::mem::take(&mut seen.held_back)
        } else {
            0
        };
        if self.limit.per_minute > 0 {
            self.sent.push_back(now);
        }
        Decision::Send(with_count(event, held_back))
    }

    /// Whether there is room to remember `key`. Looks for old keys to forget once a window.
    fn tracks(&mut self, key: &Key, now: Timestamp) -> bool {
        if self.seen.len() < self.limit.fold_keys_max || self.seen.contains_key(key) {
            return true;
        }
        let window = self.limit.fold_window;
        if now.since(self.swept) >= window || self.swept > now {
            self.swept = now;
            let is_recent = |seen: &Seen| seen.sent.is_some_and(|sent| now.since(sent) < window);
            self.seen.retain(|_, seen| is_recent(seen));
        }
        self.seen.len() < self.limit.fold_keys_max
    }

    fn is_repeat(&mut self, key: &Key, now: Timestamp) -> bool {
        let Some(sent) = self.seen.get_mut(key).and_then(|seen| seen.sent.as_mut()) else {
            return false;
        };
        *sent = (*sent).min(now);
        now.since(*sent) < self.limit.fold_window
    }

    fn may_send(&mut self, now: Timestamp) -> bool {
        if self.limit.per_minute == 0 {
            return true;
        }
        while self.sent.back().is_some_and(|&sent| sent > now) {
            // The clock went back.
            self.sent
                .iter_mut()
                .for_each(|sent| *sent = (*sent).min(now));
        }
        while self
            .sent
            .front()
            .is_some_and(|&sent| now.since(sent) >= MINUTE)
        {
            self.sent.pop_front();
        }
        self.sent.len() < self.limit.per_minute as usize
    }

    fn hold_back(&mut self, key: Key, event: &Event) {
        let count = match event {
            Event::Anomaly(anomaly) => anomaly.count,
            Event::Action(_) | Event::Incident(_) | Event::Digest(_) | Event::Change(_) => 1,
        };
        let seen = self.seen.entry(key).or_default();
        seen.held_back = seen.held_back.saturating_add(count);
    }
}

impl Key {
    /// What is told of incidents and actions is folded and limited where they are made, and each of it
    /// says something else: it has no key, and all of it goes out.
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Anomaly(anomaly) => Some(Self::Anomaly(anomaly.fingerprint.clone())),
            Event::Change(change) => Some(Self::Change(change.stream.clone(), change.kind)),
            Event::Action(_) | Event::Incident(_) | Event::Digest(_) => None,
        }
    }
}

fn with_count(event: &Event, held_back: u64) -> Event {
    match event {
        Event::Anomaly(anomaly) if held_back > 0 => Event::Anomaly(Arc::new(Anomaly {
            count: anomaly.count.saturating_add(held_back),
            ..Anomaly::clone(anomaly)
        })),
        _ => event.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::notify::sample;

    const START: Timestamp = Timestamp::from_millis(1_763_700_000_000);

    fn at(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn like(fingerprint: &str) -> Event {
        let mut anomaly = sample::anomaly();
        anomaly.fingerprint = fingerprint.into();
        Event::Anomaly(Arc::new(anomaly))
    }

    fn count(decision: Decision) -> u64 {
        match decision {
            Decision::Send(Event::Anomaly(anomaly)) => anomaly.count,
            other => panic!("expected an anomaly to go out, not {other:?}"),
        }
    }

    #[test]
    fn the_first_goes_out_at_once_and_the_next_tells_how_many_there_were() {
        let mut fold = Fold::new(Limit::default());
        assert_eq!(count(fold.decide(&like("a"), at(0))), 1);
        for second in [0, 1, 59] {
            assert_eq!(fold.decide(&like("a"), at(second)), Decision::Folded);
        }
        assert_eq!(count(fold.decide(&like("b"), at(2))), 1, "another matter");
        assert_eq!(count(fold.decide(&like("a"), at(60))), 4);
        assert_eq!(count(fold.decide(&like("a"), at(200))), 1);
    }

    #[test]
    fn no_minute_ever_holds_more_than_the_limit() {
        let limit = Limit {
            per_minute: 5,
            fold: false,
            ..Limit::default()
        };
        let mut fold = Fold::new(limit);
        let mut sent = Vec::new();
        for tick in 0..2400 {
            let now = START.plus(Duration::from_millis(tick * 100));
            if matches!(fold.decide(&like("a"), now), Decision::Send(_)) {
                sent.push(now);
            }
        }
        assert_eq!(sent.len(), 20, "four minutes, five each");
        for pair in sent.windows(6) {
            assert!(pair[5].since(pair[0]) >= MINUTE);
        }
    }

    #[test]
    fn what_the_limit_held_back_is_counted_in_the_next_of_its_kind() {
        let limit = Limit {
            per_minute: 1,
            ..Limit::default()
        };
        let mut fold = Fold::new(limit);
        assert_eq!(count(fold.decide(&like("a"), at(0))), 1);
        assert_eq!(fold.decide(&like("b"), at(1)), Decision::Limited);
        assert_eq!(fold.decide(&like("b"), at(2)), Decision::Limited);
        assert_eq!(count(fold.decide(&like("b"), at(61))), 3);
    }

    #[test]
    fn without_fold_and_limit_everything_goes_out() {
        let limit = Limit {
            per_minute: 0,
            fold: false,
            ..Limit::default()
        };
        let mut fold = Fold::new(limit);
        for _ in 0..1000 {
            assert_eq!(count(fold.decide(&like("a"), at(0))), 1);
        }
    }

    #[test]
    fn a_flood_of_different_matters_fills_no_memory() {
        let limit = Limit {
            per_minute: 0,
            fold_keys_max: 10,
            ..Limit::default()
        };
        let mut fold = Fold::new(limit);
        for n in 0..1000 {
            assert_eq!(count(fold.decide(&like(&n.to_string()), at(n / 100))), 1);
            assert!(fold.seen.len() <= 10);
        }
        assert_eq!(fold.decide(&like("3"), at(10)), Decision::Folded);
        assert_eq!(count(fold.decide(&like("new"), at(100))), 1);
        assert_eq!(fold.decide(&like("new"), at(101)), Decision::Folded);
    }

    #[test]
    fn a_clock_that_was_put_back_by_a_day_silences_nobody() {
        let mut fold = Fold::new(Limit::default());
        assert_eq!(count(fold.decide(&like("a"), at(86_400))), 1);
        assert_eq!(fold.decide(&like("a"), at(0)), Decision::Folded);
        assert_eq!(count(fold.decide(&like("a"), at(60))), 2);
    }
}
