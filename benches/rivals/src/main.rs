//! knothole beside its rivals, in one process. `docs/benchmarks.md` says how to run it and what to
//! make of the numbers.

#[cfg_attr(
    not(feature = "model"),
    allow(dead_code, reason = "parsing needs a part of it")
)]
mod contest;
#[cfg(feature = "daemon")]
mod decoding;
#[cfg(feature = "daemon")]
#[path = "../../hdfs/mod.rs"]
mod hdfs;
#[cfg(feature = "daemon")]
mod journal;
#[cfg(feature = "daemon")]
mod lstm;
mod memory;
#[cfg(feature = "model")]
mod order;
mod parsing;
#[cfg(feature = "daemon")]
mod road;
#[cfg(feature = "daemon")]
mod stages;
#[cfg(feature = "model")]
mod stock;
#[cfg(feature = "daemon")]
mod training;

use anyhow::Result;

/// `parse …`: parsing alone, on many streams. `order FOLDER`: the network one step at a time and
/// what stands above it, with HDFS sequences out of FOLDER where it has them. `journal [FOLDER]`: a
/// request on the disk of FOLDER. Otherwise all parts on the bundled HDFS log, or those named: `road`, `contests`, `training`, `stages`.
fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == "parse").is_some() {
        return parsing::run(words);
    }
    #[cfg(feature = "model")]
    if words.next_if(|word| word == "order").is_some() {
        return order::run(words.next().map(Into::into));
    }
    #[cfg(feature = "daemon")]
    if words.next_if(|word| word == "journal").is_some() {
        return journal::run(words.next().as_deref().map(std::path::Path::new));
    }
    #[cfg(feature = "daemon")]
    return bundled(&words.collect::<Vec<_>>());
    #[cfg(not(feature = "daemon"))]
    anyhow::bail!("built without the daemon there are only `parse` and `order`");
}

#[cfg(feature = "daemon")]
fn bundled(named: &[String]) -> Result<()> {
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
    if wanted("training") {
        let sequences = training::sequences(&hdfs::corpus(&lines, &bundle)?, &bundle);
        let key_count = bundle.vocabulary().key_count();
        println!("{}", contest::TABLE_HEAD);
        training::speed(&sequences, key_count)?.print("LSTM, training steps/s");
        println!("\n{}", training::cost(&sequences, key_count)?);
    }
    if wanted("stages") {
        println!("{}", stages::report(&lines, &bundle)?);
    }
    Ok(())
}
