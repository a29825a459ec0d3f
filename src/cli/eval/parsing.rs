//! How good the templates are: lines with labelled templates, scored as Loghub-2.0 does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::core::parse::Miner;
use crate::core::record::Timestamp;
use crate::core::redact::Redactor;

/// The figures of every system, and their averages.
#[derive(Serialize)]
pub(super) struct Parsing {
    layout: &'static str,
    rows: Vec<Row>,
    again: String,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    /// The system; `average` for the mean of all systems above.
    system: Box<str>,
    labels: Labels,
    detector: &'static str,
    #[serde(flatten)]
    figures: Figures,
}

/// Who wrote the templates down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Labels {
    /// Loghub-2.0: one notation for all systems.
    Corrected,
    /// Loghub, as first published.
    Original,
}

/// Shares between 0 and 1, as Loghub-2.0 defines them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Figures {
    /// Lines in groups that are the group of a true template, neither more nor less.
    ga: f64,
    /// F1 of such groups among those found and those there are.
    fga: f64,
    /// Lines whose template has the true text.
    pa: f64,
    /// F1 of templates with the true text and no line of another template.
    fta: f64,
}

/// Loghub's names of a file of labelled lines, the longer one first.
const ENDINGS: [(&str, Labels); 2] = [
    ("_2k.log_structured_corrected.csv", Labels::Corrected),
    ("_2k.log_structured.csv", Labels::Original),
];

/// Scores the miner on every file of labelled lines in `folder` and one folder below it.
pub(super) fn measure(folder: &Path) -> anyhow::Result<Parsing> {
    let files = labelled(folder)?;
    ensure!(
        !files.is_empty(),
        "{} has no file named X{} or X{}",
        folder.display(),
        ENDINGS[0].0,
        ENDINGS[1].0,
    );
    let mut rows = Vec::new();
    for ((labels, system), path) in files {
        let lines = read(&path).with_context(|| format!("reading {}", path.display()))?;
        let figures = Figures::of(
            &lines.iter().map(|line| &*line.template).collect::<Vec<_>>(),
            &templates(&lines),
        );
        rows.push(Row {
            system,
            labels,
            detector: "knothole",
            figures,
        });
    }
    for labels in [Labels::Corrected, Labels::Original] {
        rows.extend(average(&rows, labels));
    }
    rows.sort_by_key(|row| row.labels);
    Ok(Parsing {
        layout: "parsing",
        rows,
        again: format!("knothole eval --layout parsing --test {}", folder.display()),
    })
}

/// One file for each system and set of labels. The uncorrected labels that come along with the
/// corrected ones give way to a file from a folder of its own.
fn labelled(folder: &Path) -> anyhow::Result<BTreeMap<(Labels, Box<str>), PathBuf>> {
    let (here, folders) = list(folder)?;
    let mut listings = vec![here];
    for below in folders {
        listings.push(list(&below)?.0);
    }
    listings.sort_by_key(|files| {
        files
            .iter()
            .any(|file| labels_of(file).is_some_and(|(labels, _)| labels == Labels::Corrected))
    });
    let mut found = BTreeMap::new();
    for path in listings.into_iter().flatten() {
        if let Some(key) = labels_of(&path) {
            found.entry(key).or_insert(path);
        }
    }
    Ok(found)
}

/// The files and the folders in a folder, by name.
fn list(folder: &Path) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let reading = || format!("reading {}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        paths.push(entry.with_context(reading)?.path());
    }
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_file()))
}

fn labels_of(path: &Path) -> Option<(Labels, Box<str>)> {
    let name = path.file_name()?.to_str()?;
    ENDINGS
        .iter()
        .find_map(|(ending, labels)| Some((*labels, name.strip_suffix(ending)?.into())))
}

/// A line with its true template.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Content")]
    content: Box<str>,
    #[serde(rename = "EventTemplate")]
    template: Box<str>,
}

fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let lines: Vec<Line> = csv::Reader::from_path(path)?
        .deserialize()
        .collect::<Result<_, _>>()?;
    ensure!(!lines.is_empty(), "no line in it");
    Ok(lines)
}

/// The template of each line: found as the lines come, asked for once all have.
fn templates(lines: &[Line]) -> Vec<String> {
    let redactor = Redactor::default();
    let mut miner = Miner::default();
    let ids: Vec<_> = lines
        .iter()
        .map(|line| redactor.text(&line.content))
        .map(|line| miner.parse(&*line, Timestamp::from_nanos(1)).id)
        .collect();
    miner.settle();
    let text = |id| miner.resolve(id).map(|template| template.text.to_string());
    ids.into_iter()
        .map(|id| text(id).unwrap_or_default())
        .collect()
}

fn average(rows: &[Row], labels: Labels) -> Option<Row> {
    let figures: Vec<Figures> = rows
        .iter()
        .filter(|row| row.labels == labels)
        .map(|row| row.figures)
        .collect();
    let mean = |of: fn(&Figures) -> f64| figures.iter().map(of).sum::<f64>() / figures.len() as f64;
    (!figures.is_empty()).then(|| Row {
        system: "average".into(),
        labels,
        detector: "knothole",
        figures: Figures {
            ga: mean(|each| each.ga),
            fga: mean(|each| each.fga),
            pa: mean(|each| each.pa),
            fta: mean(|each| each.fta),
        },
    })
}

/// The lines that were given one template.
#[derive(Default)]
struct Group<'a> {
    lines: usize,
    truths: BTreeSet<&'a str>,
}

impl Figures {
    fn of(truth: &[&str], found: &[String]) -> Self {
        let mut true_lines: BTreeMap<&str, usize> = BTreeMap::new();
        let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
        for (truth, found) in truth.iter().zip(found) {
            *true_lines.entry(truth).or_default() += 1;
            let group = groups.entry(found).or_default();
            group.lines += 1;
            group.truths.insert(truth);
        }
        let (mut right, mut right_lines, mut right_texts) = (0, 0, 0);
        for (text, Group { lines, truths }) in &groups {
            let mut truths = truths.iter();
            let (Some(truth), None) = (truths.next(), truths.next()) else {
                continue;
            };
            if true_lines.get(truth) == Some(lines) {
                right += 1;
                right_lines += lines;
            }
            right_texts += usize::from(truth == text);
        }
        let same = truth
            .iter()
            .zip(found)
            .filter(|(truth, found)| *truth == found);
        let f1 =
            |right: usize| 2.0 * right as f64 / (groups.len() + true_lines.len()).max(1) as f64;
        let share = |lines: usize| lines as f64 / truth.len().max(1) as f64;
        Self {
            ga: share(right_lines),
            fga: f1(right),
            pa: share(same.count()),
            fta: f1(right_texts),
        }
    }
}

impl Labels {
    fn name(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Original => "original",
        }
    }
}

const LEGEND: &str = "\
- `ga`: lines in a group that is exactly the group of one true template.
- `fga`: the same by groups instead of lines, as F1.
- `pa`: lines whose template has the true text, character by character.
- `fta`: templates with the true text and no line of another template, as F1.
- `corrected`: labels of Loghub-2.0, one notation for all systems. `original`: labels of Loghub.
";

impl fmt::Display for Parsing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## knothole eval, layout {}\n", self.layout)?;
        writeln!(
            f,
            "One configuration for all; templates as they are after the last line of a system.\n"
        )?;
        writeln!(f, "| labels | system | detector | GA | FGA | PA | FTA |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for Row {
            system,
            labels,
            detector,
            figures: Figures { ga, fga, pa, fta },
        } in &self.rows
        {
            writeln!(
                f,
                "| {} | {system} | {detector} | {ga:.3} | {fga:.3} | {pa:.3} | {fta:.3} |",
                labels.name(),
            )?;
        }
        write!(f, "\n{LEGEND}")?;
        writeln!(f, "\nAgain: `{}`", self.again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Figures {
        let truth: Vec<&str> = pairs.iter().map(|pair| pair.0).collect();
        let found: Vec<String> = pairs.iter().map(|pair| pair.1.to_owned()).collect();
        Figures::of(&truth, &found)
    }

    #[test]
    fn the_figures_are_those_worked_out_by_hand() {
        let perfect = of(&[("a <*>", "a <*>"), ("a <*>", "a <*>"), ("b", "b")]);
        assert_eq!(
            perfect,
            Figures {
                ga: 1.0,
                fga: 1.0,
                pa: 1.0,
                fta: 1.0
            }
        );
        // Grouped right, written otherwise.
        let named = of(&[("a <*>", "a"), ("a <*>", "a"), ("b", "b")]);
        assert_eq!((named.ga, named.fga), (1.0, 1.0));
        assert_eq!((named.pa, named.fta), (1.0 / 3.0, 0.5));
        // One template in two groups: neither group is right, yet one has the true text.
        let split = of(&[("a", "a"), ("a", "c"), ("b", "b"), ("b", "b")]);
        assert_eq!((split.ga, split.fga), (0.5, 0.4));
        assert_eq!((split.pa, split.fta), (0.75, 0.8));
        // Two templates in one group.
        let merged = of(&[("a", "a"), ("b", "a")]);
        assert_eq!(
            merged,
            Figures {
                ga: 0.0,
                fga: 0.0,
                pa: 0.5,
                fta: 0.0
            }
        );
    }

    #[test]
    fn both_label_sets_are_found_in_the_folder_or_one_below() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, template: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let head = "LineId,Content,EventId,EventTemplate";
            fs::write(
                path,
                format!("{head}\r\n1,\"sent, \"\"ok\"\" 5\",E1,\"{template}\"\r\n"),
            )
            .unwrap();
        };
        write(
            "new/Shop_2k.log_structured_corrected.csv",
            "sent, \"\"ok\"\" <*>",
        );
        write("new/Shop_2k.log_structured.csv", "of no use");
        write("old/Shop_2k.log_structured.csv", "sent, \"\"ok\"\" <*>");
        write("Bank_2k.log_structured.csv", "sent, <*> <*>");
        fs::write(folder.path().join("README.md"), "no table").unwrap();
        let report = measure(folder.path()).unwrap();
        let rows: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.labels.name(), &*row.system, row.figures.pa))
            .collect();
        assert_eq!(
            rows,
            [
                ("corrected", "Shop", 1.0),
                ("corrected", "average", 1.0),
                ("original", "Bank", 0.0),
                ("original", "Shop", 1.0),
                ("original", "average", 0.5),
            ]
        );
    }

    #[test]
    fn a_folder_without_labelled_lines_is_told_the_names() {
        let folder = tempfile::tempdir().unwrap();
        let error = measure(folder.path()).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("_2k.log_structured_corrected.csv")
        );
    }
}
