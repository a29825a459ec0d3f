//! What came of it, as a table that a person reads at a glance.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::marks::{AllMarks, Counts, Judged, Marks};
use super::{Readiness, Rules};
use crate::cli::terminal::printable;
use crate::core::event::{ActionState, Mode};
use crate::core::record::Timestamp;
use crate::core::remedy::rule::Rule;
use crate::core::remedy::simulate::{Fate, RuleTally, Simulated, Tallied, Tried};

/// Everything that is told.
pub(super) struct Report {
    /// What was played.
    pub(super) played: String,
    pub(super) rules: Vec<Rule>,
    /// One for each assumption about pods.
    pub(super) columns: Vec<Column>,
    /// What the past does not tell, a sentence each.
    pub(super) unknown: Vec<String>,
    /// What the labels of a set hold.
    pub(super) labels: Option<Labels>,
}

/// What the labels of a set hold.
pub(super) struct Labels {
    pub(super) faults: usize,
    /// Stretches without a fault.
    pub(super) fault_free: usize,
    /// Whether an action can be near.
    pub(super) has_near: bool,
}

/// What would have been done if pods were so.
pub(super) struct Column {
    pub(super) readiness: Readiness,
    pub(super) simulated: Simulated,
    /// Of each action that is listed, what the labels say.
    pub(super) judged: Vec<Option<Judged>>,
    pub(super) marks: AllMarks,
}

/// Most characters of a name or a reason that are shown.
const SHOWN_LEN_MAX: usize = 160;
/// So many checks are named beside a rule.
const REASONS_MAX: usize = 3;

impl Column {
    pub(super) fn of(readiness: Readiness, simulated: Simulated) -> Self {
        Self {
            readiness,
            judged: vec![None; simulated.actions.len()],
            simulated,
            marks: AllMarks::new(),
        }
    }

    /// Adds what came of another stretch.
    pub(super) fn add(&mut self, simulated: Simulated, judged: Vec<Option<Judged>>) {
        self.simulated.add(simulated);
        self.judged.extend(judged);
        self.judged.truncate(self.simulated.actions.len());
    }

    pub(super) fn actions(&self) -> impl Iterator<Item = (&Tried, Option<Judged>)> {
        let judged = self.judged.iter().copied();
        self.simulated.actions.iter().zip(judged)
    }

    pub(super) fn marks_of(&self, rule: &str) -> Marks {
        self.marks.get(rule).cloned().unwrap_or_default()
    }
}

impl Report {
    /// One without columns.
    pub(super) fn new(played: String, rules: &Rules) -> Self {
        Self {
            played,
            rules: rules.rules.clone(),
            columns: Vec::new(),
            unknown: Vec::new(),
            labels: None,
        }
    }

    pub(super) fn write(&self, out: &mut impl Write, lists_actions: bool) -> io::Result<()> {
        writeln!(out, "Played {}. Nothing was sent.\n", self.played)?;
        write!(out, "{}", table(&self.rows()))?;
        if let Some(labels) = &self.labels {
            self.write_labels(out, labels)?;
        }
        self.write_reasons(out)?;
        if lists_actions {
            self.write_actions(out)?;
        }
        for column in &self.columns {
            writeln!(
                out,
                "\nAssumed where the pod is {}:",
                column.readiness.name()
            )?;
            for says in column.readiness.assumed().says() {
                writeln!(out, "- {says}")?;
            }
        }
        writeln!(out, "\nNot known:")?;
        for says in &self.unknown {
            writeln!(out, "- {says}")?;
        }
        Ok(())
    }

    /// Each rule with what the tally of each column says of it.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&Rule, &Column, RuleTally)> {
        self.rules.iter().flat_map(move |rule| {
            self.columns.iter().map(move |column| {
                let mut all = column.simulated.rules.iter();
                let tally = all.find(|it| it.name == rule.name);
                (rule, column, tally.cloned().unwrap_or_default())
            })
        })
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let has_observed = self.rules.iter().any(|rule| rule.mode == Mode::Observe);
        let mut head = vec![
            "rule",
            "action",
            "mode",
            "if the pod is",
            "fits",
            "asked",
            "done",
        ];
        head.extend(["proposed", "blocked"]);
        head.extend(has_observed.then_some("observed"));
        head.push("why not");
        let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        for (rule, column, tally) in self.tallies() {
            let counts = [
                tally.fits,
                tally.asked,
                tally.done,
                tally.proposed,
                tally.blocked,
            ];
            let mut row = vec![
                printable(&rule.name, SHOWN_LEN_MAX),
                rule.remedy.kind().name().to_owned(),
                rule.mode.name().to_owned(),
                column.readiness.name().to_owned(),
            ];
            row.extend(counts.map(|count| count.to_string()));
            row.extend(has_observed.then(|| tally.observed.to_string()));
            row.push(why_not(&tally));
            rows.push(row);
        }
        rows
    }

    fn write_labels(&self, out: &mut impl Write, labels: &Labels) -> io::Result<()> {
        writeln!(
            out,
            "\nBy the labels, of {} faults and {} stretches without one:\n",
            labels.faults, labels.fault_free
        )?;
        let of = |what: &str| {
            let near = labels.has_near.then(|| format!("{what} near"));
            let right = [format!("{what} right")].into_iter();
            right
                .chain(near)
                .chain([format!("{what} wrong")])
                .collect::<Vec<_>>()
        };
        let mut head = vec!["rule".to_owned(), "if the pod is".to_owned()];
        head.extend(of("done"));
        head.extend(of("proposed"));
        head.extend(["without a fault", "faults met", "faults missed"].map(str::to_owned));
        let mut rows = vec![head];
        for (rule, column, _) in self.tallies() {
            let marks = column.marks_of(&rule.name);
            let counts = |it: Counts| {
                let near = labels.has_near.then(|| it.near.to_string());
                let right = [it.right.to_string()].into_iter();
                right
                    .chain(near)
                    .chain([it.wrong.to_string()])
                    .collect::<Vec<_>>()
            };
            let mut row = vec![
                printable(&rule.name, SHOWN_LEN_MAX),
                column.readiness.name().to_owned(),
            ];
            row.extend(counts(marks.done));
            row.extend(counts(marks.proposed));
            let (done, proposed) = marks.without_fault;
            row.push(format!("{done} done, {proposed} proposed"));
            row.push(marks.faults_met.to_string());
            row.push((labels.faults - marks.faults_met).to_string());
            rows.push(row);
        }
        write!(out, "{}", table(&rows))
    }

    fn write_reasons(&self, out: &mut impl Write) -> io::Result<()> {
        for (rule, column, tally) in self.tallies() {
            let mut checks: Vec<_> = tally.checks.iter().collect();
            checks.retain(|(_, it)| it.blocked + it.to_person > 0);
            checks.sort_by_key(|(name, it)| (std::cmp::Reverse(it.blocked + it.to_person), *name));
            let went_on = (tally.went_on > 0).then(|| {
                format!(
                    "  {} of the {} done: the records went on as before; they are as they were",
                    tally.went_on, tally.done
                )
            });
            if checks.is_empty() && went_on.is_none() {
                continue;
            }
            let name = printable(&rule.name, SHOWN_LEN_MAX);
            writeln!(out, "\n{name}, if the pod is {}:", column.readiness.name())?;
            for (check, said) in checks {
                writeln!(out, "  {check:<18} {}", reason(said))?;
            }
            if let Some(went_on) = went_on {
                writeln!(out, "{went_on}")?;
            }
        }
        let refused: u64 = self.columns.iter().map(|it| it.simulated.refused).sum();
        if refused > 0 {
            writeln!(out, "\n{refused} were not taken: too many were open.")?;
        }
        Ok(())
    }

    fn write_actions(&self, out: &mut impl Write) -> io::Result<()> {
        for column in &self.columns {
            writeln!(out, "\nActions if the pod is {}:", column.readiness.name())?;
            for (tried, judged) in column.actions() {
                writeln!(out, "{}", line(tried, judged))?;
            }
            if column.simulated.unlisted > 0 {
                writeln!(out, "and {} more", column.simulated.unlisted)?;
            }
        }
        Ok(())
    }
}

/// An action on a line.
fn line(tried: &Tried, judged: Option<Judged>) -> String {
    let judged = judged.map_or(String::new(), |it| format!("{}  ", it.name()));
    let pod = tried.target.pod.as_deref();
    let pod = pod.map_or(String::new(), |pod| format!(" pod {pod}"));
    let held = match (tried.fate, tried.held.first()) {
        (Fate::Blocked, Some(held)) => format!("{}: ", held.check),
        _ => String::new(),
    };
    let waited = match tried.fate {
        Fate::Done | Fate::Proposed => {
            format!(" after {}", super::lasting(tried.at.since(tried.asked_at)))
        }
        Fate::Observed | Fate::Blocked => String::new(),
    };
    let line = format!(
        "{}  {:<8}  {judged}{}  {} {}{pod}  {held}{}{waited}{}",
        clock(tried.asked_at),
        tried.fate.name(),
        tried.rule,
        tried.kind,
        tried.target,
        tried.why,
        outcome(tried),
    );
    printable(&line, 2 * SHOWN_LEN_MAX)
}

fn outcome(tried: &Tried) -> &'static str {
    match tried.outcome {
        Some(ActionState::Ineffective | ActionState::Harmful) => "; the records went on as before",
        Some(ActionState::Effective) => "; the records were calm afterwards",
        _ => "",
    }
}

/// To the second.
fn clock(at: Timestamp) -> String {
    let seconds = i64::try_from(at.as_nanos() / 1_000_000_000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.to_string())
}

fn reason(said: &Tallied) -> String {
    let mut text = String::new();
    if said.blocked > 0 {
        let _ = write!(text, "{} blocked", said.blocked);
    }
    if said.to_person > 0 {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{} to a person", said.to_person);
    }
    format!("{text}: {}", printable(&said.first, SHOWN_LEN_MAX))
}

/// The checks that held most actions back, and what never became an action.
fn why_not(tally: &RuleTally) -> String {
    let mut against: Vec<(&str, u64)> = tally
        .checks
        .iter()
        .map(|(name, it)| (&**name, it.blocked + it.to_person))
        .filter(|(_, count)| *count > 0)
        .collect();
    against.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let more = against.len().saturating_sub(REASONS_MAX);
    let mut parts: Vec<String> = against
        .iter()
        .take(REASONS_MAX)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    if tally.untargeted > 0 {
        parts.push(format!("no target named {}", tally.untargeted));
    }
    if tally.shadowed > 0 {
        parts.push(format!("an earlier rule asked {}", tally.shadowed));
    }
    parts.join(", ")
}

/// Rows with a head, as Markdown has them, in columns of one width each.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let fill = width - cell.chars().count();
            let _ = write!(text, "| {}{} ", cell.replace('|', "/"), " ".repeat(fill));
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            }
            text.push_str("|\n");
        }
    }
    text
}
