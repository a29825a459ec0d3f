//! How much surprise is worth an alarm.

use serde::{Deserialize, Serialize};

/// Bins of the histogram, each half a nat wide.
const BINS: usize = 96;
const BIN_NATS: f64 = 0.5;
/// The share of the stream's minutes that is its tail.
const TAIL_SHARE: f64 = 0.1;
/// Minutes that are assumed before any is seen.
const PRIOR_MINUTES: f64 = 60.0;
/// What is kept from minute to minute: half is forgotten in two weeks.
const KEEPS: f64 = 0.999_965_6;
/// How much an alarm raises the threshold; between alarms it sinks by as much as is asked for. So
/// in the long run the alarms are no more than that, whatever the stream is like (adaptive
/// conformal inference: Gibbs and Candès, 2021).
const ALARM_NATS: f64 = 1.5;
/// Minutes of a day.
const DAY: f64 = 1440.0;

/// The largest surprise of each minute, as a histogram, and what follows from it: the tail above its
/// ninth tenth is taken to be exponential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Budget {
    minutes: Vec<f64>,
    raised: f64,
    /// Tests made in a minute, as of lately.
    tests: f64,
}

/// The tail of the minutes' largest surprises.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tail {
    from: f64,
    mean: f64,
    share: f64,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            minutes: vec![0.0; BINS],
            raised: 0.0,
            tests: 1.0,
        }
    }

    /// A minute is over: of `tests` surprises the largest was `largest`, and it gave `alarms`.
    pub(super) fn learn(&mut self, largest: f64, tests: usize, alarms: usize, per_day: f64) {
        self.tests += (tests as f64 - self.tests) / 60.0;
        for minutes in &mut self.minutes {
            *minutes *= KEEPS;
        }
        let bin = ((largest / BIN_NATS) as usize).min(BINS - 1);
        if let Some(minutes) = self.minutes.get_mut(bin) {
            *minutes += 1.0;
        }
        let rate = (per_day / DAY).clamp(0.0, 0.5);
        self.raised = (self.raised + ALARM_NATS * (alarms as f64 - rate)).max(0.0);
    }

    /// So many alarms were given between two minutes.
    pub(super) fn alarmed(&mut self, alarms: usize) {
        self.raised += ALARM_NATS * alarms as f64;
    }

    /// A surprise of so many nats comes by chance in the rate asked for.
    pub(super) fn threshold(&self, per_day: f64) -> f64 {
        let tail = self.tail();
        let rate = (per_day / DAY).clamp(1e-9, 0.5);
        let by_past = tail.from + tail.mean * (tail.share / rate).ln().max(0.0);
        // Nobody's past vouches for less than honest chances do, and a short one for little.
        let honest = (self.tests.max(1.0) / rate).ln();
        let short = (DAY / (self.seen() + 1.0)).ln_1p();
        by_past.max(honest) + short + self.raised
    }

    /// In which share of the minutes there is as much surprise.
    pub(super) fn p_value(&self, surprise: f64) -> f64 {
        let tail = self.tail();
        (tail.share * (-(surprise - tail.from) / tail.mean).exp()).clamp(0.0, 1.0)
    }

    fn seen(&self) -> f64 {
        self.minutes.iter().sum()
    }

    fn tail(&self) -> Tail {
        let prior = self.tests.max(1.0).ln();
        let total: f64 = self.seen() + PRIOR_MINUTES;
        let (mut share, mut excess, mut from) = (0.0, 0.0, 0.0);
        for (bin, minutes) in self.minutes.iter().enumerate().rev() {
            from = bin as f64 * BIN_NATS;
            // The largest of honest surprises: 1 in e more with each nat above ln(tests).
            let assumed = PRIOR_MINUTES * (prior - from).min(0.0).exp();
            excess += share * BIN_NATS + minutes * BIN_NATS / 2.0;
            share += minutes;
            if share + assumed >= TAIL_SHARE * total {
                excess += assumed;
                share += assumed;
                break;
            }
        }
        Tail {
            from,
            mean: (excess / share.max(1e-9)).max(1.0),
            share: share / total,
        }
    }
}
