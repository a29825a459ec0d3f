//! Form key → template and typed values, bounded.

use super::param::{AnchoredParam, Param, Place};
use super::scan::Key;

/// Most forms remembered of one stream.
pub const FORMS_MAX: usize = 65_536;

/// What is known of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place of the template in the miner's table.
    pub template: u32,
    /// The template's version when the entry was made; an entry of another version is stale.
    pub version: u32,
    /// The typed values of a message of this form.
    pub params: Box<[AnchoredParam]>,
}

/// Remembers the forms that come often.
#[derive(Clone, Debug)]
pub struct Cache {
    entries: std::collections::HashMap<Key, Entry>,
    forms_max: usize,
}

impl Cache {
    /// A cache for at most `forms_max` forms.
    pub fn new(forms_max: usize) -> Self {
        Self {
            entries: Default::default(),
            forms_max,
        }
    }

    /// What was remembered of the form with `key`.
    pub fn get(&mut self, key: Key) -> Option<&Entry> {
        self.entries.get(&key)
    }

    /// Remembers `entry`, in place of what was known of that form, or of a form that came seldom.
    pub fn insert(&mut self, key: Key, entry: Entry) {
        if self.entries.len() < self.forms_max {
            self.entries.insert(key, entry);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

/// Writes the typed values of a message to `out`, in place of what it held. `variables` are those
/// of the message.
pub fn emit(params: &[AnchoredParam], variables: &[(u32, u32)], out: &mut Vec<Param>) {
    out.clear();
    out.extend(params.iter().map(|param| Param {
        kind: param.kind,
        start: byte_at(param.start, variables),
        end: byte_at(param.end, variables),
    }));
}

fn byte_at(place: Place, variables: &[(u32, u32)]) -> u32 {
    let anchor = match usize::from(place.after).checked_sub(1) {
        None => 0,
        Some(before) => variables.get(before).map_or(0, |variable| variable.1),
    };
    anchor + u32::from(place.delta)
}
