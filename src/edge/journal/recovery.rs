//! What is found at start: which entries are there, which were lost, and where to go on.
//!
//! A number that is missing was lost if it is known to have been on disk: a record of a later
//! commit, a mark of a clean stop or a later segment says so. Else it was being written when the
//! power went, and nobody was told that it is kept.

use std::io;

use crate::core::record::Timestamp;

use super::layout::{FIXED_LEN, HEAD_LEN, HeadError, SegmentHead, salt_of};
use super::repeats::{self, Key, Repeats};
use super::scan::{Found, Place, Scan};
use super::segment::{FileName, Segment};
use super::storage::{Storage, StorageFile};
use super::{JournalError, Recovery, Seq, Settings};

/// Most bytes of damaged places that are kept for people to look at.
pub const BROKEN_BYTES_MAX: u64 = 64 << 20;
/// Bytes copied or looked at at once.
const PIECE_LEN: u64 = 256 << 10;

/// All that the writer needs to go on.
#[derive(Debug)]
pub(super) struct Recovered {
    pub report: Recovery,
    pub segments: Vec<Segment>,
    /// Segments that were forgotten, and when the newest entry of each came.
    pub forgotten: Vec<(u64, Timestamp)>,
    pub repeats: Repeats,
    /// The last number that was given.
    pub last: Seq,
    /// Every number up to this one was on disk.
    pub settled: Seq,
    pub next_index: u64,
}

/// Reads all segments; removes what was begun and never used, and cuts off torn tails.
pub(super) fn recover<S: Storage>(
    storage: &S,
    settings: &Settings,
) -> Result<Recovered, JournalError> {
    let failed = |source| JournalError::io("list", "the journal", source);
    let names = storage.names().map_err(failed)?;
    let mut names: Vec<_> = names
        .iter()
        .filter_map(|name| FileName::parse(name))
        .collect();
    names.sort_unstable();
    let next_index = names.iter().map(FileName::index).max().unwrap_or(0) + 1;
    let mut recovery = Recover {
        storage,
        report: Recovery::default(),
        forgotten: Vec::new(),
        forgotten_upto: Seq::ZERO,
        remembered: Vec::new(),
        settled: Seq::ZERO,
        last: settings.after,
        broken_bytes: 0,
        unreadable: Vec::new(),
        has_changed: false,
    };
    settle(storage, &names).map_err(failed)?;
    let mut opened = Vec::new();
    for &name in &names {
        match name {
            FileName::Broken(..) => recovery.count_broken(name),
            FileName::Keys(index) => {
                let is_unfinished = names.contains(&FileName::Segment(index));
                recovery.read_keys(index, is_unfinished);
            }
            FileName::Segment(index) => opened.extend(recovery.open(index)?),
        }
    }
    let segments = recovery.read_segments(&opened);
    if recovery.has_changed {
        let failed = |source| JournalError::io("sync", "the journal", source);
        storage.sync_folder().map_err(failed)?;
    }
    Ok(recovery.finish(segments, settings, next_index))
}

struct Recover<'a, S> {
    storage: &'a S,
    report: Recovery,
    forgotten: Vec<(u64, Timestamp)>,
    forgotten_upto: Seq,
    remembered: Vec<Key>,
    settled: Seq,
    last: Seq,
    broken_bytes: u64,
    /// Segments in which nothing was found.
    unreadable: Vec<u64>,
    has_changed: bool,
}

/// A segment whose head was read.
struct Opened<F> {
    file: F,
    len: u64,
    head: SegmentHead,
}

/// What the records of one segment say.
struct Examined {
    /// The number that is expected next.
    next: Seq,
    /// Behind the last record that is whole.
    end: u64,
    /// Every number up to this one was on disk.
    settled: Seq,
    /// Numbers that are missing before others, from and up to.
    missing: Vec<(Seq, Seq)>,
    damage: Vec<Damage>,
}

/// A damaged place, and the number that was expected there.
struct Damage {
    from: u64,
    to: u64,
    number: Seq,
}

impl<S: Storage> Recover<'_, S> {
    fn count_broken(&mut self, name: FileName) {
        let file = self.storage.open(&name.to_string());
        self.broken_bytes += file.and_then(|file| file.len()).unwrap_or_default();
    }

    /// Reads what is left of a forgotten segment; if the segment is still there, the file may not
    /// have been finished.
    fn read_keys(&mut self, index: u64, is_unfinished: bool) {
        let name = FileName::Keys(index).to_string();
        let bytes = self.storage.open(&name).and_then(|file| {
            let mut bytes = vec![0; usize_of(file.len()?)];
            file.read_at(&mut bytes, 0)?;
            Ok(bytes)
        });
        let keys = bytes.ok().and_then(|bytes| repeats::decode(&bytes));
        let Some((upto, keys)) = keys else {
            if !is_unfinished {
                tracing::warn!(
                    file = name,
                    "What the journal remembers of requests that it forgot is damaged; one that is sent again may count twice"
                );
            }
            self.has_changed |= self.storage.remove(&name).is_ok();
            return;
        };
        self.forgotten.push((index, repeats::newest(&keys)));
        self.forgotten_upto = self.forgotten_upto.max(upto);
        self.remembered.extend(keys);
    }

    /// Opens a segment; `None` if it never held a record, or none that can be found.
    fn open(&mut self, index: u64) -> Result<Option<Opened<S::File>>, JournalError> {
        let name = FileName::Segment(index).to_string();
        let failed = |source| JournalError::io("open", &name, source);
        let file = self.storage.open(&name).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        let head = match read_head(&file, len) {
            Ok(head) => Some(head),
            Err(HeadError::Newer(format)) => return Err(JournalError::Newer { name, format }),
            Err(HeadError::Damaged) => head_of_first_record(&file, index, len),
        };
        if head.is_none() {
            self.unreadable.push(index);
            let (from, to, number) = (0, len, Seq::ZERO);
            let damage = Damage { from, to, number };
            if is_zeros(&file, len) || self.set_aside(&file, index, &damage) {
                self.has_changed |= self.storage.remove(&name).is_ok();
            }
        }
        Ok(head.map(|head| Opened { file, len, head }))
    }

    fn read_segments(&mut self, opened: &[Opened<S::File>]) -> Vec<Segment> {
        let mut segments = Vec::with_capacity(opened.len());
        let oldest = opened.first().map(|opened| {
            let (index, first) = opened.head.previous;
            let is_unreadable = self.unreadable.contains(&index);
            if is_unreadable {
                first
            } else {
                opened.head.first
            }
        });
        let mut next = oldest.unwrap_or(Seq::ZERO.next());
        for (nth, Opened { file, len, head }) in opened.iter().enumerate() {
            let later = &opened[nth + 1..];
            // What a later segment gives numbers to was not acknowledged here.
            let void_from = later.iter().map(|later| later.head.first).min();
            let void_from = void_from.unwrap_or(Seq::MAX);
            if self.is_forgotten(head.index) {
                // It goes with the next that are forgotten: its head may still say what is void.
                segments.push(Segment::empty(head, *len));
                continue;
            }
            self.note_lost(next, head.first.before().min(head.settled));
            let examined = self.examine(file, *len, head, void_from);
            let settled = later.first().map_or(Seq::ZERO, |next| next.head.settled);
            let settled = settled.max(examined.settled);
            for &(from, to) in &examined.missing {
                self.note_lost(from, to.min(settled));
            }
            let (lost, torn): (Vec<_>, Vec<_>) = examined
                .damage
                .iter()
                .partition(|damage| damage.number <= settled);
            self.report.torn_bytes += torn.iter().map(|torn| torn.to - torn.from).sum::<u64>();
            for damage in &lost {
                self.set_aside(file, head.index, damage);
            }
            // Lost bytes stay where they are; torn ones, and room that is not needed, go.
            let is_lost = lost.iter().any(|damage| damage.from >= examined.end);
            let is_cut = !is_lost && *len > examined.end && file.truncate(examined.end).is_ok();
            next = examined.next;
            self.settled = self.settled.max(head.settled).max(examined.settled);
            self.last = self.last.max(next.before());
            segments.push(Segment {
                index: head.index,
                salt: head.salt,
                first: head.first,
                last: next.before(),
                void_from,
                end: examined.end,
                len: if is_cut { examined.end } else { *len },
            });
        }
        // What the mark of a clean stop tells of and is not there.
        self.note_lost(next, self.settled);
        segments
    }

    fn is_forgotten(&self, index: u64) -> bool {
        let mut forgotten = self.forgotten.iter();
        forgotten.any(|(forgotten, _)| *forgotten == index)
    }

    fn examine(
        &mut self,
        file: &S::File,
        len: u64,
        head: &SegmentHead,
        void_from: Seq,
    ) -> Examined {
        let mut examined = Examined {
            next: head.first,
            end: HEAD_LEN.min(len),
            settled: Seq::ZERO,
            missing: Vec::new(),
            damage: Vec::new(),
        };
        let mut scan = Scan::new(file, head.salt, len);
        loop {
            match scan.next() {
                Ok(Some(Found::Record(place))) if place.head.seq >= void_from => break,
                Ok(Some(Found::Record(place))) => {
                    let is_whole = scan.is_whole(&place).unwrap_or(false);
                    self.take(&place, is_whole, &mut examined);
                }
                Ok(Some(Found::Damage(from, to))) => {
                    let number = examined.next;
                    examined.damage.push(Damage { from, to, number });
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(segment = head.index, %error, "A segment of the journal cannot be read to its end");
                    let (from, number) = (scan.position(), examined.next);
                    examined.damage.push(Damage {
                        from,
                        to: len,
                        number,
                    });
                    break;
                }
            }
        }
        examined
    }

    fn take(&mut self, place: &Place, is_whole: bool, examined: &mut Examined) {
        let Place { at, head } = place;
        let end = at + head.len();
        examined.settled = examined.settled.max(head.settled());
        if head.is_seal {
            examined.end = end;
            return;
        }
        if head.seq < examined.next || !is_whole {
            let (from, to, number) = (*at, end, head.seq.max(examined.next));
            examined.damage.push(Damage { from, to, number });
            return;
        }
        if head.seq > examined.next {
            examined.missing.push((examined.next, head.seq.before()));
        }
        examined.next = head.seq.next();
        examined.end = end;
        self.report.first.get_or_insert(head.seq);
        self.report.entries += 1;
        self.report.bytes += u64::from(head.body_len);
        self.remembered.push(Key {
            digest: head.entry.digest,
            seq: head.seq,
            received_at: head.entry.received_at,
        });
    }

    fn note_lost(&mut self, from: Seq, to: Seq) {
        // The power may go when a few of the segments that are forgotten are deleted.
        let from = from.max(self.forgotten_upto.next());
        if from <= to {
            self.report.lost.push(from..=to);
        }
    }

    /// Copies a damaged place to a file of its own, if there is none yet; whether it is there.
    fn set_aside(&mut self, file: &S::File, index: u64, damage: &Damage) -> bool {
        let name = FileName::Broken(index, damage.from).to_string();
        let len = damage.to - damage.from;
        let earlier = self.storage.open(&name).and_then(|file| file.len());
        match earlier {
            Ok(earlier) if earlier == len => return true,
            // A crash came in between.
            Ok(_) => self.has_changed |= self.storage.remove(&name).is_ok(),
            Err(_) => {}
        }
        if self.broken_bytes + len > BROKEN_BYTES_MAX {
            return false;
        }
        let copied = self.storage.create(&name, 0).and_then(|copy| {
            let mut at = damage.from;
            while at < damage.to {
                let mut piece = vec![0; usize_of((damage.to - at).min(PIECE_LEN))];
                file.read_at(&mut piece, at)?;
                copy.write_at(&piece, at - damage.from)?;
                at += piece.len() as u64;
            }
            copy.sync()
        });
        if let Err(error) = &copied {
            tracing::warn!(file = name, %error, "A damaged place of the journal could not be copied");
            return false;
        }
        self.has_changed = true;
        self.broken_bytes += len;
        self.report.broken.push(name);
        true
    }

    fn finish(mut self, segments: Vec<Segment>, settings: &Settings, next_index: u64) -> Recovered {
        self.remembered.sort_by_key(|key| key.seq);
        let mut repeats = Repeats::new(settings.repeat_window, settings.repeats_max);
        let remembered = self.remembered.last().map_or(Seq::ZERO, |key| key.seq);
        for key in self.remembered {
            repeats.note(key);
        }
        let last = self.last.max(self.settled).max(remembered);
        self.report.last = last;
        Recovered {
            report: self.report,
            segments,
            forgotten: self.forgotten,
            repeats,
            last,
            settled: self.settled,
            next_index,
        }
    }
}

/// Makes sure that what was written last is on disk, or is not seen: who sends it again will be told
/// that it is kept.
fn settle<S: Storage>(storage: &S, names: &[FileName]) -> io::Result<()> {
    storage.sync_folder()?;
    for name in names.iter().rev() {
        if let FileName::Segment(_) = name {
            let file = storage.open(&name.to_string())?;
            file.settle()?;
            let len = file.len()?;
            let head = read_head(&file, len);
            if let Ok(head) = head
                && holds_record(&file, head.salt, len)
            {
                // Those before are older than it, and were on disk when it was begun.
                break;
            }
        }
    }
    Ok(())
}

/// What the first record says of a segment whose head is damaged twice.
fn head_of_first_record<F: StorageFile>(file: &F, index: u64, len: u64) -> Option<SegmentHead> {
    let mut fixed = [0; FIXED_LEN];
    file.read_at(&mut fixed, HEAD_LEN).ok()?;
    let salt = salt_of(&fixed);
    match Scan::new(file, salt, len).next() {
        Ok(Some(Found::Record(Place { head, .. }))) => Some(SegmentHead {
            salt,
            index,
            first: head.seq,
            settled: head.settled(),
            previous: (0, Seq::ZERO),
        }),
        _ => None,
    }
}

fn read_head<F: StorageFile>(file: &F, len: u64) -> Result<SegmentHead, HeadError> {
    let mut bytes = vec![0; usize_of(len.min(HEAD_LEN))];
    let read = file.read_at(&mut bytes, 0);
    read.map_err(|_| HeadError::Damaged)?;
    SegmentHead::decode(&bytes)
}

fn holds_record<F: StorageFile>(file: &F, salt: u64, len: u64) -> bool {
    matches!(
        Scan::new(file, salt, len).next(),
        Ok(Some(Found::Record(_)))
    )
}

fn is_zeros<F: StorageFile>(file: &F, len: u64) -> bool {
    let mut at = 0;
    while at < len {
        let mut piece = vec![0; usize_of((len - at).min(PIECE_LEN))];
        if file.read_at(&mut piece, at).is_err() || piece.iter().any(|byte| *byte != 0) {
            return false;
        }
        at += piece.len() as u64;
    }
    true
}

fn usize_of(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
