//! Tables with a head: columns parted by tabs, of which the last may hold anything but a line end.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::cli::lines::Lines;

/// A table that is being read; the file may be plain, gzip, zstd or xz.
pub(super) struct Table {
    path: PathBuf,
    lines: Lines,
    /// Where each wanted column stands, in the order they were asked for.
    places: Vec<usize>,
    columns: usize,
}

impl Table {
    /// Opens the table at `path`; its rows will have the columns `wanted`, in that order.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column.
    pub(super) fn open(path: &Path, wanted: &[&str]) -> anyhow::Result<Self> {
        let mut lines = Lines::open(path)?;
        let head: Vec<String> = lines
            .next_line()?
            .unwrap_or_default()
            .split('\t')
            .map(str::to_owned)
            .collect();
        let place = |column: &&str| {
            let place = head.iter().position(|name| name == column);
            place.with_context(|| format!("{} has no column {column}", path.display()))
        };
        Ok(Self {
            places: wanted.iter().map(place).collect::<Result<_, _>>()?,
            columns: head.len(),
            path: path.to_owned(),
            lines,
        })
    }

    /// The wanted columns of the next row; `None` after the last.
    ///
    /// # Errors
    /// When the file cannot be read or a row has too few columns.
    pub(super) fn next_row(&mut self) -> anyhow::Result<Option<Vec<&str>>> {
        let number = self.lines.number() + 1;
        let Some(line) = self.lines.next_line()? else {
            return Ok(None);
        };
        let cells: Vec<&str> = line.splitn(self.columns, '\t').collect();
        if cells.len() < self.columns {
            bail!(
                "{}:{number}: {} columns where the head has {}",
                self.path.display(),
                cells.len(),
                self.columns
            );
        }
        let wanted = self.places.iter().filter_map(|place| cells.get(*place));
        Ok(Some(wanted.copied().collect()))
    }
}

/// The cells of a row by name: `let [round, line] = cells(&row)`.
pub(super) fn cells<'a, const N: usize>(row: &[&'a str]) -> [&'a str; N] {
    std::array::from_fn(|place| row.get(place).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn columns_are_found_by_name_and_the_last_may_hold_tabs() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "id\tlevel\tline\n1\tINFO\ta\tb\n2\tWARN\n").unwrap();
        let mut table = Table::open(file.path(), &["line", "id"]).unwrap();
        let row = table.next_row().unwrap().unwrap();
        assert_eq!(cells::<2>(&row), ["a\tb", "1"]);
        let error = table.next_row().err().unwrap().to_string();
        assert!(
            error.contains(":3: 2 columns where the head has 3"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_column_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "id\tline\n").unwrap();
        let error = Table::open(file.path(), &["level"]).err().unwrap();
        assert!(error.to_string().ends_with("has no column level"));
    }
}
