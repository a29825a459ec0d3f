//! How good the templates are, in the figures of Loghub-2.0 (Jiang et al., ISSTA 2024).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use super::Settings;
use super::drain3::{Drain3, KINDS};
use super::entrants::Who;
use super::labelled::{self, Labelled, Labels};

/// One row, as `knothole eval --layout parsing --json` has them.
#[derive(Clone, Debug, Serialize)]
struct Row {
    system: String,
    labels: Labels,
    detector: String,
    #[serde(flatten)]
    figures: Figures,
}

/// Shares between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Lines in groups that are the group of a true template.
    ga: f64,
    /// F1 of such groups.
    fga: f64,
    /// Lines whose template has the true text.
    pa: f64,
    /// F1 of templates with the true text and no line of another.
    fta: f64,
}

/// Prints all rows.
pub(crate) fn report(settings: &Settings) -> Result<()> {
    let drain3 = Drain3::find();
    let mut rows = Vec::new();
    for labels in Labels::ALL {
        let systems = labelled::systems(&settings.shared, labels)?;
        let first = rows.len();
        for (system, lines) in &systems {
            eprintln!("accuracy: {system}, {labels:?}");
            for (detector, found) in found(lines, drain3.as_ref())? {
                let truth = lines.iter().map(|line| line.template.as_str());
                rows.push(Row {
                    system: system.clone(),
                    labels,
                    detector,
                    figures: Figures::of(truth, &found),
                });
            }
        }
        let averages = averages(&rows[first..], labels);
        rows.extend(averages);
    }
    if settings.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows);
    }
    Ok(())
}

/// What each detector makes of a system's lines.
fn found(lines: &[Labelled], drain3: Option<&Drain3>) -> Result<Vec<(String, Vec<String>)>> {
    let contents = || lines.iter().map(|line| line.content.as_str());
    let mut found = Vec::new();
    for who in Who::ALL {
        let templates = who.start(None)?.templates_of(contents());
        found.push((who.name().to_owned(), templates));
    }
    if let Some(drain3) = drain3 {
        for (kind, name) in KINDS {
            let templates = drain3.templates_of(kind, contents())?;
            found.push((name.to_owned(), templates));
        }
    }
    Ok(found)
}

fn averages(rows: &[Row], labels: Labels) -> Vec<Row> {
    let mut order: Vec<&str> = Vec::new();
    for row in rows {
        if !order.contains(&row.detector.as_str()) {
            order.push(&row.detector);
        }
    }
    let average = |detector: &str| {
        let figures = rows.iter().filter(|row| row.detector == detector);
        let figures: Vec<Figures> = figures.map(|row| row.figures).collect();
        let mean = |of: fn(&Figures) -> f64| {
            figures.iter().map(of).sum::<f64>() / figures.len().max(1) as f64
        };
        Row {
            system: "average".into(),
            labels,
            detector: detector.into(),
            figures: Figures {
                ga: mean(|each| each.ga),
                fga: mean(|each| each.fga),
                pa: mean(|each| each.pa),
                fta: mean(|each| each.fta),
            },
        }
    };
    order.into_iter().map(average).collect()
}

fn print(rows: &[Row]) {
    println!("| labels | system | who | GA | FGA | PA | FTA |");
    println!("|---|---|---|---:|---:|---:|---:|");
    for row in rows {
        let Figures { ga, fga, pa, fta } = row.figures;
        println!(
            "| {:?} | {} | {} | {ga:.3} | {fga:.3} | {pa:.3} | {fta:.3} |",
            row.labels, row.system, row.detector
        );
    }
    println!();
}

impl Figures {
    /// `found` has one template for each of `truth`. Blanks in a row count as one, as a rival
    /// that splits a line at blanks cannot tell.
    pub(crate) fn of<'a>(truth: impl Iterator<Item = &'a str>, found: &[String]) -> Self {
        let truth: Vec<String> = truth.map(one_blank).collect();
        let found: Vec<String> = found.iter().map(|text| one_blank(text)).collect();
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        let mut groups: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
        let mut same = 0;
        for (truth, found) in truth.iter().zip(&found) {
            *sizes.entry(truth).or_default() += 1;
            let (lines, truths) = groups.entry(found).or_default();
            *lines += 1;
            truths.insert(truth);
            same += usize::from(truth == found);
        }
        let (mut right, mut right_lines, mut right_texts) = (0, 0, 0);
        for (text, (lines, truths)) in &groups {
            if let (1, Some(truth)) = (truths.len(), truths.first()) {
                if sizes.get(truth) == Some(lines) {
                    right += 1;
                    right_lines += lines;
                }
                right_texts += usize::from(truth == text);
            }
        }
        let share = |lines: usize| lines as f64 / truth.len().max(1) as f64;
        let f1 = |right: usize| 2.0 * right as f64 / (groups.len() + sizes.len()).max(1) as f64;
        Self {
            ga: share(right_lines),
            fga: f1(right),
            pa: share(same),
            fta: f1(right_texts),
        }
    }
}

fn one_blank(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_group_costs_its_lines_and_a_wrong_text_costs_the_text() {
        let truth = ["a <*>", "a <*>", "b", "c"];
        let found = ["a x", "a y", "b", "c <*>"].map(str::to_owned);
        let figures = Figures::of(truth.into_iter(), &found);
        assert_eq!(figures.ga, 0.5);
        assert_eq!(figures.fga, 2.0 * 2.0 / 7.0);
        assert_eq!(figures.pa, 0.25);
        assert_eq!(figures.fta, 2.0 * 1.0 / 7.0);
    }
}
