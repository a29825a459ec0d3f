//! How many alarms a stream gives: a share of its normal sequences, or a number a day.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Alarms;
use crate::core::record::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Of the alerts of a day so large a share is for sequences; the others are for rates.
const SEQUENCES_SHARE: f64 = 0.8;
/// Of the alerts asked for a day so large a share may be false, so that there is room for true ones.
const FALSE_SHARE: f64 = 0.5;
/// However few sequences a day has, no larger share of the normal ones is alarmed on.
const RATE_MAX: f64 = 0.01;
/// Of how rare a sequence is nothing can be said beyond this.
const RATE_MIN: f64 = 1e-7;
/// Most alarms of a day whose times are kept.
const TOLD_MAX: usize = 1_000;
/// Sequences that a day is thought to have before any was counted.
const PRIOR_PER_DAY: f64 = 1_000.0;

/// Counts sequences to know how rare one must be, and alarms so that no day has more than its share.
/// All times are those of the stream, so that the same records give the same alarms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Budget {
    /// Sequences of the latest day or so: the older the less they count.
    sequences: f64,
    /// Since when they are counted.
    since: Option<Timestamp>,
    counted: Timestamp,
    /// When the latest alarms were told, oldest first.
    told: VecDeque<Timestamp>,
    withheld: u64,
}

impl Budget {
    /// Counts a sequence that ended at `time`.
    pub(super) fn count(&mut self, time: Timestamp) {
        self.since.get_or_insert(time);
        let passed = time.since(self.counted).as_secs_f64() / DAY.as_secs_f64();
        self.sequences = self.sequences * (-passed).exp() + 1.0;
        self.counted = self.counted.max(time);
    }

    /// The share of normal sequences that may be alarmed on, if it is asked for.
    pub(super) fn alarm_rate(&self, alarms: Alarms) -> Option<f64> {
        match alarms {
            Alarms::Rate(rate) => rate,
            Alarms::PerDay(alerts) => {
                let asked = alerts * SEQUENCES_SHARE * FALSE_SHARE;
                Some((asked / self.sequences_per_day()).clamp(RATE_MIN, RATE_MAX))
            }
        }
    }

    /// Alarms of rates that normal life may give in a day.
    pub(super) fn rate_alarms_per_day(alarms: Alarms) -> f64 {
        match alarms {
            Alarms::Rate(_) => 1.0,
            Alarms::PerDay(alerts) => (alerts * (1.0 - SEQUENCES_SHARE)).min(1.0),
        }
    }

    /// Whether an alarm may be told at `time`; notes that it was. No stretch of a day has more than
    /// the number asked for.
    pub(super) fn may_tell(&mut self, alarms: Alarms, time: Timestamp) -> bool {
        let Alarms::PerDay(alerts) = alarms else {
            return true;
        };
        // Half an alert a day is one in two days.
        let most = alerts.floor().clamp(1.0, TOLD_MAX as f64);
        let stretch = DAY.mul_f64((most / alerts).max(1.0));
        while let Some(oldest) = self.told.front()
            && time.since(*oldest) >= stretch
        {
            self.told.pop_front();
        }
        let may = self.told.len() < most as usize;
        match may {
            true => self.told.push_back(time),
            false => self.withheld += 1,
        }
        may
    }

    /// Alarms that were not told because the day had enough of them.
    pub(super) fn withheld(&self) -> u64 {
        self.withheld
    }

    fn sequences_per_day(&self) -> f64 {
        let since = self.since.unwrap_or(self.counted);
        let days = self.counted.since(since).as_secs_f64() / DAY.as_secs_f64();
        // What decayed counts of a steady stream add up to after so many days, and an hour's worth
        // of what was thought before.
        let prior = 1.0 / 24.0;
        let weight = 1.0 - (-days).exp() + prior;
        (self.sequences + prior * PRIOR_PER_DAY) / weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + (hours * 3_600_000.0) as u64)
    }

    #[test]
    fn no_stretch_of_a_day_has_more_alarms_than_asked_for() {
        for (alerts, in_ten_days) in [(5.0, 50), (1.0, 10), (0.5, 5), (2.5, 20)] {
            let mut budget = Budget::default();
            let mut told = Vec::new();
            for minute in 0..14_400 {
                let time = at(f64::from(minute) / 60.0);
                if budget.may_tell(Alarms::PerDay(alerts), time) {
                    told.push(time);
                }
            }
            let most = (alerts as usize).max(1);
            assert!(told.len() <= in_ten_days + 4, "{alerts}: {}", told.len());
            assert!(told.len() >= in_ten_days, "{alerts}: {}", told.len());
            let crowded = told
                .windows(most + 1)
                .any(|some| some[most].since(some[0]) < DAY);
            assert!(!crowded, "{alerts}");
            assert_eq!(budget.withheld() as usize, 14_400 - told.len());
        }
        assert!(Budget::default().may_tell(Alarms::Rate(Some(0.1)), at(0.0)));
    }

    #[test]
    fn the_more_sequences_a_day_has_the_rarer_one_must_be() {
        let alarms = Alarms::PerDay(5.0);
        let rate = |per_hour: u32, hours: u32| {
            let mut budget = Budget::default();
            for n in 0..per_hour * hours {
                budget.count(at(f64::from(n) / f64::from(per_hour)));
            }
            budget
                .alarm_rate(alarms)
                .expect("a number a day asks for one")
        };
        for (per_hour, hours) in [(100, 240), (100, 12), (5_000, 30)] {
            let expected = 5.0 * SEQUENCES_SHARE * FALSE_SHARE / (24.0 * f64::from(per_hour));
            let rate = rate(per_hour, hours);
            assert!(
                (rate / expected - 1.0).abs() < 0.15,
                "{rate} for {expected}"
            );
        }
        assert_eq!(
            rate(1, 240),
            RATE_MAX,
            "a quiet service is not alarmed on more"
        );
    }
}
