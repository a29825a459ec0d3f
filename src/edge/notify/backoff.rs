//! How long a failed attempt waits for the next.

use std::hash::Hasher as _;
use std::time::Duration;

use rustc_hash::FxHasher;

use super::config::Retry;

/// The wait after `attempts` failed attempts (at least one): twice as long each time, between half
/// and all of it, so that many events do not come back at one moment. The same id waits the same.
pub(super) fn backoff(retry: &Retry, id: &str, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    let full = retry.initial.saturating_mul(1 << doublings).min(retry.max);
    let mut hasher = FxHasher::default();
    hasher.write(id.as_bytes());
    hasher.write_u32(attempts);
    let share = (hasher.finish() >> 32) as f64 / f64::from(u32::MAX);
    full.mul_f64(0.5 + 0.5 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound_with_a_jitter_that_can_be_repeated() {
        let retry = Retry::default();
        for attempts in 1..100 {
            let wait = backoff(&retry, "a", attempts);
            let full = Duration::from_secs(1 << (attempts - 1).min(20)).min(retry.max);
            assert!(wait <= full && wait >= full / 2, "{attempts}: {wait:?}");
            assert_eq!(wait, backoff(&retry, "a", attempts));
        }
        let waits: std::collections::HashSet<Duration> = (0..50)
            .map(|n| backoff(&retry, &n.to_string(), 9))
            .collect();
        assert!(waits.len() > 45, "{} of 50 differ", waits.len());
    }
}
