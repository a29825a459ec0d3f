//! knothole's own HDFS set: raw lines, with labels by what was done to each block.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::mined::{Reader, Told, append};
use super::{first, is_same, read_whole};
use crate::cli::eval::dataset::{Class, Dataset, Part, Sample};
use crate::cli::lines::Lines;
use crate::core::detect::EventSequence;
use crate::core::parse::read_head;
use crate::core::record::Timestamp;
use crate::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};

/// A block that had a line in the last so many seconds of its log may not have ended there: the
/// time-out that `knothole demo` gives its sequences.
const QUIET: Duration = Duration::from_secs(60);

/// The blocks of one log, in the order of their first lines.
#[derive(Default)]
struct Blocks {
    order: Vec<Box<str>>,
    sequences: BTreeMap<Box<str>, EventSequence>,
}

/// What was done to a block.
struct Label {
    /// `None` for X: copied again because a node died.
    class: Option<Class>,
    fault: Box<str>,
    time: Option<Timestamp>,
}

type Labels = BTreeMap<Box<str>, Label>;

/// The blocks to train on.
struct Learned {
    blocks: BTreeSet<Box<str>>,
    /// Whether somebody made sure that the log has all of their lives.
    whole: bool,
}

/// Trains on the blocks in `train.ids` of `train`, or, without that file, on those before the first
/// block (in the order of ids) labelled other than N; scores all other blocks of `train` if `test`
/// is the same folder, else all blocks of `test`. Blocks labelled X are left out.
///
/// Templates are mined over the lines of both folders, in order; no label is read for it.
pub(super) fn read(train: &Path, test: &Path) -> anyhow::Result<Dataset> {
    let finder = KeyFinder::new(DEFAULT_BODY_IDS)?;
    let mut reader = Reader::default();
    let learned = learned(train)?;
    let labels = read_labels(test)?;
    let mut trained = read_blocks(train, &mut reader, &finder)?;
    let tested = if is_same(train, test)? {
        None
    } else {
        Some(read_blocks(test, &mut reader, &finder)?)
    };
    let sequences: Vec<EventSequence> = trained
        .order
        .iter()
        .filter(|block| learned.blocks.contains(*block))
        .filter_map(|block| trained.sequences.remove(block))
        .map(|sequence| EventSequence {
            ends: sequence.ends || learned.whole,
            ..reader.resolve(sequence)
        })
        .collect();
    let samples = samples(tested.unwrap_or(trained), &labels, &reader);
    let part = Part::new(reader.corpus(sequences), samples);
    Ok(Dataset {
        end_noticed_after: QUIET,
        ..Dataset::of(part)
    })
}

fn samples(blocks: Blocks, labels: &Labels, reader: &Reader) -> Vec<Sample> {
    let Blocks {
        order,
        mut sequences,
    } = blocks;
    let mut samples = Vec::new();
    for block in order {
        let Some(sequence) = sequences.remove(&block) else {
            continue;
        };
        let Some(label) = labels.get(&block) else {
            continue;
        };
        let Some(class) = label.class else {
            continue;
        };
        samples.push(Sample {
            kind: Some(label.fault.clone()),
            fault_at: label.time,
            ..Sample::new(reader.resolve(sequence), class)
        });
    }
    samples
}

fn read_blocks(folder: &Path, reader: &mut Reader, finder: &KeyFinder) -> anyhow::Result<Blocks> {
    let path = first(folder, &["hdfs.log", "hdfs.log.zst", "hdfs.log.xz"])?;
    let mut lines = Lines::open(&path)?;
    let mut records: Vec<(Told, Vec<Box<str>>)> = Vec::new();
    let mut time = Timestamp::ZERO;
    while let Some(line) = lines.next_line()? {
        let told = reader.read(line, time);
        time = told.time;
        let blocks = finder.body_ids(line).into_iter().map(Into::into);
        records.push((told, blocks.collect()));
    }
    // Nodes write to one file without waiting for each other; the daemon puts records in order.
    records.sort_by_key(|(told, _)| told.time);
    let end = records
        .last()
        .map_or(Timestamp::ZERO, |(told, _)| told.time);
    let mut blocks = Blocks::default();
    for (told, names) in records {
        for name in names {
            let sequence = blocks.sequences.entry(name).or_insert_with_key(|name| {
                blocks.order.push(name.clone());
                EventSequence::whole(Vec::new())
            });
            append(sequence, &told);
            let quiet = end.since(told.time);
            sequence.ends = quiet > QUIET;
            sequence.quiet = Some(quiet);
        }
    }
    Ok(blocks)
}

fn learned(folder: &Path) -> anyhow::Result<Learned> {
    let Ok(path) = first(folder, &["train.ids"]) else {
        let labels = read_labels(folder).context("without train.ids, labels.tsv is needed")?;
        return Ok(Learned {
            blocks: before_first_fault(&labels)?,
            whole: false,
        });
    };
    let text = read_whole(&path)?;
    Ok(Learned {
        blocks: text.split_ascii_whitespace().map(Into::into).collect(),
        whole: true,
    })
}

/// The blocks whose ids come before that of the first block labelled other than N.
fn before_first_fault(labels: &Labels) -> anyhow::Result<BTreeSet<Box<str>>> {
    let mut ordered: Vec<(u64, &Box<str>, bool)> = labels
        .iter()
        .map(|(block, label)| {
            let is_normal = label.class == Some(Class::Normal);
            (number_of(block), block, is_normal)
        })
        .collect();
    ordered.sort_unstable();
    let blocks: BTreeSet<Box<str>> = ordered
        .into_iter()
        .take_while(|(.., is_normal)| *is_normal)
        .map(|(_, block, _)| block.clone())
        .collect();
    ensure!(
        !blocks.is_empty(),
        "the first block is labelled other than N, so there is nothing to train on; \
         list normal blocks in train.ids"
    );
    Ok(blocks)
}

/// The number that a block's name ends with.
fn number_of(block: &str) -> u64 {
    let digits = block.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    block
        .get(digits..)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(u64::MAX)
}

fn read_labels(folder: &Path) -> anyhow::Result<Labels> {
    let path = first(folder, &["labels.tsv"])?;
    let text = read_whole(&path)?;
    let mut labels = Labels::new();
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split('\t');
        let (block, class, fault) = (fields.next(), fields.next(), fields.next());
        let class = class.unwrap_or_default();
        ensure!(
            ["N", "A", "X"].contains(&class),
            "{}:{}: not a line of block, N, A or X, fault and time",
            path.display(),
            index + 1
        );
        let label = Label {
            class: match class {
                "N" => Some(Class::Normal),
                "A" => Some(Class::Abnormal),
                _ => None,
            },
            fault: fault.unwrap_or_default().into(),
            time: fields.next().and_then(|time| read_head(time, None).time),
        };
        labels.insert(block.unwrap_or_default().into(), label);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Block 1 is learned, 2 is normal, 3 faulty, 4 left out; 2's lines are out of order, and 3
    /// had its last line as the log ended.
    const LOG: &str = "\
2026-11-21T07:00:00.000 INFO Store: opened blk_100000001\n\
2026-11-21T07:00:02.000 INFO Store: closed blk_100000002 and blk_100000004\n\
2026-11-21T07:00:01.000 INFO Store: opened blk_100000002\n\
2026-11-21T07:00:03.000 INFO Store: closed blk_100000001\n\
2026-11-21T07:02:00.000 INFO Store: opened blk_100000003\n";

    const LABELS: &str = "\
blk_100000001\tN\t-\t-\n\
blk_100000002\tN\t-\t-\n\
blk_100000003\tA\tlost_ack\t-\n\
blk_100000004\tX\tdn_dead\t-\n";

    fn folder(ids: &str, labels: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("hdfs.log", LOG);
        write("train.ids", ids);
        write("labels.tsv", labels);
        folder
    }

    #[test]
    fn one_folder_trains_on_its_ids_and_scores_the_rest_but_x() {
        let folder = folder("blk_100000001\n", LABELS);
        let part = &read(folder.path(), folder.path()).unwrap().parts[0];
        assert_eq!(part.corpus.sequences.len(), 1);
        assert_eq!(part.corpus.sequences[0].events.len(), 2);
        let [normal, faulty] = &part.samples[..] else {
            panic!("two are scored")
        };
        assert_eq!((normal.is_abnormal(), faulty.is_abnormal()), (false, true));
        assert_eq!(faulty.kind.as_deref(), Some("lost_ack"));
        assert_eq!((normal.sequence.ends, faulty.sequence.ends), (true, false));
        // Block 1 was opened and closed in the order of the lines, 2 in that of their times.
        let opened = |sequence: &EventSequence| sequence.events[0];
        let trained = &part.corpus.sequences[0];
        assert_eq!(opened(&normal.sequence), opened(trained));
        assert!(normal.sequence.times[0] < normal.sequence.times[1]);
        assert_eq!(normal.sequence.values.len(), 2);
    }

    #[test]
    fn without_a_list_the_blocks_before_the_first_labelled_one_are_trained_on() {
        let folder = folder("", LABELS);
        fs::remove_file(folder.path().join("train.ids")).unwrap();
        let part = &read(folder.path(), folder.path()).unwrap().parts[0];
        assert_eq!(part.corpus.sequences.len(), 2);
        let [faulty] = &part.samples[..] else {
            panic!("one is left to score")
        };
        assert!(faulty.is_abnormal());
    }

    #[test]
    fn the_order_of_ids_is_that_of_their_numbers() {
        let labels = "blk_9\tN\t-\t-\nblk_10\tA\tslow\t2026-11-21T07:00:03Z\nblk_11\tN\t-\t-\n";
        let folder = folder("", labels);
        let labels = read_labels(folder.path()).unwrap();
        let blocks = before_first_fault(&labels).unwrap();
        assert_eq!(blocks, BTreeSet::from(["blk_9".into()]));
        assert!(labels["blk_10"].time.is_some());
    }

    #[test]
    fn of_two_folders_all_of_the_second_is_scored() {
        let train = folder("blk_100000001\n", LABELS);
        let test = folder("blk_100000001\n", LABELS);
        let dataset = read(train.path(), test.path()).unwrap();
        assert_eq!(dataset.parts[0].corpus.sequences.len(), 1);
        assert_eq!(dataset.samples().count(), 3);
    }

    #[test]
    fn a_label_of_an_unknown_class_is_named_with_its_place() {
        let folder = folder("", "blk_100000001\tN\t-\t-\nblk_100000002\tY\t-\t-\n");
        let error = read(folder.path(), folder.path())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("labels.tsv:2: not a line of block"),
            "{error}"
        );
    }
}
