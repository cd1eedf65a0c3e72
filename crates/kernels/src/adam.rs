//! Holds the Adam step over flat memory. Refuses schedules and norms: it is told the rate and the clipping factor.

use crate::cpu::Shared;
use crate::error::check_len;
use crate::simd::{Kernel, Simd};
use crate::{Cpu, Element, Error};

/// One step's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// This step's number, from 1.
    pub step: u64,
    /// Factor on every gradient: below 1 where the norm is clipped.
    pub grad_scale: f64,
}

/// Moves `values` by one step of Adam and updates the moments `m` and `v`. All four have one length.
///
/// Source: Kingma and Ba 2015, algorithm 1, with the bias corrections applied as PyTorch does: to the rate and to
/// the root. Errors: lengths that differ.
pub fn adam<E: Element>(
    cpu: &Cpu,
    step: &AdamStep,
    values: &mut [E],
    grads: &[E],
    m: &mut [E],
    v: &mut [E],
) -> Result<(), Error> {
    let len = values.len();
    check_len("adam gradients", grads.len(), "values", len)?;
    check_len("adam first moments", m.len(), "values", len)?;
    check_len("adam second moments", v.len(), "values", len)?;
    let (values, m, v) = (Shared::new(values), Shared::new(m), Shared::new(v));
    cpu.split(len, 64, len * 8, |part| {
        // SAFETY: the parts of a split are disjoint and lie within the common length.
        let slice = |s: Shared<E>| unsafe { std::slice::from_raw_parts_mut(s.get().add(part.start), part.len()) };
        let (values, m, v) = (slice(values), slice(m), slice(v));
        cpu.run(Part { step, values, grads: &grads[part.clone()], m, v });
    });
    Ok(())
}

struct Part<'a, E> {
    step: &'a AdamStep,
    values: &'a mut [E],
    grads: &'a [E],
    m: &'a mut [E],
    v: &'a mut [E],
}

impl<E: Element> Kernel<E> for Part<'_, E> {
    type Output = ();
    /// Every operation is exact lane by lane, so the compiler may vectorise this as it likes.
    #[inline(always)]
    fn run<S: Simd<E>>(self, _: S) {
        let a = self.step;
        let n = a.step as f64;
        let rate = E::from_f64(a.lr / (1.0 - libm::pow(a.beta1, n)));
        let root_scale = E::from_f64(1.0 / libm::sqrt(1.0 - libm::pow(a.beta2, n)));
        let [beta1, beta2] = [a.beta1, a.beta2].map(E::from_f64);
        let [rest1, rest2] = [1.0 - a.beta1, 1.0 - a.beta2].map(E::from_f64);
        let (eps, scale) = (E::from_f64(a.eps), E::from_f64(a.grad_scale));
        let moments = self.m.iter_mut().zip(self.v.iter_mut());
        for ((value, &grad), (m, v)) in self.values.iter_mut().zip(self.grads).zip(moments) {
            let g = grad * scale;
            *m = beta1.fma(*m, rest1 * g);
            *v = beta2.fma(*v, rest2 * g * g);
            *value = *value - rate * (*m / v.sqrt().fma(root_scale, eps));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    #[test]
    fn three_steps_match_the_paper_on_every_backend() {
        let (lr, beta1, beta2, eps) = (0.01, 0.9, 0.999, 1e-8);
        for backend in Backend::available() {
            for threads in [1, 3] {
                let cpu = Cpu::with_backend(backend, threads).unwrap();
                let n = 100_003;
                let grad = |i: usize, t: u64| ((i * 7 + t as usize * 13) % 11) as f64 * 0.3 - 1.4;
                let mut values: Vec<f64> = (0..n).map(|i| i as f64 * 1e-3).collect();
                let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
                for t in 1..=3 {
                    let grads: Vec<f64> = (0..n).map(|i| grad(i, t)).collect();
                    let step = AdamStep { lr, beta1, beta2, eps, step: t, grad_scale: 0.5 };
                    adam(&cpu, &step, &mut values, &grads, &mut m, &mut v).unwrap();
                }
                for i in (0..n).step_by(997).chain([n - 1]) {
                    let (mut x, mut m, mut v) = (i as f64 * 1e-3, 0.0, 0.0);
                    for t in 1..=3 {
                        let g = grad(i, t) * 0.5;
                        m = beta1 * m + (1.0 - beta1) * g;
                        v = beta2 * v + (1.0 - beta2) * g * g;
                        let (m_hat, v_hat) = (m / (1.0 - beta1.powi(t as i32)), v / (1.0 - beta2.powi(t as i32)));
                        x -= lr * m_hat / (v_hat.sqrt() + eps);
                    }
                    assert!((values[i] - x).abs() <= 1e-13 * (1.0 + x.abs()), "{} {x}", values[i]);
                }
            }
        }
    }
}
