//! How soon after its fault a sequence is alarmed on.

use std::time::Duration;

use serde::Serialize;

use super::dataset::{Dataset, Sample};
use super::ranking::ratio;
use super::scored::Scored;
use crate::core::detect::EventSequence;
use crate::core::record::TemplateId;

/// When alarms came, of a detector that judges while records come.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Delay {
    /// The share of all abnormal sequences alarmed on before their last event.
    pub(super) before_last_event: f64,
    /// The share of abnormal sequences that go as a training sequence goes until their last event:
    /// no detector can know these earlier.
    pub(super) follow_training: f64,
    /// The share of the others alarmed on before their last event.
    pub(super) before_last_event_of_others: f64,
    /// From the fault to the alarm, where both are known: the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) median_s: Option<f64>,
    /// Nine in ten alarms came sooner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p90_s: Option<f64>,
    /// Events between the fault and the alarm: the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) median_events: Option<f64>,
    /// Every delay in seconds, for the plot.
    #[serde(skip)]
    pub(super) seconds: Vec<f64>,
}

/// Which abnormal samples go as a training sequence goes until their last event.
pub(super) struct Followers {
    /// For each sample in order; false for those that are not abnormal.
    follows: Vec<bool>,
}

impl Followers {
    pub(super) fn new(dataset: &Dataset) -> Self {
        let mut follows = Vec::new();
        for part in &dataset.parts {
            let mut known: Vec<&[TemplateId]> = part
                .corpus
                .sequences
                .iter()
                .map(|sequence| sequence.events.as_slice())
                .collect();
            known.sort_unstable();
            known.dedup();
            let of_sample = |sample: &Sample| {
                sample.is_abnormal() && begins_one(&sample.sequence.events, &known)
            };
            follows.extend(part.samples.iter().map(of_sample));
        }
        Self { follows }
    }
}

/// Whether all but the last of `events` is how one of `known` (sorted) begins.
fn begins_one(events: &[TemplateId], known: &[&[TemplateId]]) -> bool {
    let Some((_, beginning)) = events.split_last() else {
        return true;
    };
    let place = known.partition_point(|one| *one < beginning);
    known
        .get(place)
        .is_some_and(|one| one.starts_with(beginning))
}

impl Delay {
    /// `None` where the detector judges ended sequences only.
    pub(super) fn new(scored: &Scored, dataset: &Dataset, followers: &Followers) -> Option<Self> {
        if scored.first_alarms.is_empty() {
            return None;
        }
        let (mut all, mut early, mut follow, mut early_others) = (0u32, 0u32, 0u32, 0u32);
        let (mut seconds, mut events) = (Vec::new(), Vec::new());
        let samples = dataset.samples().zip(&scored.first_alarms);
        for ((sample, alarm), follows) in samples.zip(&followers.follows) {
            if !sample.is_abnormal() {
                continue;
            }
            let is_early = alarm.is_some_and(|alarm| alarm + 1 < sample.sequence.events.len());
            all += 1;
            early += u32::from(is_early);
            follow += u32::from(*follows);
            early_others += u32::from(is_early && !*follows);
            let since_fault = alarm.and_then(|alarm| {
                let since = since_fault(sample, alarm, dataset.end_noticed_after)?;
                Some((since, events_since_fault(sample, alarm)?))
            });
            if let Some((waited, passed)) = since_fault {
                seconds.push(waited);
                events.push(passed);
            }
        }
        let share = |part: u32, whole: u32| ratio(f64::from(part), f64::from(whole));
        seconds.sort_by(f64::total_cmp);
        events.sort_by(f64::total_cmp);
        Some(Self {
            before_last_event: share(early, all),
            follow_training: share(follow, all),
            before_last_event_of_others: share(early_others, all - follow),
            median_s: quantile(&seconds, 0.5),
            p90_s: quantile(&seconds, 0.9),
            median_events: quantile(&events, 0.5),
            seconds,
        })
    }
}

/// Seconds from the fault to the alarm; an alarm before it (the fault is logged when it is done)
/// counts as none.
fn since_fault(sample: &Sample, alarm: usize, end_noticed_after: Duration) -> Option<f64> {
    let EventSequence { times, .. } = &sample.sequence;
    let at = match times.get(alarm) {
        Some(time) => *time,
        None => times.last()?.plus(end_noticed_after),
    };
    Some(at.since(sample.fault_at?).as_secs_f64())
}

fn events_since_fault(sample: &Sample, alarm: usize) -> Option<f64> {
    let fault_at = sample.fault_at?;
    let times = &sample.sequence.times;
    let first = times.iter().position(|time| *time >= fault_at);
    Some(alarm.saturating_sub(first.unwrap_or(times.len())) as f64)
}

/// The value that `share` of `sorted` is at most.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::{Class, Part};
    use crate::core::record::Timestamp;
    use crate::core::train::Corpus;

    fn sequence(events: &[u64]) -> EventSequence {
        let seconds = 1..=events.len() as u64;
        EventSequence {
            times: seconds
                .map(|second| Timestamp::from_millis(second * 1_000))
                .collect(),
            ..EventSequence::whole(events.iter().copied().map(TemplateId).collect())
        }
    }

    /// Normal is 1 2 3 4. Samples: one that ends too soon, one with a wrong second event.
    fn dataset() -> Dataset {
        let corpus = Corpus {
            sequences: vec![sequence(&[1, 2, 3, 4])],
            ..Corpus::default()
        };
        let sample = |events| Sample {
            fault_at: Some(Timestamp::from_millis(2_000)),
            ..Sample::new(sequence(events), Class::Abnormal)
        };
        let samples = vec![sample(&[1, 2, 3]), sample(&[1, 9, 3, 4])];
        Dataset {
            end_noticed_after: Duration::from_secs(60),
            ..Dataset::of(Part::new(corpus, samples))
        }
    }

    fn delay(first_alarms: Vec<Option<usize>>) -> Delay {
        let dataset = dataset();
        let scored = Scored {
            first_alarms,
            ..Scored::default()
        };
        Delay::new(&scored, &dataset, &Followers::new(&dataset)).unwrap()
    }

    #[test]
    fn a_sequence_that_only_ends_too_soon_is_not_asked_to_be_known_before() {
        let delay = delay(vec![Some(3), Some(1)]);
        assert_eq!(delay.follow_training, 0.5);
        assert_eq!(delay.before_last_event, 0.5);
        assert_eq!(delay.before_last_event_of_others, 1.0);
    }

    #[test]
    fn delay_runs_from_the_fault_and_an_end_is_noticed_late() {
        let delay = delay(vec![Some(3), Some(2)]);
        assert_eq!(delay.seconds, [1.0, 61.0]);
        assert_eq!(delay.p90_s, Some(61.0));
        assert_eq!(delay.median_events, Some(2.0));
    }

    #[test]
    fn what_was_not_alarmed_on_has_no_delay() {
        let delay = delay(vec![None, None]);
        assert_eq!((delay.median_s, delay.before_last_event), (None, 0.0));
    }
}
