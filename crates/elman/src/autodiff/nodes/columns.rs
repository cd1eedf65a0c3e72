//! The nodes that concatenate and split columns, and views of rows. Copies only. Not here: arithmetic.

use elman_kernels::{Element, pad};

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Concat {
    parts: Vec<Var>,
    y: Var,
}

#[derive(Debug)]
pub(crate) struct Slice {
    x: Var,
    start: usize,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// The columns of all parts side by side: `[rows, sum of cols]` from `[rows, cols]` each.
    /// Errors: no parts; rows that differ; a value of another tape.
    pub fn concat(&mut self, parts: &[Var]) -> Result<Var, Error> {
        let m = &mut self.memory;
        let Some(first) = parts.first() else {
            return Err(Error::Setting { name: "parts of concat", got: "0".into(), expected: "at least 1".into() });
        };
        let (rows, cols) = (first.rows(), parts.iter().map(Var::cols).sum());
        let mut y = m.take(rows * pad(cols));
        y.fill(E::ZERO);
        let mut start = 0;
        for &part in parts {
            m.check(part)?;
            if part.rows() != rows {
                return Err(shape_error("part of concat", part, [rows, part.cols()]));
            }
            let rows = y.chunks_exact_mut(pad(cols).max(1)).zip(m.value(part).chunks_exact(part.stride()));
            rows.for_each(|(to, from)| to[start..start + part.cols()].copy_from_slice(&from[..part.cols()]));
            start += part.cols();
        }
        let y = m.push_rows(y, rows, cols);
        self.record(Concat { parts: parts.to_vec(), y });
        Ok(y)
    }

    /// `count` columns of x from column `start` on: `[rows, count]`. Errors: x has fewer; a value of another tape.
    pub fn slice(&mut self, x: Var, start: usize, count: usize) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(x)?;
        if start.checked_add(count).is_none_or(|end| end > x.cols()) {
            return Err(shape_error("input of slice", x, [x.rows(), start.saturating_add(count)]));
        }
        let mut y = m.take(x.rows() * pad(count));
        for (to, from) in y.chunks_exact_mut(pad(count).max(1)).zip(m.value(x).chunks_exact(x.stride())) {
            to[..count].copy_from_slice(&from[start..start + count]);
            to[count..].fill(E::ZERO);
        }
        let y = m.push_rows(y, x.rows(), count);
        self.record(Slice { x, start, y });
        Ok(y)
    }

    /// `count` rows of x from row `start` on. No copy: the rows share their gradient with x. Step t of a sequence
    /// `[T*B, I]` is `rows(x, t * B, B)`. Errors: x has fewer; a value of another tape.
    pub fn rows(&mut self, x: Var, start: usize, count: usize) -> Result<Var, Error> {
        self.memory.check(x)?;
        if start.checked_add(count).is_none_or(|end| end > x.rows()) {
            return Err(shape_error("input of rows", x, [start.saturating_add(count), x.cols()]));
        }
        Ok(self.memory.view(x.slot, x.first_row + start, count, x.cols()))
    }

    /// Each row of x as `parts` rows: `[rows * parts, cols / parts]`. No copy: the rows share their gradient with x.
    /// Errors: columns that `parts` does not divide into multiples of 16, the padding of a row; a value of another tape.
    pub fn split_rows(&mut self, x: Var, parts: usize) -> Result<Var, Error> {
        self.memory.check(x)?;
        let cols = x.cols() / parts.max(1);
        if cols * parts != x.cols() || pad(cols) != cols {
            return Err(shape_error("input of split_rows", x, [x.rows(), parts * pad(cols)]));
        }
        Ok(self.memory.view(x.slot, x.first_row * parts, x.rows() * parts, cols))
    }
}

impl<E: Element> Node<E> for Concat {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let mut start = 0;
        for part in &self.parts {
            if m.wants_grad(part.slot) {
                let mut grad = m.take_grad(part.slot);
                let rows = grad[part.range()].chunks_exact_mut(part.stride());
                for (to, from) in rows.zip(grad_y.chunks_exact(self.y.stride())) {
                    to[..part.cols()].iter_mut().zip(&from[start..]).for_each(|(d, &g)| *d += g);
                }
                m.put_grad(part.slot, grad);
            }
            start += part.cols();
        }
        m.recycle(grad_y);
        Ok(())
    }
}

impl<E: Element> Node<E> for Slice {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let (mut grad_x, count) = (m.take_grad(self.x.slot), self.y.cols());
            let rows = grad_x[self.x.range()].chunks_exact_mut(self.x.stride());
            for (to, from) in rows.zip(grad_y.chunks_exact(self.y.stride())) {
                to[self.start..self.start + count].iter_mut().zip(from).for_each(|(d, &g)| *d += g);
            }
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}
