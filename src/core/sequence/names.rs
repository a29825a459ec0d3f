//! The names of open sequences, most of them in 17 bytes.
//!
//! There is a name for each of a million sequences, and most are a word and a number
//! (`blk_-1608999687919862906`): the word is kept once for all of them.

use rustc_hash::FxHashMap;

use super::key::{KeyKind, SequenceKey};
use super::slab::Slab;
use crate::core::record::TraceId;

/// What the names of a stream's open sequences have in common, and the names that are too long to
/// stand elsewhere.
#[derive(Debug)]
pub(super) struct Names {
    words: Vec<Box<str>>,
    numbers: FxHashMap<Box<str>, u16>,
    long: Slab<Box<str>>,
    /// Bytes of the texts in `long`.
    long_bytes: usize,
}

/// A [`SequenceKey`] made small. Bytes alone, so that it takes no padding.
#[derive(Debug)]
pub(super) enum Name {
    Trace(TraceId),
    Short {
        kind: KeyKind,
        len: u8,
        bytes: [u8; SHORT_LEN_MAX],
    },
    /// A word and so many decimal digits.
    Numbered {
        kind: KeyKind,
        word: [u8; 2],
        digits: u8,
        number: [u8; 8],
    },
    /// A place among the long ones.
    Long {
        kind: KeyKind,
        place: [u8; 4],
    },
}

/// Longest text, in bytes, that is kept as it is.
const SHORT_LEN_MAX: usize = 14;
/// Most digits of a number: any so long fits.
const DIGITS_MAX: usize = 19;
/// Most words before numbers; names with others are kept whole. Words are forgotten when no
/// sequence is open.
const WORDS_MAX: usize = 256;
/// Longest word before a number, in bytes.
const WORD_LEN_MAX: usize = 64;

impl Names {
    pub(super) fn new() -> Self {
        Self {
            words: Vec::new(),
            numbers: FxHashMap::default(),
            long: Slab::new(),
            long_bytes: 0,
        }
    }

    /// Makes a name small; `None` when there is no room whatever. It is to be given back by
    /// [`take`](Self::take).
    pub(super) fn put(&mut self, key: &SequenceKey) -> Option<Name> {
        let kind = key.kind();
        let text = match (key.trace_id(), key.text()) {
            (Some(id), _) => return Some(Name::Trace(id)),
            (None, text) => text,
        };
        let mut bytes = [0; SHORT_LEN_MAX];
        if let (Some(short), Ok(len)) = (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            short.copy_from_slice(text.as_bytes());
            return Some(Name::Short { kind, len, bytes });
        }
        if let Some(numbered) = self.numbered(kind, text) {
            return Some(numbered);
        }
        let place = self.long.insert(text.into())?;
        self.long_bytes += text.len();
        Some(Name::Long {
            kind,
            place: place.to_ne_bytes(),
        })
    }

    fn numbered(&mut self, kind: KeyKind, text: &str) -> Option<Name> {
        let word = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = text.len() - word.len();
        if digits == 0 || digits > DIGITS_MAX || word.len() > WORD_LEN_MAX {
            return None;
        }
        let number: u64 = text.get(word.len()..)?.parse().ok()?;
        let known = self.numbers.get(word).copied();
        let place = match known {
            Some(place) => place,
            None if self.words.len() >= WORDS_MAX => return None,
            None => {
                let place = u16::try_from(self.words.len()).ok()?;
                self.words.push(word.into());
                self.numbers.insert(word.into(), place);
                place
            }
        };
        Some(Name::Numbered {
            kind,
            word: place.to_ne_bytes(),
            digits: u8::try_from(digits).ok()?,
            number: number.to_ne_bytes(),
        })
    }

    /// The name as it was.
    pub(super) fn key(&self, name: &Name) -> SequenceKey {
        match name {
            Name::Trace(id) => SequenceKey::trace(*id),
            Name::Short { kind, len, bytes } => SequenceKey::new(*kind, short_text(bytes, *len)),
            Name::Numbered {
                kind,
                word,
                digits,
                number,
            } => {
                let (word, width) = (self.word(*word), usize::from(*digits));
                let number = u64::from_ne_bytes(*number);
                SequenceKey::new(*kind, &format!("{word}{number:0width$}"))
            }
            Name::Long { kind, place } => SequenceKey::new(*kind, self.long(*place)),
        }
    }

    /// Whether `name` is that of `key`.
    pub(super) fn is(&self, name: &Name, key: &SequenceKey) -> bool {
        let is_of = |kind: &KeyKind| key.trace_id().is_none() && key.kind() == *kind;
        match name {
            Name::Trace(id) => key.trace_id() == Some(*id),
            Name::Short { kind, len, bytes } => {
                is_of(kind) && key.text() == short_text(bytes, *len)
            }
            Name::Numbered {
                kind,
                word,
                digits,
                number,
            } => {
                let number = u64::from_ne_bytes(*number);
                let rest = key.text().strip_prefix(self.word(*word));
                // A sign is none of the digits.
                let rest = rest.filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
                let rest = rest.filter(|rest| rest.len() == usize::from(*digits));
                is_of(kind) && rest.is_some_and(|rest| rest.parse() == Ok(number))
            }
            Name::Long { kind, place } => is_of(kind) && key.text() == self.long(*place),
        }
    }

    /// Gives a name back.
    pub(super) fn take(&mut self, name: &Name) -> SequenceKey {
        let key = self.key(name);
        if let Name::Long { place, .. } = name {
            let place = u32::from_ne_bytes(*place);
            if let Some(text) = self.long.get_mut(place) {
                self.long_bytes -= text.len();
                *text = Box::default();
            }
            self.long.free(place);
        }
        key
    }

    /// What long names take in memory.
    pub(super) fn bytes(&self) -> usize {
        self.long.bytes() + self.long_bytes
    }

    fn word(&self, place: [u8; 2]) -> &str {
        let word = self.words.get(usize::from(u16::from_ne_bytes(place)));
        word.map_or("", |word| word)
    }

    fn long(&self, place: [u8; 4]) -> &str {
        let text = self.long.get(u32::from_ne_bytes(place));
        text.map_or("", |text| text)
    }
}

fn short_text(bytes: &[u8; SHORT_LEN_MAX], len: u8) -> &str {
    let text = bytes.get(..usize::from(len)).unwrap_or_default();
    // Written as text, so what comes back is text.
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<SequenceKey> {
        let texts = [
            "",
            "cart/cart-1",
            "blk_1073742707",
            "blk_-1608999687919862906",
            "blk_1608999687919862906",
            "blk_01608999687919862906",
            "blk_0000000000000000001",
            "blk_+000000000000000001",
            "blk_10000000000000000000",
            "12345678901234567890123456789",
            "req-0a1b2c3d-0000-4000-8000-00000000abcd",
            "req-0a1b2c3d-0000-4000-8000-000000000007",
            "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}7",
            &"long".repeat(50),
        ];
        let of = |kind| texts.map(|text| SequenceKey::new(kind, text));
        let trace = TraceId::from_bytes(&[7; 16]).map(SequenceKey::trace);
        let kinds = [KeyKind::Body, KeyKind::Attribute, KeyKind::Trace];
        kinds.into_iter().flat_map(of).chain(trace).collect()
    }

    #[test]
    fn a_name_comes_back_as_it_was_and_is_no_other() {
        let (keys, mut names) = (keys(), Names::new());
        let small: Vec<Name> = keys.iter().map(|key| names.put(key).unwrap()).collect();
        for (name, key) in small.iter().zip(&keys) {
            assert_eq!(names.key(name), *key);
            let same: Vec<_> = keys.iter().filter(|key| names.is(name, key)).collect();
            assert_eq!(same, [key]);
        }
        for (name, key) in small.iter().zip(&keys) {
            assert_eq!(names.take(name), *key);
        }
        assert_eq!((names.long.len(), names.long_bytes), (0, 0));
    }

    #[test]
    fn a_word_and_a_number_take_17_bytes_and_words_are_bounded() {
        assert_eq!(size_of::<Name>(), 17);
        let mut names = Names::new();
        for n in 0..1_000 {
            let key = SequenceKey::new(KeyKind::Body, &format!("word{n}_-1608999687919862906"));
            let name = names.put(&key).unwrap();
            assert_eq!(matches!(name, Name::Numbered { .. }), n < WORDS_MAX);
            assert_eq!(names.take(&name), key);
        }
        assert_eq!(names.words.len(), WORDS_MAX);
    }
}
