//! Form → key.

/// Stands for a form. Two forms have one key by chance alone: about 1 in 2⁶⁴ per pair at worst,
/// for who does not know the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64, pub u64);

/// Bytes of a form that are hashed at once.
const CHUNK: usize = 256;
const CHUNK_WORDS: usize = CHUNK / 8;

/// What a seed gives.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    words: [u64; CHUNK_WORDS + 2],
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

    /// The key of `form`.
    ///
    /// Within a chunk this is NH of UMAC (RFC 4418) with words of 64 bits, twice: a sum of products
    /// of which none waits for another, and for which the chance of a collision is proven. The
    /// chunks are chained by folded products.
    pub(super) fn key_of(&self, form: &[u8]) -> Key {
        let [a, b, c, d] = self.finish;
        let mut key = Key(a ^ form.len() as u64, b);
        for chunk in form.chunks(CHUNK) {
            let mut sums = [0_u128; 2];
            for (pair, keys) in chunk.chunks(16).zip(self.words.windows(4).step_by(2)) {
                let mut padded = [0; 16];
                padded[..pair.len()].copy_from_slice(pair);
                let pair = u128::from_le_bytes(padded);
                let (low, high) = (pair as u64, (pair >> 64) as u64);
                for (sum, keys) in sums.iter_mut().zip(keys.chunks_exact(2)) {
                    let (low, high) = (low.wrapping_add(keys[0]), high.wrapping_add(keys[1]));
                    *sum = sum.wrapping_add(u128::from(low) * u128::from(high));
                }
            }
            key.0 = fold(key.0 ^ sums[0] as u64, c ^ (sums[0] >> 64) as u64);
            key.1 = fold(key.1 ^ sums[1] as u64, d ^ (sums[1] >> 64) as u64);
        }
        key
    }
}

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
