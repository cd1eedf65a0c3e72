//! The loss node of forecasts: the mean loss of distributions at the observed values. NaN targets do not count. Not
//! here: what is forecast.

use elman_kernels::{Buffer, Element};

use crate::autodiff::params::Params;
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;
use crate::metrics::distribution::{MOST_PARAMETERS, Output};

#[derive(Debug)]
pub(crate) struct Likelihood<E> {
    raw: Var,
    loss: Var,
    /// Gradient of the mean by `raw`.
    grad: Buffer<E>,
}

impl<E: Element> Tape<E> {
    /// The mean over the targets that are numbers of [`Output::loss`], as a value of one element, and the sum in f64
    /// with their number. `raw` `[rows, P*K]` has the parameters of target k in columns k, K + k, ...; `targets` is
    /// `[rows, K]`.
    ///
    /// Errors: no targets; another number of columns. The sum runs in rising row and column.
    pub fn likelihood(&mut self, output: Output, raw: Var, targets: &[f64]) -> Result<(Var, f64, usize), Error> {
        let m = &mut self.memory;
        m.check(raw)?;
        let parameters = output.parameters();
        let count = raw.cols() / parameters;
        if count * parameters != raw.cols() || targets.is_empty() || targets.len() != raw.rows() * count {
            return Err(shape_error("input of likelihood", raw, [targets.len() / count.max(1), count * parameters]));
        }
        let counted = targets.iter().filter(|target| !target.is_nan()).count();
        let share = 1.0 / counted.max(1) as f64;
        let mut grad = m.take(raw.len());
        grad.fill(E::ZERO);
        let (mut sum, mut at, mut slope) = (0.0, [0.0; MOST_PARAMETERS], [0.0; MOST_PARAMETERS]);
        let rows = m.value(raw).chunks_exact(raw.stride()).zip(grad.chunks_exact_mut(raw.stride()));
        for ((row, grad), targets) in rows.zip(targets.chunks_exact(count)) {
            for (k, &target) in targets.iter().enumerate().filter(|(_, target)| !target.is_nan()) {
                (0..parameters).for_each(|p| at[p] = row[p * count + k].to_f64());
                sum += output.loss(&at[..parameters], target, &mut slope[..parameters]);
                (0..parameters).for_each(|p| grad[p * count + k] = E::from_f64(slope[p] * share));
            }
        }
        let mut loss = m.take(16);
        loss.fill(E::ZERO);
        loss[0] = E::from_f64(sum * share);
        let loss = m.push_rows(loss, 1, 1);
        self.record(Likelihood { raw, loss, grad });
        Ok((loss, sum, counted))
    }
}

impl<E: Element> Node<E> for Likelihood<E> {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_loss) = m.take_grad_if_any(self.loss.slot) else { return Ok(()) };
        if m.wants_grad(self.raw.slot) {
            let mut grad = m.take_grad(self.raw.slot);
            let pairs = grad[self.raw.range()].iter_mut().zip(self.grad.iter());
            pairs.for_each(|(d, &g)| *d += g * grad_loss[0]);
            m.put_grad(self.raw.slot, grad);
        }
        m.recycle(grad_loss);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.recycle(std::mem::take(&mut self.grad));
    }
}
