//! What all weights of `matvec` share: the trait of a product with one vector, the layout of the columns of a weight, and the
//! order in which they are computed. Not here: the number types of the weights; each has a file.

use std::ops::Range;

use crate::gemm::Columns;
use crate::layout::PANEL;
use crate::simd::Backend;
use crate::{Number, pad};

/// A weight ready to be multiplied with one vector.
pub trait Product<E>: Send + Sync {
    /// Number of panels.
    fn panels(&self) -> usize;
    /// Bytes that one product reads.
    fn bytes(&self) -> usize;
    /// Adds `W x` to the columns of the given panels. x is `[pad(K)]`, its padding 0; `scratch` has [`scratch_len`]
    /// elements, and holds the vector's integers where the weight has such. Panics if a length is wrong.
    ///
    /// # Safety
    /// Column j of panel p is `to[64 p + j]`: for the columns of `panels`, writable and touched by nothing else.
    unsafe fn add(&self, backend: Backend, panels: Range<usize>, x: &[E], scratch: &mut [f32], to: *mut E);
}

/// Any of them.
pub type BoxedProduct<E> = Box<dyn Product<E>>;
/// Elements of scratch that a vector of `inputs` numbers takes.
pub(crate) fn scratch_len(inputs: usize) -> usize {
    pad(inputs)
}

/// The columns of a weight: of P panels, all but the last `width` wide. That has what is left, or, `joined`, the rest beside
/// its own: a panel of few vectors by itself would wait for every sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub inputs: usize,
    /// A multiple of 16, at most 64.
    pub width: usize,
    /// All columns; a multiple of 16.
    pub outputs: usize,
    pub joined: bool,
}

impl Shape {
    pub fn panels(&self) -> usize {
        if self.joined && self.outputs > self.width {
            self.outputs / self.width
        } else {
            self.outputs.div_ceil(self.width)
        }
    }

    /// Columns of panel `p`.
    pub fn width_of(&self, p: usize) -> usize {
        if p + 1 == self.panels() { self.outputs - p * self.width } else { self.width }
    }

    /// `value(n, row)` for every column in the order of memory: panels, then `rows` of it, then columns. n counts the
    /// columns of all panels.
    pub fn fill<T>(&self, rows: usize, memory: &mut [T], value: impl Fn(usize, usize) -> T) {
        assert_eq!(memory.len(), rows * self.outputs);
        let mut memory = memory.iter_mut();
        for p in 0..self.panels() {
            for row in 0..rows {
                for (j, to) in (0..self.width_of(p)).zip(&mut memory) {
                    *to = value(p * self.width + j, row);
                }
            }
        }
    }
}

/// Where a weight comes from: packed as `layout.rs` has it, of which some columns of each panel count.
#[derive(Clone, Copy)]
pub struct Source<'a, E> {
    pub(crate) packed: &'a [E],
    pub(crate) inputs: usize,
    pub(crate) columns: Columns,
    /// Columns that count, of all panels; a multiple of 16.
    pub(crate) outputs: usize,
    /// Whether the last panel takes a narrow rest to it, where the columns of all panels lie side by side.
    pub(crate) joined: bool,
}

impl<E: Number> Source<'_, E> {
    pub(super) fn shape(&self) -> Shape {
        Shape { inputs: self.inputs, width: self.columns.width, outputs: self.outputs, joined: self.joined }
    }

    /// Element k of column n.
    pub(super) fn at(&self, n: usize, k: usize) -> E {
        let Columns { first, width } = self.columns;
        self.packed[(n / width * self.inputs + k) * PANEL + first + n % width]
    }
}

/// Splits the columns of `panels` into tiles of at most eight vectors: so many chains hide the latency of a multiply-add.
/// The callback gets the tile's panels, its first panel and column, and its vectors.
#[inline(always)]
pub(super) fn tiles(
    shape: &Shape,
    panels: Range<usize>,
    lanes: usize,
    mut visit: impl FnMut(usize, usize, usize, usize),
) {
    let mut p = panels.start;
    while p < panels.end {
        let vectors = shape.width_of(p) / lanes;
        let pair = vectors <= 4 && p + 1 < panels.end && shape.width_of(p + 1) == shape.width_of(p);
        let together = if pair { 2 } else { 1 };
        // As even as can be.
        let most = vectors.div_ceil(vectors.div_ceil(8).max(1)).max(1);
        for first in (0..vectors).step_by(most) {
            visit(together, p, first * lanes, (vectors - first).min(most));
        }
        p += together;
    }
}

/// Calls `$run` with the tile's numbers of panels and vectors as constants.
macro_rules! shapes {
    ($panels:expr, $vectors:expr, $run:ident) => {
        match ($panels, $vectors) {
            (1, 1) => $run!(1, 1),
            (1, 2) => $run!(1, 2),
            (1, 3) => $run!(1, 3),
            (1, 4) => $run!(1, 4),
            (1, 5) => $run!(1, 5),
            (1, 6) => $run!(1, 6),
            (1, 7) => $run!(1, 7),
            (1, 8) => $run!(1, 8),
            (2, 1) => $run!(2, 1),
            (2, 2) => $run!(2, 2),
            (2, 3) => $run!(2, 3),
            (2, 4) => $run!(2, 4),
            (panels, vectors) => unreachable!("a tile of {panels} panels and {vectors} vectors"),
        }
    };
}
pub(super) use shapes;
