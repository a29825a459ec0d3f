//! The bytes of a segment: its head, and the header before each body.
//!
//! ```text
//! segment   head, 512 bytes · the same again · record · record · … · zeros
//! head      magic 8 · format 4 · crc 4 · salt 8 · index 8 · first 8 · settled 8
//!           · previous index 8 · previous first 8 · zeros
//! record    magic 4 · crc 4 · salt 8 · seq 8 · received 8 · digest 16 · body length 4
//!           · body crc 4 · chain 4 · before 4 · tenant length 2 · kind 1 · flags 1
//!           · tenant · body · zeros up to a multiple of 8
//! ```
//!
//! Numbers are little-endian. The salt is random for each segment: bodies are hostile, and what
//! looks like a record inside of one must not be taken for one when a damaged place is searched.

use crate::core::record::Timestamp;

use super::{Head, Seq};

/// Raised when anything here changes.
pub(super) const FORMAT: u32 = 1;
/// Where the first record of a segment begins, in bytes.
pub(super) const HEAD_LEN: u64 = 2 * COPY_LEN as u64;
/// Bytes of a record before its tenant.
pub(super) const FIXED_LEN: usize = 68;
/// Records begin at a multiple of this.
pub(super) const ALIGNMENT: u64 = 8;
/// Longest name of a tenant, in bytes.
pub const TENANT_LEN_MAX: usize = 256;

const COPY_LEN: usize = 512;
const SEGMENT_MAGIC: &[u8; 8] = b"knotjrnl";
const RECORD_MAGIC: &[u8; 4] = b"KNJR";
const CRC_FIELD: std::ops::Range<usize> = 4..8;
/// Set on the record that a clean stop leaves; it has the last number, and no body.
const SEAL: u8 = 1;

/// What stands at the beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHead {
    /// Marks the records of this segment.
    pub salt: u64,
    /// The number of the segment, which is in its name too.
    pub index: u64,
    /// The first number of a record here. What an older segment holds from it on is void: its
    /// commit failed and nobody was told that it is kept.
    pub first: Seq,
    /// Every number up to this one was on disk when the segment was begun, so one that is missing
    /// was lost. Missing numbers between this and `first` may never have been acknowledged.
    pub settled: Seq,
    /// Number and first entry of the segment before; zeros where there was none.
    pub previous: (u64, Seq),
}

/// Why the head of a segment is none.
#[derive(Debug)]
pub(super) enum HeadError {
    /// Neither copy is whole.
    Damaged,
    /// A later version wrote it.
    Newer(u32),
}

impl SegmentHead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(2 * COPY_LEN);
        copy.extend_from_slice(SEGMENT_MAGIC);
        copy.extend_from_slice(&FORMAT.to_le_bytes());
        copy.extend_from_slice(&[0; 4]);
        let (previous, previous_first) = self.previous;
        let own = [self.salt, self.index, self.first.0, self.settled.0];
        for number in own.into_iter().chain([previous, previous_first.0]) {
            copy.extend_from_slice(&number.to_le_bytes());
        }
        copy.resize(COPY_LEN, 0);
        let crc = crc32fast::hash(&copy);
        copy[12..16].copy_from_slice(&crc.to_le_bytes());
        copy.extend_from_within(..);
        copy
    }

    /// Reads whichever of the two copies is whole.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
        let mut error = HeadError::Damaged;
        for copy in bytes.chunks(COPY_LEN).take(2) {
            match Self::decode_copy(copy) {
                Ok(head) => return Ok(head),
                Err(newer @ HeadError::Newer(_)) => error = newer,
                Err(HeadError::Damaged) => {}
            }
        }
        Err(error)
    }

    fn decode_copy(copy: &[u8]) -> Result<Self, HeadError> {
        let mut copy: [u8; COPY_LEN] = copy.try_into().map_err(|_| HeadError::Damaged)?;
        let crc = u32_at(&copy, 12);
        copy[12..16].fill(0);
        if copy[..8] != *SEGMENT_MAGIC || crc32fast::hash(&copy) != crc {
            return Err(HeadError::Damaged);
        }
        // A later version keeps magic, format and checksum where they are.
        match u32_at(&copy, 8) {
            FORMAT => {}
            newer => return Err(HeadError::Newer(newer)),
        }
        Ok(Self {
            salt: u64_at(&copy, 16),
            index: u64_at(&copy, 24),
            first: Seq(u64_at(&copy, 32)),
            settled: Seq(u64_at(&copy, 40)),
            previous: (u64_at(&copy, 48), Seq(u64_at(&copy, 56))),
        })
    }
}

/// What stands before a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub seq: Seq,
    pub entry: Head,
    pub body_len: u32,
    pub body_crc: u32,
    /// The checksum of the record before, or [`CHAIN_BEGIN`].
    pub chain: u32,
    /// How many records its commit has before it: those of the commits before were on disk when
    /// this one was written.
    pub before: u32,
    /// Whether it is the mark of a clean stop.
    pub is_seal: bool,
}

/// The chain of the first record of a segment.
pub(super) const CHAIN_BEGIN: u32 = 0;

impl RecordHead {
    /// The mark of a clean stop behind the record `last`.
    pub(super) fn seal(last: Seq) -> Self {
        let entry = Head {
            kind: 0,
            tenant: Box::default(),
            received_at: Timestamp::ZERO,
            digest: [0; 16],
        };
        Self {
            seq: last,
            entry,
            body_len: 0,
            body_crc: 0,
            chain: CHAIN_BEGIN,
            before: 0,
            is_seal: true,
        }
    }

    /// Bytes of the whole record.
    pub(super) fn len(&self) -> u64 {
        record_len(self.entry.tenant.len(), self.body_len as usize)
    }

    /// Where the body begins, counted from the beginning of the record.
    pub(super) fn body_offset(&self) -> u64 {
        (FIXED_LEN + self.entry.tenant.len()) as u64
    }

    /// Every number up to this one was on disk when the record was written.
    pub(super) fn settled(&self) -> Seq {
        let last = if self.is_seal { 0 } else { 1 };
        Seq(self.seq.0.saturating_sub(u64::from(self.before) + last))
    }

    /// Appends header and tenant to `bytes`; the checksum of what it appended, which the next
    /// record is chained to.
    pub(super) fn encode(&self, salt: u64, bytes: &mut Vec<u8>) -> u32 {
        let start = bytes.len();
        bytes.extend_from_slice(RECORD_MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        for number in [salt, self.seq.0, self.entry.received_at.as_nanos()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.entry.digest);
        for number in [self.body_len, self.body_crc, self.chain, self.before] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let tenant_len = u16::try_from(self.entry.tenant.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&tenant_len.to_le_bytes());
        bytes.push(self.entry.kind);
        bytes.push(if self.is_seal { SEAL } else { 0 });
        bytes.extend_from_slice(self.entry.tenant.as_bytes());
        let crc = crc32fast::hash(&bytes[start..]);
        bytes[start..][CRC_FIELD].copy_from_slice(&crc.to_le_bytes());
        crc
    }

    /// Whether a record may begin with these bytes.
    pub(super) fn may_begin_with(bytes: &[u8]) -> bool {
        bytes.starts_with(RECORD_MAGIC)
    }

    /// Bytes of the tenant that follow a fixed part; `None` where these bytes begin no record.
    pub(super) fn tenant_len(fixed: &[u8; FIXED_LEN], salt: u64) -> Option<usize> {
        let tenant_len = usize::from(u16::from_le_bytes([fixed[64], fixed[65]]));
        let is_ours =
            fixed[..4] == *RECORD_MAGIC && salt_of(fixed) == salt && tenant_len <= TENANT_LEN_MAX;
        is_ours.then_some(tenant_len)
    }

    /// The record that begins with `bytes` (its fixed part and the tenant) and its checksum;
    /// `None` where they are damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let (fixed, tenant) = bytes.split_first_chunk::<FIXED_LEN>()?;
        let crc = u32_at(fixed, CRC_FIELD.start);
        let mut hash = crc32fast::Hasher::new();
        hash.update(&fixed[..CRC_FIELD.start]);
        hash.update(&[0; 4]);
        hash.update(&fixed[CRC_FIELD.end..]);
        hash.update(tenant);
        if hash.finalize() != crc {
            return None;
        }
        let tenant = std::str::from_utf8(tenant).ok()?;
        let mut digest = [0; 16];
        digest.copy_from_slice(&fixed[32..48]);
        let head = Self {
            seq: Seq(u64_at(fixed, 16)),
            entry: Head {
                kind: fixed[66],
                tenant: tenant.into(),
                received_at: Timestamp::from_nanos(u64_at(fixed, 24)),
                digest,
            },
            body_len: u32_at(fixed, 48),
            body_crc: u32_at(fixed, 52),
            chain: u32_at(fixed, 56),
            before: u32_at(fixed, 60),
            is_seal: fixed[67] & SEAL != 0,
        };
        Some((head, crc))
    }
}

/// Bytes of a record with such a tenant and body.
pub(super) fn record_len(tenant: usize, body: usize) -> u64 {
    ((FIXED_LEN + tenant + body) as u64).next_multiple_of(ALIGNMENT)
}

/// Bytes that fill up a record which ends at `end`.
pub(super) fn padding(end: u64) -> usize {
    let over = end.next_multiple_of(ALIGNMENT) - end;
    usize::try_from(over).unwrap_or_default()
}

/// The salt in the fixed part of a record.
pub(super) fn salt_of(fixed: &[u8; FIXED_LEN]) -> u64 {
    u64_at(fixed, 8)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
