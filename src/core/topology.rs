//! Who calls whom, and who belongs to whom.
//!
//! Links come from spans (a caller and a callee), from owner references in a resource and from a
//! catalog; any of them may be absent, and no links at all is a topology too.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::core::record::{StreamKey, Timestamp};

/// How a link came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkSource {
    /// A span of the callee has its parent in the caller.
    Span,
    /// A resource names the other as its owner.
    Owner,
    /// A catalog says so.
    Catalog,
}

/// One service that depends on another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The service that calls, or depends on the other.
    pub caller: StreamKey,
    /// The service that is called.
    pub callee: StreamKey,
    /// When it was first known.
    pub since: Timestamp,
    /// When it was last confirmed.
    pub at: Timestamp,
    /// The strongest source that says so: a catalog before an owner before a span.
    pub by: LinkSource,
}

/// The links between services. Holds at most [`Topology::LINKS_MAX`]; when it is full, an eighth goes:
/// what only spans say first, of that what was not confirmed for longest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Link>", into = "Vec<Link>")]
pub struct Topology {
    callees: BTreeMap<StreamKey, BTreeMap<StreamKey, Known>>,
    callers: BTreeMap<StreamKey, BTreeSet<StreamKey>>,
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    since: Timestamp,
    at: Timestamp,
    by: LinkSource,
}

impl Topology {
    /// Most links that are kept.
    pub const LINKS_MAX: usize = 65_536;
    /// Most services that one question looks at.
    pub const LOOKED_AT_MAX: usize = 4_096;

    /// Learns, or confirms, that `caller` depends on `callee`. Whether it was new. A service does not
    /// depend on itself: such a link is left out.
    pub fn link(
        &mut self,
        caller: &StreamKey,
        callee: &StreamKey,
        at: Timestamp,
        by: LinkSource,
    ) -> bool {
        if caller == callee {
            return false;
        }
        if let Some(known) = self.known(caller, callee) {
            known.at = known.at.max(at);
            known.since = known.since.min(at);
            known.by = known.by.max(by);
            return false;
        }
        if self.len >= Self::LINKS_MAX {
            self.make_room();
        }
        let known = Known { since: at, at, by };
        self.insert(caller.clone(), callee.clone(), known);
        true
    }

    /// Whether one of the two depends on the other, without a third between them.
    pub fn are_linked(&self, a: &StreamKey, b: &StreamKey) -> bool {
        let depends = |caller, callee| {
            self.callees
                .get(caller)
                .is_some_and(|callees: &BTreeMap<_, _>| callees.contains_key(callee))
        };
        depends(a, b) || depends(b, a)
    }

    /// The services that `caller` depends on, by name.
    pub fn callees(&self, caller: &StreamKey) -> impl Iterator<Item = &StreamKey> {
        self.callees
            .get(caller)
            .into_iter()
            .flat_map(BTreeMap::keys)
    }

    /// The services that depend on `callee`, by name.
    pub fn callers(&self, callee: &StreamKey) -> impl Iterator<Item = &StreamKey> {
        self.callers.get(callee).into_iter().flatten()
    }

    /// How many links lie between two services, whichever way they point; 0 for one service. `None`
    /// if there are more than `max`, or more than [`Self::LOOKED_AT_MAX`] services to look at.
    pub fn distance(&self, a: &StreamKey, b: &StreamKey, max: u32) -> Option<u32> {
        if a == b {
            return Some(0);
        }
        if max == 0 {
            return None;
        }
        if self.are_linked(a, b) {
            return Some(1);
        }
        self.near(a, max).get(b).copied()
    }

    /// All services within `max` links of `from`, whichever way they point, and how far each is; the
    /// service itself is left out. At most [`Self::LOOKED_AT_MAX`], the nearest first, then by name.
    pub fn near<'a>(&'a self, from: &'a StreamKey, max: u32) -> BTreeMap<&'a StreamKey, u32> {
        let mut found = BTreeMap::from([(from, 0)]);
        let mut next = VecDeque::from([(from, 0)]);
        'look: while let Some((here, far)) = next.pop_front().filter(|(_, far)| *far < max) {
            for there in self.callees(here).chain(self.callers(here)) {
                if found.len() > Self::LOOKED_AT_MAX {
                    break 'look;
                }
                if !found.contains_key(there) {
                    found.insert(there, far + 1);
                    next.push_back((there, far + 1));
                }
            }
        }
        found.remove(from);
        found
    }

    /// All links, by caller and callee.
    pub fn links(&self) -> impl Iterator<Item = Link> {
        self.callees.iter().flat_map(|(caller, callees)| {
            callees.iter().map(|(callee, known)| Link {
                caller: caller.clone(),
                callee: callee.clone(),
                since: known.since,
                at: known.at,
                by: known.by,
            })
        })
    }

    /// How many links there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn known(&mut self, caller: &StreamKey, callee: &StreamKey) -> Option<&mut Known> {
        self.callees.get_mut(caller)?.get_mut(callee)
    }

    fn insert(&mut self, caller: StreamKey, callee: StreamKey, known: Known) {
        let callers = self.callers.entry(callee.clone()).or_default();
        callers.insert(caller.clone());
        let callees = self.callees.entry(caller).or_default();
        if callees.insert(callee, known).is_none() {
            self.len += 1;
        }
    }

    fn make_room(&mut self) {
        let mut links: Vec<Link> = self.links().collect();
        links.sort_by_key(|link| Reverse((link.by, link.at)));
        links.truncate(Self::LINKS_MAX - Self::LINKS_MAX / 8);
        *self = Self::from(links);
    }
}

impl From<Vec<Link>> for Topology {
    fn from(links: Vec<Link>) -> Self {
        let mut topology = Self::default();
        for link in links.into_iter().take(Self::LINKS_MAX) {
            let (since, at, by) = (link.since, link.at, link.by);
            topology.insert(link.caller, link.callee, Known { since, at, by });
        }
        topology
    }
}

impl From<Topology> for Vec<Link> {
    fn from(topology: Topology) -> Self {
        topology.links().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> StreamKey {
        StreamKey::named(name)
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    /// front → cart → db ← mail
    fn shop() -> Topology {
        let mut shop = Topology::default();
        for (caller, callee) in [("front", "cart"), ("cart", "db"), ("mail", "db")] {
            shop.link(&key(caller), &key(callee), at(1), LinkSource::Span);
        }
        shop
    }

    #[test]
    fn services_are_as_far_apart_as_there_are_links_between_them() {
        let shop = shop();
        assert_eq!(shop.distance(&key("front"), &key("front"), 0), Some(0));
        assert_eq!(shop.distance(&key("db"), &key("mail"), 2), Some(1));
        assert_eq!(shop.distance(&key("cart"), &key("mail"), 2), Some(2));
        assert_eq!(shop.distance(&key("front"), &key("mail"), 2), None);
        assert_eq!(shop.distance(&key("front"), &key("mail"), 3), Some(3));
        assert_eq!(shop.distance(&key("front"), &key("nobody"), 9), None);
        assert!(shop.are_linked(&key("db"), &key("cart")));
        assert!(!shop.are_linked(&key("db"), &key("front")));
    }

    #[test]
    fn who_calls_and_who_is_called_are_told_apart() {
        let shop = shop();
        let callers: Vec<_> = shop.callers(&StreamKey::named("db")).cloned().collect();
        assert_eq!(callers, [key("cart"), key("mail")]);
        let callees: Vec<_> = shop.callees(&StreamKey::named("cart")).cloned().collect();
        assert_eq!(callees, [key("db")]);
    }

    #[test]
    fn a_link_that_is_seen_again_is_confirmed_not_doubled() {
        let mut shop = shop();
        assert!(!shop.link(&key("front"), &key("cart"), at(9), LinkSource::Catalog));
        assert!(!shop.link(&key("front"), &key("cart"), at(3), LinkSource::Span));
        assert!(!shop.link(&key("db"), &key("db"), at(9), LinkSource::Span));
        assert_eq!(shop.len(), 3);
        let link = shop
            .links()
            .find(|link| link.caller == key("front"))
            .unwrap();
        assert_eq!(
            (link.since, link.at, link.by),
            (at(1), at(9), LinkSource::Catalog)
        );
    }

    #[test]
    fn a_full_topology_keeps_what_a_catalog_says_and_what_was_confirmed_last() {
        let mut full = Topology::default();
        full.link(&key("a"), &key("b"), at(0), LinkSource::Catalog);
        for n in 0..=Topology::LINKS_MAX as u64 {
            full.link(&key(&n.to_string()), &key("hub"), at(n), LinkSource::Span);
            assert!(full.len() <= Topology::LINKS_MAX);
        }
        assert!(full.are_linked(&key("a"), &key("b")));
        assert!(!full.are_linked(&key("0"), &key("hub")));
        assert!(full.are_linked(&key(&Topology::LINKS_MAX.to_string()), &key("hub")));
        assert!(full.near(&key("hub"), 2).len() <= Topology::LOOKED_AT_MAX);
    }

    #[test]
    fn what_was_stored_comes_back() {
        let shop = shop();
        let bytes = postcard::to_allocvec(&shop).unwrap();
        assert_eq!(postcard::from_bytes::<Topology>(&bytes).unwrap(), shop);
        let text = serde_json::to_string(&shop).unwrap();
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), shop);
    }
}
