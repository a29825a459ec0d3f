//! Time zones: what a clock on the wall says, as moments. The rules are compiled in.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::core::record::Timestamp;

/// A time zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A text that names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone; write one of the IANA database, such as Europe/Berlin or UTC")]
pub struct ZoneError(pub String);

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time; write 2026-12-01, 2026-12-01T22:00 or 2026-12-01T22:00:00Z")]
pub struct MomentError(pub String);

/// What a time on the wall stands for, where clocks are put forward and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// The one moment at which clocks show it.
    Once(Timestamp),
    /// Clocks are put back over it: they show it twice.
    Twice(Timestamp, Timestamp),
    /// Clocks are put forward over it and never show it.
    Never {
        /// When they are put forward.
        jump: Timestamp,
        /// When they would show it, were they put forward later.
        shifted: Timestamp,
    },
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone called `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        let found = TimeZoneDatabase::bundled().get(name);
        found.map(Self).map_err(|_| ZoneError(name.to_owned()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// As the library of dates knows it.
    pub const fn time_zone(&self) -> &TimeZone {
        &self.0
    }

    /// The moment that `text` stands for: a date is its first moment here, a date and time what clocks
    /// here show, and one with an offset or `Z` is itself.
    ///
    /// # Errors
    /// It is none of these, or before 1970.
    pub fn moment(&self, text: &str) -> Result<Timestamp, MomentError> {
        let refused = || MomentError(text.to_owned());
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return ours(moment).ok_or_else(refused);
        }
        let local: DateTime = text.parse().map_err(|_| refused())?;
        match self.read(local).ok_or_else(refused)? {
            Reading::Once(moment) | Reading::Twice(moment, _) => Ok(moment),
            Reading::Never { jump, .. } => Ok(jump),
        }
    }

    /// What clocks show at `moment`.
    pub(super) fn local(&self, moment: Timestamp) -> DateTime {
        self.0.to_datetime(theirs(moment))
    }

    /// `None` before 1970 and after 2554.
    pub(super) fn read(&self, local: DateTime) -> Option<Reading> {
        let read = self.0.to_ambiguous_timestamp(local);
        let offset = read.offset();
        let later = read.later().ok().and_then(ours)?;
        let earlier = || read.earlier().ok();
        Some(match offset {
            AmbiguousOffset::Unambiguous { .. } => Reading::Once(later),
            AmbiguousOffset::Fold { .. } => Reading::Twice(earlier().and_then(ours)?, later),
            AmbiguousOffset::Gap { .. } => {
                let jump = self.0.following(earlier()?).next()?;
                Reading::Never {
                    jump: ours(jump.timestamp())?,
                    shifted: later,
                }
            }
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Every moment that fits in ours fits in theirs.
pub(super) fn theirs(moment: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(moment.as_nanos())).unwrap_or(jiff::Timestamp::MAX)
}

fn ours(moment: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(moment.as_nanosecond())
        .ok()
        .map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Timestamp {
        Zone::UTC.moment(text).unwrap()
    }

    #[test]
    fn a_time_on_the_wall_is_read_once_twice_or_never() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let read = |text: &str| berlin.read(text.parse().unwrap()).unwrap();
        assert_eq!(
            read("2026-03-29T01:30"),
            Reading::Once(utc("2026-03-29T00:30Z"))
        );
        assert_eq!(
            read("2026-03-29T02:30"),
            Reading::Never {
                jump: utc("2026-03-29T01:00Z"),
                shifted: utc("2026-03-29T01:30Z")
            }
        );
        assert_eq!(
            read("2026-10-25T02:30"),
            Reading::Twice(utc("2026-10-25T00:30Z"), utc("2026-10-25T01:30Z"))
        );
    }

    #[test]
    fn a_moment_is_a_date_a_time_here_or_a_time_with_its_offset() {
        let tokyo = Zone::named("Asia/Tokyo").unwrap();
        assert_eq!(tokyo.moment("2026-12-01"), Ok(utc("2026-11-30T15:00Z")));
        assert_eq!(tokyo.moment("2026-12-01T09:00"), Ok(utc("2026-12-01")));
        assert_eq!(
            tokyo.moment("2026-12-01T09:00:00+01:00"),
            Ok(utc("2026-12-01T08:00"))
        );
        for wrong in ["", "tomorrow", "2026-13-01", "1969-01-01", "22:00"] {
            assert!(tokyo.moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn zones_are_known_by_name_without_the_files_of_the_host() {
        assert_eq!(
            Zone::named("europe/berlin").unwrap().name(),
            "Europe/Berlin"
        );
        assert_eq!(Zone::UTC.name(), "UTC");
        assert!(Zone::named("Europe/Atlantis").is_err());
        assert_eq!(
            Zone::named("Europe/Berlin").unwrap(),
            Zone::named("Europe/Berlin").unwrap()
        );
    }
}
