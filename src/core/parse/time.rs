//! The timestamp at the head of a line, for senders that put it nowhere else.
//!
//! Read are ISO 8601 (`2026-11-21T07:43:17.075`, also with a blank, a comma or an offset),
//! `081109 203518`, `08/11/09 20:35:18`, `Nov 21 07:43:17` and seconds or milliseconds since the
//! epoch. A time without an offset is taken as UTC; one without a year takes the year of `near`.

use crate::core::record::Timestamp;

/// What stands in front of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The time, if the line begins with one.
    pub time: Option<Timestamp>,
    /// Bytes to skip to come to the message.
    pub len: usize,
}

/// Reads the timestamp at the head of `line`; `near` lends its year to formats without one.
pub fn read_head(line: &str, near: Option<Timestamp>) -> Head {
    let opening = line.len() - line.trim_start_matches(['[', ' ', '\t']).len();
    let mut cursor = Cursor {
        rest: line.get(opening..).unwrap_or_default().as_bytes(),
    };
    let before = cursor.rest.len();
    match read_time(&mut cursor, near) {
        Some(time) => {
            let mut len = opening + before - cursor.rest.len();
            let after = line.get(len..).unwrap_or_default();
            len += after.len() - after.trim_start_matches([']', ' ', '\t']).len();
            Head {
                time: Some(time),
                len,
            }
        }
        None => Head { time: None, len: 0 },
    }
}

/// The time of klog, `mmdd hh:mm:ss.uuuuuu`, and its length in bytes. The time is `None` where
/// `near` lends no year.
pub(super) fn read_klog_time(
    text: &str,
    near: Option<Timestamp>,
) -> Option<(Option<Timestamp>, usize)> {
    let mut cursor = Cursor {
        rest: text.as_bytes(),
    };
    let (month, day) = (cursor.digits(2)?, cursor.digits(2)?);
    cursor.one_of(b" ")?;
    let seconds = cursor.clock()?;
    let nanos = cursor.fraction();
    let len = text.len() - cursor.rest.len();
    let whole = near.and_then(|near| at(year_of(near), month, day, seconds));
    Some((whole.map(|whole| Timestamp::from_nanos(whole + nanos)), len))
}

fn read_time(cursor: &mut Cursor<'_>, near: Option<Timestamp>) -> Option<Timestamp> {
    let formats: [Format; 5] = [iso, compact, slashed, syslog, epoch];
    formats.iter().find_map(|read| {
        let mut attempt = Cursor { rest: cursor.rest };
        let time = read(&mut attempt, near)?;
        // "2026-11-21T07:43:17abc" is a word, not a time.
        let ends = attempt
            .rest
            .first()
            .is_none_or(|byte| !byte.is_ascii_alphanumeric());
        ends.then(|| {
            cursor.rest = attempt.rest;
            time
        })
    })
}

/// Reads one format; the year comes from the second argument where the format has none.
type Format = fn(&mut Cursor<'_>, Option<Timestamp>) -> Option<Timestamp>;

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn digits(&mut self, count: usize) -> Option<u64> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let value = digits.iter().try_fold(0u64, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + u64::from(byte - b'0'))
        })?;
        self.rest = rest;
        Some(value)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        bytes.contains(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    /// A fraction of a second in nanoseconds, if there is one.
    fn fraction(&mut self) -> u64 {
        let mut ahead = Cursor { rest: self.rest };
        if ahead.one_of(b".,").is_none() || ahead.digits(1).is_none() {
            return 0;
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        let (mut nanos, mut scale) = (0, 100_000_000);
        while let Some(digit) = self.digits(1) {
            nanos += digit * scale;
            scale /= 10;
        }
        nanos
    }

    fn clock(&mut self) -> Option<u64> {
        let hour = self.digits(2)?;
        self.one_of(b":")?;
        let minute = self.digits(2)?;
        self.one_of(b":")?;
        seconds_of_day(hour, minute, self.digits(2)?)
    }
}

fn seconds_of_day(hour: u64, minute: u64, second: u64) -> Option<u64> {
    (hour < 24 && minute < 60 && second < 61).then_some(hour * 3600 + minute * 60 + second)
}

fn iso(cursor: &mut Cursor<'_>, _near: Option<Timestamp>) -> Option<Timestamp> {
    let year = cursor.digits(4)?;
    let dash = cursor.one_of(b"-/")?;
    let month = cursor.digits(2)?;
    cursor.one_of(&[dash])?;
    let day = cursor.digits(2)?;
    cursor.one_of(b"T _")?;
    let seconds = cursor.clock()?;
    let nanos = cursor.fraction();
    let offset = offset_seconds(cursor);
    at(year, month, day, seconds)?
        .checked_add_signed(-offset.checked_mul(1_000_000_000)?)
        .and_then(|whole| whole.checked_add(nanos))
        .map(Timestamp::from_nanos)
}

/// `Z`, `+02:00`, `-0700`, or nothing, in seconds east of UTC.
fn offset_seconds(cursor: &mut Cursor<'_>) -> i64 {
    if cursor.one_of(b"Z").is_some() {
        return 0;
    }
    let mut ahead = Cursor { rest: cursor.rest };
    let Some(sign) = ahead.one_of(b"+-") else {
        return 0;
    };
    let Some(hours) = ahead.digits(2) else {
        return 0;
    };
    ahead.one_of(b":");
    let Some(minutes) = ahead.digits(2) else {
        return 0;
    };
    cursor.rest = ahead.rest;
    let seconds = i64::try_from(hours * 3600 + minutes * 60).unwrap_or(0);
    if sign == b'-' { -seconds } else { seconds }
}

/// `yyMMdd HHmmss`, as old Hadoop writes it.
fn compact(cursor: &mut Cursor<'_>, _near: Option<Timestamp>) -> Option<Timestamp> {
    let (year, month, day) = (cursor.digits(2)?, cursor.digits(2)?, cursor.digits(2)?);
    cursor.one_of(b" ")?;
    let seconds = seconds_of_day(cursor.digits(2)?, cursor.digits(2)?, cursor.digits(2)?)?;
    at(2000 + year, month, day, seconds).map(Timestamp::from_nanos)
}

/// `yy/MM/dd HH:mm:ss`, as Spark writes it.
fn slashed(cursor: &mut Cursor<'_>, _near: Option<Timestamp>) -> Option<Timestamp> {
    let year = cursor.digits(2)?;
    cursor.one_of(b"/")?;
    let month = cursor.digits(2)?;
    cursor.one_of(b"/")?;
    let day = cursor.digits(2)?;
    cursor.one_of(b" ")?;
    let seconds = cursor.clock()?;
    let nanos = cursor.fraction();
    at(2000 + year, month, day, seconds).map(|whole| Timestamp::from_nanos(whole + nanos))
}

/// `Nov 21 07:43:17`, with the year of `near` (RFC 3164).
fn syslog(cursor: &mut Cursor<'_>, near: Option<Timestamp>) -> Option<Timestamp> {
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let (name, rest) = cursor.rest.split_at_checked(3)?;
    let month = MONTHS.iter().position(|month| month.as_slice() == name)?;
    cursor.rest = rest;
    cursor.one_of(b" ")?;
    let day = match cursor.one_of(b" ") {
        Some(_) => cursor.digits(1)?,
        None => cursor.digits(2)?,
    };
    cursor.one_of(b" ")?;
    let seconds = cursor.clock()?;
    let nanos = cursor.fraction();
    let year = year_of(near?);
    at(year, month as u64 + 1, day, seconds).map(|whole| Timestamp::from_nanos(whole + nanos))
}

/// Seconds (10 digits) or milliseconds (13 digits) since the epoch.
fn epoch(cursor: &mut Cursor<'_>, _near: Option<Timestamp>) -> Option<Timestamp> {
    let count = cursor
        .rest
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    match count {
        10 => {
            let nanos = cursor.digits(10)? * 1_000_000_000;
            Some(Timestamp::from_nanos(nanos + cursor.fraction()))
        }
        13 => Some(Timestamp::from_millis(cursor.digits(13)?)),
        _ => None,
    }
}

/// Nanoseconds since the epoch of a civil date and second of the day.
fn at(year: u64, month: u64, day: u64, seconds: u64) -> Option<u64> {
    let plausible = (1970..2262).contains(&year) && (1..=12).contains(&month);
    if !plausible || !(1..=31).contains(&day) {
        return None;
    }
    days_before(year, month, day)?
        .checked_mul(86_400)?
        .checked_add(seconds)?
        .checked_mul(1_000_000_000)
}

/// Days from 1970-01-01 to a civil date (Howard Hinnant, "chrono-compatible date algorithms").
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year % 400;
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// The civil year of a time: the inverse of [`days_before`], by search from a close guess.
fn year_of(time: Timestamp) -> u64 {
    let days = time.as_nanos() / 86_400_000_000_000;
    let guess = 1970 + days / 366;
    (guess..guess + 3)
        .rev()
        .find(|year| days_before(*year, 1, 1).is_some_and(|first| first <= days))
        .unwrap_or(guess)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NANOS: u64 = 1_000_000_000;

    #[test]
    fn every_documented_format_is_read() {
        let near = Some(Timestamp::from_nanos(1_795_246_993 * NANOS));
        let expected = 1_795_246_997 * NANOS;
        for (line, nanos) in [
            ("2026-11-21T07:43:17.075 INFO x", expected + 75_000_000),
            ("2026-11-21 07:43:17,075 INFO x", expected + 75_000_000),
            ("2026-11-21T08:43:17+01:00 x", expected),
            ("2026-11-21T07:43:17Z", expected),
            ("[2026-11-21 07:43:17] x", expected),
            ("261121 074317 148 INFO x", expected),
            ("26/11/21 07:43:17 INFO x", expected),
            ("Nov 21 07:43:17 host x", expected),
            ("1795246997.5 x", expected + NANOS / 2),
            ("1795246997075 x", expected + 75_000_000),
        ] {
            assert_eq!(
                read_head(line, near).time,
                Some(Timestamp::from_nanos(nanos)),
                "{line}"
            );
        }
    }

    #[test]
    fn the_message_begins_after_the_head() {
        let line = "[2026-11-21 07:43:17] INFO x";
        assert_eq!(line.get(read_head(line, None).len..), Some("INFO x"));
    }

    #[test]
    fn what_is_no_time_is_left_alone() {
        for line in [
            "",
            "12 monkeys",
            "2026-13-41T07:43:17 x",
            "Nov 21 without a year",
            "blk_1",
            "99",
        ] {
            assert_eq!(read_head(line, None), Head { time: None, len: 0 }, "{line}");
        }
    }
}
