//! Form → key.

use super::blocks::{BLOCK, Found};

/// Stands for a form. Two forms have one key by chance alone, for who does not know the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64, pub u64);

/// Blocks of a form that are summed up before the sums are folded into the key.
const CHUNK: usize = 8;
/// Words of 8 bytes.
const BLOCK_WORDS: usize = BLOCK / 8;

/// What a seed gives.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    words: [u64; CHUNK * BLOCK_WORDS + 2],
    finish: [u64; 4],
}

impl Keys {
    pub(super) fn of(seed: u64) -> Self {
        let mut state = seed;
        Self {
            words: std::array::from_fn(|_| split_mix(&mut state)),
            finish: std::array::from_fn(|_| split_mix(&mut state)),
        }
    }

    /// The key of any bytes.
    pub(super) fn key_of_bytes(&self, bytes: &[u8]) -> Key {
        let [a, b, c, d] = self.finish;
        let mut key = Key(a ^ bytes.len() as u64, b);
        for chunk in bytes.chunks(CHUNK * BLOCK) {
            let mut sums = [0_u128; 2];
            for (part, keys) in chunk
                .chunks(BLOCK)
                .zip(self.words.windows(BLOCK_WORDS + 2).step_by(BLOCK_WORDS))
            {
                let mut block = [0; BLOCK];
                block[..part.len()].copy_from_slice(part);
                add_block(&mut sums, &block, keys);
            }
            key.0 = fold(key.0 ^ sums[0] as u64, c ^ (sums[0] >> 64) as u64);
            key.1 = fold(key.1 ^ sums[1] as u64, d ^ (sums[1] >> 64) as u64);
        }
        key
    }

    /// The key of the form found.
    ///
    /// A chunk is summed up as by NH of UMAC (RFC 4418), with words of 64 bits and keys shifted by
    /// a pair for the second sum: no product waits for another, and the chance that two chunks
    /// have both sums in common is proven to be at most 2⁻¹²⁸. Folded products chain the chunks.
    #[inline(always)]
    pub(super) fn key_of(&self, found: &mut Found) -> Key {
        let [a, b, c, d] = self.finish;
        let mut key = Key(a ^ found.form().len() as u64, b);
        for chunk in found.padded_form().chunks(CHUNK) {
            let mut sums = [0_u128; 2];
            for (place, block) in chunk.iter().enumerate() {
                let keys = &self.words[place * BLOCK_WORDS..][..BLOCK_WORDS + 2];
                add_block(&mut sums, block, keys);
            }
            key.0 = fold(key.0 ^ sums[0] as u64, c ^ (sums[0] >> 64) as u64);
            key.1 = fold(key.1 ^ sums[1] as u64, d ^ (sums[1] >> 64) as u64);
        }
        key
    }
}

#[inline(always)]
fn add_block(sums: &mut [u128; 2], block: &[u8; BLOCK], keys: &[u64]) {
    let words: [u64; BLOCK_WORDS] = std::array::from_fn(|word| {
        u64::from_le_bytes(std::array::from_fn(|byte| block[8 * word + byte]))
    });
    for pair in (0..BLOCK_WORDS).step_by(2) {
        for (sum, shift) in sums.iter_mut().zip([0, 2]) {
            let low = words[pair].wrapping_add(keys[pair + shift]);
            let high = words[pair + 1].wrapping_add(keys[pair + shift + 1]);
            *sum = sum.wrapping_add(u128::from(low) * u128::from(high));
        }
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
