//! Who sends how much, and from where: what a rollout and an odd node are seen by.
//!
//! Nobody has to tell of a deployment: the resources of the records say which version they come from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::core::record::{Change, ChangeKind, Resource, StreamKey, Timestamp};

/// The attributes of resources that are counted, by which what is abnormal may differ from the rest.
pub const ATTRIBUTES: [&str; 8] = [
    "service.version",
    "k8s.replicaset.name",
    "k8s.node.name",
    "k8s.pod.name",
    "k8s.cluster.name",
    "host.name",
    "cloud.availability_zone",
    "cloud.region",
];
/// Most services told apart; an eighth, those not heard of for longest, give way.
pub const STREAMS_MAX: usize = 10_000;
/// Most values of all attributes counted for one service.
pub const VALUES_MAX: usize = 256;
/// How long a count goes on; the one before is kept beside it.
const PERIOD: Duration = Duration::from_secs(10 * 60);
/// Times that are so far behind are those of a clock that was put back. What is nearer is that of one pod
/// and turns nothing back.
const PUT_BACK: Duration = Duration::from_secs(3 * 60 * 60);
/// A version that was not heard of for so long and comes back was rolled back to.
const BACK_AFTER: Duration = Duration::from_secs(10 * 60);
/// The attributes that change with a rollout, the more telling first.
const VERSIONS: [(&str, ChangeKind); 2] = [
    ("service.version", ChangeKind::Version),
    ("k8s.replicaset.name", ChangeKind::Rollout),
];

/// The traffic of all services. Bounded by [`STREAMS_MAX`] and [`VALUES_MAX`]: values beyond it are not
/// counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    #[serde(with = "as_list")]
    streams: BTreeMap<StreamKey, Seen>,
}

/// What was seen of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// Since when `now` is counted.
    since: Timestamp,
    now: Counts,
    before: Counts,
    /// When each value of [`VERSIONS`] was last seen, by the place of its attribute there.
    last_seen: Vec<(usize, Box<str>, Timestamp)>,
}

/// Records by the place of an attribute in [`ATTRIBUTES`] and its value, and in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counts {
    all: u64,
    by_value: Vec<(usize, Box<str>, u64)>,
}

impl Traffic {
    /// Counts records of a service from one resource. A change, where they are the first of another
    /// version; the first version of a service is none.
    pub fn seen(
        &mut self,
        stream: &StreamKey,
        resource: &Resource,
        (records, at): (u64, Timestamp),
    ) -> Option<Change> {
        if !self.streams.contains_key(stream) {
            if self.streams.len() >= STREAMS_MAX {
                self.make_room();
            }
            self.streams.insert(stream.clone(), Seen::default());
        }
        let seen = self.streams.get_mut(stream)?;
        seen.count(resource, records, at);
        seen.change(resource, at).map(|(kind, from, to)| Change {
            id: id_of(stream, kind, &to, at),
            kind,
            stream: stream.clone(),
            from: Some(from),
            to: Some(to),
            at,
            reference: None,
            url: None,
        })
    }

    fn make_room(&mut self) {
        let latest = |(stream, seen): (&StreamKey, &Seen)| (seen.since, stream.clone());
        let mut quiet: Vec<(Timestamp, StreamKey)> = self.streams.iter().map(latest).collect();
        quiet.sort_unstable();
        for (_, stream) in quiet.into_iter().take(STREAMS_MAX / 8) {
            self.streams.remove(&stream);
        }
    }

    /// How many records of a service had this value of an attribute lately, and how many there were.
    pub fn share(&self, stream: &StreamKey, attribute: &str, value: &str) -> (u64, u64) {
        let Some(seen) = self.streams.get(stream) else {
            return (0, 0);
        };
        let place = ATTRIBUTES.iter().position(|name| *name == attribute);
        let counts = [&seen.now, &seen.before];
        let with = counts.map(|counts| place.map_or(0, |place| counts.of(place, value)));
        (with.iter().sum(), seen.now.all + seen.before.all)
    }
}

impl Seen {
    fn count(&mut self, resource: &Resource, records: u64, at: Timestamp) {
        let was_put_back = self.since.since(at) >= PUT_BACK;
        if was_put_back {
            for known in &mut self.last_seen {
                known.2 = known.2.min(at);
            }
        }
        if was_put_back || at.since(self.since) >= PERIOD {
            self.before = std::mem::take(&mut self.now);
            self.since = at;
        }
        self.now.all = self.now.all.saturating_add(records);
        for (place, attribute) in ATTRIBUTES.iter().enumerate() {
            if let Some(value) = resource.get(attribute) {
                self.now.add(place, value, records);
            }
        }
    }

    /// The kind of change, and what it was from and to.
    fn change(
        &mut self,
        resource: &Resource,
        at: Timestamp,
    ) -> Option<(ChangeKind, Box<str>, Box<str>)> {
        let mut found = None;
        for (place, (attribute, kind)) in VERSIONS.iter().enumerate() {
            let Some(value) = resource.get(attribute) else {
                continue;
            };
            // Of a new version in a new ReplicaSet only the version is told.
            let from = self.other_before(place, value, at);
            found = found.or(from.map(|from| (*kind, from, value.into())));
        }
        found
    }

    /// Notes that a version was seen; the one before, if it is another one and this one is news.
    fn other_before(&mut self, place: usize, value: &str, at: Timestamp) -> Option<Box<str>> {
        let same = |known: &&(usize, Box<str>, Timestamp)| known.0 == place && *known.1 == *value;
        let last = self.last_seen.iter().find(same).map(|known| known.2);
        let others = self.last_seen.iter();
        let others = others.filter(|known| known.0 == place && *known.1 != *value);
        let other = others.max_by_key(|known| known.2);
        let is_news = last.is_none_or(|last| at.since(last) >= BACK_AFTER);
        let other = other.filter(|other| is_news && last.is_none_or(|last| other.2 > last));
        let other = other.map(|other| other.1.clone());
        match self.last_seen.iter_mut().find(|it| same(&&**it)) {
            Some(known) => known.2 = known.2.max(at),
            None => self.last_seen.push((place, value.into(), at)),
        }
        while self.last_seen.len() > VALUES_MAX {
            let oldest = self.last_seen.iter().enumerate().min_by_key(|(_, it)| it.2);
            let oldest = oldest.map_or(0, |(place, _)| place);
            self.last_seen.swap_remove(oldest);
        }
        other
    }
}

impl Counts {
    fn add(&mut self, place: usize, value: &str, records: u64) {
        let has_room = self.by_value.len() < VALUES_MAX;
        let mut known = self.by_value.iter_mut();
        match known.find(|known| known.0 == place && *known.1 == *value) {
            Some(known) => known.2 = known.2.saturating_add(records),
            None if has_room => {
                self.by_value.push((place, value.into(), records));
            }
            None => {}
        }
    }

    fn of(&self, place: usize, value: &str) -> u64 {
        let mut known = self.by_value.iter();
        let known = known.find(|known| known.0 == place && *known.1 == *value);
        known.map_or(0, |known| known.2)
    }
}

fn id_of(stream: &StreamKey, kind: ChangeKind, to: &str, at: Timestamp) -> Box<str> {
    let mut hash = Sha256::new();
    for part in [&stream.environment, &stream.namespace, &stream.name] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(kind.name());
    hash.update([0]);
    hash.update(to);
    hash.update(at.as_nanos().to_be_bytes());
    let digest = hash.finalize();
    let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
    hex.collect::<String>().into()
}

/// A map by something that is no string, as a list of pairs.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Seen, StreamKey};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<StreamKey, Seen>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<StreamKey, Seen>, D::Error> {
        let pairs: Vec<(StreamKey, Seen)> = Vec::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(attributes: &[(&str, &str)]) -> Resource {
        let attributes = attributes.iter();
        Resource::new(
            attributes
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        )
    }

    fn minute(minute: u64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    fn told(traffic: &mut Traffic, version: &str, at: u64) -> Option<(String, String)> {
        let from = resource(&[
            ("service.version", version),
            ("k8s.replicaset.name", version),
        ]);
        let change = traffic.seen(&StreamKey::named("cart"), &from, (1, minute(at)))?;
        assert_eq!(change.kind, ChangeKind::Version, "not the ReplicaSet too");
        Some((change.from?.to_string(), change.to?.to_string()))
    }

    #[test]
    fn a_new_version_is_a_change_once_also_while_both_run() {
        let mut traffic = Traffic::default();
        assert_eq!(
            told(&mut traffic, "2.9.6", 0),
            None,
            "the first is no change"
        );
        assert_eq!(told(&mut traffic, "2.9.6", 1), None);
        let change = ("2.9.6".to_owned(), "2.9.7".to_owned());
        assert_eq!(told(&mut traffic, "2.9.7", 2), Some(change));
        for at in 3..30 {
            assert_eq!(told(&mut traffic, "2.9.6", at), None);
            assert_eq!(told(&mut traffic, "2.9.7", at), None);
        }
    }

    #[test]
    fn going_back_is_a_change_too() {
        let mut traffic = Traffic::default();
        told(&mut traffic, "2.9.6", 0);
        assert!(told(&mut traffic, "2.9.7", 1).is_some());
        for at in 2..20 {
            assert_eq!(told(&mut traffic, "2.9.7", at), None);
        }
        let back = ("2.9.7".to_owned(), "2.9.6".to_owned());
        assert_eq!(told(&mut traffic, "2.9.6", 20), Some(back));
    }

    #[test]
    fn a_service_that_was_quiet_for_a_day_and_comes_back_the_same_did_not_change() {
        let mut traffic = Traffic::default();
        told(&mut traffic, "1", 0);
        told(&mut traffic, "2", 1);
        assert_eq!(told(&mut traffic, "2", 1_440), None);
    }

    #[test]
    fn a_rollout_without_versions_is_seen_by_its_replica_set() {
        let mut traffic = Traffic::default();
        let cart = StreamKey::named("cart");
        let set = |name| resource(&[("k8s.replicaset.name", name)]);
        assert_eq!(traffic.seen(&cart, &set("cart-1"), (5, minute(0))), None);
        let change = traffic.seen(&cart, &set("cart-2"), (5, minute(1)));
        let change = change.expect("a rollout");
        assert_eq!(change.kind, ChangeKind::Rollout);
        assert_eq!((change.at, change.id.len()), (minute(1), 32));
    }

    #[test]
    fn shares_are_those_of_the_last_minutes() {
        let mut traffic = Traffic::default();
        let cart = StreamKey::named("cart");
        let zone = |zone| resource(&[("cloud.availability_zone", zone)]);
        for at in 0..100 {
            traffic.seen(&cart, &zone("a"), (3, minute(at)));
            traffic.seen(&cart, &zone("b"), (1, minute(at)));
        }
        let (with, all) = traffic.share(&cart, "cloud.availability_zone", "b");
        assert_eq!(all, 4 * with);
        assert!((10..=20).contains(&with), "{with} minutes");
        assert_eq!(traffic.share(&cart, "cloud.availability_zone", "c").0, 0);
        assert_eq!(
            traffic.share(&StreamKey::named("x"), "host.name", "b"),
            (0, 0)
        );
        let text = serde_json::to_string(&traffic).unwrap();
        assert_eq!(serde_json::from_str::<Traffic>(&text).unwrap(), traffic);
    }

    #[test]
    fn a_pod_whose_clock_is_behind_does_not_cut_the_counts_short() {
        let mut traffic = Traffic::default();
        let cart = StreamKey::named("cart");
        let zone = |zone| resource(&[("cloud.availability_zone", zone)]);
        for at in 100..110 {
            traffic.seen(&cart, &zone("a"), (3, minute(at)));
            traffic.seen(&cart, &zone("b"), (1, minute(at - 20)));
        }
        let (with, all) = traffic.share(&cart, "cloud.availability_zone", "b");
        assert_eq!((with, all), (10, 40));
    }

    #[test]
    fn a_clock_that_was_ahead_for_a_while_hides_no_later_change() {
        let mut traffic = Traffic::default();
        let year = 400 * 24 * 60;
        told(&mut traffic, "1", 100);
        told(&mut traffic, "1", 100 + year);
        told(&mut traffic, "1", 101);
        assert!(told(&mut traffic, "2", 130).is_some());
        assert!(told(&mut traffic, "1", 160).is_some());
        let (with, all) = traffic.share(&StreamKey::named("cart"), "service.version", "1");
        assert_eq!((with, all), (1, 2));
    }

    #[test]
    fn of_more_services_than_are_told_apart_the_ones_heard_of_last_are_kept() {
        let mut traffic = Traffic::default();
        let from = resource(&[("service.version", "1")]);
        let key = |n: u64| StreamKey::named(&format!("s{n}"));
        for n in 0..=STREAMS_MAX as u64 {
            traffic.seen(&key(n), &from, (1, minute(n)));
            assert!(traffic.streams.len() <= STREAMS_MAX);
        }
        let known = |n: u64| traffic.share(&key(n), "service.version", "1").1 > 0;
        assert!(known(STREAMS_MAX as u64) && known(STREAMS_MAX as u64 - 1));
        assert!(!known(0));
    }

    #[test]
    fn names_without_end_fill_no_memory() {
        let mut traffic = Traffic::default();
        let cart = StreamKey::named("cart");
        for n in 0..2_000 {
            let (version, pod) = (format!("v{n}"), format!("pod-{n}"));
            let from = resource(&[("service.version", &version), ("k8s.pod.name", &pod)]);
            traffic.seen(&cart, &from, (1, Timestamp::from_millis(n)));
        }
        let seen = &traffic.streams[&cart];
        assert!(seen.now.by_value.len() <= VALUES_MAX && seen.last_seen.len() <= VALUES_MAX);
        assert_eq!(seen.now.all, 2_000);
    }
}
