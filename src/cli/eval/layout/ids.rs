//! Sequences as event numbers, one a line: nothing is known of their times, values or texts.

use std::path::Path;

use anyhow::{Context, bail};

use super::{first, read_whole};
use crate::cli::eval::dataset::{Class, Dataset, Part, Sample, Weights, by_frequency};
use crate::core::detect::EventSequence;
use crate::core::record::TemplateId;
use crate::core::train::Corpus;

/// Normal and abnormal test sessions of HDFS with the usual split (558,223 normal sessions less
/// one per cent for training), so that precision is told at the full set's class ratio.
const HDFS_TEST_SESSIONS: Weights = Weights {
    normal: 552_640.0,
    abnormal: 16_838.0,
};
/// Most of the containers of Hadoop's faulty runs are labelled by their run.
const HADOOP_WARNING: &str = "In this set a container is abnormal because its application met a \
    fault, whether the container noticed or not, and most of the test is abnormal: flagging \
    everything has a high F1. Do not rank detectors by it.";

/// `train.seq`, `test_normal.seq`, `test_abnormal.seq`.
pub(super) fn read(train: &Path, test: &Path) -> anyhow::Result<Dataset> {
    let train = read_ids(&first(train, &["train.seq"])?)?;
    let normal = read_ids(&first(test, &["test_normal.seq"])?)?;
    let abnormal = read_ids(&first(test, &["test_abnormal.seq"])?)?;
    Ok(Dataset::of(part(train, normal, abnormal)))
}

/// The files of HDFS by either of their names, weighted to the full set.
pub(super) fn read_hdfs(train: &Path, test: &Path) -> anyhow::Result<Dataset> {
    let train = read_ids(&first(train, &["train.seq", "hdfs_train"])?)?;
    let normal = read_ids(&first(test, &["normal.seq", "hdfs_test_normal"])?)?;
    let abnormal = read_ids(&first(test, &["abnormal.seq", "hdfs_test_abnormal"])?)?;
    let weights = Weights {
        normal: HDFS_TEST_SESSIONS.normal / normal.len() as f64,
        abnormal: HDFS_TEST_SESSIONS.abnormal / abnormal.len() as f64,
    };
    Ok(Dataset {
        weights,
        ..Dataset::of(part(train, normal, abnormal))
    })
}

/// As [`read`], with a warning about what the labels mean.
pub(super) fn read_hadoop(train: &Path, test: &Path) -> anyhow::Result<Dataset> {
    Ok(Dataset {
        warning: Some(HADOOP_WARNING),
        ..read(train, test)?
    })
}

fn part(
    train: Vec<EventSequence>,
    normal: Vec<EventSequence>,
    abnormal: Vec<EventSequence>,
) -> Part {
    let normal = normal
        .into_iter()
        .map(|sequence| Sample::new(sequence, Class::Normal));
    let abnormal = abnormal
        .into_iter()
        .map(|sequence| Sample::new(sequence, Class::Abnormal));
    let templates = by_frequency(&train, |id| format!("event {}", id.0).into());
    let corpus = Corpus {
        masks_version: 0,
        templates,
        sequences: train,
        idle_timeout: None,
    };
    Part::new(corpus, normal.chain(abnormal).collect())
}

/// One sequence a line, event numbers separated by blanks.
fn read_ids(path: &Path) -> anyhow::Result<Vec<EventSequence>> {
    let text = read_whole(path)?;
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
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn both_names_of_the_hdfs_files_are_read_and_weighted_to_the_full_set() {
        let folder = folder(&[
            ("hdfs_train", "5 5 22\n5 22\n"),
            ("hdfs_test_normal", "5 22\n5 5 22 \n\n"),
            ("abnormal.seq", "7\n"),
        ]);
        let dataset = read_hdfs(folder.path(), folder.path()).unwrap();
        let counts = (dataset.count(Class::Normal), dataset.count(Class::Abnormal));
        assert_eq!(counts, (2, 1));
        assert_eq!(
            dataset.weights,
            Weights {
                normal: 276_320.0,
                abnormal: 16_838.0
            }
        );
        let templates = &dataset.parts[0].corpus.templates;
        let ids: Vec<u64> = templates.iter().map(|each| each.id.0).collect();
        assert_eq!(ids, [5, 22]);
    }

    #[test]
    fn train_and_test_may_be_two_folders() {
        let train = folder(&[("train.seq", "1 2\n1 2\n")]);
        let test = folder(&[("test_normal.seq", "1 2\n"), ("test_abnormal.seq", "2 1\n")]);
        let dataset = read_hadoop(train.path(), test.path()).unwrap();
        assert_eq!(dataset.parts[0].corpus.sequences.len(), 2);
        assert_eq!(dataset.count(Class::Abnormal), 1);
        assert!(dataset.warning.unwrap().contains("Do not rank"));
    }

    #[test]
    fn a_bad_line_is_named_with_its_place() {
        let folder = folder(&[("train.seq", "5 5\n5 x\n")]);
        let error = read_ids(&folder.path().join("train.seq")).unwrap_err();
        assert!(format!("{error:#}").contains("train.seq:2: not a line of event numbers"));
    }

    #[test]
    fn a_missing_file_is_told_by_every_name_it_could_have() {
        let folder = folder(&[]);
        let error = read_hdfs(folder.path(), folder.path()).err().unwrap();
        assert!(format!("{error:#}").contains("has no train.seq or hdfs_train"));
    }
}
