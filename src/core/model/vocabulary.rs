//! Which number the network knows each template by.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::core::event::TemplateRef;
use crate::core::record::TemplateId;

/// How many keys the network looks back (the paper's h).
pub const WINDOW_LEN: usize = 10;

/// The keys before a position, oldest first, padded on the left with [`Key::BEGIN`].
pub type Window = [Key; WINDOW_LEN];

/// What the network knows a template by: small numbers, dense from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub u16);

impl Key {
    /// Stands before the first record of a sequence.
    pub const BEGIN: Self = Self(0);
    /// Stands after the last record of a sequence.
    pub const END: Self = Self(1);
    /// How many keys are no template.
    pub const MARKER_COUNT: usize = 2;

    /// The row of the network's tables that belongs to this key.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The templates a network was trained on, each with its key. Never changes once built.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    templates: Vec<TemplateRef>,
    keys: FxHashMap<TemplateId, Key>,
}

impl Vocabulary {
    /// Most templates a vocabulary holds; with more, training costs minutes per pass and the
    /// template mining has most likely gone wrong.
    pub const TEMPLATES_MAX: usize = 8_190;

    /// Gives the templates their keys in the order given, after the two markers. Of two with one
    /// id the first keeps it; those beyond [`TEMPLATES_MAX`](Self::TEMPLATES_MAX) are left out.
    pub fn new(templates: impl IntoIterator<Item = TemplateRef>) -> Self {
        let mut vocabulary = Self {
            templates: Vec::new(),
            keys: FxHashMap::default(),
        };
        for template in templates {
            let Some(key) = vocabulary.next_key() else {
                break;
            };
            if let std::collections::hash_map::Entry::Vacant(free) =
                vocabulary.keys.entry(template.id)
            {
                free.insert(key);
                vocabulary.templates.push(template);
            }
        }
        vocabulary
    }

    /// How many keys there are, the markers included.
    pub fn key_count(&self) -> usize {
        self.templates.len() + Key::MARKER_COUNT
    }

    /// The key of a template; `None` for one that the network was not trained on.
    pub fn key_of(&self, template: TemplateId) -> Option<Key> {
        self.keys.get(&template).copied()
    }

    /// The template of a key; `None` for the markers.
    pub fn template(&self, key: Key) -> Option<&TemplateRef> {
        self.templates
            .get(key.index().checked_sub(Key::MARKER_COUNT)?)
    }

    /// The templates in the order of their keys.
    pub fn templates(&self) -> &[TemplateRef] {
        &self.templates
    }

    fn next_key(&self) -> Option<Key> {
        if self.templates.len() >= Self::TEMPLATES_MAX {
            return None;
        }
        u16::try_from(self.key_count()).ok().map(Key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(id: u64) -> TemplateRef {
        TemplateRef {
            id: TemplateId(id),
            text: format!("template {id}").into(),
        }
    }

    #[test]
    fn templates_get_keys_in_the_order_given_after_the_markers() {
        let vocabulary = Vocabulary::new([template(9), template(4), template(9)]);
        assert_eq!(vocabulary.key_count(), 4);
        assert_eq!(vocabulary.key_of(TemplateId(9)), Some(Key(2)));
        assert_eq!(vocabulary.key_of(TemplateId(4)), Some(Key(3)));
        assert_eq!(vocabulary.key_of(TemplateId(5)), None);
        assert_eq!(vocabulary.template(Key(3)), Some(&template(4)));
        assert_eq!(vocabulary.template(Key::END), None);
        assert_eq!(vocabulary.template(Key(4)), None);
    }

    #[test]
    fn a_vocabulary_is_bounded() {
        let many = (0..=Vocabulary::TEMPLATES_MAX as u64).map(template);
        assert_eq!(
            Vocabulary::new(many).templates().len(),
            Vocabulary::TEMPLATES_MAX
        );
    }
}
