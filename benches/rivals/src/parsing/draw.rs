//! Random numbers and words, the same on every machine.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// True once in `one_in` times.
    pub(crate) fn once_in(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// Adds a word of 3 to 10 letters.
    pub(crate) fn word(&mut self, text: &mut String) {
        let len = 3 + self.below(8);
        self.letters(len, text);
    }

    /// Adds `len` letters.
    pub(crate) fn letters(&mut self, len: usize, text: &mut String) {
        for _ in 0..len {
            text.push(char::from(b'a' + self.below(26) as u8));
        }
    }

    /// Adds `source` with another digit in place of each of its digits.
    pub(crate) fn other_digits(&mut self, source: &str, text: &mut String) {
        for letter in source.chars() {
            text.push(match letter.is_ascii_digit() {
                true => char::from(b'0' + self.below(10) as u8),
                false => letter,
            });
        }
    }
}
