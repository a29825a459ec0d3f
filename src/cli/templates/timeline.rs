//! When the lines of templates came: counts in steps of one width, which grows with the log.

use std::collections::VecDeque;

use crate::core::record::Timestamp;

/// Most steps from the first line to the last.
pub(super) const STEPS_MAX: u64 = 60;

const SECOND: u64 = 1_000_000_000;

/// The span of a log, cut into at most [`STEPS_MAX`] steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    /// Steps are `2^doublings` seconds wide.
    doublings: u32,
    /// The numbers of the first and the last step since the epoch.
    span: Option<(u64, u64)>,
}

/// Counts of one template by step, in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    doublings: u32,
    steps: VecDeque<(u64, u64)>,
}

impl Timeline {
    /// Makes room for a line at `time`, and counts it.
    pub(super) fn count(&mut self, time: Timestamp, counts: &mut Counts) {
        let seconds = time.as_nanos() / SECOND;
        let step = seconds >> self.doublings;
        let (mut first, mut last) = match self.span {
            Some((first, last)) => (first.min(step), last.max(step)),
            None => (step, step),
        };
        while last - first >= STEPS_MAX {
            (first, last) = (first >> 1, last >> 1);
            self.doublings += 1;
        }
        self.span = Some((first, last));
        counts.widen(self.doublings);
        counts.add(seconds >> self.doublings, 1);
    }

    /// The width of a step in seconds.
    pub(super) fn step_s(&self) -> u64 {
        1 << self.doublings
    }

    /// The counts of each step of the log; empty where no line has a time, or all one.
    pub(super) fn series(&self, counts: &Counts) -> Vec<u64> {
        let Some((first, last)) = self.span.filter(|(first, last)| first < last) else {
            return Vec::new();
        };
        let mut counts = counts.clone();
        counts.widen(self.doublings);
        let mut series = vec![0; usize::try_from(last - first + 1).unwrap_or_default()];
        for (step, count) in counts.steps {
            let at = usize::try_from(step - first).unwrap_or(usize::MAX);
            if let Some(slot) = series.get_mut(at) {
                *slot += count;
            }
        }
        series
    }
}

impl Counts {
    /// Adds what another template counted, which became this one.
    pub(super) fn merge(&mut self, other: &Self) {
        let doublings = self.doublings.max(other.doublings);
        self.widen(doublings);
        let mut other = other.clone();
        other.widen(doublings);
        for (step, count) in other.steps {
            self.add(step, count);
        }
    }

    fn widen(&mut self, doublings: u32) {
        let by = doublings.saturating_sub(self.doublings);
        if by == 0 {
            return;
        }
        self.doublings = doublings;
        for (step, count) in std::mem::take(&mut self.steps) {
            self.add(step >> by, count);
        }
    }

    fn add(&mut self, step: u64, count: u64) {
        match self.steps.back_mut() {
            Some((last, counted)) if *last == step => *counted += count,
            Some((last, _)) if *last > step => {
                match self.steps.binary_search_by_key(&step, |(step, _)| *step) {
                    Ok(at) => {
                        if let Some((_, counted)) = self.steps.get_mut(at) {
                            *counted += count;
                        }
                    }
                    Err(at) => self.steps.insert(at, (step, count)),
                }
            }
            Some(_) | None => self.steps.push_back((step, count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * SECOND)
    }

    #[test]
    fn steps_grow_with_the_log_and_no_line_is_lost() {
        let mut timeline = Timeline::default();
        let (mut one, mut other) = (Counts::default(), Counts::default());
        for second in 0..100_000 {
            timeline.count(at(1_700_000_000 + second), &mut one);
            if second == 50 {
                timeline.count(at(1_700_000_000), &mut other);
            }
        }
        let series = timeline.series(&one);
        assert!(
            (30..=STEPS_MAX as usize).contains(&series.len()),
            "{}",
            series.len()
        );
        assert_eq!(series.iter().sum::<u64>(), 100_000);
        let early = timeline.series(&other);
        assert_eq!((early[0], early.iter().sum::<u64>()), (1, 1));
        assert!(one.steps.len() <= STEPS_MAX as usize + 1);
        one.merge(&other);
        assert_eq!(timeline.series(&one).iter().sum::<u64>(), 100_001);
    }

    #[test]
    fn lines_out_of_order_are_put_where_they_belong() {
        let mut timeline = Timeline::default();
        let mut counts = Counts::default();
        for second in [30, 10, 20, 10, 12] {
            timeline.count(at(second), &mut counts);
        }
        let series = timeline.series(&counts);
        assert_eq!(
            (series.len(), series[0], series[2], series[20]),
            (21, 2, 1, 1)
        );
    }

    #[test]
    fn a_log_of_one_moment_has_no_series() {
        let mut timeline = Timeline::default();
        let mut counts = Counts::default();
        assert!(timeline.series(&counts).is_empty());
        timeline.count(at(5), &mut counts);
        assert!(timeline.series(&counts).is_empty());
    }
}
