//! Where the elements of a logical matrix `[N, K]` (PyTorch's row-major order) are in packed memory, and the copies between
//! the two. One layout serves every backend. Not here: arithmetic.
//!
//! Weights stay packed from the first step to the last. Files hold the logical order.

use crate::error::product;

/// Columns of a panel: the width of a full product tile of the widest backend.
pub const PANEL: usize = 64;
/// Hidden units of a block of up to four gates: 16 columns of a panel each.
pub const UNITS: usize = 16;

/// The packed form of a logical matrix of `rows` by `cols`. Padding is zero and stays zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A weight `[N, K]` as `[P][K][64]`: output n is column n % 64 of panel n / 64. With K = 1, a bias.
    Panels {
        /// N.
        rows: usize,
        /// K.
        cols: usize,
    },
    /// A weight `[G*H, K]` of a gated cell as `[P][K][64]`, so that one vector holds the same gate of neighbouring units.
    /// A block of `units` units takes `panels` panels, one after the other. Their columns are slots of `units` columns
    /// each: gate g of unit u is column u % units of slot `slots[g]` of block u / units. With K = 1, a bias.
    Gates {
        /// The slot of each of the G gates: different numbers below `64 * panels / units`.
        slots: &'static [usize],
        /// Units of a block: 16, 32 or 64.
        units: usize,
        /// Panels of a block.
        panels: usize,
        /// H.
        hidden_size: usize,
        /// K.
        cols: usize,
    },
    /// A table `[N, K]` whose rows are gathered: `[N][pad(K)]`.
    Table {
        /// N.
        rows: usize,
        /// K.
        cols: usize,
    },
}

impl Layout {
    /// Rows of the logical matrix.
    pub fn rows(&self) -> usize {
        match *self {
            Layout::Panels { rows, .. } | Layout::Table { rows, .. } => rows,
            Layout::Gates { slots, hidden_size, .. } => slots.len().saturating_mul(hidden_size),
        }
    }

    /// Columns of the logical matrix.
    pub fn cols(&self) -> usize {
        match *self {
            Layout::Panels { cols, .. } | Layout::Table { cols, .. } | Layout::Gates { cols, .. } => cols,
        }
    }

    /// Number of panels (of rows, for a table).
    pub fn panels(&self) -> usize {
        match *self {
            Layout::Panels { rows, .. } => rows.div_ceil(PANEL),
            Layout::Gates { units, panels, hidden_size, .. } => hidden_size.div_ceil(units).saturating_mul(panels),
            Layout::Table { rows, .. } => rows,
        }
    }

    /// Length of the packed form, padding included; `usize::MAX`, which no slice has, where that is beyond it.
    pub fn packed_len(&self) -> usize {
        product(&self.factors()).unwrap_or(usize::MAX)
    }

    /// What [`Layout::packed_len`] is the product of.
    pub(crate) fn factors(&self) -> [usize; 3] {
        match *self {
            Layout::Table { rows, cols } => [rows, crate::pad(cols), 1],
            _ => [self.panels(), self.cols(), PANEL],
        }
    }

    /// Where the first element of a logical row lies, and the step from one column to the next.
    pub fn row(&self, row: usize) -> (usize, usize) {
        match *self {
            Layout::Panels { cols, .. } => (row / PANEL * cols * PANEL + row % PANEL, PANEL),
            Layout::Gates { slots, units, panels, hidden_size, cols } => {
                let (slot, unit) = (slots[row / hidden_size], row % hidden_size);
                let column = slot * units + unit % units;
                let panel = unit / units * panels + column / PANEL;
                (panel * cols * PANEL + column % PANEL, PANEL)
            }
            Layout::Table { cols, .. } => (row * crate::pad(cols), 1),
        }
    }

    /// Copies logical row-major values into packed memory. Padding is left as it is. Panics if a length is wrong.
    pub fn pack<E: Copy>(&self, logical: &[E], packed: &mut [E]) {
        self.check(logical.len(), packed.len());
        let cols = self.cols();
        for row in 0..self.rows() {
            let (start, step) = self.row(row);
            for col in 0..cols {
                packed[start + col * step] = logical[row * cols + col];
            }
        }
    }

    /// Copies packed values into logical row-major memory. Panics if a length is wrong.
    pub fn unpack<E: Copy>(&self, packed: &[E], logical: &mut [E]) {
        self.check(logical.len(), packed.len());
        let cols = self.cols();
        for row in 0..self.rows() {
            let (start, step) = self.row(row);
            for col in 0..cols {
                logical[row * cols + col] = packed[start + col * step];
            }
        }
    }

    fn check(&self, logical: usize, packed: usize) {
        assert_eq!(Some(logical), product(&[self.rows(), self.cols()]), "logical length of {self:?}");
        assert_eq!(packed, self.packed_len(), "packed length of {self:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_logical_element_has_its_own_place() {
        // Few for Miri, which runs some thousand times slower.
        let (rows, cols): (&[_], &[_]) =
            if cfg!(miri) { (&[1, 17, 65], &[3]) } else { (&[1, 15, 16, 17, 63, 64, 65, 130], &[1, 3, 16, 33]) };
        for &n in rows {
            for &cols in cols {
                let gates = |slots, units, panels| Layout::Gates { slots, units, panels, hidden_size: n, cols };
                let plain = [Layout::Panels { rows: n, cols }, Layout::Table { rows: n, cols }];
                let four = [gates(&[0, 1, 2, 3], UNITS, 1), gates(&[1, 2, 0], UNITS, 1), gates(&[1, 2, 3], UNITS, 1)];
                let others = [gates(&[0, 1], 32, 1), gates(&[4, 1, 0, 5, 7], UNITS, 2), gates(&[0, 2, 1], 32, 2)];
                for layout in plain.into_iter().chain(four).chain(others) {
                    let logical: Vec<u32> = (1..=(layout.rows() * cols) as u32).collect();
                    let mut packed = vec![0; layout.packed_len()];
                    layout.pack(&logical, &mut packed);
                    let mut seen: Vec<u32> = packed.iter().copied().filter(|&x| x != 0).collect();
                    seen.sort_unstable();
                    assert_eq!(seen, logical, "{layout:?}");
                    let mut back = vec![0; logical.len()];
                    layout.unpack(&packed, &mut back);
                    assert_eq!(back, logical);
                }
            }
        }
    }

    #[test]
    fn a_packed_form_beyond_memory_has_the_length_of_no_slice() {
        let sizes = [(1 << 60, 16), (usize::MAX, 1), (1, usize::MAX), (1 << 60, 0), (0, 1 << 60)];
        for (n, cols) in sizes {
            let gates = Layout::Gates { slots: &[0, 1, 2, 3], units: UNITS, panels: 1, hidden_size: n, cols };
            for layout in [Layout::Panels { rows: n, cols }, Layout::Table { rows: n, cols }, gates] {
                let len = layout.packed_len();
                assert!(len == usize::MAX || len == 0 && n.min(cols) == 0, "{layout:?} has {len}");
            }
        }
    }

    #[test]
    fn gates_of_one_unit_stand_sixteen_apart() {
        let gates = |slots| Layout::Gates { slots, units: UNITS, panels: 1, hidden_size: 20, cols: 3 };
        let layout = gates(&[0, 1, 2, 3]);
        // Gate f (1) of unit 17, input 2: panel 1, row 2, column 16 + 1.
        assert_eq!(layout.row(20 + 17), (3 * 64 + 16 + 1, 64));
        // The same of a cell whose second gate stands third.
        let layout = gates(&[1, 2, 0]);
        assert_eq!(layout.row(20 + 17), (3 * 64 + 32 + 1, 64));
    }

    #[test]
    fn gates_fill_the_panels_of_a_block_in_turn() {
        // Five gates of 16 units: the last is the first slot of each block's second panel.
        let layout = Layout::Gates { slots: &[0, 1, 2, 3, 4], units: 16, panels: 2, hidden_size: 20, cols: 3 };
        assert_eq!((layout.panels(), layout.row(4 * 20 + 17)), (4, (3 * 3 * 64 + 1, 64)));
        // Two gates of 32 units side by side.
        let layout = Layout::Gates { slots: &[0, 1], units: 32, panels: 1, hidden_size: 40, cols: 3 };
        assert_eq!((layout.panels(), layout.row(40 + 33)), (2, (3 * 64 + 32 + 1, 64)));
    }
}
