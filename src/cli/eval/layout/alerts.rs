//! Alerts of other systems in the order of time, each with the attack that went on when it came.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::core::record::Timestamp;

/// Most bytes that are read of one network's file.
const NETWORK_LEN_MAX: u64 = 1 << 30;
/// Most networks of one set.
const NETWORKS_MAX: usize = 64;
/// The label of an alert that belongs to no attack.
const NO_ATTACK: &str = "false_positive";

/// The alerts of one network, oldest first.
pub(in crate::cli::eval) struct Network {
    /// The name of its file, without its end.
    pub(in crate::cli::eval) name: Box<str>,
    pub(in crate::cli::eval) alerts: Vec<Alert>,
}

/// One alert.
pub(in crate::cli::eval) struct Alert {
    pub(in crate::cli::eval) time: Timestamp,
    pub(in crate::cli::eval) name: Arc<str>,
    pub(in crate::cli::eval) host: Arc<str>,
    /// The phase of the attack that went on at that time, whatever the alert is about.
    pub(in crate::cli::eval) phase: Option<Arc<str>>,
}

/// All networks of a folder with `.csv` or `.txt` files, or of a `.zip` of such files, by name. The
/// columns `time` (seconds since the epoch), `name`, `host` and `time_label` are read.
pub(in crate::cli::eval) fn read(test: &Path) -> anyhow::Result<Vec<Network>> {
    let networks = if test.is_dir() {
        read_folder(test)
    } else {
        read_zip(test)
    };
    let mut networks = networks.with_context(|| format!("reading {}", test.display()))?;
    ensure!(
        !networks.is_empty(),
        "{} has no .csv or .txt with alerts",
        test.display()
    );
    networks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(networks)
}

fn read_folder(folder: &Path) -> anyhow::Result<Vec<Network>> {
    let mut networks = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = network_name(&file) {
            ensure!(
                networks.len() < NETWORKS_MAX,
                "more than {NETWORKS_MAX} files"
            );
            let rows = BufReader::new(File::open(&path)?);
            networks.push(read_network(name, rows).with_context(|| file.to_string())?);
        }
    }
    Ok(networks)
}

fn read_zip(path: &Path) -> anyhow::Result<Vec<Network>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let mut networks = Vec::new();
    for place in 0..archive.len() {
        let file = archive.by_index_raw(place)?;
        let name = file.name()?.into_owned();
        let Some(network) = network_name(&name) else {
            continue;
        };
        ensure!(
            networks.len() < NETWORKS_MAX,
            "more than {NETWORKS_MAX} files"
        );
        let packing = file.compression();
        let found = if packing == CompressionMethod::Stored {
            read_network(network, file)
        } else if packing == CompressionMethod::DEFLATE {
            read_network(network, DeflateDecoder::new(file))
        } else {
            bail!("{name} is packed with {packing}; deflate is read")
        };
        networks.push(found.with_context(|| name.clone())?);
    }
    Ok(networks)
}

/// The network that a file is named after; `None` if it is none of ours.
fn network_name(file: &str) -> Option<&str> {
    let file = file.rsplit('/').next().unwrap_or(file);
    let name = file.strip_suffix(".csv").or(file.strip_suffix(".txt"))?;
    Some(name.strip_suffix("_alerts").unwrap_or(name))
}

fn read_network(name: &str, rows: impl Read) -> anyhow::Result<Network> {
    let mut table = csv::Reader::from_reader(rows.take(NETWORK_LEN_MAX));
    let head = table.headers()?.clone();
    let column = |name: &str| {
        let place = head.iter().position(|cell| cell == name);
        place.with_context(|| format!("no column {name}"))
    };
    let (time, title) = (column("time")?, column("name")?);
    let (host, label) = (column("host")?, column("time_label")?);
    let mut texts = BTreeSet::new();
    let mut alerts = Vec::new();
    for row in table.records() {
        let row = row?;
        let cell = |place| row.get(place).unwrap_or_default();
        let seconds: f64 = cell(time)
            .parse()
            .with_context(|| format!("a time of {}", cell(time)))?;
        let phase = Some(cell(label)).filter(|label| !label.is_empty() && *label != NO_ATTACK);
        alerts.push(Alert {
            time: Timestamp::from_millis((seconds * 1000.0) as u64),
            name: kept_once(&mut texts, cell(title)),
            host: kept_once(&mut texts, cell(host)),
            phase: phase.map(|phase| kept_once(&mut texts, phase)),
        });
    }
    ensure!(!alerts.is_empty(), "it has no alert");
    alerts.sort_by_key(|alert| alert.time);
    let name = name.into();
    Ok(Network { name, alerts })
}

fn kept_once(texts: &mut BTreeSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = texts.get(text) {
        return Arc::clone(known);
    }
    let text: Arc<str> = text.into();
    texts.insert(Arc::clone(&text));
    text
}
