//! The node that puts rows into a value: those of a step that read something, among those that did not.

use elman_kernels::{Element, pad};

use crate::autodiff::params::Params;
use crate::autodiff::tape::{Memory, Node, Tape, Var, shape_error};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Merge {
    base: Var,
    rows: Var,
    at: Vec<usize>,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// `base` `[R, cols]` with its rows at `at` replaced by `rows` `[at.len(), cols]`. Errors: another shape; a place that is
    /// not below R, or comes twice or not in rising order; a value of another tape.
    pub fn merge(&mut self, base: Var, rows: Var, at: &[usize]) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(base)?;
        m.check(rows)?;
        if [rows.rows(), rows.cols()] != [at.len(), base.cols()] {
            return Err(shape_error("rows of merge", rows, [at.len(), base.cols()]));
        }
        if at.last().is_some_and(|&last| last >= base.rows()) || at.windows(2).any(|pair| pair[0] >= pair[1]) {
            let expected = format!("rising rows below {}", base.rows());
            return Err(Error::Setting { name: "rows of merge", got: format!("{at:?}"), expected });
        }
        let width = pad(base.cols());
        let mut y = m.take(base.len());
        y.copy_from_slice(m.value(base));
        for (&row, from) in at.iter().zip(m.value(rows).chunks_exact(width.max(1))) {
            y[row * width..(row + 1) * width].copy_from_slice(from);
        }
        let y = m.push_rows(y, base.rows(), base.cols());
        self.record(Merge { base, rows, at: at.to_vec(), y });
        Ok(y)
    }
}

impl<E: Element> Node<E> for Merge {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(mut grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let width = pad(self.y.cols());
        if m.wants_grad(self.rows.slot) {
            let mut grad = m.take_grad(self.rows.slot);
            for (to, &row) in grad[self.rows.range()].chunks_exact_mut(width.max(1)).zip(&self.at) {
                to.iter_mut().zip(&grad_y[row * width..]).for_each(|(d, &g)| *d += g);
            }
            m.put_grad(self.rows.slot, grad);
        }
        // What was replaced has no gradient from here.
        self.at.iter().for_each(|&row| grad_y[row * width..(row + 1) * width].fill(E::ZERO));
        m.add_grad(self.base, &grad_y);
        m.recycle(grad_y);
        Ok(())
    }
}
