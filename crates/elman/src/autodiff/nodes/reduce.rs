//! The nodes that reduce: softmax along rows, and the sum and mean over all elements. A sum is one chain in f64, in
//! increasing columns, then rows. Not here: cross-entropy, which fuses softmax with its loss.

use elman_kernels::{Element, elementwise, softmax};

use crate::autodiff::params::Params;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Softmax {
    x: Var,
    y: Var,
}

#[derive(Debug)]
pub(crate) struct Sum {
    x: Var,
    y: Var,
    /// What an element counts: 1, or 1/n for a mean.
    weight: f64,
}

impl<E: Element> Tape<E> {
    /// Softmax of every row: positive numbers that add up to 1. Errors: a value of another tape.
    pub fn softmax(&mut self, x: Var) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(x)?;
        let mut y = m.take(x.len());
        softmax::forward(&m.cpu, x.cols(), m.value(x), &mut y)?;
        let y = m.push_rows(y, x.rows(), x.cols());
        self.record(Softmax { x, y });
        Ok(y)
    }

    /// Sum over all elements, as a value of one element. Errors: a value of another tape.
    pub fn sum(&mut self, x: Var) -> Result<Var, Error> {
        self.weighted_sum(x, 1.0)
    }

    /// Mean over all elements, as a value of one element; NaN over none. Errors: a value of another tape.
    pub fn mean(&mut self, x: Var) -> Result<Var, Error> {
        self.weighted_sum(x, 1.0 / (x.rows() * x.cols()) as f64)
    }

    fn weighted_sum(&mut self, x: Var, weight: f64) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(x)?;
        let mut y = m.take(elman_kernels::pad(1));
        y.fill(E::ZERO);
        y[0] = E::from_f64(elementwise::sum(x.cols(), m.value(x))? * weight);
        let y = m.push_rows(y, 1, 1);
        self.record(Sum { x, y, weight });
        Ok(y)
    }
}

impl<E: Element> Node<E> for Softmax {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let mut grad_x = m.take_grad(self.x.slot);
            softmax::backward(&m.cpu, self.x.cols(), m.value(self.y), &grad_y, &mut grad_x[self.x.range()])?;
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}

impl<E: Element> Node<E> for Sum {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let (mut grad_x, g) = (m.take_grad(self.x.slot), grad_y[0] * E::from_f64(self.weight));
            // Logical columns only: padding stays zero.
            for row in grad_x[self.x.range()].chunks_exact_mut(self.x.stride()) {
                row[..self.x.cols()].iter_mut().for_each(|d| *d += g);
            }
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}
