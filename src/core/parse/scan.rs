//! Message → form: the message with what varies by its bytes alone cut out.
//!
//! A *run* is a maximal stretch of ASCII letters, digits and bytes of 0x80 and more. The form is
//! the message's bytes, but for
//!
//! 1. a UUID (8-4-4-4-12 hexadecimal digits, whole runs) becomes [`UUID`];
//! 2. in a run that holds an ASCII digit, by the first rule that fits:
//!    * all digits: the run becomes [`NUMBER`];
//!    * all hexadecimal digits, or `0x` and at least one of them: the run becomes [`HEX`];
//!    * no digit, then only digits (`node12`): the digits become [`NUMBER`];
//!    * digits, then 1 to 5 ASCII letters (`30ms`): the digits become [`NUMBER`];
//!    * anything else: the run becomes [`MIXED`];
//! 3. a control byte (below 0x20, or 0x7f) becomes a blank, so that no message can hold what
//!    stands for a variable.
//!
//! Only the first [`LINE_LEN_MAX`](super::LINE_LEN_MAX) bytes count.
//!
//! Everything after this stage sees the form alone, so that the work for a form is done once, and
//! a line of a known form costs one pass over its bytes and a look-up of its [`Key`].

mod blocks;
mod hash;
mod portable;
mod reference;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use hash::Key;
pub use reference::form_of;

use blocks::Found;
use hash::Keys;
use portable::Portable;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// Stands for a decimal number in a form.
pub const NUMBER: u8 = 1;
/// Stands for hexadecimal digits, with or without `0x`, in a form.
pub const HEX: u8 = 2;
/// Stands for letters and digits mixed in any other way in a form.
pub const MIXED: u8 = 3;
/// Stands for a UUID in a form.
pub const UUID: u8 = 4;

/// Reads messages; holds what it read of the last one.
#[derive(Clone, Debug)]
pub struct Scan {
    processor: Processor,
    keys: Keys,
    found: Found,
}

/// What reads blocks.
#[derive(Clone, Copy, Debug)]
enum Processor {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Any(Portable),
}

impl Scan {
    /// Keys of scans with one seed are equal for equal forms. Who does not know the seed cannot
    /// make two forms with one key.
    pub fn new(seed: u64) -> Self {
        let best = Processor::all().next();
        Self::on(best.unwrap_or(Processor::Any(Portable)), seed)
    }

    /// One for each path that the processor has. They differ in speed alone; [`new`](Self::new) is
    /// the first.
    pub fn all(seed: u64) -> impl Iterator<Item = Self> {
        Processor::all().map(move |processor| Self::on(processor, seed))
    }

    fn on(processor: Processor, seed: u64) -> Self {
        Self {
            processor,
            keys: Keys::of(seed),
            found: Found::default(),
        }
    }

    /// Reads `message` and gives the key of its form.
    #[inline]
    pub fn scan(&mut self, message: &[u8]) -> Key {
        let (keys, found) = (&self.keys, &mut self.found);
        match self.processor {
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512(avx512) => avx512.scan(keys, message, found),
            #[cfg(target_arch = "x86_64")]
            Processor::Avx2(avx2) => avx2.scan(keys, message, found),
            Processor::Any(portable) => portable.scan(keys, message, found),
        }
    }

    /// The key of any other bytes.
    pub fn key_of(&self, bytes: &[u8]) -> Key {
        self.keys.key_of_bytes(bytes)
    }

    /// The form of the message last read.
    pub fn form(&self) -> &[u8] {
        self.found.form()
    }

    /// The bytes (first, one past the last) of the message last read that became placeholders, in
    /// order.
    pub fn variables(&self) -> &[(u32, u32)] {
        self.found.variables()
    }
}

impl Processor {
    /// What this processor can do, fastest first.
    fn all() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = [
            Avx512::detect().map(Self::Avx512),
            Avx2::detect().map(Self::Avx2),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let vectors = [];
        vectors.into_iter().flatten().chain([Self::Any(Portable)])
    }
}

#[cfg(test)]
mod tests;
