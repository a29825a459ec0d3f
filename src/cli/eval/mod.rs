//! `knothole eval`: how good the detectors are on labelled sequences, beside simple baselines.
//!
//! A layout gives the sequences to train on and the labelled ones to score; everything after is
//! the same for all layouts.

mod baselines;
mod dataset;
mod metrics;
mod order;
mod report;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::dataset::Dataset;
use self::report::Report;
use crate::core::train::TrainSettings;

/// Measure the detectors on a labelled set, beside simple baselines.
///
/// Trains on the normal training part alone. Thresholds marked label_free saw no label; those
/// marked best were chosen on the test's labels and only show what a lucky choice would give.
#[derive(Args, Clone, Debug)]
pub(crate) struct EvalArgs {
    /// How the folders are laid out.
    #[arg(long, value_enum)]
    layout: Layout,
    /// Folder with the sequences to train on.
    #[arg(long, value_name = "DIR")]
    train: PathBuf,
    /// Folder with the sequences to score; may be the same.
    #[arg(long, value_name = "DIR")]
    test: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Seed of the training, of what is held out and of the intervals.
    #[arg(long, default_value_t = TrainSettings::default().seed)]
    seed: u64,
    /// Most passes over the training rows.
    #[arg(long, value_name = "N", default_value_t = TrainSettings::default().epochs_max)]
    epochs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// HDFS as event ids: train.seq; normal.seq and abnormal.seq (or hdfs_train,
    /// hdfs_test_normal, hdfs_test_abnormal). Weighted to the full set's class sizes.
    Hdfs,
    /// Event ids: train.seq; test_normal.seq and test_abnormal.seq.
    Seq,
}

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Self::Hdfs => "hdfs",
            Self::Seq => "seq",
        }
    }
}

/// Prints the table (or the JSON object) on stdout.
pub(crate) fn run(args: EvalArgs) -> anyhow::Result<()> {
    let dataset = Dataset::read(args.layout, &args.train, &args.test)?;
    let settings =
        TrainSettings { seed: args.seed, epochs_max: args.epochs, ..TrainSettings::default() };
    let mut scored = order::deeplog(&dataset, &settings).context("training DeepLog")?;
    scored.push(baselines::unseen_template(&dataset));
    scored.push(baselines::count_vector(&dataset));
    scored.push(order::knothole(&dataset, &settings).context("training knothole's detector")?);
    let report = Report::new(&args, &dataset, &scored);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
