//! The node of a loss whose gradients are computed with its value: backward multiplies them by the gradient of the loss. Not here:
//! losses (`likelihood.rs`, `error_to_signal.rs`, `crf.rs`).

use elman_kernels::{Buffer, Element, pad};

use crate::autodiff::params::Params;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Known<E, const N: usize> {
    inputs: [Var; N],
    loss: Var,
    /// Gradient of the loss by each input.
    grads: [Buffer<E>; N],
}

impl<E: Element> Tape<E> {
    /// A loss as a value of one element, with its gradients by `inputs`, each as long as its input with padding.
    pub(super) fn loss_of<const N: usize>(&mut self, value: f64, inputs: [Var; N], grads: [Buffer<E>; N]) -> Var {
        let m = &mut self.memory;
        let mut loss = m.take(pad(1));
        loss.fill(E::ZERO);
        loss[0] = E::from_f64(value);
        let loss = m.push_rows(loss, 1, 1);
        self.record(Known { inputs, loss, grads });
        loss
    }
}

impl<E: Element, const N: usize> Node<E> for Known<E, N> {
    fn backward(&mut self, m: &mut Memory<E>, _: &Params<E>, _: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_loss) = m.take_grad_if_any(self.loss.slot) else { return Ok(()) };
        for (input, own) in self.inputs.iter().zip(&self.grads) {
            if m.wants_grad(input.slot) {
                let mut grad = m.take_grad(input.slot);
                grad[input.range()].iter_mut().zip(own.iter()).for_each(|(d, &g)| *d += g * grad_loss[0]);
                m.put_grad(input.slot, grad);
            }
        }
        m.recycle(grad_loss);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        self.grads.iter_mut().for_each(|grad| m.recycle(std::mem::take(grad)));
    }
}
