//! How well scores tell abnormal from normal, whatever the threshold.

use super::dataset::Weights;

/// A score and whether its sample is abnormal.
pub(super) type Ranked = (f64, bool);

/// What alarming on every score of at least `threshold` gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) threshold: f64,
    pub(super) precision: f64,
    pub(super) recall: f64,
}

impl Point {
    /// The harmonic mean of precision and recall.
    pub(super) fn f1(self) -> f64 {
        let both = self.precision + self.recall;
        if both > 0.0 {
            2.0 * self.precision * self.recall / both
        } else {
            0.0
        }
    }
}

/// One point for each distinct score, the highest first.
pub(super) fn sweep(ranked: &[Ranked], weights: Weights) -> Vec<Point> {
    let ordered = descending(ranked);
    let abnormal = ordered.iter().filter(|(_, abnormal)| *abnormal).count();
    let all = abnormal as f64 * weights.abnormal;
    let (mut hits, mut false_alarms) = (0.0, 0.0);
    let mut points = Vec::new();
    for tied in ordered.chunk_by(|a, b| a.0 == b.0) {
        let abnormal = tied.iter().filter(|(_, abnormal)| *abnormal).count();
        hits += abnormal as f64 * weights.abnormal;
        false_alarms += (tied.len() - abnormal) as f64 * weights.normal;
        points.push(Point {
            threshold: tied[0].0,
            precision: ratio(hits, hits + false_alarms),
            recall: ratio(hits, all),
        });
    }
    points
}

/// The point with the best F1; of equals the one with the highest threshold.
pub(super) fn best(points: &[Point]) -> Option<Point> {
    let better = |a: Point, b: &Point| if b.f1() > a.f1() { *b } else { a };
    let (first, others) = points.split_first()?;
    Some(others.iter().fold(*first, better))
}

/// The area under precision over recall, in steps (average precision).
pub(super) fn average_precision(points: &[Point]) -> f64 {
    let mut before = 0.0;
    let mut area = 0.0;
    for point in points {
        area += (point.recall - before) * point.precision;
        before = point.recall;
    }
    area
}

/// The chance that an abnormal sample scores above a normal one, ties counting half; `None`
/// without samples of both classes.
pub(super) fn auroc(ranked: &[Ranked]) -> Option<f64> {
    let ordered = descending(ranked);
    let (mut above, mut won) = (0usize, 0.0);
    for tied in ordered.chunk_by(|a, b| a.0 == b.0) {
        let abnormal = tied.iter().filter(|(_, abnormal)| *abnormal).count();
        let normal = tied.len() - abnormal;
        won += normal as f64 * (above as f64 + abnormal as f64 / 2.0);
        above += abnormal;
    }
    let pairs = above * (ordered.len() - above);
    (pairs > 0).then(|| won / pairs as f64)
}

fn descending(ranked: &[Ranked]) -> Vec<Ranked> {
    let mut ordered = ranked.to_vec();
    ordered.sort_by(|a, b| b.0.total_cmp(&a.0));
    ordered
}

/// 0 where there is no whole.
pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(scores: &[f64], labels: &[bool]) -> Vec<Ranked> {
        scores.iter().copied().zip(labels.iter().copied()).collect()
    }

    #[test]
    fn auroc_counts_ties_half() {
        let labels = [false, false, true, true];
        let of = |scores: &[f64]| auroc(&ranked(scores, &labels));
        assert_eq!(of(&[0.0, 1.0, 2.0, f64::INFINITY]), Some(1.0));
        assert_eq!(of(&[2.0, 3.0, 1.0, 0.0]), Some(0.0));
        assert_eq!(of(&[1.0, 0.0, 1.0, 1.0]), Some(0.75));
        assert_eq!(auroc(&ranked(&[1.0], &[true])), None);
    }

    #[test]
    fn the_best_threshold_is_the_one_with_the_best_f1() {
        let points = sweep(
            &ranked(&[5.0, 4.0, 3.0, 2.0], &[true, false, true, false]),
            Weights::EVEN,
        );
        let best = best(&points).unwrap();
        assert_eq!((best.threshold, best.f1()), (3.0, 0.8));
    }

    #[test]
    fn average_precision_is_that_of_the_textbook() {
        let points = sweep(
            &ranked(&[5.0, 4.0, 3.0, 2.0], &[true, false, true, false]),
            Weights::EVEN,
        );
        assert_eq!(average_precision(&points), 0.5 * 1.0 + 0.5 * (2.0 / 3.0));
    }

    #[test]
    fn equal_scores_are_alarmed_on_together_and_weighted() {
        let weights = Weights {
            normal: 3.0,
            abnormal: 1.0,
        };
        let points = sweep(&ranked(&[1.0, 1.0], &[true, false]), weights);
        assert_eq!(points.len(), 1);
        assert_eq!((points[0].precision, points[0].recall), (0.25, 1.0));
    }
}
