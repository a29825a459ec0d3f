//! The table a person reads, and the same as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::EvalArgs;
use super::dataset::Dataset;
use super::metrics::{Row, Scored, Threshold};

/// Everything an evaluation found, with how it was found.
#[derive(Serialize)]
pub(super) struct Report {
    layout: &'static str,
    seed: u64,
    epochs_max: usize,
    train: Trained,
    test: Tested,
    rows: Vec<Row>,
    /// Detector → kind of fault → share found. Empty where the set names no kinds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    recall_by_kind: BTreeMap<&'static str, BTreeMap<Box<str>, Found>>,
    again: String,
}

#[derive(Serialize)]
struct Trained {
    sequences: usize,
    records: usize,
    templates: usize,
}

#[derive(Serialize)]
struct Tested {
    normal: usize,
    abnormal: usize,
    normal_weight: f64,
    abnormal_weight: f64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Found {
    found: usize,
    of: usize,
}

/// What each row is, in the order of the rows.
const LEGEND: [(&str, &str); 6] = [
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
        "count_vector",
        "distance to the nearest training sequence in template counts, rare ones weighing more; threshold: 99.95 % of training sequences pass against all others",
    ),
    (
        "knothole",
        "the order detector of `knothole serve`: begin and end judged, new templates, top g from held-out training sequences",
    ),
];

impl Report {
    pub(super) fn new(args: &EvalArgs, dataset: &Dataset, scored: &[Scored]) -> Self {
        let corpus = &dataset.corpus;
        Self {
            layout: args.layout.name(),
            seed: args.seed,
            epochs_max: args.epochs,
            train: Trained {
                sequences: corpus.sequences.len(),
                records: corpus
                    .sequences
                    .iter()
                    .map(|sequence| sequence.events.len())
                    .sum(),
                templates: corpus.templates.len(),
            },
            test: Tested {
                normal: dataset.count(false),
                abnormal: dataset.count(true),
                normal_weight: dataset.weights.normal,
                abnormal_weight: dataset.weights.abnormal,
            },
            rows: scored
                .iter()
                .map(|each| Row::new(each, dataset, args.seed))
                .collect(),
            recall_by_kind: recall_by_kind(dataset, scored),
            again: again(args),
        }
    }

    /// Label-free rows that beat knothole's.
    fn better(&self) -> Vec<&Row> {
        let ours = self.rows.iter().find(|row| row.detector == "knothole");
        let ours = ours.map_or(0.0, |row| row.f1);
        let fair = self
            .rows
            .iter()
            .filter(|row| row.threshold == Threshold::LabelFree);
        fair.filter(|row| row.f1 > ours).collect()
    }
}

fn again(args: &EvalArgs) -> String {
    let EvalArgs {
        layout,
        train,
        test,
        json: _,
        seed,
        epochs,
    } = args;
    let train = train.as_deref().unwrap_or(test).display();
    let (layout, test) = (layout.name(), test.display());
    format!(
        "knothole eval --layout {layout} --train {train} --test {test} --seed {seed} --epochs {epochs}"
    )
}

fn recall_by_kind(
    dataset: &Dataset,
    scored: &[Scored],
) -> BTreeMap<&'static str, BTreeMap<Box<str>, Found>> {
    let mut recalls = BTreeMap::new();
    for Scored {
        detector, alarms, ..
    } in scored
    {
        let mut kinds: BTreeMap<Box<str>, Found> = BTreeMap::new();
        for (sample, alarm) in dataset.samples.iter().zip(alarms) {
            if let (true, Some(kind)) = (sample.abnormal, &sample.kind) {
                let found = kinds.entry(kind.clone()).or_default();
                found.of += 1;
                found.found += usize::from(*alarm);
            }
        }
        if !kinds.is_empty() {
            recalls.insert(*detector, kinds);
        }
    }
    recalls
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            train, test, seed, ..
        } = self;
        writeln!(f, "## knothole eval, layout {}\n", self.layout)?;
        writeln!(
            f,
            "Trained on {} normal sequences ({} records, {} templates), seed {seed}, at most {} \
             passes; a fifth of them is held out to stop the training and to set thresholds.\n\
             Tested on {} normal and {} abnormal sequences, each standing for {:.1} and {:.1}.\n\
             `label_free` thresholds saw no label; `best` was chosen on the test's labels.\n\
             The interval holds 95 % of F1 when the test sequences are drawn again with \
             replacement (seed {seed}).\n",
            train.sequences,
            train.records,
            train.templates,
            self.epochs_max,
            test.normal,
            test.abnormal,
            test.normal_weight,
            test.abnormal_weight,
        )?;
        self.write_rows(f)?;
        self.write_kinds(f)?;
        for (name, meaning) in LEGEND {
            writeln!(f, "- `{name}`: {meaning}.")?;
        }
        for row in self.better() {
            writeln!(f, "\nHere `{}` beats `knothole`.", row.detector)?;
        }
        writeln!(f, "\nAgain: `{}`", self.again)
    }
}

impl Report {
    fn write_rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| detector | threshold | precision | recall | F1 | 95 % interval | AUROC |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let [low, high] = row.f1_interval;
            writeln!(
                f,
                "| {} | {} | {:.3} | {:.3} | {:.3} | {low:.3}–{high:.3} | {:.3} |",
                row.detector,
                row.threshold.name(),
                row.precision,
                row.recall,
                row.f1,
                row.auroc,
            )?;
        }
        writeln!(f)
    }

    fn write_kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(kinds) = self.recall_by_kind.values().next() else {
            return Ok(());
        };
        let detectors: Vec<&str> = self.rows.iter().map(|row| row.detector).collect();
        writeln!(f, "Recall by kind of fault:\n")?;
        writeln!(f, "| fault | sequences | {} |", detectors.join(" | "))?;
        writeln!(f, "|---|---|{}", "---|".repeat(detectors.len()))?;
        for (kind, Found { of, .. }) in kinds {
            write!(f, "| {kind} | {of} |")?;
            for detector in &detectors {
                let found = self
                    .recall_by_kind
                    .get(detector)
                    .and_then(|kinds| kinds.get(kind));
                let Found { found, of } = found.copied().unwrap_or_default();
                write!(f, " {:.2} |", found as f64 / (of as f64).max(1.0))?;
            }
            writeln!(f)?;
        }
        writeln!(f)
    }
}
