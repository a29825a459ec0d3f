//! The files of the journal.

use std::fmt;

use super::Seq;
use super::layout::{HEAD_LEN, SegmentHead};

/// A segment as the writer and the readers know it.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub index: u64,
    pub salt: u64,
    /// The first number that may be here.
    pub first: Seq,
    /// The last number that is; the one before `first` where there is none.
    pub last: Seq,
    /// Records from this number on are void.
    pub void_from: Seq,
    /// Where the last record ends.
    pub end: u64,
    /// Bytes that the file takes.
    pub len: u64,
}

impl Segment {
    /// One without records, or without any that count.
    pub(super) fn empty(head: &SegmentHead, len: u64) -> Self {
        Self {
            index: head.index,
            salt: head.salt,
            first: head.first,
            last: head.first.before(),
            void_from: Seq::MAX,
            end: HEAD_LEN,
            len,
        }
    }
}

/// The name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileName {
    /// A damaged place of a segment, and where it began.
    Broken(u64, u64),
    /// Keys of a segment that was forgotten.
    Keys(u64),
    /// A segment.
    Segment(u64),
}

impl FileName {
    /// `None` for files that are not ours.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (stem, extension) = name.split_once('.')?;
        let name_of = match extension {
            "journal" => Self::Segment(stem.parse().ok()?),
            "keys" => Self::Keys(stem.parse().ok()?),
            "broken" => {
                let (index, at) = stem.split_once('-')?;
                Self::Broken(index.parse().ok()?, at.parse().ok()?)
            }
            _ => return None,
        };
        (name_of.to_string() == name).then_some(name_of)
    }

    /// The number of the segment.
    pub(super) fn index(&self) -> u64 {
        match *self {
            Self::Broken(index, _) | Self::Keys(index) | Self::Segment(index) => index,
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(index, at) => write!(f, "{index:012}-{at}.broken"),
            Self::Keys(index) => write!(f, "{index:012}.keys"),
            Self::Segment(index) => write!(f, "{index:012}.journal"),
        }
    }
}
