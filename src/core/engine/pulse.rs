//! How often the templates of a stream come, next to what its sequences do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::State;
use super::explain::{class_of, digest, fingerprint, template_ref};
use super::intake::Held;
use super::outbox::Outbox;
use super::stream::Stream;
use super::words::{lasting, quote, thousands};
use crate::core::detect::rates::{Hearing, RateAlarm, RateKind, Rates};
use crate::core::event::{self, Anomaly, AnomalyKind, Explanation, Observed};
use crate::core::parse::{Change, Miner};
use crate::core::record::{Resource, Severity, StreamKey, Timestamp};

/// Most places whose names are kept.
const PLACES_MAX: usize = 1_024;
/// Most templates and places that an explanation names.
const NAMED_MAX: usize = 3;

/// The rates of a stream, and the names of the places that its records come from.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) rates: Rates,
    /// By the hash that rates know them by.
    pub(super) places: BTreeMap<u32, Box<str>>,
    /// The resource seen last and its place: records come in batches of one.
    latest: Option<(Arc<Resource>, u32)>,
}

impl Pulse {
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            rates,
            places: BTreeMap::default(),
            latest: None,
        }
    }

    pub(super) fn place(&mut self, resource: &Arc<Resource>) -> u32 {
        if let Some((known, place)) = &self.latest
            && Arc::ptr_eq(known, resource)
        {
            return *place;
        }
        let name = ["host.name", "k8s.pod.name", "service.instance.id"]
            .iter()
            .find_map(|name| resource.get(name))
            .unwrap_or_default();
        let place = fnv(name);
        if self.places.len() < PLACES_MAX {
            self.places.entry(place).or_insert_with(|| name.into());
        }
        self.latest = Some((Arc::clone(resource), place));
        place
    }
}

/// FNV-1a: the same on every machine and in every run.
fn fnv(text: &str) -> u32 {
    let bytes = text.bytes().map(u32::from);
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ byte).wrapping_mul(0x0100_0193)
    })
}

impl Stream {
    /// Lets what is known of templates go with them when they become others.
    pub(super) fn follow_changes(&mut self) {
        for change in self.miner.take_changes() {
            match change {
                Change::Widened { from, to } | Change::Merged { from, into: to } => {
                    self.pulse.rates.follow(from, to);
                    self.follow_trails(from, to);
                }
                Change::New(_) | Change::Split { .. } => {}
            }
        }
    }

    /// Counts a record.
    pub(super) fn observe(&mut self, time: Timestamp, held: &Held) {
        if Miner::is_overflow(held.template) {
            return;
        }
        let is_known = self
            .judge
            .as_ref()
            .is_some_and(|judge| judge.key_of(held.template, &self.miner).is_some());
        // A parser under attack tells no new templates.
        let is_new = !is_known && self.miner.quarantined_until().is_none();
        let place = self.pulse.place(&held.resource);
        self.pulse.rates.observe(held.template, is_new, time, place);
    }

    /// Tells what the rates show by `stream_time`.
    pub(super) fn tell_rates(&mut self, stream_time: Timestamp, out: &mut Outbox) {
        if self.newest == Timestamp::ZERO {
            return;
        }
        let hearing = match self.state() {
            _ if self.is_resting => Hearing::Gap,
            State::Active => Hearing::Clear,
            State::Learning | State::Training => Hearing::Learning,
        };
        for alarm in self.pulse.rates.advance(stream_time, hearing) {
            let anomaly = self.anomaly_of(&alarm);
            self.say(anomaly, out);
        }
    }

    fn anomaly_of(&self, alarm: &RateAlarm) -> Anomaly {
        let kind = match alarm.kind {
            RateKind::RateUp => AnomalyKind::RateUp,
            RateKind::RateDown => AnomalyKind::RateDown,
            RateKind::Silence => AnomalyKind::Silence,
            RateKind::NewBurst => AnomalyKind::Burst,
        };
        let first_new = alarm.templates.first().map(|(id, _)| *id);
        let template = alarm.template.or(first_new);
        let template = template.map(|id| template_ref(&self.miner, id));
        let says: Box<str> = self.says(alarm).into();
        let observed = match alarm.kind {
            RateKind::Silence => format!("nothing for {}", lasting(alarm.span)),
            _ => format!(
                "{} records in {}",
                thousands(alarm.observed),
                lasting(alarm.span)
            ),
        };
        let fingerprint = fingerprint(&self.key, kind, template.as_ref());
        let id = digest(&[
            fingerprint.as_bytes(),
            &alarm.first.as_nanos().to_be_bytes(),
        ]);
        Anomaly {
            id: id.get(..32).unwrap_or_default().into(),
            fingerprint,
            kind,
            class: class_of(&self.miner, template.as_ref()),
            severity: Severity::Warn,
            score: 1.0 - alarm.p_value,
            p_value: alarm.p_value,
            first_seen: alarm.first,
            last_seen: alarm.last,
            count: 1,
            stream: self.key.clone(),
            resource: Arc::new(resource_of(&self.key)),
            sequence: "".into(),
            trace_id: None,
            span_id: None,
            template,
            sent_template: None,
            explanation: Explanation {
                reason: says.clone(),
                expected: Vec::new(),
                observed: Observed::Measure(observed.into()),
                probability: alarm.p_value,
                opinions: vec![event::Opinion {
                    detector: "rates",
                    p_value: alarm.p_value,
                    says,
                }],
                context: Vec::new(),
            },
            stack: None,
            detectors: vec!["rates"],
            model: self.model_version().into(),
        }
    }

    fn says(&self, alarm: &RateAlarm) -> String {
        let what = match alarm.template {
            Some(id) => quote(&template_ref(&self.miner, id).text),
            None => "this service".to_owned(),
        };
        let (least, most) = alarm.usual;
        let span = lasting(alarm.span);
        let (came, usual) = (thousands(alarm.observed), many(least, most));
        let said = match alarm.kind {
            RateKind::RateUp => format!("{what} came {came} times in {span}; {usual} are usual"),
            RateKind::RateDown => {
                format!("{what} came only {came} times in {span}; {usual} are usual")
            }
            RateKind::Silence => {
                let usual = [least, most].map(|s| lasting(Duration::from_secs_f64(s.max(0.0))));
                let [least, most] = usual;
                format!("{what} was not heard of for {span}; it is heard every {least} to {most}")
            }
            RateKind::NewBurst => format!(
                "{came} records in {span} are of kinds that never came before; {usual} are usual{}",
                self.new_ones(alarm)
            ),
        };
        format!("{said}{}{}", self.where_from(alarm), also(alarm.also))
    }

    fn new_ones(&self, alarm: &RateAlarm) -> String {
        let first = alarm.templates.iter().take(NAMED_MAX);
        let told: Vec<String> = first
            .map(|(id, count)| {
                let text = quote(&template_ref(&self.miner, *id).text);
                format!("{text} ({})", thousands(f64::from(*count)))
            })
            .collect();
        match told.is_empty() {
            true => String::new(),
            false => format!(": {}", told.join(", ")),
        }
    }

    fn where_from(&self, alarm: &RateAlarm) -> String {
        let named = alarm.places.iter().filter_map(|(hash, count)| {
            let name = self
                .pulse
                .places
                .get(hash)
                .filter(|name| !name.is_empty())?;
            Some(format!("{name} ({})", thousands(f64::from(*count))))
        });
        let named: Vec<String> = named.take(NAMED_MAX).collect();
        match named.is_empty() {
            true => String::new(),
            false => format!("; from {}", named.join(", ")),
        }
    }
}

fn also(count: u32) -> String {
    match count {
        0 => String::new(),
        1 => "; so it is with one other kind of record".to_owned(),
        count => format!("; so it is with {count} other kinds of records"),
    }
}

fn many(least: f64, most: f64) -> String {
    match (least.round(), most.round()) {
        (least, most) if least == most => thousands(least),
        (least, most) => format!("{} to {}", thousands(least), thousands(most)),
    }
}

/// What is so of all records of a stream: no pod is named, since none is known to be at fault.
fn resource_of(stream: &StreamKey) -> Resource {
    let named = [
        ("deployment.environment.name", &stream.environment),
        ("service.namespace", &stream.namespace),
        ("service.name", &stream.name),
    ];
    let named = named.into_iter().filter(|(_, value)| !value.is_empty());
    Resource::new(
        named
            .map(|(key, value)| (key.into(), value.clone()))
            .collect(),
    )
}
