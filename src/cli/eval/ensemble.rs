//! knothole's own detector as `serve` runs it, and each of its voices alone.

use std::sync::Arc;

use super::dataset::Part;
use super::scored::Scored;
use super::told::Told;
use super::training::train_with_bar;
use crate::core::detect::{Detector, EventSequence, VOICES, Why};
use crate::core::model::Key;
use crate::core::train::{TrainSettings, train};

/// The row of all voices together.
pub(super) const ENSEMBLE: &str = "ensemble";

/// One row for the ensemble, and one for each voice.
///
/// # Errors
/// When the model cannot be trained or cannot compute.
pub(super) fn ensemble(part: &Part, settings: &TrainSettings) -> anyhow::Result<Vec<Scored>> {
    let name = format!("knothole {}", part.name);
    let bundle = train_with_bar(train, &part.corpus, settings, &name)?;
    let mut detector = Detector::new(Arc::new(bundle))?;
    let rate = detector.alarm_rate();
    let row = |detector| Scored {
        detector,
        asked_rate: Some(rate),
        ..Scored::default()
    };
    let mut all = row(ENSEMBLE);
    let mut voices = VOICES.map(row);
    let sequences: Vec<&EventSequence> =
        part.samples.iter().map(|sample| &sample.sequence).collect();
    let judged = detector.judge_all(&sequences)?;
    for (sample, judged) in part.samples.iter().zip(judged) {
        all.scores.push(f64::from(judged.score));
        all.p_values.push(judged.p_value);
        all.alarms.push(judged.is_alarm);
        all.first_alarms.push(judged.first_alarm);
        let bundle = detector.bundle();
        let is_round = sample.is_abnormal() && sample.round.is_some() && judged.is_alarm;
        all.told
            .push(is_round.then(|| Told::of(part, sample, &judged, bundle)));
        let blamed = judged.opinions.iter().flat_map(|opinion| {
            let events = &sample.sequence.events;
            let record = opinion.surprise.blamed(events.len());
            let record = record.and_then(|place| events.get(place));
            let named = named(&opinion.surprise.why).into_iter();
            let named = named.filter_map(|key| bundle.vocabulary().template(key));
            let named = named.map(|template| template.id);
            record.copied().into_iter().chain(named)
        });
        all.blamed.push(blamed.collect());
        for (voice, row) in voices.iter_mut().enumerate() {
            let p_value = judged.p_values[voice];
            row.scores.push(f64::from(judged.scores[voice]));
            row.p_values.push(p_value);
            row.alarms.push(p_value <= rate);
        }
    }
    Ok(std::iter::once(all).chain(voices).collect())
}

/// The templates that the evidence names beside the record at hand: what was missing, or came too
/// often or too seldom.
fn named(why: &Why) -> Vec<Key> {
    match why {
        Why::Count { key, .. } => vec![*key],
        Why::Relation { left, right, .. } => left.iter().chain(right).copied().collect(),
        Why::NotBefore { missing, .. } | Why::NotAfter { missing, .. } => vec![*missing],
        Why::Part { why, .. } | Why::AtRest { why, .. } => named(why),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_blamed_too() {
        let missing = Why::NotAfter {
            key: Key(3),
            missing: Key(4),
            held: 9,
        };
        let part = Why::Part {
            named_at: (0, 0),
            why: Box::new(missing),
        };
        assert_eq!(named(&part), [Key(4)]);
        assert!(named(&Why::Unseen).is_empty());
    }
}
