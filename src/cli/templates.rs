//! `knothole templates`: what kinds of lines a log is made of.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::failure::{Failure, OrFailure as _, Outcome};
use super::lines::{Lines, LinesError};
use super::terminal::{grouped, out, printable, say};
use crate::core::parse::{Miner, Template, read_head};
use crate::core::record::{TemplateId, Timestamp};

/// `knothole templates`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TemplatesArgs {
    /// Log files (plain, .gz, .zst or .xz); - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Most templates to print, the most frequent first
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

const EXAMPLES: &str = "\
A template is what stays the same in lines of one kind; <*> stands for what varies. A timestamp at
the head of a line is no part of it. With each template comes its first line.

Examples:
  knothole templates app.log
  knothole templates app.log.1.gz app.log --limit 20
  journalctl -o cat | knothole templates -
  knothole templates --json app.log | jq -r '.templates[] | [.count, .text] | @tsv'

`new_template_chance` is the Good-Turing estimate of the chance that the next line is of a kind
not seen yet; below 0.01 a model can be trained.";

/// Longest part of an example line that is kept, in bytes; as many of them as templates.
const EXAMPLE_LEN_MAX: usize = 512;
/// Longest part that the table shows, in characters.
const SHOWN_LEN_MAX: usize = 160;

pub(crate) fn run(args: &TemplatesArgs) -> Result<Outcome, Failure> {
    let mut census = Census::default();
    for file in &args.files {
        let mut lines = Lines::open(file).or_use()?;
        census.read(&mut lines).or_use()?;
        if lines.cut() > 0 {
            say(&format!(
                "{} lines were longer than 1 MiB and were cut",
                grouped(lines.cut())
            ));
        }
    }
    let report = census.report(args.limit.unwrap_or(usize::MAX));
    let mut out = out();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        report.write(&mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// The templates of the lines read so far, with the first line of each.
#[derive(Default)]
struct Census {
    miner: Miner,
    examples: BTreeMap<TemplateId, Box<str>>,
}

impl Census {
    fn read(&mut self, lines: &mut Lines) -> Result<(), LinesError> {
        while let Some(line) = lines.next_line()? {
            if !line.trim().is_empty() {
                self.count(line);
            }
        }
        Ok(())
    }

    fn count(&mut self, line: &str) {
        let head = read_head(line, None);
        let message = line.get(head.len..).unwrap_or(line);
        let parsed = self
            .miner
            .parse(message, head.time.unwrap_or(Timestamp::ZERO));
        self.examples.entry(parsed.id).or_insert_with(|| {
            let end = line.floor_char_boundary(EXAMPLE_LEN_MAX);
            line.get(..end).unwrap_or_default().into()
        });
    }

    fn report(&self, limit: usize) -> Report<'_> {
        let mut templates: Vec<&Template> = self.miner.templates().collect();
        templates.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        let found = templates.len();
        Report {
            records: self.miner.records(),
            found,
            new_template_chance: self.miner.new_template_chance(),
            templates: templates
                .into_iter()
                .take(limit)
                .map(|t| self.row(t))
                .collect(),
        }
    }

    fn row<'a>(&'a self, template: &'a Template) -> Row<'a> {
        // A template that grew out of several has its first lines under theirs.
        let ids = template.merged.iter().chain([&template.id]);
        let example = ids.into_iter().find_map(|id| self.examples.get(id));
        Row {
            id: template.id.to_string(),
            count: template.count,
            text: &template.text,
            example: example.map_or("", AsRef::as_ref),
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    records: u64,
    found: usize,
    new_template_chance: f64,
    templates: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    count: u64,
    text: &'a str,
    example: &'a str,
}

impl Report<'_> {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        for row in &self.templates {
            let text = printable(row.text, SHOWN_LEN_MAX);
            writeln!(out, "{:>12}  {text}", grouped(row.count))?;
            if row.count == 1 || row.example != row.text {
                writeln!(
                    out,
                    "{:>12}  {}",
                    "e.g.",
                    printable(row.example, SHOWN_LEN_MAX)
                )?;
            }
        }
        let left_out = self.found - self.templates.len();
        if left_out > 0 {
            writeln!(
                out,
                "{:>12}  more templates, rarer than these",
                grouped(left_out as u64)
            )?;
        }
        writeln!(
            out,
            "\n{} records, {} templates, chance that the next record is of a new kind {:.2} %",
            grouped(self.records),
            grouped(self.found as u64),
            self.new_template_chance * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(text: &str) -> Census {
        let mut census = Census::default();
        text.lines().for_each(|line| census.count(line));
        census
    }

    #[test]
    fn the_most_frequent_template_comes_first_with_its_first_line() {
        let census = census(
            "2026-11-21 07:00:00 started\n2026-11-21 07:00:01 took 5 ms\n2026-11-21 07:00:02 took 7 ms\n",
        );
        let report = census.report(usize::MAX);
        assert_eq!((report.records, report.found), (3, 2));
        assert_eq!(
            (report.templates[0].count, report.templates[0].example),
            (2, "2026-11-21 07:00:01 took 5 ms")
        );
        assert!(
            !report.templates[0].text.contains("2026"),
            "the time is no part of the template"
        );
        let shortened = census.report(1);
        let mut shown = Vec::new();
        shortened.write(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("1  more templates"), "{shown}");
        assert!(shown.ends_with(
            "3 records, 2 templates, chance that the next record is of a new kind 33.33 %\n"
        ));
    }

    #[test]
    fn a_template_that_grew_out_of_several_keeps_an_example() {
        let text: String = ["oslo", "bonn", "rome", "kyiv", "lima", "riga", "bern"]
            .iter()
            .map(|city| format!("hello from the town of {city} today\n"))
            .collect();
        let census = census(&text);
        let report = census.report(usize::MAX);
        assert_eq!(report.found, 1, "one template for all towns");
        assert_eq!(
            report.templates[0].example,
            "hello from the town of oslo today"
        );
    }
}
