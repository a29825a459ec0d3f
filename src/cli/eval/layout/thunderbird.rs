//! Lines of many nodes in the order of time, each with a label of its own.

use std::path::Path;

use anyhow::ensure;

use super::first;
use super::table::{Table, cells};
use crate::core::record::Timestamp;

/// A line as it was logged.
#[derive(Clone, Debug)]
pub(in crate::cli::eval) struct Line {
    pub(in crate::cli::eval) time: Timestamp,
    /// The node that logged it.
    pub(in crate::cli::eval) node: Box<str>,
    /// The line without its label.
    pub(in crate::cli::eval) body: Box<str>,
    pub(in crate::cli::eval) abnormal: bool,
}

/// All lines of `raw.tsv` (plain, .gz, .zst or .xz): columns label, category, epoch, node, line. The
/// line begins with its category, which is a label too and taken off.
pub(in crate::cli::eval) fn read(folder: &Path) -> anyhow::Result<Vec<Line>> {
    let names = ["raw.tsv", "raw.tsv.gz", "raw.tsv.zst", "raw.tsv.xz"];
    let path = first(folder, &names)?;
    let mut table = Table::open(&path, &["label", "category", "epoch", "node", "line"])?;
    let mut lines = Vec::new();
    while let Some(row) = table.next_row()? {
        let [label, category, epoch, node, line] = cells(&row);
        let seconds: u64 = epoch.parse().unwrap_or(0);
        let unlabelled = line.strip_prefix(category).map(str::trim_start);
        lines.push(Line {
            time: Timestamp::from_millis(seconds.saturating_mul(1_000)),
            node: node.into(),
            body: unlabelled.unwrap_or(line).into(),
            abnormal: label != "N",
        });
    }
    ensure!(!lines.is_empty(), "{} has no line", path.display());
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn no_label_is_left_in_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let text = "label\tcategory\tepoch\tnode\tline\n\
                    N\t-\t100\tn1\t- 100 n1 all is well\n\
                    A\tDISK\t101\tn2\tDISK 101 n2 a disk is gone\n";
        fs::write(folder.path().join("raw.tsv"), text).unwrap();
        let lines = read(folder.path()).unwrap();
        let bodies: Vec<&str> = lines.iter().map(|line| line.body.as_ref()).collect();
        assert_eq!(bodies, ["100 n1 all is well", "101 n2 a disk is gone"]);
        assert_eq!((lines[0].abnormal, lines[1].abnormal), (false, true));
        assert_eq!(lines[1].time, Timestamp::from_millis(101_000));
    }
}
