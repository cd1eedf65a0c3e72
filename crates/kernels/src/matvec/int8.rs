//! Holds the product of a weight of 8-bit integers with a vector made integers. Refuses sums that could overflow.

use std::ops::Range;

use super::{Product, Shape, Source, shapes, tiles};
use crate::layout::PANEL;
use crate::simd::Backend;
use crate::simd::narrow::{self, Narrow, NarrowKernel};
use crate::{Buffer, math::ExpConstants, pad};

/// Largest magnitude of a weight.
const LEVELS: f32 = 127.0;

/// The weight in 8-bit integers, `[P][K/2][width][2]`, with a scale for each column.
pub(crate) struct Int8 {
    shape: Shape,
    /// Bytes, in memory that starts on a cache line.
    bytes: Buffer<f32>,
    /// `[P][width]`.
    scales: Buffer<f32>,
    /// Largest magnitude of the vector's integers.
    levels: f32,
}

impl Int8 {
    pub fn new(source: &Source<'_, f32>) -> Int8 {
        let shape = source.shape();
        let pairs = shape.inputs.div_ceil(2);
        let mut scales = Buffer::zeros(shape.outputs);
        for (n, scale) in scales.iter_mut().enumerate() {
            *scale = (0..shape.inputs).fold(0.0f32, |m, k| m.max(source.at(n, k).abs())) / LEVELS;
        }
        let quantised = |n: usize, k: usize| match k < shape.inputs && scales[n] > 0.0 {
            true => (source.at(n, k) / scales[n]).round_ties_even().clamp(-LEVELS, LEVELS) as i8,
            false => 0,
        };
        let mut bytes = Buffer::<f32>::zeros(pairs * shape.outputs / 2);
        let memory: &mut [[i8; 2]] = bytemuck::cast_slice_mut(&mut bytes[..]);
        shape.fill(pairs, memory, |n, pair| [quantised(n, 2 * pair), quantised(n, 2 * pair + 1)]);
        Int8 { shape, bytes, scales, levels: int8_levels(shape.inputs) }
    }
}

/// Largest magnitude of the integers of a vector of `inputs` numbers: a sum of products with 8-bit weights stays within
/// an i32, and each within 16 bits.
fn int8_levels(inputs: usize) -> f32 {
    let products = LEVELS as usize * inputs.max(1);
    (i32::MAX as usize / products).min(i16::MAX as usize) as f32
}

impl Product<f32> for Int8 {
    fn panels(&self) -> usize {
        self.shape.panels()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.bytes[..])
    }

    unsafe fn add(&self, backend: Backend, panels: Range<usize>, x: &[f32], scratch: &mut [f32], to: *mut f32) {
        let pairs = self.shape.inputs.div_ceil(2);
        assert!(x.len() == pad(self.shape.inputs) && scratch.len() >= x.len() && panels.end <= self.panels());
        narrow::run(backend, Panels { m: self, pairs, panels, x, scratch: &mut scratch[..x.len()], to });
    }
}

struct Panels<'a> {
    m: &'a Int8,
    pairs: usize,
    panels: Range<usize>,
    x: &'a [f32],
    scratch: &'a mut [f32],
    to: *mut f32,
}

impl NarrowKernel for Panels<'_> {
    #[inline(always)]
    fn run<S: Narrow>(self, s: S) {
        let scale = quantise(s, self.m.levels, self.x, self.scratch);
        let words: &[i32] = bytemuck::cast_slice(self.scratch);
        let (shape, bytes): (_, &[i8]) = (&self.m.shape, bytemuck::cast_slice(&self.m.bytes[..]));
        tiles(shape, self.panels, S::LANES, |panels, p, column, vectors| {
            macro_rules! run {
                ($np:literal, $nv:literal) => {{
                    // SAFETY: `add` checked the panels; the columns lie within them, in the weight and in `to`.
                    let (bytes, scales, to): ([_; $np], [_; $np], [_; $np]) = unsafe {
                        let bytes = bytes.as_ptr().wrapping_add(2 * (p * self.pairs * shape.width + column));
                        let scales = self.m.scales.as_ptr().add(p * shape.width + column);
                        let to = self.to.add(p * PANEL + column);
                        (
                            std::array::from_fn(|i| bytes.wrapping_add(2 * i * self.pairs * shape.width)),
                            std::array::from_fn(|i| scales.add(i * shape.width)),
                            std::array::from_fn(|i| to.add(i * PANEL)),
                        )
                    };
                    let x = &words[..self.pairs];
                    s.narrow(Tile::<$np, $nv> { bytes, stride: 2 * shape.width_of(p), x, scale, scales, to })
                }};
            }
            shapes!(panels, vectors, run)
        });
    }
}

/// Writes the integers of x, two to a word, the even k low, and returns their scale.
#[inline(always)]
fn quantise<S: Narrow>(s: S, levels: f32, x: &[f32], words: &mut [f32]) -> f32 {
    let mut largest = [0.0f32; 16];
    for chunk in x.chunks_exact(16) {
        for j in (0..16).step_by(S::LANES) {
            // SAFETY: chunk and lanes have 16 elements and LANES divides 16.
            unsafe {
                let m = largest.as_mut_ptr().add(j);
                s.store(m, s.max(s.load(m), s.abs(s.load(chunk.as_ptr().add(j)))));
            }
        }
    }
    let largest = largest.into_iter().fold(0.0f32, |m, x| if m > x { m } else { x });
    let factor = if largest > 0.0 { levels / largest } else { 0.0 };
    let (factor, integer) = (s.splat(factor), s.splat(<f32 as ExpConstants>::INTEGER as f32));
    let halves: &mut [i16] = bytemuck::cast_slice_mut(words);
    for (chunk, halves) in x.chunks_exact(16).zip(halves.chunks_exact_mut(16)) {
        let mut rounded = [0.0f32; 16];
        for j in (0..16).step_by(S::LANES) {
            // SAFETY: chunk and lanes have 16 elements and LANES divides 16.
            unsafe {
                let x = s.mul(s.load(chunk.as_ptr().add(j)), factor);
                s.store(rounded.as_mut_ptr().add(j), s.add(x, integer));
            }
        }
        // The low bits of such a sum are the integer.
        for (half, x) in halves.iter_mut().zip(rounded) {
            *half = x.to_bits() as i16;
        }
    }
    largest / levels
}

struct Tile<'a, const NP: usize, const NV: usize> {
    bytes: [*const i8; NP],
    stride: usize,
    x: &'a [i32],
    scale: f32,
    scales: [*const f32; NP],
    to: [*mut f32; NP],
}

impl<const NP: usize, const NV: usize> NarrowKernel for Tile<'_, NP, NV> {
    #[inline(always)]
    fn run<S: Narrow>(mut self, s: S) {
        // SAFETY: `Panels` gives pointers to NV vectors in each of NP panels, K/2 rows of them in `bytes`; the levels
        // of weights and vector keep every sum within i32.
        unsafe {
            let mut sums = [[s.no_sums(); NV]; NP];
            for &x in self.x {
                for (from, sums) in self.bytes.iter_mut().zip(&mut sums) {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = s.dot(*sum, from.add(2 * j * S::LANES), x);
                    }
                    // The step after the last row leads beyond the weights: it wraps and is not followed.
                    *from = from.wrapping_add(self.stride);
                }
            }
            let scale = s.splat(self.scale);
            for ((to, scales), sums) in self.to.iter().zip(self.scales).zip(sums) {
                for (j, sum) in sums.into_iter().enumerate() {
                    let (to, scale) = (to.add(j * S::LANES), s.mul(scale, s.load(scales.add(j * S::LANES))));
                    s.store(to, s.fma(s.to_floats(sum), scale, s.load(to)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::Columns;

    #[test]
    fn weights_round_to_the_nearest_integer_and_ties_to_even() {
        // One panel of 16 columns, 7 inputs; column 0 has the scale 1, the others are zero.
        let row = [127.0, 0.5, 1.5, -2.5, 2.6, -127.0, -0.4];
        let mut packed = vec![0.0; row.len() * PANEL];
        row.iter().enumerate().for_each(|(k, &w)| packed[k * PANEL] = w);
        let source = Source { packed: &packed, inputs: row.len(), columns: Columns::ALL, outputs: 16 };
        let m = Int8::new(&source);
        let pairs: &[[i8; 2]] = bytemuck::cast_slice(&m.bytes[..]);
        let integers: Vec<i8> = (0..4).flat_map(|pair| pairs[pair * 16]).collect();
        assert_eq!(integers, [127, 0, 2, -2, 3, -127, 0, 0]);
        assert_eq!((m.scales[0], m.scales[1]), (1.0, 0.0));
        assert_eq!([1, 512, 1024, 65536].map(int8_levels), [32767.0, 32767.0, 16513.0, 258.0]);
    }
}
