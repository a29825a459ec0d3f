//! knothole's own detector as `serve` runs it, and each of its voices alone.

use std::sync::Arc;

use super::dataset::Part;
use super::scored::Scored;
use super::training::train_with_bar;
use crate::core::detect::{Detector, VOICES};
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
    let row = |detector| Scored {
        detector,
        asked_rate: Some(settings.alarm_rate),
        ..Scored::default()
    };
    let mut all = row(ENSEMBLE);
    let mut voices = VOICES.map(row);
    for sample in &part.samples {
        let judged = detector.judge(&sample.sequence)?;
        all.scores.push(f64::from(judged.score));
        all.p_values.push(judged.p_value);
        all.alarms.push(judged.is_alarm);
        all.first_alarms.push(judged.first_alarm);
        let blamed = judged
            .opinions
            .iter()
            .map(|opinion| opinion.surprise.position);
        let blamed = blamed.filter_map(|place| sample.sequence.events.get(place).copied());
        all.blamed.push(blamed.collect());
        for (voice, row) in voices.iter_mut().enumerate() {
            let p_value = judged.p_values[voice];
            row.scores.push(f64::from(judged.scores[voice]));
            row.p_values.push(p_value);
            row.alarms.push(p_value <= settings.alarm_rate);
            row.first_alarms.push(None);
            row.blamed.push(Vec::new());
        }
    }
    Ok(std::iter::once(all).chain(voices).collect())
}
