//! The affine node y = x W^T + b, with and without b. Not here: activations.

use elman_kernels::layout::Layout;
use elman_kernels::{Element, linear, pad};

use crate::autodiff::params::{Declaration, ParamId, Params};
use crate::autodiff::tape::shape_error;
use crate::autodiff::tape::{Memory, Node, Tape, Var};
use crate::error::Error;

/// Parameters of an affine map.
#[derive(Clone, Copy, Debug)]
pub struct LinearIds {
    /// `[N, K]`.
    pub weight: ParamId,
    /// `[N]`.
    pub bias: ParamId,
}

impl LinearIds {
    /// Declares `{name}.weight` `[outputs, inputs]` and `{name}.bias` `[outputs]`.
    pub fn declare(declaration: &mut Declaration, name: &str, inputs: usize, outputs: usize) -> LinearIds {
        let weight = declaration.weight(format!("{name}.weight"), outputs, inputs);
        LinearIds { weight, bias: declaration.bias(format!("{name}.bias"), outputs) }
    }
}

#[derive(Debug)]
pub(crate) struct Linear {
    weight: ParamId,
    bias: Option<ParamId>,
    d: linear::Dims,
    x: Var,
    y: Var,
}

impl<E: Element> Tape<E> {
    /// y `[rows, outputs]` from x `[rows, K]`.
    pub fn linear(&mut self, params: &Params<E>, ids: LinearIds, outputs: usize, x: Var) -> Result<Var, Error> {
        self.affine(params, ids.weight, Some(ids.bias), outputs, x)
    }

    /// x W^T `[rows, N]` from x `[rows, K]` and a matrix parameter `[N, K]` declared with
    /// [`weight`](crate::autodiff::params::Declaration::weight).
    ///
    /// Errors: a parameter of another layout; x has other columns than K; a value of another tape.
    pub fn matmul(&mut self, params: &Params<E>, weight: ParamId, x: Var) -> Result<Var, Error> {
        self.memory.check(x)?;
        let Layout::Panels { rows, cols } = params.layout(weight) else {
            let got = format!("{:?}", params.layout(weight));
            return Err(Error::Setting { name: "weight of matmul", got, expected: "a matrix in panels".into() });
        };
        if x.cols() != cols {
            return Err(shape_error("input of matmul", x, [x.rows(), cols]));
        }
        self.affine(params, weight, None, rows, x)
    }

    fn affine(
        &mut self,
        params: &Params<E>,
        weight: ParamId,
        bias: Option<ParamId>,
        outputs: usize,
        x: Var,
    ) -> Result<Var, Error> {
        self.memory.check(x)?;
        let d = linear::Dims { rows: x.rows(), inputs: x.cols(), outputs };
        let mut y = self.memory.take(d.rows * pad(outputs));
        let packed_bias = bias.map(|bias| params.slice(bias));
        linear::forward(&self.memory.cpu, &d, self.memory.value(x), params.slice(weight), packed_bias, &mut y)?;
        let y = self.memory.push_rows(y, d.rows, outputs);
        self.record(Linear { weight, bias, d, x, y });
        Ok(y)
    }
}

impl<E: Element> Node<E> for Linear {
    fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let mut grad_x = m.wants_grad(self.x.slot).then(|| m.take_grad(self.x.slot));
        let target = grad_x.as_mut().map(|g| &mut g[self.x.range()]);
        let (grad_weight, grad_bias) = match self.bias {
            Some(bias) => {
                let [weight, bias] = grads.slices_mut([self.weight, bias]);
                (weight, Some(bias))
            }
            None => (grads.slice_mut(self.weight), None),
        };
        let (x, weight) = (m.value(self.x), params.slice(self.weight));
        linear::backward(&m.cpu, &self.d, x, weight, &grad_y, target, grad_weight, grad_bias)?;
        if let Some(grad_x) = grad_x {
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }
}
