//! Walking the records of a segment, over damaged places too.

use std::io;

use super::Seq;
use super::layout::{ALIGNMENT, CHAIN_BEGIN, FIXED_LEN, HEAD_LEN, RecordHead};
use super::planted::{Planted, planted};
use super::storage::StorageFile;

/// Read at once, in bytes, where no single thing asks for more.
const WINDOW_LEN: u64 = 256 << 10;

/// What lies at a place of a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// A record whose header is whole; its body was not looked at.
    Record(Place),
    /// Bytes that are no record, from and up to.
    Damage(u64, u64),
}

/// Where a record lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub at: u64,
    pub head: RecordHead,
}

/// Reads a segment from its first record on.
#[derive(Debug)]
pub(super) struct Scan<'a, F> {
    file: &'a F,
    salt: u64,
    at: u64,
    end: u64,
    /// The checksum that the next record is to be chained to; `None` behind a damaged place.
    chain: Option<u32>,
    window: Vec<u8>,
    window_at: u64,
}

impl<'a, F: StorageFile> Scan<'a, F> {
    /// Reads up to `end`, which is at most the length of the file.
    pub(super) fn new(file: &'a F, salt: u64, end: u64) -> Self {
        Self {
            file,
            salt,
            at: HEAD_LEN,
            end,
            chain: Some(CHAIN_BEGIN),
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// Where the next thing would begin.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// What comes next; `None` where nothing but zeros follows.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        let from = self.at;
        if let Some((head, crc)) = self.record_at(from)? {
            let follows = self.chain.is_none_or(|chain| chain == head.chain);
            if follows {
                return Ok(Some(self.step(head, crc)));
            }
        }
        self.chain = None;
        let (next, written) = self.search(from)?;
        self.at = next.unwrap_or(self.end);
        // Zeros before a record are damage too: records leave no gaps.
        let until = next.unwrap_or(written);
        Ok((until > from).then_some(Found::Damage(from, until)))
    }

    /// Whether the body of a record is what was written.
    pub(super) fn is_whole(&mut self, place: &Place) -> io::Result<bool> {
        let mut at = place.at + place.head.body_offset();
        let end = at + u64::from(place.head.body_len);
        let mut hash = crc32fast::Hasher::new();
        while at < end {
            let len = (end - at).min(WINDOW_LEN);
            let piece = self.bytes(at, len)?;
            hash.update(piece);
            at += len;
        }
        Ok(hash.finalize() == place.head.body_crc || planted(Planted::BodyUnchecked))
    }

    fn step(&mut self, head: RecordHead, crc: u32) -> Found {
        let at = self.at;
        self.at = at + head.len();
        self.chain = Some(crc);
        Found::Record(Place { at, head })
    }

    fn record_at(&mut self, at: u64) -> io::Result<Option<(RecordHead, u32)>> {
        let salt = self.salt;
        let room = self.end.saturating_sub(at);
        let Some(fixed) = self.bytes(at, room.min(FIXED_LEN as u64))?.first_chunk() else {
            return Ok(None);
        };
        let Some(tenant_len) = RecordHead::tenant_len(fixed, salt) else {
            return Ok(None);
        };
        let len = (FIXED_LEN + tenant_len) as u64;
        let bytes = self.bytes(at, room.min(len))?;
        let record = RecordHead::decode(bytes);
        Ok(record.filter(|(head, _)| head.len() <= room && head.seq > Seq::ZERO))
    }

    /// Where the next record after `from` begins, and where the last byte before it that is not
    /// zero ends.
    fn search(&mut self, from: u64) -> io::Result<(Option<u64>, u64)> {
        let (mut at, mut written) = (from, from);
        while at < self.end {
            let (mut candidate, mut next) = (None, at);
            for word in self.window_from(at)?.chunks(ALIGNMENT as usize) {
                let is_candidate = next > from && RecordHead::may_begin_with(word);
                if is_candidate {
                    candidate = Some(next);
                    break;
                }
                if let Some(last) = word.iter().rposition(|byte| *byte != 0) {
                    written = next + last as u64 + 1;
                }
                next += word.len() as u64;
            }
            match candidate {
                Some(place) if self.record_at(place)?.is_some() => {
                    return Ok((Some(place), written));
                }
                Some(place) => {
                    written = place + ALIGNMENT;
                    at = place + ALIGNMENT;
                }
                None => at = next,
            }
        }
        Ok((None, written))
    }

    /// Some bytes from `at` on, which lies before the end: a multiple of the alignment where more
    /// follow.
    fn window_from(&mut self, at: u64) -> io::Result<&[u8]> {
        let window_end = self.window_at + self.window.len() as u64;
        let has_word = at >= self.window_at && at + ALIGNMENT <= window_end;
        let len = if has_word {
            window_end - at
        } else {
            self.end - at
        };
        let len = len.min(WINDOW_LEN);
        let whole = len - len % ALIGNMENT;
        self.bytes(at, if whole > 0 { whole } else { len })
    }

    /// `len` bytes from `at`, which lie before the end.
    fn bytes(&mut self, at: u64, len: u64) -> io::Result<&[u8]> {
        let window_end = self.window_at + self.window.len() as u64;
        if at < self.window_at || at + len > window_end {
            let room = self.end.saturating_sub(at);
            let wanted = len.max(WINDOW_LEN).min(room);
            self.window.resize(usize_of(wanted), 0);
            self.window_at = at;
            if let Err(error) = self.file.read_at(&mut self.window, at) {
                self.window.clear();
                return Err(error);
            }
        }
        let start = usize_of(at - self.window_at);
        Ok(&self.window[start..start + usize_of(len)])
    }
}

fn usize_of(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
