//! How surprising a count is, by what came of late and by the hour of the week.

use super::{
    ACTIVE_MIN, BUCKET, Expected, Finding, Hour, LIVED_MIN, LONG, RateKind, SLOTS, Scene,
    TREND_PRIOR, Watched,
};

impl Watched {
    pub(super) fn judge_count(&self, count: f64, buckets: u32, scene: &Scene) -> Option<Finding> {
        let level = if buckets == 1 {
            &self.short
        } else {
            &self.long
        };
        let recent = level.expected();
        let season = self.by_season(buckets, scene.slot);
        let usual = season.unwrap_or(recent);
        let span = BUCKET * buckets;
        let finding = |kind, score| Finding {
            kind,
            score,
            first: scene.end.minus(span),
            observed: count,
            usual: usual.usual(),
            span,
        };
        let scales = (buckets, scene.slot);
        let up = self.least(recent.at_least(count), scales, |hour| hour.at_least(count));
        if up > 1.0 {
            return Some(finding(RateKind::RateUp, up));
        }
        if !self.may_go_down() {
            return None;
        }
        let by_level = if season.is_some() {
            f64::INFINITY
        } else {
            recent.at_most(count)
        };
        let down = self.least(by_level, scales, |hour| hour.at_most(count));
        if down <= 1.0 || !down.is_finite() {
            return None;
        }
        Some(match (count > 0.0, self.gaps.last()) {
            (false, Some(last)) => Finding {
                first: last,
                usual: self.gaps.usual(),
                span: scene.end.since(last),
                ..finding(RateKind::Silence, down)
            },
            _ => finding(RateKind::RateDown, down),
        })
    }

    pub(super) fn may_go_down(&self) -> bool {
        self.active >= ACTIVE_MIN && self.has_lived()
    }

    pub(super) fn has_lived(&self) -> bool {
        let lived = self.gaps.last().map(|last| last.since(self.born));
        lived.is_some_and(|lived| lived >= LIVED_MIN)
    }

    /// The least surprise of `recent` and of this hour, the one before and the one after: clocks
    /// change by an hour twice a year, and jobs start a little early or late.
    fn least(&self, recent: f64, scales: (u32, usize), surprise: impl Fn(&Expected) -> f64) -> f64 {
        let (buckets, slot) = scales;
        let mut least = recent;
        for slot in [slot, slot + 1, slot + SLOTS - 1] {
            if least <= 1.0 {
                break;
            }
            if let Some(expected) = self.by_season(buckets, slot) {
                least = least.min(surprise(&expected));
            }
        }
        least
    }

    pub(super) fn by_season(&self, buckets: u32, slot: usize) -> Option<Expected> {
        let recent = self.short.expected();
        let spread = recent.mean * recent.mean / recent.size + recent.mean;
        let squares = spread + recent.mean * recent.mean;
        let recent = Hour {
            mean: recent.mean,
            squares,
            long_squares: squares * f64::from(LONG * LONG),
        };
        let hour = self.season.as_ref()?.hour(slot, recent)?;
        let trend = (self.trend.0 + TREND_PRIOR) / (self.trend.1 + TREND_PRIOR);
        let trend = trend.clamp(0.25, 4.0);
        let times = f64::from(buckets);
        let squares = if buckets == 1 {
            hour.squares
        } else {
            hour.long_squares
        };
        let mean = hour.mean * times;
        let variance = (squares - mean * mean).max(0.0);
        let evidence = self.trend.1 + TREND_PRIOR;
        Some(Expected::of_moments(
            mean * trend,
            variance * trend * trend,
            evidence,
        ))
    }
}
