//! What was found, as a table or as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::rows::Row;
use crate::cli::terminal::printable;

/// Longest `why` that is told, in characters; receivers choose parts of it.
const WHY_LEN_MAX: usize = 600;

/// What one row came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// `None` where it cannot be told from outside.
    pub(super) pass: Option<bool>,
    /// One plain sentence: what was sent and what came back.
    pub(super) why: String,
}

impl Finding {
    pub(super) fn pass(why: impl Into<String>) -> Self {
        Self {
            pass: Some(true),
            why: why.into(),
        }
    }

    pub(super) fn fail(why: impl Into<String>) -> Self {
        Self {
            pass: Some(false),
            why: why.into(),
        }
    }

    pub(super) fn unseen(why: impl Into<String>) -> Self {
        Self {
            pass: None,
            why: why.into(),
        }
    }

    /// Says more.
    pub(super) fn and(mut self, more: &str) -> Self {
        self.why = format!("{}; {more}", self.why);
        self
    }
}

/// All rows of one receiver.
pub(super) struct Report {
    pub(super) endpoint: String,
    pub(super) rows: Vec<(&'static Row, Finding)>,
}

impl Report {
    pub(super) fn count(&self, pass: Option<bool>) -> usize {
        let found = self.rows.iter();
        found.filter(|(_, finding)| finding.pass == pass).count()
    }

    pub(super) fn to_json(&self) -> Value {
        let rows = self.rows.iter().map(|(row, finding)| {
            json!({
                "id": row.id,
                "title": row.title,
                "level": row.level,
                "source": row.source,
                "pass": finding.pass,
                "why": printable(&finding.why, WHY_LEN_MAX),
            })
        });
        json!({
            "endpoint": self.endpoint,
            "rows": rows.collect::<Vec<_>>(),
            "passed": self.count(Some(true)),
            "failed": self.count(Some(false)),
            "unseen": self.count(None),
        })
    }

    /// A line for each row, its reason below it where it did not pass, and a summary.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn tell(&self, out: &mut impl Write, tells_all: bool) -> io::Result<()> {
        for (row, finding) in &self.rows {
            let mark = match finding.pass {
                Some(true) => "pass",
                Some(false) => "FAIL",
                None => "-",
            };
            writeln!(out, "{:<4} {mark:<5} {}", row.id, row.title)?;
            if tells_all || finding.pass != Some(true) {
                let why = printable(&finding.why, WHY_LEN_MAX);
                for line in wrapped(&why, LINE_LEN - INDENT.len()) {
                    writeln!(out, "{INDENT}{line}")?;
                }
            }
        }
        writeln!(
            out,
            "\n{}: {} passed, {} failed, {} not seen from outside",
            self.endpoint,
            self.count(Some(true)),
            self.count(Some(false)),
            self.count(None),
        )
    }
}

const LINE_LEN: usize = 100;
const INDENT: &str = "           ";

/// `text` in lines of at most `len` characters, broken at spaces.
fn wrapped(text: &str, len: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > len {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    fn report() -> Report {
        let findings = [
            Finding::pass("all well"),
            Finding::fail("a GET was sent: HTTP 200"),
            Finding::unseen("off by default"),
        ];
        Report {
            endpoint: "localhost".to_owned(),
            rows: rows::all().zip(findings).collect(),
        }
    }

    #[test]
    fn json_has_every_row_and_the_counts() {
        let told = report().to_json();
        let passes: Vec<&Value> = told["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["pass"])
            .collect();
        assert_eq!(passes, [&json!(true), &json!(false), &Value::Null]);
        assert_eq!(
            (&told["passed"], &told["failed"], &told["unseen"]),
            (&json!(1), &json!(1), &json!(1))
        );
        assert_eq!(told["rows"][1]["why"], "a GET was sent: HTTP 200");
    }

    #[test]
    fn the_table_says_why_a_row_did_not_pass() {
        let tell = |tells_all| {
            let mut out = Vec::new();
            report().tell(&mut out, tells_all).unwrap();
            String::from_utf8(out).unwrap()
        };
        let short = tell(false);
        assert!(
            short.contains("FAIL") && short.contains("a GET was sent: HTTP 200"),
            "{short}"
        );
        assert!(!short.contains("all well"), "{short}");
        assert!(tell(true).contains("all well"));
        assert!(
            short.ends_with("localhost: 1 passed, 1 failed, 1 not seen from outside\n"),
            "{short}"
        );
    }

    #[test]
    fn what_a_receiver_says_cannot_drive_the_terminal() {
        let mut report = report();
        report.rows[1].1.why = "\u{1b}[2J".to_owned();
        let mut out = Vec::new();
        report.tell(&mut out, true).unwrap();
        assert!(!out.contains(&0x1b));
    }

    #[test]
    fn long_lines_break_at_spaces() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij", 3), ["abcdefghij"]);
    }
}
