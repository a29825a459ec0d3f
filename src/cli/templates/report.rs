//! What was found in a log, as a table and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::super::terminal::{grouped, printable};
use super::signs::Sign;
use crate::core::event::Class;
use crate::core::parse::{ParamKind, WILDCARD};
use crate::core::record::{TemplateId, Timestamp};

/// Longest part of a line that the table shows, in characters.
const SHOWN_LEN_MAX: usize = 160;
/// Longest part of a value that is shown, in characters.
pub(super) const VALUE_LEN_MAX: usize = 48;
/// Characters before the text of a table row.
const INDENT: usize = 23;

/// What was found in a log.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// The names of the files.
    pub(super) source: String,
    pub(super) records: u64,
    /// Templates found, those that are not shown included.
    pub(super) found: usize,
    /// Lines that found no room for a template.
    pub(super) overflow: u64,
    /// Lines that were too long to be read whole.
    pub(super) cut: u64,
    pub(super) new_template_chance: f64,
    pub(super) seen: Option<(Timestamp, Timestamp)>,
    /// Seconds of one step of each row's series.
    pub(super) step_s: u64,
    pub(super) signs: Vec<Sign>,
    pub(super) rows: Vec<Row>,
}

/// One template.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: TemplateId,
    pub(super) count: u64,
    /// Of all lines, 0 to 1.
    pub(super) share: f64,
    pub(super) text: String,
    pub(super) name: Option<String>,
    pub(super) class: Class,
    pub(super) is_by_hand: bool,
    pub(super) params: Vec<Parameter>,
    /// The first line, and some from later in the log.
    pub(super) samples: Vec<Sample>,
    /// When the first and the last line came, where lines have times.
    pub(super) seen: Option<(Timestamp, Timestamp)>,
    /// Lines in each step of the log.
    pub(super) series: Vec<u64>,
}

/// What a wildcard stands for.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    /// `None` where no line kept could tell.
    pub(super) kind: Option<ParamKind>,
    pub(super) values: Vec<String>,
}

/// A line of the log with its values.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) text: String,
    pub(super) spans: Vec<Span>,
}

/// Bytes of a line that a wildcard stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) kind: ParamKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How many wildcards a template has.
pub(super) fn wildcards(text: &str) -> usize {
    text.matches(WILDCARD).count() + text.matches(crate::core::parse::REST).count()
}

impl Report {
    /// As a person reads it.
    pub(super) fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        for row in &self.rows {
            row.write(out)?;
        }
        let left_out = self.found - self.rows.len();
        if left_out > 0 {
            writeln!(
                out,
                "{:>12}  more templates are not shown",
                grouped(left_out as u64)
            )?;
        }
        if self.overflow > 0 {
            writeln!(
                out,
                "{:>12}  lines found no room for a template",
                grouped(self.overflow)
            )?;
        }
        for sign in self.signs.iter().filter(|sign| sign.is_odd) {
            writeln!(out, "{:>12}  {}", "odd", sign.odd)?;
        }
        if let Some((first, last)) = self.seen {
            writeln!(out, "\nfrom {} to {}", shown_time(first), shown_time(last))?;
        } else {
            writeln!(out)?;
        }
        writeln!(
            out,
            "{} records, {} templates, chance that the next record is of a new kind {:.2} %",
            grouped(self.records),
            grouped(self.found as u64),
            self.new_template_chance * 100.0
        )
    }

    /// As a machine reads it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, &Document::of(self))?;
        writeln!(out)
    }
}

impl Row {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let share = format!("{:.1} %", self.share * 100.0);
        let text = printable(&self.text, SHOWN_LEN_MAX);
        writeln!(out, "{:>12}  {share:>7}  {text}", grouped(self.count))?;
        let mut notes: Vec<String> = Vec::new();
        notes.extend(
            self.name
                .as_ref()
                .map(|name| printable(name, VALUE_LEN_MAX)),
        );
        if self.class != Class::Info {
            notes.push(self.class.name().to_owned());
        }
        notes.extend(self.params.iter().filter_map(Parameter::shown));
        if !notes.is_empty() {
            let notes = printable(&notes.join("  "), SHOWN_LEN_MAX);
            writeln!(out, "{:INDENT$}{notes}", "")?;
        }
        match self.samples.first() {
            Some(first) if first.text != self.text => {
                let line = printable(&first.text, SHOWN_LEN_MAX);
                writeln!(out, "{:>w$}  {line}", "e.g.", w = INDENT - 2)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Parameter {
    /// `number 5, 7, 12`
    fn shown(&self) -> Option<String> {
        let kind = self.kind?.name();
        let values: Vec<String> = self
            .values
            .iter()
            .take(3)
            .map(|value| printable(value, VALUE_LEN_MAX))
            .collect();
        Some(format!("{kind} {}", values.join(", ")))
    }
}

/// A time as people and machines read it, in UTC to the second.
pub(super) fn shown_time(time: Timestamp) -> String {
    let seconds = i64::try_from(time.as_nanos() / 1_000_000_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string())
}

/// The object that `--json` prints; `knothole templates --help` names its fields.
#[derive(Serialize)]
struct Document<'a> {
    records: u64,
    found: usize,
    overflow: u64,
    cut: u64,
    new_template_chance: f64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    step_s: u64,
    signs: serde_json::Map<String, serde_json::Value>,
    templates: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: String,
    count: u64,
    share: f64,
    text: &'a str,
    name: Option<&'a str>,
    class: &'static str,
    by_hand: bool,
    params: Vec<ParamEntry<'a>>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    series: &'a [u64],
    example: &'a str,
    examples: Vec<&'a str>,
}

#[derive(Serialize)]
struct ParamEntry<'a> {
    kind: Option<&'static str>,
    values: &'a [String],
}

impl<'a> Document<'a> {
    fn of(report: &'a Report) -> Self {
        let signs = report
            .signs
            .iter()
            .map(|sign| (sign.name.to_owned(), sign.is_odd.into()));
        Self {
            records: report.records,
            found: report.found,
            overflow: report.overflow,
            cut: report.cut,
            new_template_chance: report.new_template_chance,
            first_seen: report.seen.map(|(first, _)| shown_time(first)),
            last_seen: report.seen.map(|(_, last)| shown_time(last)),
            step_s: report.step_s,
            signs: signs.collect(),
            templates: report.rows.iter().map(Entry::of).collect(),
        }
    }
}

impl<'a> Entry<'a> {
    fn of(row: &'a Row) -> Self {
        let params = row.params.iter().map(|param| ParamEntry {
            kind: param.kind.map(ParamKind::name),
            values: &param.values,
        });
        Self {
            id: row.id.to_string(),
            count: row.count,
            share: row.share,
            text: &row.text,
            name: row.name.as_deref(),
            class: row.class.name(),
            by_hand: row.is_by_hand,
            params: params.collect(),
            first_seen: row.seen.map(|(first, _)| shown_time(first)),
            last_seen: row.seen.map(|(_, last)| shown_time(last)),
            series: &row.series,
            example: row
                .samples
                .first()
                .map_or("", |sample| sample.text.as_str()),
            examples: row
                .samples
                .iter()
                .map(|sample| sample.text.as_str())
                .collect(),
        }
    }
}
