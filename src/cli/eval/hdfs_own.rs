//! knothole's own HDFS set: raw lines, with labels by what was done to each block.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::dataset::{Dataset, Sample, Weights, by_frequency, first};
use crate::cli::lines::Lines;
use crate::core::detect::EventSequence;
use crate::core::parse::{MASKS_VERSION, Miner, read_head};
use crate::core::record::{TemplateId, Timestamp};
use crate::core::sequence::{DEFAULT_BODY_IDS, KeyFinder};
use crate::core::train::Corpus;

/// A block that had a line in the last so many seconds of its log may not have ended there: the
/// time-out that `knothole demo` gives its sequences.
const QUIET: Duration = Duration::from_secs(60);

/// The blocks of one log, in the order of their first lines.
struct Blocks {
    order: Vec<Box<str>>,
    sequences: BTreeMap<Box<str>, EventSequence>,
}

/// What was done to a block.
struct Label {
    /// `N` normal, `A` faulty, `X` copied again because a node died.
    class: u8,
    fault: Box<str>,
}

/// Trains on the blocks in `train.ids` of `train`; scores all other blocks of `train` if `test` is
/// the same folder, else all blocks of `test`. Blocks labelled X are left out.
///
/// Templates are mined over the lines of both folders, in order; no label is read for it.
pub(super) fn read(train: &Path, test: &Path) -> anyhow::Result<Dataset> {
    let finder = KeyFinder::new(DEFAULT_BODY_IDS)?;
    let mut miner = Miner::default();
    let learned = read_ids(train)?;
    let is_same = fs::canonicalize(train)? == fs::canonicalize(test)?;
    let mut trained = read_blocks(train, &mut miner, &finder)?;
    let tested = if is_same {
        None
    } else {
        Some(read_blocks(test, &mut miner, &finder)?)
    };
    let labels = read_labels(test)?;

    let sequences: Vec<EventSequence> = trained
        .order
        .iter()
        .filter(|block| learned.contains(*block))
        .filter_map(|block| trained.sequences.remove(block))
        // The list has only blocks whose whole life is in the log.
        .map(|sequence| EventSequence {
            ends: true,
            ..resolved(sequence, &miner)
        })
        .collect();
    let mut samples = Vec::new();
    let Blocks {
        order,
        sequences: mut scored,
    } = tested.unwrap_or(trained);
    for block in order {
        let Some(sequence) = scored.remove(&block) else {
            continue;
        };
        let Some(label) = labels.get(&block).filter(|label| label.class != b'X') else {
            continue;
        };
        samples.push(Sample {
            sequence: resolved(sequence, &miner),
            abnormal: label.class == b'A',
            kind: Some(label.fault.clone()),
        });
    }
    let texts: BTreeMap<TemplateId, Box<str>> = miner
        .templates()
        .map(|template| (template.id, template.text.clone()))
        .collect();
    let templates = by_frequency(&sequences, |id| texts.get(&id).cloned().unwrap_or_default());
    let corpus = Corpus {
        masks_version: MASKS_VERSION,
        templates,
        sequences,
    };
    Ok(Dataset {
        corpus,
        samples,
        weights: Weights {
            normal: 1.0,
            abnormal: 1.0,
        },
    })
}

/// Templates that turned out to be one get one id.
fn resolved(mut sequence: EventSequence, miner: &Miner) -> EventSequence {
    for event in &mut sequence.events {
        *event = miner.resolve(*event).map_or(*event, |template| template.id);
    }
    sequence
}

fn read_blocks(folder: &Path, miner: &mut Miner, finder: &KeyFinder) -> anyhow::Result<Blocks> {
    let path = first(folder, &["hdfs.log", "hdfs.log.zst", "hdfs.log.xz"])?;
    let mut lines = Lines::open(&path)?;
    let mut records: Vec<(Timestamp, TemplateId, Vec<Box<str>>)> = Vec::new();
    let mut time = Timestamp::ZERO;
    while let Some(line) = lines.next_line()? {
        let head = read_head(line, None);
        // A line without a time of its own belongs to the one before it.
        time = head.time.unwrap_or(time);
        let message = line.get(head.len..).unwrap_or_default();
        let parsed = miner.parse(message, time);
        let blocks = finder
            .body_ids(message)
            .into_iter()
            .map(Into::into)
            .collect();
        records.push((time, parsed.id, blocks));
    }
    // Nodes write to one file without waiting for each other; the daemon puts records in order.
    records.sort_by_key(|(time, ..)| *time);
    let end = records
        .last()
        .map_or(Timestamp::ZERO, |(time, ..)| *time)
        .minus(QUIET);
    let mut blocks = Blocks {
        order: Vec::new(),
        sequences: BTreeMap::new(),
    };
    for (time, event, names) in records {
        for name in names {
            let sequence = blocks.sequences.entry(name).or_insert_with_key(|name| {
                blocks.order.push(name.clone());
                EventSequence {
                    events: Vec::new(),
                    begins: true,
                    ends: true,
                    ..EventSequence::default()
                }
            });
            sequence.events.push(event);
            sequence.ends = time < end;
        }
    }
    Ok(blocks)
}

fn read_ids(folder: &Path) -> anyhow::Result<BTreeSet<Box<str>>> {
    let path = first(folder, &["train.ids"])?;
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.split_ascii_whitespace().map(Into::into).collect())
}

fn read_labels(folder: &Path) -> anyhow::Result<BTreeMap<Box<str>, Label>> {
    let path = first(folder, &["labels.tsv"])?;
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut labels = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let mut fields = line.split('\t');
        let (block, class, fault) = (fields.next(), fields.next(), fields.next());
        let class = class.map_or(b' ', |class| class.bytes().next().unwrap_or(b' '));
        ensure!(
            b"NAX".contains(&class),
            "{}:{}: not a line of block, N, A or X, fault and time",
            path.display(),
            index + 1
        );
        let fault = fault.unwrap_or_default().into();
        labels.insert(block.unwrap_or_default().into(), Label { class, fault });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
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
        let dataset = read(folder.path(), folder.path()).unwrap();
        assert_eq!(dataset.corpus.sequences.len(), 1);
        assert_eq!(dataset.corpus.sequences[0].events.len(), 2);
        let [normal, faulty] = &dataset.samples[..] else {
            panic!("two are scored")
        };
        assert_eq!((normal.abnormal, faulty.abnormal), (false, true));
        assert_eq!(faulty.kind.as_deref(), Some("lost_ack"));
        assert_eq!((normal.sequence.ends, faulty.sequence.ends), (true, false));
        // Block 1 was opened and closed in the order of the lines, 2 in that of their times.
        let opened = |sequence: &EventSequence| sequence.events[0];
        assert_eq!(
            opened(&normal.sequence),
            opened(&dataset.corpus.sequences[0])
        );
    }

    #[test]
    fn of_two_folders_all_of_the_second_is_scored() {
        let train = folder("blk_100000001\n", LABELS);
        let test = folder("blk_100000001\n", LABELS);
        let dataset = read(train.path(), test.path()).unwrap();
        assert_eq!(
            (dataset.corpus.sequences.len(), dataset.samples.len()),
            (1, 3)
        );
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
