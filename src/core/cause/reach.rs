//! Which services an incident may have to do with.

use std::collections::BTreeSet;

use crate::core::event::Incident;
use crate::core::record::StreamKey;
use crate::core::topology::Topology;

/// So many links up from a service that takes part, callers may have to do with it.
const CALLERS_HOPS: u32 = 2;

/// The services that take part, all that they call, and those that call them from near.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    topology: &'a Topology,
    /// None where nobody is known to take part.
    within: Option<BTreeSet<&'a StreamKey>>,
}

impl<'a> Reach<'a> {
    pub(super) fn of(incident: &'a Incident, topology: &'a Topology) -> Self {
        let parts: BTreeSet<&StreamKey> = incident.parts.iter().map(|part| &part.stream).collect();
        let mut within = spread(&parts, u32::MAX, |stream| topology.callees(stream));
        within.extend(spread(&parts, CALLERS_HOPS, |stream| {
            topology.callers(stream)
        }));
        Self {
            topology,
            within: (!parts.is_empty()).then_some(within),
        }
    }

    /// Whether a service may have to do with it. Of one that nobody is seen to call or to be called by
    /// that cannot be known, so it may.
    pub(super) fn has(&self, stream: &StreamKey) -> bool {
        let is_within = |within: &BTreeSet<&StreamKey>| within.contains(stream);
        self.within.as_ref().is_none_or(is_within) || self.is_stranger(stream)
    }

    fn is_stranger(&self, stream: &StreamKey) -> bool {
        let mut links = self
            .topology
            .callees(stream)
            .chain(self.topology.callers(stream));
        links.next().is_none()
    }
}

/// What is at most so many steps away from `from`, those among it. At most
/// [`Topology::LOOKED_AT_MAX`].
fn spread<'a, I: Iterator<Item = &'a StreamKey>>(
    from: &BTreeSet<&'a StreamKey>,
    hops_max: u32,
    step: impl Fn(&'a StreamKey) -> I,
) -> BTreeSet<&'a StreamKey> {
    let mut found = from.clone();
    let mut edge: Vec<&StreamKey> = from.iter().copied().collect();
    let mut hops = 0;
    while !edge.is_empty() && hops < hops_max && found.len() < Topology::LOOKED_AT_MAX {
        hops += 1;
        let next = edge.iter().copied().flat_map(&step);
        let next: Vec<&StreamKey> = next.filter(|stream| found.insert(stream)).collect();
        edge = next;
    }
    found
}
