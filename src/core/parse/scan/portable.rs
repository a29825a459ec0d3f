//! A block's classes without vectors: a table for each byte, and a transposition of 8 × 8 bits.

use super::blocks::{BLOCK, Classes, Found, Kernel, Marks, STRETCH, read, search_starts};
use super::hash::{Key, Keys};

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
        let mut masks = [0_u64; 8];
        for (place, eight) in block[..BLOCK].as_chunks::<8>().0.iter().enumerate() {
            let rows = u64::from_le_bytes(eight.map(|byte| CLASSES[usize::from(byte)]));
            for (mask, column) in masks.iter_mut().zip(transposed(rows).to_le_bytes()) {
                *mask |= u64::from(column) << (8 * place);
            }
        }
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
    if let Some(whole) = rest.first_chunk::<BLOCK>() {
        block[..BLOCK].copy_from_slice(whole);
    } else {
        block[..rest.len()].copy_from_slice(rest);
    }
    block
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
