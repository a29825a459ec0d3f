//! The table a person reads, and the same as JSON.

mod tables;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::EvalArgs;
use super::dataset::{Class, Dataset};
use super::ensemble::ENSEMBLE;
use super::metrics::{Found, Row, found_by_kind};
use super::scored::{Scored, Threshold};

/// Everything an evaluation found, with how it was found.
#[derive(Serialize)]
pub(super) struct Report {
    layout: &'static str,
    seed: u64,
    seeds: u64,
    epochs_max: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm_rate: Option<f64>,
    /// The faults are not the set's own.
    injected: bool,
    /// How many sequences each one is woven of.
    #[serde(skip_serializing_if = "Option::is_none")]
    interleaved: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    train: Trained,
    test: Tested,
    pub(super) rows: Vec<Row>,
    /// Detector → kind of fault → how many found. Empty where the set names no kinds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    recall_by_kind: BTreeMap<&'static str, BTreeMap<Box<str>, Found>>,
    again: String,
}

#[derive(Serialize)]
struct Trained {
    models: usize,
    sequences: usize,
    records: usize,
    templates: usize,
}

#[derive(Serialize)]
struct Tested {
    normal: usize,
    abnormal: usize,
    ambiguous: usize,
    normal_weight: f64,
    abnormal_weight: f64,
}

/// What a row is, by its name; voices are explained in the manual.
const LEGEND: [(&str, &str); 9] = [
    (
        ENSEMBLE,
        "what `knothole serve` says: all voices, one score, alarms at the rate asked for",
    ),
    (
        "deeplog_padded",
        "DeepLog as published: window 10, top 9, no begin, no end; sequences of 10 events or fewer always abnormal, as public code pads them",
    ),
    (
        "deeplog_strict",
        "the same with such short sequences never abnormal",
    ),
    (
        "deeplog_best_g",
        "deeplog_padded with the g that is best on the test: an upper bound, not a result",
    ),
    ("unseen_template", "any template that training never saw"),
    (
        "length_range",
        "shorter or longer than every training sequence",
    ),
    (
        "count_vector",
        "distance to the nearest training sequence in template counts, rare ones weighing more; threshold: 99.95 % of training sequences pass against all others",
    ),
    ("event_length_count", "any of the three before"),
    (
        "best F1",
        "that of the threshold which is best on the test's labels, as papers report it",
    ),
];

impl Report {
    pub(super) fn new(
        args: &EvalArgs,
        dataset: &Dataset,
        scored: &[Scored],
        rows: Vec<Row>,
    ) -> Self {
        let recall_by_kind = scored
            .iter()
            .map(|one| (one.detector, found_by_kind(one, dataset)))
            .filter(|(_, kinds)| !kinds.is_empty());
        Self {
            layout: args.layout.name(),
            seed: args.seed,
            seeds: args.seeds,
            epochs_max: args.epochs,
            alarm_rate: scored.iter().find_map(|one| one.asked_rate),
            injected: args.inject,
            interleaved: args.interleave,
            warning: dataset.warning,
            train: Trained::of(dataset),
            test: Tested {
                normal: dataset.count(Class::Normal),
                abnormal: dataset.count(Class::Abnormal),
                ambiguous: dataset.count(Class::Ambiguous),
                normal_weight: dataset.weights.normal,
                abnormal_weight: dataset.weights.abnormal,
            },
            rows,
            recall_by_kind: recall_by_kind.collect(),
            again: again(args),
        }
    }

    /// Label-free rows that beat the ensemble.
    fn better(&self) -> Vec<&Row> {
        let Some(ours) = self.rows.iter().find(|row| row.detector == ENSEMBLE) else {
            return Vec::new();
        };
        let fair = self
            .rows
            .iter()
            .filter(|row| row.threshold == Threshold::LabelFree);
        fair.filter(|row| row.f1 > ours.f1).collect()
    }
}

impl Trained {
    fn of(dataset: &Dataset) -> Self {
        let corpora = || dataset.parts.iter().map(|part| &part.corpus);
        let sequences = || corpora().flat_map(|corpus| &corpus.sequences);
        Self {
            models: dataset.parts.len(),
            sequences: sequences().count(),
            records: sequences().map(|sequence| sequence.events.len()).sum(),
            templates: corpora()
                .map(|corpus| corpus.templates.len())
                .max()
                .unwrap_or(0),
        }
    }
}

/// The command that makes the same table.
fn again(args: &EvalArgs) -> String {
    let train = args.train.as_deref().unwrap_or(&args.test).display();
    let (layout, test) = (args.layout.name(), args.test.display());
    let mut again = format!(
        "knothole eval --layout {layout} --train {train} --test {test} --seed {} --epochs {}",
        args.seed, args.epochs
    );
    if let Some(rate) = args.alarm_rate {
        again += &format!(" --alarm-rate {rate}");
    }
    if args.inject {
        again += " --inject";
    }
    if let Some(at_once) = args.interleave {
        again += &format!(" --interleave {at_once}");
    }
    if args.seeds > 1 {
        again += &format!(" --seeds {}", args.seeds);
    }
    again
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_rows(f)?;
        self.write_quiet(f)?;
        self.write_delays(f)?;
        self.write_rounds(f)?;
        self.write_seeds(f)?;
        self.write_kinds(f)?;
        let told = |name: &str| self.rows.iter().any(|row| row.detector == name);
        for (name, meaning) in LEGEND {
            if told(name) || name == "best F1" {
                writeln!(f, "- `{name}`: {meaning}.")?;
            }
        }
        for row in self.better() {
            writeln!(f, "\nHere `{}` beats `{ENSEMBLE}`.", row.detector)?;
        }
        writeln!(f, "\nAgain: `{}`", self.again)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::eval::dataset::{Part, Sample};
    use crate::cli::eval::delay::Followers;
    use crate::core::train::Corpus;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        eval: EvalArgs,
    }

    /// Two normal and two faulty samples; the ensemble finds one of these, a simple detector both.
    fn report(extra: &[&str]) -> Report {
        let words = ["eval", "--layout", "seq", "--train", "a", "--test", "b"];
        let args = Command::parse_from(words.iter().chain(extra)).eval;
        let sample = |class, kind: Option<&str>| Sample {
            class,
            kind: kind.map(Into::into),
            ..Sample::default()
        };
        let samples = vec![
            sample(Class::Normal, None),
            sample(Class::Normal, None),
            sample(Class::Abnormal, Some("lost | \u{1b}[2J")),
            sample(Class::Abnormal, Some("late")),
        ];
        let dataset = Dataset::of(Part::new(Corpus::default(), samples));
        let scored = [
            Scored {
                p_values: vec![0.5, 0.9, 0.4, 0.001],
                asked_rate: Some(0.01),
                ..Scored::above(ENSEMBLE, vec![0.0, 0.0, 0.0, 2.0], 1.0)
            },
            Scored::above("unseen_template", vec![0.0, 0.0, 1.0, 1.0], 0.5),
        ];
        let followers = Followers::new(&dataset);
        let rows = scored
            .iter()
            .map(|one| Row::new(one, &dataset, &followers, 1))
            .collect();
        Report::new(&args, &dataset, &scored, rows)
    }

    #[test]
    fn scripts_find_the_fields_they_know() {
        let json = serde_json::to_value(report(&[])).unwrap();
        let ours = &json["rows"][0];
        for field in [
            "detector",
            "threshold",
            "precision",
            "recall",
            "f1",
            "f1_interval",
            "f1_best",
            "auroc",
            "average_precision",
            "false_alarms",
            "false_alarms_per_10k",
            "missed",
            "asked",
            "calibration_error",
            "recall_by_kind",
            "drift",
        ] {
            assert!(!ours[field].is_null(), "{field} of {ours}");
        }
        assert_eq!(ours["threshold"], "label_free");
        assert_eq!(ours["recall_by_kind"]["late"], 1.0);
        assert_eq!(json["recall_by_kind"][ENSEMBLE]["late"]["found"], 1);
    }

    #[test]
    fn who_beats_us_is_said() {
        let text = report(&[]).to_string();
        assert!(text.contains("Here `unseen_template` beats `ensemble`."));
    }

    #[test]
    fn the_command_that_makes_it_again_has_every_choice() {
        let text = report(&["--inject", "--seeds", "3", "--alarm-rate", "0.01"]).to_string();
        let again = "knothole eval --layout seq --train a --test b --seed 1 --epochs 30 \
                     --alarm-rate 0.01 --inject --seeds 3";
        assert!(text.contains(again), "{text}");
    }

    #[test]
    fn names_out_of_a_set_cannot_break_a_table_or_drive_a_terminal() {
        let text = report(&[]).to_string();
        assert!(!text.contains('\u{1b}') && text.contains("| lost / \u{fffd}[2J | 1 |"));
    }
}
