//! An alarm and its surroundings → an anomaly a person can act on.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::intake::{TEXT_LEN_MAX, head};
use super::judge::{Judge, View};
use super::words::{Words, lasting};
use crate::core::detect::{Alarm, Heard, Opinion, Why};
use crate::core::event::{
    self, Anomaly, AnomalyKind, Class, ContextLine, Expected, Explanation, Observed, Stack,
    TemplateRef,
};
use crate::core::model::Key;
use crate::core::parse::{Miner, OVERFLOW_TEXT, STACK_RECORDS_MAX, is_stack_line, stack_of};
use crate::core::record::{Resource, Severity, StreamKey, TemplateId, Timestamp};
use crate::core::sequence::{Journal, SequenceEvent, SequenceKey};

/// What was found, and where.
pub(super) struct Surprise<'a> {
    pub(super) stream: &'a StreamKey,
    pub(super) key: &'a SequenceKey,
    pub(super) resource: &'a Arc<Resource>,
    /// Records of the sequence so far.
    pub(super) len: u32,
    pub(super) alarm: &'a Alarm,
    /// The sequence as it was judged.
    pub(super) view: &'a View,
    pub(super) known: (&'a Miner, &'a Journal),
}

/// A detector agrees with an alarm when at most this share of normal sequences is as odd to it.
const AGREES_BELOW: f64 = 0.01;
/// Of opinions that are within this factor of the most surprised one, the plainest is the reason.
const AS_SURPRISED: f64 = 30.0;

/// What is less probable is not told as expected, unless nothing is more so.
const EXPECTED_MIN: f32 = 0.005;

/// Tells one alarm as an anomaly.
pub(super) fn tell(surprise: &Surprise<'_>, judge: &mut Judge) -> Anomaly {
    let headline = headline(&surprise.alarm.opinions);
    let (miner, journal) = surprise.known;
    let view = surprise.view;
    let at = Place::of(headline, view);
    let blamed = at.blamed.and_then(|place| view.events.get(place));
    let kind = headline.map_or(AnomalyKind::Sequence, |opinion| {
        kind_of(&opinion.surprise.why, blamed.is_some())
    });
    let explanation = explain(surprise, judge, headline, &at);
    let template = blamed.map(|event| event.template).or_else(|| {
        let about = subject(&headline?.surprise.why)?;
        Some(judge.bundle().vocabulary().template(about)?.id)
    });
    let template = template.map(|id| template_ref(miner, id));
    let last = blamed.or(at.before(view).last());
    let line = last.and_then(|event| journal.line(event.number));
    // What is said of a record holds of no other.
    let own_line = line.filter(|_| blamed.is_some());
    let time = last.map_or(Timestamp::ZERO, |event| event.time);
    let fingerprint = fingerprint(surprise.stream, kind, template.as_ref());
    let sequence = surprise.key.to_string();
    let id = digest(&[
        fingerprint.as_bytes(),
        sequence.as_bytes(),
        &time.as_nanos().to_be_bytes(),
    ]);
    Anomaly {
        id: id.get(..32).unwrap_or_default().into(),
        fingerprint,
        kind,
        class: class_of(miner, template.as_ref()),
        severity: own_line
            .map_or(Severity::Warn, |line| line.severity)
            .max(Severity::Warn),
        score: 1.0 - surprise.alarm.p_value,
        p_value: surprise.alarm.p_value,
        first_seen: time,
        last_seen: time,
        count: 1,
        stream: surprise.stream.clone(),
        resource: Arc::clone(surprise.resource),
        sequence: sequence.into(),
        trace_id: line.and_then(|line| line.trace.0),
        span_id: line.and_then(|line| line.trace.1),
        template,
        sent_template: own_line.and_then(|line| line.sent_template.clone()),
        detectors: detectors(surprise.alarm, &explanation),
        stack: blamed.and_then(|event| stack_with(event.number, journal)),
        explanation,
        model: judge.bundle().version().into(),
    }
}

/// The stack trace that came with a record: within it, or in those after it where each of its lines is
/// a record, of which this may be any.
fn stack_with(number: u32, journal: &Journal) -> Option<Stack> {
    let text = |number: u32| journal.line(number).map(|line| &*line.text);
    let is_of_stack = |number: u32| text(number).is_some_and(is_stack_line);
    let mut first = number;
    for earlier in (1..STACK_RECORDS_MAX).filter_map(|back| u32::try_from(back).ok()) {
        let earlier = number.wrapping_sub(earlier);
        if !is_of_stack(first) || text(earlier).is_none() {
            break;
        }
        first = earlier;
    }
    let len = u32::try_from(STACK_RECORDS_MAX).unwrap_or(u32::MAX);
    stack_of((0..len).map_while(|after| text(first.wrapping_add(after))))
}

/// Where in a sequence something is odd.
struct Place {
    /// The place of the blamed record; of the next one, where something was missing by then.
    at: usize,
    blamed: Option<usize>,
    /// How long nothing came, where something was missing by a pause.
    paused: Option<Duration>,
}

impl Place {
    fn of(headline: Option<&Opinion>, view: &View) -> Self {
        let len = view.heard.len;
        let Some(Opinion { surprise, .. }) = headline else {
            return Self {
                at: len,
                blamed: None,
                paused: None,
            };
        };
        let blamed = surprise.blamed(len);
        let paused = match &surprise.why {
            Why::AtRest { quiet, .. } if blamed.is_none() => Some(*quiet),
            _ => None,
        };
        Self {
            at: surprise.position.min(len),
            blamed,
            paused,
        }
    }

    /// The records before it.
    fn before<'a>(&self, view: &'a View) -> &'a [SequenceEvent] {
        view.events.get(..self.at).unwrap_or(&view.events)
    }
}

/// What is at a place, what was expected there, and who agrees.
fn explain(
    surprise: &Surprise<'_>,
    judge: &mut Judge,
    headline: Option<&Opinion>,
    at: &Place,
) -> Explanation {
    let (expected, probability) = expected(judge, surprise.known.0, &surprise.view.heard, at);
    let words = Words {
        judge,
        view: surprise.view,
        known: surprise.known,
        expected: &expected,
        len: surprise.len,
    };
    let opinions: Vec<event::Opinion> = worth_saying(headline, &surprise.alarm.opinions)
        .into_iter()
        .map(|one| event::Opinion {
            detector: one.voice,
            p_value: one.p_value,
            says: words.say(&one.surprise).into(),
        })
        .collect();
    Explanation {
        reason: opinions.first().map_or("", |one| &one.says).into(),
        observed: observed(surprise, at),
        probability,
        expected,
        context: context(surprise, at),
        opinions,
    }
}

/// The headline, and of what else is odd the strongest of each sort: many detectors say the same
/// of the whole sequence, of its parts and of its pauses.
fn worth_saying<'a>(headline: Option<&'a Opinion>, opinions: &'a [Opinion]) -> Vec<&'a Opinion> {
    let mut worth_saying: Vec<&Opinion> = headline.into_iter().collect();
    for opinion in opinions.iter().filter(|one| one.p_value <= AGREES_BELOW) {
        let is_new = |told: &&Opinion| !are_alike(&told.surprise.why, &opinion.surprise.why);
        if worth_saying.iter().all(is_new) && worth_saying.len() < Explanation::OPINIONS_MAX {
            worth_saying.push(opinion);
        }
    }
    worth_saying
}

/// Whether a person would take two for the same: they are of one sort, or what is missing by its order
/// is missing by its count.
fn are_alike(one: &Why, other: &Why) -> bool {
    let (sort, other_sort) = (sort_of(one), sort_of(other));
    let is_lack = |sort: &Sort| matches!(sort, Sort::Order | Sort::Count);
    let is_same_lack = is_lack(&sort) && is_lack(&other_sort) && subject(one).is_some();
    sort == other_sort || (is_same_lack && subject(one) == subject(other))
}

/// What something odd is about.
#[derive(PartialEq, Eq)]
enum Sort {
    Kind,
    Order,
    Count,
    Time,
    Value,
}

fn sort_of(why: &Why) -> Sort {
    match why {
        Why::Part { why, .. } | Why::AtRest { why, .. } => sort_of(why),
        Why::Unseen | Why::Rare { .. } => Sort::Kind,
        Why::Next { .. } | Why::NotBefore { .. } | Why::NotAfter { .. } => Sort::Order,
        Why::Count { .. } | Why::Relation { .. } | Why::Length { .. } => Sort::Count,
        Why::Pace { .. } => Sort::Time,
        Why::Value { .. } => Sort::Value,
    }
}

/// The detectors that agree: those with an opinion that is told, in its order, and then the others.
fn detectors(alarm: &Alarm, explanation: &Explanation) -> Vec<&'static str> {
    let told = explanation.opinions.iter().map(|one| one.detector);
    let mut detectors: Vec<&'static str> = told.collect();
    for opinion in alarm.opinions.iter() {
        if opinion.p_value <= AGREES_BELOW && !detectors.contains(&opinion.voice) {
            detectors.push(opinion.voice);
        }
    }
    detectors
}

/// What came at a place.
fn observed(surprise: &Surprise<'_>, at: &Place) -> Observed {
    let blamed = at.blamed.and_then(|place| surprise.view.events.get(place));
    match (blamed, at.paused) {
        (Some(event), _) => Observed::Record(text_of(event, surprise.known)),
        (None, Some(quiet)) => Observed::Measure(format!("nothing for {}", lasting(quiet)).into()),
        (None, None) => Observed::End,
    }
}

/// The plainest of the opinions that are about as surprised as the first.
fn headline(opinions: &[Opinion]) -> Option<&Opinion> {
    let first = opinions.first()?;
    let close = opinions
        .iter()
        .filter(|one| one.p_value <= first.p_value * AS_SURPRISED);
    close.min_by_key(|one| plainness(&one.surprise.why))
}

/// How much a person has to take on trust; 0 for nothing.
fn plainness(why: &Why) -> u8 {
    match why {
        Why::Part { why, .. } | Why::AtRest { why, .. } => plainness(why),
        Why::Unseen => 0,
        Why::NotBefore { .. } | Why::NotAfter { .. } => 1,
        Why::Relation { .. } | Why::Pace { .. } | Why::Value { .. } => 2,
        Why::Count { .. } | Why::Length { .. } => 3,
        Why::Next { .. } => 4,
        _ => 5,
    }
}

fn kind_of(why: &Why, is_record: bool) -> AnomalyKind {
    match why {
        Why::Part { why, .. } | Why::AtRest { why, .. } => kind_of(why, is_record),
        Why::Unseen => AnomalyKind::NewTemplate,
        Why::Rare { .. } => AnomalyKind::RareTemplate,
        Why::Next { came, .. } if *came == Key::END || !is_record => AnomalyKind::Incomplete,
        Why::Next { .. } | Why::NotBefore { .. } => AnomalyKind::Sequence,
        Why::Count { came: 0, .. } | Why::NotAfter { .. } => AnomalyKind::Missing,
        Why::Count { .. } | Why::Relation { .. } => AnomalyKind::Count,
        Why::Length { came, usual } if *came < usual.0 => AnomalyKind::Incomplete,
        Why::Length { .. } => AnomalyKind::Count,
        Why::Pace { .. } => AnomalyKind::Timing,
        Why::Value { .. } => AnomalyKind::Value,
    }
}

/// The template that something is said about.
fn subject(why: &Why) -> Option<Key> {
    match why {
        Why::Part { why, .. } | Why::AtRest { why, .. } => subject(why),
        Why::Count { key, .. } | Why::Rare { key, .. } | Why::Value { key, .. } => Some(*key),
        Why::NotAfter { missing, .. } => Some(*missing),
        Why::NotBefore { key, .. } | Why::Pace { to: key, .. } => Some(*key),
        Why::Relation {
            left, right, came, ..
        } => {
            let fewer = if came.0 < came.1 { left } else { right };
            fewer.first().copied()
        }
        Why::Next { came, .. } if *came != Key::END => Some(*came),
        _ => None,
    }
}

/// What was most expected at a place, and how probable what came was.
fn expected(judge: &mut Judge, miner: &Miner, heard: &Heard, at: &Place) -> (Vec<Expected>, f64) {
    let before = judge.detector.resume(&up_to(heard, at.at));
    let probable = judge.detector.expect(&before, usize::MAX);
    judge.detector.release(before);
    let came = match at.blamed {
        Some(place) => {
            let index = heard.positions.iter().position(|at| *at as usize == place);
            index.and_then(|index| heard.keys.get(index).copied())
        }
        None => Some(Key::END),
    };
    let probability = probable.iter().find(|(key, _)| Some(*key) == came);
    let vocabulary = judge.bundle().vocabulary();
    let worth_it =
        |(nth, (_, probability)): &(usize, &(Key, f32))| *nth == 0 || *probability >= EXPECTED_MIN;
    let expected = probable.iter().take(Explanation::EXPECTED_MAX).enumerate();
    let expected = expected.filter(worth_it).map(|(_, expected)| expected);
    let expected = expected.map(|(key, probability)| Expected {
        template: vocabulary
            .template(*key)
            .map(|template| template_ref(miner, template.id)),
        probability: f64::from(*probability),
    });
    (
        expected.collect(),
        probability.map_or(0.0, |(_, p)| f64::from(*p)),
    )
}

/// `heard` as it was before the record at `place` came.
pub(super) fn up_to(heard: &Heard, place: usize) -> Heard {
    let known = heard.positions.partition_point(|at| (*at as usize) < place);
    let mut before = heard.part(&(0..known).collect::<Vec<usize>>());
    before.unseen = heard
        .unseen
        .iter()
        .copied()
        .filter(|at| (*at as usize) < place)
        .collect();
    before.len = place.min(heard.len);
    before.ends = false;
    before
}

/// The lines up to and with the blamed one, or up to where something was missing; oldest first.
fn context(surprise: &Surprise<'_>, at: &Place) -> Vec<ContextLine> {
    let events = &surprise.view.events;
    let end = at.blamed.map_or(at.at, |place| place + 1);
    let end = end.min(events.len());
    let start = end.saturating_sub(Explanation::CONTEXT_MAX);
    let lines = events.get(start..end).unwrap_or_default().iter();
    let line = |event: &SequenceEvent| ContextLine {
        time: event.time,
        text: text_of(event, surprise.known),
    };
    lines.map(line).collect()
}

/// The line of a record; its template where the line was forgotten.
fn text_of(event: &SequenceEvent, (miner, journal): (&Miner, &Journal)) -> Arc<str> {
    match journal.line(event.number) {
        Some(line) if line.text.len() <= TEXT_LEN_MAX => Arc::clone(&line.text),
        Some(line) => head(&line.text, TEXT_LEN_MAX).into(),
        None => template_ref(miner, event.template).text.into(),
    }
}

/// What a template is today.
/// What an anomaly of this template is about; of none, just that.
pub(super) fn class_of(miner: &Miner, template: Option<&TemplateRef>) -> Class {
    template.map_or(Class::Info, |template| miner.class_of(&template.text))
}

pub(super) fn template_ref(miner: &Miner, id: TemplateId) -> TemplateRef {
    match miner.resolve(id) {
        Some(template) => TemplateRef {
            id: template.id,
            text: template.text.clone(),
        },
        None => TemplateRef {
            id,
            text: OVERFLOW_TEXT.into(),
        },
    }
}

/// The same for every anomaly of one kind on one template of one stream.
pub(super) fn fingerprint(
    stream: &StreamKey,
    kind: AnomalyKind,
    template: Option<&TemplateRef>,
) -> Box<str> {
    let template = template.map_or(0, |template| template.id.0);
    let digest = digest(&[
        stream.environment.as_bytes(),
        stream.namespace.as_bytes(),
        stream.name.as_bytes(),
        kind.name().as_bytes(),
        &template.to_be_bytes(),
    ]);
    digest.get(..16).unwrap_or_default().into()
}

/// The SHA-256 of `parts`, each with its length in front, as 64 hex digits.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opinion(voice: &'static str, p_value: f64, why: Why) -> Opinion {
        let surprise = crate::core::detect::Surprise {
            score: 1.0,
            position: 0,
            why,
        };
        Opinion {
            voice,
            p_value,
            surprise,
        }
    }

    #[test]
    fn what_is_said_is_the_reason_and_the_strongest_of_each_other_sort() {
        let late = || Why::Pace {
            from: Key(2),
            to: Key(3),
            took: Duration::from_secs(9),
            usual: Default::default(),
        };
        let part = |why| Why::Part {
            named_at: (0, 0),
            why: Box::new(why),
        };
        let missing = || Why::NotAfter {
            key: Key(2),
            missing: Key(3),
            held: 9,
        };
        let length = Why::Length {
            came: 2,
            usual: (5, 9),
        };
        let rare = Why::Rare {
            key: Key(2),
            sequences: 1,
            of: 99,
        };
        let value = Why::Value {
            key: Key(2),
            place: 0,
            number: None,
            usual: None,
            names: 3,
        };
        let opinions = [
            opinion("part_pace", 1e-5, part(late())),
            opinion("pace", 1e-4, late()),
            opinion("part_precedence", 2e-4, part(missing())),
            opinion("precedence", 3e-4, missing()),
            opinion("length", 4e-4, length),
            opinion("rare", 5e-4, rare),
            opinion("values", 6e-4, value),
            opinion("ngram", 0.5, missing()),
        ];
        let same_lack = Why::Relation {
            left: vec![Key(2)],
            right: vec![Key(3)],
            came: (1, 0),
            held: 9,
        };
        assert!(are_alike(&part(missing()), &same_lack));
        let said = worth_saying(opinions.first(), &opinions);
        let voices: Vec<&str> = said.iter().map(|one| one.voice).collect();
        assert_eq!(voices, ["part_pace", "part_precedence", "length", "rare"]);
    }
}
