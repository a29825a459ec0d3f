//! The past that a state folder keeps.

use super::report::{Column, Report};
use super::{Rules, SimulateArgs, begun};
use crate::cli::failure::{Failure, OrFailure as _};
use crate::cli::terminal::say;
use crate::core::record::Timestamp;
use crate::core::silence::Zone;
use crate::daemon::clock;
use crate::daemon::config::{Period, Settings};
use crate::daemon::history::History;
use crate::edge::notify::rfc3339;

pub(super) fn simulate(
    args: &SimulateArgs,
    settings: &Settings,
    rules: &Rules,
) -> Result<Report, Failure> {
    let now = clock::now();
    let span = span((args.from.as_deref(), args.to.as_deref()), now)?;
    let root = args.state_dir.as_ref().unwrap_or(&settings.state_dir);
    let mut history = History::read(root, span).or_environment()?;
    history.past.is_authenticated = rules.is_authenticated;
    if history.past.anomalies.is_empty() {
        say("nothing was found in that time, so there is nothing to play");
    }
    Ok(report(&history, rules, span))
}

/// From when until when.
fn span(
    (from, to): (Option<&str>, Option<&str>),
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Failure> {
    let until = if to.is_some() { "--to" } else { "now," };
    let from = from.map_or(Ok(Timestamp::ZERO), |text| moment(("--from", text), now))?;
    let to = to.map_or(Ok(now), |text| moment(("--to", text), now))?;
    if from >= to {
        let wrong = anyhow::anyhow!(
            "--from {} is not before {until} {}",
            rfc3339(from),
            rfc3339(to)
        );
        return Err(Failure::Use(wrong));
    }
    Ok((from, to))
}

/// A time, or how long ago.
fn moment((option, text): (&str, &str), now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(ago) = text.parse::<Period>() {
        return Ok(now.minus(ago.get()));
    }
    let moment = Zone::UTC.moment(text);
    let told = |error| anyhow::anyhow!("{option}: {error}, or how long ago: 24h");
    moment.map_err(told).or_use()
}

pub(super) fn report(
    history: &History,
    rules: &Rules,
    (from, to): (Timestamp, Timestamp),
) -> Report {
    let past = &history.past;
    let frozen = |action: &_, now| rules.frozen(action, now);
    let columns = rules.columns.iter().map(|readiness| {
        let simulation = begun(rules, &frozen, *readiness);
        Column::of(*readiness, past.clone().play(simulation))
    });
    let first = past.anomalies.iter().map(|(at, _)| *at).min();
    let since = match from {
        Timestamp::ZERO => first.unwrap_or(from),
        from => from,
    };
    let (anomalies, incidents) = (past.anomalies.len(), past.incidents.len());
    let played = format!(
        "{anomalies} anomalies and {incidents} incidents of {} services, from {} to {}",
        past.heard,
        rfc3339(since),
        rfc3339(to),
    );
    Report {
        columns: columns.collect(),
        unknown: unknown(history),
        ..Report::new(played, rules)
    }
}

/// What the past does not tell.
fn unknown(history: &History) -> Vec<String> {
    let mut unknown = vec![
        "Whether pods were Ready, what was rolled out, scaled or budgeted then, and who had paused what."
            .to_owned(),
        "How incidents grew: they are kept as they last were, with the services and signs that began by then."
            .to_owned(),
    ];
    if history.undated > 0 {
        unknown.push(format!(
            "When {} of the anomalies were found (it is remembered for 7 days): they are played at the time \
             of their latest record, which is before.",
            history.undated
        ));
    }
    if let Some(since) = history.kept_since {
        unknown.push(format!(
            "Anything before {}: only the latest 10,000 anomalies are kept.",
            rfc3339(since)
        ));
    }
    if history.unreadable > 0 {
        unknown.push(format!(
            "What {} entries say that cannot be read.",
            history.unreadable
        ));
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_so_long_ago_and_from_is_before_to() {
        let now = Zone::UTC.moment("2026-11-22T03:00:00Z").unwrap();
        let day = span((Some("24h"), None), now).unwrap();
        assert_eq!(rfc3339(day.0), "2026-11-21T03:00:00.000000000Z");
        assert_eq!(day.1, now);
        let named = span((Some("2026-11-20"), Some("1h")), now).unwrap();
        assert_eq!(rfc3339(named.0), "2026-11-20T00:00:00.000000000Z");
        assert_eq!(rfc3339(named.1), "2026-11-22T02:00:00.000000000Z");
        for wrong in [
            (Some("1h"), Some("2h")),
            (Some("yesterday"), None),
            (None, Some("1970-01-01")),
        ] {
            assert!(
                matches!(span(wrong, now), Err(Failure::Use(_))),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_wrong_time_is_told_with_its_option_and_what_may_be_written() {
        let now = Zone::UTC.moment("2026-11-22T03:00:00Z").unwrap();
        let told = |from, to| match span((from, to), now) {
            Err(Failure::Use(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            told(Some("1h"), Some("yesterday")),
            "--to: \"yesterday\" is no time; write 2026-12-01, 2026-12-01T22:00 or 2026-12-01T22:00:00Z, or \
             how long ago: 24h"
        );
        assert_eq!(
            told(Some("2027-01-01"), None),
            "--from 2027-01-01T00:00:00.000000000Z is not before now, 2026-11-22T03:00:00.000000000Z"
        );
    }
}
