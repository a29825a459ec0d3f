//! Any bytes as the files of a journal, or any damage to a sound one: it opens, what it says is
//! there can be read in order, it takes an entry, and the next start finds all of that again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Only there with `--cfg fuzzing`, as README.md has it.
    #[cfg(fuzzing)]
    knothole::edge::journal::fuzzed::check(input);
    #[cfg(not(fuzzing))]
    let _ = input;
});
