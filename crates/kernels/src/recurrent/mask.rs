//! The mask of a sequence: which positions of `[T, B]` are read. At a masked position the state passes unchanged, and so does
//! its gradient.

use std::ops::Range;

use crate::rows::TILE_ROWS;

/// Which positions are read; all where there is no mask.
#[derive(Clone, Copy)]
pub(super) struct Mask<'a>(Option<&'a [bool]>);

impl<'a> Mask<'a> {
    /// A mask that reads every position is no mask.
    pub fn new(mask: Option<&'a [bool]>) -> Mask<'a> {
        Mask(mask.filter(|mask| mask.contains(&false)))
    }

    /// Whether the position `t * B + b` is read.
    #[inline(always)]
    pub fn at(self, position: usize) -> bool {
        self.0.is_none_or(|mask| mask[position])
    }

    /// Whether any position is masked.
    #[inline(always)]
    pub fn is_mask(self) -> bool {
        self.0.is_some()
    }

    /// The positions that are read, in rising order, where not all are. Allocates.
    pub fn positions(self) -> Option<Vec<usize>> {
        let mask = self.0?;
        Some((0..mask.len()).filter(|&position| mask[position]).collect())
    }

    /// Runs of `rows`, counted from the position `first` on, that together hold every row that is read. A run
    /// includes gaps of no more rows than a tile has: a product over a masked row is wasted, but cheaper than a short tile.
    #[inline(always)]
    pub fn runs(self, first: usize, rows: Range<usize>) -> Runs<'a> {
        Runs { mask: self.0, first, rows }
    }
}

/// See [`Mask::runs`].
pub(super) struct Runs<'a> {
    mask: Option<&'a [bool]>,
    first: usize,
    rows: Range<usize>,
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    #[inline(always)]
    fn next(&mut self) -> Option<Range<usize>> {
        let Some(mask) = self.mask else {
            let rows = std::mem::take(&mut self.rows);
            return (!rows.is_empty()).then_some(rows);
        };
        let is_read = |row: usize| mask[self.first + row];
        let start = self.rows.clone().find(|&row| is_read(row))?;
        let mut end = start + 1;
        let mut row = end;
        while row < self.rows.end && row - end <= TILE_ROWS {
            if is_read(row) {
                end = row + 1;
            }
            row += 1;
        }
        self.rows.start = end;
        Some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_what_is_read_and_gaps_of_a_tile_at_most() {
        for seed in 0..if cfg!(miri) { 8 } else { 400_u64 } {
            // Long and short gaps, at both ends too.
            let bit = |i: u64| (seed * 977 + i / (1 + seed % 9)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62 > seed % 4;
            let mask: Vec<bool> = (0..60).map(bit).collect();
            let runs: Vec<_> = Mask::new(Some(&mask)).runs(5, 2..50).collect();
            let mut row = 2;
            for run in &runs {
                assert!(mask[5 + run.start] && mask[5 + run.end - 1] || !Mask::new(Some(&mask)).is_mask());
                assert!((row..run.start).all(|row| !mask[5 + row]), "{mask:?}: {runs:?}");
                let gaps = (run.start..run.end).collect::<Vec<_>>();
                let longest = gaps.split(|&row| mask[5 + row]).map(|gap| gap.len()).max();
                assert!(longest.unwrap() <= TILE_ROWS, "{mask:?}: {runs:?}");
                row = run.end;
            }
            assert!((row..50).all(|row| !mask[5 + row]), "{mask:?}: {runs:?}");
        }
        let mut all = Mask::new(None).runs(5, 2..50);
        assert_eq!((all.next(), all.next()), (Some(2..50), None));
        assert_eq!(Mask::new(None).runs(5, 2..2).count(), 0);
        assert!(!Mask::new(Some(&[true; 4])).is_mask() && Mask::new(Some(&[true, false])).is_mask());
        assert_eq!(Mask::new(Some(&[true, false, true])).positions(), Some(vec![0, 2]));
    }
}
