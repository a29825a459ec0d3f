//! A block's classes without vectors: a table for each byte, and a transposition of 8 × 8 bits.

use super::blocks::{BLOCK, Kernel, read};
use super::found::{Found, STRETCH};
use super::hash::{Key, Keys};
use super::marks::{Classes, Marks, search_starts};

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

impl Portable {
    pub(super) fn scan(self, keys: &Keys, message: &[u8], found: &mut Found) -> Key {
        read(self, message, found);
        keys.key_of(found)
    }
}

impl Kernel for Portable {
    type Block = [u8; BLOCK + STRETCH];

    #[inline(always)]
    fn block(self, message: &[u8], at: usize) -> Self::Block {
        padded_block(message, at)
    }

    #[inline(always)]
    fn classes(self, block: Self::Block) -> Classes {
        let mut eights = [[0; 8]; BLOCK / 8];
        for (columns, bytes) in eights.iter_mut().zip(block.as_chunks::<8>().0) {
            let rows = u64::from_le_bytes(bytes.map(|byte| CLASSES[usize::from(byte)]));
            *columns = transposed(rows).to_le_bytes();
        }
        let masks: [u64; 8] =
            std::array::from_fn(|class| u64::from_le_bytes(eights.map(|columns| columns[class])));
        let [digit, hex, letter, high, x, zero, dash, control] = masks;
        Classes {
            digit,
            hex,
            letter,
            high,
            x,
            zero,
            dash,
            control,
        }
    }

    #[inline(always)]
    fn starts_of(self, marked: u64, _: u64, starts: u64) -> u64 {
        search_starts(marked, starts)
    }

    #[inline(always)]
    fn append(self, mut block: Self::Block, marks: &Marks, at: usize, found: &mut Found) {
        found.append(&mut block, marks, at);
    }
}

/// The bytes of `message` from `at` on, and zeros after its end or the block's.
#[inline(always)]
pub(super) fn padded_block(message: &[u8], at: usize) -> [u8; BLOCK + STRETCH] {
    let mut block = [0; BLOCK + STRETCH];
    let rest = &message[at..];
    let copied = copy_ends::<BLOCK>(&mut block, &rest[..rest.len().min(BLOCK)])
        || copy_ends::<32>(&mut block, rest)
        || copy_ends::<16>(&mut block, rest)
        || copy_ends::<8>(&mut block, rest);
    if !copied {
        for (byte, of) in block.iter_mut().zip(rest) {
            *byte = *of;
        }
    }
    block
}

/// Copies `rest`, of at most 2 · `N` bytes, if it has `N`: by its first and its last `N`, which
/// takes no loop and no call.
#[inline(always)]
fn copy_ends<const N: usize>(block: &mut [u8; BLOCK + STRETCH], rest: &[u8]) -> bool {
    let (Some(first), Some(last)) = (rest.first_chunk::<N>(), rest.last_chunk::<N>()) else {
        return false;
    };
    block[..N].copy_from_slice(first);
    block[rest.len() - N..][..N].copy_from_slice(last);
    true
}

/// The classes of each byte, one bit for each in the order of [`Classes`].
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        let lower = c | 0x20;
        classes[byte] = c.is_ascii_digit() as u8
            | ((lower >= b'a' && lower <= b'f') as u8) << 1
            | (c.is_ascii_alphabetic() as u8) << 2
            | ((c >= 0x80) as u8) << 3
            | ((lower == b'x') as u8) << 4
            | ((c == b'0') as u8) << 5
            | ((c == b'-') as u8) << 6
            | (c.is_ascii_control() as u8) << 7;
        byte += 1;
    }
    classes
};

/// Bit 8·i + j of `rows` becomes bit 8·j + i (Warren, Hacker's Delight, 7-3).
#[inline(always)]
fn transposed(rows: u64) -> u64 {
    let mut bits = rows;
    for (mask, by) in [
        (0x00aa_00aa_00aa_00aa, 7),
        (0x0000_cccc_0000_cccc, 14),
        (0x0000_0000_f0f0_f0f0, 28),
    ] {
        let swapped = (bits ^ (bits >> by)) & mask;
        bits ^= swapped ^ (swapped << by);
    }
    bits
}
