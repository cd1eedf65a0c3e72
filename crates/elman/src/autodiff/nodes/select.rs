//! The node that selects rows of a value, each any number of times. It only copies; the gradients of a row selected
//! twice are added in the order of selection.

use elman_kernels::{Element, pad};

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Select {
    x: Var,
    rows: Vec<usize>,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// The rows of x `[*, cols]` at `rows`, in that order: `[rows.len(), cols]`. Errors: x has fewer; a value of
    /// another tape.
    pub fn select(&mut self, x: Var, rows: &[usize]) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(x)?;
        if let Some(&row) = rows.iter().find(|&&row| row >= x.rows()) {
            return Err(shape_error("input of select", x, [row + 1, x.cols()]));
        }
        let width = pad(x.cols());
        let mut y = m.take(rows.len() * width);
        let value = m.value(x);
        for (to, &row) in y.chunks_exact_mut(width.max(1)).zip(rows) {
            to.copy_from_slice(&value[row * width..(row + 1) * width]);
        }
        let y = m.push_rows(y, rows.len(), x.cols());
        self.record(Select { x, rows: rows.to_vec(), y });
        Ok(y)
    }
}

impl<E: Element> Node<E> for Select {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let (mut grad_x, width) = (m.take_grad(self.x.slot), self.x.stride());
            let target = &mut grad_x[self.x.range()];
            for (from, &row) in grad_y.chunks_exact(width).zip(&self.rows) {
                target[row * width..(row + 1) * width].iter_mut().zip(from).for_each(|(d, &g)| *d += g);
            }
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}
