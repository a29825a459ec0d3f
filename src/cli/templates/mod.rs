//! `knothole templates`: what kinds of lines a log is made of, and templates by hand.

mod census;
mod import;
mod page;
mod report;
mod signs;
mod timeline;
mod trial;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};

use self::census::Census;
use self::import::ImportArgs;
use self::report::{Report, Row};
use self::trial::TestArgs;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::lines::Lines;
use super::serve::config_failure;
use super::terminal::{grouped, out, printable, say};
use crate::core::event::Class;
use crate::core::parse::Hand;
use crate::daemon::config::load_hand;

/// `knothole templates`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct TemplatesArgs {
    #[command(subcommand)]
    command: Option<TemplatesCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Subcommand, Clone, Debug)]
enum TemplatesCommand {
    /// Try a file of templates by hand on some lines
    Test(TestArgs),
    /// Write templates by hand from those of another tool
    Import(ImportArgs),
}

#[derive(Args, Clone, Debug)]
struct ListArgs {
    /// Log files (plain, .gz, .zst or .xz); none or - is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write a page for a browser: one file that asks for nothing else
    #[arg(long, value_name = "PAGE")]
    html: Option<PathBuf>,
    /// Most templates to show
    #[arg(long, visible_alias = "limit", value_name = "N")]
    top: Option<usize>,
    /// Show templates with at least so many lines
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    min_count: u64,
    /// Show templates of this class only; may be given several times
    #[arg(long, value_name = "CLASS")]
    class: Vec<ClassName>,
    /// Which templates come first
    #[arg(long, value_name = "ORDER", default_value = "count")]
    sort: Order,
    /// A file of templates, masks and seeds of your own
    #[arg(long, value_name = "YAML")]
    by_hand: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Those with the most lines
    Count,
    /// Those with the fewest lines
    Rare,
    /// Those whose first line came first
    First,
    /// Those whose first line came last: what is new
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClassName {
    Error,
    Latency,
    Saturation,
    Availability,
    Info,
}

const EXAMPLES: &str = "\
A template is what stays the same in lines of one kind; <*> stands for what varies. A timestamp at
the head of a line is no part of it. With each template come its share of all lines, the values of
its wildcards and its first line.

Examples:
  knothole templates app.log
  knothole templates app.log.1.gz app.log --top 20
  journalctl -o cat | knothole templates
  knothole templates app.log --sort rare --class error     what is odd?
  knothole templates app.log --html app.html               a page to read and to search
  knothole templates --json app.log | jq -r '.templates[] | [.count, .text] | @tsv'
  knothole templates test mine.yaml 'user ann logged in'   see knothole templates help test
  knothole templates import --from drain3 state.bin        see knothole templates help import

(A log called test or import is ./test or ./import.)

--json prints one object: records, found, overflow (lines that found no room), cut (lines over 1 MiB),
new_template_chance, first_seen, last_seen (RFC 3339, null where lines have no time), step_s, signs
(Elastic's five: single_template, mostly_rare, too_many_templates, none_frequent, mostly_dead) and
templates. Each of these has id (16 hexadecimal digits), count, share (0 to 1), text, name, class,
by_hand, params (kind and some values of each wildcard), first_seen, last_seen, series (lines in each
step_s seconds from the log's first line on), example (its first line) and examples.

`new_template_chance` is the Good-Turing estimate of the chance that the next line is of a kind
not seen yet; below 0.01 a model can be trained.";

pub(crate) fn run(args: &TemplatesArgs) -> Result<Outcome, Failure> {
    match &args.command {
        None => list(&args.list),
        Some(TemplatesCommand::Test(args)) => trial::run(args),
        Some(TemplatesCommand::Import(args)) => import::run(args),
    }
}

fn list(args: &ListArgs) -> Result<Outcome, Failure> {
    let hand = match &args.by_hand {
        Some(file) => load_hand(file).map_err(config_failure)?,
        None => Hand::default(),
    };
    let files = files_of(args)?;
    let mut census = Census::new(&Arc::new(hand));
    for file in &files {
        census.read(&mut Lines::open(file).or_use()?).or_use()?;
    }
    let report = chosen(census.report(&names_of(&files)), args);
    if report.cut > 0 {
        say(&format!(
            "{} lines were longer than 1 MiB and were cut",
            grouped(report.cut)
        ));
    }
    if let Some(path) = &args.html {
        write_page(&report, path)?;
        say(&format!("{} is written", path.display()));
    }
    let mut out = out();
    if args.json {
        report.write_json(&mut out)?;
    } else if args.html.is_none() {
        report.write_table(&mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// The files named, or standard input; a person at a terminal is not left waiting.
fn files_of(args: &ListArgs) -> Result<Vec<PathBuf>, Failure> {
    if !args.files.is_empty() {
        return Ok(args.files.clone());
    }
    if io::stdin().is_terminal() {
        let hint = "name a log file, or pipe one in: journalctl -o cat | knothole templates";
        return Err(Failure::Use(anyhow::anyhow!(hint)));
    }
    Ok(vec![PathBuf::from("-")])
}

fn names_of(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| match file.file_name() {
        _ if file == Path::new("-") => "standard input".to_owned(),
        Some(name) => name.to_string_lossy().into_owned(),
        None => file.display().to_string(),
    };
    files.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The report with the rows that were asked for, in the order asked for.
fn chosen(mut report: Report, args: &ListArgs) -> Report {
    let is_wanted = |row: &Row| {
        let classes = &args.class;
        let of_class = classes.iter().any(|class| Class::from(*class) == row.class);
        row.count >= args.min_count && (classes.is_empty() || of_class)
    };
    report.rows.retain(is_wanted);
    match args.sort {
        Order::Count => {}
        Order::Rare => report.rows.reverse(),
        // Without times the order of counts stays.
        Order::First => report
            .rows
            .sort_by_key(|row| (row.seen.is_none(), row.seen)),
        Order::New => {
            let first = |row: &Row| std::cmp::Reverse(row.seen.map(|(first, _)| first));
            report.rows.sort_by_key(first);
        }
    }
    report.rows.truncate(args.top.unwrap_or(usize::MAX));
    report
}

fn write_page(report: &Report, path: &Path) -> Result<(), Failure> {
    let name = printable(&path.display().to_string(), 200);
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        page::write(report, &mut file)?;
        file.flush()
    };
    write().map_err(|source| {
        Failure::Environment(anyhow::Error::new(source).context(format!("cannot write {name}")))
    })
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Error => Self::Error,
            ClassName::Latency => Self::Latency,
            ClassName::Saturation => Self::Saturation,
            ClassName::Availability => Self::Availability,
            ClassName::Info => Self::Info,
        }
    }
}

#[cfg(test)]
mod tests;
