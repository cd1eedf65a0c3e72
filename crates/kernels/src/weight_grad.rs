//! The products that make weight gradients, over the tile of `gemm.rs`: sums over rows, in rising row.

use std::ops::Range;

use crate::cpu::{Shared, saturating_product};
use crate::gemm::{self, BLOCK_K, Columns, Init, Left, Tile, column_blocks, row_blocks, tile};
use crate::layout::PANEL;
use crate::simd::{RawKernel, Simd};
use crate::{Cpu, Number, pairs};

/// The gradient by the outputs, the right operand of every weight gradient that is made from it: panel p at
/// `p * panel_stride`, rows `ldb` apart.
pub(crate) struct OutputGrad<'a, E> {
    /// Rows that are summed over: `T*B`.
    pub rows: usize,
    pub values: &'a [E],
    pub panel_stride: usize,
    pub ldb: usize,
}

/// The gradient of one weight, and the left operand it is made from.
pub(crate) struct WeightGrad<'a, E> {
    /// Left operand, rows `lda` apart, whose columns become the rows of the packed gradient.
    pub a: &'a [E],
    pub lda: usize,
    /// Which rows of `a` are summed over, where not the first ones.
    pub positions: Option<&'a [usize]>,
    /// K: the columns of `a` that count.
    pub k: usize,
    /// Columns of a panel that count, in the gradient by the outputs and in that of the weight.
    pub columns: Columns,
    /// Outputs, padded to 16: the last panel may be narrow.
    pub outputs: usize,
    /// `[P][K][64]`, added to.
    pub grad: &'a mut [E],
}

/// `dW[p][k][j] += sum over r of A[r][k] B[p][r][j]`, in rising r, for weights with equally many panels, one or more.
///
/// Threads share the panels if that is even: each then reads only its own panels of B, the largest operand, once for all
/// weights. Else they share K. `also` is called for every panel and every block of its rows, in rising row and
/// by one thread for a panel: for other sums over the same numbers, while they are in the cache.
pub(crate) fn add<E: Number, const N: usize>(
    cpu: &Cpu,
    b: &OutputGrad<'_, E>,
    mut weights: [WeightGrad<'_, E>; N],
    also: &(dyn Fn(usize, Range<usize>) + Sync),
) {
    let _part = cpu.part("weight gradients");
    let panels = weights[0].panels();
    weights.iter().for_each(|w| w.check(b, panels));
    if b.rows == 0 || panels == 0 {
        return;
    }
    let grads = weights.each_mut().map(|w| Shared::new(w.grad));
    let (pairs, threads) = (cpu.has_bfloat16::<E>(), cpu.threads());
    let near_len = if b.is_copied(pairs) { BLOCK_K * PANEL } else { 0 };
    let mut near = cpu.scratch::<E>(threads * near_len);
    let near = Shared::new(&mut near);
    // SAFETY: every part of a split has a number of its own, below the number of threads.
    let near = |part: usize| unsafe { std::slice::from_raw_parts_mut(near.get().add(part * near_len), near_len) };
    let work = |w: &WeightGrad<'_, E>| saturating_product(&[b.rows, w.k, w.outputs]);
    if cpu.splits_evenly(weights[0].outputs, weights[0].columns.width) {
        let len = weights.iter().map(|w| w.scratch(w.k, pairs)).sum();
        let mut scratch = cpu.scratch::<E>(threads * len);
        let scratch = Shared::new(&mut scratch);
        let work = weights.iter().map(work).fold(0, usize::saturating_add);
        cpu.split_numbered(panels, 1, work, |part, panels| {
            // SAFETY: as above.
            let scratch = unsafe { std::slice::from_raw_parts_mut(scratch.get().add(part * len), len) };
            let (weights, grads, near) = (&weights, &grads, near(part));
            // SAFETY: `check` saw the lengths, and the parts of a split are disjoint panels.
            unsafe {
                cpu.run_raw(WeightGradPart { b, weights, grads, panels, columns: None, pairs, near, scratch, also })
            };
        });
        return;
    }
    for (w, grad) in weights.iter().zip(&grads) {
        let mut scratch = cpu.scratch::<E>(w.scratch(w.k, pairs));
        let scratch = Shared::new(&mut scratch);
        cpu.split_numbered(w.k, 1, work(w), |part, columns| {
            let (start, len) = (w.scratch(columns.start, pairs), w.scratch(columns.len(), pairs));
            // SAFETY: the parts of a split are disjoint and lie within `0..k`.
            let scratch = unsafe { std::slice::from_raw_parts_mut(scratch.get().add(start), len) };
            let (weights, grads, columns) = (std::array::from_ref(w), std::array::from_ref(grad), Some(columns));
            let (panels, near) = (0..panels, near(part));
            let part = WeightGradPart { b, weights, grads, panels, columns, pairs, near, scratch, also: &|_, _| {} };
            // SAFETY: `check` saw the lengths, and the parts of a split are disjoint columns.
            unsafe { cpu.run_raw(part) };
        });
    }
    each_panel(cpu, b, panels, also);
}

/// Calls `also` once for every one of `panels` panels, with all rows: what [`add`] does beside its products.
pub(crate) fn each_panel<E: Number>(
    cpu: &Cpu,
    b: &OutputGrad<'_, E>,
    panels: usize,
    also: &(dyn Fn(usize, Range<usize>) + Sync),
) {
    cpu.split(panels, 1, saturating_product(&[b.rows, panels, PANEL]), |panels| {
        panels.for_each(|p| also(p, 0..b.rows))
    });
}

impl<E: Number> OutputGrad<'_, E> {
    /// Whether a block of a panel is copied before it is read once for every tile: as pairs, or because its rows lie on a page
    /// each.
    fn is_copied(&self, pairs: bool) -> bool {
        pairs || self.ldb >= 4096 / size_of::<E>()
    }

    /// Some columns of the rows `rows` of panel `p`, `[rows][64]`, or of their pairs, `[rows/2][64]`.
    #[inline(always)]
    fn copy_panel(&self, rows: Range<usize>, p: usize, columns: Range<usize>, pairs: bool, to: &mut [E]) {
        let row = |r: usize| &self.values[p * self.panel_stride + r * self.ldb..][columns.clone()];
        copy_rows(rows, row, pairs, to.chunks_exact_mut(PANEL).map(|to| &mut to[columns.clone()]));
    }
}

impl<E: Number> WeightGrad<'_, E> {
    fn panels(&self) -> usize {
        self.outputs.div_ceil(self.columns.width)
    }

    fn check(&self, b: &OutputGrad<'_, E>, panels: usize) {
        assert!(self.panels() == panels && self.grad.len() == panels * self.k * PANEL);
        let Columns { first, width } = self.columns;
        assert!(self.lda >= self.k && self.outputs.is_multiple_of(16));
        assert!(width.is_multiple_of(16) && first + width <= PANEL);
        assert!(self.positions.is_none_or(|positions| positions.len() == b.rows));
        if panels > 0 && b.rows > 0 {
            let last = self.columns(panels - 1).end;
            assert!(self.positions.is_some() || self.a.len() >= (b.rows - 1) * self.lda + self.k);
            assert!(b.values.len() >= (panels - 1) * b.panel_stride + (b.rows - 1) * b.ldb + last);
        }
    }

    /// The columns of panel `p` that count.
    #[inline(always)]
    fn columns(&self, p: usize) -> Range<usize> {
        let Columns { first, width } = self.columns;
        first..first + (self.outputs - p * width).min(width)
    }

    /// The left operand's row of one summand.
    #[inline(always)]
    fn left_row(&self, row: usize) -> &[E] {
        &self.a[self.positions.map_or(row, |positions| positions[row]) * self.lda..]
    }

    /// What `left` needs for a block of `columns` columns.
    #[inline(always)]
    fn scratch(&self, columns: usize, pairs: bool) -> usize {
        let rows = match self.positions {
            _ if pairs => pairs::count(BLOCK_K),
            Some(_) => BLOCK_K,
            None => 0,
        };
        rows * columns
    }

    /// Some columns of the left operand's rows `rows`, `[rows]`, or of their pairs, `[rows/2]`: where they lie if the rows
    /// follow each other in memory as they are, else copied.
    #[inline(always)]
    fn left<'m>(&'m self, rows: Range<usize>, columns: Range<usize>, pairs: bool, to: &'m mut [E]) -> Left<E> {
        if !pairs && self.positions.is_none() {
            return Left::rows(self.left_row(rows.start)[columns.start..].as_ptr(), self.lda, rows.len());
        }
        let row = |r: usize| &self.left_row(r)[columns.clone()];
        let stride = columns.len();
        copy_rows(rows.clone(), row, pairs, to.chunks_exact_mut(stride.max(1)));
        let count = if pairs { pairs::count(rows.len()) } else { rows.len() };
        Left { pairs, ..Left::rows(to.as_ptr(), stride, count) }
    }
}

/// Copies rows one by one, or the pairs of each two of them.
#[inline(always)]
fn copy_rows<'r, 't, E: Number>(
    rows: Range<usize>,
    row: impl Fn(usize) -> &'r [E],
    pairs: bool,
    to: impl Iterator<Item = &'t mut [E]>,
) {
    for (to, r) in to.zip(rows.clone().step_by(if pairs { 2 } else { 1 })) {
        if pairs {
            pairs::pair_rows(row(r), (r + 1 < rows.end).then(|| row(r + 1)), to);
        } else {
            to.copy_from_slice(row(r));
        }
    }
}

/// Some panels of packed weight gradients, and some of their rows: there, `grads` is writable.
struct WeightGradPart<'a, E, const N: usize> {
    b: &'a OutputGrad<'a, E>,
    weights: &'a [WeightGrad<'a, E>; N],
    /// Those of `weights`.
    grads: &'a [Shared<E>; N],
    panels: Range<usize>,
    /// Columns of the left operand, all where there is `None`.
    columns: Option<Range<usize>>,
    /// Whether to multiply pairs of bfloat16.
    pairs: bool,
    /// See [`add`].
    also: &'a (dyn Fn(usize, Range<usize>) + Sync),
    /// A block of a panel where such are copied, else empty; with anything in it.
    near: &'a mut [E],
    /// As long as the weights' `scratch` together, with anything in it.
    scratch: &'a mut [E],
}

impl<E: Number, const N: usize> RawKernel<E> for WeightGradPart<'_, E, N> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        let WeightGradPart { b, weights, grads, panels, columns, pairs, near, scratch, also } = self;
        let columns = |w: &WeightGrad<'_, E>| columns.clone().unwrap_or(0..w.k);
        for first_row in (0..b.rows).step_by(BLOCK_K) {
            let rows = first_row..(first_row + BLOCK_K).min(b.rows);
            let mut free = &mut *scratch;
            let lefts = std::array::from_fn::<_, N, _>(|i| {
                let scratch = weights[i].scratch(columns(&weights[i]).len(), pairs);
                let (to, rest) = std::mem::take(&mut free).split_at_mut(scratch);
                free = rest;
                weights[i].left(rows.clone(), columns(&weights[i]), pairs, to)
            });
            for p in panels.clone() {
                // What is read, and next, if it is not copied: the same rows of the next panel, or the next rows of the first.
                let (right, ldb, next) = if near.is_empty() {
                    let at = |p: usize, row: usize| b.values.as_ptr().wrapping_add(p * b.panel_stride + row * b.ldb);
                    let next = if p + 1 < panels.end { at(p + 1, rows.start) } else { at(panels.start, rows.end) };
                    (at(p, rows.start), b.ldb, Some(next))
                } else {
                    let first = weights.iter().fold(PANEL, |first, w| first.min(w.columns(p).start));
                    let end = weights.iter().fold(0, |end, w| end.max(w.columns(p).end));
                    b.copy_panel(rows.clone(), p, first..end, pairs, near);
                    (near.as_ptr(), PANEL, None)
                };
                for ((w, grad), left) in weights.iter().zip(grads).zip(lefts) {
                    let (k, outputs) = (columns(w), w.columns(p));
                    column_blocks::<E, S>(outputs.len(), |j, vectors| {
                        let j = outputs.start + j;
                        for (i, (col, size)) in row_blocks::<E, S>(k.clone(), vectors).enumerate() {
                            let a = Left { ptr: left.ptr.wrapping_add(col - k.start), ..left };
                            // SAFETY: the caller's promise; `check` saw the lengths.
                            unsafe {
                                let (b, c) = (right.add(j), grad.get().add((p * w.k + col) * PANEL + j));
                                // The output of the next tile: each block of rows reads and writes all of a gradient, which no
                                // cache of the core holds.
                                for row in size..2 * size {
                                    let row = c.wrapping_add(row * PANEL);
                                    gemm::lines(row, vectors * S::LANES).for_each(|line| s.fetch_to_write(line));
                                }
                                let next = next.map_or(b, |next| next.wrapping_add(j));
                                let ahead = gemm::ahead_of::<E, S>(i, vectors, b, next);
                                let t = Tile { a, b, ldb, ahead, c, ldc: PANEL, init: Init::Keep };
                                tile::<E, S, true>(s, size, vectors, t);
                            }
                        }
                    });
                }
                also(p, rows.clone());
            }
        }
    }
}
