//! The squared norm of a packed matrix, summed in an order that does not depend on the layout: each logical row is a chain
//! over rising columns, the rows are added in their logical order, all in f64. Not here: clipping.

use crate::entry_points::entry_points;
use crate::layout::{Layout, PANEL};
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Number};

/// Rows of a table whose chains run side by side: enough to hide the latency of an addition.
const ROWS: usize = 8;

entry_points! {
    /// Sum of the squares of the logical elements of `packed`. Panics if its length is not the layout's.
    pub fn squared(cpu: &Cpu, layout: &Layout, packed: &[E]) -> f64 = squared_for;
}

fn squared_for<E: Number>(cpu: &Cpu, layout: &Layout, packed: &[E]) -> f64 {
    assert_eq!(packed.len(), layout.packed_len(), "packed length of {layout:?}");
    let _part = cpu.part("norm of the gradient");
    if packed.is_empty() {
        return 0.0;
    }
    if let Layout::Table { rows, cols } = *layout {
        let mut chains = cpu.scratch(rows);
        cpu.fill(&mut chains, ROWS, 2 * cols, |start, chains| {
            let step = crate::pad(cols);
            cpu.run(Rows { packed: &packed[start * step..][..chains.len() * step], cols, chains });
        });
        return chains.iter().sum();
    }
    // A panel's 64 columns are logical rows: 64 chains side by side.
    let len = layout.cols() * PANEL;
    let mut chains = cpu.scratch(layout.panels() * PANEL);
    cpu.fill(&mut chains, PANEL, 2 * layout.cols(), |start, chains| {
        for (i, chains) in chains.chunks_exact_mut(PANEL).enumerate() {
            cpu.run(Columns { packed: &packed[(start / PANEL + i) * len..][..len], chains });
        }
    });
    let chain = |row: usize| {
        let (start, _) = layout.row(row);
        chains[start / len * PANEL + start % PANEL]
    };
    (0..layout.rows()).map(chain).sum()
}

#[inline(always)]
fn add_square<E: Number>(sum: f64, x: E) -> f64 {
    let x = x.to_f64();
    x.mul_add(x, sum)
}

/// The chains of one panel.
struct Columns<'a, E> {
    packed: &'a [E],
    chains: &'a mut [f64],
}

impl<E: Number> Kernel<E> for Columns<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let mut sums = [0.0; PANEL];
        for row in self.packed.chunks_exact(PANEL) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum = add_square(*sum, x);
            }
        }
        self.chains.copy_from_slice(&sums);
    }
}

/// The chains of some rows of a table, `ROWS` side by side.
struct Rows<'a, E> {
    packed: &'a [E],
    cols: usize,
    chains: &'a mut [f64],
}

impl<E: Number> Kernel<E> for Rows<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let step = crate::pad(self.cols);
        for (chains, rows) in self.chains.chunks_mut(ROWS).zip(self.packed.chunks(ROWS * step)) {
            let mut sums = [0.0; ROWS];
            for col in 0..self.cols {
                for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(step)) {
                    *sum = add_square(*sum, row[col]);
                }
            }
            chains.copy_from_slice(&sums[..chains.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    #[test]
    fn no_layout_and_no_backend_changes_a_bit() {
        // Little for Miri, which runs some thousand times slower.
        let (hidden_size, cols) = if cfg!(miri) { (17, 3) } else { (37, 29) };
        let rows = 4 * hidden_size;
        let logical: Vec<f32> = (0..rows * cols).map(|i| ((i * 7919) % 1013) as f32 / 97.0 - 5.0).collect();
        let chain = |row: &[f32]| row.iter().fold(0.0f64, |sum, &x| (x as f64).mul_add(x as f64, sum));
        let want: f64 = logical.chunks_exact(cols).map(chain).sum();
        let layouts = [
            Layout::Panels { rows, cols },
            Layout::Gates { slots: &[1, 2, 3, 0], units: 16, panels: 1, hidden_size, cols },
            Layout::Table { rows, cols },
        ];
        let cpu = Cpu::with_backend(Backend::detect(), 1).unwrap();
        assert_eq!(squared::<f64>(&cpu, &Layout::Panels { rows: 1 << 40, cols: 0 }, &[]), 0.0);
        for layout in layouts {
            let mut packed = vec![0.0; layout.packed_len()];
            layout.pack(&logical, &mut packed);
            for backend in Backend::available() {
                let cpu = Cpu::with_backend(backend, 1).unwrap();
                assert_eq!(squared(&cpu, &layout, &packed).to_bits(), want.to_bits(), "{layout:?} {backend:?}");
            }
        }
    }
}
