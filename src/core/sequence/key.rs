//! Which sequences a record belongs to.

use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::core::record::{Record, Resource, TraceId};

/// Most sequences one record is counted for; a record may list thousands of identifiers.
pub const IDS_PER_RECORD_MAX: usize = 256;

/// The identifiers looked for in bodies unless the user names others: a word joined to a long
/// number by an underscore (`blk_-1608999687919862906`, `job_202611210743`), and a request id as
/// OpenStack and many gateways write it.
pub const DEFAULT_BODY_IDS: [&str; 2] = [
    r"\b[A-Za-z][A-Za-z0-9]*_-?[0-9]{6,}",
    r"\breq-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
];

/// The place of records whose resource names none.
const NOWHERE: &str = "all records without a key";

/// Where the key of a sequence comes from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// The trace id.
    Trace,
    /// The attribute the user named.
    Attribute,
    /// An identifier found in the body.
    Body,
    /// The workload and the pod, or what stands in for it: everything one process says.
    Instance,
}

impl KeyKind {
    /// Whether such a sequence has a beginning and an end of its own. What a process says has
    /// neither: knothole may have started in the middle, and silence ends nothing.
    pub const fn is_bounded(self) -> bool {
        !matches!(self, Self::Instance)
    }
}

/// The name of one sequence within its stream: where it comes from and its value. Small, since there
/// is one for each record: 32 bytes, and no more on the heap for a trace id or a value of at most
/// [`SHORT_LEN_MAX`](Self::SHORT_LEN_MAX) bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SequenceKey(Name);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Name {
    Trace(TraceId),
    Short {
        kind: KeyKind,
        len: u8,
        bytes: [u8; SequenceKey::SHORT_LEN_MAX],
    },
    Long {
        kind: KeyKind,
        value: Box<str>,
    },
}

impl SequenceKey {
    /// Longest value, in bytes, that takes no room of its own.
    pub const SHORT_LEN_MAX: usize = 29;

    /// The sequence of a trace.
    pub const fn trace(id: TraceId) -> Self {
        Self(Name::Trace(id))
    }

    /// The sequence of `value`, which comes from `kind`.
    pub fn new(kind: KeyKind, value: &str) -> Self {
        let mut bytes = [0; Self::SHORT_LEN_MAX];
        let short = bytes.get_mut(..value.len());
        Self(match (short, u8::try_from(value.len())) {
            (Some(short), Ok(len)) => {
                short.copy_from_slice(value.as_bytes());
                Name::Short { kind, len, bytes }
            }
            _ => Name::Long {
                kind,
                value: value.into(),
            },
        })
    }

    /// Where it comes from.
    pub const fn kind(&self) -> KeyKind {
        match &self.0 {
            Name::Trace(_) => KeyKind::Trace,
            Name::Short { kind, .. } | Name::Long { kind, .. } => *kind,
        }
    }

    /// Whether the sequence has a beginning and an end; see [`KeyKind::is_bounded`].
    pub const fn is_bounded(&self) -> bool {
        self.kind().is_bounded()
    }

    pub(super) const fn trace_id(&self) -> Option<TraceId> {
        match &self.0 {
            Name::Trace(id) => Some(*id),
            Name::Short { .. } | Name::Long { .. } => None,
        }
    }

    /// The value; empty for a trace.
    pub(super) fn text(&self) -> &str {
        match &self.0 {
            Name::Trace(_) => "",
            // Written as text, so what comes back is text.
            Name::Short { len, bytes, .. } => {
                let text = bytes.get(..usize::from(*len)).unwrap_or_default();
                std::str::from_utf8(text).unwrap_or_default()
            }
            Name::Long { value, .. } => value,
        }
    }
}

impl fmt::Display for SequenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trace_id() {
            Some(id) => id.fmt(f),
            None => f.write_str(self.text()),
        }
    }
}

/// A pattern for identifiers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("pattern for identifiers in bodies does not compile: {0}")]
pub struct PatternError(#[from] regex::Error);

/// Finds the sequences of a record: its trace; else the attribute the user named; else the
/// identifiers in its body; else the place it comes from.
#[derive(Clone, Debug)]
pub struct KeyFinder {
    body_ids: Vec<Regex>,
}

impl KeyFinder {
    /// A finder that looks for `body_ids` in bodies. The first pattern that matches at all
    /// decides; its first group is the identifier, or the whole match if it has no group.
    ///
    /// # Errors
    /// If a pattern does not compile.
    pub fn new<'a>(body_ids: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let body_ids = body_ids
            .into_iter()
            .map(Regex::new)
            .collect::<Result<_, _>>()?;
        Ok(Self { body_ids })
    }

    /// The sequences of a record, each once, at least one and at most [`IDS_PER_RECORD_MAX`].
    pub fn keys(&self, record: &Record<'_>, resource: &Resource) -> Vec<SequenceKey> {
        if let Some(trace) = record.trace_id {
            return vec![SequenceKey::trace(trace)];
        }
        let key = SequenceKey::new;
        if let Some(value) = record.sequence_attribute {
            return vec![key(KeyKind::Attribute, value)];
        }
        let ids = self.body_ids(record.body);
        if !ids.is_empty() {
            return ids.into_iter().map(|id| key(KeyKind::Body, id)).collect();
        }
        let workload = resource.workload().map(|(_, name)| name);
        let place: Vec<&str> = workload.into_iter().chain(resource.instance()).collect();
        match place.is_empty() {
            true => vec![key(KeyKind::Instance, NOWHERE)],
            false => vec![key(KeyKind::Instance, &place.join("/"))],
        }
    }

    /// The identifiers in a text, each once, in order of appearance.
    pub fn body_ids<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let found = self.body_ids.iter().map(|pattern| {
            // Searching without groups is a good deal cheaper, and most patterns have none.
            if pattern.captures_len() == 1 {
                return distinct(pattern.find_iter(text).map(|id| id.as_str()));
            }
            let ids = pattern.captures_iter(text).filter_map(|captures| {
                let id = captures.get(1).or_else(|| captures.get(0))?;
                Some(id.as_str())
            });
            distinct(ids)
        });
        let mut found = found.filter(|ids| !ids.is_empty());
        found.next().unwrap_or_default()
    }
}

/// The first [`IDS_PER_RECORD_MAX`] of `ids`, each once.
fn distinct<'t>(ids: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut distinct: Vec<&str> = Vec::new();
    for id in ids.filter(|id| !id.is_empty()) {
        if !distinct.contains(&id) {
            distinct.push(id);
        }
        if distinct.len() >= IDS_PER_RECORD_MAX {
            break;
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder() -> KeyFinder {
        KeyFinder::new(DEFAULT_BODY_IDS).expect("the default patterns compile")
    }

    fn resource(attributes: &[(&str, &str)]) -> Resource {
        Resource::new(
            attributes
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        )
    }

    #[test]
    fn one_record_may_belong_to_several_sequences_each_once() {
        let text = "ask 10.0.0.1:5 to delete [blk_1073741884_1063, blk_-1073741885_7, blk_1073741884_1063]";
        assert_eq!(
            finder().body_ids(text),
            ["blk_1073741884", "blk_-1073741885"]
        );
    }

    #[test]
    fn what_only_looks_like_an_identifier_is_none() {
        let text = "DFSClient_NONMAPREDUCE_-1073741885_1 at BP-2000597461-10.0.0.1 wrote a_12 in 123456789";
        assert!(finder().body_ids(text).is_empty());
    }

    #[test]
    fn trace_comes_before_attribute_before_body_before_place() {
        let resource = resource(&[("k8s.deployment.name", "cart"), ("k8s.pod.name", "cart-1")]);
        let mut record = Record {
            body: "job_202611210743 done",
            ..Record::default()
        };
        record.sequence_attribute = Some("order-7");
        record.trace_id = TraceId::from_bytes(&[7; 16]);
        let mut kinds = Vec::new();
        for _ in 0..4 {
            let keys = finder().keys(&record, &resource);
            kinds.push((keys[0].kind(), keys[0].to_string()));
            match kinds.len() {
                1 => record.trace_id = None,
                2 => record.sequence_attribute = None,
                _ => record.body = "plain",
            }
        }
        assert_eq!(kinds[0], (KeyKind::Trace, "07".repeat(16)));
        assert_eq!(kinds[1], (KeyKind::Attribute, "order-7".into()));
        assert_eq!(kinds[2], (KeyKind::Body, "job_202611210743".into()));
        assert_eq!(kinds[3], (KeyKind::Instance, "cart/cart-1".into()));
    }

    #[test]
    fn a_user_pattern_with_a_group_gives_the_group() {
        let finder = KeyFinder::new([r"instance: ([0-9a-f-]{8})\]"]).expect("compiles");
        assert_eq!(
            finder.body_ids("[instance: 0a1b2c3d] spawned"),
            ["0a1b2c3d"]
        );
        assert!(KeyFinder::new(["("]).is_err());
    }

    #[test]
    fn a_key_reads_as_it_was_written_whatever_its_length_and_is_small() {
        for value in [
            "",
            "blk_-1608999687919862906",
            &"\u{e4}".repeat(14),
            &"x".repeat(400),
        ] {
            let key = SequenceKey::new(KeyKind::Body, value);
            assert_eq!(key.to_string(), value);
            assert_ne!(key, SequenceKey::new(KeyKind::Attribute, value));
        }
        assert_eq!(size_of::<SequenceKey>(), 32);
    }
}
