//! The labelled logs of `parsing_2k`, which are not part of this repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Which labels: the Loghub-2.0 ones, or those of Loghub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Labels {
    Corrected,
    Original,
}

impl Labels {
    pub(crate) const ALL: [Self; 2] = [Self::Corrected, Self::Original];

    fn folder(self) -> &'static str {
        match self {
            Self::Corrected => "loghub2_corrected",
            Self::Original => "loghub_original",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Corrected => "_2k.log_structured_corrected.csv",
            Self::Original => "_2k.log_structured.csv",
        }
    }
}

/// One line and its true template.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Labelled {
    #[serde(rename = "Content")]
    pub(crate) content: String,
    #[serde(rename = "EventTemplate")]
    pub(crate) template: String,
}

/// The lines of every system that has `labels`, by the system's name.
pub(crate) fn systems(shared: &Path, labels: Labels) -> Result<BTreeMap<String, Vec<Labelled>>> {
    let folder = folder(shared).join(labels.folder());
    let mut systems = BTreeMap::new();
    let listed = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in listed {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(system) = name.and_then(|name| name.strip_suffix(labels.ending())) {
            let lines: Result<Vec<Labelled>, _> =
                csv::Reader::from_path(&path)?.deserialize().collect();
            systems.insert(system.to_owned(), lines?);
        }
    }
    Ok(systems)
}

/// The lines of all systems; of those with both labels, the corrected ones.
pub(crate) fn all(shared: &Path) -> Result<BTreeMap<String, Vec<Labelled>>> {
    let mut systems = systems(shared, Labels::Original)?;
    systems.extend(self::systems(shared, Labels::Corrected)?);
    Ok(systems)
}

/// All distinct corrected templates, in order.
pub(crate) fn templates(shared: &Path) -> Result<Vec<String>> {
    let systems = systems(shared, Labels::Corrected)?;
    let lines = systems.into_values().flatten();
    let mut templates: Vec<String> = lines.map(|line| line.template).collect();
    templates.sort_unstable();
    templates.dedup();
    Ok(templates)
}

fn folder(shared: &Path) -> PathBuf {
    shared.join("datasets/parsing_2k")
}
