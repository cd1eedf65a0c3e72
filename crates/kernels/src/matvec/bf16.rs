//! The product of a bfloat16 weight with a vector, and the rounding. Not here: bfloat16 vectors: those stay f32.

use std::ops::Range;

use super::product::{Product, Shape, Source, shapes, tiles};
use crate::layout::PANEL;
use crate::simd::Backend;
use crate::simd::narrow::{self, Narrow, NarrowKernel};
use crate::{Buffer, pad};

/// The nearest bfloat16, ties to even, as its 16 bits; beyond the largest, the largest.
fn bfloat16(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    let is_finite = rounded & 0x7f80 != 0x7f80;
    if is_finite { rounded as u16 } else { (bits >> 16 & 0x8000) as u16 | 0x7f7f }
}

/// `x` rounded to bfloat16, to nearest, ties to even: what a weight becomes. Beyond the largest, the largest.
pub fn rounded_to_bfloat16(x: f32) -> f32 {
    f32::from_bits(u32::from(bfloat16(x)) << 16)
}

/// The weight in bfloat16, `[P][K/2][width]` words: the even k in the low half, the odd one in the high.
pub(crate) struct Bf16 {
    shape: Shape,
    words: Buffer<f32>,
}

impl Bf16 {
    pub fn new(source: &Source<'_, f32>) -> Bf16 {
        let shape = source.shape();
        let pairs = shape.inputs.div_ceil(2);
        let mut words = Buffer::<f32>::zeros(pairs * shape.outputs);
        let half = |n, k| if k < shape.inputs { u32::from(bfloat16(source.at(n, k))) } else { 0 };
        let memory: &mut [u32] = bytemuck::cast_slice_mut(&mut words[..]);
        shape.fill(pairs, memory, |n, pair| half(n, 2 * pair) | half(n, 2 * pair + 1) << 16);
        Bf16 { shape, words }
    }
}

impl Product<f32> for Bf16 {
    fn panels(&self) -> usize {
        self.shape.panels()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.words[..])
    }

    unsafe fn add(&self, backend: Backend, panels: Range<usize>, x: &[f32], _: &mut [f32], to: *mut f32) {
        assert!(x.len() == pad(self.shape.inputs) && panels.end <= self.panels());
        let words = bytemuck::cast_slice(&self.words[..]);
        // SAFETY: the caller's promise; the lengths are checked above.
        unsafe { narrow::run(backend, Panels { shape: &self.shape, words, panels, x, to }) };
    }
}

/// Some panels of the product: their columns of `to` are writable.
struct Panels<'a> {
    shape: &'a Shape,
    words: &'a [u32],
    panels: Range<usize>,
    x: &'a [f32],
    to: *mut f32,
}

impl NarrowKernel for Panels<'_> {
    #[inline(always)]
    unsafe fn run<S: Narrow>(self, s: S) {
        let (shape, pairs) = (self.shape, self.shape.inputs.div_ceil(2));
        tiles(shape, self.panels, S::LANES, |panels, p, column, vectors| {
            macro_rules! run {
                ($np:literal, $nv:literal) => {{
                    // SAFETY: `add` checked the panels; the columns lie within them, in `words` and in `to`.
                    let (words, to): ([_; $np], [_; $np]) = unsafe {
                        let words = self.words.as_ptr().wrapping_add(p * pairs * shape.width + column);
                        let to = self.to.add(p * PANEL + column);
                        (
                            std::array::from_fn(|i| words.wrapping_add(i * pairs * shape.width)),
                            std::array::from_fn(|i| to.add(i * PANEL)),
                        )
                    };
                    let x = &self.x[..2 * pairs];
                    let tile = Tile::<$np, $nv> { words, stride: shape.width_of(p), x, to };
                    // SAFETY: as above; the caller's promise on `to`.
                    unsafe { s.narrow(tile) }
                }};
            }
            shapes!(panels, vectors, run)
        });
    }
}

/// NV vectors of columns in each of NP panels: in `words`, a row of them for every two elements of x; in `to`, writable.
struct Tile<'a, const NP: usize, const NV: usize> {
    words: [*const u32; NP],
    stride: usize,
    x: &'a [f32],
    to: [*mut f32; NP],
}

impl<const NP: usize, const NV: usize> NarrowKernel for Tile<'_, NP, NV> {
    #[inline(always)]
    unsafe fn run<S: Narrow>(mut self, s: S) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums: [[S::V; NV]; NP] =
                std::array::from_fn(|i| std::array::from_fn(|j| s.load(self.to[i].add(j * S::LANES))));
            for pair in self.x.chunks_exact(2) {
                let (even, odd) = (s.splat(pair[0]), s.splat(pair[1]));
                for (from, sums) in self.words.iter_mut().zip(&mut sums) {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let (low, high) = s.widen(from.add(j * S::LANES));
                        *sum = s.fma(odd, high, s.fma(even, low, *sum));
                    }
                    // The step after the last row leads beyond the weights: it wraps and is not followed.
                    *from = from.wrapping_add(self.stride);
                }
            }
            for (to, sums) in self.to.iter().zip(sums) {
                for (j, sum) in sums.into_iter().enumerate() {
                    s.store(to.add(j * S::LANES), sum);
                }
            }
        }
    }
}
