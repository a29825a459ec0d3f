//! How findings put things.

use crate::core::record::Timestamp;

/// The time of day, UTC: `10:04:31`.
pub(super) fn clock(time: Timestamp) -> String {
    let seconds = time.as_nanos() / 1_000_000_000 % 86_400;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// A length of time, in the unit that suits it: `212 ms`.
pub(super) fn lasting(seconds: f64) -> String {
    if seconds >= 10.0 {
        format!("{seconds:.0} s")
    } else if seconds >= 1.0 {
        format!("{seconds:.1} s")
    } else if seconds >= 0.01 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{:.1} ms", seconds * 1e3)
    }
}

/// Longest name that a sentence quotes, in characters.
const QUOTED_LEN_MAX: usize = 80;

/// A name that a sender chose, in quotation marks and not too long.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_LEN_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("“{short}”")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!(clock(Timestamp::from_millis(36_271_900)), "10:04:31");
        let told = [0.0004, 0.0035, 0.212, 3.44, 75.0].map(lasting);
        assert_eq!(told, ["0.4 ms", "3.5 ms", "212 ms", "3.4 s", "75 s"]);
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(quoted(&"é".repeat(100)).chars().count(), 83);
    }
}
