//! `knothole top`: services and incidents of a running daemon, drawn anew every few seconds.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientArgs};
use super::failure::{Failure, OrFailure as _, Outcome, with_causes};
use super::incidents::{counted, short_id};
use super::terminal::{grouped, out, printable};
use crate::daemon::config::Period;

/// Most incidents that are asked for.
const INCIDENTS_MAX: &str = "50";
/// Columns and lines where the terminal does not say.
const SIZE: (usize, usize) = (80, 24);
/// Fewest columns that are drawn.
const WIDTH_MIN: usize = 40;
/// Columns of a service's row beside its name.
const FIGURES_WIDTH: usize = 49;
/// How far apart the two readings of `--once` are: a rate needs two.
const ONCE_APART: Duration = Duration::from_secs(1);

/// To the other screen and without a cursor, and back.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// To the upper left; what is left of a line; what is left of the screen.
const HOME: &str = "\u{1b}[H";
const CLEAR_LINE: &str = "\u{1b}[K\r\n";
const CLEAR_REST: &str = "\u{1b}[J";

/// `knothole top`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TopArgs {
    /// Print one frame and end, also into a pipe
    #[arg(long)]
    once: bool,
    /// How often it is drawn, such as 5s
    #[arg(long, value_name = "TIME", default_value = "2s")]
    every: Period,
    #[command(flatten)]
    client: ClientArgs,
}

const EXAMPLES: &str = "\
Incidents that go on come first, then the services, those that take part in an incident marked with
! and the busiest first. Ctrl-C ends it.

Examples:
  knothole top
  knothole top --url https://knothole.example.net --token-env MY_TOKEN
  knothole top --once | head -20

Exit codes: 0 done, 2 no right to look, 3 no daemon answers.";

pub(crate) fn run(args: &TopArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    if args.once {
        let first = Reading::take(&client)?;
        // A timer is made where the runtime runs.
        client
            .runtime()
            .block_on(async { tokio::time::sleep(ONCE_APART).await });
        let lines = Reading::take(&client)?.lines(Some(&first), WIDTH_ONCE);
        let mut out = out();
        for line in lines {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        return Ok(Outcome::Done);
    }
    if !io::stdout().is_terminal() {
        let error = anyhow::anyhow!("top draws on a terminal; --once prints one frame into a pipe");
        return Err(Failure::Use(error));
    }
    // The first reading tells what is wrong where a person can still read it.
    let first = Reading::take(&client)?;
    print(ENTER)?;
    let ended = watch(&client, args, first);
    print(LEAVE)?;
    ended.map(|()| Outcome::Done)
}

/// Columns of a frame that is not drawn on a terminal.
const WIDTH_ONCE: usize = SIZE.0;

/// Draws until it is interrupted.
fn watch(client: &Client, args: &TopArgs, mut last: Reading) -> Result<(), Failure> {
    let mut lines = last.lines(None, size().0);
    loop {
        draw(&lines)?;
        let is_over = client.runtime().block_on(async {
            tokio::select! {
                interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| true),
                () = tokio::time::sleep(args.every.get()) => Ok(false),
            }
        });
        if is_over.or_environment()? {
            return Ok(());
        }
        match Reading::take(client) {
            Ok(now) => {
                lines = now.lines(Some(&last), size().0);
                last = now;
            }
            // It may come back; what was seen last stays.
            Err(Failure::Use(error) | Failure::Environment(error)) => {
                lines = last.lines(None, size().0);
                let told = format!("not as of now: {}", with_causes(&error));
                lines.insert(0, fitted(&told, size().0));
            }
            Err(other) => return Err(other),
        }
    }
}

fn draw(lines: &[String]) -> io::Result<()> {
    let mut frame = HOME.to_owned();
    for line in lines.iter().take(size().1.saturating_sub(1)) {
        frame.push_str(line);
        frame.push_str(CLEAR_LINE);
    }
    frame.push_str(CLEAR_REST);
    print(&frame)
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Columns and lines.
fn size() -> (usize, usize) {
    let size = console::Term::stdout().size_checked();
    size.map_or(SIZE, |(lines, columns)| (columns.into(), lines.into()))
}

/// What the daemon says at one moment.
struct Reading {
    at: Instant,
    place: String,
    services: Vec<Value>,
    incidents: Vec<Value>,
}

impl Reading {
    fn take(client: &Client) -> Result<Self, Failure> {
        let services = client.json(&client.get("/v1/services", &[])?)?;
        let query = [("state", "open,acknowledged"), ("limit", INCIDENTS_MAX)];
        let incidents = client.json(&client.get("/v1/incidents", &query)?)?;
        let rows = |body: &Value, name: &str| body[name].as_array().cloned().unwrap_or_default();
        Ok(Self {
            at: Instant::now(),
            place: client.place(),
            services: rows(&services, "services"),
            incidents: rows(&incidents, "incidents"),
        })
    }

    /// The frame, in lines of at most `width` characters; rates are those since `before`.
    fn lines(&self, before: Option<&Self>, width: usize) -> Vec<String> {
        let width = width.max(WIDTH_MIN);
        let rates = self.rates(before);
        let total: Option<f64> = rates
            .values()
            .copied()
            .collect::<Option<Vec<f64>>>()
            .map(|rates| rates.iter().sum());
        let services = counted(self.services.len() as u64, "service");
        let head = format!(
            "knothole {}  {services}  {} records/s",
            self.place,
            rate(total)
        );
        let mut lines = vec![fitted(&head, width), String::new()];
        lines.extend(self.incident_lines(width));
        lines.push(String::new());
        lines.extend(self.service_lines(&rates, width));
        lines
    }

    fn incident_lines(&self, width: usize) -> Vec<String> {
        if self.incidents.is_empty() {
            return vec!["no incident goes on".to_owned()];
        }
        let incidents = self.incidents.iter().map(|incident| {
            let text =
                |name: &str, len| printable(incident[name].as_str().unwrap_or_default(), len);
            let began = text("began", 20);
            let state = text("state", 12);
            let line = format!(
                "{}  {:<8}  {state:<12}  {}  {}",
                short_id(incident),
                text("severity", 8),
                began.get(11..19).unwrap_or_default(),
                text("title", width),
            );
            fitted(&line, width)
        });
        incidents.collect()
    }

    fn service_lines(&self, rates: &BTreeMap<String, Option<f64>>, width: usize) -> Vec<String> {
        let room = width.saturating_sub(FIGURES_WIDTH).max(8);
        let head = format!(
            "  {:<room$} {:<8} {:>10} {:>8} {:>8} {:>8}",
            "SERVICE", "STATE", "RECORDS", "RATE/S", "KINDS", "OPEN"
        );
        let mut rows: Vec<(bool, f64, String)> = self
            .services
            .iter()
            .map(|service| {
                let key = key(service);
                let rate_now = rates.get(&key).copied().flatten();
                let number = |name: &str| grouped(service[name].as_u64().unwrap_or_default());
                let is_in_trouble = self.is_in_trouble(&key);
                let line = format!(
                    "{} {:<room$} {:<8} {:>10} {:>8} {:>8} {:>8}",
                    if is_in_trouble { '!' } else { ' ' },
                    printable(&key, room),
                    printable(service["state"].as_str().unwrap_or_default(), 8),
                    number("records"),
                    rate(rate_now),
                    number("templates"),
                    number("sequences"),
                );
                (!is_in_trouble, -rate_now.unwrap_or_default(), line)
            })
            .collect();
        // Sorting keeps the order of the daemon, by name, among those that are alike.
        rows.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let rows = rows.into_iter().map(|(_, _, line)| line);
        std::iter::once(head)
            .chain(rows)
            .map(|line| fitted(&line, width))
            .collect()
    }

    /// Records each second since `before`, by service.
    fn rates(&self, before: Option<&Self>) -> BTreeMap<String, Option<f64>> {
        let records = |service: &Value| service["records"].as_u64();
        let rate = |service: &Value| {
            let before = before?;
            let key = key(service);
            let was = before.services.iter().find(|it| self::key(it) == key);
            // One that was not there yet had none.
            let was = was.map_or(Some(0), records)?;
            let since = self.at.duration_since(before.at).as_secs_f64();
            let more = records(service)?.saturating_sub(was);
            (since > 0.0).then(|| more as f64 / since)
        };
        let all = self.services.iter();
        all.map(|service| (key(service), rate(service))).collect()
    }

    fn is_in_trouble(&self, key: &str) -> bool {
        let mut services = self
            .incidents
            .iter()
            .filter_map(|it| it["services"].as_array());
        services.any(|services| services.iter().any(|service| service.as_str() == Some(key)))
    }
}

/// A service's key as incidents name it.
fn key(service: &Value) -> String {
    let parts = ["environment", "namespace", "name"].map(|name| service[name].as_str());
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<&str>>().join("/")
}

fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => grouped(rate.round() as u64),
    }
}

/// `line` in at most `width` characters, none of which acts on the terminal.
fn fitted(line: &str, width: usize) -> String {
    printable(line.trim_end(), width)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, records: u64) -> Value {
        json!({
            "environment": "prod", "namespace": "", "name": name, "state": "active",
            "records": records, "templates": 61, "sequences": 7,
        })
    }

    fn reading(at: Instant, records: [u64; 2], incidents: Vec<Value>) -> Reading {
        Reading {
            at,
            place: "http://127.0.0.1:8080".to_owned(),
            services: vec![service("cart", records[0]), service("checkout", records[1])],
            incidents,
        }
    }

    fn incident(title: &str) -> Value {
        json!({
            "id": "9f3c".repeat(8), "severity": "critical", "state": "open", "title": title,
            "began": "2026-08-01T02:51:07.412000000Z", "services": ["prod/checkout"],
        })
    }

    #[test]
    fn a_frame_has_incidents_first_and_then_services_those_in_trouble_marked() {
        let start = Instant::now();
        let first = reading(start, [100, 2_000], Vec::new());
        let later = start + Duration::from_secs(2);
        let told = incident("checkout keeps its cart locks");
        let now = reading(later, [3_100, 2_004], vec![told]);
        assert_eq!(
            now.lines(Some(&first), 80),
            [
                "knothole http://127.0.0.1:8080  2 services  1,502 records/s",
                "",
                "9f3c9f3c  critical  open          02:51:07  checkout keeps its cart locks",
                "",
                "  SERVICE                         STATE       RECORDS   RATE/S    KINDS     OPEN",
                "! prod/checkout                   active        2,004      2.0       61        7",
                "  prod/cart                       active        3,100    1,500       61        7",
            ]
        );
        assert_eq!(first.lines(None, 80)[2], "no incident goes on");
        assert!(first.lines(None, 80)[0].ends_with("- records/s"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_or_drives_it() {
        let title = format!("\u{1b}[2J\u{202e}{}", "long ".repeat(60));
        let frame = reading(Instant::now(), [u64::MAX, 0], vec![incident(&title)]);
        for width in [40, 80, 200] {
            for line in frame.lines(None, width) {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert!(!line.contains(['\u{1b}', '\u{202e}']), "{line:?}");
            }
        }
    }

    #[test]
    fn a_daemon_that_started_anew_has_no_negative_rate() {
        let start = Instant::now();
        let before = reading(start, [500, 500], Vec::new());
        let now = reading(start + Duration::from_secs(1), [5, 5], Vec::new());
        let rates = now.rates(Some(&before));
        assert!(rates.values().all(|rate| *rate == Some(0.0)), "{rates:?}");
    }
}
