//! The form of a message, 64 bytes at a time.
//!
//! A block begins at a run's first byte or outside of runs, and is cut behind its last byte that is
//! neither in a run nor a dash, so that no run and no UUID crosses its end. What the definition
//! says of the bytes of a run is then arithmetic on masks of 64 bits, bit n for byte n: where a
//! marked bit is added to a run's bits, the carry comes out at the bit after the run, whichever
//! byte of the run was marked. No step branches on what a run holds.

use super::reference::{counted, extend_form};
use super::{HEX, MIXED, NUMBER, UUID};

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// Which bytes of a block are what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Classes {
    /// ASCII digits.
    pub(super) digit: u64,
    /// `a` to `f` in either case.
    pub(super) hex: u64,
    /// ASCII letters.
    pub(super) letter: u64,
    /// 0x80 and more.
    pub(super) high: u64,
    /// `x` and `X`.
    pub(super) x: u64,
    /// `0`.
    pub(super) zero: u64,
    /// `-`.
    pub(super) dash: u64,
    /// Below 0x20, and 0x7f.
    pub(super) control: u64,
}

/// What a block's bytes become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// Bytes of the block that were read.
    pub(super) len: usize,
    /// The bytes that variables stand for.
    pub(super) variable: u64,
    /// First bytes of runs that are [`HEX`], of those that are [`MIXED`], and of [`UUID`]s: of two
    /// on one byte the later holds. Other variables are [`NUMBER`]s.
    pub(super) hex: u64,
    pub(super) mixed: u64,
    pub(super) uuid: u64,
    /// Bytes that become blanks.
    pub(super) control: u64,
}

impl Marks {
    /// First bytes of variables. Between two variables there is a byte at least.
    #[inline(always)]
    pub(super) fn starts(&self) -> u64 {
        self.variable & !(self.variable << 1)
    }

    /// The bytes after the last ones of variables.
    #[inline(always)]
    pub(super) fn ends(&self) -> u64 {
        (self.variable << 1) & !self.variable
    }

    /// The bytes of the form: what stays, and one for each variable.
    #[inline(always)]
    pub(super) fn kept(&self) -> u64 {
        (u64::MAX >> (BLOCK - self.len)) & (!self.variable | self.starts())
    }

    #[inline(always)]
    fn placeholder_at(&self, byte: u32) -> u8 {
        const _: () = assert!(HEX == NUMBER + 1 && MIXED == NUMBER + 2 && UUID == NUMBER + 3);
        let low = ((self.hex | self.uuid) >> byte) & 1;
        let high = ((self.mixed | self.uuid) >> byte) & 1;
        NUMBER + (low + 2 * high) as u8
    }
}

/// What a processor does its own way.
pub(super) trait Kernel: Copy {
    type Block: Copy;

    /// The bytes of `message` from `at` on, and zeros after its end.
    fn block(self, message: &[u8], at: usize) -> Self::Block;

    fn classes(self, block: Self::Block) -> Classes;

    /// The first bits of the runs whose last bits but one are `marked`; `ends` and `starts` are
    /// those of all runs.
    fn starts_of(self, marked: u64, ends: u64, starts: u64) -> u64;

    /// Appends what became of `block`, which begins at byte `at` of the message.
    fn append(self, block: Self::Block, marks: &Marks, at: usize, found: &mut Found);
}

/// The form and the variables of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// Both have room for a block more than what is written.
    form: Vec<u8>,
    form_len: usize,
    variables: Vec<(u32, u32)>,
    variables_len: usize,
    /// Of a stretch that is longer than a block.
    long_form: Vec<u8>,
    long_variables: Vec<(u32, u32)>,
}

impl Found {
    pub(super) fn form(&self) -> &[u8] {
        &self.form[..self.form_len]
    }

    pub(super) fn variables(&self) -> &[(u32, u32)] {
        &self.variables[..self.variables_len]
    }

    /// The form with zeros after its end, in blocks.
    #[inline(always)]
    pub(super) fn padded_form(&mut self) -> &[[u8; BLOCK]] {
        if let Some(padding) = self.form[self.form_len..].first_chunk_mut::<BLOCK>() {
            *padding = [0; BLOCK];
        }
        let blocks = self.form_len.div_ceil(BLOCK);
        &self.form.as_chunks().0[..blocks]
    }

    #[inline(always)]
    fn begin(&mut self, message_len: usize) {
        (self.form_len, self.variables_len) = (0, 0);
        if self.form.len() < message_len + 2 * BLOCK {
            self.make_room(message_len);
        }
    }

    #[cold]
    fn make_room(&mut self, message_len: usize) {
        let room = (message_len + 2 * BLOCK).next_power_of_two();
        self.form.resize(room, 0);
        // Of two bytes one at most begins a variable.
        self.variables.resize(room / 2 + BLOCK, (0, 0));
    }

    /// Appends `marks` of `block`, whose bytes from `marks.len` on are of no matter.
    #[inline(always)]
    pub(super) fn append(&mut self, block: &mut [u8; BLOCK + STRETCH], marks: &Marks, at: usize) {
        let mut controls = marks.control;
        while controls != 0 {
            block[controls.trailing_zeros() as usize] = b' ';
            controls &= controls - 1;
        }
        let (mut starts, mut ends) = (marks.starts(), marks.ends());
        let mut done = 0;
        while starts != 0 {
            let (start, end) = (starts.trailing_zeros(), ends.trailing_zeros());
            starts &= starts - 1;
            ends &= ends - 1;
            self.append_stretch(block, done, start as usize);
            self.form[self.form_len] = marks.placeholder_at(start);
            self.form_len += 1;
            self.variables[self.variables_len] = (at as u32 + start, at as u32 + end);
            self.variables_len += 1;
            done = end as usize;
        }
        self.append_stretch(block, done, marks.len);
    }

    #[inline(always)]
    fn append_stretch(&mut self, block: &[u8; BLOCK + STRETCH], mut from: usize, to: usize) {
        loop {
            let stretch = block[from..].first_chunk::<STRETCH>();
            let target = self.form[self.form_len..].first_chunk_mut();
            if let (Some(stretch), Some(target)) = (stretch, target) {
                *target = *stretch;
            }
            if to - from <= STRETCH {
                self.form_len += to - from;
                return;
            }
            self.form_len += STRETCH;
            from += STRETCH;
        }
    }

    /// Takes `write`'s word for what it wrote: bytes to the form and variables.
    #[inline(always)]
    pub(super) fn append_with(
        &mut self,
        write: impl FnOnce(&mut [u8], &mut [(u32, u32)]) -> (usize, usize),
    ) {
        let (bytes, variables) = write(
            &mut self.form[self.form_len..],
            &mut self.variables[self.variables_len..],
        );
        self.form_len += bytes;
        self.variables_len += variables;
    }

    /// Appends a stretch without a place to cut a block at; gives its length.
    #[cold]
    fn append_long(&mut self, rest: &[u8], at: usize) -> usize {
        let goes_on = |&&byte: &&u8| super::reference::is_word(byte) || byte == b'-';
        let len = rest.iter().take_while(goes_on).count();
        self.long_form.clear();
        self.long_variables.clear();
        extend_form(
            &rest[..len],
            at,
            &mut self.long_form,
            &mut self.long_variables,
        );
        self.form[self.form_len..][..self.long_form.len()].copy_from_slice(&self.long_form);
        self.form_len += self.long_form.len();
        self.variables[self.variables_len..][..self.long_variables.len()]
            .copy_from_slice(&self.long_variables);
        self.variables_len += self.long_variables.len();
        len
    }
}

/// Bytes of a form that are copied at once.
pub(super) const STRETCH: usize = 32;

/// Reads `message`.
#[inline(always)]
pub(super) fn read(kernel: impl Kernel, message: &[u8], found: &mut Found) {
    let message = &message[..counted(message)];
    found.begin(message.len());
    let mut at = 0;
    while at < message.len() {
        let block = kernel.block(message, at);
        let classes = kernel.classes(block);
        let left = message.len() - at;
        let len = if left < BLOCK {
            left
        } else {
            let inside = classes.digit | classes.letter | classes.high | classes.dash;
            BLOCK - (!inside).leading_zeros() as usize
        };
        if len == 0 {
            at += found.append_long(&message[at..], at);
            continue;
        }
        kernel.append(block, &marks_of(kernel, &classes, len), at, found);
        at += len;
    }
}

/// What becomes of the first `len` bytes of a block; `len` is not 0, and 64 only where the last
/// byte is in no run.
#[inline(always)]
fn marks_of(kernel: impl Kernel, classes: &Classes, len: usize) -> Marks {
    let valid = u64::MAX >> (BLOCK - len);
    let digit = classes.digit & valid;
    let letter = classes.letter & valid;
    let high = classes.high & valid;
    let word = digit | letter | high;
    let other = word & !digit;
    let starts = word & !(word << 1);
    // The bits after the runs; no bit is lost, since no run holds bit 63.
    let ends = (word << 1) & !word;
    let any = |marked: u64| word.wrapping_add(marked) & ends;

    let hex_digit = (classes.digit | classes.hex) & valid;
    let prefix_x = (starts & classes.zero) << 1 & classes.x & (hex_digit >> 1);
    let hex_digits_only = ends & !any(word & !hex_digit & !prefix_x);
    let digit_then_other = other & (digit << 1);
    let letters_then_digits = !any(digit_then_other);
    let six = {
        let two = word & (word >> 1);
        let three = two & (word >> 2);
        three & (three >> 3)
    };
    let digits_then_unit = !any((digit & (other << 1)) | high | (digit_then_other & six));

    let with_digit = any(digit);
    let number = with_digit & !any(other);
    let hex = with_digit & hex_digits_only & !number;
    let mixed = with_digit & !hex_digits_only & !letters_then_digits & !digits_then_unit;
    let hex_starts = kernel.starts_of(hex, ends, starts);
    let mixed_starts = kernel.starts_of(mixed, ends, starts);
    let uuid = uuid_of(classes, hex_digit, word, starts);
    let whole_runs = (hex | mixed).wrapping_sub(hex_starts | mixed_starts);
    Marks {
        len,
        variable: digit | whole_runs | (uuid << 36).wrapping_sub(uuid),
        hex: hex_starts,
        mixed: mixed_starts,
        uuid,
        control: classes.control & valid,
    }
}

/// The first bit of the UUID in a block, which has no room for two.
#[inline(always)]
fn uuid_of(classes: &Classes, hex_digit: u64, word: u64, starts: u64) -> u64 {
    let dash = classes.dash;
    let dashed = starts & (dash >> 8) & (dash >> 13) & (dash >> 18) & (dash >> 23);
    if dashed == 0 {
        return 0;
    }
    let two = hex_digit & (hex_digit >> 1);
    let four = two & (two >> 2);
    let eight = four & (four >> 4);
    let last = (eight >> 24) & (four >> 32) & !(word >> 36);
    dashed & eight & (four >> 9) & (four >> 14) & (four >> 19) & last
}

/// [`Kernel::starts_of`] by a search for each run.
#[inline(always)]
pub(super) fn search_starts(mut marked: u64, starts: u64) -> u64 {
    let mut found = 0;
    while marked != 0 {
        let below = starts & (marked & marked.wrapping_neg()).wrapping_sub(1);
        found |= 1 << (63 - below.leading_zeros());
        marked &= marked - 1;
    }
    found
}
