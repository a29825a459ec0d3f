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
    let mut ranks = Vec::with_capacity(held_out.len());
    let mut worst = Vec::with_capacity(held_out.len());
    for segment in held_out {
        let answers = answers(&fitted.network, segment)?;
        ranks.push(answers.iter().map(|answer| answer.rank).max().unwrap_or(0));
        worst.push(
            answers
                .iter()
                .map(|answer| -answer.log_probability)
                .fold(0.0, f32::max),
        );
    }
    let top_g = smallest_allowed(&mut ranks, settings.alarm_rate);
    let missed = ranks.iter().filter(|rank| **rank > top_g).count();
    worst.sort_unstable_by(|a, b| b.total_cmp(a));
    worst.truncate(Calibration::WORST_LEN_MAX);
    let sequences = held_out.len() as u64;
    let alarm_rate = (missed as f64 / sequences.max(1) as f64) as f32;
    let calibration = Calibration {
        alarm_rate: settings.alarm_rate as f32,
        top_g,
        sequences,
        worst,
    };
    Ok((
        calibration,
        Scores {
            validation_loss: fitted.validation_loss,
            alarm_rate,
        },
    ))
}

/// The smallest g that at most the share `alarm_rate` of `ranks` exceeds; at least 1.
fn smallest_allowed(ranks: &mut [u32], alarm_rate: f64) -> u32 {
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    let allowed = (ranks.len() as f64 * alarm_rate).floor() as usize;
    ranks.get(allowed).copied().unwrap_or(1).max(1)
}
