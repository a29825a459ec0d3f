//! How often normal sequences are alarmed on, and whether p-values keep what they promise.

use std::time::Duration;

use serde::Serialize;

use super::chance::{binomial_interval, wilson_interval};
use super::dataset::{Class, Dataset, Sample};
use super::ranking::ratio;
use super::scored::Scored;
use crate::core::record::Timestamp;

/// Alarms on normal sequences.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Quiet {
    /// How many normal sequences were alarmed on.
    pub(super) false_alarms: usize,
    /// Of 10,000 normal sequences.
    pub(super) false_alarms_per_10k: f64,
    /// The rates that this count speaks for with 95 % (Wilson).
    pub(super) false_alarms_per_10k_interval: [f64; 2],
    /// What was asked for, where a rate was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<Asked>,
    /// Where the set has times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) false_alarms_per_day: Option<f64>,
    pub(super) drift: Drift,
}

/// The rate that was asked for.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Asked {
    pub(super) per_10k: f64,
    /// Where 95 % of counts lie when each normal sequence is alarmed on with exactly this chance.
    pub(super) per_10k_interval: [f64; 2],
    /// Whether the count lies there.
    pub(super) holds: bool,
}

/// False alarms of 10,000 in the first and in the second half of the normal sequences.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Drift {
    pub(super) early_per_10k: f64,
    pub(super) late_per_10k: f64,
}

/// Shares of normal sequences at or below levels of the p-value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reliability {
    /// The mean distance between level and share over the levels 0.01, 0.02 … 1.
    pub(super) calibration_error: f64,
    /// Level and share; where p-values are right the two are equal.
    pub(super) levels: Vec<[f64; 2]>,
}

/// Levels shown: a rate that low is asked for in the small ones.
const LEVELS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1.0,
];
const SECONDS_PER_DAY: f64 = 86_400.0;

impl Quiet {
    pub(super) fn new(scored: &Scored, dataset: &Dataset) -> Self {
        let mut normal: Vec<(&Sample, bool)> = dataset
            .samples()
            .zip(scored.alarms.iter().copied())
            .filter(|(sample, _)| sample.class == Class::Normal)
            .collect();
        // Parts may lie side by side in time. The sort is stable, so without times the order stays.
        normal.sort_by_key(|(sample, _)| sample.begun());
        let alarms: Vec<bool> = normal.iter().map(|(_, alarm)| *alarm).collect();
        let (false_alarms, all) = (count(&alarms), alarms.len());
        let (low, high) = wilson_interval(false_alarms, all);
        let (early, late) = alarms.split_at(all / 2);
        Self {
            false_alarms,
            false_alarms_per_10k: per_10k(false_alarms, all),
            false_alarms_per_10k_interval: [low * 1e4, high * 1e4],
            asked: scored
                .asked_rate
                .map(|rate| Asked::new(rate, false_alarms, all)),
            false_alarms_per_day: days(dataset).map(|days| false_alarms as f64 / days),
            drift: Drift {
                early_per_10k: per_10k(count(early), early.len()),
                late_per_10k: per_10k(count(late), late.len()),
            },
        }
    }
}

impl Asked {
    fn new(rate: f64, false_alarms: usize, all: usize) -> Self {
        let (low, high) = binomial_interval(all, rate);
        Self {
            per_10k: rate * 1e4,
            per_10k_interval: [per_10k(low, all), per_10k(high, all)],
            holds: (low..=high).contains(&false_alarms),
        }
    }
}

impl Reliability {
    /// `None` where the detector gives no p-values.
    pub(super) fn new(scored: &Scored, dataset: &Dataset) -> Option<Self> {
        if scored.p_values.is_empty() {
            return None;
        }
        let normal = dataset
            .samples()
            .zip(&scored.p_values)
            .filter(|(sample, _)| sample.class == Class::Normal);
        let mut p_values: Vec<f64> = normal.map(|(_, p)| *p).collect();
        p_values.sort_by(f64::total_cmp);
        let share = |level: f64| {
            let below = p_values.partition_point(|p| *p <= level);
            ratio(below as f64, p_values.len() as f64)
        };
        let apart = (1..=100).map(|level| f64::from(level) / 100.0);
        let apart = apart.map(|level| (share(level) - level).abs());
        Some(Self {
            calibration_error: apart.sum::<f64>() / 100.0,
            levels: LEVELS.map(|level| [level, share(level)]).to_vec(),
        })
    }
}

fn count(alarms: &[bool]) -> usize {
    alarms.iter().filter(|alarm| **alarm).count()
}

fn per_10k(part: usize, all: usize) -> f64 {
    ratio(part as f64, all as f64) * 1e4
}

/// The days that normal samples are spread over, part by part; `None` where one has no time.
fn days(dataset: &Dataset) -> Option<f64> {
    let spans: Option<Vec<Duration>> = dataset
        .parts
        .iter()
        .map(|part| span(part.samples.iter().filter(|one| one.class == Class::Normal)))
        .collect();
    let days = spans?.iter().map(Duration::as_secs_f64).sum::<f64>() / SECONDS_PER_DAY;
    (days > 0.0).then_some(days)
}

/// From the first to the last record.
fn span<'a>(samples: impl Iterator<Item = &'a Sample>) -> Option<Duration> {
    let (mut from, mut to) = (None::<Timestamp>, Timestamp::ZERO);
    for sample in samples {
        let times = &sample.sequence.times;
        let (first, last) = (*times.first()?, *times.last()?);
        from = Some(from.map_or(first, |from| from.min(first)));
        to = to.max(last);
    }
    Some(from.map_or(Duration::ZERO, |from| to.since(from)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::Part;
    use crate::core::detect::EventSequence;
    use crate::core::record::TemplateId;
    use crate::core::train::Corpus;

    /// Ten normal samples, one each day, and an abnormal one.
    fn dataset() -> Dataset {
        let at = |day: u64| EventSequence {
            times: vec![Timestamp::from_millis(1 + day * 86_400_000)],
            ..EventSequence::whole(vec![TemplateId(1)])
        };
        let mut samples: Vec<Sample> = (0..=10)
            .map(|day| Sample::new(at(day), Class::Normal))
            .collect();
        samples.push(Sample::new(at(3), Class::Abnormal));
        Dataset::of(Part::new(Corpus::default(), samples))
    }

    fn scored(alarmed: &[usize]) -> Scored {
        let mut scored = Scored::above("test", vec![0.0; 12], 1.0);
        alarmed
            .iter()
            .for_each(|place| scored.alarms[*place] = true);
        scored
    }

    #[test]
    fn alarms_on_normal_samples_are_counted_by_ten_thousand_by_day_and_by_half() {
        let quiet = Quiet::new(&scored(&[0, 1, 11]), &dataset());
        assert_eq!(quiet.false_alarms, 2);
        assert_eq!(quiet.false_alarms_per_10k.round(), 1818.0);
        assert_eq!(quiet.false_alarms_per_day, Some(0.2));
        assert_eq!(quiet.drift.early_per_10k, 4000.0);
        assert_eq!(quiet.drift.late_per_10k, 0.0);
        assert!(quiet.asked.is_none());
    }

    #[test]
    fn a_rate_that_was_asked_for_holds_or_does_not() {
        let asked = |alarmed: &[usize]| {
            let scored = Scored {
                asked_rate: Some(0.01),
                ..scored(alarmed)
            };
            Quiet::new(&scored, &dataset()).asked.unwrap().holds
        };
        assert!(asked(&[0]));
        assert!(!asked(&[0, 1, 2]));
    }

    #[test]
    fn p_values_that_are_shares_have_no_error_and_too_small_ones_have() {
        let dataset = {
            let samples = (0..1_000).map(|_| Sample::default()).collect();
            Dataset::of(Part::new(Corpus::default(), samples))
        };
        let error = |p_values: Vec<f64>| {
            let scored = Scored {
                p_values,
                ..Scored::default()
            };
            Reliability::new(&scored, &dataset)
                .unwrap()
                .calibration_error
        };
        let right = (1..=1_000).map(|rank| f64::from(rank) / 1_000.0);
        assert!(error(right.clone().collect()) < 0.002);
        assert!(error(right.map(|p| p / 10.0).collect()) > 0.4);
    }
}
