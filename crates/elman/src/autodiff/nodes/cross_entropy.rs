//! The loss node: softmax and cross-entropy together, the mean in nats per target. The logits are consumed: their
//! buffer becomes their gradient, so that `T*B*V` numbers are stored once.

use elman_kernels::{Buffer, Element, elementwise, softmax};

use crate::autodiff::params::Params;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct CrossEntropy<E> {
    logits: Var,
    loss: Var,
    /// Gradient of the mean by the logits, until backward passes it on.
    grad: Buffer<E>,
}

impl<E: Element> Tape<E> {
    /// Mean over the rows whose target counts ([`softmax::IGNORED`] does not) of -ln softmax(logits) at the target, as
    /// a value of one element, and the sum in f64. The value of `logits`, which must be a whole buffer, can no longer
    /// be read afterwards. Errors: no targets; a target out of range.
    pub fn cross_entropy(&mut self, logits: Var, targets: &[u32]) -> Result<(Var, f64), Error> {
        self.entropy(logits, targets, None, 0.0)
    }

    /// As [`Tape::cross_entropy`], against targets of which a share `smoothing` is spread evenly over all columns
    /// (Szegedy et al. 2016, section 7). The sum in f64 is that of the smoothed losses.
    pub fn smoothed_cross_entropy(
        &mut self,
        logits: Var,
        targets: &[u32],
        smoothing: f64,
    ) -> Result<(Var, f64), Error> {
        self.entropy(logits, targets, None, smoothing)
    }

    /// As [`Tape::cross_entropy`], each target's loss counting as much as `weights[target]` says: the weighted sum over
    /// the sum of the weights of the rows that count, as in PyTorch. The sum in f64 is the plain one of the weighted
    /// losses.
    pub fn weighted_cross_entropy(
        &mut self,
        logits: Var,
        targets: &[u32],
        weights: &[f64],
    ) -> Result<(Var, f64), Error> {
        if weights.len() != logits.cols() {
            let (got, expected) = (vec![weights.len()], vec![logits.cols()]);
            return Err(Error::Shape { name: "class weights".into(), got, expected });
        }
        self.entropy(logits, targets, Some(weights), 0.0)
    }

    fn entropy(
        &mut self,
        logits: Var,
        targets: &[u32],
        weights: Option<&[f64]>,
        smoothing: f64,
    ) -> Result<(Var, f64), Error> {
        let m = &mut self.memory;
        m.check(logits)?;
        let rows = targets.len();
        if rows == 0 {
            // A mean over nothing has no value.
            return Err(Error::Shape { name: "targets".into(), got: vec![0], expected: vec![logits.rows().max(1)] });
        }
        let mut grad = m.consume(logits.slot);
        let mut losses = m.take(rows);
        let weight = |target: u32| weights.and_then(|weights| weights.get(target as usize)).copied().unwrap_or(1.0);
        let counting = targets.iter().filter(|&&target| target != softmax::IGNORED);
        let counted = match weights {
            None => counting.count().max(1) as f64,
            Some(_) => counting.map(|&target| weight(target)).sum::<f64>().max(f64::MIN_POSITIVE),
        };
        let scale = E::from_f64(1.0 / counted);
        // -(1 - s) ln p[target] - s/V sum of ln p = -ln p[target] + s (logit[target] - mean logit).
        let counts = |target: u32| smoothing > 0.0 && (target as usize) < logits.cols();
        let above_mean = grad.chunks_exact(logits.stride()).zip(targets).map(|(row, &target)| match counts(target) {
            true => {
                row[target as usize].to_f64()
                    - elementwise::sum(logits.cols(), row).unwrap_or(0.0) / logits.cols() as f64
            }
            false => 0.0,
        });
        let spread: f64 = smoothing * above_mean.sum::<f64>();
        softmax::cross_entropy(&m.cpu, logits.cols(), targets, scale, &mut grad, &mut losses)?;
        if weights.is_some() {
            let rows = grad.chunks_exact_mut(logits.stride()).zip(losses.iter_mut()).zip(targets);
            for ((row, loss), &target) in rows.filter(|(_, target)| **target != softmax::IGNORED) {
                let weight = E::from_f64(weight(target));
                *loss = *loss * weight;
                row.iter_mut().for_each(|g| *g = *g * weight);
            }
        }
        if smoothing > 0.0 {
            // softmax - (1 - s) onehot - s/V, of which the kernel made softmax - onehot.
            let (back, even) = (scale * E::from_f64(smoothing), scale * E::from_f64(smoothing / logits.cols() as f64));
            let rows = grad.chunks_exact_mut(logits.stride()).zip(targets);
            for (row, &target) in rows.filter(|(_, target)| **target != softmax::IGNORED) {
                row[..logits.cols()].iter_mut().for_each(|g| *g = *g - even);
                row[target as usize] += back;
            }
        }
        let sum: f64 = losses.iter().map(|x| x.to_f64()).sum::<f64>() + spread;
        m.recycle(losses);
        let mut loss = m.take(16);
        loss.fill(E::ZERO);
        loss[0] = E::from_f64(sum / counted);
        let loss = m.push_rows(loss, 1, 1);
        self.record(CrossEntropy { logits, loss, grad });
        Ok((loss, sum))
    }
}

impl<E: Element> Node<E> for CrossEntropy<E> {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
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

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.recycle(std::mem::take(&mut self.grad));
    }
}
