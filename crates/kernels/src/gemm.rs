//! The matrix product of the project: a register tile over packed panels, the loop around it for values and their gradients
//! (weight gradients are in `weight_grad.rs`), and the transposed copy that backward needs. Every output is one chain of
//! fused multiply-adds in rising k, so no tile shape, block size or number of threads changes a bit. Not here: activations,
//! and checks of lengths, which `linear.rs` and `recurrent` do.

use std::ops::Range;

use crate::cpu::{Shared, saturating_product};
use crate::layout::PANEL;
use crate::rows::{Rows, TILE_ROWS};
use crate::simd::{Kernel, RawKernel, Simd};
use crate::{Cpu, Number};

/// Of one that is a single vector wide: its chains are as many as hide the latency of a multiply-add.
const NARROW_TILE_ROWS: usize = 12;
/// Of one that is three wide, as a GRU's are in AVX-512: more rows share what is loaded, and 27 sums leave registers free.
const THREE_WIDE_TILE_ROWS: usize = 9;
/// Steps of k between two updates of the output: a panel block stays in the second-level cache.
pub(crate) const BLOCK_K: usize = 256;
/// Bytes of an output that no cache near a core holds.
const FAR: usize = 4 << 20;

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
    #[inline]
    pub fn rows(ptr: *const E, row_stride: usize, k: usize) -> Left<E> {
        Left { ptr, row_stride, width: k, panels: 1, panel_stride: 0, pairs: false }
    }

    /// K: rows of the right operand's panels.
    #[inline]
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

/// One tile: `MR` rows by `NV` vectors of the output. `A_COLUMNS`: the left operand is read down its columns, whose row is k
/// and whose column a row of the output; else along its rows. `PAIRS`: the operands' elements are pairs of bfloat16, and the
/// tile runs in `vectorize_pairs`.
///
/// `a` is readable over MR rows, or with `A_COLUMNS` over `width` rows of MR columns; `b` over `width * panels` rows of NV
/// vectors, a row to start from over NV vectors; `c` is writable over MR rows of NV vectors.
pub(crate) struct Tile<E, const MR: usize, const NV: usize, const A_COLUMNS: bool, const PAIRS: bool> {
    pub a: Left<E>,
    pub b: *const E,
    pub ldb: usize,
    /// What a later tile reads as this one reads `b`: a line of a row is fetched at every step of k. `b` where there is
    /// nothing to fetch.
    pub ahead: *const E,
    pub c: *mut E,
    pub ldc: usize,
    pub init: Init<E>,
}

impl<E: Number, const MR: usize, const NV: usize, const A_COLUMNS: bool, const PAIRS: bool> RawKernel<E>
    for Tile<E, MR, NV, A_COLUMNS, PAIRS>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd<E>>(self, s: S) {
        // SAFETY: the caller's promise.
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
            let (mut b, mut ahead) = (self.b, self.ahead);
            for panel in 0..self.a.panels {
                let mut a = self.a.ptr.wrapping_add(panel * self.a.panel_stride);
                for _ in 0..self.a.width {
                    s.fetch(ahead);
                    ahead = ahead.wrapping_add(self.ldb);
                    let mut columns = [s.splat(E::ZERO); NV];
                    for (j, column) in columns.iter_mut().enumerate() {
                        *column = s.load(b.add(j * S::LANES));
                    }
                    for (i, row) in sums.iter_mut().enumerate() {
                        let x = s.splat(*a.add(if A_COLUMNS { i } else { i * self.a.row_stride }));
                        for (sum, &column) in row.iter_mut().zip(&columns) {
                            *sum = if PAIRS { s.dot_pairs(x, column, *sum) } else { s.fma(x, column, *sum) };
                        }
                    }
                    a = a.wrapping_add(if A_COLUMNS { self.a.row_stride } else { 1 });
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

/// Elements of a cache line.
#[inline]
const fn line<E>() -> usize {
    64 / size_of::<E>()
}

/// One place in each cache line of `len` elements whose first begins a line, to fetch them.
#[inline(always)]
pub(crate) fn lines<E>(at: *const E, len: usize) -> impl Iterator<Item = *const E> {
    (0..len).step_by(line::<E>()).map(move |i| at.wrapping_add(i))
}

/// What tile `i` of those that read the same columns of `b` fetches of the columns `next`, which are read after them: the
/// line i of every row, until all of its `vectors` are fetched.
#[inline(always)]
pub(crate) fn ahead_of<E: Number, S: Simd<E>>(i: usize, vectors: usize, b: *const E, next: *const E) -> *const E {
    if i * line::<E>() < vectors * S::LANES { next.wrapping_add(i * line::<E>()) } else { b }
}

/// Runs the tile of `rows` by `vectors`, each shape in a function of its own. Shapes wider than the backend's tile are not
/// compiled.
///
/// # Safety
/// The pointers are valid over the ranges that [`Tile`] states, for `rows` and `vectors`.
#[inline(always)]
pub(crate) unsafe fn tile<E: Number, S: Simd<E>, const A_COLUMNS: bool>(
    s: S,
    rows: usize,
    vectors: usize,
    t: Tile<E, 0, 0, A_COLUMNS, false>,
) {
    macro_rules! shapes {
        ($($rows:literal)*, $($narrow:literal)*, $($three_wide:literal)*) => {
            match (rows, vectors) {
                $(
                    ($rows, 1) if const { $rows <= S::MOST_TILE_ROWS } => shapes!($rows by 1),
                    ($rows, 2) if const { $rows <= S::MOST_TILE_ROWS } => shapes!($rows by 2),
                    ($rows, 3) if const { S::TILE > 2 } => shapes!($rows by 3),
                    ($rows, 4) if const { S::TILE > 2 } => shapes!($rows by 4),
                )*
                $(($narrow, 1) if const { $narrow <= S::MOST_TILE_ROWS } => shapes!($narrow by 1),)*
                $(($three_wide, 3) if const { S::TILE > 2 } => shapes!($three_wide by 3),)*
                _ => unreachable!("a tile of {rows} rows and {vectors} vectors"),
            }
        };
        ($rows:literal by $vectors:literal) => {{
            let Tile { a, b, ldb, ahead, c, ldc, init } = t;
            if E::HAS_PAIRS && a.pairs {
                // SAFETY: the caller's promise; `Cpu::with_bfloat16` asked for such products.
                unsafe { s.vectorize_pairs(Tile::<E, $rows, $vectors, A_COLUMNS, true> { a, b, ldb, ahead, c, ldc, init }) }
            } else {
                // SAFETY: the caller's promise.
                unsafe { s.vectorize(Tile::<E, $rows, $vectors, A_COLUMNS, false> { a, b, ldb, ahead, c, ldc, init }) }
            }
        }};
    }
    shapes!(1 2 3 4 5 6, 7 8 9 10 11 12, 7 8 9)
}

/// `range` in blocks (first row, size) for tiles of so many vectors, as even as can be: 64 rows are nine of 6 and two of 5.
#[inline(always)]
pub(crate) fn row_blocks<E: Number, S: Simd<E>>(
    range: Range<usize>,
    vectors: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let len = range.len();
    // Divisors are constants, and a single block needs no division: a small product has no time for one.
    let blocks = match vectors {
        1 => len.div_ceil(NARROW_TILE_ROWS.min(S::MOST_TILE_ROWS)),
        3 => len.div_ceil(THREE_WIDE_TILE_ROWS.min(S::MOST_TILE_ROWS)),
        _ => len.div_ceil(TILE_ROWS.min(S::MOST_TILE_ROWS)),
    };
    let (least, larger) = if blocks <= 1 { (len, 0) } else { (len / blocks, len % blocks) };
    (0..blocks).map(move |i| (range.start + i * least + i.min(larger), least + usize::from(i < larger)))
}

/// Splits `cols` columns, a multiple of 16, into tiles of at most the backend's width.
#[inline(always)]
pub(crate) fn column_blocks<E: Number, S: Simd<E>>(cols: usize, mut visit: impl FnMut(usize, usize)) {
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
    /// The right operand of the next product: its first panel is fetched while the last of this one is used.
    pub next: *const E,
    /// Row r of panel p starts at `c + p * 64 + r * ldc`.
    pub c: *mut E,
    pub ldc: usize,
    pub init: Init<E>,
}

/// `C[r][j] = init + sum over k of A[r][k] B[k][j]`.
///
/// A block of A, rows by k, is read from memory once and used for every panel while it is in the second-level cache; each
/// output still sums in rising k. An output that no near cache holds is finished panel by panel instead: else each block of k
/// would read and write all of it.
///
/// # Safety
/// `a` is readable at `rows`, `b` over its panels; `c` is writable over `cols` columns at every r of `rows`, and nothing
/// else touches it. A row to start from has as many columns.
#[inline(always)]
pub(crate) unsafe fn nn<E: Number, S: Simd<E>>(s: S, rows: impl Into<Rows>, a: Left<E>, right: Right<E>) {
    // SAFETY: the caller's promise.
    unsafe { s.vectorize(Nn { rows: rows.into(), a, right, beside: |_| {} }) }
}

/// The same; before every tile it calls `beside` with that tile's rows times columns times depth (`Left::depth`, of pairs half),
/// for a little of what has nothing to do with it.
///
/// # Safety
/// As [`nn`].
#[inline(always)]
pub(crate) unsafe fn nn_beside<E: Number, S: Simd<E>>(
    s: S,
    rows: impl Into<Rows>,
    a: Left<E>,
    right: Right<E>,
    beside: &mut dyn FnMut(usize),
) {
    // SAFETY: the caller's promise.
    unsafe { s.vectorize(Nn { rows: rows.into(), a, right, beside }) }
}

/// What [`nn`] does, in a function that is compiled once, not for every cell.
struct Nn<E, F> {
    rows: Rows,
    a: Left<E>,
    right: Right<E>,
    beside: F,
}

impl<E: Number, F: FnMut(usize)> RawKernel<E> for Nn<E, F> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<S: Simd<E>>(mut self, s: S) {
        let Nn { a, right, .. } = self;
        let panels = right.cols.div_ceil(PANEL);
        for group in self.rows.groups() {
            let is_far = group.count * group.len * right.cols * size_of::<E>() > FAR;
            let at_once = if is_far { 1 } else { panels };
            let mut first = 0;
            while first < panels {
                // SAFETY: the caller's promise.
                unsafe { nn_group(s, group, a, right, first..first + at_once, &mut self.beside) };
                first += at_once;
            }
        }
    }
}

/// The same for one group of rows and some panels.
///
/// # Safety
/// As [`nn`].
#[inline(always)]
unsafe fn nn_group<E: Number, S: Simd<E>>(
    s: S,
    group: Rows,
    a: Left<E>,
    right: Right<E>,
    panels: Range<usize>,
    beside: &mut impl FnMut(usize),
) {
    let Right { b, cols, next, c, ldc, init } = right;
    // Without rows of B these lead nowhere.
    let panel = |p: usize, k: usize| b.wrapping_add((p * a.depth() + k) * PANEL);
    let mut k = 0;
    loop {
        let part = a.block(k);
        let k_after = k + part.depth();
        for p in panels.clone() {
            let now = panel(p, k);
            let after = match p + 1 < panels.end {
                true => panel(p + 1, k),
                false if k_after < a.depth() => panel(panels.start, k_after),
                false if (p + 1) * PANEL < cols => panel(p + 1, 0),
                false => next,
            };
            column_blocks::<E, S>((cols - p * PANEL).min(PANEL), |col, vectors| {
                let (at, mut i) = (p * PANEL + col, 0);
                for run in group.runs() {
                    for (r, size) in row_blocks::<E, S>(run, vectors) {
                        beside(size * vectors * S::LANES * part.depth());
                        // SAFETY: the caller's ranges; the tile is within the run, at + vectors * LANES <= cols.
                        unsafe {
                            let init = match init {
                                _ if k > 0 => Init::Keep,
                                Init::Row(row) => Init::Row(row.add(at)),
                                other => other,
                            };
                            let a = Left { ptr: part.ptr.wrapping_add(r * a.row_stride), ..part };
                            let (b, c) = (now.wrapping_add(col), c.add(r * ldc + at));
                            let ahead = ahead_of::<E, S>(i, vectors, b, after.wrapping_add(col));
                            i += 1;
                            tile::<E, S, false>(s, size, vectors, Tile { a, b, ldb: PANEL, ahead, c, ldc, init });
                        }
                    }
                }
            });
        }
        k = k_after;
        if k >= a.depth() {
            break;
        }
    }
}

/// The packed transpose of some columns of a packed weight: from `[P][K][64]` (output n is column
/// `first + n % width` of panel `n / width`) to `[Q][outputs][64]` (input k = 64 q + j), so that a gradient by the
/// outputs times it gives the gradient by the inputs.
///
/// Overwrites `to`, whose length is `k.div_ceil(64) * outputs * 64`; columns beyond K are zero.
pub(crate) fn transpose<E: Number>(cpu: &Cpu, from: &[E], k: usize, columns: Columns, outputs: usize, to: &mut [E]) {
    let _part = cpu.part("transposed weights");
    let width = columns.width;
    assert_eq!(from.len(), outputs.div_ceil(width) * k * PANEL);
    assert_eq!(to.len(), k.div_ceil(PANEL) * outputs * PANEL);
    assert!(outputs.is_multiple_of(16) && width.is_multiple_of(16));
    let target = Shared::new(to);
    // A copied number costs about as much as 8 multiply-adds.
    cpu.split(k.div_ceil(PANEL), 1, saturating_product(&[k, outputs, 8]), |panels| {
        for q in panels {
            // SAFETY: panel q of `to` lies within its length and belongs to this part alone.
            let to = unsafe { std::slice::from_raw_parts_mut(target.get().add(q * outputs * PANEL), outputs * PANEL) };
            let inputs = (k - q * PANEL).min(PANEL);
            cpu.run(Transpose { from: &from[q * PANEL * PANEL..], inputs, panel_len: k * PANEL, columns, to });
        }
    });
}

/// 64 rows or fewer of every panel of a packed weight, as the columns of one panel.
struct Transpose<'a, E> {
    from: &'a [E],
    inputs: usize,
    panel_len: usize,
    columns: Columns,
    /// `[outputs][64]`.
    to: &'a mut [E],
}

impl<E: Number> Kernel<E> for Transpose<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, s: S) {
        const SIDE: usize = 16;
        let Columns { first, width } = self.columns;
        for (i, to) in self.to.chunks_exact_mut(SIDE * PANEL).enumerate() {
            let n = i * SIDE;
            let from = &self.from[n / width * self.panel_len + first + n % width..];
            for input in (0..PANEL).step_by(SIDE) {
                if input + SIDE <= self.inputs {
                    let from = &from[input * PANEL..][..(SIDE - 1) * PANEL + SIDE];
                    // SAFETY: 16 rows of 16, `PANEL` apart, of both.
                    unsafe { s.transpose(from.as_ptr(), PANEL, to[input..].as_mut_ptr(), PANEL) };
                    continue;
                }
                for (j, to) in to.chunks_exact_mut(PANEL).enumerate() {
                    for (k, to) in to[input..input + SIDE].iter_mut().enumerate() {
                        *to = if input + k < self.inputs { from[(input + k) * PANEL + j] } else { E::ZERO };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::BLOCK_ROWS;

    #[test]
    fn groups_hold_every_row_once_and_no_more_than_a_block() {
        for len in [0, 1, 5, 192, 193, 400] {
            for count in [0, 1, 2, 50] {
                let rows = Rows { first: 3, len, count, stride: len + 7 };
                let mut all: Vec<usize> = Vec::new();
                for group in rows.groups() {
                    assert!(group.count * group.len <= BLOCK_ROWS, "{rows:?}: {group:?}");
                    all.extend(group.runs().flatten());
                }
                assert_eq!(all, rows.runs().flatten().collect::<Vec<_>>(), "{rows:?}");
                assert_eq!(all.len(), len * count);
            }
        }
    }
}
