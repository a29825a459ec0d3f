//! `knothole templates test`: which rule takes a line, and what it makes of it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::super::failure::{Failure, OrFailure as _, Outcome};
use super::super::lines::Lines;
use super::super::serve::config_failure;
use super::super::terminal::{out, printable};
use crate::core::parse::{Hand, Miner, form_of, read_head, values_of};
use crate::core::record::Timestamp;
use crate::daemon::config::load_hand;

/// `knothole templates test`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TestArgs {
    /// The file of templates by hand
    #[arg(value_name = "YAML")]
    file: PathBuf,
    /// Lines to try
    #[arg(value_name = "LINE")]
    lines: Vec<String>,
    /// A log whose lines to try; - is standard input
    #[arg(long = "lines", value_name = "LOG")]
    log: Option<PathBuf>,
    /// Print one JSON object for each line
    #[arg(long)]
    json: bool,
    /// Exit with 1 if a line is left to learning
    #[arg(long)]
    strict: bool,
}

const EXAMPLES: &str = "\
Shows for each line which rule took it, its template and its values:
  templates[0]   a template by hand; the first in the file that fits takes the line
  seed           a seed of the file, known from the start
  learned        none of these: the template is learned from the lines tried so far
  frozen         as learned, but the file says freeze: true, so the line goes to the overflow

`seen as` is what templates and masks are matched against: each number, hexadecimal string, mixed
run and UUID is one 0, and a timestamp at the head of the line is left out.

Examples:
  knothole templates test mine.yaml 'user ann17 logged in from 10.0.0.7'
  knothole templates test mine.yaml --lines app.log --strict > /dev/null
  knothole templates test --json mine.yaml --lines app.log | jq -r 'select(.rule == \"learned\").line'

Exit codes: 0 the file is good, 1 with --strict a line was left to learning, 2 the file is wrong (each
mistake is told with its line and the way out).";

/// Longest part of a line that is shown, in characters.
const SHOWN_LEN_MAX: usize = 200;

pub(crate) fn run(args: &TestArgs) -> Result<Outcome, Failure> {
    let hand = Arc::new(load_hand(&args.file).map_err(config_failure)?);
    let mut bench = Bench::new(hand);
    let mut out = out();
    for line in &args.lines {
        bench.show(line, args.json, &mut out)?;
    }
    if let Some(log) = &args.log {
        let mut lines = Lines::open(log).or_use()?;
        while let Some(line) = lines.next_line().or_use()? {
            if !line.trim_ascii().is_empty() {
                bench.show(line, args.json, &mut out)?;
            }
        }
    }
    if !args.json {
        bench.sum_up(&mut out)?;
    }
    out.flush()?;
    Ok(match args.strict && bench.left > 0 {
        true => Outcome::Found,
        false => Outcome::Done,
    })
}

/// A miner that goes by the file.
struct Bench {
    hand: Arc<Hand>,
    miner: Miner,
    tried: u64,
    /// Lines that neither a template nor a seed took.
    left: u64,
}

/// What became of a line.
#[derive(Serialize)]
struct Tried<'a> {
    line: &'a str,
    seen_as: String,
    rule: &'static str,
    /// The template's place in the file, from 0.
    index: Option<usize>,
    name: Option<&'a str>,
    /// Whether a mask took something out.
    masked: bool,
    template: String,
    id: String,
    class: &'static str,
    params: Vec<Value<'a>>,
}

#[derive(Serialize)]
struct Value<'a> {
    kind: &'static str,
    value: &'a str,
}

impl Bench {
    fn new(hand: Arc<Hand>) -> Self {
        let mut miner = Miner::default();
        miner.set_hand(&hand);
        Self {
            hand,
            miner,
            tried: 0,
            left: 0,
        }
    }

    fn show(&mut self, line: &str, json: bool, out: &mut impl Write) -> Result<(), Failure> {
        let hand = Arc::clone(&self.hand);
        let tried = self.tries(line, &hand);
        if json {
            serde_json::to_writer(&mut *out, &tried).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            tried.write(out)?;
        }
        Ok(())
    }

    fn tries<'a>(&mut self, line: &'a str, hand: &'a Hand) -> Tried<'a> {
        let message = line.get(read_head(line, None).len..).unwrap_or(line);
        let form = form_of(message.as_bytes());
        let placed = hand.place(&form);
        let parsed = self.miner.parse(message, Timestamp::ZERO);
        let template = self
            .miner
            .resolve(parsed.id)
            .map_or("", |template| &template.text);
        let rule = match &placed {
            Some(_) => "template",
            None if hand.seeds().iter().any(|seed| **seed == *template) => "seed",
            None if Miner::is_overflow(parsed.id) => "frozen",
            None => "learned",
        };
        self.tried += 1;
        self.left += u64::from(matches!(rule, "frozen" | "learned"));
        // A split fills a wildcard in; its values are those of the whole.
        let whole = placed
            .as_ref()
            .map_or(template, |placed| &placed.template.text);
        let params = values_of(whole, message.as_bytes()).unwrap_or_default();
        let value = |start: u32, end: u32| message.get(start as usize..end as usize);
        Tried {
            line,
            seen_as: seen_as(&form),
            rule,
            index: placed.as_ref().map(|placed| placed.index),
            name: placed
                .as_ref()
                .and_then(|placed| placed.template.name.as_deref()),
            masked: placed.is_none() && hand.mask(&form).is_some(),
            template: template.to_owned(),
            id: parsed.id.to_string(),
            class: hand.class_of(template).name(),
            params: params
                .iter()
                .map(|param| Value {
                    kind: param.kind.name(),
                    value: value(param.start, param.end).unwrap_or_default(),
                })
                .collect(),
        }
    }

    fn sum_up(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (tried, left) = (self.tried, self.left);
        match tried {
            0 => writeln!(out, "the file is good: {}", summary(&self.hand)),
            _ => writeln!(out, "{tried} lines, {left} left to learning"),
        }
    }
}

impl Tried<'_> {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "line      {}", printable(self.line, SHOWN_LEN_MAX))?;
        writeln!(out, "seen as   {}", printable(&self.seen_as, SHOWN_LEN_MAX))?;
        let rule = match (self.index, self.name) {
            (Some(index), Some(name)) => format!("templates[{index}]  {}", printable(name, 60)),
            (Some(index), None) => format!("templates[{index}]"),
            (None, _) if self.masked => format!("{}, after masks", self.rule),
            (None, _) => self.rule.to_owned(),
        };
        writeln!(out, "rule      {rule}")?;
        let template = printable(&self.template, SHOWN_LEN_MAX);
        writeln!(out, "template  {template}")?;
        writeln!(out, "          id {}  class {}", self.id, self.class)?;
        for (at, param) in self.params.iter().enumerate() {
            let label = if at == 0 { "values" } else { "" };
            writeln!(
                out,
                "{label:<8}  {:<10}  {}",
                param.kind,
                printable(param.value, 120)
            )?;
        }
        writeln!(out)
    }
}

/// The form as people read it: a 0 for each number and the like.
fn seen_as(form: &[u8]) -> String {
    let shown: Vec<u8> = form
        .iter()
        .map(|byte| if byte.is_ascii_control() { b'0' } else { *byte })
        .collect();
    String::from_utf8_lossy(&shown).into_owned()
}

fn summary(hand: &Hand) -> String {
    let frozen = if hand.is_frozen() {
        ", nothing new is learned"
    } else {
        ""
    };
    format!(
        "{} templates, {} seeds{frozen}",
        hand.templates().len(),
        hand.seeds().len()
    )
}
