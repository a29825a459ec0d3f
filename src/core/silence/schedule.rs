//! When a window is open: once, weekly or by cron, by the clocks of its time zone.
//!
//! Where clocks are put forward or back, a window begins at the earliest and ends at the latest moment
//! that its times can mean: what happens in it was announced.

use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::{Date, Time};

use super::cron::{Cron, WEEKDAYS};
use super::zone::{Reading, Zone};
use crate::core::record::Timestamp;

/// When a window is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    rule: Rule,
    zone: Zone,
}

/// A time during which a window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Since when.
    pub from: Timestamp,
    /// Until when; at this moment it is closed.
    pub until: Timestamp,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It is not in the weekly form.
    #[error(
        "{text:?} is no weekly window ({reason}); write it as Sat 22:00-02:00, Mon-Fri 12:00-13:00 or daily 03:00-04:00"
    )]
    Weekly {
        /// What was written.
        text: String,
        /// Where it goes wrong.
        reason: &'static str,
    },
    /// It is no cron expression.
    #[error("{text:?} is no cron expression: {reason}")]
    Cron {
        /// What was written.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// It never begins.
    #[error("the window would end before it begins")]
    Empty,
    /// It is open for too long.
    #[error("the window would be open for more than {} days on end; nobody would hear of anything", .0.as_secs() / 86_400)]
    TooLong(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Once(Stretch),
    Weekly {
        /// The days on which it begins, Sunday first.
        days: [bool; 7],
        from: Time,
        /// On the next day where it is not after `from`.
        to: Time,
    },
    Cron {
        begins: Cron,
        lasts: Duration,
    },
}

/// Longest that a window that comes again may be open on end.
pub const OPEN_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Longest that a window that comes once may be open.
pub const ONCE_MAX: Duration = Duration::from_secs(90 * 86_400);

/// Where clocks are put back, they show again what they showed up to so long ago.
const FOLD_HOURS: i32 = 3;

impl Schedule {
    /// Open from `from` until `until`.
    ///
    /// # Errors
    /// It would end before it begins, or be open for longer than [`ONCE_MAX`].
    pub fn once(from: Timestamp, until: Timestamp) -> Result<Self, ScheduleError> {
        if until <= from {
            return Err(ScheduleError::Empty);
        }
        if until.since(from) > ONCE_MAX {
            return Err(ScheduleError::TooLong(ONCE_MAX));
        }
        Ok(Self {
            rule: Rule::Once(Stretch { from, until }),
            zone: Zone::UTC,
        })
    }

    /// Open as `Sat 22:00-02:00`, `Mon-Fri 12:00-13:00`, `Sat,Sun 00:00-24:00` or `daily 03:00-04:00`
    /// says; the day is that on which it begins.
    ///
    /// # Errors
    /// `text` says no such thing, or it would never close.
    pub fn weekly(text: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let refused = |reason| ScheduleError::Weekly {
            text: text.to_owned(),
            reason,
        };
        let (days, times) = text
            .split_once(char::is_whitespace)
            .ok_or_else(|| refused("it has no day and time"))?;
        let (from, to) = times
            .split_once('-')
            .ok_or_else(|| refused("it has no two times with a - between"))?;
        let rule = Rule::Weekly {
            days: weekdays(days).ok_or_else(|| refused("its day is none"))?,
            from: clock(from).ok_or_else(|| refused("its first time is none"))?,
            to: clock(to).ok_or_else(|| refused("its second time is none"))?,
        };
        Self { rule, zone }.checked()
    }

    /// Open for so long as it `lasts` from each time on that the five fields of `text` fit, such as
    /// `0 22 * * sat`. Of a time that clocks show twice the first is meant, unless the hour is `*`.
    ///
    /// # Errors
    /// `text` is no such thing, or it would never close.
    pub fn cron(text: &str, lasts: Duration, zone: Zone) -> Result<Self, ScheduleError> {
        if lasts.is_zero() {
            return Err(ScheduleError::Empty);
        }
        if lasts > OPEN_MAX {
            return Err(ScheduleError::TooLong(OPEN_MAX));
        }
        let begins = Cron::parse(text).map_err(|reason| ScheduleError::Cron {
            text: text.to_owned(),
            reason,
        })?;
        let rule = Rule::Cron { begins, lasts };
        Self { rule, zone }.checked()
    }

    /// The stretch that `now` lies in or, failing that, the next one; `None` where none comes.
    /// Stretches that touch are one.
    pub fn stretch(&self, now: Timestamp) -> Option<Stretch> {
        let mut stretch = self.piece(now)?;
        while stretch.until.since(stretch.from) <= OPEN_MAX {
            match self.piece(stretch.until) {
                Some(next) if next.from <= stretch.until && next.until > stretch.until => {
                    stretch.until = next.until;
                }
                _ => break,
            }
        }
        Some(stretch)
    }

    /// Whether it is open at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.piece(now).is_some_and(|piece| piece.from <= now)
    }

    /// The first piece that ends after `after`.
    fn piece(&self, after: Timestamp) -> Option<Stretch> {
        match &self.rule {
            Rule::Once(stretch) => Some(*stretch).filter(|stretch| stretch.until > after),
            Rule::Weekly { days, from, to } => {
                // One that began the day before yesterday may have been drawn out by a change of clocks.
                let first = self.zone.local(after).date().checked_sub(2.days()).ok()?;
                let dates = (0..12).map_while(|ahead| first.checked_add(ahead.days()).ok());
                dates
                    .filter(|date| {
                        days.iter()
                            .cycle()
                            .nth(weekday(*date))
                            .is_some_and(|on| *on)
                    })
                    .filter_map(|date| self.weekly_piece(date, *from, *to))
                    .find(|piece| piece.until > after)
            }
            Rule::Cron { begins, lasts } => {
                let from = self.begins_after(begins, after.minus(*lasts))?;
                let until = from.plus(*lasts);
                Some(Stretch { from, until })
            }
        }
    }

    fn weekly_piece(&self, date: Date, from: Time, to: Time) -> Option<Stretch> {
        let last = match to > from {
            true => date,
            false => date.tomorrow().ok()?,
        };
        let from = match self.zone.read(date.to_datetime(from))? {
            Reading::Once(moment) | Reading::Twice(moment, _) => moment,
            Reading::Never { jump, .. } => jump,
        };
        let until = match self.zone.read(last.to_datetime(to))? {
            Reading::Once(moment) | Reading::Twice(_, moment) => moment,
            Reading::Never { shifted, .. } => shifted,
        };
        Some(Stretch { from, until })
    }

    /// The first moment after `after` at which `cron` fits.
    fn begins_after(&self, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
        let local = self.zone.local(after);
        let earliest = local.checked_sub(FOLD_HOURS.hours()).unwrap_or(local);
        // Each way to read the times gives them in order, so the first that is late enough is the next.
        let next = |read: fn(Reading, bool) -> Option<Timestamp>| {
            cron.from(earliest)
                .filter_map(|begins| read(self.zone.read(begins)?, cron.is_hourly))
                .find(|begins| *begins > after)
        };
        let first = next(|reading, is_hourly| match reading {
            Reading::Once(moment) | Reading::Twice(moment, _) => Some(moment),
            Reading::Never { jump, .. } => (!is_hourly).then_some(jump),
        });
        let second = cron.is_hourly.then(|| {
            next(|reading, _| match reading {
                Reading::Once(moment) | Reading::Twice(_, moment) => Some(moment),
                Reading::Never { .. } => None,
            })
        });
        first.into_iter().chain(second.flatten()).min()
    }

    /// A window without an end is a hole that nobody dug on purpose.
    fn checked(self) -> Result<Self, ScheduleError> {
        let begin = Zone::UTC.moment("2024-01-01").unwrap_or_default();
        match self.stretch(begin) {
            Some(stretch) if stretch.until.since(stretch.from) > OPEN_MAX => {
                Err(ScheduleError::TooLong(OPEN_MAX))
            }
            _ => Ok(self),
        }
    }
}

impl Stretch {
    /// Whether `now` lies in it.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// Sunday is 0.
fn weekday(date: Date) -> usize {
    usize::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or_default()
}

/// `Sat`, `Sat,Sun`, `Fri-Mon` or `daily`, as days from Sunday on.
fn weekdays(text: &str) -> Option<[bool; 7]> {
    let mut days = [text.eq_ignore_ascii_case("daily"); 7];
    if days.contains(&true) {
        return Some(days);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (named_day(first)?, named_day(last)?);
        let count = (last + 7 - first) % 7 + 1;
        for ahead in 0..count {
            *days.get_mut((first + ahead) % 7)? = true;
        }
    }
    Some(days)
}

fn named_day(text: &str) -> Option<usize> {
    let lower = text.trim().to_ascii_lowercase();
    WEEKDAYS.iter().position(|day| *day == lower)
}

/// Reads `22:00`; `24:00` is the beginning of the next day. `None` where it is no time.
pub fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    if (hour.len(), minute.len()) != (2, 2) {
        return None;
    }
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    match (hour, minute) {
        (24, 0) => Some(Time::midnight()),
        _ => Time::new(hour, minute, 0, 0).ok(),
    }
}
