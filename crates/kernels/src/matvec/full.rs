//! The product of a full weight with a vector. Not here: narrower ones.

use std::ops::Range;

use super::product::{Product, Shape, Source, shapes, tiles};
use crate::layout::PANEL;
use crate::simd::{Backend, RawKernel, Simd};
use crate::{Buffer, Number, pad};

/// The weight as it is, `[P][K][width]`.
pub(crate) struct Full<E> {
    shape: Shape,
    weights: Buffer<E>,
}

impl<E: Number> Full<E> {
    pub fn new(source: &Source<'_, E>) -> Full<E> {
        let shape = source.shape();
        let mut weights = Buffer::zeros(shape.inputs * shape.outputs);
        shape.fill(shape.inputs, &mut weights, |n, k| source.at(n, k));
        Full { shape, weights }
    }
}

impl<E: Number> Product<E> for Full<E> {
    fn panels(&self) -> usize {
        self.shape.panels()
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.weights[..])
    }

    unsafe fn add(&self, backend: Backend, panels: Range<usize>, x: &[E], _: &mut [f32], to: *mut E) {
        assert!(x.len() == pad(self.shape.inputs) && panels.end <= self.panels());
        // SAFETY: the caller's promise; the lengths are checked above.
        unsafe { E::run(backend, Panels { shape: &self.shape, weights: &self.weights, panels, x, to }) };
    }
}

/// Some panels of the product: their columns of `to` are writable.
struct Panels<'a, E> {
    shape: &'a Shape,
    weights: &'a [E],
    panels: Range<usize>,
    x: &'a [E],
    to: *mut E,
}

impl<E: Number> RawKernel<E> for Panels<'_, E> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let (shape, k) = (self.shape, self.shape.inputs);
        tiles(shape, self.panels, S::LANES, |panels, p, column, vectors| {
            macro_rules! run {
                ($np:literal, $nv:literal) => {{
                    // SAFETY: `add` checked the panels; the columns lie within them, in `weights` and in `to`.
                    let (weights, to) = unsafe {
                        let weights = self.weights.as_ptr().wrapping_add(p * k * shape.width + column);
                        let to = self.to.add(p * PANEL + column);
                        (
                            std::array::from_fn(|i| weights.wrapping_add(i * k * shape.width)),
                            std::array::from_fn(|i| to.add(i * PANEL)),
                        )
                    };
                    let tile = Tile::<E, $np, $nv> { weights, stride: shape.width_of(p), x: &self.x[..k], to };
                    // SAFETY: as above; the caller's promise on `to`.
                    unsafe { s.vectorize(tile) }
                }};
            }
            shapes!(panels, vectors, run)
        });
    }
}

/// NV vectors of columns in each of NP panels: in `weights`, a row of them for every element of x; in `to`, writable.
struct Tile<'a, E, const NP: usize, const NV: usize> {
    weights: [*const E; NP],
    stride: usize,
    x: &'a [E],
    to: [*mut E; NP],
}

impl<E: Number, const NP: usize, const NV: usize> RawKernel<E> for Tile<'_, E, NP, NV> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let Tile { mut weights, stride, x, to } = self;
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums: [[S::V; NV]; NP] =
                std::array::from_fn(|i| std::array::from_fn(|j| s.load(to[i].add(j * S::LANES))));
            for &x in x {
                let x = s.splat(x);
                for (from, sums) in weights.iter_mut().zip(&mut sums) {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = s.fma(x, s.load(from.add(j * S::LANES)), *sum);
                    }
                    // The step after the last row leads beyond the weights: it wraps and is not followed.
                    *from = from.wrapping_add(stride);
                }
            }
            for (to, sums) in to.iter().zip(sums) {
                for (j, sum) in sums.into_iter().enumerate() {
                    s.store(to.add(j * S::LANES), sum);
                }
            }
        }
    }
}
