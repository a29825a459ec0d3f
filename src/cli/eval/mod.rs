//! `knothole eval`: how good the detectors are on labelled sequences, beside simple baselines.
//!
//! A layout gives the sequences to train on and the labelled ones to score; everything after is
//! the same for all layouts.

mod baselines;
mod dataset;
mod hdfs_own;
mod metrics;
mod order;
mod report;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use self::dataset::Dataset;
use self::report::Report;
use super::failure::{Failure, OrFailure as _, Outcome};
use super::terminal::out;
use crate::core::train::TrainSettings;

/// `knothole eval`
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct EvalArgs {
    /// How the folders are laid out
    #[arg(long, value_enum)]
    layout: Layout,
    /// Folder with the sequences to train on
    #[arg(long, value_name = "DIR")]
    train: PathBuf,
    /// Folder with the sequences to score; may be the same
    #[arg(long, value_name = "DIR")]
    test: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Seed of the training, of what is held out and of the intervals
    #[arg(long, default_value_t = TrainSettings::default().seed)]
    seed: u64,
    /// Most passes over the training rows
    #[arg(long, value_name = "N", default_value_t = TrainSettings::default().epochs_max)]
    epochs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// HDFS as event ids: train.seq; normal.seq and abnormal.seq (or hdfs_train,
    /// hdfs_test_normal, hdfs_test_abnormal). Weighted to the full set's class sizes
    Hdfs,
    /// Event ids: train.seq; test_normal.seq and test_abnormal.seq
    Seq,
    /// Raw lines: hdfs.log (or .zst, .xz), train.ids and labels.tsv, as knothole's own HDFS set.
    /// With one folder for both, what is not in train.ids is scored
    HdfsOwn,
}

const EXAMPLES: &str = "\
Trains on the normal training part alone and scores labelled sequences, beside simple detectors.
Thresholds marked label_free saw no label; those marked best were chosen on the labels of the test
and only show what a lucky choice would give.

Examples:
  knothole eval --layout hdfs --train hdfs/ --test hdfs/
  knothole eval --layout hdfs-own --train datasets/hdfs/train --test datasets/hdfs/small
  knothole eval --layout seq --train set/ --test set/ --seed 2 --json | jq .rows";

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Self::Hdfs => "hdfs",
            Self::Seq => "seq",
            Self::HdfsOwn => "hdfs-own",
        }
    }
}

pub(crate) fn run(args: &EvalArgs) -> Result<Outcome, Failure> {
    let report = measure(args).or_use()?;
    let mut out = out();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn measure(args: &EvalArgs) -> anyhow::Result<Report> {
    let dataset = Dataset::read(args.layout, &args.train, &args.test)?;
    let settings = TrainSettings {
        seed: args.seed,
        epochs_max: args.epochs,
        ..TrainSettings::default()
    };
    let mut scored = order::deeplog(&dataset, &settings).context("training DeepLog")?;
    scored.push(baselines::unseen_template(&dataset));
    scored.push(baselines::count_vector(&dataset));
    scored.push(order::knothole(&dataset, &settings).context("training knothole's detector")?);
    Ok(Report::new(args, &dataset, &scored))
}
