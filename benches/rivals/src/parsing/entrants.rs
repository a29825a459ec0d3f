//! Those who turn lines into templates, behind one face.

use std::hint::black_box;

use anyhow::Result;
use drain_rs::DrainTree;
use logdrain::{Mask, builtin_masks};
use rustc_hash::FxHashMap;

use super::ours::Knothole;

/// Who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Knothole,
    DrainRs,
    DrainRsMasks,
    Logdrain,
    LogdrainMasks,
}

impl Who {
    pub(crate) const ALL: [Self; 5] = [
        Self::Knothole,
        Self::DrainRs,
        Self::DrainRsMasks,
        Self::Logdrain,
        Self::LogdrainMasks,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Knothole => "knothole",
            Self::DrainRs => "drain-rs 0.3.0, no masks",
            Self::DrainRsMasks => "drain-rs 0.3.0, README masks",
            Self::Logdrain => "logdrain 0.3.2, no masks",
            Self::LogdrainMasks => "logdrain 0.3.2, 4 masks",
        }
    }

    pub(crate) fn start(self, room: Option<usize>) -> Result<Entrant> {
        Ok(match self {
            Self::Knothole => Entrant::Knothole(Box::new(match room {
                Some(count) => Knothole::with_room_for(count),
                None => Knothole::new(),
            })),
            Self::DrainRs => Entrant::DrainRs(DrainTree::new()),
            Self::DrainRsMasks => Entrant::DrainRs(masked_drain_rs()),
            Self::Logdrain => Entrant::Logdrain(logdrain::Miner::builder().build()?),
            Self::LogdrainMasks => {
                let miner = logdrain::Miner::builder().masks(masks()?).build()?;
                Entrant::Logdrain(miner)
            }
        })
    }
}

/// One of them with what it has learned.
pub(crate) enum Entrant {
    Knothole(Box<Knothole>),
    DrainRs(DrainTree),
    Logdrain(logdrain::Miner),
}

impl Entrant {
    pub(crate) fn feed(&mut self, lines: &[String]) {
        match self {
            Self::Knothole(miner) => miner.feed(lines),
            Self::DrainRs(tree) => {
                for line in lines {
                    black_box(tree.add_log_line(line));
                }
            }
            Self::Logdrain(miner) => {
                for line in lines {
                    black_box(miner.add(line));
                }
            }
        }
    }

    /// Does what waits for the end of a stream.
    pub(crate) fn settle(&mut self) {
        if let Self::Knothole(miner) = self {
            miner.settle();
        }
    }

    pub(crate) fn templates(&self) -> usize {
        match self {
            Self::Knothole(miner) => miner.templates(),
            Self::DrainRs(tree) => tree.log_groups().len(),
            Self::Logdrain(miner) => miner.len(),
        }
    }

    /// The template of each line as it is after the last one; names of masks are `<*>`.
    pub(crate) fn templates_of<'a>(mut self, lines: impl Iterator<Item = &'a str>) -> Vec<String> {
        match &mut self {
            Self::Knothole(miner) => {
                let ids: Vec<_> = lines.map(|line| miner.id(line)).collect();
                miner.settle();
                ids.into_iter().map(|id| miner.text(id)).collect()
            }
            // Its templates never change, so that they can be taken at once.
            Self::DrainRs(tree) => lines
                .map(|line| tree.add_log_line(line).map(|cluster| cluster.as_string()))
                .map(|text| unnamed(&text.unwrap_or_default()))
                .collect(),
            Self::Logdrain(miner) => {
                let ids: Vec<_> = lines.map(|line| miner.add(line).cluster_id).collect();
                let clusters = miner.clusters().into_iter();
                let texts: FxHashMap<_, _> = clusters
                    .map(|cluster| (cluster.id(), unnamed(cluster.template())))
                    .collect();
                let text = |id| texts.get(id).cloned().unwrap_or_default();
                ids.iter().map(text).collect()
            }
        }
    }
}

/// The masks and bounds of the example in the README of drain-rs. Its pattern for the head of
/// the line is left out, since our lines come without their head.
pub(crate) fn masked_drain_rs() -> DrainTree {
    let masks = vec!["blk_(|-)[0-9]+", "%{IPV4:ip_address}", "%{NUMBER:number}"];
    DrainTree::new()
        .filter_patterns(masks)
        .max_depth(4)
        .max_children(100)
        .min_similarity(0.5)
        .build_patterns(&mut grok::Grok::with_patterns())
}

/// UUID, IPv4, hexadecimal and decimal numbers: the first two built in, all four in the words of
/// its README's way to mask.
fn masks() -> Result<Vec<Mask>> {
    Ok(vec![
        builtin_masks::uuid(),
        builtin_masks::ipv4(),
        Mask::new(r"\b0x[0-9a-fA-F]+\b", "<hex>")?,
        Mask::new(r"\b\d+\b", "<num>")?,
    ])
}

/// Names that masks put into templates.
const MASK_NAMES: [&str; 6] = [
    "<number>",
    "<ip_address>",
    "<uuid>",
    "<ipv4>",
    "<hex>",
    "<num>",
];

fn unnamed(template: &str) -> String {
    MASK_NAMES
        .iter()
        .fold(template.to_owned(), |text, name| text.replace(name, "<*>"))
}
