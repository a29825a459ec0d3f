//! What a detector said about every sample.

use serde::Serialize;

use super::dataset::Part;
use super::told::Told;
use crate::core::record::TemplateId;

/// What one detector said about the samples of a part, or of all parts, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Scored {
    /// Its name in every output.
    pub(super) detector: &'static str,
    pub(super) threshold: Threshold,
    /// Higher is more abnormal.
    pub(super) scores: Vec<f64>,
    pub(super) alarms: Vec<bool>,
    /// How probable so high a score is for a normal sequence; empty where the detector has none.
    pub(super) p_values: Vec<f64>,
    /// The event at which the alarm was given, the number of events standing for the end; empty
    /// where the detector judges ended sequences only.
    pub(super) first_alarms: Vec<Option<usize>>,
    /// The templates blamed, most suspect first; empty where the detector blames none.
    pub(super) blamed: Vec<Vec<TemplateId>>,
    /// What would be told of each failure of a round that was found; empty where nothing would.
    pub(super) told: Vec<Option<Told>>,
    /// The share of normal sequences that may be alarmed on, where the detector goes by one; the
    /// mean over parts that go by several.
    pub(super) asked_rate: Option<f64>,
}

/// What a threshold was chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Threshold {
    /// Training data alone.
    #[default]
    LabelFree,
    /// The test's labels.
    Best,
}

impl Threshold {
    /// Its name in every output.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LabelFree => "label_free",
            Self::Best => "best",
        }
    }
}

impl Scored {
    /// Alarms on every score above `limit`, given when the sequence has ended.
    pub(super) fn above(detector: &'static str, scores: Vec<f64>, limit: f64) -> Self {
        let alarms = scores.iter().map(|score| *score > limit).collect();
        Self {
            detector,
            scores,
            alarms,
            ..Self::default()
        }
    }

    /// Appends what the same detector said about the next part.
    fn append(&mut self, next: Self) {
        let (len, more) = (self.scores.len() as f64, next.scores.len() as f64);
        let rates = self.asked_rate.zip(next.asked_rate);
        self.asked_rate =
            rates.map(|(rate, other)| (rate * len + other * more) / (len + more).max(1.0));
        self.scores.extend(next.scores);
        self.alarms.extend(next.alarms);
        self.p_values.extend(next.p_values);
        self.first_alarms.extend(next.first_alarms);
        self.blamed.extend(next.blamed);
        self.told.extend(next.told);
    }
}

/// What detectors say about all `parts`: `of_part` gives the same detectors for each part.
///
/// # Errors
/// The first error of `of_part`.
pub(super) fn over_parts(
    parts: &[Part],
    mut of_part: impl FnMut(&Part) -> anyhow::Result<Vec<Scored>>,
) -> anyhow::Result<Vec<Scored>> {
    let mut all: Vec<Scored> = Vec::new();
    for part in parts {
        for next in of_part(part)? {
            match all.iter_mut().find(|one| one.detector == next.detector) {
                Some(one) => one.append(next),
                None => all.push(next),
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_about_parts_comes_in_their_order() {
        let parts = [Part::default(), Part::default()];
        let mut scores = [1.0, 2.0].into_iter();
        let all = over_parts(&parts, |_| {
            Ok(vec![Scored::above(
                "one",
                scores.next().into_iter().collect(),
                1.5,
            )])
        });
        let all = all.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].scores, [1.0, 2.0]);
        assert_eq!(all[0].alarms, [false, true]);
    }
}
