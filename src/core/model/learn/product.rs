//! Products of matrices a few dozen wide, for the widest vectors of the processor.
//!
//! Sums are added up in the same order whatever the processor's vectors, but some vectors round
//! once where others round twice.

use pulp::{Scalar, Simd, WithSimd};

/// Runs `work` compiled for the widest vectors that this processor and this build know.
pub(super) fn widest<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return Simd::vectorize(simd, work);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Simd::vectorize(simd, work);
        }
    }
    #[cfg(target_arch = "aarch64")]
    return pulp::Arch::new().dispatch(work);
    #[cfg(not(target_arch = "aarch64"))]
    Simd::vectorize(Scalar, work)
}

/// Widths are made up to a multiple of this: the floats of the widest vector.
pub(super) const WIDTH_MULTIPLE: usize = 16;
/// Columns that lie together in [`Packed`].
const BLOCK_WIDTH: usize = 64;
/// Rows computed together.
const ROWS: usize = 6;
/// Rows of a gradient that are added to together.
const OUTER_ROWS: usize = 8;
/// Steps whose gradients are added while they are in the cache.
const OUTER_STEPS: usize = 128;

/// A matrix in blocks of columns, so that what a product reads lies side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    values: Vec<f32>,
    height: usize,
    width: usize,
}

impl Packed {
    /// Takes in a matrix of rows of `width`; zeros make up the width.
    pub(super) fn pack(&mut self, matrix: &[f32], width: usize) {
        let height = matrix.len() / width.max(1);
        self.resize(height, width);
        for start in (0..self.width).step_by(BLOCK_WIDTH) {
            let block_width = BLOCK_WIDTH.min(self.width - start);
            let block = &mut self.values[start * height..][..block_width * height];
            for (to, from) in block
                .chunks_exact_mut(block_width)
                .zip(matrix.chunks(width))
            {
                let from = &from[start.min(width)..(start + block_width).min(width)];
                to[..from.len()].copy_from_slice(from);
            }
        }
    }

    /// Takes in a matrix of rows of `height`, turned about its diagonal.
    pub(super) fn pack_turned(&mut self, matrix: &[f32], height: usize) {
        let width = matrix.len() / height.max(1);
        self.resize(height, width);
        for start in (0..width).step_by(BLOCK_WIDTH) {
            let block_width = BLOCK_WIDTH.min(self.width - start);
            let block = &mut self.values[start * height..][..block_width * height];
            for (column, row) in matrix
                .chunks_exact(height)
                .skip(start)
                .take(block_width)
                .enumerate()
            {
                for (to, from) in block[column..].iter_mut().step_by(block_width).zip(row) {
                    *to = *from;
                }
            }
        }
    }

    fn resize(&mut self, height: usize, width: usize) {
        self.height = height;
        self.width = width.next_multiple_of(WIDTH_MULTIPLE);
        self.values.clear();
        self.values.resize(height * self.width, 0.0);
    }
}

/// Adds `rows · weights` to `sums`. A row's sums are the same whatever rows stand beside it.
#[inline(always)]
pub(super) fn add_product<S: Simd>(simd: S, rows: &[f32], weights: &Packed, sums: &mut [f32]) {
    let (height, width) = (weights.height, weights.width);
    let row_blocks = rows.chunks(ROWS * height);
    for (rows, sums) in row_blocks.zip(sums.chunks_mut(ROWS * width)) {
        match rows.len() / height {
            1 => add_rows::<S, 1>(simd, rows, weights, sums),
            2 => add_rows::<S, 2>(simd, rows, weights, sums),
            3 => add_rows::<S, 3>(simd, rows, weights, sums),
            4 => add_rows::<S, 4>(simd, rows, weights, sums),
            5 => add_rows::<S, 5>(simd, rows, weights, sums),
            _ => add_rows::<S, ROWS>(simd, rows, weights, sums),
        }
    }
}

#[inline(always)]
fn add_rows<S: Simd, const R: usize>(simd: S, rows: &[f32], weights: &Packed, sums: &mut [f32]) {
    let (height, width) = (weights.height, weights.width);
    let rows: [&[f32]; R] = std::array::from_fn(|row| &rows[row * height..][..height]);
    let (sums, _) = S::as_mut_simd_f32s(sums);
    for start in (0..width).step_by(BLOCK_WIDTH) {
        let block_width = BLOCK_WIDTH.min(width - start);
        let (block, _) = S::as_simd_f32s(&weights.values[start * height..][..block_width * height]);
        let tile = Tile {
            rows,
            block,
            block_width: block_width / S::F32_LANES,
            sums_width: width / S::F32_LANES,
        };
        let first = start / S::F32_LANES;
        let mut at = 0;
        while S::REGISTER_COUNT >= 32 && at + 4 <= tile.block_width {
            tile.add::<4>(simd, sums, first, at);
            at += 4;
        }
        while at + 2 <= tile.block_width {
            tile.add::<2>(simd, sums, first, at);
            at += 2;
        }
        if at < tile.block_width {
            tile.add::<1>(simd, sums, first, at);
        }
    }
}

/// Some rows and a block of the weights; widths are in vectors.
#[derive(Clone, Copy)]
struct Tile<'a, S: Simd, const R: usize> {
    rows: [&'a [f32]; R],
    block: &'a [S::f32s],
    block_width: usize,
    sums_width: usize,
}

impl<S: Simd, const R: usize> Tile<'_, S, R> {
    /// Adds to `C` vectors of each row's sums, those from `at` on of the block, which begins at
    /// vector `first`.
    #[inline(always)]
    fn add<const C: usize>(&self, simd: S, sums: &mut [S::f32s], first: usize, at: usize) {
        let place = |row: usize| row * self.sums_width + first + at;
        let mut tile: [[S::f32s; C]; R] = std::array::from_fn(|row| {
            std::array::from_fn(|vector| sums[place(row)..][..C][vector])
        });
        for (k, weights) in self.block.chunks_exact(self.block_width).enumerate() {
            let weights = &weights[at..][..C];
            for (tile, row) in tile.iter_mut().zip(&self.rows) {
                let factor = simd.splat_f32s(row[k]);
                for (sum, weight) in tile.iter_mut().zip(weights) {
                    *sum = simd.mul_add_e_f32s(factor, *weight, *sum);
                }
            }
        }
        for (row, tile) in tile.iter().enumerate() {
            sums[place(row)..][..C].copy_from_slice(tile);
        }
    }
}

/// Adds `leftᵀ · right` to `sums`: the outer products of their rows. `left` is `[steps, height]`
/// with a height in eights, `sums` is `[height, width]` with a width in sixteens.
#[inline(always)]
pub(super) fn add_outer<S: Simd>(
    simd: S,
    left: &[f32],
    right: &[f32],
    sums: &mut [f32],
    height: usize,
) {
    let width = sums.len() / height;
    let chunks = left.chunks(OUTER_STEPS * height);
    for (left, right) in chunks.zip(right.chunks(OUTER_STEPS * width)) {
        let outer = Outer {
            left,
            right: S::as_simd_f32s(right).0,
            height,
            width: width / S::F32_LANES,
        };
        let (sums, _) = S::as_mut_simd_f32s(sums);
        let mut at = 0;
        while at + 2 <= outer.width {
            for row in (0..height).step_by(OUTER_ROWS) {
                outer.add_columns::<2>(simd, sums, row, at);
            }
            at += 2;
        }
        if at < outer.width {
            for row in (0..height).step_by(OUTER_ROWS) {
                outer.add_columns::<1>(simd, sums, row, at);
            }
        }
    }
}

struct Outer<'a, S: Simd> {
    left: &'a [f32],
    right: &'a [S::f32s],
    height: usize,
    width: usize,
}

impl<S: Simd> Outer<'_, S> {
    /// Adds to [`OUTER_ROWS`] rows from `row` on of the sums, in as many at once as the registers
    /// can hold.
    #[inline(always)]
    fn add_columns<const C: usize>(&self, simd: S, sums: &mut [S::f32s], row: usize, at: usize) {
        const HALF: usize = OUTER_ROWS / 2;
        if S::REGISTER_COUNT >= 32 {
            self.add::<OUTER_ROWS, C>(simd, sums, row, at);
        } else {
            self.add::<HALF, C>(simd, sums, row, at);
            self.add::<HALF, C>(simd, sums, row + HALF, at);
        }
    }

    #[inline(always)]
    fn add<const R: usize, const C: usize>(
        &self,
        simd: S,
        sums: &mut [S::f32s],
        row: usize,
        at: usize,
    ) {
        let place = |r: usize| (row + r) * self.width + at;
        let mut tile: [[S::f32s; C]; R] =
            std::array::from_fn(|r| std::array::from_fn(|vector| sums[place(r)..][..C][vector]));
        let steps = self.left.chunks_exact(self.height);
        for (left, right) in steps.zip(self.right.chunks_exact(self.width)) {
            let (left, right) = (&left[row..][..R], &right[at..][..C]);
            for (tile, factor) in tile.iter_mut().zip(left) {
                let factor = simd.splat_f32s(*factor);
                for (sum, right) in tile.iter_mut().zip(right) {
                    *sum = simd.mul_add_e_f32s(factor, *right, *sum);
                }
            }
        }
        for (r, tile) in tile.iter().enumerate() {
            sums[place(r)..][..C].copy_from_slice(tile);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::network_tests::noise;

    struct Both<'a> {
        left: &'a [f32],
        right: &'a [f32],
        weights: &'a Packed,
        sums: &'a mut [f32],
        outer: &'a mut [f32],
        height: usize,
    }

    impl WithSimd for Both<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            add_product(simd, self.left, self.weights, self.sums);
            add_outer(simd, self.left, self.right, self.outer, self.height);
        }
    }

    #[test]
    fn products_are_those_of_the_school_book_for_every_count_of_rows_and_columns() {
        for (count, height, width) in [(1, 64, 256), (5, 64, 16), (13, 256, 64), (130, 64, 112)] {
            let (left, matrix) = (noise(count * height, 1), noise(height * width, 2));
            let right = noise(count * width, 3);
            let mut packed = Packed::default();
            packed.pack(&matrix, width);
            let (mut sums, mut outer) = (vec![1.0; count * width], vec![2.0; height * width]);
            let work = |sums, outer| Both {
                left: &left,
                right: &right,
                weights: &packed,
                sums,
                outer,
                height,
            };
            widest(work(&mut sums, &mut outer));
            let (mut plain_sums, mut plain_outer) =
                (vec![1.0; count * width], vec![2.0; height * width]);
            Simd::vectorize(Scalar, work(&mut plain_sums, &mut plain_outer));
            for row in 0..count {
                for column in 0..width {
                    let terms = (0..height)
                        .map(|k| f64::from(left[row * height + k] * matrix[k * width + column]));
                    let exact = 1.0 + terms.sum::<f64>();
                    for sums in [&sums, &plain_sums] {
                        assert!((f64::from(sums[row * width + column]) - exact).abs() < 1e-4);
                    }
                }
            }
            for row in 0..height {
                for column in 0..width {
                    let terms = (0..count)
                        .map(|k| f64::from(left[k * height + row] * right[k * width + column]));
                    let exact = 2.0 + terms.sum::<f64>();
                    for outer in [&outer, &plain_outer] {
                        assert!((f64::from(outer[row * width + column]) - exact).abs() < 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn a_turned_matrix_is_packed_as_if_it_had_been_turned_before() {
        let (height, width) = (37, 64);
        let matrix = noise(height * width, 5);
        let turned: Vec<f32> = (0..height * width)
            .map(|at| matrix[(at % width) * height + at / width])
            .collect();
        let (mut one, mut other) = (Packed::default(), Packed::default());
        one.pack_turned(&matrix, height);
        other.pack(&turned, width);
        assert_eq!(one.values, other.values);
    }
}
