//! `knothole eval`: how good the detectors are on labelled sequences, beside simple baselines,
//! and how good the templates are on lines with labelled templates.
//!
//! A layout gives the sequences to train on and the labelled ones to score; everything after is
//! the same for all layouts but [`parsing`].

mod baselines;
mod dataset;
mod hdfs_own;
mod metrics;
mod order;
mod parsing;
mod report;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

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
    /// Folder with the sequences to train on; `parsing` has none
    #[arg(long, value_name = "DIR", required_if_eq_any = [("layout", "hdfs"), ("layout", "seq"), ("layout", "hdfs-own")])]
    train: Option<PathBuf>,
    /// Folder with the sequences to score, or with the labelled lines; may be the same
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
    /// Lines with their templates: X_2k.log_structured_corrected.csv and X_2k.log_structured.csv
    /// for any system X, as in Loghub and Loghub-2.0, in the folder or one below
    Parsing,
}

const EXAMPLES: &str = "\
Trains on the normal training part alone and scores labelled sequences, beside simple detectors.
Thresholds marked label_free saw no label; those marked best were chosen on the labels of the test
and only show what a lucky choice would give.

Examples:
  knothole eval --layout hdfs --train hdfs/ --test hdfs/
  knothole eval --layout hdfs-own --train datasets/hdfs/train --test datasets/hdfs/small
  knothole eval --layout seq --train set/ --test set/ --seed 2 --json | jq .rows
  knothole eval --layout parsing --test parsing_2k/";

impl Layout {
    fn name(self) -> &'static str {
        match self {
            Self::Hdfs => "hdfs",
            Self::Seq => "seq",
            Self::HdfsOwn => "hdfs-own",
            Self::Parsing => "parsing",
        }
    }
}

pub(crate) fn run(args: &EvalArgs) -> Result<Outcome, Failure> {
    match args.layout {
        Layout::Hdfs | Layout::Seq | Layout::HdfsOwn => print(&measure(args).or_use()?, args.json),
        Layout::Parsing => print(&parsing::measure(&args.test).or_use()?, args.json),
    }
}

fn print(report: &(impl Serialize + Display), json: bool) -> Result<Outcome, Failure> {
    let mut out = out();
    if json {
        serde_json::to_writer_pretty(&mut out, report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn measure(args: &EvalArgs) -> anyhow::Result<Report> {
    let train = args.train.as_deref().context("this layout needs --train")?;
    let dataset = Dataset::read(args.layout, train, &args.test)?;
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
