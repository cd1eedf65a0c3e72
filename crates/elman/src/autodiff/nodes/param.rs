//! The parameter node: a parameter as a value, a matrix `[N, K]` as N rows, a vector `[N]` as one row `[1, N]`. Not
//! here: products; [`Tape::matmul`] reads the packed weight in place.

use elman_kernels::layout::Layout;
use elman_kernels::{Element, pad};

use crate::autodiff::params::{ParamId, Params};
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Param {
    id: ParamId,
    layout: Layout,
    y: Var,
}

/// Where an element of a parameter is in the rows of its value, and where in its packed memory.
fn places(layout: Layout, is_vector: bool) -> impl Iterator<Item = (usize, usize)> {
    (0..layout.rows()).flat_map(move |row| {
        let (start, step) = layout.row(row);
        (0..layout.cols()).map(move |col| match is_vector {
            true => (row, start),
            false => (row * pad(layout.cols()) + col, start + col * step),
        })
    })
}

impl<E: Element> Tape<E> {
    /// A parameter as rows: `[N, K]` for a matrix, `[1, N]` for a vector. Copies it.
    pub fn param(&mut self, params: &Params<E>, id: ParamId) -> Result<Var, Error> {
        let (layout, is_vector) = (params.layout(id), params.is_vector(id));
        let (rows, cols) = if is_vector { (1, layout.rows()) } else { (layout.rows(), layout.cols()) };
        let (mut y, packed) = (self.memory.take(rows * pad(cols)), params.slice(id));
        y.fill(E::ZERO);
        places(layout, is_vector).for_each(|(to, from)| y[to] = packed[from]);
        let y = self.memory.push_rows(y, rows, cols);
        self.record(Param { id, layout, y });
        Ok(y)
    }
}

impl<E: Element> Node<E> for Param {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let is_vector = grads.is_vector(self.id);
        let packed = grads.slice_mut(self.id);
        places(self.layout, is_vector).for_each(|(from, to)| packed[to] += grad_y[from]);
        m.recycle(grad_y);
        Ok(())
    }
}
