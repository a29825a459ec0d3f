//! Any bytes, as the lines of one stream: the miner takes them all, gives a line the template that
//! it gave it before, and its counts add up.

use knothole::core::parse::Miner;
use knothole::core::record::Timestamp;

pub(crate) fn check(stream: &[u8]) {
    let mut miner = Miner::default();
    let mut lines = 0;
    for line in stream.split(|&byte| byte == b'\n') {
        let first = miner.parse(line, Timestamp::from_nanos(lines));
        let again = miner.parse(line, Timestamp::from_nanos(lines));
        assert_eq!(first.id, again.id);
        lines += 2;
    }
    let counted: u64 = miner.templates().map(|template| template.count).sum();
    assert_eq!(counted + miner.overflow(), lines);
    assert_eq!(miner.records(), lines);
}
