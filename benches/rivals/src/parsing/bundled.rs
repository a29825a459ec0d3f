//! Our miner beside drain-rs 0.3.0 on the bundled log, for the table of all stages.
//!
//! They do not do the same. drain-rs 0.3.0 compares a line with itself where it should compare it
//! with the template, so it never makes a wildcard; it has no template ids, and no bounds.

use anyhow::Result;

use super::entrants::{Entrant, Who};
use crate::contest::{Entrant as Racer, Lap, Standings, race};
use crate::hdfs;

pub(crate) fn contest(lines: &[String]) -> Result<Standings> {
    let messages: Vec<String> = hdfs::messages(lines)
        .iter()
        .map(|&m| m.to_owned())
        .collect();
    let messages = messages.as_slice();
    let mut known = Who::Knothole.start(None)?;
    known.feed(messages);
    race(vec![
        Racer {
            name: "knothole, masked, from empty",
            run: Box::new(|| mine(&mut Who::Knothole.start(None)?, messages)),
        },
        Racer {
            name: "knothole, masked, shapes known",
            run: Box::new(move || mine(&mut known, messages)),
        },
        Racer {
            name: "drain-rs 0.3.0, no masks",
            run: Box::new(|| mine(&mut Who::DrainRs.start(None)?, messages)),
        },
        Racer {
            name: "drain-rs 0.3.0, masks of its README",
            run: Box::new(|| mine(&mut Who::DrainRsMasks.start(None)?, messages)),
        },
    ])
}

fn mine(entrant: &mut Entrant, messages: &[String]) -> Result<Lap> {
    let (lap, ()) = Lap::of(messages.len(), || {
        entrant.feed(messages);
        Ok(())
    })?;
    Ok(lap)
}
