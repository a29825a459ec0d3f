//! knothole beside its rivals, in one process, on the bundled HDFS log. `docs/benchmarks.md` says
//! how to run it and what to make of the numbers.

#[path = "../../hdfs/mod.rs"]
mod hdfs;
mod contest;
mod decoding;
mod lstm;
mod memory;
mod parsing;
mod road;
mod stages;

use anyhow::Result;

/// Runs all parts, or those named on the command line: `road`, `contests`, `stages`.
fn main() -> Result<()> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    // First, while nothing else has taken memory.
    if wanted("road") {
        println!("{}", road::report()?);
    }
    let lines = hdfs::lines()?;
    let bundle = hdfs::bundle()?;
    if wanted("contests") {
        let corpus = hdfs::corpus(&lines, &bundle)?;
        println!("{}", contest::TABLE_HEAD);
        parsing::contest(&lines)?.print("parse, lines/s");
        decoding::contest(&lines)?.print("decode, records/s");
        lstm::inference(&corpus, &bundle)?.print("LSTM, cold windows/s");
        lstm::training(&corpus, bundle.vocabulary().key_count())?.print("LSTM, training rows/s");
        println!();
    }
    if wanted("stages") {
        println!("{}", stages::report(&lines, &bundle)?);
    }
    Ok(())
}
