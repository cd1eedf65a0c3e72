//! The pooling nodes, which make one row of a sequence: the mean, the maximum and the first of its steps. Masked steps
//! are not read. A sum runs in increasing step. Not here: learned weights (`attention.rs`).

use elman_kernels::Element;

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Mean {
    x: Var,
    y: Var,
    mask: Vec<bool>,
}

#[derive(Debug)]
pub(crate) struct Pick {
    x: Var,
    y: Var,
    /// The row of x that each element of y `[B, pad(H)]` comes from; none where a sequence has no step.
    from: Vec<Option<u32>>,
}

/// Nodes over the steps of x `[T*B, H]`, giving `[B, H]`. `mask` `[T*B]` is true for the steps that count; a sequence
/// without a step gives zero. Errors of all: x is not whole steps of `batch` rows; `mask` has another length; a value
/// of another tape.
impl<E: Element> Tape<E> {
    /// The mean over the steps.
    pub fn pool_mean(&mut self, x: Var, batch: usize, mask: &[bool]) -> Result<Var, Error> {
        self.check_steps(x, batch, mask)?;
        let m = &mut self.memory;
        let (width, cols) = (x.stride(), x.cols());
        let mut y = m.take(batch * width);
        y.fill(E::ZERO);
        let steps = m.value(x).chunks_exact((batch * width).max(1)).zip(mask.chunks_exact(batch.max(1)));
        for (rows, read) in steps {
            let rows = rows.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(read);
            for ((row, sum), _) in rows.filter(|(_, read)| **read) {
                sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
            }
        }
        for (b, sum) in y.chunks_exact_mut(width).enumerate() {
            let share = share_of_step::<E>(batch, b, mask);
            sum.iter_mut().for_each(|sum| *sum = *sum * share);
        }
        let y = m.push_rows(y, batch, cols);
        self.record(Mean { x, y, mask: mask.to_vec() });
        Ok(y)
    }

    /// The largest over the steps, of each column; the first of equals has the gradient.
    pub fn pool_max(&mut self, x: Var, batch: usize, mask: &[bool]) -> Result<Var, Error> {
        self.check_steps(x, batch, mask)?;
        self.picked(x, batch, |from, value, row, b, width| {
            if !mask[row] {
                return;
            }
            for (col, from) in from[b * width..(b + 1) * width].iter_mut().enumerate() {
                let is_larger = |at: u32| value[row * width + col] > value[at as usize * width + col];
                if from.is_none_or(is_larger) {
                    *from = Some(row as u32);
                }
            }
        })
    }

    /// The first step's row.
    pub fn pool_first(&mut self, x: Var, batch: usize, mask: &[bool]) -> Result<Var, Error> {
        self.check_steps(x, batch, mask)?;
        self.picked(x, batch, |from, _, row, b, width| {
            if mask[row] && from[b * width].is_none() {
                from[b * width..(b + 1) * width].fill(Some(row as u32));
            }
        })
    }

    fn picked(
        &mut self,
        x: Var,
        batch: usize,
        choose: impl Fn(&mut [Option<u32>], &[E], usize, usize, usize),
    ) -> Result<Var, Error> {
        let m = &mut self.memory;
        let width = x.stride();
        let (mut from, value) = (vec![None; batch * width], m.value(x));
        for row in 0..x.rows() {
            choose(&mut from, value, row, row % batch, width);
        }
        let mut y = m.take(batch * width);
        let value = m.value(x);
        for (at, (y, from)) in y.iter_mut().zip(&from).enumerate() {
            *y = from.map_or(E::ZERO, |row| value[row as usize * width + at % width]);
        }
        let y = m.push_rows(y, batch, x.cols());
        self.record(Pick { x, y, from });
        Ok(y)
    }

    fn check_steps(&self, x: Var, batch: usize, mask: &[bool]) -> Result<(), Error> {
        self.memory.check(x)?;
        if batch == 0 || !x.rows().is_multiple_of(batch) {
            return Err(shape_error("input of a pool", x, [batch, x.cols()]));
        }
        if mask.len() != x.rows() {
            return Err(Error::Shape { name: "mask".into(), got: vec![mask.len()], expected: vec![x.rows()] });
        }
        Ok(())
    }
}

/// 1 over the steps of a sequence.
fn share_of_step<E: Element>(batch: usize, row: usize, mask: &[bool]) -> E {
    let steps = mask.iter().skip(row).step_by(batch).filter(|&&read| read).count();
    E::from_f64(1.0 / steps.max(1) as f64)
}

impl<E: Element> Node<E> for Mean {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let mut grad_x = m.take_grad(self.x.slot);
            let (width, batch) = (self.x.stride(), self.y.rows());
            let shares: Vec<E> = (0..batch).map(|b| share_of_step(batch, b, &self.mask)).collect();
            let rows = grad_x[self.x.range()].chunks_exact_mut(width).zip(&self.mask).enumerate();
            for (row, (grad, _)) in rows.filter(|(_, (_, read))| **read) {
                let b = row % batch;
                let from = &grad_y[b * width..(b + 1) * width];
                grad.iter_mut().zip(from).for_each(|(d, &g)| *d += g * shares[b]);
            }
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}

impl<E: Element> Node<E> for Pick {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        if m.wants_grad(self.x.slot) {
            let mut grad_x = m.take_grad(self.x.slot);
            let (width, target) = (self.x.stride(), &mut grad_x[self.x.range()]);
            for (at, from) in self.from.iter().enumerate() {
                if let Some(row) = from {
                    target[*row as usize * width + at % width] += grad_y[at];
                }
            }
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}
