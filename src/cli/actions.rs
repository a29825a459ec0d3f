//! `knothole actions`: what rules asked for, what became of it, and who allows it.

mod page;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, IsTerminal as _, Write};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Client, ClientArgs};
use super::failure::{Failure, OrFailure as _, Outcome};
use super::incidents::{segment, short_id};
use super::terminal::{out, printable, say};
use crate::core::record::Timestamp;
use crate::daemon::clock;
use crate::edge::api::{lasting, parsed};

/// Characters of a reason that are shown in a list.
const WHY_LEN: usize = 240;
/// Characters of a target that are shown in a list.
const TARGET_LEN: usize = 100;
/// Longest answer to a question, in bytes.
const ANSWER_BYTES_MAX: u64 = 64;

/// `knothole actions`
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub(crate) struct ActionsArgs {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<ActionCommand>,
}

#[derive(Args, Clone, Debug)]
struct ListArgs {
    /// Those in this state: open (not over), all, or states such as proposed, several with commas
    #[arg(long, value_name = "STATE", default_value = "open")]
    state: String,
    /// Those for this incident: its id, of which the first six digits will do
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// Those of this service, as cart or prod/shop/cart
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Those of which something became since then, as 24h or 2026-11-22T02:00:00Z
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

#[derive(Subcommand, Clone, Debug)]
enum ActionCommand {
    /// Tell all about one: why, on what evidence, what every check says, and what would be sent
    Show(ShowArgs),
    /// Allow exactly the plan that you read
    Approve(ApproveArgs),
    /// Say no, and why: it is not asked for again while the incident goes on
    Deny(DenyArgs),
}

#[derive(Args, Clone, Debug)]
struct ShowArgs {
    /// The action: its id, of which the first six digits will do
    id: String,
    /// Print what the API answers, one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Args, Clone, Debug)]
struct ApproveArgs {
    /// The action: its id, of which the first six digits will do
    id: String,
    /// The hash of the plan that you read; without it the plan is shown and you are asked
    #[arg(long, value_name = "HASH")]
    plan: Option<String>,
    /// A note for others
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print what the API answers, one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Args, Clone, Debug)]
struct DenyArgs {
    /// The action: its id, of which the first six digits will do
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// Print what the API answers, one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

const EXAMPLES: &str = "\
A rule of the settings asks for an action; what becomes of it depends on its mode: observe only shows
what would be done, suggest tells people and hooks, approve waits for somebody with a token of the role
approver, auto acts where every check passes. An approval is of one plan: where the target changes, the
plan and its hash do, and it has to be approved again.

In `actions show` a check says ✓ pass, … not now, ? not known, or for a person to decide, ✗ no.

Examples:
  knothole actions                                     those that are not over, newest first
  knothole actions --state proposed                    those that wait for somebody
  knothole actions --state all --incident 9f3c9f --json
  knothole actions show 7c417c
  knothole actions approve 7c417c                      shows the plan and asks
  knothole actions approve 7c417c --plan d41d8cd9d41d8cd9d41d8cd9d41d8cd9
  knothole actions deny 7c417c --note 'not during the sale'

`knothole switch stop --why TEXT` stops them all.

Exit codes, of all verbs: 0 done, 2 wrong use, no such action, another plan by now or no right to do it,
3 no daemon answers.";

pub(crate) fn run(args: &ActionsArgs) -> Result<Outcome, Failure> {
    match &args.command {
        None => list(&args.list),
        Some(ActionCommand::Show(args)) => show(args),
        Some(ActionCommand::Approve(args)) => approve(args),
        Some(ActionCommand::Deny(args)) => {
            let client = Client::new(&args.client)?;
            let denied = change(&client, &args.id, "deny", &json!({ "note": args.note }))?;
            tell(&denied, args.json)
        }
    }
}

fn list(args: &ListArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let limit = args.limit.to_string();
    let asked = [
        ("state", Some(&*args.state)),
        ("incident", args.incident.as_deref()),
        ("service", args.service.as_deref()),
        ("since", args.since.as_deref()),
        ("limit", Some(&limit)),
    ];
    let query: Vec<(&str, &str)> = asked
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let body = client.json(&client.get("/v1/actions", &query)?)?;
    let mut out = out();
    if args.json {
        writeln!(out, "{body:#}")?;
    } else {
        let actions = body["actions"].as_array();
        let now = clock::now();
        for action in actions.into_iter().flatten() {
            row(action, now, &mut out)?;
        }
        if actions.is_none_or(Vec::is_empty) {
            say(match &*args.state {
                "open" => "no action is open; --state all shows those that are over, too",
                _ => "there is no such action",
            });
        }
        if !body["next"].is_null() {
            say("there are more; ask for them with --limit");
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// An action in two lines.
fn row(action: &Value, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let text = |name: &str, len| printable(action[name].as_str().unwrap_or_default(), len);
    writeln!(
        out,
        "{}  {:<8}  {:<12}  {:<7}  {}  {}",
        short_id(action),
        age(&action["asked_at"], now),
        text("state", 12),
        text("mode", 7),
        text("action", 20),
        text("target", TARGET_LEN),
    )?;
    writeln!(out, "          {}", text("why", WHY_LEN))
}

/// How long ago a time is: `4 min`.
fn age(time: &Value, now: Timestamp) -> String {
    let time = time.as_str().and_then(parsed);
    time.map_or_else(|| "-".to_owned(), |time| lasting(now.since(time)))
}

fn show(args: &ShowArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let action = one(&client, &args.id)?;
    let mut out = out();
    match args.json {
        true => writeln!(out, "{action:#}")?,
        false => write!(out, "{}", page::page(&action, clock::now()))?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn approve(args: &ApproveArgs) -> Result<Outcome, Failure> {
    let client = Client::new(&args.client)?;
    let (id, plan) = match &args.plan {
        Some(plan) => (args.id.clone(), plan.clone()),
        None => {
            let (stdin, stderr) = (io::stdin(), io::stderr());
            if !(stdin.is_terminal() && stderr.is_terminal()) {
                let way_out = "there is no terminal to ask on; name the plan that you read with \
                               --plan HASH, which `knothole actions show` tells";
                return Err(Failure::Use(anyhow::anyhow!(way_out)));
            }
            let action = one(&client, &args.id)?;
            let plan = asked(
                &action,
                clock::now(),
                (&mut stdin.lock(), &mut stderr.lock()),
            )?;
            // The very action that was shown.
            let id = action["id"].as_str().unwrap_or_default();
            (id.to_owned(), plan)
        }
    };
    let body = match &args.note {
        Some(note) => json!({ "plan": plan, "note": note }),
        None => json!({ "plan": plan }),
    };
    tell(&change(&client, &id, "approve", &body)?, args.json)
}

/// Shows the plan and asks whether it may be done; its hash, if it may.
fn asked(
    action: &Value,
    now: Timestamp,
    (input, output): (&mut impl BufRead, &mut impl Write),
) -> Result<String, Failure> {
    let plan = action["plan"]["hash"].as_str().unwrap_or_default();
    let shown = page::page(action, now);
    write!(output, "{shown}").or_environment()?;
    if plan.is_empty() {
        let wrong = "there is no plan yet that could be approved; look again in a moment";
        return Err(Failure::Use(anyhow::anyhow!(wrong)));
    }
    let hash = printable(plan, 32);
    write!(output, "\napprove the plan {hash}? [y/N] ").or_environment()?;
    output.flush().or_environment()?;
    let mut answer = String::new();
    let mut input = io::Read::take(input, ANSWER_BYTES_MAX);
    input.read_line(&mut answer).or_environment()?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(plan.to_owned()),
        _ => Err(Failure::Use(anyhow::anyhow!("nothing was approved"))),
    }
}

fn one(client: &Client, id: &str) -> Result<Value, Failure> {
    let path = format!("/v1/actions/{}", segment(id));
    client.json(&client.get(&path, &[])?)
}

/// The action after somebody said something of it.
fn change(client: &Client, id: &str, verb: &str, body: &Value) -> Result<Value, Failure> {
    let path = format!("/v1/actions/{}/{verb}", segment(id));
    client.json(&client.post(&path, body)?)
}

fn tell(action: &Value, is_json: bool) -> Result<Outcome, Failure> {
    if is_json {
        let mut out = out();
        writeln!(out, "{action:#}")?;
        out.flush()?;
        return Ok(Outcome::Done);
    }
    let state = printable(action["state"].as_str().unwrap_or_default(), 20);
    let what = printable(&page::what(action), WHY_LEN);
    say(&format!("{}  {state}  {what}", short_id(action)));
    Ok(Outcome::Done)
}
