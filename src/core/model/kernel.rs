//! The arithmetic under the network on the CPU: products of small matrices and the functions of
//! an LSTM cell, compiled for the vectors the processor has.

use pulp::{Scalar, Simd, WithSimd};

/// Runs `work` compiled for the widest vectors that this processor and this build know.
pub(super) fn vectorized(work: impl WithSimd<Output = ()>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, work);
    }
    #[cfg(target_arch = "aarch64")]
    return pulp::Arch::new().dispatch(work);
    #[cfg(not(target_arch = "aarch64"))]
    Simd::vectorize(Scalar, work)
}

/// Rows computed together, and vectors of each: 12 sums, 2 weights and 1 factor just fit the 16
/// registers of AVX2.
const BLOCK_ROWS: usize = 6;
const BLOCK_VECTORS: usize = 2;
/// The columns of a product's weights come in multiples of this: two vectors of eight.
pub(super) const COLUMNS_MULTIPLE: usize = 16;

/// Adds `rows · weights` to `sums`; `inner` is how many columns the rows and rows the weights
/// have, and the weights' columns are a multiple of [`COLUMNS_MULTIPLE`]. A row's sums are added up in the same order whatever rows stand beside it.
#[inline(always)]
pub(super) fn add_product<S: Simd>(
    simd: S,
    rows: &[f32],
    weights: &[f32],
    sums: &mut [f32],
    inner: usize,
) {
    let outer = weights.len() / inner;
    debug_assert!(outer.is_multiple_of(COLUMNS_MULTIPLE));
    let row_blocks = rows.chunks(BLOCK_ROWS * inner);
    for (rows, sums) in row_blocks.zip(sums.chunks_mut(BLOCK_ROWS * outer)) {
        if rows.len() == BLOCK_ROWS * inner {
            add_block::<S, BLOCK_ROWS>(simd, rows, weights, sums, inner);
            continue;
        }
        for (row, sums) in rows.chunks_exact(inner).zip(sums.chunks_exact_mut(outer)) {
            add_block::<S, 1>(simd, row, weights, sums, inner);
        }
    }
}

#[inline(always)]
fn add_block<S: Simd, const ROWS: usize>(
    simd: S,
    rows: &[f32],
    weights: &[f32],
    sums: &mut [f32],
    inner: usize,
) {
    let (weights, _) = S::as_simd_f32s(weights);
    let (sums, _) = S::as_mut_simd_f32s(sums);
    let row_vectors = sums.len() / ROWS;
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &rows[row * inner..(row + 1) * inner]);
    for first in (0..row_vectors).step_by(BLOCK_VECTORS) {
        let mut block: [[S::f32s; BLOCK_VECTORS]; ROWS] = std::array::from_fn(|row| {
            std::array::from_fn(|vector| sums[row * row_vectors + first + vector])
        });
        for (column, weights) in weights.chunks_exact(row_vectors).enumerate().take(inner) {
            let weights: [S::f32s; BLOCK_VECTORS] =
                std::array::from_fn(|vector| weights[first + vector]);
            for (block, row) in block.iter_mut().zip(&rows) {
                let factor = simd.splat_f32s(row[column]);
                for (sum, weight) in block.iter_mut().zip(weights) {
                    *sum = simd.mul_add_e_f32s(factor, weight, *sum);
                }
            }
        }
        for (row, block) in block.iter().enumerate() {
            let place = row * row_vectors + first;
            sums[place..place + BLOCK_VECTORS].copy_from_slice(block);
        }
    }
}

#[inline(always)]
pub(super) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    2.0 * logistic(2.0 * x) - 1.0
}

/// e^x to about 1 part in 10⁷, without the branches and table of the library's, so that the
/// compiler can take many at once: 2^n · e^r with |r| ≤ ln 2 / 2, e^r by the polynomial of Cephes.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding 1.5·2²³ leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first exact in products with n.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut sum = 1.987_569_1e-4;
    for coefficient in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * r + coefficient;
    }
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127)
        << 23;
    sum * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_close_over_its_whole_range() {
        for step in -8_600..=8_600 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) / exact - 1.0).abs();
            assert!(error < 3e-7, "e^{x} is off by {error}");
        }
        assert!(exp(1e9).is_finite() && exp(-1e9) >= 0.0);
    }
}
