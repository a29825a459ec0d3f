//! An anomaly as a person reads it, in a terminal of 80 columns or more.

use std::io::{self, Write};

use super::terminal::printable;
use crate::core::event::{Anomaly, Expected, Observed};
use crate::core::record::Timestamp;

/// Characters of a log line that are shown.
const LINE_LEN: usize = 110;

/// Writes what happened, what came, what was expected, and the lines around it.
pub(crate) fn tell(anomaly: &Anomaly, out: &mut impl Write) -> io::Result<()> {
    let time = clock(anomaly.first_seen);
    let sequence = printable(&anomaly.sequence, 40);
    writeln!(
        out,
        "● {time}  {sequence}  {}  score {:.3}",
        anomaly.kind, anomaly.score
    )?;
    let came = match &anomaly.explanation.observed {
        Observed::Record(text) => printable(text, LINE_LEN),
        Observed::End => "nothing more: the sequence ended here".to_owned(),
    };
    writeln!(out, "  came      {came}")?;
    for (at, expected) in anomaly.explanation.expected.iter().enumerate() {
        let label = if at == 0 { "expected" } else { "" };
        writeln!(out, "  {label:<9} {}", expectation(expected))?;
    }
    writeln!(
        out,
        "  why       {}",
        printable(&anomaly.explanation.reason, 400)
    )?;
    let last = anomaly.explanation.context.len().saturating_sub(1);
    let ended = anomaly.explanation.observed == Observed::End;
    for (at, line) in anomaly.explanation.context.iter().enumerate() {
        let label = if at == 0 { "around" } else { "" };
        let mark = if at == last && !ended { "  ◄" } else { "" };
        let text = printable(&line.text, LINE_LEN - 14);
        writeln!(out, "  {label:<9} {}  {text}{mark}", clock(line.time))?;
    }
    writeln!(out)
}

fn expectation(expected: &Expected) -> String {
    let what = match &expected.template {
        Some(template) => printable(&template.text, LINE_LEN - 8),
        None => "the end of the sequence".to_owned(),
    };
    format!("{:>3.0} %  {what}", expected.probability * 100.0)
}

/// The time of day in UTC, to the millisecond.
fn clock(time: Timestamp) -> String {
    let millis = time.as_nanos() / 1_000_000 % 86_400_000;
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}",
        millis / 1000 % 60,
        millis % 1000
    )
}
