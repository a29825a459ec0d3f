//! `knothole silence test`: what a silence or window would do, before anybody relies on it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::config_of;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::serve::config_failure;
use super::terminal::{out, printable};
use crate::core::record::Timestamp;
use crate::core::silence::{
    By, Labels, Matcher, Op, Silences, Sort, Subject, Teams, Verdict, Zone,
};
use crate::daemon::clock;
use crate::daemon::config::{SilenceCase, load_silence_cases};

/// `knothole silence`
#[derive(Args, Clone, Debug)]
pub(crate) struct SilenceArgs {
    #[command(subcommand)]
    command: SilenceCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum SilenceCommand {
    /// Try silences and windows on labels, or on a file of cases
    Test(TestArgs),
}

#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
struct TestArgs {
    /// The settings file with the silences and windows
    #[arg(long, short, value_name = "FILE", env = "KNOTHOLE_CONFIG")]
    config: PathBuf,
    /// Files of cases to try
    #[arg(value_name = "CASES")]
    cases: Vec<PathBuf>,
    /// The labels of something abnormal, such as service=cart,severity=warning
    #[arg(long, value_name = "LABELS", conflicts_with = "cases")]
    labels: Option<String>,
    /// When, as 2026-11-22T03:00:00Z; UTC where no offset is given [default: now]
    #[arg(long, value_name = "TIME", requires = "labels")]
    at: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Without labels and cases it lists the silences and windows, and how each stands now.

Labels: service, namespace, environment, team, kind, class, severity (info, warning, error, critical),
template (its id or its text), pod, node, version, fingerprint, and any resource attribute. A label that
is not there is empty. An incident is muted where each of its signs is, so that a silence for one service
never hides another.

A file of cases is a unit test; leave out what does not matter:
  silence_tests:
    - name: the backup wakes nobody
      labels: { service: db-1, severity: warning }
      at: 2026-11-21T22:00:00Z
      muted: true
      by: backup              # the name of a window, or the id or owner of a silence
      learns: false

Examples:
  knothole silence test --config knothole.yaml
  knothole silence test --config knothole.yaml --labels 'service=cart,severity=warning'
  knothole silence test --config knothole.yaml --labels 'service=cart' --at 2026-11-22T03:00:00Z
  knothole silence test --config knothole.yaml cases.yaml

Exit codes: 0 done, 1 a case is not as expected, 2 the settings or the cases are wrong.";

/// Longest text of a person that is shown, in characters.
const SHOWN_LEN_MAX: usize = 200;

pub(crate) fn run(args: &SilenceArgs) -> Result<Outcome, Failure> {
    let SilenceCommand::Test(args) = &args.command;
    let settings = config_of(Some(&args.config))?;
    let now = clock::now();
    let bench = Bench {
        silences: settings.silences(now),
        teams: settings.teams(),
    };
    let mut out = out();
    let outcome = match &args.labels {
        Some(labels) => {
            let at = match &args.at {
                Some(text) => Zone::UTC.moment(text).or_use()?,
                None => now,
            };
            bench.show(&labels_of(labels)?, at, args.json, &mut out)?;
            Outcome::Done
        }
        None if args.cases.is_empty() => {
            bench.list(now, args.json, &mut out)?;
            Outcome::Done
        }
        None => {
            let mut cases = Vec::new();
            for file in &args.cases {
                cases.extend(load_silence_cases(file).map_err(config_failure)?);
            }
            bench.try_all(&cases, args.json, &mut out)?
        }
    };
    out.flush()?;
    Ok(outcome)
}

/// Reads `service=cart,severity=warning`.
fn labels_of(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let matchers = Matcher::parse_all(text).or_use()?;
    if let Some(other) = matchers.iter().find(|matcher| matcher.op() != Op::Equal) {
        let wrong =
            anyhow::anyhow!("{other} is a condition; labels have one value each, as service=cart");
        return Err(Failure::Use(wrong));
    }
    let labels = matchers.iter();
    Ok(labels
        .map(|label| (label.name().to_owned(), label.value().to_owned()))
        .collect())
}

/// What labels are tried on.
struct Bench {
    silences: Silences,
    teams: Teams,
}

impl Bench {
    /// The team that has `labels`, unless they name one, and the verdict about them.
    fn judge(&self, labels: &BTreeMap<String, String>, at: Timestamp) -> (Option<String>, Verdict) {
        let given = || {
            labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
        };
        let found = self.teams.team_of(&Labels::of(given()));
        let team = found.filter(|_| !labels.contains_key("team"));
        let all = Labels::of(given().chain(team.map(|team| ("team", team))));
        let verdict = self.silences.verdict(&Subject::from(all), at);
        (team.map(str::to_owned), verdict)
    }

    fn show(
        &self,
        labels: &BTreeMap<String, String>,
        at: Timestamp,
        json: bool,
        out: &mut impl Write,
    ) -> std::io::Result<()> {
        let (team, verdict) = self.judge(labels, at);
        let next = self.silences.next_change(at);
        if json {
            let told = json!({
                "at": shown(at),
                "labels": labels,
                "team": team,
                "muted": verdict.muted_by.is_some(),
                "muted_by": verdict.muted_by.as_ref().map(view),
                "learns": !verdict.no_learn,
                "matched": verdict.matched.iter().map(view).collect::<Vec<_>>(),
                "next_change": next.map(shown),
            });
            return writeln!(out, "{told}");
        }
        writeln!(out, "at         {}", shown(at))?;
        if let Some(team) = &team {
            let pages = self.teams.day(Some(team)).pages_max;
            let team = printable(team, SHOWN_LEN_MAX);
            writeln!(out, "team       {team}, at most {pages} pages a day")?;
        }
        match &verdict.muted_by {
            Some(by) => writeln!(out, "muted      by {}", line(by))?,
            None => writeln!(out, "told       no silence or window mutes it")?,
        }
        let learning = if verdict.no_learn { "stops" } else { "goes on" };
        writeln!(out, "learning   {learning}")?;
        let others = verdict.matched.iter();
        for by in others.filter(|by| Some(*by) != verdict.muted_by.as_ref()) {
            writeln!(out, "also       {}", line(by))?;
        }
        match next {
            Some(next) => writeln!(
                out,
                "next       a silence or window changes at {}",
                shown(next)
            ),
            None => Ok(()),
        }
    }

    /// How each silence and window stands at `now`.
    fn list(&self, now: Timestamp, json: bool, out: &mut impl Write) -> std::io::Result<()> {
        let silences = self.silences.silences().iter().map(|silence| {
            let state = if silence.is_over(now) {
                "over"
            } else {
                "in effect"
            };
            let until = Some(silence.expires).filter(|_| !silence.is_over(now));
            let mut row = row(By::from(silence).to_string(), state, until);
            row.about = matchers(&silence.matchers);
            row
        });
        let windows = self.silences.windows().iter().map(|window| {
            let name = format!("window {} ({})", window.name, window.mode.name());
            let mut row = match window.schedule.stretch(now) {
                Some(stretch) if stretch.holds(now) => row(name, "open", Some(stretch.until)),
                Some(stretch) => row(name, "closed", Some(stretch.from)),
                None => row(name, "over", None),
            };
            row.about = matchers(&window.matchers);
            row
        });
        let rows: Vec<Row> = silences.chain(windows).collect();
        if json {
            let rows: Vec<Value> = rows.iter().map(Row::view).collect();
            return writeln!(out, "{}", json!({ "at": shown(now), "entries": rows }));
        }
        if rows.is_empty() {
            return writeln!(out, "no silences and no windows");
        }
        rows.iter().try_for_each(|row| {
            let until = row
                .until
                .map_or(String::new(), |until| format!(" until {}", shown(until)));
            let name = printable(&row.name, SHOWN_LEN_MAX);
            writeln!(out, "{:<10} {name}{until}", row.state)?;
            writeln!(out, "           {}", printable(&row.about, SHOWN_LEN_MAX))
        })
    }

    fn try_all(
        &self,
        cases: &[SilenceCase],
        json: bool,
        out: &mut impl Write,
    ) -> std::io::Result<Outcome> {
        let tried: Vec<(&SilenceCase, Vec<String>)> = cases
            .iter()
            .map(|case| {
                (
                    case,
                    differences(case, &self.judge(&case.labels, case.at).1),
                )
            })
            .collect();
        let failed = tried.iter().filter(|(_, wrong)| !wrong.is_empty()).count();
        if json {
            let views = tried.iter().map(|(case, wrong)| {
                json!({ "name": case.name, "passed": wrong.is_empty(), "differences": wrong })
            });
            let views: Vec<Value> = views.collect();
            let told = json!({ "cases": views, "passed": tried.len() - failed, "failed": failed });
            writeln!(out, "{told}")?;
        } else {
            for (case, wrong) in &tried {
                let state = if wrong.is_empty() { "ok" } else { "FAILED" };
                writeln!(out, "{state:<10} {}", printable(&case.name, SHOWN_LEN_MAX))?;
                for difference in wrong {
                    writeln!(out, "           {}", printable(difference, SHOWN_LEN_MAX))?;
                }
            }
            writeln!(out, "{} cases, {failed} failed", tried.len())?;
        }
        Ok(if failed > 0 {
            Outcome::Found
        } else {
            Outcome::Done
        })
    }
}

/// In what `verdict` is not what `case` expects.
fn differences(case: &SilenceCase, verdict: &Verdict) -> Vec<String> {
    let by = verdict.muted_by.as_ref();
    let what = by.map_or("it is not muted".to_owned(), |by| {
        format!("it is muted by {by}")
    });
    let mut wrong = Vec::new();
    if let Some(muted) = case.muted
        && muted != by.is_some()
    {
        wrong.push(format!("expected muted: {muted}, but {what}"));
    } else if let Some(name) = &case.by
        && !by.is_some_and(|by| is_called(by, name))
    {
        wrong.push(format!("expected by: {name}, but {what}"));
    }
    if let Some(learns) = case.learns
        && learns == verdict.no_learn
    {
        let goes_on = if verdict.no_learn { "stops" } else { "goes on" };
        wrong.push(format!("expected learns: {learns}, but learning {goes_on}"));
    }
    wrong
}

fn is_called(by: &By, name: &str) -> bool {
    let owner = by.owner_and_reason.as_ref().map(|(owner, _)| &**owner);
    let short = by.name.get(..8).filter(|_| by.sort == Sort::Silence);
    [Some(&*by.name), short, owner].contains(&Some(name))
}

fn view(by: &By) -> Value {
    let (owner, reason) = by.owner_and_reason.clone().unzip();
    json!({
        "sort": match by.sort {
            Sort::Silence => "silence",
            Sort::Window => "window",
        },
        "name": by.name,
        "owner": owner,
        "reason": reason,
        "mode": by.mode.name(),
        "until": shown(by.until),
    })
}

fn line(by: &By) -> String {
    format!(
        "{} until {}",
        printable(&by.to_string(), SHOWN_LEN_MAX),
        shown(by.until)
    )
}

/// One silence or window of the list.
struct Row {
    name: String,
    about: String,
    state: &'static str,
    until: Option<Timestamp>,
}

fn row(name: String, state: &'static str, until: Option<Timestamp>) -> Row {
    Row {
        name,
        about: String::new(),
        state,
        until,
    }
}

impl Row {
    fn view(&self) -> Value {
        json!({
            "name": self.name,
            "matchers": self.about,
            "state": self.state,
            "until": self.until.map(shown),
        })
    }
}

fn matchers(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
    texts.join(", ")
}

fn shown(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos()));
    at.unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::config::{from_text, silence_cases_from_text};

    const FILE: &str = r#"
silences:
  - { matchers: ['service="cart"'], owner: ana, reason: "INC-12\e[2J", created: 2026-11-20, expires: 2026-12-01 }
windows:
  - { name: backup, matchers: ['service=~"db-.*"'], every: Sat 22:00-02:00, mode: both }
teams:
  - { name: shop, matchers: ['service="cart"'], pages_per_day: 5 }
"#;

    fn bench() -> Bench {
        let settings = from_text("x", FILE, &[]).unwrap();
        Bench {
            silences: settings.silences(at("2026-11-22")),
            teams: settings.teams(),
        }
    }

    fn at(text: &str) -> Timestamp {
        Zone::UTC.moment(text).unwrap()
    }

    fn shows(labels: &str, when: &str, json: bool) -> String {
        let mut shown = Vec::new();
        let labels = labels_of(labels).unwrap();
        bench().show(&labels, at(when), json, &mut shown).unwrap();
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn it_says_what_mutes_until_when_and_whether_learning_goes_on() {
        let cart = shows(
            "service=cart,severity=warning",
            "2026-11-22T03:00:00Z",
            false,
        );
        let lines: Vec<&str> = cart.lines().collect();
        assert_eq!(lines[0], "at         2026-11-22T03:00:00Z");
        assert_eq!(lines[1], "team       shop, at most 5 pages a day");
        assert!(lines[2].starts_with("muted      by silence "), "{cart}");
        assert!(lines[2].ends_with(" of ana (INC-12\u{fffd}[2J) until 2026-12-01T00:00:00Z"));
        assert_eq!(lines[3], "learning   goes on");
        assert_eq!(
            shows("service=db-1", "2026-11-21T23:00", false),
            "at         2026-11-21T23:00:00Z\nmuted      by window backup until 2026-11-22T02:00:00Z\n\
             learning   stops\nnext       a silence or window changes at 2026-11-22T02:00:00Z\n"
        );
        let told = shows("service=db-1", "2026-11-22T02:00", false);
        assert!(
            told.contains("told       no silence or window mutes it"),
            "{told}"
        );
    }

    #[test]
    fn scripts_get_the_same_as_json() {
        let json: Value = serde_json::from_str(&shows("service=cart", "2026-11-22", true)).unwrap();
        assert_eq!(
            (&json["muted"], &json["learns"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(json["muted_by"]["owner"], "ana");
        assert_eq!(json["muted_by"]["until"], "2026-12-01T00:00:00Z");
        assert_eq!(json["team"], "shop");
    }

    #[test]
    fn cases_that_are_not_as_expected_are_told_and_exit_with_1() {
        let text = "silence_tests:\n\
            - { name: a, labels: {service: cart}, at: 2026-11-22, muted: true, by: ana, learns: true }\n\
            - { name: b, labels: {service: db-1}, at: 2026-11-21T23:00, by: backup, learns: true }\n\
            - { name: c, labels: {service: cart}, at: 2026-12-01, by: ana }\n\
            - { name: d, labels: {service: cart}, at: 2026-11-22, muted: false }\n";
        let cases = silence_cases_from_text("x", text).unwrap();
        let mut shown = Vec::new();
        let outcome = bench().try_all(&cases, false, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(outcome, Outcome::Found);
        for expected in [
            "ok         a\n",
            "FAILED     b\n           expected learns: true, but learning stops\n",
            "FAILED     c\n           expected by: ana, but it is not muted\n",
            "FAILED     d\n           expected muted: false, but it is muted by silence ",
            "4 cases, 3 failed\n",
        ] {
            assert!(
                shown.contains(expected),
                "{expected}\n--- not in ---\n{shown}"
            );
        }
        let good = bench().try_all(&cases[..1], true, &mut Vec::new()).unwrap();
        assert_eq!(good, Outcome::Done);
    }

    #[test]
    fn the_list_says_how_each_stands() {
        let mut shown = Vec::new();
        bench().list(at("2026-12-01"), false, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.starts_with("over       silence "), "{shown}");
        assert!(
            shown.contains("closed     window backup (both) until 2026-12-05T22:00:00Z\n           service=~\"db-.*\"\n"),
            "{shown}"
        );
    }

    #[test]
    fn labels_have_one_value_each() {
        assert_eq!(labels_of("service=cart,pod=\"a,b\"").unwrap()["pod"], "a,b");
        assert!(labels_of("service=~cart").is_err() && labels_of("cart").is_err());
    }
}
