//! Holds the affine node y = x W^T + b. Refuses activations.

use elman_kernels::{Element, linear, pad};

use super::Op;
use crate::error::Error;
use crate::params::{ParamId, Params};
use crate::tape::{Memory, Tape, Var};

/// Parameters of an affine map.
#[derive(Clone, Copy, Debug)]
pub struct LinearIds {
    /// `[N, K]`.
    pub weight: ParamId,
    /// `[N]`.
    pub bias: ParamId,
}

#[derive(Debug)]
pub(crate) struct Linear {
    ids: LinearIds,
    d: linear::Dims,
    x: Var,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// y `[rows, outputs]` from x `[rows, K]`.
    pub fn linear(&mut self, params: &Params<E>, ids: LinearIds, outputs: usize, x: Var) -> Result<Var, Error> {
        let d = linear::Dims { rows: x.rows(), inputs: x.cols(), outputs };
        let mut y = self.memory.take(d.rows * pad(outputs));
        let (weight, bias) = (params.slice(ids.weight), params.slice(ids.bias));
        linear::forward(&self.memory.cpu, &d, self.memory.value(x), weight, Some(bias), &mut y)?;
        let y = self.memory.push_rows(y, d.rows, outputs);
        self.record(Op::Linear(Linear { ids, d, x, y }));
        Ok(y)
    }
}

impl Linear {
    pub fn backward<E: Element>(
        &self,
        m: &mut Memory<E>,
        params: &Params<E>,
        grads: &mut Params<E>,
    ) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let mut grad_x = m.wants_grad(self.x.slot).then(|| m.take_grad(self.x.slot));
        let target = grad_x.as_mut().map(|g| &mut g[self.x.range()]);
        let [grad_weight, grad_bias] = grads.slices_mut([self.ids.weight, self.ids.bias]);
        let (x, weight) = (m.value(self.x), params.slice(self.ids.weight));
        linear::backward(&m.cpu, &self.d, x, weight, &grad_y, target, grad_weight, Some(grad_bias))?;
        if let Some(grad_x) = grad_x {
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}
