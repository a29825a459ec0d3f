//! A block's classes by the vectors of x86-64.
#![expect(
    unsafe_code,
    reason = "vector loads and stores, and calls of code compiled for a processor that was found \
              to be this one; `portable` is the oracle"
)]

use std::arch::x86_64::*;
use std::mem::transmute;

use super::blocks::{BLOCK, Kernel, read};
use super::found::{Found, STRETCH};
use super::hash::{Key, Keys};
use super::marks::{Classes, Marks, search_starts};
use super::portable::padded_block;
use super::{HEX, MIXED, NUMBER, UUID};

/// A processor with AVX2. Only [`detect`](Self::detect) makes one, which is why its functions may
/// be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    pub(super) fn scan(self, keys: &Keys, message: &[u8], found: &mut Found) -> Key {
        #[target_feature(enable = "avx2")]
        fn scan(kernel: Avx2, keys: &Keys, message: &[u8], found: &mut Found) -> Key {
            read(kernel, message, found);
            keys.key_of(found)
        }
        // SAFETY: there is an `Avx2`, so the processor has it.
        unsafe { scan(self, keys, message, found) }
    }
}

impl Kernel for Avx2 {
    type Block = [u8; BLOCK + STRETCH];

    #[inline(always)]
    fn block(self, message: &[u8], at: usize) -> Self::Block {
        padded_block(message, at)
    }

    #[inline(always)]
    fn classes(self, block: Self::Block) -> Classes {
        // SAFETY: there is an `Avx2`, so the processor has it.
        unsafe { classes_avx2(&block) }
    }

    #[inline(always)]
    fn starts_of(self, marked: u64, _: u64, starts: u64) -> u64 {
        // Not by PEXT and PDEP, which take hundreds of cycles on the first generations of Zen.
        search_starts(marked, starts)
    }

    #[inline(always)]
    fn append(self, mut block: Self::Block, marks: &Marks, at: usize, found: &mut Found) {
        found.append(&mut block, marks, at);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn classes_avx2(block: &[u8; BLOCK + STRETCH]) -> Classes {
    let halves = block.as_chunks().0;
    let (low, high) = (half_classes(halves[0]), half_classes(halves[1]));
    let mask = |low: __m256i, high: __m256i| {
        let bits = |of| u64::from(_mm256_movemask_epi8(of) as u32);
        bits(low) | bits(high) << 32
    };
    Classes {
        digit: mask(low.digit, high.digit),
        hex: mask(low.hex, high.hex),
        letter: mask(low.letter, high.letter),
        high: mask(low.bytes, high.bytes),
        x: mask(low.x, high.x),
        zero: mask(low.zero, high.zero),
        dash: mask(low.dash, high.dash),
        control: mask(low.control, high.control),
    }
}

/// [`Classes`] as bytes of which the highest bit is set.
struct HalfClasses {
    bytes: __m256i,
    digit: __m256i,
    hex: __m256i,
    letter: __m256i,
    x: __m256i,
    zero: __m256i,
    dash: __m256i,
    control: __m256i,
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_classes(half: [u8; 32]) -> HalfClasses {
    // SAFETY: both are 32 bytes of any value.
    let bytes = unsafe { transmute::<[u8; 32], __m256i>(half) };
    let all = |byte: u8| _mm256_set1_epi8(byte as i8);
    let at_most = |bytes, most| _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, all(most)), bytes);
    let equal = |bytes, byte| _mm256_cmpeq_epi8(bytes, all(byte));
    let letters = _mm256_sub_epi8(_mm256_or_si256(bytes, all(0x20)), all(b'a'));
    HalfClasses {
        bytes,
        digit: at_most(_mm256_sub_epi8(bytes, all(b'0')), 9),
        hex: at_most(letters, 5),
        letter: at_most(letters, 25),
        x: equal(letters, b'x' - b'a'),
        zero: equal(bytes, b'0'),
        dash: equal(bytes, b'-'),
        control: _mm256_or_si256(at_most(bytes, 0x1f), equal(bytes, 0x7f)),
    }
}

/// A processor with AVX-512 as of Ice Lake and Zen 4. Only [`detect`](Self::detect) makes one,
/// which is why its functions may be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }

    pub(super) fn scan(self, keys: &Keys, message: &[u8], found: &mut Found) -> Key {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
        fn scan(kernel: Avx512, keys: &Keys, message: &[u8], found: &mut Found) -> Key {
            read(kernel, message, found);
            keys.key_of(found)
        }
        // SAFETY: there is an `Avx512`, so the processor has all of it.
        unsafe { scan(self, keys, message, found) }
    }
}

impl Kernel for Avx512 {
    type Block = __m512i;

    #[inline(always)]
    fn block(self, message: &[u8], at: usize) -> Self::Block {
        // SAFETY: there is an `Avx512`, so the processor has all of it.
        unsafe { block_avx512(&message[at..]) }
    }

    #[inline(always)]
    fn classes(self, block: Self::Block) -> Classes {
        // SAFETY: there is an `Avx512`, so the processor has all of it.
        unsafe { classes_avx512(block) }
    }

    #[inline(always)]
    fn starts_of(self, marked: u64, ends: u64, starts: u64) -> u64 {
        // SAFETY: there is an `Avx512`, so the processor has all of it.
        unsafe { starts_avx512(marked, ends, starts) }
    }

    #[inline(always)]
    fn append(self, block: Self::Block, marks: &Marks, at: usize, found: &mut Found) {
        let (form, variables) = found.room();
        // SAFETY: there is an `Avx512`, so the processor has all of it.
        unsafe {
            write_form(block, marks, form);
            write_variables(marks, at, variables);
        }
        found.wrote(marks.kept().count_ones(), marks.starts().count_ones());
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn block_avx512(rest: &[u8]) -> __m512i {
    let there = match rest.len() {
        0 => 0,
        len => u64::MAX >> (BLOCK - len.min(BLOCK)),
    };
    debug_assert!(there.count_ones() as usize <= rest.len());
    // SAFETY: `there` has no bit for a byte after the end of `rest`, and what has none is not read.
    unsafe { _mm512_maskz_loadu_epi8(there, rest.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn classes_avx512(bytes: __m512i) -> Classes {
    let all = |byte: u8| _mm512_set1_epi8(byte as i8);
    let digits = _mm512_sub_epi8(bytes, all(b'0'));
    let letters = _mm512_sub_epi8(_mm512_or_si512(bytes, all(0x20)), all(b'a'));
    Classes {
        digit: _mm512_cmplt_epu8_mask(digits, all(10)),
        hex: _mm512_cmplt_epu8_mask(letters, all(6)),
        letter: _mm512_cmplt_epu8_mask(letters, all(26)),
        high: _mm512_movepi8_mask(bytes),
        x: _mm512_cmpeq_epu8_mask(letters, all(b'x' - b'a')),
        zero: _mm512_cmpeq_epu8_mask(bytes, all(b'0')),
        dash: _mm512_cmpeq_epu8_mask(bytes, all(b'-')),
        control: _mm512_cmplt_epu8_mask(bytes, all(0x20))
            | _mm512_cmpeq_epu8_mask(bytes, all(0x7f)),
    }
}

#[inline]
#[target_feature(enable = "bmi2")]
fn starts_avx512(marked: u64, ends: u64, starts: u64) -> u64 {
    _pdep_u64(_pext_u64(marked, ends), starts)
}

/// Writes the form of a block, and of no matter what behind it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
fn write_form(block: __m512i, marks: &Marks, form: &mut [u8]) {
    let put =
        |bytes, mask, byte: u8| _mm512_mask_mov_epi8(bytes, mask, _mm512_set1_epi8(byte as i8));
    let block = put(block, marks.control, b' ');
    let block = put(block, marks.starts(), NUMBER);
    let block = put(block, marks.hex, HEX);
    let block = put(block, marks.mixed, MIXED);
    let block = put(block, marks.uuid, UUID);
    if let Some(form) = form.first_chunk_mut() {
        *form = bytes_of(_mm512_maskz_compress_epi8(marks.kept(), block));
    }
}

/// Writes the variables of a block that begins at byte `at`, and of no matter what behind them.
#[inline]
#[target_feature(enable = "avx512f,avx512vbmi2,popcnt")]
fn write_variables(marks: &Marks, at: usize, variables: &mut [(u32, u32)]) {
    const PLACES: [u8; BLOCK] = {
        let mut places = [0; BLOCK];
        let mut place = 0;
        while place < BLOCK {
            places[place] = place as u8;
            place += 1;
        }
        places
    };
    // SAFETY: both are 64 bytes of any value.
    let places = unsafe { transmute::<[u8; BLOCK], __m512i>(PLACES) };
    let starts = bytes_of(_mm512_maskz_compress_epi8(marks.starts(), places));
    let ends = bytes_of(_mm512_maskz_compress_epi8(marks.ends(), places));
    let eights = (marks.starts().count_ones() as usize).div_ceil(8);
    let (variables, _) = variables.as_chunks_mut::<8>();
    for (eight, variables) in variables.iter_mut().take(eights).enumerate() {
        for (place, variable) in variables.iter_mut().enumerate() {
            let byte = |of: &[u8; BLOCK]| at as u32 + u32::from(of[(8 * eight + place) % BLOCK]);
            *variable = (byte(&starts), byte(&ends));
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn bytes_of(vector: __m512i) -> [u8; BLOCK] {
    // SAFETY: both are 64 bytes of any value.
    unsafe { transmute::<__m512i, [u8; BLOCK]>(vector) }
}
