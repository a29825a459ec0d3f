//! Problems of a settings file, as a person or a script reads them.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::tree::Origin;

/// Most problems that are told of one file.
pub const PROBLEMS_MAX: usize = 100;
/// Longest part of a source line that is shown, in characters.
const SOURCE_LEN_MAX: usize = 120;
/// Longest message and longest path, in characters: either may repeat what the file says.
const MESSAGE_LEN_MAX: usize = 1_000;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// The setting: `listen.api`, `sinks[0].type`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

/// All that is wrong with the settings. Never empty.
#[derive(Clone, Debug)]
pub struct Problems {
    /// The name of the file as given, or of what stands for it.
    file: String,
    /// The lines of the file that problems point at, by number.
    lines: Vec<(usize, String)>,
    list: Vec<Problem>,
}

impl Problems {
    /// `None` where `list` is empty. Problems are put in the order of the file.
    pub(super) fn new(file: &str, text: &str, list: Vec<Problem>) -> Option<Self> {
        (!list.is_empty()).then(|| Self::listed(file, text, list))
    }

    /// The only problem there is.
    pub(super) fn one(file: &str, text: &str, problem: Problem) -> Self {
        Self::listed(file, text, vec![problem])
    }

    fn listed(file: &str, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| match problem.origin {
            Origin::File { line, column, .. } => (line, column),
            Origin::Outside(_) | Origin::Nowhere => (usize::MAX, 0),
        });
        list.truncate(PROBLEMS_MAX);
        for problem in &mut list {
            problem.path = told(&problem.path);
            problem.message = told(&problem.message);
        }
        let pointed_at = |number: usize| list.iter().any(|problem| problem.line() == Some(number));
        let numbered = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        let lines = numbered.filter(|(number, _)| pointed_at(*number));
        let lines = lines
            .map(|(number, line)| (number, printable(line)))
            .collect();
        Self {
            file: file.to_owned(),
            lines,
            list,
        }
    }

    /// The problems, in the order of the file.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// `{"file": …, "problems": [{"line", "column", "setting", "source", "message"}]}`.
    pub fn to_json(&self) -> serde_json::Value {
        let problems: Vec<ProblemView<'_>> = self.list.iter().map(ProblemView::of).collect();
        serde_json::json!({ "file": self.file, "problems": problems })
    }
}

impl Problem {
    fn line(&self) -> Option<usize> {
        match self.origin {
            Origin::File { line, .. } => Some(line),
            Origin::Outside(_) | Origin::Nowhere => None,
        }
    }
}

impl fmt::Display for Problems {
    /// One paragraph for each, with the source line and a mark under what is wrong, and a count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            match &problem.origin {
                Origin::File {
                    line,
                    column,
                    width,
                } => {
                    writeln!(f, "{}:{line}:{column}  {}", self.file, problem.message)?;
                    self.write_source(f, *line, *column, *width)?;
                }
                Origin::Outside(name) => writeln!(f, "{name}  {}", problem.message)?,
                Origin::Nowhere => writeln!(f, "{}  {}", self.file, problem.message)?,
            }
        }
        let plural = if self.list.len() == 1 {
            "problem"
        } else {
            "problems"
        };
        write!(f, "{} {plural}; serve would refuse this", self.list.len())
    }
}

impl Problems {
    fn write_source(
        &self,
        f: &mut fmt::Formatter<'_>,
        line: usize,
        column: usize,
        width: usize,
    ) -> fmt::Result {
        let Some((_, source)) = self.lines.iter().find(|(number, _)| *number == line) else {
            return Ok(());
        };
        let length = source.chars().count();
        let before = column.saturating_sub(1).min(length);
        let marked = width.clamp(1, (length - before).max(1));
        writeln!(f, "{line:>5} | {source}")?;
        writeln!(f, "      | {}{}", " ".repeat(before), "^".repeat(marked))
    }
}

/// A problem on the wire of `--json`.
#[derive(Serialize)]
struct ProblemView<'a> {
    line: Option<usize>,
    column: Option<usize>,
    source: &'a str,
    setting: &'a str,
    message: &'a str,
}

impl<'a> ProblemView<'a> {
    fn of(problem: &'a Problem) -> Self {
        let (line, column, source) = match &problem.origin {
            Origin::File { line, column, .. } => (Some(*line), Some(*column), "file"),
            Origin::Outside(name) => (None, None, name.as_ref()),
            Origin::Nowhere => (None, None, "default"),
        };
        Self {
            line,
            column,
            source,
            setting: &problem.path,
            message: &problem.message,
        }
    }
}

/// The name in `known` that `written` most likely stands for, if one is near enough.
pub(super) fn closest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    let distance = |name: &str| strsim::osa_distance(&written.to_lowercase(), name);
    let near = known.iter().map(|name| (distance(name), *name)).min()?;
    (near.0 <= allowed).then_some(near.1)
}

/// Words of a line whose value may be a secret; it is not repeated into anybody's log.
const SECRETS: [&str; 7] = ["auth", "token", "key", "secret", "cookie", "password", "@"];

/// The line as one that is safe to print and keeps its columns.
fn printable(line: &str) -> String {
    let lower = line.to_lowercase();
    if let (true, Some((name, _))) = (
        SECRETS.iter().any(|word| lower.contains(word)),
        line.split_once(": "),
    ) {
        return format!("{}: …", without_controls(name, SOURCE_LEN_MAX));
    }
    without_controls(line, SOURCE_LEN_MAX)
}

/// A message or a path as one line that is safe to print.
fn told(text: &str) -> String {
    let mut shown = without_controls(text, MESSAGE_LEN_MAX);
    if text.chars().nth(MESSAGE_LEN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// The first `len_max` characters.
fn without_controls(line: &str, len_max: usize) -> String {
    let mut shown = String::new();
    for c in line.chars().take(len_max) {
        // Writing into a string cannot fail.
        let _ = shown.write_char(if c.is_control() { ' ' } else { c });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(line: usize, column: usize, width: usize, message: &str) -> Problem {
        let origin = Origin::File {
            line,
            column,
            width,
        };
        Problem {
            origin,
            path: "sinks[0]".into(),
            message: message.into(),
        }
    }

    #[test]
    fn a_problem_is_shown_under_its_source_line() {
        let text = "sinks:\n  - webhok: https://hooks.example.net/ops\n";
        let list = vec![
            problem(2, 5, 6, "unknown setting"),
            problem(1, 1, 0, "first"),
        ];
        let shown = Problems::new("knothole.yaml", text, list)
            .unwrap()
            .to_string();
        assert_eq!(
            shown,
            "knothole.yaml:1:1  first\n    1 | sinks:\n      | ^\n\
             knothole.yaml:2:5  unknown setting\n    2 |   - webhok: https://hooks.example.net/ops\n      \
             |     ^^^^^^\n2 problems; serve would refuse this"
        );
    }

    #[test]
    fn a_mark_never_leaves_its_line_and_control_characters_are_not_printed() {
        let shown = Problems::new("f", "a\u{1b}[2J", vec![problem(1, 1, 400, "x")]).unwrap();
        assert!(!shown.to_string().contains('\u{1b}'));
        assert!(
            shown
                .to_string()
                .ends_with("| ^^^^^\n1 problem; serve would refuse this")
        );
    }

    #[test]
    fn a_message_that_repeats_a_huge_or_hostile_name_is_cut_and_safe_to_print() {
        let name = format!("\u{1b}[2J\n{}", "é".repeat(1 << 20));
        let list = vec![Problem {
            path: name.clone(),
            ..problem(1, 1, 1, &name)
        }];
        let told = Problems::new("f", "x", list).unwrap();
        let (one, shown) = (&told.list()[0], told.to_string());
        assert!(one.message.ends_with("é…") && one.path.ends_with("é…"));
        assert!(shown.chars().count() < 1_200 && told.to_json().to_string().len() < 5_000);
        assert!(
            !shown.contains('\u{1b}') && shown.lines().count() == 4,
            "{shown:?}"
        );
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert_eq!(closest("webhok", &["webhook", "otlp"]), Some("webhook"));
        assert_eq!(closest("Otlp", &["webhook", "otlp"]), Some("otlp"));
        assert_eq!(closest("banana", &["webhook", "otlp"]), None);
    }
}
