//! Holds the loss node: softmax and cross-entropy together, the mean in nats per target. The logits are consumed:
//! their buffer becomes their gradient, so that `T*B*V` numbers are held once.

use elman_kernels::{Buffer, Element, softmax};

use super::Op;
use crate::error::Error;
use crate::tape::{Memory, Tape, Var};

#[derive(Debug)]
pub(crate) struct CrossEntropy<E> {
    logits: Var,
    loss: Var,
    /// Gradient of the mean by the logits, until backward hands it on.
    grad: Buffer<E>,
}

impl<E: Element> Tape<E> {
    /// Mean over the rows whose target counts ([`softmax::IGNORED`] does not) of -ln softmax(logits) at the target, as a value of one element, and the sum in f64. The value
    /// of `logits`, which must be a whole buffer, is gone afterwards. Errors: no targets; a target out of range.
    pub fn cross_entropy(&mut self, logits: Var, targets: &[u32]) -> Result<(Var, f64), Error> {
        let m = &mut self.memory;
        m.check(logits)?;
        let rows = targets.len();
        if rows == 0 {
            // A mean over nothing has no value.
            return Err(Error::Shape { name: "targets".into(), got: vec![0], expected: vec![logits.rows().max(1)] });
        }
        let mut grad = m.consume(logits.slot);
        let mut losses = m.take(rows);
        let counted = targets.iter().filter(|&&target| target != softmax::IGNORED).count().max(1) as f64;
        let scale = E::from_f64(1.0 / counted);
        softmax::cross_entropy(&m.cpu, logits.cols(), targets, scale, &mut grad, &mut losses)?;
        let sum: f64 = losses.iter().map(|x| x.to_f64()).sum();
        m.recycle(losses);
        let mut loss = m.take(16);
        loss.fill(E::ZERO);
        loss[0] = E::from_f64(sum / counted);
        let loss = m.push_rows(loss, 1, 1);
        self.record(Op::CrossEntropy(CrossEntropy { logits, loss, grad }));
        Ok((loss, sum))
    }
}

impl<E: Element> CrossEntropy<E> {
    pub fn backward(&mut self, m: &mut Memory<E>) -> Result<(), Error> {
        let Some(grad_loss) = m.take_grad_if_any(self.loss.slot) else { return Ok(()) };
        let factor = grad_loss[0];
        m.recycle(grad_loss);
        let mut grad = std::mem::take(&mut self.grad);
        if factor != E::ONE {
            grad.iter_mut().for_each(|g| *g = *g * factor);
        }
        if let Some(earlier) = m.take_grad_if_any(self.logits.slot) {
            grad.iter_mut().zip(earlier.iter()).for_each(|(g, &e)| *g += e);
            m.recycle(earlier);
        }
        m.put_grad(self.logits.slot, grad);
        Ok(())
    }

    pub fn recycle(self, m: &mut Memory<E>) {
        m.recycle(self.grad);
    }
}
