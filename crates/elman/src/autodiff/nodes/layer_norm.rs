//! The layer normalization node, forward beside backward. Source: Ba, Kiros, Hinton 2016.
//!
//! ```text
//! m = mean(x)   v = mean((x - m)^2)   s = 1 / sqrt(v + 1e-5)   n = (x - m) s   y = n gain + bias
//! d_n = d_y gain      d_x = s (d_n - mean(d_n) - n mean(d_n n))
//! ```
//!
//! The means run over the columns of a row, in rising order and in f64, so that every machine has the same bits.

use elman_kernels::layout::Layout;
use elman_kernels::{Buffer, Element};

use crate::autodiff::params::{ParamId, Params};
use crate::autodiff::tape::{Memory, Node, Tape, Var, shape_error};
use crate::error::Error;

/// PyTorch's `eps`.
const EPS: f64 = 1e-5;

#[derive(Debug)]
pub(crate) struct LayerNorm<E> {
    gain: ParamId,
    bias: Option<ParamId>,
    x: Var,
    y: Var,
    /// n, with the padding of x.
    normed: Buffer<E>,
    /// s of each row.
    scales: Buffer<E>,
}

impl<E: Element> Tape<E> {
    /// The rows of x `[rows, N]` with mean 0 and deviation 1, times a gain `[N]`, plus a bias `[N]`; both are vectors declared
    /// with [`bias`](crate::autodiff::params::Declaration::bias).
    ///
    /// Errors: a gain or bias of another length; a value of another tape.
    pub fn layer_norm(
        &mut self,
        params: &Params<E>,
        gain: ParamId,
        bias: Option<ParamId>,
        x: Var,
    ) -> Result<Var, Error> {
        let m = &mut self.memory;
        m.check(x)?;
        for id in [Some(gain), bias].into_iter().flatten() {
            if params.layout(id) != (Layout::Panels { rows: x.cols(), cols: 1 }) || !params.is_vector(id) {
                return Err(shape_error("input of layer_norm", x, [x.rows(), params.layout(id).rows()]));
            }
        }
        let (width, cols) = (x.stride(), x.cols());
        let (mut y, mut normed, mut scales) = (m.take(x.len()), m.take(x.len()), m.take(x.rows()));
        let (gains, biases) = (params.slice(gain), bias.map(|bias| params.slice(bias)));
        let rows = m.value(x).chunks_exact(width).zip(normed.chunks_exact_mut(width)).zip(y.chunks_exact_mut(width));
        for (((x, n), y), scale) in rows.zip(scales.iter_mut()) {
            let count = cols as f64;
            let mean = x[..cols].iter().map(|x| x.to_f64()).sum::<f64>() / count;
            let variance = x[..cols].iter().map(|x| (x.to_f64() - mean) * (x.to_f64() - mean)).sum::<f64>() / count;
            let s = 1.0 / libm::sqrt(variance + EPS);
            *scale = E::from_f64(s);
            n.fill(E::ZERO);
            y.fill(E::ZERO);
            for (i, (n, y)) in n[..cols].iter_mut().zip(y.iter_mut()).enumerate() {
                *n = E::from_f64((x[i].to_f64() - mean) * s);
                *y = *n * gains[i];
                if let Some(biases) = biases {
                    *y += biases[i];
                }
            }
        }
        let y = m.push_rows(y, x.rows(), cols);
        self.record(LayerNorm { gain, bias, x, y, normed, scales });
        Ok(y)
    }
}

impl<E: Element> Node<E> for LayerNorm<E> {
    fn backward(&mut self, m: &mut Memory<E>, params: &Params<E>, grads: &mut Params<E>) -> Result<(), Error> {
        let Some(grad_y) = m.take_grad_if_any(self.y.slot) else { return Ok(()) };
        let (width, cols) = (self.x.stride(), self.x.cols());
        let rows = || grad_y.chunks_exact(width).zip(self.normed.chunks_exact(width));
        let grad_gain = grads.slice_mut(self.gain);
        for (dy, n) in rows() {
            grad_gain.iter_mut().zip(dy.iter().zip(n)).for_each(|(d, (&dy, &n))| *d += dy * n);
        }
        if let Some(bias) = self.bias {
            let grad_bias = grads.slice_mut(bias);
            for (dy, _) in rows() {
                grad_bias.iter_mut().zip(dy).for_each(|(d, &dy)| *d += dy);
            }
        }
        if m.wants_grad(self.x.slot) {
            let (mut grad_x, gains, count) = (m.take_grad(self.x.slot), params.slice(self.gain), cols as f64);
            let targets = grad_x[self.x.range()].chunks_exact_mut(width);
            for ((dx, (dy, n)), scale) in targets.zip(rows()).zip(self.scales.iter()) {
                let dn = |i: usize| dy[i].to_f64() * gains[i].to_f64();
                let mean = (0..cols).map(dn).sum::<f64>() / count;
                let along = (0..cols).map(|i| dn(i) * n[i].to_f64()).sum::<f64>() / count;
                for (i, d) in dx[..cols].iter_mut().enumerate() {
                    *d += E::from_f64(scale.to_f64() * (dn(i) - mean - n[i].to_f64() * along));
                }
            }
            m.put_grad(self.x.slot, grad_x);
        }
        m.recycle(grad_y);
        Ok(())
    }

    fn recycle(&mut self, m: &mut Memory<E>) {
        m.recycle(std::mem::take(&mut self.normed));
        m.recycle(std::mem::take(&mut self.scales));
    }
}
