//! Holds the one product of the project: a register tile over packed panels, the two loops around it (`nn` for
//! values and their gradients, `tn` for weight gradients) and the transposed copy backward needs.
//! Refuses activations, and sums in any order but rising k: every output is one chain of fused multiply-adds,
//! so neither tile shape, nor block size, nor threads can change a bit.
//!
//! The doors to this room are `linear.rs` and the cells; they check lengths.

use std::ops::Range;

use crate::cpu::{Shared, saturating_product};
use crate::layout::PANEL;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Element, pairs};

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 6;
/// Steps of k between two visits of the output: a panel block stays in the second-level cache.
pub(crate) const BLOCK_K: usize = 256;
/// Rows that share one block of a panel before the next is read.
pub(crate) const BLOCK_ROWS: usize = 32 * TILE_ROWS;

/// A run of columns of every panel, in multiples of 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub first: usize,
    pub width: usize,
}

impl Columns {
    /// All columns of a panel.
    pub const ALL: Columns = Columns { first: 0, width: PANEL };
}

/// What an output holds before its first product.
#[derive(Clone, Copy)]
pub(crate) enum Init<E> {
    /// Nothing: it is overwritten.
    Zero,
    /// A value to add to.
    Keep,
    /// A row of 64, the same for every row of the output: a bias.
    Row(*const E),
}

/// Left operand: element (r, k) at `r * row_stride + k / width * panel_stride + k % width`. One panel as wide as the
/// matrix is plain row-major memory; several are a gate buffer.
#[derive(Clone, Copy)]
pub(crate) struct Left<E> {
    pub ptr: *const E,
    pub row_stride: usize,
    pub width: usize,
    pub panels: usize,
    pub panel_stride: usize,
    /// Whether the elements of both operands are pairs of bfloat16 (`pairs.rs`); `width` counts pairs then.
    pub pairs: bool,
}

impl<E> Left<E> {
    /// Row-major memory `[rows][row_stride]`, the first `k` columns of it.
    pub fn rows(ptr: *const E, row_stride: usize, k: usize) -> Left<E> {
        Left { ptr, row_stride, width: k, panels: 1, panel_stride: 0, pairs: false }
    }

    /// K: rows of the right operand's panels.
    pub fn depth(&self) -> usize {
        self.width * self.panels
    }

    /// The columns from `k` on that one block takes: a piece of the only panel, or several whole panels.
    #[inline(always)]
    fn block(self, k: usize) -> Left<E> {
        if self.panels == 1 {
            Left { ptr: self.ptr.wrapping_add(k), width: BLOCK_K.min(self.width - k), ..self }
        } else {
            let first = k / self.width;
            let panels = (BLOCK_K / self.width).max(1).min(self.panels - first);
            Left { ptr: self.ptr.wrapping_add(first * self.panel_stride), panels, ..self }
        }
    }
}

// SAFETY: a `Left` is made from a shared slice that outlives the split it is used in, and is only read.
unsafe impl<E: Sync> Send for Left<E> {}
// SAFETY: as above.
unsafe impl<E: Sync> Sync for Left<E> {}

/// One tile: `MR` rows by `NV` vectors of the output. `A_PACKED`: the left operand is `[k][MR]`, else row-major. `PAIRS`:
/// the operands' elements are pairs of bfloat16.
struct Tile<E, const MR: usize, const NV: usize, const A_PACKED: bool, const PAIRS: bool> {
    a: Left<E>,
    b: *const E,
    ldb: usize,
    c: *mut E,
    ldc: usize,
    init: Init<E>,
}

impl<E: Element, const MR: usize, const NV: usize, const A_PACKED: bool, const PAIRS: bool> Kernel<E>
    for Tile<E, MR, NV, A_PACKED, PAIRS>
{
    type Output = ();

    /// Needs: `a` readable over MR rows, `b` over `width * panels` rows of NV vectors, `c` writable over MR rows of NV
    /// vectors, all as `nn` and `tn` give them; with pairs, `vectorize_pairs`.
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        // SAFETY: the ranges stated above.
        unsafe {
            let mut sums = [[s.splat(E::ZERO); NV]; MR];
            for (i, row) in sums.iter_mut().enumerate() {
                for (j, sum) in row.iter_mut().enumerate() {
                    match self.init {
                        Init::Zero => {}
                        Init::Keep => *sum = s.load(self.c.add(i * self.ldc + j * S::LANES)),
                        Init::Row(row) => *sum = s.load(row.add(j * S::LANES)),
                    }
                }
            }
            // The steps after the last element lead beyond the operands: they wrap and are not followed.
            let mut b = self.b;
            for panel in 0..self.a.panels {
                let mut a = self.a.ptr.wrapping_add(panel * self.a.panel_stride);
                for _ in 0..self.a.width {
                    let mut columns = [s.splat(E::ZERO); NV];
                    for (j, column) in columns.iter_mut().enumerate() {
                        *column = s.load(b.add(j * S::LANES));
                    }
                    for (i, row) in sums.iter_mut().enumerate() {
                        let x = s.splat(*a.add(if A_PACKED { i } else { i * self.a.row_stride }));
                        for (sum, &column) in row.iter_mut().zip(&columns) {
                            *sum = if PAIRS { s.dot_pairs(x, column, *sum) } else { s.fma(x, column, *sum) };
                        }
                    }
                    a = a.wrapping_add(if A_PACKED { MR } else { 1 });
                    b = b.wrapping_add(self.ldb);
                }
            }
            for (i, row) in sums.into_iter().enumerate() {
                for (j, sum) in row.into_iter().enumerate() {
                    s.store(self.c.add(i * self.ldc + j * S::LANES), sum);
                }
            }
        }
    }
}

/// Runs the tile of `rows` by `vectors`, each shape in a function of its own.
#[inline(always)]
fn tile<E: Element, S: Simd<E>, const A_PACKED: bool>(
    s: S,
    rows: usize,
    vectors: usize,
    t: Tile<E, 0, 0, A_PACKED, false>,
) {
    macro_rules! shapes {
        ($($rows:literal)*) => {
            match (rows, vectors) {
                $(
                    ($rows, 1) => shapes!($rows by 1),
                    ($rows, 2) => shapes!($rows by 2),
                    ($rows, 3) => shapes!($rows by 3),
                    ($rows, 4) => shapes!($rows by 4),
                )*
                _ => unreachable!("a tile of {rows} rows and {vectors} vectors"),
            }
        };
        ($rows:literal by $vectors:literal) => {{
            let Tile { a, b, ldb, c, ldc, init } = t;
            if E::HAS_PAIRS && a.pairs {
                // SAFETY: `Cpu::with_bfloat16` asked for such products.
                unsafe { s.vectorize_pairs(Tile::<E, $rows, $vectors, A_PACKED, true> { a, b, ldb, c, ldc, init }) }
            } else {
                s.vectorize(Tile::<E, $rows, $vectors, A_PACKED, false> { a, b, ldb, c, ldc, init })
            }
        }};
    }
    shapes!(1 2 3 4 5 6)
}

/// Visits `range` in blocks of at most `TILE_ROWS`, as even as can be: 64 rows are nine blocks of 6 and two of 5.
#[inline(always)]
fn row_blocks(range: Range<usize>, mut visit: impl FnMut(usize, usize)) {
    let rows = range.len();
    let blocks = rows.div_ceil(TILE_ROWS);
    let mut row = range.start;
    for i in 0..blocks {
        let size = rows / blocks + usize::from(i < rows % blocks);
        visit(row, size);
        row += size;
    }
}

/// Visits `cols` columns, a multiple of 16, in tiles of at most the backend's width.
#[inline(always)]
fn column_blocks<E: Element, S: Simd<E>>(cols: usize, mut visit: impl FnMut(usize, usize)) {
    let mut col = 0;
    while col < cols {
        let vectors = S::TILE.min((cols - col) / S::LANES);
        visit(col, vectors);
        col += vectors * S::LANES;
    }
}

/// Right operand, output and start of a product: `cols` columns, in panels of 64 but for the last.
#[derive(Clone, Copy)]
pub(crate) struct Right<E> {
    /// Packed `[P][K][64]`.
    pub b: *const E,
    /// Columns, a multiple of 16.
    pub cols: usize,
    /// Row r of panel p starts at `c + p * 64 + r * ldc`.
    pub c: *mut E,
    pub ldc: usize,
    pub init: Init<E>,
}

/// `C[r][j] = init + sum over k of A[r][k] B[k][j]`.
///
/// A block of A, rows by k, is read from memory once and meets every panel while it is in the second-level cache; each
/// output still sums in rising k.
///
/// # Safety
/// `a` is readable at `rows`, `b` over its panels; `c` is writable over `cols` columns at every r of `rows`, and nothing
/// else touches it. A row to start from has as many columns.
#[inline(always)]
pub(crate) unsafe fn nn<E: Element, S: Simd<E>>(s: S, rows: Range<usize>, a: Left<E>, right: Right<E>) {
    let Right { b, cols, c, ldc, init } = right;
    let panel_len = a.depth() * PANEL;
    let mut row = rows.start;
    while row < rows.end {
        let group = row..(row + BLOCK_ROWS).min(rows.end);
        let mut k = 0;
        loop {
            let part = a.block(k);
            for p in 0..cols.div_ceil(PANEL) {
                // Without columns the operands are empty and these lead nowhere.
                let b = b.wrapping_add(p * panel_len + k * PANEL);
                column_blocks::<E, S>((cols - p * PANEL).min(PANEL), |col, vectors| {
                    let at = p * PANEL + col;
                    row_blocks(group.clone(), |r, size| {
                        // SAFETY: the caller's ranges; r + size <= rows.end, at + vectors * LANES <= cols.
                        unsafe {
                            let init = match init {
                                _ if k > 0 => Init::Keep,
                                Init::Row(row) => Init::Row(row.add(at)),
                                other => other,
                            };
                            let a = Left { ptr: part.ptr.wrapping_add(r * a.row_stride), ..part };
                            let (b, c) = (b.wrapping_add(col), c.add(r * ldc + at));
                            tile::<E, S, false>(s, size, vectors, Tile { a, b, ldb: PANEL, c, ldc, init });
                        }
                    });
                });
            }
            k += part.width * part.panels;
            if k >= a.depth() {
                break;
            }
        }
        row = group.end;
    }
}

/// Right operand and output of a weight gradient: `panels` panels, each `k_rows` rows of `cols(p)` columns.
pub(crate) struct WeightGrad<'a, E> {
    /// Rows that are summed over: `T*B`.
    pub sum_rows: usize,
    /// Left operand, rows `lda` apart, whose columns become the rows of the packed gradient.
    pub a: &'a [E],
    pub lda: usize,
    /// Which rows of `a` are summed over, where not the first ones.
    pub positions: Option<&'a [usize]>,
    /// K: the columns of `a` that count.
    pub k: usize,
    /// Gradient of the outputs: panel p at `p * panel_stride`, rows `ldb` apart.
    pub b: &'a [E],
    pub panel_stride: usize,
    pub ldb: usize,
    /// Columns of a panel that count, in `b` and in the gradient.
    pub columns: Columns,
    /// Outputs, padded to 16: the last panel may be narrow.
    pub outputs: usize,
}

/// `dW[p][k][j] += sum over r of A[r][k] B[p][r][j]`, in rising r.
pub(crate) fn tn<E: Element>(cpu: &Cpu, w: &WeightGrad<'_, E>, grad: &mut [E]) {
    let panels = w.outputs.div_ceil(w.columns.width);
    assert!(grad.len() == panels * w.k * PANEL && w.lda >= w.k && w.outputs.is_multiple_of(16));
    if w.sum_rows == 0 || w.k == 0 || panels == 0 {
        return;
    }
    let last = w.columns.first + w.outputs - (panels - 1) * w.columns.width;
    assert!(last <= PANEL);
    assert!(w.positions.is_none_or(|positions| positions.len() == w.sum_rows));
    assert!(w.b.len() >= (panels - 1) * w.panel_stride + (w.sum_rows - 1) * w.ldb + last);
    let grad = Shared::new(grad);
    let work = saturating_product(&[w.sum_rows, w.k, w.outputs]);
    let mut packed = cpu.scratch::<E>(BLOCK_K * w.k);
    let packed = Shared::new(&mut packed);
    cpu.split(w.k, 1, work, |columns| {
        let (start, len) = (BLOCK_K * columns.start, BLOCK_K * columns.len());
        // SAFETY: the parts of a split are disjoint and lie within `0..k`.
        let packed = unsafe { std::slice::from_raw_parts_mut(packed.get().add(start), len) };
        let pairs = cpu.has_bfloat16::<E>();
        cpu.run(WeightGradPart { w, columns, pairs, packed, grad: grad.get() })
    });
}

impl<E: Element> WeightGrad<'_, E> {
    /// The left operand's row of one summand.
    #[inline(always)]
    fn left_row(&self, row: usize) -> &[E] {
        &self.a[self.positions.map_or(row, |positions| positions[row]) * self.lda..]
    }

    /// Columns `col..col + N` of the left operand's rows `rows`: `[rows][N]`, or their pairs `[rows/2][N]`.
    #[inline(always)]
    fn copy_columns<const N: usize>(&self, rows: Range<usize>, col: usize, pairs: bool, to: &mut [E]) {
        let mut rows = rows;
        for to in to.chunks_exact_mut(N) {
            let Some(row) = rows.next() else { return };
            let even = &self.left_row(row)[col..][..N];
            if pairs {
                let odd = rows.next().map(|row| &self.left_row(row)[col..][..N]);
                pairs::pair_rows(even, odd, to);
            } else {
                to.copy_from_slice(even);
            }
        }
    }

    /// The pairs of the right operand's rows `rows` of panel `p`: `[rows/2][64]`, of which the columns that count are
    /// written.
    #[inline(always)]
    fn pair_panel(&self, rows: Range<usize>, p: usize, cols: usize, to: &mut [E]) {
        let row = |r: usize| &self.b[p * self.panel_stride + r * self.ldb + self.columns.first..][..cols];
        for (to, r) in to.chunks_exact_mut(PANEL).zip(rows.clone().step_by(2)) {
            let odd = (r + 1 < rows.end).then(|| row(r + 1));
            pairs::pair_rows(row(r), odd, &mut to[self.columns.first..][..cols]);
        }
    }
}

/// The rows `columns` of a packed weight gradient, over all panels.
struct WeightGradPart<'a, E> {
    w: &'a WeightGrad<'a, E>,
    columns: Range<usize>,
    /// Whether to multiply pairs of bfloat16.
    pairs: bool,
    /// A block of the left operand's columns, `[BLOCK_K]` rows of them, with anything in it.
    packed: &'a mut [E],
    grad: *mut E,
}

impl<E: Element> Kernel<E> for WeightGradPart<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        let (w, packed) = (self.w, self.packed);
        let mut paired = if self.pairs { Some([E::ZERO; BLOCK_K / 2 * PANEL]) } else { None };
        for first_row in (0..w.sum_rows).step_by(BLOCK_K) {
            let rows = first_row..(first_row + BLOCK_K).min(w.sum_rows);
            let count = if self.pairs { pairs::count(rows.len()) } else { rows.len() };
            // Block (first column, size) of the left operand as [count][size].
            let mut at = 0;
            row_blocks(self.columns.clone(), |col, size| {
                let (rows, pairs, to) = (rows.clone(), self.pairs, &mut packed[at..at + size * count]);
                match size {
                    6 => w.copy_columns::<6>(rows, col, pairs, to),
                    5 => w.copy_columns::<5>(rows, col, pairs, to),
                    4 => w.copy_columns::<4>(rows, col, pairs, to),
                    3 => w.copy_columns::<3>(rows, col, pairs, to),
                    2 => w.copy_columns::<2>(rows, col, pairs, to),
                    _ => w.copy_columns::<1>(rows, col, pairs, to),
                }
                at += size * count;
            });
            let Columns { first, width } = w.columns;
            for p in 0..w.outputs.div_ceil(width) {
                let cols = (w.outputs - p * width).min(width);
                let (b, ldb) = match &mut paired {
                    Some(paired) => {
                        w.pair_panel(rows.clone(), p, cols, paired);
                        (paired.as_ptr(), PANEL)
                    }
                    None => (w.b[p * w.panel_stride + rows.start * w.ldb..].as_ptr(), w.ldb),
                };
                column_blocks::<E, S>(cols, |j, vectors| {
                    let j = first + j;
                    let mut at = 0;
                    row_blocks(self.columns.clone(), |col, size| {
                        let a = Left { pairs: self.pairs, ..Left::rows(packed[at..].as_ptr(), 0, count) };
                        at += size * count;
                        // SAFETY: `tn` checked the lengths; this part alone writes rows `columns` of every panel.
                        unsafe {
                            let c = self.grad.add((p * w.k + col) * PANEL + j);
                            let t = Tile { a, b: b.add(j), ldb, c, ldc: PANEL, init: Init::Keep };
                            tile::<E, S, true>(s, size, vectors, t);
                        }
                    });
                });
            }
        }
    }
}

/// The packed transpose of some columns of a packed weight: from `[P][K][64]` (output n is column
/// `first + n % width` of panel `n / width`) to `[Q][outputs][64]` (input k = 64 q + j), so that a gradient by the
/// outputs times it gives the gradient by the inputs.
///
/// Overwrites `to`, whose length is `k.div_ceil(64) * outputs * 64`; columns beyond K are zero.
pub(crate) fn transpose<E: Element>(cpu: &Cpu, from: &[E], k: usize, columns: Columns, outputs: usize, to: &mut [E]) {
    let Columns { first, width } = columns;
    assert_eq!(from.len(), outputs.div_ceil(width) * k * PANEL);
    assert_eq!(to.len(), k.div_ceil(PANEL) * outputs * PANEL);
    let target = Shared::new(to);
    cpu.split(k.div_ceil(PANEL), 1, saturating_product(&[k, outputs]), |panels| {
        for q in panels {
            // SAFETY: panel q of `to` lies within its length and belongs to this part alone.
            let to = unsafe { std::slice::from_raw_parts_mut(target.get().add(q * outputs * PANEL), outputs * PANEL) };
            let inputs = (k - q * PANEL).min(PANEL);
            for (n, row) in to.chunks_exact_mut(PANEL).enumerate() {
                let column = &from[(n / width * k + q * PANEL) * PANEL + first + n % width..];
                for (i, x) in row[..inputs].iter_mut().enumerate() {
                    *x = column[i * PANEL];
                }
                row[inputs..].fill(E::ZERO);
            }
        }
    });
}
