//! Logs of microservices with a trace in each line, some minutes of them with an injected fault.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::ensure;

use super::mined::{Reader, append};
use super::table::{Table, cells};
use super::{first, is_same};
use crate::cli::eval::dataset::{Class, Dataset, Part, Sample};
use crate::core::detect::EventSequence;
use crate::core::record::Timestamp;

/// The share of fault-free traces, the oldest ones, that is trained on where one folder is both.
const TRAINED_SHARE: f64 = 0.5;
/// The label is one of the minute, not of the trace.
const WARNING: &str = "In this set a trace is abnormal because it was logged in a minute with an \
    injected fault, whether it met the fault or not, so recall by trace has no meaning of its own; \
    recall by kind of fault is told by minute as well.";

/// The traces of one folder, oldest first.
struct Traces {
    all: Vec<Trace>,
}

struct Trace {
    sequence: EventSequence,
    /// The fault and its minute; `None` where there was none.
    fault: Option<Box<str>>,
}

/// `logs.tsv.gz` with columns phase, fault_id, fault_minute, ts_ns, trace_id, line. A sequence is
/// the records of one trace in the order of time; records without a trace are left out.
///
/// With one folder the older half of the fault-free traces is trained on and all others are scored;
/// with two, all fault-free traces of the first, and all traces of the second are scored.
pub(super) fn read(train: &Path, test: &Path) -> anyhow::Result<Dataset> {
    let mut reader = Reader::default();
    let trained = read_traces(train, &mut reader)?;
    let (normal, scored) = if is_same(train, test)? {
        let (normal, faulty): (Vec<Trace>, Vec<Trace>) = trained
            .all
            .into_iter()
            .partition(|trace| trace.fault.is_none());
        let mut normal = normal;
        let later = normal.split_off((normal.len() as f64 * TRAINED_SHARE) as usize);
        (normal, later.into_iter().chain(faulty).collect())
    } else {
        let normal = trained.all.into_iter();
        let normal = normal.filter(|trace| trace.fault.is_none()).collect();
        (normal, read_traces(test, &mut reader)?.all)
    };
    ensure!(
        !normal.is_empty(),
        "there is no fault-free trace to train on"
    );
    let resolve = |trace: Trace| reader.resolve(trace.sequence);
    let sequences: Vec<EventSequence> = normal.into_iter().map(resolve).collect();
    let samples = scored.into_iter().map(|trace| {
        let class = match trace.fault {
            Some(_) => Class::Abnormal,
            None => Class::Normal,
        };
        Sample {
            kind: trace.fault,
            ..Sample::new(reader.resolve(trace.sequence), class)
        }
    });
    let samples = samples.collect();
    Ok(Dataset {
        warning: Some(WARNING),
        ..Dataset::of(Part::new(reader.corpus(sequences), samples))
    })
}

fn read_traces(folder: &Path, reader: &mut Reader) -> anyhow::Result<Traces> {
    let path = first(
        folder,
        &["logs.tsv.gz", "logs.tsv", "logs.tsv.zst", "logs.tsv.xz"],
    )?;
    let wanted = [
        "phase",
        "fault_id",
        "fault_minute",
        "ts_ns",
        "trace_id",
        "line",
    ];
    let mut table = Table::open(&path, &wanted)?;
    let mut records = Vec::new();
    while let Some(row) = table.next_row()? {
        let [phase, fault, minute, time, trace, line] = cells(&row);
        if trace.is_empty() {
            continue;
        }
        let time = Timestamp::from_nanos(time.parse().unwrap_or(0));
        let mut told = reader.read(line, time);
        told.time = time;
        let fault = (phase != "normal").then(|| format!("{fault} minute {minute}").into());
        records.push((told, Box::<str>::from(trace), fault));
    }
    records.sort_by_key(|(told, ..)| told.time);
    let mut places: BTreeMap<Box<str>, usize> = BTreeMap::new();
    let mut all: Vec<Trace> = Vec::new();
    for (told, trace, fault) in records {
        let place = *places.entry(trace).or_insert_with(|| {
            all.push(Trace {
                sequence: EventSequence::whole(Vec::new()),
                fault,
            });
            all.len() - 1
        });
        if let Some(trace) = all.get_mut(place) {
            append(&mut trace.sequence, &told);
        }
    }
    Ok(Traces { all })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Four fault-free traces of two records, and one in a fault's minute.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::from("phase\tfault_id\tfault_minute\tts_ns\ttrace_id\tline\n");
        for trace in 0..4 {
            // The second record stands first in the file.
            text += &format!(
                "normal\t\t\t{}\tt{trace}\tINFO paid {trace}\n",
                trace * 10 + 5
            );
            text += &format!("normal\t\t\t{}\tt{trace}\tINFO asked\n", trace * 10 + 1);
        }
        text += "normal\t\t\t50\t\tINFO no trace\n";
        text += "fault\t3\t1\t90\tt9\tERROR refused\n";
        fs::write(folder.path().join("logs.tsv"), text).unwrap();
        folder
    }

    #[test]
    fn traces_are_parted_by_time_and_their_records_put_in_order() {
        let folder = folder();
        let dataset = read(folder.path(), folder.path()).unwrap();
        let part = &dataset.parts[0];
        assert_eq!(part.corpus.sequences.len(), 2);
        assert_eq!(dataset.count(Class::Normal), 2);
        assert_eq!(dataset.count(Class::Abnormal), 1);
        assert!(part.corpus.sequences[0].times.is_sorted());
        let last = part.corpus.sequences.last().unwrap().times[0];
        assert!(
            part.samples[0].begun() > Some(last),
            "older ones are trained on"
        );
        assert_eq!(part.samples[2].kind.as_deref(), Some("3 minute 1"));
    }

    #[test]
    fn two_folders_score_all_of_the_second() {
        let (train, test) = (folder(), folder());
        let dataset = read(train.path(), test.path()).unwrap();
        assert_eq!(dataset.parts[0].corpus.sequences.len(), 4);
        assert_eq!(dataset.samples().count(), 5);
    }
}
