//! A surprise and its surroundings → an anomaly a person can act on.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::intake::Held;
use super::judge::Judge;
use crate::core::detect::Judgement;
use crate::core::event::{
    Anomaly, AnomalyKind, ContextLine, Expected, Explanation, Observed, TemplateRef,
};
use crate::core::model::{Key, Window};
use crate::core::record::{Resource, Severity, SpanId, StreamKey, Timestamp, TraceId};
use crate::core::sequence::SequenceKey;

/// What was found, where, and when.
pub(super) struct Surprise<'a> {
    pub(super) stream: &'a StreamKey,
    pub(super) key: &'a SequenceKey,
    pub(super) resource: &'a Arc<Resource>,
    pub(super) trace: (Option<TraceId>, Option<SpanId>),
    /// The lines of the sequence up to and with the abnormal one.
    pub(super) context: Vec<ContextLine>,
    /// Records of the sequence so far.
    pub(super) len: u32,
    pub(super) time: Timestamp,
    pub(super) severity: Severity,
    /// The abnormal record; `None` when the sequence ended.
    pub(super) record: Option<(&'a Held, TemplateRef)>,
    /// What came before it, as the model sees it.
    pub(super) window: Window,
    /// What the model thinks of it; `None` for a template it does not know.
    pub(super) judgement: Option<Judgement>,
}

/// Characters of a template or line that a sentence quotes.
const QUOTE_LEN_MAX: usize = 100;

/// Tells one surprise as an anomaly.
pub(super) fn tell(surprise: &Surprise<'_>, judge: &Judge) -> Anomaly {
    let bundle = judge.bundle();
    let expected: Vec<Expected> = judge
        .expect(&surprise.window, Explanation::EXPECTED_MAX)
        .into_iter()
        .map(|(key, probability)| Expected {
            template: match key {
                Key::END => None,
                key => bundle.vocabulary().template(key).cloned(),
            },
            probability: f64::from(probability),
        })
        .collect();
    let kind = match surprise.judgement {
        None => AnomalyKind::NewTemplate,
        Some(_) => AnomalyKind::Sequence,
    };
    let calibration = &bundle.manifest().calibration;
    let p_value = match surprise.judgement {
        Some(judgement) => judgement.p_value,
        None => calibration.p_value(f32::INFINITY),
    };
    let fingerprint = fingerprint(surprise, kind);
    let id = digest(&[
        fingerprint.as_bytes(),
        surprise.key.to_string().as_bytes(),
        &surprise.time.as_nanos().to_be_bytes(),
    ]);
    Anomaly {
        id: id.get(..32).unwrap_or_default().into(),
        fingerprint,
        kind,
        severity: surprise.severity.max(Severity::Warn),
        score: 1.0 - p_value,
        p_value,
        first_seen: surprise.time,
        last_seen: surprise.time,
        count: 1,
        stream: surprise.stream.clone(),
        resource: Arc::clone(surprise.resource),
        sequence: surprise.key.to_string().into(),
        trace_id: surprise.trace.0,
        span_id: surprise.trace.1,
        template: surprise
            .record
            .as_ref()
            .map(|(_, template)| template.clone()),
        sent_template: surprise
            .record
            .as_ref()
            .and_then(|(held, _)| held.sent_template.clone()),
        explanation: Explanation {
            reason: reason(surprise, &expected, bundle.manifest().trained_on.sequences).into(),
            observed: match &surprise.record {
                Some((held, _)) => Observed::Record(Arc::clone(&held.text)),
                None => Observed::End,
            },
            probability: surprise
                .judgement
                .map_or(0.0, |found| f64::from(found.probability())),
            expected,
            context: surprise.context.clone(),
        },
        detectors: vec![match kind {
            AnomalyKind::NewTemplate => "new_template",
            AnomalyKind::Sequence => "order",
        }],
        model: bundle.version().into(),
    }
}

fn reason(surprise: &Surprise<'_>, expected: &[Expected], sequences: u64) -> String {
    let most_expected = expected.first().map(|first| {
        let what = match &first.template {
            Some(template) => format!("\"{}\"", quote(&template.text)),
            None => "the end".to_owned(),
        };
        format!("{what} ({})", percent(first.probability))
    });
    let most_expected = most_expected.unwrap_or_else(|| "nothing".to_owned());
    match (&surprise.record, surprise.judgement) {
        (Some(_), None) => format!(
            "a record of a kind that never came in the {sequences} sequences learned from; \
             expected was {most_expected}"
        ),
        (Some(_), Some(judgement)) => format!(
            "expected {most_expected}, came one that is expected there {}",
            odds(f64::from(judgement.probability()))
        ),
        (None, judgement) => format!(
            "ended after {} records where {most_expected} was expected; an end is expected \
             there {}",
            surprise.len,
            odds(judgement.map_or(0.0, |found| f64::from(found.probability())))
        ),
    }
}

fn percent(probability: f64) -> String {
    format!("{:.0} %", probability * 100.0)
}

fn odds(probability: f64) -> String {
    if probability >= 0.01 {
        return format!("{:.0} times in 100", probability * 100.0);
    }
    if probability <= 1e-9 {
        return "less than once in a billion".to_owned();
    }
    let one_in = 1.0 / probability;
    // Two leading digits are all that such an estimate is worth.
    let unit = 10f64.powf(one_in.log10().floor() - 1.0).max(1.0);
    format!("once in {}", thousands((one_in / unit).round() * unit))
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTE_LEN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn fingerprint(surprise: &Surprise<'_>, kind: AnomalyKind) -> Box<str> {
    let template = surprise
        .record
        .as_ref()
        .map_or(0, |(_, template)| template.id.0);
    let stream = surprise.stream;
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
fn digest(parts: &[&[u8]]) -> String {
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

    #[test]
    fn odds_are_told_with_two_digits_that_mean_something() {
        assert_eq!(odds(0.05), "5 times in 100");
        assert_eq!(odds(0.000_025), "once in 40,000");
        assert_eq!(odds(0.000_812), "once in 1,200");
        assert_eq!(odds(0.0), "less than once in a billion");
    }
}
