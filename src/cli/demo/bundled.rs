//! What the demo brings along: log lines, their labels, and a model of another, fault-free run.

use std::collections::BTreeMap;

use super::super::failure::{Failure, OrFailure as _};

/// Trained on `datasets/hdfs/train`; `models/README.md` says how.
pub(super) const MODEL: &[u8] = include_bytes!("../../../models/hdfs-starter.safetensors");

const LOG: &[u8] = include_bytes!("../../../datasets/hdfs/small/hdfs.log.zst");
const LABELS: &str = include_str!("../../../datasets/hdfs/small/labels.tsv");

/// What was done to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Nothing.
    Normal,
    /// This kind of fault was injected.
    Faulty(Box<str>),
    /// It was touched by a fault elsewhere; whether it is abnormal is a matter of taste.
    Ambiguous,
}

impl Label {
    pub(super) fn is_faulty(&self) -> bool {
        matches!(self, Self::Faulty(_))
    }
}

/// The log lines in the order they were logged.
pub(super) fn lines() -> Result<Vec<String>, Failure> {
    let text = zstd::decode_all(LOG).or_environment()?;
    Ok(String::from_utf8_lossy(&text)
        .lines()
        .map(str::to_owned)
        .collect())
}

/// What was done to each block.
pub(super) fn labels() -> BTreeMap<Box<str>, Label> {
    let rows = LABELS.lines().filter_map(|row| {
        let mut columns = row.split('\t');
        let (block, verdict, kind) = (columns.next()?, columns.next()?, columns.next()?);
        let label = match verdict {
            "A" => Label::Faulty(kind.into()),
            "N" => Label::Normal,
            _ => Label::Ambiguous,
        };
        Some((block.into(), label))
    });
    rows.collect()
}
