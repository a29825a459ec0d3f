//! Times as the api writes and reads them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::core::record::Timestamp;

/// RFC 3339 in UTC with nanoseconds.
pub(super) fn rfc3339(time: Timestamp) -> String {
    let mut text = String::new();
    // A u64 of nanoseconds ends in the year 2554, well within what jiff can write.
    if let Ok(time) = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())) {
        let _ = write!(text, "{time:.9}");
    }
    text
}

/// Reads RFC 3339 with any offset; `None` also for what is before 1970.
pub fn parsed(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let nanos = u64::try_from(time.as_nanosecond()).ok()?;
    Timestamp::known(nanos)
}

/// A time, or how long before `now`: RFC 3339, or as [`span`] reads it.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    parsed(text).or_else(|| span(text).map(|ago| now.minus(ago)))
}

/// Reads `30s`, `5m`, `36h`, `90d` or `2w`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// The date in UTC: `2026-11-22`.
pub(super) fn date(time: Timestamp) -> String {
    rfc3339(time).get(..10).unwrap_or_default().to_owned()
}

/// The time of day in UTC: `02:51:07`.
pub(super) fn clock(time: Timestamp) -> String {
    rfc3339(time).get(11..19).unwrap_or_default().to_owned()
}

/// The time of day in UTC to the millisecond: `02:51:07.412`.
pub(super) fn fine_clock(time: Timestamp) -> String {
    rfc3339(time).get(11..23).unwrap_or_default().to_owned()
}

/// How long something took, in words: `3 min`, `2 h 5 min`, `4 days`.
pub fn lasting(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..172_800 if minutes % 60 == 0 => format!("{hours} h"),
        7_200..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written_and_in_any_zone() {
        let time = Timestamp::from_nanos(1_763_700_000_000_000_042);
        assert_eq!(rfc3339(time), "2025-11-21T04:40:00.000000042Z");
        assert_eq!(parsed(&rfc3339(time)), Some(time));
        assert_eq!(parsed("2025-11-21T06:40:00.000000042+02:00"), Some(time));
        assert_eq!(
            (date(time), clock(time)),
            ("2025-11-21".into(), "04:40:00".into())
        );
        for wrong in [
            "",
            "now",
            "0001-01-01T00:00:00Z",
            "2025-11-21",
            "9999-12-31T00:00:00Z",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn spans_have_a_unit_and_do_not_overflow() {
        assert_eq!(span("90d"), Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(span("36h"), Some(Duration::from_secs(36 * 3_600)));
        for wrong in [
            "",
            "d",
            "90",
            "-1d",
            "1.5h",
            "99999999999999999999w",
            "9999999999999999999w",
            "1é",
        ] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_told_in_the_unit_that_suits_them() {
        let told = |seconds| lasting(Duration::from_secs(seconds));
        assert_eq!(told(61), "61 s");
        assert_eq!(told(180), "3 min");
        assert_eq!(told(7_500), "2 h 5 min");
        assert_eq!(told(10_800), "3 h");
        assert_eq!(told(345_600), "4 days");
    }
}
