//! How folders are laid out: one file for each family of layouts.

pub(super) mod alerts;
mod hdfs_own;
mod ids;
mod mined;
pub(in crate::cli) mod nezha;
mod nezha_logs;
pub(in crate::cli) mod openstack_fi;
mod table;
pub(super) mod thunderbird;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;

use super::dataset::Dataset;

/// The layouts that `knothole eval` reads; `datasets/README.md` describes the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Layout {
    /// HDFS as event ids: train.seq; normal.seq and abnormal.seq (or hdfs_train,
    /// hdfs_test_normal, hdfs_test_abnormal). Weighted to the full set's class sizes
    Hdfs,
    /// Event ids: train.seq; test_normal.seq and test_abnormal.seq
    Seq,
    /// Raw lines: hdfs.log (or .zst, .xz), labels.tsv and train.ids, as knothole's own HDFS set.
    /// Without train.ids the blocks before the first labelled one are trained on
    HdfsOwn,
    /// OpenStack under fault injection: NAME.tsv.gz for each campaign, rounds.tsv, split.tsv. A
    /// round is one sequence. With one folder, five stretches of time are scored in turn
    OpenstackFi,
    /// OpenStack instances as event ids: the files of `seq`
    OpenstackKalaki,
    /// Hadoop containers as event ids: the files of `seq`. Its F1 tells little
    Hadoop,
    /// Lines of many nodes with labels, streamed as `serve` would: raw.tsv (plain, .gz, .zst, .xz)
    Thunderbird,
    /// Traces of microservices, some minutes of them with a fault: logs.tsv.gz
    NezhaLogs,
    /// Alerts of other systems, joined to incidents: NAME.csv or NAME.txt for each network, in a
    /// folder or a .zip. Needs no --train
    Alerts,
    /// Microservices with injected faults, each played as if sent to `serve`: logs.tsv.gz, spans.tsv.gz,
    /// metrics.csv.gz and faults.tsv. Tells whether each is one incident with its cause
    Nezha,
    /// Lines with their templates: X_2k.log_structured_corrected.csv and X_2k.log_structured.csv
    /// for any system X, as in Loghub and Loghub-2.0, in the folder or one below
    Parsing,
}

/// Longest file that is read as a whole.
const FILE_LEN_MAX: u64 = 1 << 30;

impl Layout {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hdfs => "hdfs",
            Self::Seq => "seq",
            Self::HdfsOwn => "hdfs-own",
            Self::OpenstackFi => "openstack-fi",
            Self::OpenstackKalaki => "openstack-kalaki",
            Self::Hadoop => "hadoop",
            Self::Thunderbird => "thunderbird",
            Self::NezhaLogs => "nezha-logs",
            Self::Alerts => "alerts",
            Self::Nezha => "nezha",
            Self::Parsing => "parsing",
        }
    }

    /// Reads the sequences to learn from and those to score. No sequence is both.
    pub(super) fn read(self, train: &Path, test: &Path) -> anyhow::Result<Dataset> {
        match self {
            Self::Hdfs => ids::read_hdfs(train, test),
            Self::Seq | Self::OpenstackKalaki => ids::read(train, test),
            Self::Hadoop => ids::read_hadoop(train, test),
            Self::HdfsOwn => hdfs_own::read(train, test),
            Self::OpenstackFi => openstack_fi::read(train, test),
            Self::NezhaLogs => nezha_logs::read(train, test),
            Self::Thunderbird | Self::Nezha | Self::Parsing | Self::Alerts => {
                bail!("this layout has lines, not sequences")
            }
        }
    }
}

/// The first of `names` that is a file in `folder`.
fn first(folder: &Path, names: &[&str]) -> anyhow::Result<PathBuf> {
    let found = names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{} has no {}", folder.display(), names.join(" or ")))
}

/// A file of bounded length.
fn read_whole(path: &Path) -> anyhow::Result<String> {
    let about = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    ensure!(
        about.len() <= FILE_LEN_MAX,
        "{} is longer than 1 GiB",
        path.display()
    );
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Whether two paths lead to one folder.
pub(in crate::cli) fn is_same(a: &Path, b: &Path) -> anyhow::Result<bool> {
    let real =
        |path: &Path| fs::canonicalize(path).with_context(|| format!("reading {}", path.display()));
    Ok(real(a)? == real(b)?)
}
