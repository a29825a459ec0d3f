//! The form of a message, 64 bytes at a time.
//!
//! A block begins at a run's first byte or outside of runs, and is cut behind its last byte that is
//! neither in a run nor a dash, so that no run and no UUID crosses its end. What stands in it is
//! then arithmetic on masks ([`Marks`]).

use super::found::Found;
use super::marks::{Classes, Marks};
use super::reference::counted;

/// Bytes of a block.
pub(super) const BLOCK: usize = 64;

/// What a processor does its own way.
pub(super) trait Kernel: Copy {
    /// The bytes of a block.
    type Block: Copy;

    /// The bytes of `message` from `at` on, and zeros after its end.
    fn block(self, message: &[u8], at: usize) -> Self::Block;

    /// The classes of a block's bytes.
    fn classes(self, block: Self::Block) -> Classes;

    /// The first bytes of the runs that the bytes `marked` come after; `starts` and `ends` are the
    /// first bytes of all runs and those after them.
    fn starts_of(self, marked: u64, ends: u64, starts: u64) -> u64;

    /// Appends what became of `block`, which begins at byte `at` of the message.
    fn append(self, block: Self::Block, marks: &Marks, at: usize, found: &mut Found);
}

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
        kernel.append(block, &Marks::of(kernel, &classes, len), at, found);
        at += len;
    }
}
