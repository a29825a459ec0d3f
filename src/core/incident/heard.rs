//! The ids of the latest signs, so that one that comes again is noticed.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::kept::KeptMap;

/// The first half of a digest of an id.
type Short = [u8; 16];

/// The ids of the latest signs, on numbered pages, of which only the last is written on.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pages: KeptMap<Vec<Short>>,
    ids: BTreeSet<Short>,
}

impl Heard {
    /// Most ids.
    pub(super) const IDS_MAX: usize = Self::PAGE_LEN * Self::PAGES_MAX;
    /// Ids on a page.
    const PAGE_LEN: usize = 2_048;
    /// Most pages; the oldest goes as a whole.
    const PAGES_MAX: usize = 32;

    /// What was heard, by its pages as they are kept.
    pub(super) fn as_kept(pages: KeptMap<Vec<Short>>) -> Self {
        let ids = pages.values().flatten().copied().collect();
        Self { pages, ids }
    }

    pub(super) const fn pages(&self) -> &KeptMap<Vec<Short>> {
        &self.pages
    }

    /// All is kept as it is now.
    pub(super) fn is_kept(&mut self) {
        self.pages.is_kept();
    }

    pub(super) fn is_known(&self, id: &str) -> bool {
        self.ids.contains(&short(id))
    }

    pub(super) fn push(&mut self, id: &str) {
        let id = short(id);
        let last = self.pages.last_key_value();
        let (last, len) = last.map_or((0, 0), |(number, page)| (*number, page.len()));
        let number = if len < Self::PAGE_LEN { last } else { last + 1 };
        match self.pages.get_mut(&number) {
            Some(page) => page.push(id),
            None => self.pages.insert(number, vec![id]),
        }
        self.ids.insert(id);
        if self.pages.len() > Self::PAGES_MAX
            && let Some(oldest) = self.pages.first_key_value().map(|(number, _)| *number)
        {
            for id in self.pages.remove(&oldest).unwrap_or_default() {
                self.ids.remove(&id);
            }
        }
    }
}

/// The ids follow from the pages.
impl PartialEq for Heard {
    fn eq(&self, other: &Self) -> bool {
        self.pages == other.pages
    }
}

fn short(id: &str) -> Short {
    let mut short = Short::default();
    for (byte, of_sum) in short.iter_mut().zip(Sha256::digest(id)) {
        *byte = of_sum;
    }
    short
}
