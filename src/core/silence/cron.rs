//! The five fields of cron: minute, hour, day of the month, month, day of the week.

use std::num::NonZeroUsize;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, ToSpan as _};

/// When something begins, again and again, by the clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Bits,
    hours: Bits,
    days: Bits,
    months: Bits,
    weekdays: Bits,
    /// Whether the hour is any, so that an hour that comes twice counts twice.
    pub(super) is_hourly: bool,
    /// Whether a day has to fit one of its two fields only, as where both are named.
    is_either_day: bool,
}

/// A set of small numbers.
type Bits = u64;

/// Longest time that is searched for the next day, in days: 29 February may stay away for 8 years.
const DAYS_AHEAD_MAX: i32 = 8 * 366;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
pub(super) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may hold.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        least: 0,
        most: 59,
        words: &[],
    },
    Field {
        name: "hour",
        least: 0,
        most: 23,
        words: &[],
    },
    Field {
        name: "day of the month",
        least: 1,
        most: 31,
        words: &[],
    },
    Field {
        name: "month",
        least: 1,
        most: 12,
        words: &MONTHS,
    },
    Field {
        name: "day of the week",
        least: 0,
        most: 7,
        words: &WEEKDAYS,
    },
];

impl Cron {
    /// Reads `0 22 * * sat`. The error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(format!(
                "it has {} fields and not five: minute, hour, day of the month, month, day of the week",
                words.len()
            ));
        };
        let [minutes, hours, days, months, weekdays] = &FIELDS;
        // Sunday is 0 and 7.
        let weekdays = weekdays.parse(weekday)?;
        let cron = Self {
            minutes: minutes.parse(minute)?,
            hours: hours.parse(hour)?,
            days: days.parse(day)?,
            months: months.parse(month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            is_hourly: hour.starts_with('*'),
            is_either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        let leap_year = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);
        let comes = cron.from(leap_year).next().is_some();
        match comes {
            true => Ok(cron),
            false => Err("there is no such day".to_owned()),
        }
    }

    /// The times on the wall from `earliest` on at which it begins, in order.
    pub(super) fn from(&self, earliest: DateTime) -> impl Iterator<Item = DateTime> {
        let days = (0..DAYS_AHEAD_MAX).map_while(move |ahead| {
            let ahead: Span = ahead.days();
            earliest.date().checked_add(ahead).ok()
        });
        let days = days.filter(|date| self.is_on(*date));
        let times = days.flat_map(|date| self.times().map(move |time| date.to_datetime(time)));
        times.skip_while(move |begins| *begins < earliest)
    }

    fn is_on(&self, date: Date) -> bool {
        let has = |bits: Bits, number: i8| bits >> number & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month())
            && match self.is_either_day {
                true => day || weekday,
                false => day && weekday,
            }
    }

    fn times(&self) -> impl Iterator<Item = Time> {
        numbers(self.hours).flat_map(|hour| {
            numbers(self.minutes).filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
        })
    }
}

fn numbers(bits: Bits) -> impl Iterator<Item = i8> {
    (0..60).filter(move |number| bits >> number & 1 == 1)
}

impl Field {
    fn parse(&self, text: &str) -> Result<Bits, String> {
        text.split(',')
            .try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }

    /// `*`, `5`, `1-5`, and each of them with a step: `*/15`.
    fn part(&self, text: &str) -> Result<Bits, String> {
        let refused = || {
            let Self {
                name, least, most, ..
            } = self;
            format!("{text:?} is no {name}; write numbers from {least} to {most}, or *")
        };
        let (range, step) = match text.split_once('/') {
            None => (text, None),
            Some((range, step)) => {
                let step: NonZeroUsize = step.parse().map_err(|_| refused())?;
                (range, Some(step.get()))
            }
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (self.least, self.most),
            (_, Some((from, to))) => (
                self.number(from).ok_or_else(refused)?,
                self.number(to).ok_or_else(refused)?,
            ),
            (_, None) => {
                let number = self.number(range).ok_or_else(refused)?;
                (number, step.map_or(number, |_| self.most))
            }
        };
        if from > to {
            return Err(refused());
        }
        let chosen = (from..=to).step_by(step.unwrap_or(1));
        Ok(chosen.fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str) -> Option<u8> {
        let lower = text.to_ascii_lowercase();
        let word = self.words.iter().position(|word| *word == lower);
        let number = match word {
            // Months count from 1, days of the week from 0.
            Some(place) => u8::try_from(place).ok()? + self.least,
            None => text.parse().ok()?,
        };
        (self.least..=self.most).contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, from: &str) -> String {
        let cron = Cron::parse(cron).unwrap();
        cron.from(from.parse().unwrap()).next().unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_that_of_crontab() {
        // 2026-11-22 is a Sunday.
        let from = "2026-11-22T10:30:30";
        for (cron, expected) in [
            ("* * * * *", "2026-11-22T10:31:00"),
            ("*/15 * * * *", "2026-11-22T10:45:00"),
            ("5/20 * * * *", "2026-11-22T10:45:00"),
            ("0 22 * * sat", "2026-11-28T22:00:00"),
            ("0 22 * * 7", "2026-11-22T22:00:00"),
            ("0 22 * * 0", "2026-11-22T22:00:00"),
            ("30 9 * * mon-fri", "2026-11-23T09:30:00"),
            ("0 0 1,15 * *", "2026-12-01T00:00:00"),
            ("0 0 29 feb *", "2028-02-29T00:00:00"),
            ("0 0 31 4,5 *", "2027-05-31T00:00:00"),
            // With both days named, either will do; with a star, both are to fit.
            ("0 0 13 * fri", "2026-11-27T00:00:00"),
            ("0 0 */2 * mon", "2026-11-23T00:00:00"),
        ] {
            assert_eq!(next(cron, from), expected, "{cron}");
        }
    }

    #[test]
    fn what_is_no_cron_is_refused_with_the_field() {
        for (cron, reason) in [
            ("0 22 * *", "4 fields and not five"),
            ("60 * * * *", "is no minute"),
            ("0 24 * * *", "is no hour"),
            ("0 0 0 * *", "is no day of the month"),
            ("0 0 * 13 *", "is no month"),
            ("0 0 * * 8", "is no day of the week"),
            ("*/0 * * * *", "is no minute"),
            ("5-1 * * * *", "is no minute"),
            ("x * * * *", "is no minute"),
            ("0 0 30 2 *", "there is no such day"),
        ] {
            let refused = Cron::parse(cron).unwrap_err();
            assert!(refused.contains(reason), "{cron}: {refused}");
        }
    }
}
