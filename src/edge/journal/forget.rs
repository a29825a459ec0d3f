//! Deleting segments that nobody needs any more, and remembering for a while what was in them.

use std::io;

use super::Seq;
use super::repeats::{self, Key};
use super::segment::{FileName, Segment};
use super::storage::{Storage, StorageFile};
use super::writer::{Writer, lock};

impl<S: Storage> Writer<S> {
    /// Deletes the segments that hold nothing after `upto`.
    pub(super) fn forget(&mut self, upto: Seq) {
        let newest = lock(&self.segments).last().cloned();
        let Some(newest) = newest else { return };
        if newest.last <= upto && newest.last >= newest.first {
            // The newest one knows the numbers, so another has to be there before it can go.
            if let Err(error) = self.begin(0) {
                self.failed(&error);
            }
        }
        let mut doomed = lock(&self.segments).clone();
        doomed.pop();
        doomed.retain(|segment| segment.last <= upto);
        let removed = match doomed.is_empty() {
            true => Ok(()),
            false => self.remove(&doomed),
        };
        if let Err(error) = removed.and_then(|()| self.remove_old_keys()) {
            tracing::warn!(%error, "Segments of the journal that are not needed any more cannot be deleted; this is tried again");
        }
    }

    fn remove(&mut self, doomed: &[Segment]) -> io::Result<()> {
        let mut ready = 0;
        for segment in doomed {
            if let Err(error) = self.keep_keys(segment) {
                tracing::warn!(%error, "What the journal forgets cannot be remembered for a restart; a request that is sent again after one may count twice");
                break;
            }
            ready += 1;
        }
        self.storage.sync_folder()?;
        // Without keys to tell that it was forgotten only the oldest can go, so that no gap is
        // left; it gives back some room on a disk that is full.
        for segment in &doomed[..ready.max(1)] {
            let name = FileName::Segment(segment.index).to_string();
            self.storage.remove(&name)?;
            lock(&self.segments).retain(|kept| kept.index != segment.index);
        }
        self.storage.sync_folder()
    }

    /// Writes down the digests of a segment that is about to go. The file also tells a start after
    /// a power cut that the segment was forgotten.
    fn keep_keys(&mut self, segment: &Segment) -> io::Result<()> {
        let mut forgotten = self.forgotten.iter();
        if forgotten.any(|(index, _)| *index == segment.index) {
            return Ok(());
        }
        let keys = self.repeats.between(segment.first, segment.last);
        let keys: Vec<Key> = keys.copied().collect();
        let name = FileName::Keys(segment.index).to_string();
        // One that is there was not finished.
        let _ = self.storage.remove(&name);
        let file = self.storage.create(&name, 0)?;
        file.write_at(&repeats::encode(segment.last, &keys), 0)?;
        file.sync()?;
        self.forgotten.push((segment.index, repeats::newest(&keys)));
        Ok(())
    }

    fn remove_old_keys(&mut self) -> io::Result<()> {
        let segments: Vec<u64> = lock(&self.segments).iter().map(|one| one.index).collect();
        let forgotten = self.forgotten.iter();
        let is_old = |newest| self.repeats.is_old(newest);
        let old = forgotten.filter(|(index, newest)| is_old(*newest) && !segments.contains(index));
        let old: Vec<u64> = old.map(|(index, _)| *index).collect();
        for index in old {
            self.storage.remove(&FileName::Keys(index).to_string())?;
            self.forgotten.retain(|(kept, _)| *kept != index);
        }
        Ok(())
    }
}
