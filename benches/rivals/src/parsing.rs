//! Lines → templates: our miner beside drain-rs 0.3.0.
//!
//! They do not do the same. drain-rs 0.3.0 compares a line with itself where it should compare it
//! with the template, so it never makes a wildcard; it has no template ids, and no bounds.

use std::hint::black_box;

use anyhow::Result;
use drain_rs::DrainTree;
use knothole::core::parse::Miner;
use knothole::core::record::Timestamp;

use crate::contest::{Entrant, Lap, Standings, race};
use crate::hdfs;

pub(crate) fn contest(lines: &[String]) -> Result<Standings> {
    let messages = &hdfs::messages(lines);
    let known = known(messages);
    race(vec![
        Entrant {
            name: "knothole, masked, from empty",
            run: Box::new(|| mine(&mut Miner::default(), messages)),
        },
        Entrant {
            name: "knothole, masked, shapes known",
            run: Box::new({
                let mut miner = known;
                move || mine(&mut miner, messages)
            }),
        },
        Entrant {
            name: "drain-rs 0.3.0, no masks",
            run: Box::new(|| grow(DrainTree::new(), messages)),
        },
        Entrant {
            name: "drain-rs 0.3.0, masks of its README",
            run: Box::new(|| grow(masked(), messages)),
        },
    ])
}

fn known(messages: &[&str]) -> Miner {
    let mut miner = Miner::default();
    for message in messages {
        miner.parse(message, Timestamp::ZERO);
    }
    miner
}

fn mine(miner: &mut Miner, messages: &[&str]) -> Result<Lap> {
    let (lap, ()) = Lap::of(messages.len(), || {
        for message in messages {
            black_box(miner.parse(message, Timestamp::ZERO));
        }
        Ok(())
    })?;
    Ok(lap)
}

/// The masks and bounds of the example in the README of drain-rs. Its pattern for the head of
/// the line is left out, since our lines come without their head.
fn masked() -> DrainTree {
    let masks = vec!["blk_(|-)[0-9]+", "%{IPV4:ip_address}", "%{NUMBER:number}"];
    DrainTree::new()
        .filter_patterns(masks)
        .max_depth(4)
        .max_children(100)
        .min_similarity(0.5)
        .build_patterns(&mut grok::Grok::with_patterns())
}

fn grow(mut tree: DrainTree, messages: &[&str]) -> Result<Lap> {
    let (lap, ()) = Lap::of(messages.len(), || {
        for message in messages {
            black_box(tree.add_log_line(message));
        }
        Ok(())
    })?;
    Ok(lap)
}
