//! An anomaly as a person reads it, in a terminal of 80 columns or more.

use std::io::{self, Write};

use super::terminal::{grouped, printable};
use crate::core::event::{Anomaly, AnomalyKind, Expected, Observed};
use crate::core::record::Timestamp;

/// Characters of a log line that are shown.
const LINE_LEN: usize = 110;

/// Writes what happened, what came, what was expected, who agrees, and the lines around it.
pub(crate) fn tell(anomaly: &Anomaly, out: &mut impl Write) -> io::Result<()> {
    let explanation = &anomaly.explanation;
    let time = clock(anomaly.first_seen);
    let of = match anomaly.sequence.as_ref() {
        "" => anomaly.stream.to_string(),
        sequence => printable(sequence, 40),
    };
    writeln!(
        out,
        "● {time}  {of}  {}  score {:.4}",
        title(anomaly.kind),
        anomaly.score
    )?;
    writeln!(out, "  why       {}", printable(&explanation.reason, 400))?;
    let came = match &explanation.observed {
        Observed::Record(text) => printable(text, LINE_LEN),
        Observed::Measure(text) => printable(text, LINE_LEN),
        Observed::End => "nothing more: the sequence ended here".to_owned(),
    };
    writeln!(out, "  came      {came}")?;
    for (at, expected) in anomaly.explanation.expected.iter().enumerate() {
        let label = if at == 0 { "expected" } else { "" };
        writeln!(out, "  {label:<9} {}", expectation(expected))?;
    }
    let others = explanation.opinions.iter().skip(1);
    for (at, opinion) in others.enumerate() {
        let label = if at == 0 { "also" } else { "" };
        let says = printable(&opinion.says, 300);
        writeln!(out, "  {label:<9} {says} ({})", opinion.detector)?;
    }
    writeln!(out, "  voices    {}", voices(anomaly))?;
    let last = anomaly.explanation.context.len().saturating_sub(1);
    let is_there = matches!(explanation.observed, Observed::Record(_));
    for (at, line) in anomaly.explanation.context.iter().enumerate() {
        let label = if at == 0 { "around" } else { "" };
        let mark = if at == last && is_there { "  ◄" } else { "" };
        let text = printable(&line.text, LINE_LEN - 14);
        writeln!(out, "  {label:<9} {}  {text}{mark}", clock(line.time))?;
    }
    writeln!(out)
}

/// What happened, in a few words.
const fn title(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::NewTemplate => "a new kind of record",
        AnomalyKind::RareTemplate => "a rare kind of record",
        AnomalyKind::Sequence => "not in its usual order",
        AnomalyKind::Count => "too often or too seldom",
        AnomalyKind::Missing => "something is missing",
        AnomalyKind::Incomplete => "stopped too early",
        AnomalyKind::Timing => "not in its usual time",
        AnomalyKind::Value => "an unusual value",
        AnomalyKind::RateUp => "more often than usual",
        AnomalyKind::RateDown => "less often than usual",
        AnomalyKind::Silence => "not heard of any more",
        AnomalyKind::Burst => "many new kinds of records",
    }
}

/// The detectors that agree, those that were quoted with how rare they find this among normal
/// sequences.
fn voices(anomaly: &Anomaly) -> String {
    let opinions = &anomaly.explanation.opinions;
    let told = opinions.iter().map(|opinion| {
        let one_in = grouped((1.0 / opinion.p_value.max(1e-9)).round() as u64);
        format!("{} (1 in {one_in})", opinion.detector)
    });
    let others = anomaly.detectors.iter().skip(opinions.len());
    let others = others.map(|name| (*name).to_owned());
    told.chain(others).collect::<Vec<String>>().join(", ")
}

fn expectation(expected: &Expected) -> String {
    let what = match &expected.template {
        Some(template) => printable(&template.text, LINE_LEN - 8),
        None => "the end of the sequence".to_owned(),
    };
    format!("{:>3.0} %  {what}", expected.probability * 100.0)
}

/// The time of day in UTC, to the millisecond.
pub(super) fn clock(time: Timestamp) -> String {
    let millis = time.as_nanos() / 1_000_000 % 86_400_000;
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}",
        millis / 1000 % 60,
        millis % 1000
    )
}
