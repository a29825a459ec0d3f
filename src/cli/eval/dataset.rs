//! Labelled sequences from folders in the layouts of the public sets.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::{Layout, hdfs_own};
use crate::core::detect::EventSequence;
use crate::core::event::TemplateRef;
use crate::core::record::TemplateId;
use crate::core::train::Corpus;

/// What an evaluation works on.
pub(super) struct Dataset {
    /// Normal sequences, and the templates in them, most frequent first.
    pub(super) corpus: Corpus,
    /// The sequences to score.
    pub(super) samples: Vec<Sample>,
    /// How many sequences of the full set each normal and each abnormal sample stands for.
    pub(super) weights: Weights,
}

/// A labelled sequence.
pub(super) struct Sample {
    pub(super) sequence: EventSequence,
    pub(super) abnormal: bool,
    /// The kind of fault, where the set names it.
    pub(super) kind: Option<Box<str>>,
}

/// How much a sample of each class counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weights {
    pub(super) normal: f64,
    pub(super) abnormal: f64,
}

/// Normal and abnormal test sessions of HDFS with the usual split (558,223 normal sessions less
/// one per cent for training), so that precision is told at the full set's class ratio.
const HDFS_TEST_SESSIONS: (f64, f64) = (552_640.0, 16_838.0);
/// Longest file of event ids that is read.
const FILE_LEN_MAX: u64 = 1 << 30;

impl Dataset {
    pub(super) fn read(layout: Layout, train: &Path, test: &Path) -> anyhow::Result<Self> {
        match layout {
            Layout::Hdfs => {
                let train = read_ids(&first(train, &["train.seq", "hdfs_train"])?)?;
                let normal = read_ids(&first(test, &["normal.seq", "hdfs_test_normal"])?)?;
                let abnormal = read_ids(&first(test, &["abnormal.seq", "hdfs_test_abnormal"])?)?;
                let weights = Weights {
                    normal: HDFS_TEST_SESSIONS.0 / normal.len() as f64,
                    abnormal: HDFS_TEST_SESSIONS.1 / abnormal.len() as f64,
                };
                Self::of_ids(train, normal, abnormal, weights)
            }
            Layout::Seq => {
                let train = read_ids(&first(train, &["train.seq"])?)?;
                let normal = read_ids(&first(test, &["test_normal.seq"])?)?;
                let abnormal = read_ids(&first(test, &["test_abnormal.seq"])?)?;
                Self::of_ids(
                    train,
                    normal,
                    abnormal,
                    Weights {
                        normal: 1.0,
                        abnormal: 1.0,
                    },
                )
            }
            Layout::HdfsOwn => hdfs_own::read(train, test),
            Layout::Parsing => bail!("this layout has lines, not sequences"),
        }
    }

    pub(super) fn count(&self, abnormal: bool) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.abnormal == abnormal)
            .count()
    }

    fn of_ids(
        train: Vec<EventSequence>,
        normal: Vec<EventSequence>,
        abnormal: Vec<EventSequence>,
        weights: Weights,
    ) -> anyhow::Result<Self> {
        let sample = |abnormal| {
            move |sequence| Sample {
                sequence,
                abnormal,
                kind: None,
            }
        };
        let samples = normal.into_iter().map(sample(false));
        let samples = samples
            .chain(abnormal.into_iter().map(sample(true)))
            .collect();
        let templates = by_frequency(&train, |id| format!("event {}", id.0).into());
        let corpus = Corpus {
            masks_version: 0,
            templates,
            sequences: train,
        };
        Ok(Self {
            corpus,
            samples,
            weights,
        })
    }
}

/// The templates that occur in `sequences`, most frequent first.
pub(super) fn by_frequency(
    sequences: &[EventSequence],
    text: impl Fn(TemplateId) -> Box<str>,
) -> Vec<TemplateRef> {
    let mut counts: BTreeMap<TemplateId, u64> = BTreeMap::new();
    for event in sequences.iter().flat_map(|sequence| &sequence.events) {
        *counts.entry(*event).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(id, count)| (u64::MAX - count, *id));
    counts
        .into_iter()
        .map(|(id, _)| TemplateRef { id, text: text(id) })
        .collect()
}

/// The first of `names` that is a file in `folder`.
pub(super) fn first(folder: &Path, names: &[&str]) -> anyhow::Result<PathBuf> {
    let found = names
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{} has no {}", folder.display(), names.join(" or ")))
}

/// One sequence a line, event numbers separated by blanks.
fn read_ids(path: &Path) -> anyhow::Result<Vec<EventSequence>> {
    let len = fs::metadata(path)
        .with_context(|| format!("reading {}", path.display()))?
        .len();
    ensure!(
        len <= FILE_LEN_MAX,
        "{} is longer than 1 GiB",
        path.display()
    );
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut sequences = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = || format!("{}:{}", path.display(), index + 1);
        let events = line
            .split_ascii_whitespace()
            .map(|word| word.parse().map(TemplateId));
        let events: Vec<_> = events.collect::<Result<_, _>>().with_context(|| {
            format!(
                "{}: not a line of event numbers such as \"5 22 5\"",
                place()
            )
        })?;
        if !events.is_empty() {
            sequences.push(EventSequence::whole(events));
        }
    }
    if sequences.is_empty() {
        bail!("{} has no sequence", path.display());
    }
    Ok(sequences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_the_hdfs_files_are_read_and_weighted_to_the_full_set() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("hdfs_train", "5 5 22\n5 22\n");
        write("hdfs_test_normal", "5 22\n5 5 22 \n\n");
        write("abnormal.seq", "7\n");
        let dataset = Dataset::read(Layout::Hdfs, folder.path(), folder.path()).unwrap();
        assert_eq!((dataset.count(false), dataset.count(true)), (2, 1));
        assert_eq!(
            dataset.weights,
            Weights {
                normal: 276_320.0,
                abnormal: 16_838.0
            }
        );
        let ids: Vec<u64> = dataset
            .corpus
            .templates
            .iter()
            .map(|each| each.id.0)
            .collect();
        assert_eq!(ids, [5, 22]);
    }

    #[test]
    fn a_bad_line_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.seq"), "5 5\n5 x\n").unwrap();
        let error = read_ids(&folder.path().join("train.seq")).unwrap_err();
        assert!(format!("{error:#}").contains("train.seq:2: not a line of event numbers"));
    }

    #[test]
    fn a_missing_file_is_told_by_every_name_it_could_have() {
        let folder = tempfile::tempdir().unwrap();
        let error = Dataset::read(Layout::Hdfs, folder.path(), folder.path())
            .err()
            .unwrap();
        assert!(format!("{error:#}").contains("has no train.seq or hdfs_train"));
    }
}
