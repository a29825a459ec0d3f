//! Any bytes, as the lines of one stream: the miner takes them all, gives a line the template that
//! it gave it before, and its counts add up.
#![no_main]

use knothole::core::parse::Miner;
use knothole::core::record::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut miner = Miner::default();
    let mut lines = 0;
    for line in stream.split(|&byte| byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let first = miner.parse(&line, Timestamp::from_nanos(lines));
        let again = miner.parse(&line, Timestamp::from_nanos(lines));
        assert_eq!(first.id, again.id);
        lines += 2;
    }
    let counted: u64 = miner.templates().map(|template| template.count).sum();
    assert_eq!(counted + miner.overflow(), lines);
    assert_eq!(miner.records(), lines);
});
