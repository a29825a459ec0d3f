//! The plots of a report.

mod svg;

use self::svg::{Axis, Chart, Scale, Series, Shape};
use super::dataset::Dataset;
use super::ensemble::ENSEMBLE;
use super::metrics::{Row, ranked};
use super::ranking::{self, Ranked};
use super::scored::{Scored, Threshold};

/// A plot and the file it goes to.
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) svg: String,
}

/// Bars of a histogram.
const BARS: usize = 40;
/// The smallest p-value shown.
const P_MIN: f64 = 1e-4;

/// Precision over recall of all detectors; scores, reliability and delay of the ensemble, as far as
/// it has them.
pub(super) fn plots(scored: &[Scored], rows: &[Row], dataset: &Dataset) -> Vec<Plot> {
    let ours = scored.iter().find(|one| one.detector == ENSEMBLE);
    let scores = ours.and_then(|one| scores(&ranked(one, dataset)));
    let all = [
        Some(precision_recall(scored, dataset)),
        scores,
        reliability(rows),
        delay(rows),
    ];
    all.into_iter().flatten().collect()
}

fn precision_recall(scored: &[Scored], dataset: &Dataset) -> Plot {
    let fair = scored
        .iter()
        .filter(|one| one.threshold == Threshold::LabelFree);
    let series = fair.map(|one| {
        let points = ranking::sweep(&ranked(one, dataset), dataset.weights);
        Series {
            name: one.detector,
            points: points
                .iter()
                .map(|point| (point.recall, point.precision))
                .collect(),
            shape: Shape::Line,
        }
    });
    let chart = Chart {
        title: "Precision over recall",
        description: "One line for each detector, over all thresholds; further up and to the right \
                      is better.",
        x: unit("recall"),
        y: unit("precision"),
        series: series.collect(),
    };
    plot("precision-recall.svg", &chart)
}

/// Of each class the share of samples by score. Scores are shown by ln(1 + score), and what has no
/// bound in the last bar.
fn scores(ranked: &[Ranked]) -> Option<Plot> {
    let shown = |score: f64| score.max(0.0).ln_1p();
    let finite = ranked.iter().filter(|(score, _)| score.is_finite());
    let most = finite.map(|(score, _)| shown(*score)).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let bars = |abnormal: bool| {
        let of_class = ranked.iter().filter(|(_, label)| *label == abnormal);
        let mut counts = [0u32; BARS];
        let mut all = 0u32;
        for (score, _) in of_class {
            let bar = (shown(*score) / most * BARS as f64) as usize;
            counts[bar.min(BARS - 1)] += 1;
            all += 1;
        }
        let edge = |bar: usize| most * bar as f64 / BARS as f64;
        let share = |count: u32| f64::from(count) / f64::from(all.max(1));
        let mut points: Vec<(f64, f64)> = counts
            .iter()
            .enumerate()
            .map(|(bar, count)| (edge(bar), share(*count)))
            .collect();
        points.push((most, 0.0));
        points
    };
    let series = [("normal", false), ("abnormal", true)].map(|(name, abnormal)| Series {
        name,
        points: bars(abnormal),
        shape: Shape::Steps,
    });
    let chart = Chart {
        title: "Scores of the ensemble",
        description: "How normal and abnormal sequences are spread over the score; the less they \
                      overlap the better.",
        x: Axis {
            to: most,
            ..unit("ln(1 + score)")
        },
        y: unit("share of the class"),
        series: series.into_iter().collect(),
    };
    Some(plot("scores.svg", &chart))
}

fn reliability(rows: &[Row]) -> Option<Plot> {
    let promised = rows
        .iter()
        .filter_map(|row| Some((row.detector, row.reliability.as_ref()?)));
    let mut series: Vec<Series<'_>> = promised
        .map(|(name, reliability)| Series {
            name,
            points: reliability
                .levels
                .iter()
                .map(|[level, share]| (*level, *share))
                .collect(),
            shape: Shape::Line,
        })
        .collect();
    if series.is_empty() {
        return None;
    }
    series.push(Series {
        name: "as promised",
        points: vec![(P_MIN, P_MIN), (1.0, 1.0)],
        shape: Shape::Dashed,
    });
    let axis = |name| Axis {
        from: P_MIN,
        scale: Scale::Logarithmic,
        ..unit(name)
    };
    let chart = Chart {
        title: "Reliability of p-values",
        description: "The share of normal sequences with a p-value of at most a level, over that \
                      level; on the dashed line the p-value is what it says.",
        x: axis("p-value"),
        y: axis("share of normal sequences"),
        series,
    };
    Some(plot("reliability.svg", &chart))
}

fn delay(rows: &[Row]) -> Option<Plot> {
    /// What came at once is shown there.
    const AT_ONCE: f64 = 0.001;
    let told = rows.iter().filter_map(|row| {
        let delay = row.delay.as_ref()?;
        (!delay.seconds.is_empty()).then_some((row.detector, delay))
    });
    let series: Vec<Series<'_>> = told
        .map(|(name, delay)| {
            let all = delay.seconds.len() as f64;
            let steps = delay.seconds.iter().enumerate();
            Series {
                name,
                points: steps
                    .map(|(rank, seconds)| (seconds.max(AT_ONCE), (rank + 1) as f64 / all))
                    .collect(),
                shape: Shape::Line,
            }
        })
        .collect();
    let points = series.iter().flat_map(|one| &one.points);
    let most = points.map(|(seconds, _)| *seconds).fold(1.0, f64::max);
    if series.is_empty() {
        return None;
    }
    let chart = Chart {
        title: "From fault to alarm",
        description: "The share of found faults that were alarmed on within a time; further up and \
                      to the left is better.",
        x: Axis {
            name: "seconds after the fault",
            from: AT_ONCE,
            to: most,
            scale: Scale::Logarithmic,
        },
        y: unit("share of found faults"),
        series,
    };
    Some(plot("delay.svg", &chart))
}

fn unit(name: &str) -> Axis<'_> {
    Axis {
        name,
        from: 0.0,
        to: 1.0,
        scale: Scale::Linear,
    }
}

fn plot(file: &'static str, chart: &Chart<'static>) -> Plot {
    Plot {
        file,
        title: chart.title,
        svg: chart.svg(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::dataset::{Class, Part, Sample};
    use crate::cli::eval::delay::Followers;
    use crate::core::detect::EventSequence;
    use crate::core::record::{TemplateId, Timestamp};
    use crate::core::train::Corpus;

    #[test]
    fn a_detector_with_p_values_and_times_gets_all_four_plots() {
        let sample = |class| Sample {
            fault_at: Some(Timestamp::from_millis(1)),
            ..Sample::new(
                EventSequence {
                    times: vec![Timestamp::from_millis(5)],
                    ..EventSequence::whole(vec![TemplateId(1)])
                },
                class,
            )
        };
        let samples = vec![sample(Class::Normal), sample(Class::Abnormal)];
        let dataset = Dataset::of(Part::new(Corpus::default(), samples));
        let scored = [Scored {
            p_values: vec![0.5, 0.001],
            first_alarms: vec![None, Some(0)],
            ..Scored::above(ENSEMBLE, vec![0.1, f64::INFINITY], 1.0)
        }];
        let row = Row::new(&scored[0], &dataset, &Followers::new(&dataset), 1);
        let files: Vec<&str> = plots(&scored, &[row], &dataset)
            .iter()
            .map(|plot| {
                assert!(plot.svg.starts_with("<svg") && plot.svg.ends_with("</svg>\n"));
                plot.file
            })
            .collect();
        assert_eq!(
            files,
            [
                "precision-recall.svg",
                "scores.svg",
                "reliability.svg",
                "delay.svg"
            ]
        );
    }
}
