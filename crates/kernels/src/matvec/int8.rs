//! The product of a weight of 8-bit integers with a vector made integers. Not here: sums that could overflow.

use std::ops::Range;

use super::product::{Product, Shape, Source, shapes, tiles};
use crate::layout::PANEL;
use crate::scalar::ExpConstants;
use crate::simd::integers::{IntegerKernel, Integers, LARGEST, OFFSET, QUAD, Set};
use crate::simd::{Backend, Simd};
use crate::{Buffer, pad};

/// Largest magnitude of a weight.
const LEVELS: f32 = 127.0;

/// The weight in 8-bit integers, each stored 128 higher, `[P][K/4][width][4]`, with a scale for each column.
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
        let mut scales = Buffer::zeros(shape.outputs);
        for (n, scale) in scales.iter_mut().enumerate() {
            *scale = (0..shape.inputs).fold(0.0f32, |m, k| m.max(source.at(n, k).abs())) / LEVELS;
        }
        let quantised = |n: usize, k: usize| match k < shape.inputs && scales[n] > 0.0 {
            true => (source.at(n, k) / scales[n]).round_ties_even().clamp(-LEVELS, LEVELS) as i32,
            false => 0,
        };
        let quads = shape.inputs.div_ceil(QUAD);
        let mut bytes = Buffer::<f32>::zeros(quads * shape.outputs);
        let memory: &mut [[u8; QUAD]] = bytemuck::cast_slice_mut(&mut bytes[..]);
        shape.fill(quads, memory, |n, quad| std::array::from_fn(|i| (quantised(n, QUAD * quad + i) + OFFSET) as u8));
        Int8 { shape, bytes, scales, levels: int8_levels(shape.inputs) }
    }
}

/// Largest magnitude of the integers of a vector of `inputs` numbers: a sum of products with 8-bit weights stays within
/// an i32, and each of them within what the products take.
fn int8_levels(inputs: usize) -> f32 {
    let products = LEVELS as usize * inputs.max(1);
    (i32::MAX as usize / products).min(LARGEST as usize) as f32
}

impl Product<f32> for Int8 {
    fn panels(&self) -> usize {
        self.shape.panels()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.bytes[..])
    }

    unsafe fn add(&self, backend: Backend, panels: Range<usize>, x: &[f32], scratch: &mut [f32], to: *mut f32) {
        assert!(x.len() == pad(self.shape.inputs) && scratch.len() >= x.len() && panels.end <= self.panels());
        // SAFETY: the caller's promise; the lengths are checked above.
        unsafe { Set::of(backend).run(Panels { m: self, panels, x, scratch: &mut scratch[..x.len()], to }) };
    }
}

/// Some panels of the product: their columns of `to` are writable.
struct Panels<'a> {
    m: &'a Int8,
    panels: Range<usize>,
    x: &'a [f32],
    scratch: &'a mut [f32],
    to: *mut f32,
}

impl IntegerKernel for Panels<'_> {
    #[inline(always)]
    unsafe fn run<S: Integers>(self, s: S) {
        let (shape, quads) = (&self.m.shape, self.m.shape.inputs.div_ceil(QUAD));
        let words: &mut [[i32; 2]] = bytemuck::cast_slice_mut(self.scratch);
        let (scale, sum) = quantise(s, self.m.levels, self.x, words);
        let (x, bytes): (_, &[u8]) = (&words[..quads], bytemuck::cast_slice(&self.m.bytes[..]));
        tiles(shape, self.panels, S::Floats::LANES, |panels, p, column, vectors| {
            macro_rules! run {
                ($np:literal, $nv:literal) => {{
                    // SAFETY: `add` checked the panels; the columns lie within them, in the weight and in `to`.
                    let (bytes, scales, to): ([_; $np], [_; $np], [_; $np]) = unsafe {
                        let bytes = bytes.as_ptr().wrapping_add(QUAD * (p * quads * shape.width + column));
                        let scales = self.m.scales.as_ptr().add(p * shape.width + column);
                        let to = self.to.add(p * PANEL + column);
                        (
                            std::array::from_fn(|i| bytes.wrapping_add(QUAD * i * quads * shape.width)),
                            std::array::from_fn(|i| scales.add(i * shape.width)),
                            std::array::from_fn(|i| to.add(i * PANEL)),
                        )
                    };
                    let stride = QUAD * shape.width_of(p);
                    let tile = Tile::<$np, $nv> { bytes, stride, x, sum, scale, scales, to };
                    // SAFETY: as above; the caller's promise on `to`.
                    unsafe { s.compiled(tile) }
                }};
            }
            shapes!(panels, vectors, run)
        });
    }
}

/// Writes the integers of x, a `quad` of each four, and returns their scale and their sum.
#[inline(always)]
fn quantise<S: Integers>(s: S, levels: f32, x: &[f32], words: &mut [[i32; 2]]) -> (f32, i32) {
    let (s, lanes) = (s.floats(), S::Floats::LANES);
    let mut largest = [0.0f32; 16];
    for chunk in x.chunks_exact(16) {
        for j in (0..16).step_by(lanes) {
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
    // Modulo 2^32, as all sums here: it corrects those of the products.
    let mut sums = [0i32; 16];
    for (chunk, words) in x.chunks_exact(16).zip(words.chunks_exact_mut(16 / QUAD)) {
        let mut rounded = [0.0f32; 16];
        for j in (0..16).step_by(lanes) {
            // SAFETY: chunk and lanes have 16 elements and LANES divides 16.
            unsafe {
                let x = s.mul(s.load(chunk.as_ptr().add(j)), factor);
                s.store(rounded.as_mut_ptr().add(j), s.add(x, integer));
            }
        }
        // The low bits of such a sum are the integer.
        let integers = rounded.map(|x| x.to_bits() as i16);
        for (sum, x) in sums.iter_mut().zip(integers) {
            *sum = sum.wrapping_add(i32::from(x));
        }
        for (word, x) in words.iter_mut().zip(integers.as_chunks::<QUAD>().0) {
            *word = S::quad(*x);
        }
    }
    (largest / levels, sums.into_iter().fold(0, i32::wrapping_add))
}

/// NV vectors of columns in each of NP panels: in `bytes`, a row of them for every quad of x; in `scales`; in `to`, writable.
struct Tile<'a, const NP: usize, const NV: usize> {
    bytes: [*const u8; NP],
    stride: usize,
    x: &'a [[i32; 2]],
    sum: i32,
    scale: f32,
    scales: [*const f32; NP],
    to: [*mut f32; NP],
}

impl<const NP: usize, const NV: usize> IntegerKernel for Tile<'_, NP, NV> {
    #[inline(always)]
    unsafe fn run<S: Integers>(mut self, integers: S) {
        let (s, lanes) = (integers.floats(), S::Floats::LANES);
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[integers.sums(self.sum.wrapping_mul(-OFFSET)); NV]; NP];
            for &x in self.x {
                for (from, sums) in self.bytes.iter_mut().zip(&mut sums) {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = integers.add(*sum, from.add(QUAD * j * lanes), x);
                    }
                    // The step after the last row leads beyond the weights: it wraps and is not followed.
                    *from = from.wrapping_add(self.stride);
                }
            }
            let scale = s.splat(self.scale);
            for ((to, scales), sums) in self.to.iter().zip(self.scales).zip(sums) {
                for (j, sum) in sums.into_iter().enumerate() {
                    let (to, scale) = (to.add(j * lanes), s.mul(scale, s.load(scales.add(j * lanes))));
                    s.store(to, s.fma(integers.to_floats(sum), scale, s.load(to)));
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
        let source = Source { packed: &packed, inputs: row.len(), columns: Columns::ALL, outputs: 16, joined: false };
        let m = Int8::new(&source);
        let quads: &[[u8; QUAD]] = bytemuck::cast_slice(&m.bytes[..]);
        let integers: Vec<i32> = (0..2).flat_map(|quad| quads[quad * 16]).map(|w| i32::from(w) - OFFSET).collect();
        assert_eq!(integers, [127, 0, 2, -2, 3, -127, 0, 0]);
        assert_eq!((m.scales[0], m.scales[1]), (1.0, 0.0));
        assert_eq!([1, 512, 1024, 65536].map(int8_levels), [32639.0, 32639.0, 16513.0, 258.0]);
    }

    /// Every set of instructions, VNNI and AVX-512 without it among them, against sums of 64 bits; the first of the
    /// vectors and columns are those whose sums are the largest.
    #[test]
    fn all_instructions_give_the_bits_of_plain_sums() {
        for (inputs, outputs) in
            [(1usize, 16usize), (3, 48), (4, 64), (17, 80), (66, 256), (66, 240), (8, 80), (513, 192)]
        {
            let at = |n: usize, k: usize| match n {
                0 => 1.0,
                1 => -1.0,
                _ => ((n * 31 + k * 17) % 255) as f32 - 127.0,
            };
            let mut packed = vec![0.0; outputs.div_ceil(PANEL) * inputs * PANEL];
            for (n, k) in (0..outputs).flat_map(|n| (0..inputs).map(move |k| (n, k))) {
                packed[(n / PANEL * inputs + k) * PANEL + n % PANEL] = at(n, k);
            }
            let joined = inputs % 2 == 0;
            let m = Int8::new(&Source { packed: &packed, inputs, columns: Columns::ALL, outputs, joined });
            for kind in 0..4 {
                let mut x = vec![0.0; pad(inputs)];
                for (k, x) in x[..inputs].iter_mut().enumerate() {
                    *x = [1.0, -1.0, 0.0, ((k * 37 + 11) % 101) as f32 / 50.0 - 1.0][kind];
                }
                let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                let factor = if largest > 0.0 { m.levels / largest } else { 0.0 };
                let integers: Vec<i64> = x.iter().map(|x| (x * factor).round_ties_even() as i64).collect();
                let value = |n: usize| {
                    let q = |k| if m.scales[n] > 0.0 { (at(n, k) / m.scales[n]).round_ties_even() as i64 } else { 0 };
                    let sum: i64 = (0..inputs).map(|k| q(k) * integers[k]).sum();
                    (i32::try_from(sum).unwrap() as f32).mul_add(largest / m.levels * m.scales[n], 0.25)
                };
                let want: Vec<f32> = (0..outputs).map(value).collect();
                for set in Set::available() {
                    let (mut scratch, mut got) = (vec![0.0; x.len()], vec![0.25; outputs]);
                    let panels = 0..m.panels();
                    let kernel = Panels { m: &m, panels, x: &x, scratch: &mut scratch, to: got.as_mut_ptr() };
                    // SAFETY: `got` has the columns of all panels.
                    unsafe { set.run(kernel) };
                    assert!(got == want, "{inputs} {outputs} {kind} {set:?}");
                }
            }
        }
    }
}
