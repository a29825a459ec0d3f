//! Reading entries back, in order.

use std::collections::VecDeque;

use bytes::Bytes;

use super::planted::{Planted, planted};
use super::scan::{Found, Place, Scan};
use super::segment::{FileName, Segment};
use super::storage::{Storage, StorageFile};
use super::{Seq, Stored};

/// Reads the entries of some segments from a number on; what is damaged is left out.
#[derive(Debug)]
pub(super) struct Reader<S: Storage> {
    storage: S,
    from: Seq,
    segments: VecDeque<Segment>,
    open: Option<Open<S::File>>,
}

#[derive(Debug)]
struct Open<F> {
    file: F,
    segment: Segment,
    places: VecDeque<Place>,
}

impl<S: Storage> Reader<S> {
    pub(super) fn new(storage: S, from: Seq, segments: Vec<Segment>) -> Self {
        Self {
            storage,
            from,
            segments: segments.into(),
            open: None,
        }
    }

    /// Opens the next segment and finds what is in it.
    fn advance(&mut self) -> Option<()> {
        let segment = self.segments.pop_front()?;
        let last = segment.last;
        if last < self.from || last < segment.first {
            return Some(());
        }
        let name = FileName::Segment(segment.index).to_string();
        match self.storage.open(&name) {
            Ok(file) => {
                let places = places(&file, &segment, self.from);
                self.open = Some(Open {
                    file,
                    segment,
                    places,
                });
            }
            Err(error) => {
                tracing::warn!(file = name, %error, "A segment of the journal cannot be opened; its entries are lost");
            }
        }
        Some(())
    }
}

impl<S: Storage> Iterator for Reader<S> {
    type Item = Stored;

    fn next(&mut self) -> Option<Stored> {
        loop {
            while let Some(open) = &mut self.open {
                match open.places.pop_front() {
                    Some(place) => match body(&open.file, &place) {
                        Some(body) => {
                            let Place { head, .. } = place;
                            return Some(Stored {
                                seq: head.seq,
                                head: head.entry,
                                body,
                            });
                        }
                        None => {
                            tracing::warn!(
                                seq = place.head.seq.get(),
                                segment = open.segment.index,
                                "An entry of the journal is damaged and lost"
                            );
                        }
                    },
                    None => self.open = None,
                }
            }
            self.advance()?;
        }
    }
}

fn places<F: StorageFile>(file: &F, segment: &Segment, from: Seq) -> VecDeque<Place> {
    let mut places = VecDeque::new();
    let mut scan = Scan::new(file, segment.salt, segment.end);
    loop {
        match scan.next() {
            Ok(Some(Found::Record(place))) if place.head.seq >= segment.void_from => break,
            Ok(Some(Found::Record(place))) => {
                if place.head.seq >= from && !place.head.is_seal {
                    places.push_back(place);
                }
            }
            Ok(Some(Found::Damage(..))) => {}
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(segment = segment.index, %error, "A segment of the journal cannot be read to its end");
                break;
            }
        }
    }
    places
}

fn body<F: StorageFile>(file: &F, place: &Place) -> Option<Bytes> {
    let mut body = vec![0; place.head.body_len as usize];
    file.read_at(&mut body, place.at + place.head.body_offset())
        .ok()?;
    let is_whole = crc32fast::hash(&body) == place.head.body_crc;
    (is_whole || planted(Planted::BodyUnchecked)).then(|| body.into())
}
