//! What would be told of a round of fault injection: its signs, joined into incidents.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dataset::{Part, Round, Said, Sample};
use crate::core::detect::{Judged, Opinion, Why};
use crate::core::event::{AnomalyKind, Class, ContextLine, Sign, Source, TemplateRef};
use crate::core::model::{Bundle, Key};
use crate::core::record::{Resource, Severity, StreamKey, TemplateId, Timestamp};

/// A detector is heard when at most this share of normal rounds is as odd to it.
const HEARD_BELOW: f64 = 0.01;

/// The signs of a round that was alarmed on, by time: records of templates that training never saw, and
/// what the detectors blame. A service has one for each kind of sign on a template.
pub(super) fn signs(part: &Part, sample: &Sample, judged: &Judged, bundle: &Bundle) -> Vec<Sign> {
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
