//! Where normal ends, told by sequences the network was not fitted to.

use super::TrainSettings;
use super::fit::Fitted;
use crate::core::detect::{Question, answers};
use crate::core::model::{Calibration, ModelError, Scores};

/// The worst moment of each held-out segment gives the rule and the p-values.
pub(super) fn calibrate(
    fitted: &Fitted,
    held_out: &[Vec<Question>],
    settings: &TrainSettings,
) -> Result<(Calibration, Scores), ModelError> {
    let (mut ranks, mut worst) = (Vec::new(), Vec::new());
    for segment in held_out {
        let answers = answers(&fitted.network, segment)?;
        ranks.push(answers.iter().map(|answer| answer.rank).max().unwrap_or(0));
        let surprise = answers
            .iter()
            .map(|answer| -answer.log_probability)
            .fold(0.0, f32::max);
        worst.push(surprise);
    }
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    worst.sort_unstable_by(|a, b| b.total_cmp(a));
    let asked = settings.alarm_rate_of(held_out.len());
    let allowed = (held_out.len() as f64 * asked).floor() as usize;
    let mut calibration = Calibration {
        alarm_rate: asked as f32,
        top_g: ranks.get(allowed).copied().unwrap_or(1).max(1),
        sequences: held_out.len() as u64,
        worst,
    };
    let alarmed = ranks.iter().filter(|rank| calibration.is_miss(**rank));
    let alarm_rate = (alarmed.count() as f64 / (held_out.len() as f64).max(1.0)) as f32;
    calibration.worst.truncate(Calibration::WORST_LEN_MAX);
    Ok((
        calibration,
        Scores {
            validation_loss: fitted.validation_loss,
            alarm_rate,
        },
    ))
}
