//! What the definition says of the bytes of a block, as arithmetic on masks of 64 bits, bit n for
//! byte n.
//!
//! Where marked bits are added to a run's bits, the carry comes out at the bit after the run,
//! whichever bytes of the run were marked: so one addition says of all runs of a block which of
//! them hold a marked byte. No step branches on what a run holds.

use super::blocks::{BLOCK, Kernel};
use super::{HEX, MIXED, NUMBER, UUID};

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
    /// What becomes of the first `len` bytes of a block; `len` is not 0, and 64 only where the last
    /// byte is in no run.
    #[inline(always)]
    pub(super) fn of(kernel: impl Kernel, classes: &Classes, len: usize) -> Self {
        let valid = u64::MAX >> (BLOCK - len);
        let digit = classes.digit & valid;
        let letter = classes.letter & valid;
        let high = classes.high & valid;
        let word = digit | letter | high;
        let other = word & !digit;
        let starts = word & !(word << 1);
        // The bytes after runs; no bit is lost, since no run holds the last byte.
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
        Self {
            len,
            variable: digit | whole_runs | (uuid << 36).wrapping_sub(uuid),
            hex: hex_starts,
            mixed: mixed_starts,
            uuid,
            control: classes.control & valid,
        }
    }

    /// First bytes of variables. Between two variables there is a byte at least.
    #[inline(always)]
    pub(super) fn starts(&self) -> u64 {
        self.variable & !(self.variable << 1)
    }

    /// The bytes after variables.
    #[inline(always)]
    pub(super) fn ends(&self) -> u64 {
        (self.variable << 1) & !self.variable
    }

    /// The bytes of the form: what stays, and one for each variable.
    #[inline(always)]
    pub(super) fn kept(&self) -> u64 {
        (u64::MAX >> (BLOCK - self.len)) & (!self.variable | self.starts())
    }

    /// What stands for the variable whose first byte is `byte`.
    #[inline(always)]
    pub(super) fn placeholder_at(&self, byte: u32) -> u8 {
        const _: () = assert!(HEX == NUMBER + 1 && MIXED == NUMBER + 2 && UUID == NUMBER + 3);
        let low = ((self.hex | self.uuid) >> byte) & 1;
        let high = ((self.mixed | self.uuid) >> byte) & 1;
        NUMBER + (low + 2 * high) as u8
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
