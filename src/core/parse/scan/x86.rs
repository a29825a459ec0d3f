//! A block's classes by the vectors of x86-64.
#![expect(
    unsafe_code,
    reason = "vector loads and stores, and calls of code compiled for a processor that was found \
              to be this one; `portable` is the oracle"
)]

use std::arch::x86_64::*;
use std::mem::transmute;

use super::blocks::{BLOCK, Classes, Found, Kernel, Marks, STRETCH, read, search_starts};
use super::hash::{Key, Keys};
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
    let (chunks, _) = block.as_chunks::<32>();
    let [low, high] = [chunks[0], chunks[1]].map(|half| half_classes(half));
    let mask = |class: usize| u64::from(low[class]) | u64::from(high[class]) << 32;
    Classes {
        digit: mask(0),
        hex: mask(1),
        letter: mask(2),
        high: mask(3),
        x: mask(4),
        zero: mask(5),
        dash: mask(6),
        control: mask(7),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_classes(half: [u8; 32]) -> [u32; 8] {
    // SAFETY: both are 32 bytes of any value.
    let bytes = unsafe { transmute::<[u8; 32], __m256i>(half) };
    let all = |byte: u8| _mm256_set1_epi8(byte as i8);
    let at_most = |bytes, most| _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, all(most)), bytes);
    let digits = _mm256_sub_epi8(bytes, all(b'0'));
    let letters = _mm256_sub_epi8(_mm256_or_si256(bytes, all(0x20)), all(b'a'));
    let equal = |bytes, byte| _mm256_cmpeq_epi8(bytes, all(byte));
    [
        at_most(digits, 9),
        at_most(letters, 5),
        at_most(letters, 25),
        bytes,
        equal(letters, b'x' - b'a'),
        equal(digits, 0),
        equal(bytes, b'-'),
        _mm256_or_si256(at_most(bytes, 0x1f), equal(bytes, 0x7f)),
    ]
    .map(|class| _mm256_movemask_epi8(class) as u32)
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
        // SAFETY: there is an `Avx512`, so the processor has all of it.
        found.append_with(|form, variables| unsafe {
            append_avx512(block, marks, at, form, variables)
        });
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn block_avx512(rest: &[u8]) -> __m512i {
    let there = match rest.len() {
        0 => 0,
        len => u64::MAX >> (BLOCK - len.min(BLOCK)),
    };
    // SAFETY: bytes after the end of `rest` are masked out, and so not read.
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

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt")]
fn append_avx512(
    block: __m512i,
    marks: &Marks,
    at: usize,
    form: &mut [u8],
    variables: &mut [(u32, u32)],
) -> (usize, usize) {
    let all = |byte: u8| _mm512_set1_epi8(byte as i8);
    let put = |bytes, mask, byte| _mm512_mask_mov_epi8(bytes, mask, all(byte));
    let (starts, ends, kept) = (marks.starts(), marks.ends(), marks.kept());
    let block = put(block, marks.control, b' ');
    let block = put(block, starts, NUMBER);
    let block = put(block, marks.hex, HEX);
    let block = put(block, marks.mixed, MIXED);
    let block = put(block, marks.uuid, UUID);
    if let Some(target) = form.first_chunk_mut() {
        // SAFETY: both are 64 bytes of any value.
        *target =
            unsafe { transmute::<__m512i, [u8; BLOCK]>(_mm512_maskz_compress_epi8(kept, block)) };
    }
    // SAFETY: both are 64 bytes of any value.
    let places =
        unsafe { transmute::<[u8; BLOCK], __m512i>(std::array::from_fn(|place| place as u8)) };
    let compress = |mask| {
        let places = _mm512_castsi512_si256(_mm512_maskz_compress_epi8(mask, places));
        // SAFETY: both are 32 bytes of any value.
        unsafe { transmute::<__m256i, [u8; BLOCK / 2]>(places) }
    };
    let (first, past) = (compress(starts), compress(ends));
    let count = starts.count_ones() as usize;
    for done in (0..count).step_by(8) {
        let Some(target) = variables[done..].first_chunk_mut::<8>() else {
            break;
        };
        for (place, target) in target.iter_mut().enumerate() {
            *target = (
                at as u32 + u32::from(first[done + place]),
                at as u32 + u32::from(past[done + place]),
            );
        }
    }
    (kept.count_ones() as usize, count)
}
