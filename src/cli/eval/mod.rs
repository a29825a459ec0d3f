//! `knothole eval`: how good the detectors are on labelled sequences, beside simple baselines,
//! and how good the templates are on lines with labelled templates.
//!
//! ```text
//! layout ─▶ Dataset ─ inject ─▶ detectors ─▶ Scored ─ metrics ─▶ Row ─▶ report, plots
//! ```
//!
//! A layout gives the sequences to train on and the labelled ones to score; everything after is
//! the same for all layouts but [`parsing`] and [`alerts`].

mod alerts;
mod baselines;
mod chance;
mod dataset;
mod deeplog;
mod delay;
mod ensemble;
mod incidents;
mod inject;
mod interleave;
pub(super) mod layout;
mod metrics;
mod nearest;
pub(super) mod nezha;
mod parsing;
mod plot;
mod quiet;
mod ranking;
mod report;
mod rounds;
mod scored;
mod seeds;
mod told;
mod training;
pub(super) mod world;

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::dataset::Dataset;
use self::delay::Followers;
use self::layout::Layout;
use self::metrics::Row;
use self::plot::Plot;
use self::report::Report;
use self::scored::{Scored, over_parts};
use self::seeds::OverSeeds;
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
    /// Folder with the sequences to train on; `parsing` and `alerts` have none
    #[arg(long, value_name = "DIR")]
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
    /// Train with so many seeds, one after the other, and tell how far the figures spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    seeds: u64,
    /// Most passes over the training rows
    #[arg(long, value_name = "N", default_value_t = TrainSettings::default().epochs_max)]
    epochs: usize,
    /// Share of normal sequences that may raise an alarm [default: 0.002; more if there are fewer
    /// than 250 sequences to train on, half of one]
    #[arg(long, value_name = "SHARE")]
    alarm_rate: Option<f64>,
    /// Score faults that are put into the test's normal sequences (reordered, missing, repeated and
    /// foreign events) in place of the set's own
    #[arg(long)]
    inject: bool,
    /// Weave so many sequences into each other, in training and test, as a process that handles many
    /// requests at a time and names none writes them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    interleave: Option<u16>,
    /// Write report.md and plots (SVG) there as well; the folder is made if need be
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out these detectors
    #[arg(long, value_name = "ROWS", value_enum, value_delimiter = ',')]
    without: Vec<Rows>,
}

/// A group of detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// knothole's ensemble and its voices
    Ensemble,
    /// DeepLog as published
    Deeplog,
    /// What needs no training to speak of
    Baselines,
}

/// Most seeds of one run.
const SEEDS_MAX: u64 = 100;

const EXAMPLES: &str = "\
Trains on the normal training part alone and scores labelled sequences, beside simple detectors.
Thresholds marked label_free saw no label; those marked best were chosen on the labels of the test
and only show what a lucky choice would give.

Examples:
  knothole eval --layout hdfs --train hdfs/ --test hdfs/
  knothole eval --layout hdfs-own --train datasets/hdfs/train --test datasets/hdfs/small
  knothole eval --layout seq --train set/ --test set/ --seeds 5 --json | jq .rows
  knothole eval --layout hdfs --train hdfs/ --test hdfs/ --inject --out report/
  knothole eval --layout parsing --test parsing_2k/

datasets/README.md says which files each layout has, so that you can bring your own.";

pub(crate) fn run(args: &EvalArgs) -> Result<Outcome, Failure> {
    if matches!(
        args.layout,
        Layout::Parsing | Layout::Thunderbird | Layout::Alerts | Layout::Nezha
    ) && (args.inject || args.interleave.is_some())
    {
        let told = "this layout has no sequences that --inject or --interleave could change";
        return Err(anyhow::anyhow!(told)).or_use();
    }
    match args.layout {
        Layout::Parsing => print(&parsing::measure(&args.test).or_use()?, args.json),
        Layout::Alerts => print(&alerts::measure(&args.test).or_use()?, args.json),
        Layout::Thunderbird => {
            let train = train_folder(args).or_use()?;
            let found = incidents::measure(train, &args.test, &training(args, args.seed));
            print(&found.or_use()?, args.json)
        }
        Layout::Nezha => {
            let train = train_folder(args).or_use()?;
            print(&nezha::measure(train, &args.test).or_use()?, args.json)
        }
        _ => {
            let (report, plots) = measure(args).or_use()?;
            if let Some(folder) = &args.out {
                write_out(folder, &report, &plots).or_environment()?;
            }
            print(&report, args.json)
        }
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

/// Writes the report with its plots.
fn write_out(folder: &Path, report: &Report, plots: &[Plot]) -> anyhow::Result<()> {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut text = report.to_string();
    for plot in plots {
        write(plot.file, &plot.svg)?;
        text += &format!("\n![{}]({})\n", plot.title, plot.file);
    }
    write("report.md", &text)
}

fn measure(args: &EvalArgs) -> anyhow::Result<(Report, Vec<Plot>)> {
    let mut dataset = args.layout.read(train_folder(args)?, &args.test)?;
    if args.inject {
        inject::inject(&mut dataset, args.seed);
    }
    if let Some(at_once) = args.interleave {
        interleave::interleave(&mut dataset, usize::from(at_once));
    }
    let scored = score(args, args.seed, &dataset)?;
    let followers = Followers::new(&dataset);
    let rows_of = |scored: &[Scored]| -> Vec<Row> {
        scored
            .iter()
            .map(|one| Row::new(one, &dataset, &followers, args.seed))
            .collect()
    };
    let mut rows = rows_of(&scored);
    let mut over_seeds = vec![rows.clone()];
    for seed in (1..args.seeds).map(|more| args.seed.wrapping_add(more)) {
        over_seeds.push(rows_of(&trained(args, seed, &dataset)?));
    }
    for row in &mut rows {
        let same = over_seeds.iter().flatten();
        let same: Vec<&Row> = same.filter(|one| one.detector == row.detector).collect();
        row.seeds = OverSeeds::new(&same);
    }
    let plots = plot::plots(&scored, &rows, &dataset);
    Ok((Report::new(args, &dataset, &scored, rows), plots))
}

fn train_folder(args: &EvalArgs) -> anyhow::Result<&Path> {
    let train = args.train.as_deref();
    train.context("this layout needs --train DIR; it may be the folder of --test")
}

fn training(args: &EvalArgs, seed: u64) -> TrainSettings {
    TrainSettings {
        seed,
        epochs_max: args.epochs,
        alarm_rate: args.alarm_rate,
        ..TrainSettings::default()
    }
}

/// What all detectors say: knothole's, DeepLog and the simple ones.
fn score(args: &EvalArgs, seed: u64, dataset: &Dataset) -> anyhow::Result<Vec<Scored>> {
    let mut scored = trained(args, seed, dataset)?;
    if !args.without.contains(&Rows::Baselines) {
        scored.extend(over_parts(&dataset.parts, |part| {
            Ok(baselines::baselines(part))
        })?);
    }
    Ok(scored)
}

/// What the detectors say that depend on a seed.
fn trained(args: &EvalArgs, seed: u64, dataset: &Dataset) -> anyhow::Result<Vec<Scored>> {
    let settings = training(args, seed);
    let has = |rows| !args.without.contains(&rows);
    let mut scored = over_parts(&dataset.parts, |part| {
        let mut scored = Vec::new();
        if has(Rows::Ensemble) {
            let ours = ensemble::ensemble(part, &settings);
            scored.extend(ours.context("training knothole's detector")?);
        }
        if has(Rows::Deeplog) {
            scored.extend(deeplog::deeplog(part, &settings).context("training DeepLog")?);
        }
        Ok(scored)
    })?;
    scored.extend(deeplog::best_g(&scored, dataset));
    Ok(scored)
}
