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
use crate::core::parse::{Hand, Miner, message, seen_as};
use crate::core::record::Timestamp;
use crate::core::redact::Redactor;
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
  seed           a seed of the file
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
    redactor: Redactor,
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
    params: Vec<Value>,
}

#[derive(Serialize)]
struct Value {
    kind: &'static str,
    value: String,
}

impl Bench {
    fn new(hand: Arc<Hand>) -> Self {
        let mut miner = Miner::default();
        miner.set_hand(&hand);
        Self {
            hand,
            redactor: Redactor::default(),
            miner,
            tried: 0,
            left: 0,
        }
    }

    fn show(&mut self, line: &str, json: bool, out: &mut impl Write) -> Result<(), Failure> {
        let hand = Arc::clone(&self.hand);
        let line = self.redactor.text(line);
        let tried = self.tries(&line, &hand);
        if json {
            serde_json::to_writer(&mut *out, &tried).map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            tried.write(out)?;
        }
        Ok(())
    }

    fn tries<'a>(&mut self, line: &'a str, hand: &'a Hand) -> Tried<'a> {
        let record = message(line, None);
        let message = record.text();
        let placed = hand.place_message(message.as_bytes());
        let parsed = self
            .miner
            .parse_with(message, &record.constant, Timestamp::ZERO);
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
        let value = |start: u32, end: u32| message.get(start as usize..end as usize);
        Tried {
            line,
            seen_as: seen_as(message.as_bytes()),
            rule,
            index: placed.as_ref().map(|placed| placed.index),
            name: placed
                .as_ref()
                .and_then(|placed| placed.template.name.as_deref()),
            masked: placed.is_none() && hand.masks_message(message.as_bytes()),
            template: template.to_owned(),
            id: parsed.id.to_string(),
            class: hand.class_of(template).name(),
            params: self
                .miner
                .params()
                .iter()
                .map(|param| Value {
                    kind: param.kind.name(),
                    value: value(param.start, param.end).unwrap_or_default().to_owned(),
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
                printable(&param.value, 120)
            )?;
        }
        writeln!(out)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::config::hand_from_text;

    const FILE: &str = "templates:\n\
        - {text: 'user <*> logged in from <*>', name: login, class: info}\n\
        - {text: '<*> answered <*>', split: {at: 2, values: [404]}}\n\
        masks: [{pattern: 'tenant=(\\S+)', kind: word}]\n\
        seeds: ['door <*> is open']\n";

    fn tried(file: &str, lines: &[&str]) -> (Bench, String) {
        let mut bench = Bench::new(Arc::new(hand_from_text("x", file).unwrap()));
        let mut shown = Vec::new();
        for line in lines {
            bench.show(line, false, &mut shown).unwrap();
        }
        (bench, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn each_line_tells_its_rule_its_template_and_its_values() {
        let (_, shown) = tried(
            FILE,
            &["2026-11-21 07:00:00 user ann17 logged in from 10.0.0.7"],
        );
        let (head, tail) = shown.split_once("          id ").unwrap();
        assert_eq!(
            head,
            "line      2026-11-21 07:00:00 user ann17 logged in from 10.0.0.7\n\
             seen as   user ann0 logged in from 0.0.0.0\n\
             rule      templates[0]  login\n\
             template  user <*> logged in from <*>\n"
        );
        assert!(
            tail.ends_with(
                "class info\nvalues    identifier  ann17\n          ip          10.0.0.7\n\n"
            ),
            "{tail}"
        );
    }

    fn rules(file: &str, lines: &[&str]) -> Vec<(String, String)> {
        let mut bench = Bench::new(Arc::new(hand_from_text("x", file).unwrap()));
        let tell = |line: &&str| {
            let mut json = Vec::new();
            bench.show(line, true, &mut json).unwrap();
            let tried: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let text = |name: &str| tried[name].as_str().unwrap().to_owned();
            (text("rule"), text("template"))
        };
        lines.iter().map(tell).collect()
    }

    #[test]
    fn a_template_goes_before_a_seed_and_a_seed_before_what_is_learned() {
        let lines = [
            "peer answered 404",
            "peer answered 200",
            "door red is open",
            "lamp is lit",
        ];
        let expected = [
            ("template", "<*> answered 404"),
            ("template", "<*> answered <*>"),
            ("seed", "door <*> is open"),
            ("learned", "lamp is lit"),
        ];
        let expected = expected.map(|(rule, text)| (rule.to_owned(), text.to_owned()));
        assert_eq!(rules(FILE, &lines), expected);
        let with_template = FILE.replace("masks:", "- {text: 'door <*> <**>'}\nmasks:");
        assert_eq!(rules(&with_template, &lines)[2].1, "door <*> <**>");
    }

    #[test]
    fn a_mask_makes_one_template_of_what_would_be_many() {
        let lines = [
            "load of tenant=ann/x done",
            "load of tenant=bob done",
            "load of tenant=c-d done",
        ];
        let masked = rules(FILE, &lines);
        assert!(
            masked
                .iter()
                .all(|(_, text)| text == "load of tenant=<*> done"),
            "{masked:?}"
        );
        let (_, shown) = tried(FILE, &lines[..1]);
        assert!(
            shown.contains("rule      learned, after masks\n"),
            "{shown}"
        );
        assert!(shown.contains("word        ann/x\n"), "{shown}");
    }

    #[test]
    fn nothing_new_is_learned_where_the_file_says_freeze() {
        let frozen = format!("{FILE}freeze: true\n");
        let rules = rules(&frozen, &["lamp is lit", "door red is open"]);
        assert_eq!(
            (rules[0].0.as_str(), rules[1].0.as_str()),
            ("frozen", "seed")
        );
        let (bench, _) = tried(&frozen, &["lamp is lit", "door red is open"]);
        assert_eq!((bench.tried, bench.left), (2, 1));
    }

    #[test]
    fn hostile_lines_cannot_drive_the_terminal() {
        let (_, shown) = tried("templates: [{text: 'x <**>'}]", &["x \u{1b}[2J\u{202e}y"]);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    }
}
