//! `knothole top`: services and incidents of a running daemon, drawn anew every few seconds.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::client::{Client, ClientArgs};
use super::failure::{Failure, Outcome, with_causes};
use super::incidents::{counted, short_id};
use super::screen::{SIZE, Screen, Wish, Wishes, size};
use super::terminal::{grouped, out, printable};
use crate::daemon::config::Period;

/// Most incidents that are asked for.
const INCIDENTS_MAX: &str = "50";
/// Most actions that are counted.
const ACTIONS_MAX: &str = "500";
/// Fewest columns that are drawn.
const WIDTH_MIN: usize = 40;
/// Columns of a service's row beside its name.
const FIGURES_WIDTH: usize = 49;
/// How far apart the two readings of `--once` are: a rate needs two.
const ONCE_APART: Duration = Duration::from_secs(1);

/// The least time from one reading to the next.
const EVERY_MIN: Duration = Duration::from_millis(200);

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
Above all it says where actions are stopped, and how many wait for somebody. Incidents that go on come
first, then the services, those that take part in an incident marked with ! and the busiest first. q or
Ctrl-C ends it.

Examples:
  knothole top
  knothole top --url https://knothole.example.net --token-env MY_TOKEN
  knothole top --once | head -20

Exit codes: 0 done, 2 no right to look, 3 no daemon answers.";

pub(crate) fn run(args: &TopArgs) -> Result<Outcome, Failure> {
    let every = args.every.get();
    if every < EVERY_MIN {
        let error = anyhow::anyhow!("--every is too short; write 200ms or longer");
        return Err(Failure::Use(error));
    }
    if !args.once && !io::stdout().is_terminal() {
        let error = anyhow::anyhow!("top draws on a terminal; --once prints one frame into a pipe");
        return Err(Failure::Use(error));
    }
    let client = Client::new(&args.client)?;
    client.runtime().block_on(async {
        // The first reading tells what is wrong where a person can still read it.
        let first = Reading::take(&client).await?;
        match args.once {
            true => print_once(&client, &first).await,
            false => watch(&client, every, first).await,
        }
    })?;
    Ok(Outcome::Done)
}

async fn print_once(client: &Client, first: &Reading) -> Result<(), Failure> {
    tokio::time::sleep(ONCE_APART).await;
    let now = Reading::take(client).await?;
    let mut out = out();
    for line in now.lines(Some(first), SIZE.0) {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Draws until somebody wants to see no more.
async fn watch(client: &Client, every: Duration, first: Reading) -> Result<(), Failure> {
    let mut wishes = Wishes::listen()?;
    let screen = Screen::take()?;
    let mut seen = Seen {
        now: first,
        before: None,
        trouble: None,
    };
    let mut reading = pin!(after(every, client));
    loop {
        screen.draw(&seen.lines(size().0))?;
        tokio::select! {
            wish = wishes.next() => match wish {
                Wish::End => return Ok(()),
                Wish::Draw => {}
            },
            taken = &mut reading => {
                seen = seen.and_then(taken)?;
                reading.set(after(every, client));
            }
        }
    }
}

/// A reading when `wait` is over.
async fn after(wait: Duration, client: &Client) -> Result<Reading, Failure> {
    tokio::time::sleep(wait).await;
    Reading::take(client).await
}

/// What was read last, and whether that is as of now.
struct Seen {
    now: Reading,
    before: Option<Reading>,
    trouble: Option<String>,
}

impl Seen {
    /// With what was read next. A daemon that does not answer may come back: what was seen last stays.
    fn and_then(self, taken: Result<Reading, Failure>) -> Result<Self, Failure> {
        match taken {
            Ok(now) => Ok(Self {
                before: self.trouble.is_none().then_some(self.now),
                now,
                trouble: None,
            }),
            Err(Failure::Use(error) | Failure::Environment(error)) => Ok(Self {
                trouble: Some(format!("not as of now: {}", with_causes(&error))),
                ..self
            }),
            Err(other) => Err(other),
        }
    }

    fn lines(&self, width: usize) -> Vec<String> {
        let before = self.before.as_ref().filter(|_| self.trouble.is_none());
        let trouble = self.trouble.iter().map(|text| fitted(text, width));
        trouble.chain(self.now.lines(before, width)).collect()
    }
}

/// What the daemon says at one moment.
struct Reading {
    at: Instant,
    place: String,
    services: Vec<Value>,
    incidents: Vec<Value>,
    /// Why all actions are stopped, where they are.
    stopped: Option<String>,
    /// How many actions wait for somebody, up to so many as were asked for.
    proposed: usize,
}

impl Reading {
    async fn take(client: &Client) -> Result<Self, Failure> {
        let services = client.json(&client.ask("/v1/services", &[]).await?)?;
        let query = [("state", "open,acknowledged"), ("limit", INCIDENTS_MAX)];
        let incidents = client.json(&client.ask("/v1/incidents", &query).await?)?;
        let switch = client.json(&client.ask("/v1/switch", &[]).await?)?;
        let query = [("state", "proposed"), ("limit", ACTIONS_MAX)];
        let proposed = client.json(&client.ask("/v1/actions", &query).await?)?;
        let rows = |body: &Value, name: &str| body[name].as_array().cloned().unwrap_or_default();
        let why = switch["why"].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            at: Instant::now(),
            place: client.place(),
            services: rows(&services, "services"),
            incidents: rows(&incidents, "incidents"),
            stopped: (switch["stopped"] == true).then_some(why),
            proposed: rows(&proposed, "actions").len(),
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
        let mut lines = vec![fitted(&head, width)];
        lines.extend(self.action_lines(width));
        lines.push(String::new());
        lines.extend(self.incident_lines(width));
        lines.push(String::new());
        lines.extend(self.service_lines(&rates, width));
        lines
    }

    /// What somebody has to know of actions; nothing where they wait for nobody.
    fn action_lines(&self, width: usize) -> Vec<String> {
        let stopped = self.stopped.as_ref();
        let stopped = stopped.map(|why| format!("all actions are stopped: {why}"));
        let proposed = match self.proposed {
            0 => None,
            1 => Some("1 action waits for somebody: knothole actions".to_owned()),
            more => Some(format!(
                "{more} actions wait for somebody: knothole actions"
            )),
        };
        let lines = stopped.into_iter().chain(proposed);
        lines.map(|line| fitted(&line, width)).collect()
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
            stopped: None,
            proposed: 0,
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
    fn actions_that_are_stopped_or_wait_for_somebody_come_before_all_else() {
        let mut frame = reading(Instant::now(), [0, 0], Vec::new());
        assert_eq!(frame.lines(None, 80)[1], "");
        frame.stopped = Some("ana: \u{1b}[2Jtoo much".to_owned());
        frame.proposed = 2;
        let lines = frame.lines(None, 80);
        assert_eq!(
            lines[1],
            "all actions are stopped: ana: \u{fffd}[2Jtoo much"
        );
        assert_eq!(lines[2], "2 actions wait for somebody: knothole actions");
        assert_eq!(lines[3], "");
        frame.stopped = None;
        frame.proposed = 1;
        assert!(frame.lines(None, 40)[1].starts_with("1 action waits for"));
    }

    #[test]
    fn a_daemon_that_is_gone_leaves_what_was_seen_last_and_no_rate_spans_its_absence() {
        let start = Instant::now();
        let seen = Seen {
            now: reading(start, [100, 200], Vec::new()),
            before: Some(reading(start, [90, 190], Vec::new())),
            trouble: None,
        };
        let gone = Failure::Environment(anyhow::anyhow!("nobody answers"));
        let Ok(seen) = seen.and_then(Err(gone)) else {
            panic!("it may come back");
        };
        let lines = seen.lines(80);
        assert_eq!(lines[0], "not as of now: nobody answers");
        assert!(lines[1].ends_with("- records/s"), "{lines:?}");
        let later = start + Duration::from_secs(60);
        let Ok(seen) = seen.and_then(Ok(reading(later, [5, 5], Vec::new()))) else {
            panic!("it came back");
        };
        assert!(seen.lines(80)[0].ends_with("- records/s"));
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
