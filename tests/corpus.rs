//! What fuzzing found worth keeping, run again without a fuzzer: `fuzz/checks` says what must hold for any
//! bytes, and `fuzz/corpus` has inputs that reach most of the code behind it. The journal's are run by
//! `edge::journal::fuzzed`.
#![cfg(feature = "daemon")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/checks/config.rs"]
mod config;
#[path = "../fuzz/checks/otlp.rs"]
mod otlp;
#[path = "../fuzz/checks/packed.rs"]
mod packed;
#[path = "../fuzz/checks/parse.rs"]
mod parse;
#[path = "../fuzz/checks/scan.rs"]
mod scan;

/// Runs the check of `target` over its inputs, and says which one it fails for.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{} has few inputs", folder.display());
    for file in files {
        let input = fs::read(&file).unwrap();
        if std::panic::catch_unwind(|| check(&input)).is_err() {
            panic!("{target} does not hold for {}", file.display());
        }
    }
}

#[test]
fn requests_are_decoded_or_refused() {
    replay("otlp", otlp::check);
}

#[test]
fn packed_bodies_are_unpacked_or_refused() {
    replay("packed", packed::check);
}

#[test]
fn settings_are_read_or_refused() {
    replay("config", config::check);
}

#[test]
fn lines_keep_their_template() {
    replay("parse", parse::check);
}

#[test]
fn every_path_of_the_scan_agrees() {
    replay("scan", scan::check);
}
