//! What is told of rounds of fault injection beside F1.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dataset::{Class, Dataset, Part, Sample, Writer};
use super::delay::quantile;
use super::metrics::Counts;
use super::ranking::ratio;
use super::scored::Scored;
use super::told::Told;
use crate::core::record::TemplateId;

/// The figures of one detector. What cannot be told of it is left out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct RoundFigures {
    /// F1 where an injected fault that nobody noticed counts as normal.
    pub(super) f1_with_ambiguous: f64,
    /// The share found of failures without any record of level ERROR or CRITICAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) silent_recall: Option<f64>,
    /// From the moment the fault was triggered to the first alarm: the median over failures that
    /// were found and have such a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) median_delay_s: Option<f64>,
    /// The share of found failures of which the component with the fault is among the first three
    /// that are blamed; failures without an injection are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause_top3: Option<f64>,
    /// The share of found failures that make one incident, not several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) one_incident: Option<f64>,
    /// The share of found failures with an injection of which the incident's first sentence names the
    /// component with the fault; what it quotes of the log does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_sentence: Option<f64>,
    /// The same for the part that is suspected most alone: a sentence may also name who called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_suspect: Option<f64>,
}

/// How many components may be named.
const CAUSES: usize = 3;
/// Segments of a module's name that make a component: `nova.compute`.
const COMPONENT_SEGMENTS: usize = 2;

impl RoundFigures {
    /// `None` where the set has no rounds.
    pub(super) fn new(scored: &Scored, dataset: &Dataset) -> Option<Self> {
        dataset.samples().find(|sample| sample.round.is_some())?;
        let abnormal = || {
            let samples = dataset.samples().zip(&scored.alarms).enumerate();
            samples
                .filter(|(_, (sample, _))| sample.is_abnormal())
                .map(|(place, (sample, alarm))| (place, sample, *alarm))
        };
        let is_silent = |sample: &Sample| sample.round.as_ref().is_some_and(|round| round.silent);
        let silent: Vec<bool> = abnormal()
            .filter(|(_, sample, _)| is_silent(sample))
            .map(|(.., alarm)| alarm)
            .collect();
        let mut delays: Vec<f64> = abnormal()
            .filter_map(|(place, sample, _)| delay(scored, place, sample))
            .collect();
        delays.sort_by(f64::total_cmp);
        let told = || dataset.samples().zip(&scored.told);
        let told = || told().filter_map(|(sample, told)| Some((sample, told.as_ref()?)));
        let of_injected = |names: &dyn Fn(&Told, &str) -> bool| -> Vec<bool> {
            let injected = told().filter_map(|(sample, told)| {
                let component = sample.round.as_ref()?.component.as_ref()?;
                Some(names(told, component))
            });
            injected.collect()
        };
        let is_one: Vec<bool> = told().map(|(_, told)| told.incidents == 1).collect();
        Some(Self {
            one_incident: share(&is_one),
            first_sentence: share(&of_injected(&Told::names)),
            first_suspect: share(&of_injected(&Told::suspects)),
            f1_with_ambiguous: f1_with_ambiguous(scored, dataset),
            silent_recall: share(&silent),
            median_delay_s: quantile(&delays, 0.5),
            cause_top3: share(&causes_named(scored, dataset)),
        })
    }
}

fn f1_with_ambiguous(scored: &Scored, dataset: &Dataset) -> f64 {
    let samples = dataset.samples().zip(&scored.alarms);
    let ambiguous: Vec<bool> = samples
        .filter(|(sample, _)| sample.class == Class::Ambiguous)
        .map(|(_, alarm)| *alarm)
        .collect();
    let mut counts = Counts::of(&scored.alarms, dataset);
    counts.normal += ambiguous.len();
    counts.alarmed_normal += ambiguous.iter().filter(|alarm| **alarm).count();
    counts.rates(dataset.weights).2
}

/// Seconds from trigger to alarm.
fn delay(scored: &Scored, place: usize, sample: &Sample) -> Option<f64> {
    let alarm = (*scored.first_alarms.get(place)?)?;
    let times = &sample.sequence.times;
    let at = times.get(alarm).or(times.last())?;
    Some(at.since(sample.fault_at?).as_secs_f64())
}

/// For each found failure with an injection, whether its component is among the first blamed.
fn causes_named(scored: &Scored, dataset: &Dataset) -> Vec<bool> {
    if scored.blamed.is_empty() {
        return Vec::new();
    }
    let samples = dataset
        .parts
        .iter()
        .flat_map(|part| part.samples.iter().map(move |sample| (part, sample)));
    let said = scored.alarms.iter().zip(&scored.blamed);
    samples
        .zip(said)
        .filter(|((_, sample), (alarm, _))| sample.is_abnormal() && **alarm)
        .filter_map(|((part, sample), (_, blamed))| {
            let component = sample.round.as_ref()?.component.as_ref()?;
            Some(components(part, blamed).contains(&component.as_ref()))
        })
        .collect()
}

/// The first components that the blamed templates' loggers belong to.
fn components<'a>(part: &'a Part, blamed: &[TemplateId]) -> Vec<&'a str> {
    let mut named: Vec<&str> = Vec::new();
    for writer in blamed.iter().filter_map(|id| part.writers.get(id)) {
        let component = component_of(&writer.logger);
        if !named.contains(&component) {
            named.push(component);
        }
    }
    named.truncate(CAUSES);
    named
}

/// The first two segments of a module's name.
pub(super) fn component_of(module: &str) -> &str {
    let end = module
        .match_indices('.')
        .nth(COMPONENT_SEGMENTS - 1)
        .map_or(module.len(), |(end, _)| end);
    &module[..end]
}

/// The share that is true; `None` of nothing.
fn share(found: &[bool]) -> Option<f64> {
    let part = found.iter().filter(|found| **found).count();
    (!found.is_empty()).then(|| ratio(part as f64, found.len() as f64))
}

/// Who writes each template of which that is known.
pub(super) type Writers = BTreeMap<TemplateId, Writer>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::Round;
    use crate::core::detect::EventSequence;
    use crate::core::record::StreamKey;
    use crate::core::record::Timestamp;
    use crate::core::train::Corpus;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    fn sample(class: Class, silent: bool, component: Option<&str>) -> Sample {
        let sequence = EventSequence {
            times: vec![at(10), at(20), at(30)],
            ..EventSequence::whole(vec![TemplateId(1), TemplateId(2), TemplateId(3)])
        };
        Sample {
            fault_at: Some(at(15)),
            round: Some(Round {
                silent,
                component: component.map(Into::into),
                said: Vec::new(),
            }),
            ..Sample::new(sequence, class)
        }
    }

    /// A normal round, a loud failure, a silent one without an injection, an unnoticed injection.
    fn dataset() -> Dataset {
        let mut part = Part::new(
            Corpus::default(),
            vec![
                sample(Class::Normal, true, None),
                sample(Class::Abnormal, false, Some("shop.cart")),
                sample(Class::Abnormal, true, None),
                sample(Class::Ambiguous, true, Some("shop.cart")),
            ],
        );
        let writer = |logger: &str| Writer {
            service: StreamKey::named("shop"),
            logger: logger.into(),
        };
        part.writers = Writers::from([
            (TemplateId(1), writer("shop.front.page")),
            (TemplateId(2), writer("shop.cart.lock.keeper")),
        ]);
        Dataset::of(part)
    }

    fn figures(blamed: &[u64]) -> RoundFigures {
        let blamed: Vec<TemplateId> = blamed.iter().copied().map(TemplateId).collect();
        let scored = Scored {
            first_alarms: vec![None, Some(1), None, Some(3)],
            blamed: vec![vec![], blamed, vec![], vec![]],
            ..Scored::above("test", vec![0.0, 1.0, 0.0, 1.0], 0.5)
        };
        RoundFigures::new(&scored, &dataset()).unwrap()
    }

    #[test]
    fn silent_failures_unnoticed_injections_and_delays_are_told_apart() {
        let figures = figures(&[]);
        assert_eq!(figures.silent_recall, Some(0.0));
        assert_eq!(figures.median_delay_s, Some(5.0));
        // One hit, one miss, one alarm on what nobody noticed.
        assert_eq!(figures.f1_with_ambiguous, 0.5);
    }

    #[test]
    fn a_cause_is_named_by_the_logger_of_a_blamed_template() {
        assert_eq!(figures(&[1, 2]).cause_top3, Some(1.0));
        assert_eq!(figures(&[1]).cause_top3, Some(0.0));
        assert_eq!(component_of("shop.cart.lock.keeper"), "shop.cart");
        assert_eq!(component_of("shop"), "shop");
    }

    #[test]
    fn other_sets_have_no_such_figures() {
        let dataset = Dataset::of(Part::new(Corpus::default(), vec![Sample::default()]));
        let scored = Scored::above("test", vec![0.0], 0.5);
        assert!(RoundFigures::new(&scored, &dataset).is_none());
    }
}
