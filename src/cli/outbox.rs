//! `knothole outbox`: messages on their way to sinks, and those that no sink would take.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::{out, printable, say};
use crate::edge::notify::rfc3339;
use crate::edge::store::{Control, DeadRow, Waiting};

/// Longest name or reason that is shown, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// `knothole outbox`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = OUTBOX_HELP)]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    command: OutboxCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum OutboxCommand {
    /// What waits for a sink, and what was given up and why
    List {
        /// The state folder (`state_dir`)
        #[arg(long, default_value = "./knothole-data", value_name = "DIR")]
        state_dir: PathBuf,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Sends what was given up again
    Replay {
        /// The state folder (`state_dir`)
        #[arg(long, default_value = "./knothole-data", value_name = "DIR")]
        state_dir: PathBuf,
        /// Only for the sink of this name
        #[arg(long, value_name = "NAME")]
        sink: Option<String>,
        /// Only the message with this id
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
}

const OUTBOX_HELP: &str = "\
A message is kept until its sink has taken it. What a sink refuses for good, or does not take within
give_up_after (24 h), is put aside with the reason: list shows it, replay sends it again with its old
id. Both work beside a running daemon, which notices within seconds, and without one.

Examples:
  knothole outbox list
  knothole outbox replay --sink ops
  knothole outbox list --json | jq 'select(.dead)'";

pub(crate) fn run(args: &OutboxArgs) -> Result<Outcome, Failure> {
    match &args.command {
        OutboxCommand::List { state_dir, json } => {
            let control = Control::beside(state_dir).or_environment()?;
            list(&control, *json)
        }
        OutboxCommand::Replay {
            state_dir,
            sink,
            id,
        } => {
            let control = Control::beside(state_dir).or_environment()?;
            let raised = control.raise(sink.as_deref(), id.as_deref());
            match raised.or_environment()? {
                0 => say("nothing was given up that this asks for; see knothole outbox list"),
                1 => say("1 message is sent again"),
                count => say(&format!("{count} messages are sent again")),
            }
            Ok(Outcome::Done)
        }
    }
}

fn list(control: &Control, json: bool) -> Result<Outcome, Failure> {
    let waiting = control.waiting().or_environment()?;
    let dead = control.dead().or_environment()?;
    let mut out = out();
    for it in &waiting {
        print(&mut out, it, (json, None))?;
    }
    for DeadRow { row, why, .. } in &dead {
        let it = Waiting {
            sink: row.sink.clone(),
            kind: row.kind.clone(),
            id: row.id.clone(),
            at: row.at,
            bytes: row.message.len() as u64,
        };
        print(&mut out, &it, (json, Some(why)))?;
    }
    out.flush()?;
    if waiting.is_empty() && dead.is_empty() {
        say("nothing waits, and nothing was given up");
    }
    Ok(Outcome::Done)
}

/// A message on a line; `why` it was given up, if it was.
fn print(
    out: &mut impl Write,
    message: &Waiting,
    (json, why): (bool, Option<&str>),
) -> io::Result<()> {
    let at = rfc3339(message.at);
    if json {
        let object = json!({
            "sink": message.sink, "type": message.kind, "id": message.id, "offered": at,
            "bytes": message.bytes, "dead": why,
        });
        return writeln!(out, "{object}");
    }
    let sink = printable(&message.sink, TEXT_CHARS_MAX);
    let id = &message.id;
    match why {
        None => writeln!(out, "waits  {at}  {sink}  {id}"),
        Some(why) => {
            let why = printable(why, TEXT_CHARS_MAX);
            writeln!(out, "dead   {at}  {sink}  {id}  {why}")
        }
    }
}
