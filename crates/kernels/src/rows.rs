//! `Rows`: the rows of an operand that one thread or one block of a product takes. Not here: products (`gemm.rs`).

use std::ops::Range;

/// Rows of most tiles.
pub(crate) const TILE_ROWS: usize = 6;
/// Rows that share one block of a panel before the next is read.
pub(crate) const BLOCK_ROWS: usize = 32 * TILE_ROWS;

/// Rows of a left operand and its output: `count` runs of `len`, whose starts are `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub first: usize,
    pub len: usize,
    pub count: usize,
    pub stride: usize,
}

impl From<Range<usize>> for Rows {
    #[inline]
    fn from(rows: Range<usize>) -> Rows {
        Rows { first: rows.start, len: rows.len(), count: 1, stride: rows.len() }
    }
}

impl Rows {
    /// The same, in groups of whole runs with about `BLOCK_ROWS` rows, or of that many rows of one run.
    #[inline(always)]
    pub fn groups(self) -> impl Iterator<Item = Rows> {
        let Rows { first, len, count, stride } = self;
        // Runs of a group, and groups of a run. A small product has one run, and no time for a division.
        let runs = if count <= 1 { 1 } else { (BLOCK_ROWS / len.max(1)).max(1) };
        let (chunks, pieces) = (if count <= 1 { count } else { count.div_ceil(runs) }, len.div_ceil(BLOCK_ROWS));
        (0..chunks).flat_map(move |chunk| {
            let run = chunk * runs;
            (0..pieces).map(move |piece| {
                let done = piece * BLOCK_ROWS;
                let len = BLOCK_ROWS.min(len - done);
                Rows { first: first + run * stride + done, len, count: runs.min(count - run), stride }
            })
        })
    }

    /// Each run as a range.
    #[inline(always)]
    pub fn runs(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).map(move |run| {
            let first = self.first + run * self.stride;
            first..first + self.len
        })
    }
}
