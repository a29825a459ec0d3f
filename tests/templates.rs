//! How good the templates are, on labelled logs that are kept beside the repository.
//!
//! Where `../shared/datasets/parsing_2k` is absent the tests that need it say so and pass.
#![allow(
    clippy::expect_used,
    reason = "outside #[test] functions a failed test may panic too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use knothole::core::parse::{Limits, Miner};
use knothole::core::record::Timestamp;

/// The folder of labelled logs, if it is there.
fn labelled() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/datasets/parsing_2k");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no {}", folder.display());
    None
}

/// Content and true template of each line of each system with corrected labels.
fn systems(folder: &Path) -> BTreeMap<String, Vec<(String, String)>> {
    let files = std::fs::read_dir(folder.join("loghub2_corrected")).expect("the folder of labels");
    let mut systems = BTreeMap::new();
    for path in files.map(|file| file.expect("an entry").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(system) = name.strip_suffix("_2k.log_structured_corrected.csv") else {
            continue;
        };
        let mut reader = csv::Reader::from_path(&path).expect("a table");
        let header = reader.headers().expect("a header").clone();
        let column = |name| header.iter().position(|column| column == name);
        let content = column("Content").expect("a column");
        let truth = column("EventTemplate").expect("a column");
        let lines = reader.records().map(|row| {
            let row = row.expect("a row");
            (row[content].to_owned(), row[truth].to_owned())
        });
        systems.insert(system.to_owned(), lines.collect());
    }
    systems
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        ((u128::from(mixed) * limit as u128) >> 64) as usize
    }

    fn word(&mut self) -> String {
        let len = 3 + self.below(8);
        (0..len)
            .map(|_| char::from(b'a' + self.below(26) as u8))
            .collect()
    }

    fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut items = items.to_vec();
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
        items
    }
}

fn mined<'a>(lines: impl IntoIterator<Item = &'a String>) -> Miner {
    let mut miner = Miner::new(Limits {
        templates_max: 100_000,
        ..Limits::default()
    });
    for line in lines {
        miner.parse(line, Timestamp::from_nanos(1));
    }
    miner.settle();
    miner
}

fn texts(miner: &Miner) -> BTreeSet<String> {
    miner.templates().map(|t| t.text.to_string()).collect()
}

#[test]
fn templates_are_as_good_as_promised_on_every_labelled_system() {
    let Some(folder) = labelled() else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_knothole"))
        .args(["eval", "--layout", "parsing", "--json", "--test"])
        .arg(&folder)
        .output()
        .expect("knothole runs");
    assert!(output.status.success(), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = told["rows"].as_array().expect("rows");
    let corrected: Vec<_> = rows
        .iter()
        .filter(|row| row["labels"] == "corrected")
        .collect();
    assert!(corrected.len() > 2, "{told}");
    for row in &corrected {
        assert!(row["ga"].as_f64() >= Some(0.70), "{row}");
    }
    let average = corrected.iter().find(|row| row["system"] == "average");
    let average = average.expect("an average");
    for (figure, least) in [("ga", 0.90), ("fga", 0.92), ("pa", 0.75), ("fta", 0.75)] {
        assert!(
            average[figure].as_f64() >= Some(least),
            "{figure}: {average}"
        );
    }
}

#[test]
fn two_miners_fed_the_same_real_lines_in_different_order_agree_in_the_end() {
    let Some(folder) = labelled() else { return };
    for (system, lines) in systems(&folder) {
        let lines: Vec<String> = lines.into_iter().map(|(content, _)| content).collect();
        let first = mined(&lines);
        for seed in 1..=3 {
            let second = mined(&Random(seed).shuffled(&lines));
            assert_eq!(texts(&first), texts(&second), "{system}, order {seed}");
        }
    }
}

#[test]
fn words_at_random_in_every_place_do_not_make_templates_explode() {
    let Some(folder) = labelled() else { return };
    let truth: BTreeSet<String> = systems(&folder)
        .into_values()
        .flatten()
        .map(|(_, template)| template)
        .collect();
    let truth: Vec<String> = truth.into_iter().collect();
    let mut random = Random(1);
    let mut used = BTreeSet::new();
    let lines: Vec<String> = (0..200_000)
        .map(|_| {
            let at = random.below(truth.len());
            used.insert(at);
            let mut parts = truth[at].split("<*>");
            let mut line = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                line.push_str(&random.word());
                line.push_str(part);
            }
            line
        })
        .collect();
    let found = mined(&lines).templates().count();
    assert!(
        found <= 2 * used.len(),
        "{found} templates of {}",
        used.len()
    );
    assert!(
        2 * found >= used.len(),
        "{found} templates of {}",
        used.len()
    );
}
