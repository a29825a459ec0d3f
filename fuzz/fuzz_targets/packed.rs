//! `checks/packed.rs`, guided by coverage.
#![no_main]

#[path = "../checks/packed.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::check(input));
