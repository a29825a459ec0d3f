//! The bundled log of a real HDFS cluster, and its labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Settings with the model that comes with knothole, for the service `hdfs`, whose sequences are cut
/// as those were that it was trained on.
pub(crate) fn settings(reorder_delay: &str, sinks: &str) -> String {
    let model = root().join("models/hdfs-starter.safetensors");
    format!(
        "model: {{ bundles: [{{ service: hdfs, path: {} }}] }}\n\
         sequence: {{ idle_timeout: 20s, reorder_delay: {reorder_delay} }}\n\
         sinks:\n{sinks}",
        model.display()
    )
}

/// A sink on standard output that leaves nothing out.
pub(crate) const STDOUT: &str =
    "  - { type: stdout, name: out, limit: { per_minute: 0, fold: false } }\n";

/// A line five minutes after all others. Nothing comes after a log has ended, so it would take the
/// wall clock 20 s to end its sequences: this line takes the stream's time there at once.
pub(crate) const FIVE_MINUTES_LATER: &str =
    "2026-11-21T07:50:05.001 INFO namenode.FSNamesystem: FSNamesystem write lock held for 1 ms";

/// What was done to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Normal,
    Faulty(String),
    /// Touched by a fault elsewhere; whether it is abnormal is a matter of taste.
    LeftOut,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The log, one line after the other.
pub(crate) fn text() -> String {
    let packed = std::fs::read(root().join("datasets/hdfs/small/hdfs.log.zst")).unwrap();
    String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap()
}

pub(crate) fn labels() -> BTreeMap<String, Label> {
    let rows = std::fs::read_to_string(root().join("datasets/hdfs/small/labels.tsv")).unwrap();
    let label = |row: &str| {
        let columns: Vec<&str> = row.split('\t').collect();
        let label = match columns[1] {
            "A" => Label::Faulty(columns[2].to_owned()),
            "N" => Label::Normal,
            _ => Label::LeftOut,
        };
        (columns[0].to_owned(), label)
    };
    rows.lines().map(label).collect()
}

/// The blocks that events are about, from JSON lines or webhook data.
pub(crate) fn blocks<'a>(events: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    let sequences = events
        .into_iter()
        .filter_map(|event| event["sequence"].as_str());
    sequences
        .filter(|name| name.starts_with("blk_"))
        .map(str::to_owned)
        .collect()
}

/// What `knothole detect` reports about a file.
pub(crate) fn detected(log: &Path, config: &Path) -> Vec<Value> {
    let model = root().join("models/hdfs-starter.safetensors");
    let output = crate::knothole::knothole(&["detect", "--json", "--model"])
        .arg(model)
        .arg("--config")
        .arg(config)
        .arg(log)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
