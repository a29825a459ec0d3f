//! `knothole audit`: who did what, and whether that is still as it was written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::config_of;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::incidents::counted;
use super::terminal::{grouped, out, printable, say};
use crate::core::record::{Timestamp, inert_json};
use crate::daemon::audit::Audit;
use crate::daemon::clock;
use crate::edge::api::{AuditEntry, audited, moment};
use crate::edge::store::{AuditFault, AuditMark, AuditReport, Control};

/// Where the daemon keeps its state if nothing else is set.
const STATE_DIR: &str = "./knothole-data";
/// Entries that are read at once.
const PAGE: usize = 1_000;
/// Longest name, longest target and longest note that are shown, in characters.
const NAME_CHARS_MAX: usize = 24;
const TARGET_CHARS_MAX: usize = 64;
const NOTE_CHARS_MAX: usize = 240;

/// `knothole audit`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = AUDIT_HELP)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum AuditCommand {
    /// Who did what, when, and what became of it, the oldest first
    #[command(after_long_help = SHOW_HELP)]
    Show(ShowArgs),
    /// Whether any entry was changed, removed, moved or put in
    #[command(after_long_help = VERIFY_HELP)]
    Verify(VerifyArgs),
}

#[derive(Args, Clone, Debug)]
struct ShowArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only what was done since then, as 1h or 2026-11-22T02:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct VerifyArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// An entry as it is known from elsewhere: its number and its hash
    #[arg(long, value_name = "NUMBER:HASH", value_parser = str::parse::<AuditMark>)]
    head: Option<AuditMark>,
}

/// Whose audit it is.
#[derive(Args, Clone, Debug)]
struct PlaceArgs {
    /// The state folder [default: ./knothole-data]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    state_dir: Option<PathBuf>,
    /// The settings file that names the state folder
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

const AUDIT_HELP: &str = "\
Whatever is done through the API, and whatever becomes of an action, is an entry of the audit. Each
has the hash of the one before it, so a change of any of them shows. Both commands read the database
of a running or a stopped daemon, and write nothing.

Examples:
  knothole audit show --since 24h
  knothole audit verify --config knothole.yaml

`knothole audit show --help` and `knothole audit verify --help` tell more.

Exit codes: 0 done or whole, 1 broken, 2 wrong use, 3 the database cannot be read.";

const SHOW_HELP: &str = "\
Examples:
  knothole audit show --since 1h
  knothole audit show --json | jq 'select(.by == \"ana\")'
  knothole audit show --json --since 7d | jq 'select(.action == \"action.done\") | .details'

An object has number, at, by, role, from, action, target, note, outcome, details and hash; details
tell what an action went by.

Exit codes: 0 done, 2 wrong use, 3 the database cannot be read.";

const VERIFY_HELP: &str = "\
Names every entry that was edited, is missing, lies in the place of another or was put in, and says
whether the beginning or the end was cut off.

Who can write the whole database can also write all hashes anew, and no look at it shows that. Keep
what this prints as head somewhere else, or take the number and the hash of any entry from the
daemon's own log (on standard error, and over OTLP where telemetry.endpoint is set), and give it
with --head: then nothing up to that entry can have been changed. What came after it can.

Examples:
  knothole audit verify
  knothole audit verify --state-dir /var/lib/knothole --head 1234:9f3c…

What to do if it is broken: copy the folder before anything else; compare the entries that are named
with the copies in your log store; find out who can write there. The daemon goes on, and the break
stays until the entries beside it are let go, which is after 100,000 more.

Exit codes: 0 whole, 1 broken, 2 wrong use, 3 the database cannot be read.";

pub(crate) fn run(args: &AuditArgs) -> Result<Outcome, Failure> {
    match &args.command {
        AuditCommand::Show(args) => {
            let now = clock::now();
            let since = match &args.since {
                None => Timestamp::ZERO,
                Some(text) => since(text, now)?,
            };
            let control = args.place.open()?;
            let mut out = out();
            show(&control, (since, args.json), &mut out)?;
            out.flush()?;
            if !control.verify_audit(None).or_environment()?.is_whole() {
                say("some of this is not as it was written: see knothole audit verify");
            }
            Ok(Outcome::Done)
        }
        AuditCommand::Verify(args) => {
            let control = args.place.open()?;
            let report = control.verify_audit(args.head).or_environment()?;
            let mut out = out();
            let outcome = verdict(&report, args.head, &mut out)?;
            out.flush()?;
            Ok(outcome)
        }
    }
}

impl PlaceArgs {
    fn open(&self) -> Result<Control, Failure> {
        let state_dir = match (&self.state_dir, &self.config) {
            (Some(folder), _) => folder.clone(),
            (None, Some(file)) => config_of(Some(file))?.state_dir,
            (None, None) => Path::new(STATE_DIR).to_owned(),
        };
        Control::read_only(&state_dir).or_environment()
    }
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let hint = "--since takes a span as 30m, 1h, 7d, or a time as 2026-11-22T02:00:00Z";
    moment(text, now).ok_or_else(|| Failure::Use(anyhow!(hint)))
}

/// All entries since then, as JSON or for a person.
fn show(
    control: &Control,
    (since, is_json): (Timestamp, bool),
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (mut last, mut shown) = (0, 0_u64);
    loop {
        let page = control.audit_after(last, PAGE).or_environment()?;
        // A clock may have been put back: what is old can lie behind what is new.
        for row in page.iter().filter(|row| row.at >= since) {
            let entry = Audit::read(row);
            match is_json {
                true => {
                    out.write_all(&inert_json(&audited(&entry)))?;
                    writeln!(out)?;
                }
                false => line(&entry, out)?,
            }
            shown += 1;
        }
        match page.last() {
            Some(row) => last = row.number,
            None => break,
        }
    }
    if shown == 0 {
        say("nothing was done then");
    }
    Ok(())
}

/// An entry for a person: a line, and one more for what was said with it.
fn line(entry: &AuditEntry, out: &mut impl Write) -> io::Result<()> {
    let at = crate::edge::notify::rfc3339(entry.at);
    let at = at.get(..19).unwrap_or_default().replace('T', " ");
    let name = |text: &str| printable(text, NAME_CHARS_MAX);
    let said = |text: &str| printable(text, NOTE_CHARS_MAX);
    writeln!(
        out,
        "{:>7}  {at}Z  {:<12}  {:<8}  {:<18}  {}  {}",
        entry.number,
        name(&entry.by),
        name(&entry.role),
        name(&entry.action),
        printable(&entry.target, TARGET_CHARS_MAX),
        said(&entry.outcome),
    )?;
    if let Some(note) = entry.note.as_deref().filter(|note| !note.is_empty()) {
        writeln!(out, "{:>7}  {}", "", said(note))?;
    }
    Ok(())
}

/// What was found, on a line each.
fn verdict(
    report: &AuditReport,
    known: Option<AuditMark>,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    if report.is_set_aside {
        say(
            "control.db.broken lies beside the database: one before it was damaged and set aside, and its audit with it",
        );
    }
    if let [fault @ AuditFault::KnownGone { .. }] = report.faults[..] {
        return Err(Failure::Use(anyhow!("{fault}")));
    }
    for fault in &report.faults {
        writeln!(out, "{fault}")?;
    }
    if report.unlisted > 0 {
        writeln!(out, "and {} more", grouped(report.unlisted))?;
    }
    if !report.is_whole() {
        let faults = report.faults.len() as u64 + report.unlisted;
        let (faults, entries) = (counted(faults, "fault"), entries(report));
        say(&format!(
            "{faults} in {entries}; knothole audit verify --help tells what to do"
        ));
        return Ok(Outcome::Found);
    }
    let gone = report.anchor.map_or(0, |anchor| anchor.number);
    match gone {
        0 => writeln!(out, "whole: {}", entries(report))?,
        gone => writeln!(
            out,
            "whole: {}; those up to {gone} were let go",
            entries(report)
        )?,
    }
    if let Some(head) = report.head.filter(|head| head.number > 0) {
        writeln!(out, "head: {head}")?;
    }
    if known.is_none() {
        say("all hashes may have been written anew, which only --head from elsewhere shows");
    }
    Ok(Outcome::Done)
}

fn entries(report: &AuditReport) -> String {
    match report.entries {
        1 => "1 entry".to_owned(),
        count => format!("{} entries", grouped(count)),
    }
}

#[cfg(test)]
mod tests;
