//! What would be told of a round of fault injection: its signs, joined into incidents.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::dataset::{Part, Round, Said, Sample};
use super::rounds::component_of;
use crate::core::cause::{rank, title};
use crate::core::detect::{Judged, Opinion, Why};
use crate::core::event::{AnomalyKind, Class, ContextLine, Incident, Sign, Source, TemplateRef};
use crate::core::incident::{Correlator, Settings};
use crate::core::model::{Bundle, Key};
use crate::core::record::{Resource, Severity, StreamKey, TemplateId, Timestamp};
use crate::core::topology::Topology;

/// What would be told of a round.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// How many incidents it makes.
    pub(super) incidents: usize,
    /// The first sentence of the one with the most signs, as it was told last.
    pub(super) title: Box<str>,
    /// The part that is suspected most.
    pub(super) suspect: Option<Box<str>>,
}

impl Told {
    /// Of a round that was alarmed on.
    pub(super) fn of(part: &Part, sample: &Sample, judged: &Judged, bundle: &Bundle) -> Self {
        let incidents = joined(signs(part, sample, judged, bundle), &part.topology);
        // Of several the first that has most.
        let main = incidents.iter().rev().max_by_key(|one| one.sign_count);
        Self {
            incidents: incidents.len(),
            title: main.map_or("", |one| &one.title).into(),
            suspect: main.and_then(|one| Some(rank(&one.signs).first()?.name.clone())),
        }
    }

    /// Whether the sentence names a component, itself or a module of it, in its own words.
    pub(super) fn names(&self, component: &str) -> bool {
        let own_words = self.title.split(": \"").next().unwrap_or_default();
        let mut names = own_words.split(|c: char| !(c.is_alphanumeric() || "._".contains(c)));
        names.any(|name| component_of(name) == component)
    }

    /// Whether a component is suspected most.
    pub(super) fn suspects(&self, component: &str) -> bool {
        let suspect = self.suspect.as_deref();
        suspect.is_some_and(|name| component_of(name) == component)
    }
}

/// The incidents that signs make, in the order in which they were first told, as they were told last.
/// No time passes but that of the signs.
fn joined(signs: Vec<Sign>, topology: &Topology) -> Vec<Arc<Incident>> {
    let settings = Settings::default();
    let settled = settings.settle;
    let mut correlator = Correlator::new(settings);
    let mut told: Vec<Arc<Incident>> = Vec::new();
    let mut tell = |correlator: &mut Correlator| {
        let title_of = |incident: &mut Incident| incident.title = title(incident).into();
        for event in correlator.take(title_of, |_, _| ()) {
            match told.iter_mut().find(|one| one.id == event.incident.id) {
                Some(known) => *known = event.incident,
                None => told.push(event.incident),
            }
        }
    };
    let mut now = signs
        .first()
        .map_or(Timestamp::ZERO, |sign| sign.first_seen);
    let last = signs.last().map_or(now, |sign| sign.first_seen);
    let mut signs = signs.into_iter().peekable();
    while now <= last.plus(settled) {
        while let Some(sign) = signs.next_if(|sign| sign.first_seen <= now) {
            correlator.sign(Arc::new(sign), topology, now);
        }
        correlator.advance(now);
        tell(&mut correlator);
        now = now.plus(TICK);
    }
    // What was told of changes only where it matters; an operator who looks sees it as it is.
    for mut incident in correlator.live() {
        incident.title = title(&incident).into();
        if let Some(known) = told.iter_mut().find(|one| one.id == incident.id) {
            *known = Arc::new(incident);
        }
    }
    told
}

/// How often time is let pass.
const TICK: Duration = Duration::from_secs(1);
/// A detector is heard when at most this share of normal rounds is as odd to it.
const HEARD_BELOW: f64 = 0.01;

/// The signs of a round that was alarmed on, by time: records of templates that training never saw, and
/// what the detectors blame. A service has one for each kind of sign on a template.
fn signs(part: &Part, sample: &Sample, judged: &Judged, bundle: &Bundle) -> Vec<Sign> {
    let Some(round) = &sample.round else {
        return Vec::new();
    };
    let mut found: BTreeMap<(StreamKey, TemplateId, AnomalyKind), Sign> = BTreeMap::new();
    let mut add = |sign: Sign, kind: AnomalyKind, template: TemplateId| {
        found
            .entry((sign.stream.clone(), template, kind))
            .or_insert(sign);
    };
    let vocabulary = bundle.vocabulary();
    for said in round.said.iter().filter(|said| !said.is_stack_line) {
        if vocabulary.key_of(said.template.id).is_none() {
            let kind = AnomalyKind::NewTemplate;
            add(sign_of(said, kind, sample), kind, said.template.id);
        }
    }
    for opinion in judged
        .opinions
        .iter()
        .filter(|one| one.p_value <= HEARD_BELOW)
    {
        if let Some((kind, said)) = blamed(opinion, round, sample) {
            add(sign_of(said, kind, sample), kind, said.template.id);
        }
        for (kind, key) in missing(&opinion.surprise.why) {
            let about = vocabulary.template(key);
            let writer = about.and_then(|template| part.writers.get(&template.id));
            if let Some((template, writer)) = about.zip(writer) {
                let position = opinion.surprise.position;
                let sign = absence(template, &writer.service, kind, time_at(sample, position));
                add(sign, kind, template.id);
            }
        }
    }
    let mut signs: Vec<Sign> = found.into_values().collect();
    signs.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
    signs
}

/// The record that an opinion blames, by the first one of its template.
fn blamed<'a>(
    opinion: &Opinion,
    round: &'a Round,
    sample: &Sample,
) -> Option<(AnomalyKind, &'a Said)> {
    let events = &sample.sequence.events;
    let template = *events.get(opinion.surprise.blamed(events.len())?)?;
    let said = round
        .said
        .iter()
        .find(|said| said.template.id == template)?;
    (!said.is_stack_line).then(|| (kind_of(&opinion.surprise.why), said))
}

fn kind_of(why: &Why) -> AnomalyKind {
    match why {
        Why::Part { why, .. } | Why::AtRest { why, .. } => kind_of(why),
        Why::Unseen => AnomalyKind::NewTemplate,
        Why::Rare { .. } => AnomalyKind::RareTemplate,
        Why::Count { .. } | Why::Relation { .. } | Why::Length { .. } => AnomalyKind::Count,
        Why::Pace { .. } => AnomalyKind::Timing,
        Why::Value { .. } => AnomalyKind::Value,
        _ => AnomalyKind::Sequence,
    }
}

/// The templates of which too few came.
fn missing(why: &Why) -> Vec<(AnomalyKind, Key)> {
    match why {
        Why::Part { why, .. } | Why::AtRest { why, .. } => missing(why),
        Why::Count {
            key, came, usual, ..
        } if *came < usual.0 => match came {
            0 => vec![(AnomalyKind::Missing, *key)],
            _ => vec![(AnomalyKind::Count, *key)],
        },
        Why::Relation {
            left, right, came, ..
        } => {
            let fewer = if came.0 < came.1 { left } else { right };
            let first = fewer.first().into_iter();
            first.map(|key| (AnomalyKind::Count, *key)).collect()
        }
        Why::NotBefore { missing, .. } | Why::NotAfter { missing, .. } => {
            vec![(AnomalyKind::Missing, *missing)]
        }
        _ => Vec::new(),
    }
}

fn time_at(sample: &Sample, position: usize) -> Timestamp {
    let times = &sample.sequence.times;
    let time = times.get(position).or(times.last());
    time.copied().unwrap_or(Timestamp::ZERO)
}

fn sign_of(said: &Said, kind: AnomalyKind, sample: &Sample) -> Sign {
    let time = time_at(sample, said.place);
    let line = ContextLine {
        time,
        text: Arc::clone(&said.text),
    };
    Sign {
        class: match said.severity {
            Severity::Error | Severity::Fatal => Class::Error,
            _ => Class::Info,
        },
        severity: said.severity.max(Severity::Warn),
        lines: vec![line],
        stack: said.stack.clone(),
        ..absence(&said.template, &said.service, kind, time)
    }
}

/// A sign without a record: of a template that stayed away.
fn absence(
    template: &TemplateRef,
    service: &StreamKey,
    kind: AnomalyKind,
    time: Timestamp,
) -> Sign {
    let fingerprint = format!("{service} {kind} {}", template.id);
    Sign {
        id: format!("{fingerprint} {}", time.as_nanos()).into(),
        fingerprint: fingerprint.into(),
        source: Source::Log,
        kind: kind.name().into(),
        class: Class::Info,
        severity: Severity::Warn,
        score: 1.0 - HEARD_BELOW,
        first_seen: time,
        last_seen: time,
        count: 1,
        stream: service.clone(),
        resource: Arc::new(Resource::default()),
        trace: None,
        says: "".into(),
        template: Some(template.clone()),
        lines: Vec::new(),
        expected: None,
        stack: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::topology::LinkSource;

    fn told(title: &str, suspect: &str) -> Told {
        Told {
            incidents: 1,
            title: title.into(),
            suspect: Some(suspect.into()),
        }
    }

    #[test]
    fn a_sentence_names_a_component_in_its_own_words_not_in_what_it_quotes() {
        let told = told(
            "shop: NoRow in shop.cart.lock, called by shop.web: \"shop.stock.rows is gone\"",
            "shop.cart.lock",
        );
        assert!(told.names("shop.cart") && told.names("shop.web"));
        assert!(!told.names("shop.stock") && !told.names("shop.car"));
        assert!(told.suspects("shop.cart") && !told.suspects("shop.web"));
    }

    #[test]
    fn signs_of_services_that_depend_on_each_other_make_one_incident_and_others_two() {
        let [cart, stock] = ["cart", "stock"].map(StreamKey::named);
        let template = TemplateRef {
            id: TemplateId(7),
            text: "INFO shop.cart.lock [-] released".into(),
        };
        let signs = || {
            [&cart, &stock].map(|service| {
                let at = Timestamp::from_millis(1_800_000_000_000);
                absence(&template, service, AnomalyKind::Missing, at)
            })
        };
        let mut topology = Topology::default();
        assert_eq!(joined(signs().into(), &topology).len(), 2);
        topology.link(&cart, &stock, Timestamp::ZERO, LinkSource::Catalog);
        let incidents = joined(signs().into(), &topology);
        assert_eq!(incidents.len(), 1);
        assert!(incidents[0].title.contains("shop.cart.lock does not say"));
    }

    #[test]
    fn what_came_too_seldom_is_missing() {
        let count = |came| Why::Count {
            key: Key(4),
            came,
            usual: (2, 3),
        };
        assert_eq!(missing(&count(0)), [(AnomalyKind::Missing, Key(4))]);
        assert_eq!(missing(&count(1)), [(AnomalyKind::Count, Key(4))]);
        assert!(missing(&count(9)).is_empty());
        let not_after = Why::NotAfter {
            key: Key(3),
            missing: Key(4),
            held: 9,
        };
        assert_eq!(missing(&not_after), [(AnomalyKind::Missing, Key(4))]);
    }
}
