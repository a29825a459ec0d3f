//! `knothole incidents`: what is broken, and what somebody does about it.

use std::io::{self, Write};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, ClientArgs};
use super::failure::{Failure, Outcome};
use super::terminal::{grouped, out, printable, say};

/// Digits of an id that are shown; the first six are enough to name an incident.
const ID_LEN: usize = 8;
/// Characters of a title that are shown.
const TITLE_LEN: usize = 240;

/// `knothole incidents`
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub(crate) struct IncidentsArgs {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<IncidentCommand>,
}

#[derive(Args, Clone, Debug)]
struct ListArgs {
    /// Those in this state; `live` is open or acknowledged
    #[arg(long, value_name = "STATE", value_enum, default_value_t = StateFilter::Live)]
    state: StateFilter,
    /// Those that this service takes part in, as cart or prod/shop/cart
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Those of this team
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Those with a sign since then, as 24h or 2026-11-22T02:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print what the API answers, one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateFilter {
    Live,
    Open,
    Acknowledged,
    Resolved,
    Accepted,
    All,
}

impl StateFilter {
    /// As the API takes it.
    const fn query(self) -> Option<&'static str> {
        match self {
            Self::Live => Some("open,acknowledged"),
            Self::Open => Some("open"),
            Self::Acknowledged => Some("acknowledged"),
            Self::Resolved => Some("resolved"),
            Self::Accepted => Some("accepted"),
            Self::All => None,
        }
    }
}

#[derive(Subcommand, Clone, Debug)]
enum IncidentCommand {
    /// Take an incident on: others see that you have it
    Ack(MarkArgs),
    /// Say that an incident is over
    Resolve(MarkArgs),
    /// Say that what an incident tells is normal: it is not told again
    Accept(MarkArgs),
    /// Note what was done about an incident and whether it helped: it is told the next time
    Done(DoneArgs),
}

#[derive(Args, Clone, Debug)]
struct MarkArgs {
    /// The incident: its id, of which the first six digits will do
    id: String,
    /// A note for others
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Args, Clone, Debug)]
struct DoneArgs {
    /// The incident: its id, of which the first six digits will do
    id: String,
    /// What was done, in a few words that are the same each time
    action: String,
    /// It did not help
    #[arg(long)]
    in_vain: bool,
    #[command(flatten)]
    client: ClientArgs,
}

const EXAMPLES: &str = "\
Examples:
  knothole incidents                                   those that go on, newest first
  knothole incidents --state all --since 24h --json
  knothole incidents ack 9f3c9f --note 'looking at it'
  knothole incidents done 9f3c9f 'roll back'           and it helped
  knothole incidents resolve 9f3c9f

`knothole explain ID` tells all about one.

Exit codes: 0 done, 2 no such incident or no right to do it, 3 no daemon answers.";

pub(crate) fn run(args: &IncidentsArgs) -> Result<Outcome, Failure> {
    match &args.command {
        None => list(&args.list),
        Some(IncidentCommand::Ack(mark)) => marked(mark, "acknowledge"),
        Some(IncidentCommand::Resolve(mark)) => marked(mark, "resolve"),
        Some(IncidentCommand::Accept(mark)) => marked(mark, "accept"),
        Some(IncidentCommand::Done(done)) => {
            let body = json!({ "action": done.action, "helped": !done.in_vain });
            change(&done.client, &done.id, "done", &body)
        }
    }
}

fn list(args: &ListArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let limit = args.limit.to_string();
    let asked = [
        ("state", args.state.query()),
        ("service", args.service.as_deref()),
        ("team", args.team.as_deref()),
        ("since", args.since.as_deref()),
        ("limit", Some(&limit)),
    ];
    let query: Vec<(&str, &str)> = asked
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let body = client.json(&client.get("/v1/incidents", &query)?)?;
    let mut out = out();
    if args.json {
        writeln!(out, "{body:#}")?;
    } else {
        let incidents = body["incidents"].as_array();
        for incident in incidents.into_iter().flatten() {
            show(incident, &mut out)?;
        }
        if incidents.is_none_or(Vec::is_empty) {
            say(nothing(args.state));
        }
        if !body["next"].is_null() {
            say("there are more; ask for them with --limit");
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

const fn nothing(state: StateFilter) -> &'static str {
    match state {
        StateFilter::Live => "no incident goes on; --state all shows those that are over, too",
        StateFilter::Open
        | StateFilter::Acknowledged
        | StateFilter::Resolved
        | StateFilter::Accepted
        | StateFilter::All => "there is no such incident",
    }
}

/// An incident in two lines.
fn show(incident: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = |name: &str, len| printable(incident[name].as_str().unwrap_or_default(), len);
    let services = incident["services"].as_array().map_or(0, Vec::len) as u64;
    let signs = incident["signs"].as_u64().unwrap_or_default();
    let began = text("began", 20).replace('T', " ");
    writeln!(
        out,
        "{}  {:<8}  {:<12}  {}  {}, {}",
        short_id(incident),
        text("severity", 8),
        text("state", 12),
        began.trim_end_matches('…'),
        counted(signs, "sign"),
        counted(services, "service"),
    )?;
    writeln!(out, "          {}", text("title", TITLE_LEN))
}

fn marked(mark: &MarkArgs, verb: &str) -> Result<Outcome, Failure> {
    let body = match &mark.note {
        Some(note) => json!({ "note": note }),
        None => json!({}),
    };
    change(&mark.client, &mark.id, verb, &body)
}

fn change(client: &ClientArgs, id: &str, verb: &str, body: &Value) -> Result<Outcome, Failure> {
    let client = Client::new(client)?;
    let path = format!("/v1/incidents/{}/{verb}", segment(id));
    let incident = client.json(&client.post(&path, body)?)?;
    let state = printable(incident["state"].as_str().unwrap_or_default(), 20);
    let title = printable(incident["title"].as_str().unwrap_or_default(), TITLE_LEN);
    say(&format!("{}  {state}  {title}", short_id(&incident)));
    Ok(Outcome::Done)
}

/// `id` as a part of a path: what is no id stays one part and is refused by the daemon.
pub(super) fn segment(id: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let plain: String = id.chars().filter(is_plain).take(64).collect();
    match plain.len() == id.len() && !plain.is_empty() {
        true => plain,
        false => "-".to_owned(),
    }
}

pub(super) fn short_id(incident: &Value) -> String {
    let id = incident["id"].as_str().unwrap_or_default();
    printable(id.get(..ID_LEN).unwrap_or(id), ID_LEN)
}

/// `1 sign`, `2 signs`.
pub(super) fn counted(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{} {one}s", grouped(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_two_lines_and_its_title_is_harmless() {
        let incident = json!({
            "id": "9f3c".repeat(8), "severity": "critical", "state": "acknowledged",
            "began": "2026-08-01T02:51:07.412000000Z", "signs": 1_056, "services": ["cart"],
            "title": "cart \u{1b}[2J broke\nERROR forged",
        });
        let mut shown = Vec::new();
        show(&incident, &mut shown).unwrap();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "9f3c9f3c  critical  acknowledged  2026-08-01 02:51:07  1,056 signs, 1 service\n          \
             cart \u{fffd}[2J broke\u{fffd}ERROR forged\n"
        );
    }

    #[test]
    fn what_is_no_id_stays_one_part_of_a_path() {
        assert_eq!(segment("inc_9f3c9f"), "inc_9f3c9f");
        for wrong in ["", "../audit", "9f3c9f/resolve", "9f3c9f?x", "ä"] {
            assert_eq!(segment(wrong), "-", "{wrong}");
        }
    }
}
