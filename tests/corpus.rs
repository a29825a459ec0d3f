//! What fuzzing found worth keeping, run again without a fuzzer: `fuzz/checks` says what must hold for any
//! bytes, and `fuzz/corpus` has inputs that reach most of the code behind it. The journal's are run by
//! `edge::journal::fuzzed`.
#![cfg(feature = "daemon")]
#![allow(
    clippy::unwrap_used,
    reason = "outside #[test] functions a failed test may panic too"
)]

use std::fs;
use std::panic;
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

/// Runs the check of `target` over its inputs, and says for which it fails.
fn replay(target: &str, check: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("fuzz/corpus").join(target);
    let inputs = fs::read_dir(&folder).unwrap();
    let mut inputs: Vec<_> = inputs.map(|file| file.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() > 5, "{} has few inputs", folder.display());
    for file in inputs {
        let input = fs::read(&file).unwrap();
        let held = panic::catch_unwind(|| check(&input)).is_ok();
        assert!(held, "{target} does not hold for {}", file.display());
    }
}
