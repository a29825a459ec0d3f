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

mod hash;
mod reference;

pub use hash::Key;
pub use reference::form_of;

use hash::Keys;

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
    keys: Keys,
    form: Vec<u8>,
    variables: Vec<(u32, u32)>,
}

impl Scan {
    /// Keys of scans with one seed are equal for equal forms. Who cannot know the seed cannot make
    /// two forms with one key.
    pub fn new(seed: u64) -> Self {
        Self {
            keys: Keys::of(seed),
            form: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Reads `message` and gives the key of its form.
    pub fn scan(&mut self, message: &[u8]) -> Key {
        form_of(message, &mut self.form, &mut self.variables);
        self.keys.key_of(&self.form)
    }

    /// The key of any other bytes.
    pub fn key_of(&self, bytes: &[u8]) -> Key {
        self.keys.key_of(bytes)
    }

    /// The form of the message last read.
    pub fn form(&self) -> &[u8] {
        &self.form
    }

    /// The bytes (first, one past the last) of the message last read that became placeholders, in
    /// order.
    pub fn variables(&self) -> &[(u32, u32)] {
        &self.variables
    }
}
