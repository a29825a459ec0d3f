//! knothole's own detector as `serve` runs it, and each of its voices alone.

use std::sync::Arc;

use super::dataset::Part;
use super::scored::Scored;
use super::training::train_with_bar;
use crate::core::detect::{NextEvent, judge_sequence};
use crate::core::train::TrainSettings;

/// The row of all voices together.
pub(super) const ENSEMBLE: &str = "ensemble";

/// One row for the ensemble, and one for each voice.
///
/// # Errors
/// When the model cannot be trained or cannot compute.
pub(super) fn ensemble(part: &Part, settings: &TrainSettings) -> anyhow::Result<Vec<Scored>> {
    let bundle = train_with_bar(&part.corpus, settings, &format!("knothole {}", part.name))?;
    let calibration = bundle.manifest().calibration.clone();
    let mut scorer = NextEvent::new(Arc::new(bundle));
    let mut all = Scored {
        detector: ENSEMBLE,
        asked_rate: Some(settings.alarm_rate),
        ..Scored::default()
    };
    for sample in &part.samples {
        let verdict = judge_sequence(&mut scorer, &sample.sequence)?;
        let is_new = verdict.new_templates > 0;
        let surprise = f64::from(verdict.surprise);
        all.scores
            .push(if is_new { f64::INFINITY } else { surprise });
        all.p_values.push(if is_new {
            0.0
        } else {
            calibration.p_value(verdict.surprise)
        });
        all.alarms.push(verdict.is_abnormal());
        let first = verdict.first.map(|found| found.position);
        all.first_alarms.push(first);
        let blamed = first.and_then(|place| sample.sequence.events.get(place));
        all.blamed.push(blamed.into_iter().copied().collect());
    }
    Ok(vec![all])
}
