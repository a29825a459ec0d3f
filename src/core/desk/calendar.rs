//! The days of teams.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::date;

use crate::core::record::Timestamp;
use crate::core::silence::Zone;

/// When the days of each team begin, and when it reads its digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// Of teams that have none of their own.
    pub usual: Days,
    /// By the name of the team.
    pub teams: BTreeMap<Box<str>, Days>,
}

/// The days of one team.
#[derive(Clone, Debug, PartialEq)]
pub struct Days {
    /// Where it is.
    pub zone: Zone,
    /// When it reads its digest, after midnight.
    pub digest_at: Duration,
}

impl Days {
    /// Nine in the morning.
    pub const DIGEST_AT_DEFAULT: Duration = Duration::from_secs(9 * 60 * 60);
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            usual: Days {
                zone: Zone::UTC,
                digest_at: Days::DIGEST_AT_DEFAULT,
            },
            teams: BTreeMap::new(),
        }
    }
}

impl Calendar {
    /// The number of the day that `now` is in for `team`.
    pub fn day(&self, team: Option<&str>, now: Timestamp) -> i64 {
        day(&self.of(team).zone, now)
    }

    /// The number of the day, where days begin with the digest.
    pub fn digest_day(&self, team: Option<&str>, now: Timestamp) -> i64 {
        let days = self.of(team);
        day(&days.zone, now.minus(days.digest_at))
    }

    fn of(&self, team: Option<&str>) -> &Days {
        let own = team.and_then(|team| self.teams.get(team));
        own.unwrap_or(&self.usual)
    }
}

/// Days since the first of 1970 on the clocks of a zone.
fn day(zone: &Zone, now: Timestamp) -> i64 {
    // A u64 of nanoseconds ends in the year 2554, well within what jiff can tell.
    let moment = jiff::Timestamp::from_nanosecond(i128::from(now.as_nanos())).unwrap_or_default();
    let today = zone.time_zone().to_datetime(moment).date();
    let passed = today.since(date(1970, 1, 1));
    passed.map_or(0, |passed| i64::from(passed.get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_nanos(u64::try_from(moment.as_nanosecond()).unwrap())
    }

    #[test]
    fn days_begin_at_midnight_where_the_team_is() {
        let mut calendar = Calendar::default();
        let berlin = Days {
            zone: Zone::named("Europe/Berlin").unwrap(),
            digest_at: Duration::from_secs(9 * 3600),
        };
        calendar.teams.insert("shop".into(), berlin);
        let day = |team, text| calendar.day(team, at(text));
        assert_eq!(day(None, "1970-01-03T00:00:00Z"), 2);
        assert_eq!(
            day(None, "2026-07-01T23:30:00Z"),
            day(None, "2026-07-01T00:00:00Z")
        );
        let shop = Some("shop");
        assert_eq!(
            day(shop, "2026-07-01T22:30:00Z"),
            day(None, "2026-07-02T00:00:00Z"),
            "two hours ahead in summer"
        );
        let digest = |text| calendar.digest_day(shop, at(text));
        assert_eq!(
            digest("2026-07-02T06:59:59Z") + 1,
            digest("2026-07-02T07:00:00Z")
        );
    }
}
